//! The vision tower: SigLIP (Zhai et al. 2023) or CLIP (Radford et al. 2021), a vision transformer
//! whose last layers and pooling are not used. Fields are named as in the checkpoint.
//!
//! In the original (AnjieCheng/SpatialRGPT at 16715d4): llava/model/multimodal_encoder/vision_encoder.py, 14-159. Its
//! layers are those of transformers 4.37.2: models/siglip/modeling_siglip.py, 246-272 (embeddings), 309-448 (a layer),
//! 604-689 and 826-878; models/clip/modeling_clip.py, 156-188, 224-390, 555-649 and 808-863.

use tch::{Kind, Tensor};

use super::config::{ModelConfig, VisionFamily};
use super::tower_layers::{EncoderLayer, layer_norm_eps};
use crate::error::Result;
use crate::nn::layers::{LayerNorm, Linear};
use crate::nn::row_encoder::RowEncoder;
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::{Scope, Weights};

/// Tensors of the checkpoint that no feature comes from: the pooling head and the norm before it,
/// and an old buffer of the numbers 0, 1, 2...
const UNUSED: [&str; 3] = [
    "vision_model.head.",
    "vision_model.post_layernorm.",
    "vision_model.embeddings.position_ids",
];

/// The layers that the selected features come from.
#[derive(Debug)]
pub(super) struct VisionTower {
    embeddings: Embeddings,
    /// CLIP only; the spelling is the checkpoint's.
    pre_layrnorm: Option<LayerNorm>,
    layers: Vec<EncoderLayer>,
    /// The same layers for rows; `None` where libtorch runs them.
    rows: Option<RowEncoder>,
}

impl VisionTower {
    /// Loads the embeddings and as many layers as the selected features need.
    pub(super) fn load(weights: Weights, config: &ModelConfig) -> Result<Self> {
        let vision = &config.vision_tower;
        let family = config.vision_family;
        let scope = weights.scope().sub("vision_model");
        let encoder = scope.sub("encoder").sub("layers");
        let layers = (0..config.vision_layers())
            .map(|i| EncoderLayer::load(&encoder.sub(i), config))
            .collect::<Result<Vec<_>>>()?;
        let rounds = weights.placement().kind == Kind::BFloat16;
        let tower = Self {
            embeddings: Embeddings::load(&scope.sub("embeddings"), config)?,
            pre_layrnorm: match family {
                VisionFamily::Siglip => None,
                VisionFamily::Clip => Some(LayerNorm::load(
                    &scope.sub("pre_layrnorm"),
                    vision.hidden_size,
                    layer_norm_eps(config),
                )?),
            },
            rows: RowEncoder::of(layers.iter().map(EncoderLayer::parts), rounds)
                .map_err(torch_error("lay out the tower"))?,
            layers,
        };
        drop((scope, encoder));
        let beyond: Vec<_> = (config.vision_layers()..vision.num_hidden_layers)
            .map(|i| format!("vision_model.encoder.layers.{i}."))
            .collect();
        let mut unused: Vec<_> = UNUSED.to_vec();
        unused.extend(beyond.iter().map(String::as_str));
        weights.finish_ignoring(&unused)?;
        Ok(tower)
    }

    /// Whether its layers are run by rows, which a team shares.
    pub(super) fn is_for_rows(&self) -> bool {
        self.rows.is_some()
    }

    /// Pixels (B, 3, S, S) -> features (B, grid * grid, C), row by row. `hidden` collects the
    /// embeddings and every layer's output.
    pub(super) fn forward(
        &self,
        pixel_values: &Tensor,
        mut hidden: Option<&mut Vec<Tensor>>,
    ) -> TchResult<Tensor> {
        let mut x = self.embeddings.forward(pixel_values)?;
        if let Some(norm) = &self.pre_layrnorm {
            x = norm.forward(&x)?;
        }
        if let Some(rows) = &self.rows {
            x = in_rows(rows, &x, hidden)?;
        } else {
            for layer in &self.layers {
                if let Some(hidden) = hidden.as_deref_mut() {
                    hidden.push(x.shallow_clone());
                }
                x = layer.forward(&x)?;
            }
            if let Some(hidden) = hidden {
                hidden.push(x.shallow_clone());
            }
        }
        match &self.embeddings.class_embedding {
            // (B, 1 + N, C) -> (B, N, C)
            Some(_) => x.f_narrow(1, 1, x.size3()?.1 - 1),
            None => Ok(x),
        }
    }
}

