//! Relative depth for the model: from the camera's metres, or estimated by Depth Anything.

use super::open;
use crate::config::Model;
use crate::depth::{DepthAnything, DepthEstimationType};
use crate::error::{Error, Result};
use crate::frame::{ColorImage, DepthImage};
use crate::imaging::{DepthAnythingProcessor, Disparity};

/// Depth Anything with its image processor.
pub struct DepthNetwork {
    network: DepthAnything,
    processor: DepthAnythingProcessor,
}

impl DepthNetwork {
    /// Loads the checkpoint that the settings name.
    ///
    /// # Errors
    /// What is wrong with it, by name.
    pub fn open(settings: &Model) -> Result<Self> {
        let folder = open::depth_folder(settings)?;
        Ok(Self {
            network: DepthAnything::load(&folder, open::placement(settings)?)?,
            processor: DepthAnythingProcessor::load(&folder.join("preprocessor_config.json"))?,
        })
    }

    /// Disparity at the network's resolution.
    ///
    /// # Errors
    /// An empty picture, numbers that overflowed, or libtorch's.
    pub fn disparity(&self, picture: &ColorImage) -> Result<Disparity> {
        let input = self.processor.process(picture)?;
        let map = self
            .network
            .estimate(input.width, input.height, &input.values)?;
        let (width, height) = (map.width, map.height);
        match self.network.depth_estimation_type() {
            DepthEstimationType::Relative => Disparity::from_network(width, height, map.values),
            DepthEstimationType::Metric => {
                let depth = DepthImage::new(width, height, map.values);
                Disparity::from_depth(&depth).ok_or(Error::EmptyPicture { width, height })
            }
        }
    }
}
