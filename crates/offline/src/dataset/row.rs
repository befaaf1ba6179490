//! One line of a data set: a frame, its regions and what is said about them, in the shape of the Open
//! Spatial Dataset with what training needs besides.

use serde::Serialize;

use super::questions::Turn;
use super::rle::Rle;

/// The keys are a public interface.
#[derive(Debug, Serialize)]
pub struct Row<'a> {
    pub filename: String,
    pub depth: Option<String>,
    pub metric: Option<String>,
    /// fx, fy, cx, cy in pixels of the colour image.
    pub intrinsics: [f64; 4],
    pub bag: &'a str,
    pub stamp_nanos: i64,
    /// Names; the index is the region's number.
    pub regions: Vec<&'a str>,
    /// Pixels of the colour image, ends exclusive.
    pub bbox: Vec<[f64; 4]>,
    /// `None` unless every region has an exact mask.
    pub rle: Option<Vec<&'a Rle>>,
    /// Each cloud's centroid in the camera's optical frame, metres.
    pub points: Vec<[f64; 3]>,
    pub conversations: Vec<Message>,
    /// For each human turn the regions that its masks stand for, in order.
    pub mentions: Vec<Vec<usize>>,
    pub categories: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub struct Message {
    pub from: &'static str,
    pub value: String,
}

/// The turns as the published data set writes them. Regions have a `<depth>` where the frame has one.
pub fn conversations(turns: &[Turn], has_depth: bool) -> Vec<Message> {
    let region = if has_depth {
        "<mask> <depth>"
    } else {
        "<mask>"
    };
    let mut messages = Vec::with_capacity(2 * turns.len());
    for turn in turns {
        let question = turn.question.replace("{0}", region).replace("{1}", region);
        let image = if messages.is_empty() { "<image>\n" } else { "" };
        messages.push(Message {
            from: "human",
            value: format!("{image}{question}"),
        });
        messages.push(Message {
            from: "gpt",
            value: turn.answer.clone(),
        });
    }
    messages
}
