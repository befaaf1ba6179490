//! Relative depth for the model: from the camera's metres, or estimated by Depth Anything.

use std::path::Path;

use crate::depth_anything::{DepthAnything, DepthEstimationType};
use crate::error::Result;
use crate::nn::weights::Placement;
use spatial_reward_core::Error;
use spatial_reward_core::frame::{ColorImage, DepthImage};
use spatial_reward_core::imaging::{Backend, DepthAnythingProcessor, Disparity};

/// Depth Anything with its image processor.
pub(super) struct DepthNetwork {
    network: DepthAnything,
    processor: DepthAnythingProcessor,
}

impl DepthNetwork {
    /// Loads the checkpoint in a folder.
    ///
    /// # Errors
    /// What is wrong with it, by name.
    pub(super) fn load(folder: &Path, placement: Placement) -> Result<Self> {
        let settings = folder.join("preprocessor_config.json");
        Ok(Self {
            network: DepthAnything::load(folder, placement)?,
            processor: DepthAnythingProcessor::load(&settings, Backend::Pillow)?,
        })
    }

    /// Disparity at the network's resolution.
    ///
    /// # Errors
    /// An empty picture, numbers that overflowed, or libtorch's.
    pub(super) fn disparity(&self, picture: &ColorImage) -> Result<Disparity> {
        let input = self.processor.process(picture)?;
        let map = self
            .network
            .estimate(input.width, input.height, &input.values)?;
        let (width, height) = (map.width, map.height);
        match self.network.depth_estimation_type() {
            DepthEstimationType::Relative => {
                Ok(Disparity::from_network(width, height, map.values)?)
            }
            DepthEstimationType::Metric => {
                let depth = DepthImage::new(width, height, map.values);
                let empty = Error::EmptyPicture { width, height };
                Ok(Disparity::from_depth(&depth).ok_or(empty)?)
            }
        }
    }
}
