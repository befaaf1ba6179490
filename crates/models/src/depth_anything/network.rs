//! Depth Anything (arXiv 2401.10891) and its V2 (arXiv 2406.09414): a DINOv2 backbone under a dense
//! prediction head. Both versions are this one network; which layers it reads is configuration.
//!
//! In transformers 5.23.0: models/depth_anything/modeling_depth_anything.py, 316-408.

use std::path::Path;

use tch::{Kind, Tensor};

use super::config::{DepthAnythingConfig, DepthEstimationType};
use super::dpt::{Head, Neck};
use crate::error::{Error, Result};
use crate::nn::dinov2::Dinov2Backbone;
use crate::nn::threads;
use crate::nn::torch::torch_error;
use crate::nn::weights::{Placement, Weights};

/// What a failing computation was for.
const ACTION: &str = "estimate depth";

/// Depth of every pixel of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthMap {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Shape (height, width), row by row from the top: disparity up to scale and shift or metres, as
    /// [`DepthAnything::depth_estimation_type`] says.
    pub values: Vec<f32>,
}

/// `DepthAnythingForDepthEstimation`
#[derive(Debug)]
pub struct DepthAnything {
    backbone: Dinov2Backbone,
    neck: Neck,
    head: Head,
    patch_size: i64,
    depth_estimation_type: DepthEstimationType,
    placement: Placement,
}

impl DepthAnything {
    /// Reads `config.json` and the weights of `folder`, strictly: every tensor that the configuration
    /// asks for and no other.
    ///
    /// # Errors
    /// A file that cannot be read; a configuration of another or an unsupported model, by key; a
    /// tensor that is missing, unexpected or of another shape, by name.
    pub fn load(folder: &Path, placement: Placement) -> Result<Self> {
        let config = DepthAnythingConfig::read(folder)?;
        let weights = Weights::open(folder, placement)?;
        let scope = weights.scope();
        let model = Self {
            backbone: Dinov2Backbone::new(&scope.sub("backbone"), &config.backbone())?,
            neck: Neck::new(&scope.sub("neck"), &config.dpt)?,
            head: Head::new(&scope.sub("head"), &config.dpt)?,
            patch_size: config.patch_size,
            depth_estimation_type: config.dpt.depth_estimation_type,
            placement,
        };
        weights.finish()?;
        Ok(model)
    }

    /// What the numbers of `folder`'s model mean, of which its weights are not read.
    ///
    /// # Errors
    /// A file that cannot be read; a configuration of another or an unsupported model, by key.
    pub fn read_depth_estimation_type(folder: &Path) -> Result<DepthEstimationType> {
        Ok(DepthAnythingConfig::read(folder)?.dpt.depth_estimation_type)
    }

    /// Whether larger values are nearer (relative) or farther (metric).
    pub fn depth_estimation_type(&self) -> DepthEstimationType {
        self.depth_estimation_type
    }

    /// Normalised pixels (B, 3, H, W) of any kind and on any device -> `predicted_depth` (B, H', W')
    /// in the model's, where H' and W' are H and W without what is left over after whole patches.
    /// An image's depth in a batch and alone differs by rounding only (1e-6 of the largest value in float32).
    ///
    /// # Errors
    /// `Error::Torch` for another shape, an image smaller than a patch, or want of memory.
    pub fn forward(&self, pixel_values: &Tensor) -> Result<Tensor> {
        let (_, depth) = self.trace(pixel_values)?;
        Ok(depth)
    }

    /// As [`forward`](Self::forward), with the tensors on the way: the backbone's feature maps, one
    /// (B, 1 + N, C) a stage, and the neck's fused maps (B, F, H_i, W_i), coarse to fine.
    ///
    /// # Errors
    /// As `forward`.
    pub fn trace(&self, pixel_values: &Tensor) -> Result<(Trace, Tensor)> {
        threads::settle();
        let _no_grad = tch::no_grad_guard();
        let (height, width) = self.patches(pixel_values)?;
        let patch = self.patch_size;
        let compute = || {
            let pixel_values = pixel_values
                .f_to_device(self.placement.device)?
                .f_to_kind(self.placement.kind)?;
            let feature_maps = self.backbone.forward(&pixel_values)?;
            let fused = self.neck.forward(&feature_maps, (height, width))?;
            let depth = self.head.forward(&fused, (height * patch, width * patch))?;
            Ok((
                Trace {
                    feature_maps,
                    fused,
                },
                depth,
            ))
        };
        compute().map_err(torch_error(ACTION))
    }

    /// The image's height and width in whole patches.
    fn patches(&self, pixel_values: &Tensor) -> Result<(i64, i64)> {
        let patch = self.patch_size;
        match pixel_values.size().as_slice() {
            &[_, 3, height, width] if height >= patch && width >= patch => {
                Ok((height / patch, width / patch))
            }
            shape => Err(Error::torch(
                ACTION,
                format!(
                    "pixels of shape {shape:?}, but (images, 3, height, width) with sides of at least \
                     {patch} are needed"
                ),
            )),
        }
    }

    /// Depth of one image whose pixels are resized and normalised already, as its
    /// preprocessor_config.json asks: `pixels` has the shape (3, height, width), row by row.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and if the number of pixels is not 3 x height x width.
    pub fn estimate(&self, width: u32, height: u32, pixels: &[f32]) -> Result<DepthMap> {
        let read = || {
            let shape = [1, 3, i64::from(height), i64::from(width)];
            Tensor::f_from_slice(pixels)?.f_reshape(shape) // (1, 3, H, W)
        };
        let depth = self.forward(&read().map_err(torch_error(ACTION))?)?;
        let write = || {
            let (_, height, width) = depth.size3()?;
            let values = Vec::try_from(depth.f_to_kind(Kind::Float)?.f_reshape([-1])?)?;
            Ok((height, width, values))
        };
        let (height, width, values) = write().map_err(torch_error(ACTION))?;
        Ok(DepthMap {
            width: u32::try_from(width).unwrap_or_default(),
            height: u32::try_from(height).unwrap_or_default(),
            values,
        })
    }
}

/// Tensors on the way to the depth, for comparison with another implementation.
#[derive(Debug)]
pub struct Trace {
    /// (B, 1 + N, C) a stage of the backbone.
    pub feature_maps: Vec<Tensor>,
    /// (B, F, H_i, W_i) a layer of the neck, coarse to fine.
    pub fused: Vec<Tensor>,
}
