//! The decoder for what follows the prompt, on a processor: a few positions at a time, each with the numbers that it would
//! have alone. So a whole guessed answer can be read in one pass, and what it confirms is what single steps would have
//! given, to the bit. Between libtorch's prompt and this lie only the keys and values.

use tch::{Kind, Tensor};

use super::llama::{
    Attention, Cache, DecoderLayer, Llama, Mlp, RmsNorm, RotaryEmbedding, Rotation,
};
use crate::nn::attention::Head;
use crate::nn::layers::CompactLinear;
use crate::nn::team::in_parts;
use crate::nn::torch::TchResult;
use crate::nn::vector::{HeadCache, add, attend, gated, rms_norm};

/// The decoder's layers for rows.
#[derive(Debug)]
pub(super) struct RowDecoder {
    embed_tokens: Tensor,
    rope: RotaryEmbedding,
    layers: Vec<RowLayer>,
    norm: RowNorm,
    lm_head: CompactLinear,
}

/// A token that is read after what a sequence holds, or after another token of the same pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub token: i64,
    /// The node before it, which comes earlier in the pass; `None` if it follows the sequence.
    pub parent: Option<usize>,
}

/// What was read of one sequence.
pub(super) struct Sequence {
    /// Of each layer and head.
    heads: Vec<Vec<HeadCache>>,
    length: usize,
}

/// Tokens that prompts begin with, read once.
pub(super) struct Prefix {
    pub ids: Vec<i64>,
    pub read: Sequence,
}

impl Sequence {
    /// The sequence of a row of libtorch's cache, with room for more positions.
    pub(super) fn new(cache: &Cache, row: i64, more: usize) -> TchResult<Self> {
        let length = cache.length as usize;
        let heads = cache.layers.iter().map(|layer| {
            let of = |all: &Tensor| {
                let read = all
                    .f_narrow(0, row, 1)?
                    .f_narrow(2, 0, cache.length)? // (1, H, T, D)
                    .f_to_kind(Kind::Float)?;
                TchResult::Ok(read)
            };
            let flat = |tensor: Tensor| Vec::<f32>::try_from(tensor.f_reshape([-1])?);
            let (_, heads, _, width) = layer.key.size4()?;
            let size = length * width as usize;
            let keys = flat(of(&layer.key)?.f_transpose(2, 3)?.f_contiguous()?)?; // (H, D, T)
            let values = flat(of(&layer.value)?)?; // (H, T, D)
            let each = (0..heads as usize).map(|head| {
                let part = head * size..(head + 1) * size;
                HeadCache::of(&keys[part.clone()], &values[part], width as usize, more)
            });
            Ok(each.collect())
        });
        Ok(Self {
            heads: heads.collect::<TchResult<_>>()?,
            length,
        })
    }

    /// The same, with room for so many positions in all.
    pub(super) fn with_room(&self, room: usize) -> Self {
        let layer = |heads: &Vec<HeadCache>| {
            let heads = heads.iter();
            heads
                .map(|head| head.with_room(self.length, room))
                .collect()
        };
        Self {
            heads: self.heads.iter().map(layer).collect(),
            length: self.length,
        }
    }

    /// Of the pass that was read last, these nodes, each the next one's parent, are what follows; the others are forgotten.
    pub(super) fn keep(&mut self, nodes: &[usize]) {
        for (place, node) in nodes.iter().enumerate() {
            if place != *node {
                for head in self.heads.iter_mut().flatten() {
                    head.move_back(self.length + node, self.length + place);
                }
            }
        }
        self.length += nodes.len();
    }
}

impl RowDecoder {
    /// The layers of `llama`; `None` where its weights are not on the processor, in float32 or bfloat16.
    pub(super) fn of(llama: &Llama) -> TchResult<Option<Self>> {
        let layers = llama.layers.iter().map(RowLayer::of);
        let layers: Option<Vec<RowLayer>> = layers.collect::<TchResult<_>>()?;
        let (Some(layers), Some(lm_head)) = (layers, llama.lm_head.compact()?) else {
            return Ok(None);
        };
        Ok(Some(Self {
            embed_tokens: llama.embed_tokens.shallow_clone(),
            rope: llama.rope.shallow_clone(),
            layers,
            norm: RowNorm::of(&llama.norm)?,
            lm_head,
        }))
    }

