//! The door to the network that finds what is named or shown.

use spatial_reward_core::detection::{DetectOptions, Detection};
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::settings::{DeviceChoice, Dtype};
use spatial_reward_models::owlv2;
pub(crate) use spatial_reward_models::owlv2::Queries;

use crate::program::logging::Terminal;

/// A network that is loaded.
pub(crate) struct Detector(owlv2::Detector);

impl Detector {
    /// Loads the checkpoint that is named, downloaded if need be.
    ///
    /// # Errors
    /// What is wrong with it, by name; a device that is not there.
    pub(crate) fn open(
        model: &str,
        device: DeviceChoice,
        dtype: Dtype,
        terminal: &Terminal,
    ) -> anyhow::Result<Self> {
        let folder = super::resolve_shown(model, terminal)?;
        Ok(Self(owlv2::Detector::open(&folder, device, dtype)?))
    }

    /// # Errors
    /// A phrase without a word or beyond the network's context; libtorch's.
    pub(crate) fn queries_of_words(&self, words: &[String]) -> anyhow::Result<Queries> {
        Ok(self.0.queries_of_words(words)?)
    }

    /// # Errors
    /// A box in which nothing is; libtorch's.
    pub(crate) fn query_of_example(
        &self,
        picture: &ColorImage,
        bbox: Option<&BoundingBox>,
    ) -> anyhow::Result<Queries> {
        Ok(self.0.query_of_example(picture, bbox)?)
    }

    /// # Errors
    /// A picture without pixels; libtorch's.
    pub(crate) fn detect(
        &self,
        picture: &ColorImage,
        queries: &Queries,
        options: &DetectOptions,
    ) -> anyhow::Result<Vec<Detection>> {
        Ok(self.0.detect(picture, queries, options)?)
    }
}
