//! The door to the networks that give metres from one picture.

use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::settings::{DeviceChoice, Dtype};
pub(crate) use spatial_reward_models::metric_depth::EstimatedDepth as DepthEstimate;
use spatial_reward_models::metric_depth::MetricDepthNetwork;
use spatial_reward_models::nn::weights::Placement;

use crate::program::logging::Terminal;

/// A network that is loaded.
pub(crate) struct MetricDepth(MetricDepthNetwork);

impl MetricDepth {
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
        let placement = Placement::chosen(device, dtype)?;
        let folder = super::resolve_shown(model, terminal)?;
        Ok(Self(MetricDepthNetwork::load(&folder, placement)?))
    }

    /// # Errors
    /// A picture without pixels; libtorch's.
    pub(crate) fn estimate(&self, picture: &ColorImage) -> anyhow::Result<DepthEstimate> {
        Ok(self.0.estimate(picture)?)
    }
}