    /// A sequence of which nothing was read, with room for so many positions.
    pub(super) fn sequence(&self, room: usize) -> Sequence {
        let heads = |layer: &RowLayer| {
            let RowAttention {
                key_value_heads,
                head_dim,
                ..
            } = layer.self_attn;
            vec![HeadCache::new(room, head_dim); key_value_heads]
        };
        Sequence {
            heads: self.layers.iter().map(heads).collect(),
            length: 0,
        }
    }

    /// Reads embeddings (T, C) behind a sequence -> logits (V) of the token after the last. `hidden` collects every layer's output
    /// at the last position.
    pub(super) fn read(
        &self,
        sequence: &mut Sequence,
        embeds: &Tensor,
        hidden: Option<&mut Vec<Tensor>>,
    ) -> TchResult<Vec<f32>> {
        let (t, _) = embeds.size2()?;
        let before = sequence.length;
        let places = (0..t as usize).map(|index| Place {
            before: before + index + 1,
            path: Vec::new(),
        });
        let places: Vec<Place> = places.collect();
        let last = places.len().saturating_sub(1);
        let logits = self.pass(sequence, embeds, (places, true), last, hidden)?;
        sequence.length += t as usize;
        Ok(logits)
    }

    /// Reads the nodes behind a sequence -> logits (nodes, V) of the token after each. Their keys and values stand behind the
    /// sequence until [`Sequence::keep`] says which of them are of it.
    pub(super) fn forward(&self, sequence: &mut Sequence, nodes: &[Node]) -> TchResult<Vec<f32>> {
        let tokens: Vec<i64> = nodes.iter().map(|node| node.token).collect();
        let tokens = Tensor::f_from_slice(&tokens)?;
        let embeds = self.embed_tokens.f_index_select(0, &tokens)?; // (N, C)
        let mut places: Vec<Place> = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let parent = node.parent.and_then(|parent| places.get(parent));
            let mut place = parent.cloned().unwrap_or(Place {
                before: sequence.length,
                path: Vec::new(),
            });
            place.step(sequence.length + index);
            places.push(place);
        }
        self.pass(sequence, &embeds, (places, false), 0, None)
    }

    /// Embeddings (N, C) at their places -> logits (N - first, V) of those from `first` on.
    fn pass(
        &self,
        sequence: &mut Sequence,
        embeds: &Tensor,
        (places, is_prompt): (Vec<Place>, bool),
        first: usize,
        mut hidden: Option<&mut Vec<Tensor>>,
    ) -> TchResult<Vec<f32>> {
        let (_, channels) = embeds.size2()?;
        let mut x = Vec::<f32>::try_from(embeds.f_to_kind(Kind::Float)?.f_reshape([-1])?)?;
        let pass = Pass {
            length: sequence.length,
            is_prompt,
            turns: Turns::of(&self.rope, &places)?,
            places,
        };
        let last = self.layers.len().saturating_sub(1);
        for (index, (layer, heads)) in self.layers.iter().zip(&mut sequence.heads).enumerate() {
            // Of the last layer the others are read by nobody, but for their keys and values.
            x = layer.forward(x, heads, &pass, if index == last { first } else { 0 });
            if let Some(hidden) = hidden.as_deref_mut() {
                let last = &x[x.len() - channels as usize..];
                hidden.push(Tensor::f_from_slice(last)?.f_unsqueeze(0)?);
            }
        }
        Ok(self.lm_head.forward(&self.norm.forward(&x)))
    }
}

/// What a row sees: the first positions of a cache, and those of a path behind them.
#[derive(Debug, Clone)]
struct Place {
    before: usize,
    path: Vec<usize>,
}

impl Place {
    /// One position more, which stands there.
    fn step(&mut self, at: usize) {
        match self.path.is_empty() && at == self.before {
            true => self.before += 1,
            false => self.path.push(at),
        }
    }

