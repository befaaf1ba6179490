//! The field of view (paper, section 3.3): a third encoder and the coarsest map of the neck, a few convolutions, one number.
//!
//! In transformers 5.24.0: models/depth_pro/modeling_depth_pro.py, 837-945.

use tch::Tensor;

use super::config::DepthProConfig;
use super::encoder::{WholeEncoder, base_side};
use super::maps::{maps_of, merged, resized};
use crate::error::Result;
use crate::nn::dinov2::Dinov2;
use crate::nn::images::{Conv2d, Window};
use crate::nn::layers::Linear;
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

/// `fov_model`
#[derive(Debug)]
pub(super) struct FieldOfView {
    fov_encoder: WholeEncoder,
    neck: Linear,
    conv: Conv2d,
    /// `head.layers`, with an activation after each but the last.
    head: Vec<Conv2d>,
    grid_side: i64,
}

impl FieldOfView {
    /// Reads the part below `scope`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(scope: &Scope<'_>, config: &DepthProConfig) -> Result<Self> {
        let (wide, half) = (config.fusion_hidden_size, config.fusion_hidden_size / 2);
        let model = config.fov_model();
        let encoder = scope.sub("fov_encoder");
        Ok(Self {
            fov_encoder: WholeEncoder {
                layers: model.num_hidden_layers,
                model: Dinov2::new(&encoder.sub("model"), &model)?,
                side: config.patch_size,
            },
            neck: Linear::load(&encoder.sub("neck"), model.hidden_size, half, true)?,
            conv: Conv2d::new(&scope.sub("conv"), wide, half, Window::padded(3, 2, 1))?,
            head: head(&scope.sub("head").sub("layers"), config)?,
            grid_side: config.grid_side(),
        })
    }

    /// The picture (1, 3, S, S) and the coarsest map (1, F, H, W) -> degrees (1)
    ///
    /// # Errors
    /// libtorch's, for want of memory.
    pub(super) fn forward(&self, pixel_values: &Tensor, global: &Tensor) -> TchResult<Tensor> {
        let base = base_side(pixel_values.size4()?.3, self.grid_side);
        let tokens = self
            .neck
            .forward(&self.fov_encoder.forward(pixel_values)?)?; // (1, 1 + g g, F / 2)
        let seen = resized(&merged(&maps_of(&tokens)?, 0)?, base)?; // (1, F / 2, base, base)
        let global = self.conv.forward(global)?.f_relu_()?; // (1, F / 2, base, base)
        let mut map = resized(&seen.f_add(&global)?, self.grid_side)?; // (1, F / 2, g, g)
        let last = self.head.len().saturating_sub(1);
        for (index, layer) in self.head.iter().enumerate() {
            map = layer.forward(&map)?;
            if index < last {
                map = map.f_relu_()?;
            }
        }
        map.f_flatten(0, -1) // (1)
    }
}

/// Convolutions that halve the map and its channels, and one over all that is left of it.
fn head(scope: &Scope<'_>, config: &DepthProConfig) -> Result<Vec<Conv2d>> {
    let halvings = config.num_fov_head_layers;
    let channels = |halved: u32| {
        let divisor = 1_i64 << halved;
        (config.fusion_hidden_size + divisor - 1) / divisor
    };
    let mut layers = Vec::new();
    for index in 0..halvings {
        let scope = scope.sub(2 * index);
        let (inputs, outputs) = (channels(index + 1), channels(index + 2));
        layers.push(Conv2d::new(
            &scope,
            inputs,
            outputs,
            Window::padded(3, 2, 1),
        )?);
    }
    let kernel = (config.grid_side() - 1) / (1 << halvings) + 1;
    let scope = scope.sub(2 * halvings);
    let window = Window::padded(kernel, 1, 0);
    layers.push(Conv2d::new(&scope, channels(halvings + 1), 1, window)?);
    Ok(layers)
}
