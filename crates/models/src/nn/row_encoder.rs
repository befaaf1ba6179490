//! A vision transformer's layers on a processor, rows of patches at a time: where the products of `nn::panels` are faster than
//! libtorch's, or its weights have few bits. A chunk of rows passes through everything between two attentions while it is
//! near its core; attention is one head of one picture at a time, its keys and values being matrices that queries and their shares
//! are multiplied with.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::ops::Range;

use super::attention::Head;
use super::layers::{CompactLinear, CompactNorm, LayerNorm, Linear};
use super::team::in_parts;
use super::torch::TchResult;
use super::vector::{add, gelu, gelu_by_erf};

/// Rows that pass through a layer together.
const CHUNK: usize = 64;

/// Three shapes of GELU.
#[derive(Debug, Clone, Copy)]
pub enum Activation {
    /// x sigmoid(1.702 x)
    QuickGelu,
    /// By the error function.
    Gelu,
    /// By the hyperbolic tangent.
    GeluTanh,
}

/// What a layer is made of: attention that sees all patches, and an MLP, each behind a norm.
#[derive(Debug)]
pub struct LayerParts<'a> {
    /// Before the attention.
    pub layer_norm1: &'a LayerNorm,
    /// Queries, keys and values in one.
    pub qkv_proj: &'a Linear,
    /// Behind the attention.
    pub out_proj: &'a Linear,
    /// Before the MLP.
    pub layer_norm2: &'a LayerNorm,
    /// Into the MLP.
    pub fc1: &'a Linear,
    /// Out of it.
    pub fc2: &'a Linear,
    /// Attention heads.
    pub heads: i64,
    /// Inside the MLP.
    pub activation: Activation,
}

/// The layers for rows.
#[derive(Debug)]
pub struct RowEncoder {
    layers: Vec<RowLayer>,
    /// Whether what is multiplied is rounded to bfloat16.
    rounds: bool,
}

impl RowEncoder {
    /// These layers; `None` where their weights do not stand in panels. `rounds` for what is rounded to bfloat16 before it is
    /// multiplied.
    ///
    /// # Errors
    /// libtorch's, for want of memory.
    pub fn of<'a>(
        layers: impl Iterator<Item = LayerParts<'a>>,
        rounds: bool,
    ) -> TchResult<Option<Self>> {
        let layers = layers.map(|parts| RowLayer::of(&parts));
        let layers: Option<Vec<RowLayer>> = layers.collect::<TchResult<_>>()?;
        Ok(layers.map(|layers| Self { layers, rounds }))
    }

    /// Patches (B N, C) of pictures of `tokens` patches each -> what the last layer makes of them. `after` sees the numbers before
    /// the first layer and after each.
    ///
    /// # Errors
    /// Those of `after`.
    pub fn forward(
        &self,
        mut x: Vec<f32>,
        tokens: usize,
        mut after: impl FnMut(&[f32]) -> TchResult<()>,
    ) -> TchResult<Vec<f32>> {
        after(&x)?;
        let mut between = Between {
            qkv: vec![0.0; 3 * x.len()],
            found: vec![0.0; x.len()],
        };
        for layer in &self.layers {
            layer.forward(&mut x, tokens, self.rounds, &mut between);
            after(&x)?;
        }
        Ok(x)
    }
}

/// What stands between a layer's parts.
struct Between {
    /// (B N, 3 C)
    qkv: Vec<f32>,
    /// (B, H, N, D)
    found: Vec<f32>,
}

#[derive(Debug)]
struct RowLayer {
    layer_norm1: CompactNorm,
    qkv_proj: CompactLinear,
    out_proj: CompactLinear,
    layer_norm2: CompactNorm,
    fc1: CompactLinear,
    fc2: CompactLinear,
    heads: usize,
    activation: Activation,
}