    /// Its own position in the sequence.
    fn position(&self) -> usize {
        self.before + self.path.len() - 1
    }
}

/// What all layers need to know of the rows.
struct Pass {
    /// Positions that were read before.
    length: usize,
    /// The rows are the next positions, one after the other, and many.
    is_prompt: bool,
    places: Vec<Place>,
    turns: Turns,
}

/// Cosines and sines of the nodes' positions, (N, D) each, the sines' first halves negated.
struct Turns {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Turns {
    fn of(rope: &RotaryEmbedding, places: &[Place]) -> TchResult<Self> {
        let positions = places.iter().map(|place| place.position() as i64);
        let positions: Vec<i64> = positions.collect();
        let Rotation { cos, sin } = rope.rotation(&Tensor::f_from_slice(&positions)?)?;
        let flat = |all: Tensor| Vec::<f32>::try_from(all.f_to_kind(Kind::Float)?.f_reshape([-1])?);
        Ok(Self {
            cos: flat(cos)?,
            sin: flat(sin)?,
        })
    }

    /// Rotates the pairs (i, i + D/2) of a head (D) of a node.
    fn apply(&self, node: usize, x: &mut [f32]) {
        let width = x.len();
        let (cos, sin) = (&self.cos[node * width..], &self.sin[node * width..]);
        let (low, high) = x.split_at_mut(width / 2);
        for (i, (low, high)) in low.iter_mut().zip(high).enumerate() {
            let other = width / 2 + i;
            let turned = [
                *low * cos[i] + *high * sin[i],
                *high * cos[other] + *low * sin[other],
            ];
            [*low, *high] = turned;
        }
    }
}

#[derive(Debug)]
struct RowLayer {
    input_layernorm: RowNorm,
    self_attn: RowAttention,
    post_attention_layernorm: RowNorm,
    mlp: RowMlp,
}

impl RowLayer {
    fn of(layer: &DecoderLayer) -> TchResult<Option<Self>> {
        let (self_attn, mlp) = (RowAttention::of(&layer.self_attn)?, RowMlp::of(&layer.mlp)?);
        let (Some(self_attn), Some(mlp)) = (self_attn, mlp) else {
            return Ok(None);
        };
        Ok(Some(Self {
            input_layernorm: RowNorm::of(&layer.input_layernorm)?,
            self_attn,
            post_attention_layernorm: RowNorm::of(&layer.post_attention_layernorm)?,
            mlp,
        }))
    }

    /// (N, C) -> (N - first, C)
    fn forward(
        &self,
        mut x: Vec<f32>,
        heads: &mut [HeadCache],
        pass: &Pass,
        first: usize,
    ) -> Vec<f32> {
        let normed = self.input_layernorm.forward(&x);
        x.drain(..first * self.input_layernorm.weight.len());
        add(&mut x, &self.self_attn.forward(&normed, heads, pass, first));
        let normed = self.post_attention_layernorm.forward(&x);
        add(&mut x, &self.mlp.forward(&normed));
        x
    }
}

#[derive(Debug)]
struct RowAttention {
    qkv_proj: CompactLinear,
    o_proj: CompactLinear,
    heads: usize,
    key_value_heads: usize,
    head_dim: usize,
}

impl RowAttention {
    fn of(attention: &Attention) -> TchResult<Option<Self>> {
        let layers = (attention.qkv_proj.compact()?, attention.o_proj.compact()?);
        let (Some(qkv_proj), Some(o_proj)) = layers else {
            return Ok(None);
        };
        Ok(Some(Self {
            qkv_proj,
            o_proj,
            heads: attention.heads as usize,
            key_value_heads: attention.key_value_heads as usize,
            head_dim: attention.head_dim as usize,
        }))
    }

