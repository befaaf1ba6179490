//! DINOv2 (arXiv 2304.07193): an image in, the tokens after chosen layers out.
//! Fields carry the names of the Hugging Face layout; the giant's SwiGLU is left out.
//!
//! In transformers 5.23.0: models/dinov2/modeling_dinov2.py, 40-148 (embeddings), 151-251 and 294-326 (a layer), 366-382
//! and 390-551 (the network and the backbone).

use tch::{Kind, Tensor};

use super::config::Dinov2Config;
use crate::error::Result;
use crate::nn::images::{Conv2d, Window};
use crate::nn::layers::{LayerNorm, Linear};
use crate::nn::row_encoder::{Activation, LayerParts, RowEncoder};
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::{LinearForm, Scope};

/// `embeddings`
#[derive(Debug)]
struct Embeddings {
    cls_token: Tensor,
    /// (1, C, G, G): the grid of `position_embeddings` without the class token's row, in float32.
    patch_positions: Tensor,
    /// (1, 1, C)
    cls_position: Tensor,
    projection: Conv2d,
    patch_size: i64,
    /// Patches along each side of the image that the position embeddings were trained for.
    grid_side: i64,
}

impl Embeddings {
    fn new(scope: &Scope<'_>, config: &Dinov2Config) -> Result<Self> {
        let hidden = config.hidden_size;
        let grid_side = config.image_size / config.patch_size;
        let positions = scope.get(
            "position_embeddings",
            &[1, grid_side * grid_side + 1, hidden],
        )?;
        // Only training masks patches, but published checkpoints keep the token.
        if scope.has("mask_token") {
            let _only_read = scope.get("mask_token", &[1, hidden])?;
        }
        let (cls_position, patch_positions) = split_positions(&positions, grid_side, hidden)
            .map_err(torch_error("arrange the backbone's weights"))?;
        Ok(Self {
            cls_token: scope.get("cls_token", &[1, 1, hidden])?,
            patch_positions,
            cls_position,
            projection: Conv2d::new(
                &scope.sub("patch_embeddings").sub("projection"),
                config.num_channels,
                hidden,
                Window::blocks(config.patch_size),
            )?,
            patch_size: config.patch_size,
            grid_side,
        })
    }

    /// (1, N, C) for an image of `height` by `width` patches.
    fn positions(&self, height: i64, width: i64) -> TchResult<Tensor> {
        let grid = if (height, width) == (self.grid_side, self.grid_side) {
            self.patch_positions.shallow_clone()
        } else {
            self.patch_positions
                .f_upsample_bicubic2d([height, width], false, None, None)?
        };
        // (1, C, h, w) -> (1, N, C)
        grid.f_flatten(2, 3)?
            .f_transpose(1, 2)?
            .f_to_kind(self.cls_position.kind())
    }

    /// (B, 3, H, W) -> (B, 1 + N, C), N = (H / patch) (W / patch)
    fn forward(&self, pixel_values: &Tensor) -> TchResult<Tensor> {
        let (batch, _, height, width) = pixel_values.size4()?;
        let patches = self.projection.forward(pixel_values)?; // (B, C, h, w)
        let patches = patches.f_flatten(2, 3)?.f_transpose(1, 2)?; // (B, N, C)
        let positions = self.positions(height / self.patch_size, width / self.patch_size)?;
        let patches = patches.f_add(&positions)?;
        let cls = self
            .cls_token
            .f_add(&self.cls_position)?
            .f_expand([batch, -1, -1], false)?;
        Tensor::f_cat(&[cls, patches], 1) // (B, 1 + N, C)
    }
}

/// (1, 1 + G G, C) -> the class token's (1, 1, C), and the patches' (1, C, G, G) in float32, because
/// bicubic interpolation in half precision would shift them.
fn split_positions(positions: &Tensor, grid_side: i64, hidden: i64) -> TchResult<(Tensor, Tensor)> {
    let cls = positions.f_narrow(1, 0, 1)?;
    let patches = positions
        .f_narrow(1, 1, grid_side * grid_side)?
        .f_to_kind(Kind::Float)?
        .f_reshape([1, grid_side, grid_side, hidden])? // (1, G, G, C)
        .f_permute([0, 3, 1, 2])? // (1, C, G, G)
        .f_contiguous()?;
    Ok((cls, patches))
}

/// `attention`: `attention.{query,key,value}` and `output.dense`, with `layer_scale1`.
#[derive(Debug)]
struct Attention {
    /// The three as one product: (B, N, C) -> (B, N, 3 C).
    query_key_value: Linear,
    output: Scaled,
    num_heads: i64,
}

