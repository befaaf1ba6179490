//! A question about a picture and its answer: plain data, with or without the model in this build.

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::frame::{BoundingBox, ColorImage};
use crate::imaging::{self, GrayImage, Mask};

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

/// A mask or a depth picture as it comes: the bytes of a PNG, JPEG or WebP file.
#[derive(Debug, Clone, Copy)]
pub struct Encoded<'a> {
    /// All of them.
    pub bytes: &'a [u8],
    /// What it is called in errors.
    pub file: &'a Path,
}

impl MarkedPicture {
    /// A picture with its regions: the boxes first, in pixels, then the masks, of which all is inside that is not black.
    ///
    /// # Errors
    /// A box or a mask without a pixel, a mask or depth of another size than the picture's, what is no picture.
    pub fn new(
        color: ColorImage,
        boxes: &[BoundingBox],
        masks: &[Encoded],
        depth: Option<Encoded>,
    ) -> Result<Self> {
        let boxes = boxes.iter().map(|bbox| box_mask(bbox, &color));
        let given = masks.iter().map(|mask| given_mask(*mask, &color));
        let masks = boxes.chain(given).collect::<Result<_>>()?;
        let depth = depth.map(|depth| depth_of(depth, &color)).transpose()?;
        Ok(Self {
            color,
            depth,
            masks,
        })
    }
}

fn box_mask(bbox: &BoundingBox, color: &ColorImage) -> Result<Mask> {
    let mask = Mask::from_box(bbox, color.width, color.height);
    if mask.is_empty() {
        return Err(Error::EmptyBox {
            bbox: [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max],
            width: color.width,
            height: color.height,
        });
    }
    Ok(mask)
}

fn given_mask(mask: Encoded, color: &ColorImage) -> Result<Mask> {
    let Encoded { bytes, file } = mask;
    let mask = Mask::from_encoded(bytes, (color.width, color.height), file)?;
    if mask.is_empty() {
        return Err(Error::EmptyMask { path: file.into() });
    }
    Ok(mask)
}

fn depth_of(depth: Encoded, color: &ColorImage) -> Result<GrayImage> {
    let Encoded { bytes, file } = depth;
    let depth = imaging::decode_gray(bytes, file)?;
    if (depth.width, depth.height) != (color.width, color.height) {
        return Err(Error::DepthSize {
            path: file.into(),
            width: depth.width,
            height: depth.height,
            image_width: color.width,
            image_height: color.height,
        });
    }
    Ok(depth)
}

/// A question of somebody who says all that it follows on.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it is about.
    pub picture: MarkedPicture,
    /// What was asked about it before, with the answers.
    pub history: Vec<(String, String)>,
    /// With `<regionN>` for region N.
    pub question: String,
    /// The longest answer in tokens, where it is to be shorter than the settings let it be.
    pub max_new_tokens: Option<usize>,
}

/// What the model answered.
#[derive(Debug, Clone, PartialEq, Default)]
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
    /// Tokens of all that it read, those of the picture among them.
    pub prompt_tokens: usize,
    /// Tokens that it wrote, the one that ends the answer among them.
    pub answer_tokens: usize,
}

/// An answer as it is told in JSON. The keys are a public interface.
#[derive(Debug, Serialize)]
pub struct Told<'a> {
    question: &'a str,
    answer: &'a str,
    /// The distance that the answer states; null without one.
    distance_m: Option<f64>,
    /// One standard deviation of it; null where the model tells none.
    distance_std_m: Option<f64>,
    /// Whether that was fitted to truth; null without one.
    distance_std_calibrated: Option<bool>,
    confidence: Option<f32>,
    /// The answer names a region that the question does not mention.
    unknown_regions: bool,
    /// The model ended by itself.
    complete: bool,
    prompt: &'a str,
    seconds: f64,
}

impl<'a> Told<'a> {
    /// The answer to this question.
    pub fn new(question: &'a str, reply: &'a Reply) -> Self {
        Self {
            question,
            answer: &reply.text,
            distance_m: reply.distance_m,
            distance_std_m: reply.distance_std_m,
            distance_std_calibrated: (reply.distance_std_m).map(|_| reply.std_is_calibrated),
            confidence: reply.confidence,
            unknown_regions: reply.unknown_regions,
            complete: reply.complete,
            prompt: &reply.prompt,
            seconds: reply.seconds,
        }
    }
}