    /// (N, C) -> (N - first, C)
    fn forward(&self, x: &[f32], caches: &mut [HeadCache], pass: &Pass, first: usize) -> Vec<f32> {
        let (h, kv, d) = (self.heads, self.key_value_heads, self.head_dim);
        let mut qkv = self.qkv_proj.forward(x); // (N, (H + 2 KV) D)
        for (node, row) in qkv.chunks_exact_mut((h + 2 * kv) * d).enumerate() {
            let (rotated, values) = row.split_at_mut((h + kv) * d);
            for head in rotated.chunks_exact_mut(d) {
                pass.turns.apply(node, head);
            }
            let keys = rotated[h * d..].chunks_exact(d);
            for ((cache, key), value) in caches.iter_mut().zip(keys).zip(values.chunks_exact(d)) {
                cache.put(pass.length + node, key, value);
            }
        }
        let rows = pass.places.len() - first;
        let mut y = vec![0.0; rows * h * d]; // (N - first, H D)
        if pass.is_prompt {
            self.read(&qkv, caches, pass, first, &mut y);
        } else {
            let work = y.chunks_exact_mut(d).enumerate();
            let seen = pass.places.last().map_or(0, |place| place.before);
            in_parts(2 * rows * h * d * seen, work, |(index, found)| {
                let (row, head) = (index / h, index % h);
                let query = &qkv[((first + row) * (h + 2 * kv) + head) * d..][..d];
                let Place { before, path } = &pass.places[first + row];
                attend(query, &caches[head * kv / h], *before, path, found);
            });
        }
        self.o_proj.forward(&y)
    }
}

impl RowAttention {
    /// Attention of a prompt, whose rows see what was read and those up to themselves: into (N - first, H D).
    fn read(&self, qkv: &[f32], caches: &[HeadCache], pass: &Pass, first: usize, y: &mut [f32]) {
        let (h, kv, d) = (self.heads, self.key_value_heads, self.head_dim);
        let tokens = pass.length + pass.places.len();
        let rows = pass.places.len() - first;
        let mut found = vec![0.0; y.len()]; // (KV, H / KV, N - first, D)
        let group = h / kv.max(1);
        let parts = found.chunks_mut((group * rows * d).max(1)).zip(caches);
        in_parts(
            2 * rows * h * d * tokens,
            parts.enumerate(),
            |(index, (found, cache))| {
                let head = Head::of(
                    [tokens, d],
                    false,
                    |token, channel| cache.key(token, channel),
                    |token, channel| cache.value_at(token, channel),
                );
                for (place, found) in found.chunks_mut((rows * d).max(1)).enumerate() {
                    let own = index * group + place;
                    let mut queries = Vec::with_capacity(rows * d);
                    for row in first..first + rows {
                        queries.extend_from_slice(&qkv[(row * (h + 2 * kv) + own) * d..][..d]);
                    }
                    head.find(&queries, |row| pass.length + first + row + 1, found);
                }
            },
        );
        for (head, found) in found.chunks((rows * d).max(1)).enumerate() {
            for (row, found) in found.chunks(d).enumerate() {
                y[(row * h + head) * d..][..d].copy_from_slice(found);
            }
        }
    }
}

#[derive(Debug)]
struct RowMlp {
    gate_up_proj: CompactLinear,
    down_proj: CompactLinear,
    inner: usize,
}

impl RowMlp {
    fn of(mlp: &Mlp) -> TchResult<Option<Self>> {
        let layers = (mlp.gate_up_proj.compact()?, mlp.down_proj.compact()?);
        let (Some(gate_up_proj), Some(down_proj)) = layers else {
            return Ok(None);
        };
        Ok(Some(Self {
            gate_up_proj,
            down_proj,
            inner: mlp.inner as usize,
        }))
    }

    /// (N, C) -> (N, C)
    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let both = self.gate_up_proj.forward(x); // (N, 2 I)
        self.down_proj.forward(&gated(&both, self.inner))
    }
}

#[derive(Debug)]
struct RowNorm {
    weight: Vec<f32>,
    eps: f32,
}

impl RowNorm {
    fn of(norm: &RmsNorm) -> TchResult<Self> {
        Ok(Self {
            weight: Vec::try_from(norm.weight.f_to_kind(Kind::Float)?)?,
            eps: norm.eps as f32,
        })
    }

    /// (N, C) -> (N, C)
    fn forward(&self, x: &[f32]) -> Vec<f32> {
        rms_norm(x, &self.weight, self.eps)
    }
}