impl Attention {
    fn new(scope: &Scope<'_>, config: &Dinov2Config) -> Result<Self> {
        let hidden = config.hidden_size;
        let (attention, scale) = (scope.sub("attention"), scope.sub("layer_scale1"));
        let parts =
            ["query", "key", "value"].map(|name| (attention.sub("attention").sub(name), hidden));
        let output = attention.sub("output").sub("dense");
        Ok(Self {
            query_key_value: Linear::load_joined(&parts, hidden, config.qkv_bias)?,
            output: Scaled::new(&output, &scale, hidden, hidden)?,
            num_heads: config.num_attention_heads,
        })
    }

    /// (B, N, C) -> (B, N, C)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let (batch, tokens, hidden) = x.size3()?;
        let query_key_value = self
            .query_key_value
            .forward(x)?
            .f_reshape([batch, tokens, 3, self.num_heads, hidden / self.num_heads])? // (B, N, 3, nh, hs)
            .f_permute([2, 0, 3, 1, 4])?; // (3, B, nh, N, hs)
        let part = |index| query_key_value.f_select(0, index); // (B, nh, N, hs)
        let attended = Tensor::f_scaled_dot_product_attention(
            &part(0)?,
            &part(1)?,
            &part(2)?,
            None::<Tensor>,
            0.0,
            false,
            None,
            false,
        )?; // (B, nh, N, hs)
        let attended = attended
            .f_transpose(1, 2)?
            .f_reshape([batch, tokens, hidden])?; // (B, N, C)
        self.output.forward(&attended)
    }
}

/// `mlp`, with `layer_scale2`.
#[derive(Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Scaled,
}

impl Mlp {
    fn new(scope: &Scope<'_>, config: &Dinov2Config) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.hidden_size * config.mlp_ratio);
        let (mlp, scale) = (scope.sub("mlp"), scope.sub("layer_scale2"));
        Ok(Self {
            fc1: Linear::load(&mlp.sub("fc1"), hidden, inner, true)?,
            fc2: Scaled::new(&mlp.sub("fc2"), &scale, inner, hidden)?,
        })
    }

    /// (B, N, C) -> (B, N, C)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        self.fc2.forward(&self.fc1.forward(x)?.f_gelu("none")?)
    }
}

/// A linear layer and the scale of each of its outputs, in one where its weights stand in panels.
#[derive(Debug)]
struct Scaled {
    linear: Linear,
    lambda1: Option<Tensor>,
}

impl Scaled {
    fn new(linear: &Scope<'_>, scale: &Scope<'_>, inputs: i64, outputs: i64) -> Result<Self> {
        let lambda1 = scale.get("lambda1", &[outputs])?;
        if linear.form() == LinearForm::Tensor {
            return Ok(Self {
                linear: Linear::load(linear, inputs, outputs, true)?,
                lambda1: Some(lambda1),
            });
        }
        let weight = linear.get("weight", &[outputs, inputs])?;
        let bias = linear.get("bias", &[outputs])?;
        let scaled = || {
            let weight = weight.f_mul(&lambda1.f_unsqueeze(1)?)?;
            TchResult::Ok((weight, bias.f_mul(&lambda1)?))
        };
        let (weight, bias) = scaled().map_err(torch_error("scale the weights of a layer"))?;
        Ok(Self {
            linear: Linear::with_form(weight, Some(bias), linear.form())?,
            lambda1: None,
        })
    }

    /// (..., in) -> (..., out)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let y = self.linear.forward(x)?;
        match &self.lambda1 {
            Some(lambda1) => y.f_mul(lambda1),
            None => Ok(y),
        }
    }
}

/// `encoder.layer.*`
#[derive(Debug)]
struct Layer {
    norm1: LayerNorm,
    attention: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl Layer {
    fn new(scope: &Scope<'_>, config: &Dinov2Config) -> Result<Self> {
        let (hidden, eps) = (config.hidden_size, config.layer_norm_eps);
        Ok(Self {
            norm1: LayerNorm::load(&scope.sub("norm1"), hidden, eps)?,
            attention: Attention::new(scope, config)?,
            norm2: LayerNorm::load(&scope.sub("norm2"), hidden, eps)?,
            mlp: Mlp::new(scope, config)?,
        })
    }

    /// (B, N, C) -> (B, N, C)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let x = self.attention.forward(&self.norm1.forward(x)?)?.f_add(x)?;
        self.mlp.forward(&self.norm2.forward(&x)?)?.f_add(&x)
    }

    fn parts(&self) -> LayerParts<'_> {
        LayerParts {
            layer_norm1: &self.norm1,
            qkv_proj: &self.attention.query_key_value,
            out_proj: &self.attention.output.linear,
            layer_norm2: &self.norm2,
            fc1: &self.mlp.fc1,
            fc2: &self.mlp.fc2.linear,
            heads: self.attention.num_heads,
            activation: Activation::Gelu,
        }
    }
}

