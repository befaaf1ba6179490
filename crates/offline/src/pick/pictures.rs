//! The pictures of an open bag: encoded all of them, decoded as many as there is room for, so that a correction does not
//! decode again.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::looks::Looks;
use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::pipeline::{FrameInfo, Look, MatchedFrame, Ordinal};

/// Of pictures that are looked at by a person.
const JPEG_QUALITY: u8 = 88;

/// The pictures of a bag, in the order of its frames.
#[derive(Debug)]
pub struct HeldPictures {
    image: Decoder,
    frames: Vec<MatchedFrame<Ordinal>>,
    pub(super) images: HashMap<Ordinal, Bytes>,
    pub(super) depths: HashMap<Ordinal, Bytes>,
    looks: Looks,
}

impl HeldPictures {
    pub(super) fn new(
        image: Decoder,
        frames: Vec<MatchedFrame<Ordinal>>,
        images: HashMap<Ordinal, Bytes>,
        depths: HashMap<Ordinal, Bytes>,
        budget: usize,
    ) -> Self {
        Self {
            image,
            looks: Looks::new(frames.len(), budget),
            frames,
            images,
            depths,
        }
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn frames(&self) -> &[MatchedFrame<Ordinal>] {
        &self.frames
    }

    pub(super) fn info(&self, index: usize) -> Option<&FrameInfo> {
        self.frames.get(index).map(|frame| &frame.info)
    }

    /// A frame's picture as JPEG.
    ///
    /// # Errors
    /// Why it cannot be shown, in words.
    pub fn jpeg(&self, index: usize) -> Result<Vec<u8>, String> {
        let frame = self.frames.get(index);
        let frame = frame.ok_or_else(|| format!("there is no picture {index}"))?;
        if let Some(look) = self.looks.held(index) {
            return encoded(look.color());
        }
        let data = self.images.get(&frame.image).cloned().unwrap_or_default();
        let picture = self.image.color(&data);
        encoded(&picture.map_err(|error| error.to_string())?)
    }

    /// A frame's pixels, and its depth as far as there is some; `None` if its picture does not decode.
    pub(super) fn look(&self, measurer: &Measurer<'_>, index: usize) -> Option<Arc<Look>> {
        let frame = self.frames.get(index)?;
        self.looks.at(index, || {
            measurer.look(&self.with_payload(frame, frame.info.clone()))
        })
    }

    /// A frame with its encoded pictures.
    pub(super) fn with_payload(
        &self,
        frame: &MatchedFrame<Ordinal>,
        info: FrameInfo,
    ) -> MatchedFrame {
        let of = |held: &HashMap<Ordinal, Bytes>, at: Ordinal| held.get(&at).cloned();
        MatchedFrame {
            info,
            image: of(&self.images, frame.image).unwrap_or_default(),
            depth: frame
                .depth
                .map(|at| of(&self.depths, at).unwrap_or_default()),
            intrinsics: frame.intrinsics,
            places: frame.places.clone(),
            registration: frame.registration.clone(),
        }
    }
}

fn encoded(picture: &ColorImage) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .write_image(
            &picture.rgb,
            picture.width,
            picture.height,
            ExtendedColorType::Rgb8,
        )
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}
