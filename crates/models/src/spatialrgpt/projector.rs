//! The projector: visual features become embeddings of the language model (LLaVA; VILA for the
//! downsampling kind).
//!
//! In the original (AnjieCheng/SpatialRGPT at 16715d4): llava/model/multimodal_projector/base_projector.py, 32-52
//! (joining patches) and 63-94.

use tch::Tensor;

use super::config::{ModelConfig, ProjectorKind};
use crate::error::Result;
use crate::nn::layers::{LayerNorm, Linear, grid_side};
use crate::nn::torch::TchResult;
use crate::nn::weights::{Scope, Weights};

/// The layers of a kind of projector.
#[derive(Debug)]
pub(super) enum Projector {
    /// None: features are embeddings.
    Identity,
    /// Linear layers with GELU between them; one alone is the `linear` kind.
    Mlp(Vec<Linear>),
    /// 2x2 patches joined, normalised, two linear layers with GELU between them.
    MlpDownsample {
        norm: LayerNorm,
        linear1: Linear,
        linear2: Linear,
    },
}

impl Projector {
    /// `weights` gives the part's tensors; the identity has none, so it is not asked for them.
    pub(super) fn load(
        weights: impl FnOnce() -> Result<Weights>,
        config: &ModelConfig,
    ) -> Result<Self> {
        if config.mm_projector == ProjectorKind::Identity {
            return Ok(Self::Identity);
        }
        let weights = weights()?;
        let scope = weights.scope().sub("layers");
        let (c, hidden) = (config.vision_tower.hidden_size, config.llm.hidden_size);
        let projector = match config.mm_projector {
            ProjectorKind::Identity => Self::Identity,
            ProjectorKind::Linear => Self::Mlp(vec![Linear::load(&scope, c, hidden, true)?]),
            ProjectorKind::Mlp(depth) => Self::Mlp(mlp(&scope, c, hidden, depth)?),
            ProjectorKind::MlpDownsample => Self::MlpDownsample {
                norm: LayerNorm::load(&scope.sub("1"), 4 * c, 1e-5)?,
                linear1: Linear::load(&scope.sub("2"), 4 * c, hidden, true)?,
                linear2: Linear::load(&scope.sub("4"), hidden, hidden, true)?,
            },
        };
        drop(scope);
        weights.finish()?;
        Ok(projector)
    }

    /// Features (B, N, C) -> embeddings (B, tokens, hidden).
    pub(super) fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        match self {
            Self::Identity => Ok(x.shallow_clone()),
            Self::Mlp(layers) => {
                let mut layers = layers.iter();
                let mut x = match layers.next() {
                    Some(first) => first.forward(x)?,
                    None => x.shallow_clone(),
                };
                for layer in layers {
                    x = layer.forward(&x.f_gelu("none")?)?;
                }
                Ok(x)
            }
            Self::MlpDownsample {
                norm,
                linear1,
                linear2,
            } => {
                let x = norm.forward(&joined_2x2(x)?)?;
                linear2.forward(&linear1.forward(&x)?.f_gelu("none")?)
            }
        }
    }
}

/// Layers 0, 2, 4... of a sequence whose odd entries are GELUs.
fn mlp(scope: &Scope, inputs: i64, hidden: i64, depth: i64) -> Result<Vec<Linear>> {
    (0..depth)
        .map(|i| {
            let inputs = if i == 0 { inputs } else { hidden };
            Linear::load(&scope.sub(2 * i), inputs, hidden, true)
        })
        .collect()
}

/// Four neighbouring patches become one of four times the channels: (B, G * G, C) -> (B, T, 4C).
/// An odd grid is filled up with zeros after its last row and column. The tokens come out column by
/// column, as in the original.
fn joined_2x2(x: &Tensor) -> TchResult<Tensor> {
    let (b, n, c) = x.size3()?;
    let side = grid_side(n);
    let odd = side % 2;
    let half = (side + odd) / 2;
    x.f_view([b, side, side, c])?
        .f_constant_pad_nd([0, 0, 0, odd, 0, odd])? // (B, 2h, 2h, C)
        .f_view([b, half, 2, half, 2, c])? // (B, y, a, x, b, C)
        .f_permute([0, 3, 1, 2, 4, 5])? // (B, x, y, a, b, C)
        .f_reshape([b, half * half, 4 * c])
}
