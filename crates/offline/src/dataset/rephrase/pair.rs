//! A row's turns as the model is shown them: regions are `<region0>` and `<region1>`, in the order of the question.

use sha2::{Digest, Sha256};
use spatial_reward_core::digest;
use spatial_reward_core::prompt::format;
use spatial_reward_core::training_row::{TrainingRow, Turn};

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    /// What it is about, as the row names it.
    pub category: String,
    /// With a tag for each region.
    pub question: String,
    /// The same.
    pub answer: String,
    /// The row's regions in the order of their tags.
    pub mentions: Vec<usize>,
    /// Chosen by the row and the turn: equal pairs of several rows are not all worded alike.
    pub draw: u64,
}

/// What stands for a region between a question and its answer.
pub(super) fn tag(number: usize) -> String {
    format!("<region{number}>")
}

/// The pairs of a row of `dataset.jsonl`.
///
/// # Errors
/// In words, for a line that is none.
pub(super) fn pairs_of(row: &str) -> Result<Vec<Pair>, String> {
    let row = TrainingRow::parse(row)?;
    let pair = |(number, turn): (usize, Turn)| Pair {
        question: tagged_question(&turn.question),
        answer: tagged_answer(&turn.answer, turn.mentions.len()),
        category: turn.category,
        mentions: turn.mentions,
        draw: drawn(&row.color, number),
    };
    Ok(row.turns.into_iter().enumerate().map(pair).collect())
}

/// Each region's mark becomes its tag, in order.
fn tagged_question(value: &str) -> String {
    let plain = format::with_depth(value, false);
    let mut pieces = plain.split(format::MASK);
    let mut tagged = pieces.next().unwrap_or_default().to_owned();
    for (number, piece) in pieces.enumerate() {
        tagged.push_str(&tag(number));
        tagged.push_str(piece);
    }
    tagged
}

fn tagged_answer(value: &str, regions: usize) -> String {
    (0..regions).fold(value.to_owned(), |text, number| {
        text.replace(&format!("Region [{number}]"), &tag(number))
    })
}

fn drawn(filename: &str, turn: usize) -> u64 {
    let digest = Sha256::new()
        .chain_update(filename)
        .chain_update((turn as u64).to_le_bytes())
        .finalize();
    digest::seed(&digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rows_turns_name_their_regions_in_the_order_of_the_question() {
        // Given a row with depth and one without
        let row = |region: &str| {
            format!(
                r#"{{"filename": "images/a.png", "bbox": [[0, 0, 1, 1], [1, 0, 2, 1], [2, 0, 3, 1]], "mentions": [[2, 0], [1]], "categories": ["direct_distance", "width"],
                "conversations": [{{"from": "human", "value": "<image>\nHow far is {region} from {region}?"}},
                {{"from": "gpt", "value": "Region [0] is 1.20 meters away from Region [1]."}},
                {{"from": "human", "value": "How wide is {region}?"}}, {{"from": "gpt", "value": "4.87 inches"}}]}}"#
            )
        };
        for region in ["<mask>", "<mask> <depth>"] {
            // When
            let pairs = pairs_of(&row(region)).unwrap();
            // Then
            assert_eq!(pairs.len(), 2);
            assert_eq!(pairs[0].question, "How far is <region0> from <region1>?");
            assert_eq!(
                pairs[0].answer,
                "<region0> is 1.20 meters away from <region1>."
            );
            assert_eq!(pairs[0].mentions, [2, 0]);
            assert_eq!(pairs[1].question, "How wide is <region0>?");
            assert_eq!(pairs[1].answer, "4.87 inches");
            assert_ne!(pairs[0].draw, pairs[1].draw);
        }
        assert!(pairs_of("{").is_err());
    }
}
