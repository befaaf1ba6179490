//! Depth Anything V2's metric models from a picture to metres at its size.
//!
//! In transformers 5.24.0: models/dpt/image_processing_dpt.py, 57-102 (sizes), 180-240 (pixels), 381-424 (what stands behind
//! the network).

use std::path::Path;

use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::imaging::{Backend, DepthAnythingProcessor};
use tch::Tensor;

use super::config::DepthEstimationType;
use super::network::{DepthAnything, DepthMap};
use crate::error::{Error, Result};
use crate::nn::torch::torch_error;
use crate::nn::weights::Placement;

/// A metric Depth Anything with its image processor.
#[derive(Debug)]
pub struct MetricDepthAnything {
    network: DepthAnything,
    processor: DepthAnythingProcessor,
}

impl MetricDepthAnything {
    /// Loads the checkpoint in a folder.
    ///
    /// # Errors
    /// What is wrong with it, by name; a model whose depth is relative.
    pub fn load(folder: &Path, placement: Placement) -> Result<Self> {
        let kind = DepthAnything::read_depth_estimation_type(folder)?;
        if kind == DepthEstimationType::Relative {
            return Err(Error::checkpoint(
                folder.join("config.json"),
                "depth_estimation_type is relative (as where it is not written): this Depth Anything tells what is nearer, \
                 up to an unknown scale and shift, and no metres",
                "Take a metric one, such as depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf or -Outdoor-Small-hf, or \
                 apple/DepthPro-hf",
            ));
        }
        let settings = folder.join("preprocessor_config.json");
        Ok(Self {
            processor: DepthAnythingProcessor::load(&settings, Backend::Torchvision)?,
            network: DepthAnything::load(folder, placement)?,
        })
    }

    /// The checkpoint's image processor.
    pub fn processor(&self) -> &DepthAnythingProcessor {
        &self.processor
    }

    /// Metres of every pixel of a picture, at its size.
    ///
    /// # Errors
    /// A picture that is empty or whose bytes do not match its size; libtorch's, of which memory is the one to expect.
    pub fn estimate(&self, picture: &ColorImage) -> Result<DepthMap> {
        let input = self.processor.process(picture)?;
        let map = self
            .network
            .estimate(input.width, input.height, &input.values)?;
        let _no_grad = tch::no_grad_guard();
        let (width, height) = (picture.width, picture.height);
        let resize = || {
            let shape = [1, 1, i64::from(map.height), i64::from(map.width)];
            let size = [i64::from(height), i64::from(width)];
            let metres = Tensor::f_from_slice(&map.values)?
                .f_reshape(shape)? // (1, 1, h, w)
                .f_upsample_bicubic2d(size, false, None, None)?; // (1, 1, H, W), a little beyond what it was made of at edges
            Vec::try_from(metres.f_reshape([-1])?)
        };
        Ok(DepthMap {
            width,
            height,
            values: resize().map_err(torch_error("resize depth"))?,
        })
    }
}
