//! The layers that several parts of SAM 2 have: small MLPs, attention between tokens, norms over channels, and how places
//! are told. Every call into libtorch is a fallible one, so a failure is a value and not an abort.

use std::f64::consts::TAU;

use tch::{Kind, Tensor};

use super::config::{Activation, MaskDecoderConfig};
use crate::error::Result;
use crate::nn::layers::{LayerNorm, Linear};
use crate::nn::torch::TchResult;
use crate::nn::weights::{Placement, Scope};

impl Activation {
    /// Element by element.
    pub(super) fn apply(self, x: &Tensor) -> TchResult<Tensor> {
        match self {
            Self::Gelu => x.f_gelu("none"),
            Self::Relu => x.f_relu(),
        }
    }
}

/// Linear layers with an activation between each two: `proj_in`, `layers.0` and so on, `proj_out`.
///
/// In transformers 5.24.0: models/sam2/modeling_sam2.py, 358-386.
#[derive(Debug)]
pub(super) struct FeedForward {
    proj_in: Linear,
    layers: Vec<Linear>,
    proj_out: Linear,
    activation: Activation,
}

impl FeedForward {
    /// Reads `depth` layers, two at least, from `sizes` = inputs, channels inside, outputs.
    pub(super) fn load(
        scope: &Scope<'_>,
        sizes: [i64; 3],
        depth: i64,
        activation: Activation,
    ) -> Result<Self> {
        let [inputs, inner, outputs] = sizes;
        let layers = 0..(depth - 2).max(0);
        let layers =
            layers.map(|index| Linear::load(&scope.sub("layers").sub(index), inner, inner, true));
        Ok(Self {
            proj_in: Linear::load(&scope.sub("proj_in"), inputs, inner, true)?,
            layers: layers.collect::<Result<_>>()?,
            proj_out: Linear::load(&scope.sub("proj_out"), inner, outputs, true)?,
            activation,
        })
    }

    /// (..., inputs) -> (..., outputs)
    pub(super) fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let mut x = self.activation.apply(&self.proj_in.forward(x)?)?;
        for layer in &self.layers {
            x = self.activation.apply(&layer.forward(&x)?)?;
        }
        self.proj_out.forward(&x)
    }
}

/// Attention of some tokens to others, which may be narrower inside.
///
/// In transformers 5.24.0: models/sam2/modeling_sam2.py, 915-991.
#[derive(Debug)]
pub(super) struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    heads: i64,
}

impl Attention {
    /// Reads the four layers; `downsample` is by how much it is narrower inside.
    pub(super) fn load(
        scope: &Scope<'_>,
        config: &MaskDecoderConfig,
        downsample: i64,
    ) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.hidden_size / downsample);
        let project = |name: &str| Linear::load(&scope.sub(name), hidden, inner, true);
        Ok(Self {
            q_proj: project("q_proj")?,
            k_proj: project("k_proj")?,
            v_proj: project("v_proj")?,
            o_proj: Linear::load(&scope.sub("o_proj"), inner, hidden, true)?,
            heads: config.num_attention_heads,
        })
    }

    /// Queries (N, Q, C), keys and values (N, K, C) -> (N, Q, C)
    pub(super) fn forward(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
    ) -> TchResult<Tensor> {
        let query = split_heads(&self.q_proj.forward(query)?, self.heads)?;
        let key = split_heads(&self.k_proj.forward(key)?, self.heads)?;
        let value = split_heads(&self.v_proj.forward(value)?, self.heads)?;
        let found = attend(&query, &key, &value)?; // (N, heads, Q, D)
        self.o_proj.forward(&join_heads(&found)?)
    }
}

/// (N, L, heads D) -> (N, heads, L, D)
pub(super) fn split_heads(x: &Tensor, heads: i64) -> TchResult<Tensor> {
    let (batch, length, width) = x.size3()?;
    x.f_view([batch, length, heads, width / heads])?
        .f_transpose(1, 2)
}

/// (N, heads, L, D) -> (N, L, heads D)
pub(super) fn join_heads(x: &Tensor) -> TchResult<Tensor> {
    let (batch, heads, length, width) = x.size4()?;
    x.f_transpose(1, 2)?
        .f_reshape([batch, length, heads * width])
}

