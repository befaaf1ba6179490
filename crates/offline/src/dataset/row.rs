//! One line of a data set: a frame, its regions and what is said about them, in the shape of the Open
//! Spatial Dataset with what training needs besides.

use serde::Serialize;
use spatial_reward_core::prompt::format;

use super::questions::Turn;
use spatial_reward_core::imaging::rle::Rle;

/// The keys are a public interface.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    /// The colour image's file in the data set.
    pub filename: String,
    /// The relative depth's file.
    pub depth: Option<String>,
    /// The metric depth's file, millimetres.
    pub metric: Option<String>,
    /// fx, fy, cx, cy in pixels of the colour image.
    pub intrinsics: [f64; 4],
    /// The bag's name in the data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bag: Option<&'a str>,
    /// When the colour image was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp_nanos: Option<i64>,
    /// The photo's name in the data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photo: Option<&'a str>,
    /// Of a photo: against gravity in the camera's optical frame, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<[f64; 3]>,
    /// How sure that is, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up_confidence: Option<f64>,
    /// Names; the index is the region's number.
    pub regions: Vec<&'a str>,
    /// Pixels of the colour image, ends exclusive.
    pub bbox: Vec<[f64; 4]>,
    /// `None` unless every region has an exact mask.
    pub rle: Option<Vec<&'a Rle>>,
    /// Each cloud's centroid in the camera's optical frame, metres.
    pub points: Vec<[f64; 3]>,
    /// Questions and answers in turn.
    pub conversations: Vec<Message>,
    /// For each human turn the regions that its masks stand for, in order.
    pub mentions: Vec<Vec<usize>>,
    /// What each question is about.
    pub categories: Vec<&'static str>,
}

/// One utterance of a conversation.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    /// `human` or `gpt`.
    pub from: &'static str,
    /// Its words.
    pub value: String,
}

/// The turns as the published data set writes them. Regions have a `<depth>` where the frame has one.
pub(crate) fn conversations(turns: &[Turn], has_depth: bool) -> Vec<Message> {
    let region = format::region(has_depth);
    in_turn(turns.iter().map(|turn| {
        let question = turn.question.replace("{0}", region).replace("{1}", region);
        (question, turn.answer.clone())
    }))
}

/// Questions and their answers, the picture before the first.
pub(crate) fn in_turn(said: impl Iterator<Item = (String, String)>) -> Vec<Message> {
    let mut messages = Vec::new();
    for (question, answer) in said {
        messages.push(Message {
            from: "human",
            value: match messages.is_empty() {
                true => format::with_image(&question),
                false => question,
            },
        });
        messages.push(Message {
            from: "gpt",
            value: answer,
        });
    }
    messages
}
