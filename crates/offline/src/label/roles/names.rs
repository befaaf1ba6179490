//! Reading topic names: the words in them, the namespaces they share, the transport behind them.

/// Last segments that `image_transport` adds to the name of the image that it carries.
const TRANSPORTS: [&str; 5] = ["compressed", "compressedDepth", "theora", "ffmpeg", "zstd"];

/// Words of this length and longer are also found inside other words.
const LONG_WORD: usize = 5;

/// Whether the name has one of the words, singular or plural, in any case.
pub(crate) fn mentions(name: &str, words: &[&str]) -> bool {
    let lower = name.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).any(|token| {
        words.iter().any(|word| {
            token == *word
                || token.strip_suffix('s') == Some(word)
                || (word.len() >= LONG_WORD && token.contains(word))
        })
    })
}

/// Whether the topic is ground truth: that is for evaluation, never for labelling.
pub(crate) fn is_truth(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower.split('/').any(|segment| {
        segment.contains("ground_truth") || segment.contains("groundtruth") || segment == "gt"
    })
}

/// The image's name without its transport: `/camera/image_raw` of `/camera/image_raw/compressed`.
pub(crate) fn stream(name: &str) -> &str {
    match name.rsplit_once('/') {
        Some((stream, transport)) if TRANSPORTS.contains(&transport) => stream,
        _ => name,
    }
}

/// Where ROS expects the camera info of an image: beside it.
pub(crate) fn camera_info_beside(image: &str) -> String {
    let namespace = stream(image)
        .rsplit_once('/')
        .map_or("", |(namespace, _)| namespace);
    format!("{namespace}/camera_info")
}

/// How many leading segments two names share.
pub(crate) fn shared_segments(a: &str, b: &str) -> usize {
    let segments = |name: &'_ str| {
        name.split('/')
            .filter(|s| !s.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    segments(a)
        .iter()
        .zip(&segments(b))
        .take_while(|(a, b)| a == b)
        .count()
}

/// How surely a topic's boxes are the fingertip's by its name; 0 if it does not say.
pub(crate) fn says_fingertip(name: &str) -> u8 {
    strength(
        name,
        &["fingertip"],
        &["finger", "gripper", "tip"],
        &[
            "eef",
            "ee",
            "endeffector",
            "effector",
            "tool",
            "tcp",
            "hand",
        ],
    )
}

/// How surely a topic's boxes are the target's by its name; 0 if it does not say.
pub(crate) fn says_target(name: &str) -> u8 {
    strength(name, &["target"], &["object", "goal"], &["obj", "item"])
}

/// A name this sure is believed even where no other topic is left for the other role.
pub(crate) const SURE: u8 = 3;

fn strength(name: &str, sure: &[&str], likely: &[&str], possible: &[&str]) -> u8 {
    [(SURE, sure), (2, likely), (1, possible)]
        .into_iter()
        .find(|(_, words)| mentions(name, words))
        .map_or(0, |(strength, _)| strength)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_in_plural_and_long_ones_inside_others() {
        assert!(mentions("/Left_Fingertips/boxes", &["fingertip"]));
        assert!(mentions("/objects", &["object"]));
        assert!(mentions("/rgbdcamera/colorimage", &["color"]));
        assert!(!mentions("/door_handle", &["hand"]));
        assert!(!mentions("/multiplexer", &["tip"]));
    }

    #[test]
    fn truth_is_told_by_a_segment_of_the_name() {
        assert!(is_truth("/ground_truth/fingertip"));
        assert!(is_truth("/sim/gt/target"));
        assert!(!is_truth("/gtx/target"));
    }

    #[test]
    fn the_camera_info_is_expected_beside_the_image_whatever_its_transport() {
        for image in [
            "/camera/color/image_raw",
            "/camera/color/image_raw/compressed",
        ] {
            assert_eq!(camera_info_beside(image), "/camera/color/camera_info");
        }
        assert_eq!(camera_info_beside("/image"), "/camera_info");
    }

    #[test]
    fn namespaces_are_compared_by_segments() {
        assert_eq!(shared_segments("/a/b/c", "/a/b/d"), 2);
        assert_eq!(shared_segments("/front_left/x", "/front_right/x"), 0);
    }
}