impl RowLayer {
    fn of(parts: &LayerParts<'_>) -> TchResult<Option<Self>> {
        let linears = [parts.qkv_proj, parts.out_proj, parts.fc1, parts.fc2];
        if !linears.iter().all(|linear| linear.is_in_panels()) {
            return Ok(None);
        }
        let compact = (
            parts.qkv_proj.compact()?,
            parts.out_proj.compact()?,
            parts.fc1.compact()?,
            parts.fc2.compact()?,
        );
        let (Some(qkv_proj), Some(out_proj), Some(fc1), Some(fc2)) = compact else {
            return Ok(None);
        };
        Ok(Some(Self {
            layer_norm1: parts.layer_norm1.compact()?,
            qkv_proj,
            out_proj,
            layer_norm2: parts.layer_norm2.compact()?,
            fc1,
            fc2,
            heads: parts.heads as usize,
            activation: parts.activation,
        }))
    }

    /// (B N, C), in place.
    fn forward(&self, x: &mut [f32], tokens: usize, rounds: bool, between: &mut Between) {
        let Between { qkv, found } = between;
        let rows = x.len() / self.channels();
        // Of each part, or more.
        let products = rows * self.channels() * self.channels();
        let chunk = CHUNK * self.channels();
        in_parts(
            products,
            x.chunks(chunk).zip(qkv.chunks_mut(3 * chunk)),
            |(x, qkv)| {
                let normed = self.layer_norm1.forward(x);
                self.qkv_proj.forward_into(&normed, qkv);
            },
        );
        let width = self.channels() / self.heads;
        let heads = found.chunks_mut((tokens * width).max(1)).enumerate();
        in_parts(products, heads, |(index, found)| {
            let (picture, head) = (index / self.heads, index % self.heads);
            let qkv = &qkv[3 * picture * tokens * self.channels()..];
            self.attend(qkv, tokens, head, rounds, found);
        });
        in_parts(products, x.chunks_mut(chunk).enumerate(), |(index, x)| {
            let first = index * CHUNK;
            let rows = first..(first + CHUNK).min(rows);
            let found = self.side_by_side(found, rows, tokens);
            add(x, &self.out_proj.forward_alone(&found));
            let mut inner = self.fc1.forward_alone(&self.layer_norm2.forward(x));
            activate(self.activation, &mut inner);
            add(x, &self.fc2.forward_alone(&inner));
        });
    }

    fn channels(&self) -> usize {
        self.layer_norm1.channels()
    }

    /// One head of one picture, whose rows these are: (N, 3 C) -> (N, D).
    fn attend(&self, qkv: &[f32], tokens: usize, head: usize, rounds: bool, found: &mut [f32]) {
        let channels = self.channels();
        let width = channels / self.heads;
        let of = |part: usize, token: usize, channel: usize| {
            qkv[(3 * token + part) * channels + head * width + channel]
        };
        let all = Head::of(
            [tokens, width],
            rounds,
            |token, channel| of(1, token, channel),
            |token, channel| of(2, token, channel),
        );
        let mut queries = Vec::with_capacity(tokens * width);
        for token in 0..tokens {
            queries.extend_from_slice(&qkv[3 * token * channels + head * width..][..width]);
        }
        all.find(&queries, |_| tokens, found);
    }

    /// Rows of what all heads found, (B, H, N, D) -> (rows, C).
    fn side_by_side(&self, found: &[f32], rows: Range<usize>, tokens: usize) -> Vec<f32> {
        let width = self.channels() / self.heads;
        let mut all = Vec::with_capacity(rows.len() * self.channels());
        for row in rows {
            let (picture, token) = (row / tokens, row % tokens);
            for head in 0..self.heads {
                let place = ((picture * self.heads + head) * tokens + token) * width;
                all.extend_from_slice(&found[place..place + width]);
            }
        }
        all
    }
}

fn activate(activation: Activation, x: &mut [f32]) {
    /// 2 sqrt(2 / pi)
    const LINEAR: f32 = 2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
    match activation {
        Activation::QuickGelu => gelu(x, 1.702, 0.0),
        Activation::GeluTanh => gelu(x, LINEAR, 0.044715 * LINEAR),
        Activation::Gelu => gelu_by_erf(x),
    }
}
