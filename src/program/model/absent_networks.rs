//! Stands in for the networks of single pictures in a build without the feature `torch`: whoever asks for one learns how to get
//! it.

use anyhow::anyhow;
use spatial_reward_core::detection::{DetectOptions, Detection};
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::settings::{DeviceChoice, Dtype};

use crate::program::found_mask::FoundMask;
use crate::program::logging::Terminal;

/// Which is a way out of the networks that find and follow regions, too.
pub(super) fn not_here() -> anyhow::Error {
    anyhow!(
        "networks that find, segment or measure what a picture shows are not in this build: they need libtorch. Run \
         scripts/setup --model, then build with `. scripts/env.sh && cargo build --release --features torch`"
    )
}

/// A network that finds what is named or shown; there is none in this build.
pub(crate) enum Detector {}

/// What it would look for.
pub(crate) enum Queries {}

impl Queries {
    /// Never called: there are none to call it on.
    pub(crate) fn usual_options(&self) -> DetectOptions {
        match *self {}
    }
}

impl Detector {
    /// # Errors
    /// That it is not there, always.
    pub(crate) fn open(
        _model: &str,
        _device: DeviceChoice,
        _dtype: Dtype,
        _terminal: &Terminal,
    ) -> anyhow::Result<Self> {
        Err(not_here())
    }

    /// Never called: there is none to call it on.
    ///
    /// # Errors
    /// None.
    pub(crate) fn queries_of_words(&self, _words: &[String]) -> anyhow::Result<Queries> {
        match *self {}
    }

    /// As [`queries_of_words`](Self::queries_of_words).
    ///
    /// # Errors
    /// None.
    pub(crate) fn query_of_example(
        &self,
        _picture: &ColorImage,
        _bbox: Option<&BoundingBox>,
    ) -> anyhow::Result<Queries> {
        match *self {}
    }

    /// As [`queries_of_words`](Self::queries_of_words).
    ///
    /// # Errors
    /// None.
    pub(crate) fn detect(
        &self,
        _picture: &ColorImage,
        _queries: &Queries,
        _options: &DetectOptions,
    ) -> anyhow::Result<Vec<Detection>> {
        match *self {}
    }
}

/// A network that gives metres; there is none in this build.
pub(crate) enum MetricDepth {}

/// What it would give.
pub(crate) struct DepthEstimate {
    pub metres: Vec<f32>,
    pub focal_px: Option<f64>,
}

impl MetricDepth {
    /// # Errors
    /// That it is not there, always.
    pub(crate) fn open(
        _model: &str,
        _device: DeviceChoice,
        _dtype: Dtype,
        _terminal: &Terminal,
    ) -> anyhow::Result<Self> {
        Err(not_here())
    }

    /// Never called: there is none to call it on.
    ///
    /// # Errors
    /// None.
    pub(crate) fn estimate(&self, _picture: &ColorImage) -> anyhow::Result<DepthEstimate> {
        match *self {}
    }
}

/// A network that segments; there is none in this build.
pub(crate) enum Segmenter {}

/// A video that it follows; there is none in this build.
pub(crate) enum Video {}

impl Segmenter {
    /// # Errors
    /// That it is not there, always.
    pub(crate) fn open(
        _model: &str,
        _device: DeviceChoice,
        _dtype: Dtype,
        _terminal: &Terminal,
    ) -> anyhow::Result<Self> {
        Err(not_here())
    }

    /// Never called: there is none to call it on.
    ///
    /// # Errors
    /// None.
    pub(crate) fn segment(
        &self,
        _picture: &ColorImage,
        _boxes: &[BoundingBox],
    ) -> anyhow::Result<Vec<FoundMask>> {
        match *self {}
    }

    /// Never called: there is none to call it on.
    ///
    /// # Errors
    /// None.
    pub(crate) fn video(&self, _pictures: usize) -> anyhow::Result<Video> {
        match *self {}
    }
}

impl Video {
    /// Never called: there is none to call it on.
    ///
    /// # Errors
    /// None.
    pub(crate) fn frame(
        &mut self,
        _picture: &ColorImage,
        _boxes: &[BoundingBox],
    ) -> anyhow::Result<Vec<FoundMask>> {
        match *self {}
    }
}
