//! Memory attention: the picture's map looks at itself and at what is remembered of earlier frames, with places told by
//! turning queries and keys (rotary position embedding over two axes).
//!
//! In transformers 5.24.0: models/sam2_video/modeling_sam2_video.py, 681-1059.

use tch::{Kind, Tensor};

use super::config::{Activation, MemoryConfig};
use super::layers::{attend, join_heads, split_heads};
use crate::error::Result;
use crate::nn::layers::{LayerNorm, Linear};
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::{Placement, Scope};

/// What libtorch's own norms add to the variance.
const EPS: f64 = 1e-5;

/// Shares of queries in keys that are worked out together: 64 MB. Fewer, and the keys would be read once more for each few
/// queries; more, and nothing would be gained.
const SHARES_AT_ONCE: i64 = 16 << 20;

/// What is remembered, token by token.
#[derive(Debug)]
pub(super) struct Memory {
    /// (1, K, WIDTH): maps of whole frames, one after the other, then pointers.
    pub(super) tokens: Tensor,
    /// (1, K, WIDTH): their places in picture and time.
    pub(super) places: Tensor,
    /// How many pointers there are, which have no place in the picture.
    pub(super) pointers: i64,
}

/// `memory_attention`
#[derive(Debug)]
pub(super) struct MemoryAttention {
    layers: Vec<MemoryAttentionLayer>,
    layer_norm: LayerNorm,
    turns: Turns,
}

impl MemoryAttention {
    pub(super) fn load(
        scope: &Scope<'_>,
        config: &MemoryConfig,
        hidden: i64,
        grid: i64,
    ) -> Result<Self> {
        let layers = 0..config.memory_attention_num_layers;
        let layers = layers.map(|index| {
            MemoryAttentionLayer::load(&scope.sub("layers").sub(index), config, hidden)
        });
        let heads = config.memory_attention_num_attention_heads;
        let width = hidden / config.memory_attention_downsample_rate / heads;
        let turns = Turns::new(width, grid, config.rope_theta(), scope.placement());
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            layer_norm: LayerNorm::load(&scope.sub("layer_norm"), hidden, EPS)?,
            turns: turns.map_err(torch_error("tell places"))?,
        })
    }

    /// A map (1, L, C) and its places (1, L, C) -> the same with what is remembered.
    pub(super) fn forward(
        &self,
        map: &Tensor,
        places: &Tensor,
        memory: &Memory,
    ) -> TchResult<Tensor> {
        let mut x = map.f_add(&places.f_mul_scalar(0.1)?)?;
        let keys = memory.tokens.f_add(&memory.places)?;
        for layer in &self.layers {
            x = layer.forward(&x, &keys, memory, &self.turns)?;
        }
        self.layer_norm.forward(&x)
    }
}

/// One layer: to itself, to the memory, and an MLP.
#[derive(Debug)]
struct MemoryAttentionLayer {
    self_attn: RotaryAttention,
    cross_attn_image: RotaryAttention,
    linear1: Linear,
    linear2: Linear,
    layer_norm1: LayerNorm,
    layer_norm2: LayerNorm,
    layer_norm3: LayerNorm,
    activation: Activation,
}

impl MemoryAttentionLayer {
    fn load(scope: &Scope<'_>, config: &MemoryConfig, hidden: i64) -> Result<Self> {
        let norm = |name: &str| LayerNorm::load(&scope.sub(name), hidden, EPS);
        let inner = config.memory_attention_feed_forward_hidden_size;
        Ok(Self {
            self_attn: RotaryAttention::load(&scope.sub("self_attn"), config, hidden, hidden)?,
            cross_attn_image: RotaryAttention::load(
                &scope.sub("cross_attn_image"),
                config,
                hidden,
                MemoryConfig::WIDTH,
            )?,
            linear1: Linear::load(&scope.sub("linear1"), hidden, inner, true)?,
            linear2: Linear::load(&scope.sub("linear2"), inner, hidden, true)?,
            layer_norm1: norm("layer_norm1")?,
            layer_norm2: norm("layer_norm2")?,
            layer_norm3: norm("layer_norm3")?,
            activation: config.attention_activation(),
        })
    }

    /// (1, L, C) -> (1, L, C)
    fn forward(
        &self,
        x: &Tensor,
        keys: &Tensor,
        memory: &Memory,
        turns: &Turns,
    ) -> TchResult<Tensor> {
        let normed = self.layer_norm1.forward(x)?;
        let x = x.f_add(&self.self_attn.to_itself(&normed, turns)?)?;
        let normed = self.layer_norm2.forward(&x)?;
        let x = x.f_add(
            &self
                .cross_attn_image
                .to_memory(&normed, keys, memory, turns)?,
        )?;
        let inner = self.linear1.forward(&self.layer_norm3.forward(&x)?)?;
        x.f_add(&self.linear2.forward(&self.activation.apply(&inner)?)?)
    }
}

/// Attention whose queries and keys are turned by their places.
#[derive(Debug)]
struct RotaryAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    heads: i64,
}

impl RotaryAttention {
    /// Reads the four layers; keys and values are made of `remembered` channels.
    fn load(
        scope: &Scope<'_>,
        config: &MemoryConfig,
        hidden: i64,
        remembered: i64,
    ) -> Result<Self> {
        let inner = hidden / config.memory_attention_downsample_rate;
        let project = |name: &str, inputs: i64| Linear::load(&scope.sub(name), inputs, inner, true);
        Ok(Self {
            q_proj: project("q_proj", hidden)?,
            k_proj: project("k_proj", remembered)?,
            v_proj: project("v_proj", remembered)?,
            o_proj: Linear::load(&scope.sub("o_proj"), inner, hidden, true)?,
            heads: config.memory_attention_num_attention_heads,
        })
    }

