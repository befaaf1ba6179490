//! The marks of a prompt, spelled here and nowhere else: what stands for the picture and for a region until features
//! replace it, and the question that bags are labelled with. They are the original's (`llava/constants.py`).

/// The picture.
pub const IMAGE: &str = "<image>";
/// A region of the colour picture.
pub const MASK: &str = "<mask>";
/// The same region of the depth picture.
pub const DEPTH: &str = "<depth>";

/// What is asked of each frame unless the settings say otherwise; in it `<regionN>` stands for region N.
pub const DISTANCE_QUESTION: &str = "How far is <region0> from <region1>?";

/// What stands for a region.
pub fn region(with_depth: bool) -> &'static str {
    match with_depth {
        true => "<mask> <depth>",
        false => MASK,
    }
}

/// A conversation's first question, with the picture before it.
pub fn with_image(question: &str) -> String {
    format!("{IMAGE}\n{question}")
}

/// A first question without its picture.
pub fn without_image(question: &str) -> String {
    question.replace(IMAGE, "").trim().to_owned()
}

/// A question with or without the depth of its regions, whichever it had.
pub fn with_depth(question: &str, with_depth: bool) -> String {
    let plain = question.replace(region(true), MASK);
    match with_depth {
        true => plain.replace(MASK, region(true)),
        false => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_comes_and_goes_with_its_region() {
        let plain = "Is <mask> behind <mask>?";
        let deep = with_depth(plain, true);
        assert_eq!(deep, "Is <mask> <depth> behind <mask> <depth>?");
        assert_eq!(with_depth(&deep, true), deep);
        assert_eq!(with_depth(&deep, false), plain);
    }

    #[test]
    fn a_picture_comes_before_the_question_and_goes_again() {
        assert_eq!(without_image(&with_image("How wide?")), "How wide?");
    }
}
