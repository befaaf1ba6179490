//! A rephrased pair: whether it may be taken, and the turn that it becomes.

use super::facts;
use super::pair::{Pair, tag};
use super::refusal::Refusal;
use super::reply::{self, Worded};

/// Nothing that could be taken for a mark of the prompt or for a region stays beside the tags.
const MARKS: [char; 6] = ['<', '>', '[', ']', '{', '}'];

/// A turn in other words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    /// With `region` in the place of each region.
    pub question: String,
    /// With `Region [0]` for the first that the question mentions.
    pub answer: String,
    /// The row's regions in the order of the question.
    pub mentions: Vec<usize>,
}

/// What a model said, if it may stand for the pair.
///
/// # Errors
/// Why it may not.
pub(super) fn checked(pair: &Pair, said: &str) -> Result<Worded, Refusal> {
    let worded = reply::worded(said).ok_or(Refusal::NoJson)?;
    accepted(pair, &worded)?;
    Ok(worded)
}

/// As in the original the tags of all three are the same, each once in the question; and the facts are.
///
/// # Errors
/// Which of it is not so.
pub(super) fn accepted(pair: &Pair, worded: &Worded) -> Result<(), Refusal> {
    let regions = pair.mentions.len();
    let counts = |text: &str| -> Vec<usize> {
        let count = |number| text.matches(&tag(number)).count();
        (0..regions).map(count).collect()
    };
    let has_others = |text: &str| {
        let without = (0..regions).fold(text.to_owned(), |text, number| {
            text.replace(&tag(number), "")
        });
        without.contains(MARKS) || without.to_lowercase().contains("region")
    };
    let is_each_once = counts(&worded.question).iter().all(|count| *count == 1);
    let is_each_there = counts(&worded.answer).iter().all(|count| *count >= 1);
    if !is_each_once || !is_each_there || has_others(&worded.question) || has_others(&worded.answer)
    {
        return Err(Refusal::Tags);
    }
    facts::same(pair, worded)
}

/// The turn that it becomes; `region` stands for a region in the question.
pub(super) fn turn(pair: &Pair, worded: &Worded, region: &str) -> Turn {
    let mut order: Vec<usize> = (0..pair.mentions.len()).collect();
    order.sort_by_key(|number| worded.question.find(&tag(*number)));
    let (mut question, mut answer) = (worded.question.clone(), worded.answer.clone());
    for (place, number) in order.iter().enumerate() {
        question = question.replace(&tag(*number), region);
        answer = answer.replace(&tag(*number), &format!("Region [{place}]"));
    }
    let mentions = order.iter().filter_map(|number| pair.mentions.get(*number));
    Turn {
        question,
        answer,
        mentions: mentions.copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Pair {
        Pair {
            category: "direct_distance".into(),
            question: "How far is <region0> from <region1>?".into(),
            answer: "4.87 inches".into(),
            mentions: vec![5, 2],
            draw: 0,
        }
    }

    fn said(question: &str, answer: &str) -> Result<Worded, Refusal> {
        checked(
            &pair(),
            &serde_json::json!({"Question": question, "Answer": answer}).to_string(),
        )
    }

    const ANSWER: &str = "Between <region0> and <region1> are 4.87 inches.";

    #[test]
    fn a_question_that_names_the_regions_the_other_way_round_keeps_them_apart() {
        // Given a rephrasing that mentions the second region first
        let worded = said(
            "What lies between <region1> and <region0>, in length?",
            "<region0> is 4.87 inches away from <region1>.",
        )
        .unwrap();
        // When it becomes a turn
        let turn = turn(&pair(), &worded, "<mask>");
        // Then the mentions follow the question, and the answer them
        assert_eq!(
            turn.question,
            "What lies between <mask> and <mask>, in length?"
        );
        assert_eq!(turn.mentions, [2, 5]);
        assert_eq!(
            turn.answer,
            "Region [1] is 4.87 inches away from Region [0]."
        );
    }

    #[test]
    fn other_tags_are_refused() {
        let question = "What is the gap from <region0> to <region1>?";
        assert!(said(question, ANSWER).is_ok());
        for (question, answer) in [
            ("What is the gap from <region0>?", ANSWER),
            ("Is <region0> far from <region1>, I mean <region0>?", ANSWER),
            (
                "What is the gap from <region0> to <region1> and <region2>?",
                ANSWER,
            ),
            (
                "What is the gap from <region0> to <region1>? <mask>",
                ANSWER,
            ),
            ("What is the gap from region 0 to region 1?", ANSWER),
            (question, "They are 4.87 inches apart."),
            (question, "<region0> is 4.87 inches away from <region2>."),
            (question, "<region0> [1] <region1>: 4.87 inches."),
        ] {
            assert_eq!(
                said(question, answer),
                Err(Refusal::Tags),
                "{question} {answer}"
            );
        }
    }
}