/// The whole network.
#[derive(Debug)]
pub struct Dinov2 {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    /// The same layers, where they are faster so.
    rows: Option<RowEncoder>,
    layernorm: LayerNorm,
}

impl Dinov2 {
    /// Reads the network below `scope`; `config` has no [`Dinov2Config::problem`].
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn new(scope: &Scope<'_>, config: &Dinov2Config) -> Result<Self> {
        let encoder = scope.sub("encoder").sub("layer");
        let layers: Vec<Layer> = (0..config.num_hidden_layers)
            .map(|index| Layer::new(&encoder.sub(index), config))
            .collect::<Result<_>>()?;
        let layernorm = scope.sub("layernorm");
        let rows = RowEncoder::of(layers.iter().map(Layer::parts), false);
        Ok(Self {
            embeddings: Embeddings::new(&scope.sub("embeddings"), config)?,
            rows: rows.map_err(torch_error("lay out the encoder's layers"))?,
            layers,
            layernorm: LayerNorm::load(&layernorm, config.hidden_size, config.layer_norm_eps)?,
        })
    }

    /// (B, 3, H, W) -> (B, 1 + N, C) after so many layers, one an entry of `after`, the class token first. `after` ascends.
    ///
    /// # Errors
    /// libtorch's, for an image smaller than a patch or for want of memory.
    pub fn hidden_states(&self, pixel_values: &Tensor, after: &[i64]) -> TchResult<Vec<Tensor>> {
        let mut hidden_state = self.embeddings.forward(pixel_values)?;
        if let Some(rows) = &self.rows {
            return in_rows(rows, &hidden_state, after);
        }
        let mut hidden_states = Vec::new();
        let mut layers = self.layers.iter();
        let mut done = 0;
        for &wanted in after {
            // Layers after the last one that is wanted would not change the output, so they are never run.
            let more = usize::try_from(wanted - done).unwrap_or(0);
            for layer in layers.by_ref().take(more) {
                hidden_state = layer.forward(&hidden_state)?;
            }
            done = wanted;
            hidden_states.push(hidden_state.shallow_clone());
        }
        Ok(hidden_states)
    }

    /// `layernorm`, which makes the last layer's tokens `last_hidden_state`: (B, 1 + N, C) -> (B, 1 + N, C)
    ///
    /// # Errors
    /// libtorch's, for want of memory.
    pub fn normalised(&self, hidden_state: &Tensor) -> TchResult<Tensor> {
        self.layernorm.forward(hidden_state)
    }
}

/// All layers on (B, N, C); what is wanted is kept.
fn in_rows(rows: &RowEncoder, x: &Tensor, after: &[i64]) -> TchResult<Vec<Tensor>> {
    let (shape, kind) = (x.size(), x.kind());
    let tokens = x.size3()?.1 as usize;
    let values = Vec::<f32>::try_from(x.f_to_kind(Kind::Float)?.f_reshape([-1])?)?;
    let (mut done, mut kept) = (0, Vec::new());
    rows.forward(values, tokens, |values| {
        // Twice where it is wanted twice.
        for _ in after.iter().filter(|wanted| **wanted == done) {
            let tensor = Tensor::f_from_slice(values)?.f_reshape(&shape)?;
            kept.push(tensor.f_to_kind(kind)?);
        }
        done += 1;
        Ok(())
    })?;
    Ok(kept)
}

/// The network as a backbone: tokens of several stages.
#[derive(Debug)]
pub struct Dinov2Backbone {
    network: Dinov2,
    apply_layernorm: bool,
    stages: Vec<i64>,
}

impl Dinov2Backbone {
    /// Reads the backbone below `scope`; `config` has no [`Dinov2Config::problem_as_backbone`].
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn new(scope: &Scope<'_>, config: &Dinov2Config) -> Result<Self> {
        Ok(Self {
            network: Dinov2::new(scope, config)?,
            apply_layernorm: config.apply_layernorm,
            stages: config.stages().unwrap_or_default(),
        })
    }

    /// (B, 3, H, W) -> one (B, 1 + N, C) a stage, the class token first.
    ///
    /// # Errors
    /// libtorch's, for an image smaller than a patch or for want of memory.
    pub fn forward(&self, pixel_values: &Tensor) -> TchResult<Vec<Tensor>> {
        let hidden_states = self.network.hidden_states(pixel_values, &self.stages)?;
        let stages = hidden_states.iter();
        let stages = stages.map(|hidden_state| match self.apply_layernorm {
            true => self.network.normalised(hidden_state),
            false => Ok(hidden_state.shallow_clone()),
        });
        stages.collect()
    }
}
