//! Hiera (arXiv 2306.00989): a transformer over patches whose map becomes smaller and wider from stage to stage, and which
//! attends within windows but for a few blocks.
//!
//! In transformers 5.24.0: models/sam2/modeling_sam2.py, 102-128 and 280-683.

use tch::Tensor;

use super::config::{Activation, BlockConfig, HieraConfig};
use super::layers::{FeedForward, attend};
use crate::error::Result;
use crate::nn::images::{Conv2d, Window};
use crate::nn::layers::{LayerNorm, Linear};
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::Scope;

/// `vision_encoder.backbone`
#[derive(Debug)]
pub(super) struct Hiera {
    projection: Conv2d,
    /// (1, h, w, C) for the one size of pictures that the network takes.
    position: Tensor,
    blocks: Vec<Block>,
}

impl Hiera {
    /// Reads the backbone below `scope` for pictures of `image_size`; `config` has no problem.
    pub(super) fn load(scope: &Scope<'_>, config: &HieraConfig, image_size: i64) -> Result<Self> {
        let window = Window::padded(
            config.patch_kernel_size,
            config.patch_stride,
            config.patch_padding,
        );
        let blocks = config.blocks().into_iter().enumerate();
        let blocks = blocks
            .map(|(index, block)| Block::load(&scope.sub("blocks").sub(index), config, block));
        let patches = (image_size + 2 * window.padding - window.kernel) / window.stride + 1;
        Ok(Self {
            projection: Conv2d::new(
                &scope.sub("patch_embed").sub("projection"),
                3,
                config.hidden_size,
                window,
            )?,
            position: position(scope, config, patches)?,
            blocks: blocks.collect::<Result<_>>()?,
        })
    }

    /// Normalised pixels (1, 3, S, S) -> the map (1, h, w, C) at the end of each stage, the finest first.
    pub(super) fn forward(&self, pixel_values: &Tensor) -> TchResult<Vec<Tensor>> {
        let patches = self.projection.forward(pixel_values)?; // (1, C, h, w)
        let mut x = patches.f_permute([0, 2, 3, 1])?.f_add(&self.position)?; // (1, h, w, C)
        let mut stages = Vec::new();
        for block in &self.blocks {
            x = block.forward(&x)?;
            if block.config.ends_stage {
                stages.push(x.shallow_clone());
            }
        }
        Ok(stages)
    }
}

/// A small embedding stretched over the picture, and one of a window's size repeated over it (arXiv 2311.05613).
fn position(scope: &Scope<'_>, config: &HieraConfig, patches: i64) -> Result<Tensor> {
    let channels = config.hidden_size;
    let background: &[i64] = &config.window_positional_embedding_background_size;
    let background = scope.get("pos_embed", &[&[1, channels], background].concat())?;
    let window = config.window_size_per_stage.first().copied().unwrap_or(1);
    let repeated = scope.get("pos_embed_window", &[1, channels, window, window])?;
    let combine = || {
        let stretched = background.f_upsample_bicubic2d([patches, patches], false, None, None)?;
        let repeated = repeated.f_tile([1, 1, patches / window, patches / window])?;
        stretched
            .f_add(&repeated)?
            .f_permute([0, 2, 3, 1])?
            .f_contiguous() // (1, h, w, C)
    };
    combine().map_err(torch_error("stretch the position embedding"))
}

/// Attention within windows, then an MLP.
#[derive(Debug)]
struct Block {
    layer_norm1: LayerNorm,
    qkv: Linear,
    attention_proj: Linear,
    layer_norm2: LayerNorm,
    mlp: FeedForward,
    /// Where the map becomes wider.
    proj: Option<Linear>,
    config: BlockConfig,
}

impl Block {
    fn load(scope: &Scope<'_>, hiera: &HieraConfig, config: BlockConfig) -> Result<Self> {
        let (inputs, outputs) = (config.inputs, config.outputs);
        let attention = scope.sub("attn");
        let proj =
            (inputs != outputs).then(|| Linear::load(&scope.sub("proj"), inputs, outputs, true));
        let activation: Activation = hiera.activation();
        Ok(Self {
            layer_norm1: LayerNorm::load(&scope.sub("layer_norm1"), inputs, hiera.layer_norm_eps)?,
            qkv: Linear::load(&attention.sub("qkv"), inputs, 3 * outputs, true)?,
            attention_proj: Linear::load(&attention.sub("proj"), outputs, outputs, true)?,
            layer_norm2: LayerNorm::load(&scope.sub("layer_norm2"), outputs, hiera.layer_norm_eps)?,
            mlp: FeedForward::load(
                &scope.sub("mlp"),
                [outputs, config.mlp, outputs],
                2,
                activation,
            )?,
            proj: proj.transpose()?,
            config,
        })
    }

