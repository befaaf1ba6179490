//! Boxes, points and masks as what the mask decoder reads.
//!
//! In transformers 5.24.0: models/sam2/modeling_sam2.py, 743-912.

use std::f64::consts::TAU;

use tch::{Kind, Tensor};

use super::config::{Activation, PromptEncoderConfig};
use super::layers::{ChannelNorm, resize_smoothly};
use crate::error::Result;
use crate::nn::images::{Conv2d, Window};
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

/// Places as waves of random frequencies, which the checkpoint keeps.
#[derive(Debug)]
pub(super) struct PositionalEmbedding {
    /// (2, C / 2)
    positional_embedding: Tensor,
}

impl PositionalEmbedding {
    /// Reads them from the first of `scopes` that has them: they are the same for a picture's map and for prompts, and some
    /// files keep them once.
    pub(super) fn load(scopes: &[Scope<'_>; 2], channels: i64) -> Result<Self> {
        let [own, other] = scopes;
        let scope = if own.has("positional_embedding") {
            own
        } else {
            other
        };
        let positional_embedding = scope.get("positional_embedding", &[2, channels / 2])?;
        Ok(Self {
            positional_embedding,
        })
    }

    /// Places (..., 2), x and y from 0 to 1 -> (..., C)
    fn forward(&self, places: &Tensor) -> TchResult<Tensor> {
        let centred = places.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
        let centred = centred.f_to_kind(self.positional_embedding.kind())?;
        let angles = centred
            .f_matmul(&self.positional_embedding)?
            .f_mul_scalar(TAU)?;
        Tensor::f_cat(&[angles.f_sin()?, angles.f_cos()?], -1)
    }

    /// The middles of a map's cells: (1, C, grid, grid)
    pub(super) fn of_map(&self, grid: i64) -> TchResult<Tensor> {
        let options = (Kind::Float, self.positional_embedding.device());
        let middles = Tensor::f_arange(grid, options)?
            .f_add_scalar(0.5)?
            .f_div_scalar(grid as f64)?;
        let across = middles.f_unsqueeze(0)?.f_expand([grid, grid], false)?;
        let down = middles.f_unsqueeze(1)?.f_expand([grid, grid], false)?;
        let places = Tensor::f_stack(&[across, down], -1)?; // (grid, grid, 2)
        self.forward(&places)?.f_permute([2, 0, 1])?.f_unsqueeze(0)
    }
}

/// Points of one prompt each: x and y in pixels of the network's picture, and what is there.
#[derive(Debug)]
pub(super) struct Points {
    /// (N, P, 2), float32
    pub(super) places: Tensor,
    /// (N, P), int64, one of [`PromptEncoderConfig::POINTS`] kinds: 0 outside, 1 inside, 2 and 3 a box's corners. -1 for none.
    pub(super) kinds: Tensor,
}

/// `prompt_encoder`
#[derive(Debug)]
pub(super) struct PromptEncoder {
    shared_embedding: PositionalEmbedding,
    mask_embed: MaskEmbedding,
    /// (1, C)
    no_mask_embed: Tensor,
    /// (POINTS, C)
    point_embed: Tensor,
    /// (1, C)
    not_a_point_embed: Tensor,
    image_size: i64,
    grid: i64,
}

impl PromptEncoder {
    /// Reads the encoder below `scope`; `other` may have the waves' frequencies in its place.
    pub(super) fn load(
        scope: &Scope<'_>,
        other: &Scope<'_>,
        config: &PromptEncoderConfig,
    ) -> Result<Self> {
        let channels = config.hidden_size;
        let table = |name: &str, rows: i64| scope.sub(name).get("weight", &[rows, channels]);
        let scopes = [scope.sub("shared_embedding"), other.clone()];
        Ok(Self {
            shared_embedding: PositionalEmbedding::load(&scopes, channels)?,
            mask_embed: MaskEmbedding::load(&scope.sub("mask_embed"), config)?,
            no_mask_embed: table("no_mask_embed", 1)?,
            point_embed: table("point_embed", PromptEncoderConfig::POINTS)?,
            not_a_point_embed: table("not_a_point_embed", 1)?,
            image_size: config.image_size,
            grid: config.grid(),
        })
    }

