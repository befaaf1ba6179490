//! What is asked of networks about a photo, in plain data: regions by words, masks by boxes, metric depth. Whoever has
//! networks gives them here; what stands in files beside a photo is taken in their place.

use std::fmt;

use spatial_reward_core::frame::{BoundingBox, ColorImage, DepthImage};
use spatial_reward_core::imaging::Mask;

/// A thing that was found in a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRegion {
    /// The word that it was found by.
    pub name: String,
    /// From 0 to 1.
    pub score: f64,
    /// Pixels of the photo, ends exclusive.
    pub bbox: BoundingBox,
}

/// Finds things in a photo by words. Errors are in words.
pub trait Detector: Sync {
    /// All that it finds of these words.
    ///
    /// # Errors
    /// Why it cannot.
    fn detect(&self, photo: &ColorImage, words: &[String]) -> Result<Vec<FoundRegion>, String>;
}

/// Masks of what is in boxes. Errors are in words.
pub trait Segmenter: Sync {
    /// For each box its best mask, of the photo's size.
    ///
    /// # Errors
    /// Why it cannot.
    fn segment(&self, photo: &ColorImage, boxes: &[BoundingBox]) -> Result<Vec<Mask>, String>;
}

/// What a network says of a photo's depth.
#[derive(Debug, Clone)]
pub struct MetricDepth {
    /// Metres along the optical axis; of the photo's size, or a scaling of it.
    pub depth: DepthImage,
    /// The focal length in pixels of the photo, where the network tells it.
    pub focal_px: Option<f64>,
}

/// Metric depth of a photo. Errors are in words.
pub trait DepthModel: Sync {
    /// Of a photo whose focal length may be known, in its pixels.
    ///
    /// # Errors
    /// Why it cannot.
    fn depth(&self, photo: &ColorImage, focal_px: Option<f64>) -> Result<MetricDepth, String>;
}

/// The networks at hand: this is where a program joins them to the work. What is `None` must stand in files.
#[derive(Clone, Copy, Default)]
pub struct Networks<'a> {
    /// `NAME.regions.json` in its place.
    pub detector: Option<&'a dyn Detector>,
    /// The masks in `NAME.regions.json` in its place.
    pub segmenter: Option<&'a dyn Segmenter>,
    /// `NAME.depth.npy` or `NAME.depth.png` in its place.
    pub depth: Option<&'a dyn DepthModel>,
}

impl fmt::Debug for Networks<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            detector,
            segmenter,
            depth,
        } = self;
        let has = [detector.is_some(), segmenter.is_some(), depth.is_some()];
        write!(formatter, "Networks({has:?})")
    }
}
