//! The pictures of an open bag: encoded all of them, decoded as many as there is room for, so that a correction does not
//! decode again.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use spatial_reward_core::frame::{ColorImage, DepthImage};
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::pipeline::{FrameInfo, MatchedFrame, Ordinal};

/// Of pictures that are looked at by a person.
const JPEG_QUALITY: u8 = 88;
/// Where the system does not say how much memory is free.
const USUAL_BUDGET: usize = 1 << 30;

/// A picture, and the depth that belongs to it.
pub(super) type Look = (ColorImage, Option<DepthImage>);

/// The pictures of a bag, in the order of its frames.
#[derive(Debug)]
pub struct HeldPictures {
    image: Decoder,
    frames: Vec<MatchedFrame<Ordinal>>,
    pub(super) images: HashMap<Ordinal, Bytes>,
    pub(super) depths: HashMap<Ordinal, Bytes>,
    looks: Vec<Mutex<Looked>>,
    /// Bytes that decoded pictures may still take.
    left: AtomicUsize,
}

/// What became of the attempt to decode a picture.
#[derive(Debug, Default)]
enum Looked {
    #[default]
    NotYet,
    Broken,
    At(Arc<Look>),
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
            looks: frames.iter().map(|_| Mutex::default()).collect(),
            frames,
            images,
            depths,
            left: AtomicUsize::new(budget),
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
        let held = self.looked(index).and_then(|looked| match &*looked {
            Looked::At(look) => Some(Arc::clone(look)),
            Looked::NotYet | Looked::Broken => None,
        });
        if let Some(look) = held {
            return encoded(&look.0);
        }
        let data = self.images.get(&frame.image).cloned().unwrap_or_default();
        let picture = self.image.color(&data);
        encoded(&picture.map_err(|error| error.to_string())?)
    }

    /// A frame's pixels, and its depth as far as there is some; `None` if its picture does not decode.
    pub(super) fn look(&self, measurer: &Measurer<'_>, index: usize) -> Option<Arc<Look>> {
        let mut looked = self.looked(index)?;
        match &*looked {
            Looked::Broken => return None,
            Looked::At(look) => return Some(Arc::clone(look)),
            Looked::NotYet => {}
        }
        let frame = self.frames.get(index)?;
        let frame = self.with_payload(frame, frame.info.clone());
        let Some(look) = measurer.look(&frame).map(Arc::new) else {
            *looked = Looked::Broken;
            return None;
        };
        if self.takes(&look) {
            *looked = Looked::At(Arc::clone(&look));
        }
        Some(look)
    }

    fn looked(&self, index: usize) -> Option<MutexGuard<'_, Looked>> {
        let looked = self.looks.get(index)?;
        // Whoever panicked had not changed it.
        Some(looked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn takes(&self, look: &Look) -> bool {
        let depth = look.1.as_ref();
        // Depth that was decoded has four bytes a pixel.
        let depth = depth.map_or(0, |depth| 4 * depth.width as usize * depth.height as usize);
        let bytes = look.0.rgb.len() + depth;
        let taken = |left: usize| left.checked_sub(bytes);
        (self.left)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .is_ok()
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
            masks: frame.masks.clone(),
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

/// How many bytes the pictures of a bag may take: half of what is free.
pub(super) fn budget() -> usize {
    let told = fs::read_to_string("/proc/meminfo").ok();
    let free = told.and_then(|told| {
        let line = told
            .lines()
            .find_map(|line| line.strip_prefix("MemAvailable:"))?;
        let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    });
    free.map_or(USUAL_BUDGET, |free| free / 2)
}