    /// (1, L, C) -> (1, L, C)
    fn to_itself(&self, x: &Tensor, turns: &Turns) -> TchResult<Tensor> {
        let query = turns.apply(&split_heads(&self.q_proj.forward(x)?, self.heads)?)?;
        let key = turns.apply(&split_heads(&self.k_proj.forward(x)?, self.heads)?)?;
        let value = split_heads(&self.v_proj.forward(x)?, self.heads)?;
        let found = attend(&query, &key, &value)?; // (1, heads, L, D)
        self.o_proj.forward(&join_heads(&found)?)
    }

    /// (1, L, C) -> (1, L, C)
    fn to_memory(
        &self,
        x: &Tensor,
        keys: &Tensor,
        memory: &Memory,
        turns: &Turns,
    ) -> TchResult<Tensor> {
        let query = turns.apply(&split_heads(&self.q_proj.forward(x)?, self.heads)?)?;
        let key = split_heads(&self.k_proj.forward(keys)?, self.heads)?; // (1, heads, K, D)
        let (_, _, count, width) = key.size4()?;
        let in_maps = count - memory.pointers;
        let turned = turns.apply(&key.f_narrow(2, 0, in_maps)?)?;
        let pointers = key.f_narrow(2, in_maps, memory.pointers)?;
        let key = Tensor::f_cat(&[turned, pointers], 2)?;
        let found = match width > MemoryConfig::WIDTH {
            true => self.find_in_memory(&query, &key, &memory.tokens)?, // (1, L, heads D)
            false => {
                let value = split_heads(&self.v_proj.forward(&memory.tokens)?, self.heads)?;
                join_heads(&attend(&query, &key, &value)?)?
            }
        };
        self.o_proj.forward(&found)
    }

    /// As attention to `v_proj(tokens)`, but what is found is projected instead of what is sought in: shares add up to one,
    /// and memories are narrower than values.
    fn find_in_memory(&self, query: &Tensor, key: &Tensor, tokens: &Tensor) -> TchResult<Tensor> {
        let (_, heads, length, width) = query.size4()?;
        let query = query.f_mul_scalar((width as f64).sqrt().recip())?;
        let tokens = tokens.f_squeeze_dim(0)?; // (K, WIDTH)
        let (count, _) = tokens.size2()?;
        let rows = (SHARES_AT_ONCE / count).clamp(1, length);
        let options = (query.kind(), query.device());
        let [scores, shares] = [(); 2].map(|()| Tensor::f_empty([rows, count], options));
        let (scores, shares) = (scores?, shares?);
        let mut found = Vec::new();
        for head in 0..heads {
            let queries = query.f_select(1, head)?.f_squeeze_dim(0)?; // (L, D)
            let keys = key.f_select(1, head)?.f_squeeze_dim(0)?; // (K, D)
            let keys = keys.f_transpose(0, 1)?;
            let mut chunks = Vec::new();
            for first in (0..length).step_by(rows as usize) {
                let rows = rows.min(length - first);
                let (scores, shares) = (scores.f_narrow(0, 0, rows)?, shares.f_narrow(0, 0, rows)?);
                let queries = queries.f_narrow(0, first, rows)?;
                let scores = queries.f_mm_out(&scores, &keys)?; // (rows, K)
                let shares = scores.f_internal_softmax_out(&shares, -1, false)?;
                chunks.push(shares.f_mm(&tokens)?);
            }
            let found_in_head = Tensor::f_cat(&chunks, 0)?; // (L, WIDTH)
            found.push(
                self.v_proj
                    .forward_part(&found_in_head, head * width, width)?,
            ); // (L, D)
        }
        Tensor::f_cat(&found, 1)?.f_unsqueeze(0)
    }
}

/// By which angles the pairs of channels at each place of a map are turned: the first half by where it is across, the second
/// by where it is down.
#[derive(Debug)]
struct Turns {
    /// (L, D / 2), complex numbers of length one.
    turns: Tensor,
}

impl Turns {
    fn new(width: i64, grid: i64, theta: f64, placement: Placement) -> TchResult<Self> {
        let options = (Kind::Float, placement.device);
        let spatial = (width / 2) as f64;
        let speeds: Vec<f32> = (0..width / 4)
            .map(|pair| theta.powf(-(2.0 * pair as f64) / spatial) as f32)
            .collect();
        let speeds = Tensor::f_from_slice(&speeds)?.f_to_device(placement.device)?;
        let places = Tensor::f_arange(grid, options)?.f_unsqueeze(1)?; // (grid, 1)
        let angles = places.f_mul(&speeds)?; // (grid, D / 4)
        let across = angles.f_unsqueeze(0)?.f_expand([grid, grid, -1], false)?;
        let down = angles.f_unsqueeze(1)?.f_expand([grid, grid, -1], false)?;
        let angles = Tensor::f_cat(&[across, down], 2)?.f_flatten(0, 1)?; // (L, D / 2)
        Ok(Self {
            turns: Tensor::f_polar(&angles.f_ones_like()?, &angles)?,
        })
    }

    /// One or more maps (1, heads, maps L, D) -> the same, turned.
    fn apply(&self, x: &Tensor) -> TchResult<Tensor> {
        let (batch, heads, length, width) = x.size4()?;
        let (places, _) = self.turns.size2()?;
        let pairs = x.f_to_kind(Kind::Float)?.f_reshape([
            batch,
            heads,
            length / places,
            places,
            width / 2,
            2,
        ])?;
        let turned = pairs.f_view_as_complex()?.f_mul(&self.turns)?; // (1, heads, maps, L, D / 2)
        let turned = turned
            .f_view_as_real()?
            .f_reshape([batch, heads, length, width])?;
        turned.f_to_kind(x.kind())
    }
}