/// Attention without a mask, scaled by the width of a head.
pub(super) fn attend(query: &Tensor, key: &Tensor, value: &Tensor) -> TchResult<Tensor> {
    Tensor::f_scaled_dot_product_attention(
        query,
        key,
        value,
        None::<&Tensor>,
        0.0,
        false,
        None,
        false,
    )
}

/// The norm over the channels of an image.
#[derive(Debug)]
pub(super) struct ChannelNorm(LayerNorm);

impl ChannelNorm {
    pub(super) fn load(scope: &Scope<'_>, channels: i64, eps: f64) -> Result<Self> {
        Ok(Self(LayerNorm::load(scope, channels, eps)?))
    }

    /// (B, C, H, W) -> (B, C, H, W)
    pub(super) fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let x = self.0.forward(&x.f_permute([0, 2, 3, 1])?)?; // (B, H, W, C)
        x.f_permute([0, 3, 1, 2])
    }
}

/// An image's pixels as tokens: (B, C, H, W) -> (B, H W, C)
pub(super) fn as_tokens(image: &Tensor) -> TchResult<Tensor> {
    image.f_flatten(2, 3)?.f_transpose(1, 2)
}

/// The other way: (B, H W, C) -> (B, C, H, W) for a square image.
pub(super) fn as_image(tokens: &Tensor, side: i64) -> TchResult<Tensor> {
    let (batch, _, channels) = tokens.size3()?;
    tokens
        .f_transpose(1, 2)?
        .f_reshape([batch, channels, side, side])
}

/// Waves over a square map, half of the channels down and half across: (C, side, side).
///
/// In transformers 5.24.0: models/sam2/modeling_sam2.py, 131-204.
pub(super) fn sine_position(channels: i64, side: i64, placement: Placement) -> TchResult<Tensor> {
    const LONGEST: f64 = 10_000.0;
    let options = (Kind::Float, placement.device);
    let half = channels / 2;
    let places = Tensor::f_arange_start(1, side + 1, options)?;
    let places = places.f_div_scalar(side as f64 + 1e-6)?.f_mul_scalar(TAU)?; // (side)
    let periods: Vec<f32> = (0..half)
        .map(|channel| LONGEST.powf(2.0 * (channel / 2) as f64 / half as f64) as f32)
        .collect();
    let periods = Tensor::f_from_slice(&periods)?.f_to_device(placement.device)?;
    let angles = places.f_unsqueeze(1)?.f_div(&periods)?; // (side, half)
    let waves = interleaved(&angles)?; // (side, half)
    let down = waves.f_unsqueeze(1)?.f_expand([side, side, half], false)?;
    let across = waves.f_unsqueeze(0)?.f_expand([side, side, half], false)?;
    let waves = Tensor::f_cat(&[down, across], 2)?; // (side, side, C)
    waves
        .f_permute([2, 0, 1])?
        .f_contiguous()?
        .f_to_kind(placement.kind)
}

/// The sine of each even channel and the cosine of each odd one: (L, C) -> (L, C)
fn interleaved(angles: &Tensor) -> TchResult<Tensor> {
    let (length, channels) = angles.size2()?;
    let pairs = angles.f_view([length, channels / 2, 2])?;
    let waves = [
        pairs.f_select(2, 0)?.f_sin()?,
        pairs.f_select(2, 1)?.f_cos()?,
    ];
    Tensor::f_stack(&waves, 2)?.f_view([length, channels])
}

/// A bilinear resize whose pixels are areas: (B, C, H, W) -> (B, C, height, width).
pub(super) fn resize(x: &Tensor, [height, width]: [i64; 2]) -> TchResult<Tensor> {
    let resized =
        x.f_to_kind(Kind::Float)?
            .f_upsample_bilinear2d([height, width], false, None, None)?;
    resized.f_to_kind(x.kind())
}

/// The same over all pixels that an output covers.
pub(super) fn resize_smoothly(x: &Tensor, side: i64) -> TchResult<Tensor> {
    let single = x.f_to_kind(Kind::Float)?;
    let resized = single.f_internal_upsample_bilinear2d_aa([side, side], false, None, None)?;
    resized.f_to_kind(x.kind())
}