/// All layers on (B, N, C).
fn in_rows(rows: &RowEncoder, x: &Tensor, hidden: Option<&mut Vec<Tensor>>) -> TchResult<Tensor> {
    let (shape, kind) = (x.size(), x.kind());
    let tokens = x.size3()?.1 as usize;
    let tensor = |values: &[f32]| {
        Tensor::f_from_slice(values)?
            .f_reshape(&shape)?
            .f_to_kind(kind)
    };
    let values = Vec::<f32>::try_from(x.f_to_kind(Kind::Float)?.f_reshape([-1])?)?;
    let values = match hidden {
        Some(hidden) => rows.forward(values, tokens, |values| {
            hidden.push(tensor(values)?);
            Ok(())
        }),
        None => rows.forward(values, tokens, |_| Ok(())),
    };
    tensor(&values?)
}

#[derive(Debug)]
struct Embeddings {
    patch_embedding: Linear,
    patch_size: i64,
    grid: i64,
    /// (1, N, C), or (1, 1 + N, C) with a class token.
    position_embedding: Tensor,
    class_embedding: Option<Tensor>,
}

impl Embeddings {
    fn load(scope: &Scope, config: &ModelConfig) -> Result<Self> {
        let vision = &config.vision_tower;
        let (c, p) = (vision.hidden_size, vision.patch_size);
        let family = config.vision_family;
        // A convolution whose stride is its kernel sees each patch once, so it is a linear layer:
        // (C, 3, P, P) -> (C, 3 * P * P)
        let patches = scope.sub("patch_embedding");
        let kernel = patches
            .get("weight", &[c, 3, p, p])?
            .reshape([c, 3 * p * p]);
        let bias = match family {
            VisionFamily::Siglip => Some(patches.get("bias", &[c])?),
            VisionFamily::Clip => None,
        };
        let class_embedding = match family {
            VisionFamily::Siglip => None,
            VisionFamily::Clip => Some(scope.get("class_embedding", &[c])?),
        };
        let class_tokens = i64::from(class_embedding.is_some());
        let stored = vision.grid() * vision.grid() + class_tokens;
        let mut positions = scope
            .sub("position_embedding")
            .get("weight", &[stored, c])?;
        if config.resized_from().is_some() {
            positions = stretched(&positions, config.grid() * config.grid());
        }
        Ok(Self {
            patch_embedding: Linear::from_parts(kernel, bias),
            patch_size: p,
            grid: config.grid(),
            position_embedding: positions.unsqueeze(0),
            class_embedding,
        })
    }

    /// (B, 3, S, S) -> (B, N, C), or (B, 1 + N, C) with a class token
    fn forward(&self, pixel_values: &Tensor) -> TchResult<Tensor> {
        let (b, channels, height, width) = pixel_values.size4()?;
        let (g, p) = (self.grid, self.patch_size);
        // Pixels beyond the last whole patch are not looked at (384 is 27 patches of 14 and 6 pixels).
        let patches = pixel_values
            .f_narrow(2, 0, (g * p).min(height))?
            .f_narrow(3, 0, (g * p).min(width))?
            .f_reshape([b, channels, g, p, g, p])?
            .f_permute([0, 2, 4, 1, 3, 5])? // (B, G, G, 3, P, P)
            .f_reshape([b, g * g, channels * p * p])?;
        let mut x = self.patch_embedding.forward(&patches)?; // (B, N, C)
        if let Some(class) = &self.class_embedding {
            let class = class.f_expand([b, 1, x.size3()?.2], false)?;
            x = Tensor::f_cat(&[&class, &x], 1)?; // (B, 1 + N, C)
        }
        x.f_add(&self.position_embedding)
    }
}

/// The original's stretching of position embeddings (N, C) to another number of patches
/// (llava/model/multimodal_encoder/vision_encoder.py, 73-90): each new row lies between two old ones, in
/// reading order. A new row that falls on an old one comes out as zero, there as here, because both
/// of its weights are then zero.
fn stretched(old: &Tensor, rows: i64) -> Tensor {
    let options = (Kind::Float, old.device());
    let last = old.size()[0] - 1;
    let index = Tensor::arange(rows, options) / ((rows - 1).max(1) as f64) * (last as f64);
    let (floor, ceil) = (index.floor(), index.ceil());
    let row = |at: &Tensor| old.index_select(0, &at.to_kind(Kind::Int64).clamp(0, last));
    let upper = (&index - &floor).unsqueeze(1) * row(&ceil);
    let lower = (&ceil - &index).unsqueeze(1) * row(&floor);
    (upper + lower).to_kind(old.kind())
}
