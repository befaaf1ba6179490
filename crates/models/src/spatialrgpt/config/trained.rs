//! What a checkpoint was trained to answer, where it says so: this program's own key in the top `config.json`.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use spatial_reward_core::calibration::Calibration;
use spatial_reward_core::prompt::format;

/// `spatial_reward` in the top `config.json`. A checkpoint without it was trained on all sorts of questions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trained {
    /// The only questions that it was trained on, with `<region0>`, `<region1>` and so on in the order in which they are
    /// mentioned. Empty: all sorts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<String>,
    /// The least distance that it answers, in metres: what is nearer it does not tell from this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_distance_m: Option<f64>,
    /// What makes a standard deviation of its answers' spread. Left out: nobody fitted it, and it is not calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

impl Trained {
    /// # Errors
    /// `Error::UntrainedQuestion` for a question that it would answer in the words of another.
    pub fn check(&self, question: &str) -> Result<()> {
        let asked = by_mention(question);
        if self.questions.is_empty()
            || self
                .questions
                .iter()
                .any(|known| by_mention(known) == asked)
        {
            return Ok(());
        }
        Err(Error::UntrainedQuestion {
            question: question.trim().to_owned(),
            known: self.questions.clone(),
        })
    }

    /// What is to be said of a checkpoint that was trained so before and learned from these questions, which have
    /// `<mask>` for each region: one question alone is worth saying. `None`: it began from nothing.
    pub fn after<'a>(before: Option<&Self>, questions: impl Iterator<Item = &'a str>) -> Self {
        let known = before.map_or(&[][..], |before| &before.questions);
        if before.is_some() && known.is_empty() {
            return Self::default();
        }
        let mut only: Option<String> = None;
        let known = known.iter().map(|question| by_mention(question));
        for question in known.chain(questions.map(by_mention)) {
            match &only {
                Some(only) if *only == question => {}
                Some(_) => return Self::default(),
                None => only = Some(question),
            }
        }
        Self {
            questions: only.into_iter().collect(),
            least_distance_m: None,
            // Fitted to the answers of other weights.
            calibration: None,
        }
    }
}

/// Whether two questions are one, about whichever regions.
pub(in crate::spatialrgpt) fn is_same_question(one: &str, other: &str) -> bool {
    by_mention(one) == by_mention(other)
}

/// A question with its regions numbered in the order of their mention, whatever they were called.
fn by_mention(question: &str) -> String {
    let plain = format::with_depth(&format::without_image(question), false);
    let mut numbers: Vec<&str> = Vec::new();
    let mut text = String::with_capacity(plain.len());
    // `<mask>` stands for the next region, `<regionN>` for the one of that number.
    let mut masks = 0;
    let mut rest = plain.as_str();
    while let Some(begin) = rest.find('<') {
        let (before, marked) = rest.split_at(begin);
        text.push_str(before);
        let end = marked.find('>').map_or(marked.len(), |end| end + 1);
        let (mark, after) = marked.split_at(end);
        let number = mark
            .strip_prefix("<region")
            .and_then(|mark| mark.strip_suffix('>'))
            .filter(|number| number.chars().all(|c| c.is_ascii_digit()));
        if mark == format::MASK {
            text.push_str(&format!("<region{masks}>"));
            masks += 1;
        } else if let Some(number) = number {
            let place = numbers.iter().position(|known| *known == number);
            let place = place.unwrap_or_else(|| {
                numbers.push(number);
                numbers.len() - 1
            });
            text.push_str(&format!("<region{place}>"));
        } else {
            text.push_str(mark);
        }
        rest = after;
    }
    text.push_str(rest);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISTANCE: &str = "How far is <region0> from <region1>?";
    const TAUGHT: &str = "<image>\nHow far is <mask> <depth> from <mask> <depth>?";

    fn only_distances() -> Trained {
        Trained {
            questions: vec![DISTANCE.into()],
            least_distance_m: Some(0.03),
            calibration: Some(Calibration {
                scale: 1.5,
                floor_m: 0.01,
            }),
        }
    }

    #[test]
    fn one_that_knows_one_question_refuses_others_and_takes_its_own_about_any_two_regions() {
        let trained = only_distances();
        for same in [
            DISTANCE,
            " How far  is <region0> from <region1>?\n",
            "How far is <region4> from <region2>?",
        ] {
            trained.check(same).unwrap();
        }
        for other in [
            "How wide is <region0>?",
            "How far is <region0> from <region0>?",
            "How far away is <region0> from <region1>?",
            "What is this?",
        ] {
            let error = trained.check(other).unwrap_err().to_string();
            assert!(error.contains(other) && error.contains(DISTANCE), "{error}");
        }
    }

    #[test]
    fn one_that_says_nothing_is_asked_anything() {
        Trained::default().check("Why?").unwrap();
    }

    #[test]
    fn what_a_training_teaches_is_said_where_it_is_one_question() {
        let taught = |before: Option<&Trained>, questions: &[&str]| {
            Trained::after(before, questions.iter().copied()).questions
        };
        let (knows_one, knows_all) = (only_distances(), Trained::default());
        let other = "How wide is <mask>?";
        // from nothing, and from a checkpoint of one question
        for before in [None, Some(&knows_one)] {
            assert_eq!(taught(before, &[TAUGHT, TAUGHT]), [DISTANCE]);
            assert!(taught(before, &[TAUGHT, other]).is_empty());
        }
        assert!(taught(Some(&knows_one), &[other]).is_empty());
        // and what was fitted to the answers before is no calibration of those after
        assert_eq!(
            Trained::after(Some(&knows_one), [TAUGHT].into_iter()).calibration,
            None
        );
        // what knew all sorts still does
        assert!(taught(Some(&knows_all), &[TAUGHT]).is_empty());
    }
}
