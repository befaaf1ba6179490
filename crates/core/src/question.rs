//! A question about a picture and its answer: plain data, with or without the model in this build.

use crate::frame::ColorImage;
use crate::imaging::{GrayImage, Mask};

/// A picture with the regions that are asked about.
#[derive(Debug, Clone)]
pub struct MarkedPicture {
    /// What the model looks at.
    pub color: ColorImage,
    /// Relative depth of the same size: larger is nearer.
    pub depth: Option<GrayImage>,
    /// Region N of the questions is entry N. Each has the picture's size.
    pub masks: Vec<Mask>,
}

/// What the model answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// With `[n]` for the caller's region n.
    pub text: String,
    /// The text has an `[n]` that means no region of its question.
    pub unknown_regions: bool,
    /// The distance that it states, in metres.
    pub distance_m: Option<f64>,
    /// One standard deviation of `distance_m`, in metres, if the model tells it.
    pub distance_std_m: Option<f64>,
    /// Whether that is known to hold: the model's answers to this question were held against truth.
    pub std_is_calibrated: bool,
    /// How sure the model was of the distance's digits, 0 to 1; `None` without a distance.
    pub confidence: Option<f32>,
    /// The model ended by itself, rather than at the limit of tokens.
    pub complete: bool,
    /// All that it read, with placeholders for the picture and the regions.
    pub prompt: String,
    /// Wall time that the answer took.
    pub seconds: f64,
}