    /// Side of the masks that it reads.
    pub(super) fn mask_side(&self) -> i64 {
        4 * self.grid
    }

    /// As many tokens as points, and one that is none: (N, P + 1, C). Pixels are places at their middles.
    pub(super) fn embed_points(&self, points: &Points) -> TchResult<Tensor> {
        let places = points
            .places
            .f_add_scalar(0.5)?
            .f_constant_pad_nd([0, 0, 0, 1])?; // (N, P + 1, 2)
        let (prompts, _) = points.kinds.size2()?;
        let none = Tensor::f_full([prompts, 1], -1, (Kind::Int64, points.kinds.device()))?;
        let kinds = Tensor::f_cat(&[&points.kinds, &none], 1)?; // (N, P + 1)
        let waves = self
            .shared_embedding
            .forward(&places.f_div_scalar(self.image_size as f64)?)?;
        let is_none = kinds.f_eq(-1)?.f_unsqueeze(-1)?; // (N, P + 1, 1)
        let rows = kinds.f_clamp_min(0)?;
        let kind = Tensor::f_embedding(&self.point_embed, &rows, -1, false, false)?;
        waves
            .f_add(&kind)?
            .f_where_self(&is_none.f_logical_not()?, &self.not_a_point_embed)
    }

    /// Logits (N, 1, side, side) of masks, or none -> (N or 1, C, grid, grid)
    pub(super) fn embed_masks(&self, masks: Option<&Tensor>) -> TchResult<Tensor> {
        let Some(masks) = masks else {
            return self
                .no_mask_embed
                .f_reshape([1, -1, 1, 1])?
                .f_expand([1, -1, self.grid, self.grid], false);
        };
        let (_, _, height, width) = masks.size4()?;
        let side = self.mask_side();
        match (height, width) == (side, side) {
            true => self.mask_embed.forward(masks),
            false => self.mask_embed.forward(&resize_smoothly(masks, side)?),
        }
    }
}

/// `mask_embed`: two steps down by two, with norms.
#[derive(Debug)]
struct MaskEmbedding {
    conv1: Conv2d,
    layer_norm1: ChannelNorm,
    conv2: Conv2d,
    layer_norm2: ChannelNorm,
    conv3: Conv2d,
    activation: Activation,
}

impl MaskEmbedding {
    fn load(scope: &Scope<'_>, config: &PromptEncoderConfig) -> Result<Self> {
        let (narrow, wide) = (config.mask_input_channels / 4, config.mask_input_channels);
        let half = Window::blocks(2);
        let eps = config.layer_norm_eps;
        Ok(Self {
            conv1: Conv2d::new(&scope.sub("conv1"), 1, narrow, half)?,
            layer_norm1: ChannelNorm::load(&scope.sub("layer_norm1"), narrow, eps)?,
            conv2: Conv2d::new(&scope.sub("conv2"), narrow, wide, half)?,
            layer_norm2: ChannelNorm::load(&scope.sub("layer_norm2"), wide, eps)?,
            conv3: Conv2d::new(&scope.sub("conv3"), wide, config.hidden_size, Window::POINT)?,
            activation: config.activation(),
        })
    }

    /// (N, 1, 4 grid, 4 grid) -> (N, C, grid, grid)
    fn forward(&self, masks: &Tensor) -> TchResult<Tensor> {
        let x = self.layer_norm1.forward(&self.conv1.forward(masks)?)?; // (N, narrow, 2 grid, 2 grid)
        let x = self.conv2.forward(&self.activation.apply(&x)?)?; // (N, wide, grid, grid)
        let x = self.activation.apply(&self.layer_norm2.forward(&x)?)?;
        self.conv3.forward(&x)
    }
}