    /// (B, H, W, inputs) -> (B, H / pool, W / pool, outputs)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let normed = self.layer_norm1.forward(x)?;
        let residual = match &self.proj {
            Some(proj) => self.pooled(&proj.forward(&normed)?)?,
            None => x.shallow_clone(),
        };
        let attended = match self.config.window {
            None => self.attend(&normed)?,
            Some(window) => {
                let (_, height, width, _) = residual.size4()?;
                let windows = in_windows(&normed, window)?; // (B n, window, window, inputs)
                let attended = self.attend(&windows)?;
                out_of_windows(&attended, [height, width])?
            }
        };
        let x = residual.f_add(&attended)?;
        let inner = self.mlp.forward(&self.layer_norm2.forward(&x)?)?;
        x.f_add(&inner)
    }

    /// Each place to all: (N, h, w, inputs) -> (N, h / pool, w / pool, outputs)
    fn attend(&self, x: &Tensor) -> TchResult<Tensor> {
        let (batch, height, width, _) = x.size4()?;
        let heads = self.config.heads;
        let channels = self.config.outputs;
        let split = |x: &Tensor| {
            x.f_reshape([batch, -1, heads, channels / heads])?
                .f_transpose(1, 2) // (N, heads, L, D)
        };
        let parts = self.qkv.forward(x)?.f_chunk(3, -1)?; // three of (N, h, w, outputs)
        let [query, key, value] = parts.as_slice() else {
            return Err(tch::TchError::Shape(
                "queries, keys and values are not three".into(),
            ));
        };
        let query = self.pooled(query)?; // (N, h', w', outputs)
        let found = attend(&split(&query)?, &split(key)?, &split(value)?)?; // (N, heads, L', D)
        let pool = self.config.pool.unwrap_or(1);
        let shape = [batch, height / pool, width / pool, channels];
        self.attention_proj
            .forward(&found.f_transpose(1, 2)?.f_reshape(shape)?)
    }

    /// The largest of each block of places, where the map becomes smaller: (B, H, W, C) -> (B, H', W', C)
    fn pooled(&self, x: &Tensor) -> TchResult<Tensor> {
        let Some(pool) = self.config.pool else {
            return Ok(x.shallow_clone());
        };
        let x = x.f_permute([0, 3, 1, 2])?; // (B, C, H, W)
        let x = x.f_max_pool2d([pool, pool], [pool, pool], [0, 0], [1, 1], false)?;
        x.f_permute([0, 2, 3, 1])
    }
}

/// Windows that do not overlap, the last ones filled up with zeros: (B, H, W, C) -> (B n, window, window, C)
fn in_windows(x: &Tensor, window: i64) -> TchResult<Tensor> {
    let (batch, height, width, channels) = x.size4()?;
    let [down, across] = [height, width].map(|side| side + (-side).rem_euclid(window));
    let x = match (down - height, across - width) {
        (0, 0) => x.shallow_clone(),
        (below, right) => x.f_constant_pad_nd([0, 0, 0, right, 0, below])?,
    };
    let [rows, columns] = [down, across].map(|side| side / window);
    x.f_reshape([batch, rows, window, columns, window, channels])?
        .f_transpose(2, 3)? // (B, rows, columns, window, window, C)
        .f_reshape([-1, window, window, channels])
}

/// The map of those windows without what they were filled up with: (B n, w, w, C) -> (B, size.0, size.1, C)
fn out_of_windows(windows: &Tensor, [height, width]: [i64; 2]) -> TchResult<Tensor> {
    let (count, window, _, channels) = windows.size4()?;
    let [rows, columns] = [height, width].map(|side| (side + window - 1) / window);
    let x = windows
        .f_view([
            count / (rows * columns),
            rows,
            columns,
            window,
            window,
            channels,
        ])?
        .f_transpose(2, 3)? // (B, rows, w, columns, w, C)
        .f_reshape([-1, rows * window, columns * window, channels])?;
    x.f_narrow(1, 0, height)?
        .f_narrow(2, 0, width)?
        .f_contiguous()
}
