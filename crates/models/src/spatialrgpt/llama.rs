//! The language model: LLaMA 1, 2 or 3 (Touvron et al. 2023, Grattafiori et al. 2024): rotary
//! positions, grouped-query attention, a key-value cache. Fields are named as in the checkpoint.
//!
//! In the original (AnjieCheng/SpatialRGPT at 16715d4), which replaces transformers' file by its own:
//! llava/train/transformers_replace/models/llama/modeling_llama.py, 61-75 (norm), 81-140 and 160-191 (positions), 194-223
//! (MLP), 226-395 (attention), 611-684 (a layer), 796-936 (the model), 939-1158 (with its head).

use tch::{Device, Kind, Tensor};

use super::config::LlamaConfig;
use crate::error::Result;
use crate::nn::layers::Linear;
use crate::nn::torch::TchResult;
use crate::nn::weights::{NUMBERS, Scope, Weights};

/// The decoder with its embedding table and its head.
#[derive(Debug)]
pub(super) struct Llama {
    pub(super) embed_tokens: Tensor,
    pub(super) layers: Vec<DecoderLayer>,
    pub(super) norm: RmsNorm,
    pub(super) lm_head: Linear,
    pub(super) rope: RotaryEmbedding,
    config: LlamaConfig,
}

impl Llama {
    /// `tokens` is the tokenizer's length, to which the tables of embeddings are cut.
    pub(super) fn load(weights: Weights, config: &LlamaConfig, tokens: i64) -> Result<Self> {
        let scope = weights.scope();
        let model = scope.sub("model");
        let (c, rows) = (config.hidden_size, config.vocab_size);
        // A table may have more rows than there are tokens (padding for speed); the original cuts it.
        let cut = |table: Tensor| table.narrow(0, 0, tokens.min(rows));
        let embed_tokens = cut(model.sub("embed_tokens").get("weight", &[rows, c])?);
        let head = scope.sub("lm_head");
        let is_tied = config.tie_word_embeddings && !head.has(NUMBERS);
        let form = scope.form().of_head();
        let lm_head = match is_tied {
            true => Linear::with_form(embed_tokens.shallow_clone(), None, form)?,
            false => Linear::load_first(&head, c, rows, tokens.min(rows))?,
        };
        let llama = Self {
            lm_head,
            layers: (0..config.num_hidden_layers)
                .map(|i| DecoderLayer::load(&model.sub("layers").sub(i), config))
                .collect::<Result<_>>()?,
            norm: RmsNorm::load(&model.sub("norm"), c, config.rms_norm_eps)?,
            rope: RotaryEmbedding::new(config, embed_tokens.kind(), embed_tokens.device()),
            embed_tokens,
            config: config.clone(),
        };
        drop((scope, model, head));
        let layers = (0..config.num_hidden_layers)
            .map(|i| format!("model.layers.{i}.self_attn.rotary_emb.inv_freq"));
        // Older files carry the rotary frequencies; tied tables may be stored twice.
        let mut unused: Vec<_> = layers.collect();
        if config.tie_word_embeddings {
            unused.push("lm_head.weight".into());
        }
        weights.finish_ignoring(&unused.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(llama)
    }

    /// Whether its layers are laid out for rows rather than for libtorch.
    pub(super) fn is_for_rows(&self) -> bool {
        self.lm_head.is_in_panels()
    }

    /// Token ids (B, T) -> embeddings (B, T, C).
    pub(super) fn embed(&self, ids: &Tensor) -> TchResult<Tensor> {
        Tensor::f_embedding(&self.embed_tokens, ids, -1, false, false)
    }

    /// A cache for `batch` sequences of at most `length` positions.
    pub(super) fn cache(&self, batch: i64, length: i64) -> TchResult<Cache> {
        let config = &self.config;
        let size = [batch, config.key_value_heads(), length, config.head_dim()];
        let options = (self.embed_tokens.kind(), self.embed_tokens.device());
        let layers = self.layers.iter().map(|_| {
            Ok(KeyValue {
                key: Tensor::f_empty(size, options)?,
                value: Tensor::f_empty(size, options)?,
            })
        });
        Ok(Cache {
            layers: layers.collect::<TchResult<_>>()?,
            length: 0,
        })
    }

    /// Embeddings (B, T, C) of the next T positions -> logits (B, V) of the token after the last.
    /// With T > 1 the cache must be empty. `hidden` collects every layer's output at the last position.
    pub(super) fn forward(
        &self,
        embeds: &Tensor,
        cache: &mut Cache,
        mut hidden: Option<&mut Vec<Tensor>>,
    ) -> TchResult<Tensor> {
        let (_, t, _) = embeds.size3()?;
        let rotation = self.rope.at(cache.length, t)?;
        let mut x = embeds.shallow_clone();
        let last = self.layers.len().saturating_sub(1);
        for (index, (layer, key_value)) in self.layers.iter().zip(&mut cache.layers).enumerate() {
            // Of the last layer nothing but the last position is read.
            x = match index == last {
                true => layer.forward_last(&x, &rotation, key_value, cache.length)?,
                false => layer.forward(&x, &rotation, Before::Cached(key_value, cache.length))?,
            };
            if let Some(hidden) = hidden.as_deref_mut() {
                hidden.push(x.f_select(1, -1)?);
            }
        }
        cache.length += t;
        let last = x.f_select(1, -1)?; // (B, C)
        self.logits(&last)
    }

    /// Embeddings (B, T, C) of whole sequences -> what the last layer makes of each (B, T, C).
    pub(super) fn read(&self, embeds: &Tensor, layout: &Layout) -> TchResult<Tensor> {
        let rotation = self.rope.of(&layout.positions)?;
        let mut x = embeds.shallow_clone();
        for layer in &self.layers {
            x = layer.forward(&x, &rotation, Before::Masked(&layout.sees))?;
        }
        Ok(x)
    }

    /// What the last layer made of positions (..., C) -> logits (..., V) of the token after each.
    pub(super) fn logits(&self, hidden: &Tensor) -> TchResult<Tensor> {
        self.lm_head.forward(&self.norm.forward(hidden)?)
    }
}

/// Which positions of sequences that are read at once see which: what training needs.
#[derive(Debug)]
pub(super) struct Layout {
    /// (B, T): the place of each embedding in its sequence.
    pub positions: Tensor,
    /// (B, 1, T, T): true where the row's embedding sees the column's.
    pub sees: Tensor,
}

/// What an attention layer looks at beside the embeddings it is given.
enum Before<'a> {
    /// Everything that was read so far, which ends at this position.
    Cached(&'a mut KeyValue, i64),
    /// Nothing: the embeddings are all there is, and `Layout::sees` says what sees what.
    Masked(&'a Tensor),
}

/// Keys and values of all positions so far.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) layers: Vec<KeyValue>,
    pub(super) length: i64,
}

/// One layer's share: (B, key-value heads, room, D) each.
#[derive(Debug)]
pub(super) struct KeyValue {
    pub(super) key: Tensor,
    pub(super) value: Tensor,
}

impl KeyValue {
    /// Writes keys and values (B, H, T, D) at `position` and gives all up to there.
    fn append(
        &mut self,
        key: &Tensor,
        value: &Tensor,
        position: i64,
    ) -> TchResult<(Tensor, Tensor)> {
        let t = key.size4()?.2;
        self.key.f_narrow(2, position, t)?.f_copy_(key)?;
        self.value.f_narrow(2, position, t)?.f_copy_(value)?;
        let upto = position + t;
        Ok((
            self.key.f_narrow(2, 0, upto)?,
            self.value.f_narrow(2, 0, upto)?,
        ))
    }
}

#[derive(Debug)]
pub(super) struct DecoderLayer {
    pub(super) input_layernorm: RmsNorm,
    pub(super) self_attn: Attention,
    pub(super) post_attention_layernorm: RmsNorm,
    pub(super) mlp: Mlp,
}

impl DecoderLayer {
    fn load(scope: &Scope, config: &LlamaConfig) -> Result<Self> {
        let (c, eps) = (config.hidden_size, config.rms_norm_eps);
        Ok(Self {
            input_layernorm: RmsNorm::load(&scope.sub("input_layernorm"), c, eps)?,
            self_attn: Attention::load(&scope.sub("self_attn"), config)?,
            post_attention_layernorm: RmsNorm::load(
                &scope.sub("post_attention_layernorm"),
                c,
                eps,
            )?,
            mlp: Mlp::load(&scope.sub("mlp"), config)?,
        })
    }

    /// (B, T, C) -> (B, T, C)
    fn forward(&self, x: &Tensor, rotation: &Rotation, before: Before) -> TchResult<Tensor> {
        let normed = self.input_layernorm.forward(x)?;
        let attended = self.self_attn.forward(&normed, rotation, before)?;
        self.rest(x, attended)
    }

    /// The same of the last position alone: (B, T, C) -> (B, 1, C).
    fn forward_last(
        &self,
        x: &Tensor,
        rotation: &Rotation,
        key_value: &mut KeyValue,
        position: i64,
    ) -> TchResult<Tensor> {
        let normed = self.input_layernorm.forward(x)?;
        let attended = (self.self_attn).forward_last(&normed, rotation, key_value, position)?;
        self.rest(&x.f_narrow(1, -1, 1)?, attended)
    }

    /// What comes after the attention.
    fn rest(&self, x: &Tensor, mut attended: Tensor) -> TchResult<Tensor> {
        let x = attended.f_add_(x)?;
        let normed = self.post_attention_layernorm.forward(&x)?;
        self.mlp.forward(&normed)?.f_add_(&x)
    }
}

#[derive(Debug)]
pub(super) struct Attention {
    /// `q_proj`, `k_proj` and `v_proj` in one.
    pub(super) qkv_proj: Linear,
    pub(super) o_proj: Linear,
    pub(super) heads: i64,
    pub(super) key_value_heads: i64,
    pub(super) head_dim: i64,
}

impl Attention {
    fn load(scope: &Scope, config: &LlamaConfig) -> Result<Self> {
        let (c, d) = (config.hidden_size, config.head_dim());
        let (heads, key_value_heads) = (config.num_attention_heads, config.key_value_heads());
        let bias = config.attention_bias;
        let parts = [
            (scope.sub("q_proj"), heads * d),
            (scope.sub("k_proj"), key_value_heads * d),
            (scope.sub("v_proj"), key_value_heads * d),
        ];
        Ok(Self {
            qkv_proj: Linear::load_joined(&parts, c, bias)?,
            o_proj: Linear::load(&scope.sub("o_proj"), heads * d, c, bias)?,
            heads,
            key_value_heads,
            head_dim: d,
        })
    }

    /// (B, T, C) -> (B, T, C)
    fn forward(&self, x: &Tensor, rotation: &Rotation, before: Before) -> TchResult<Tensor> {
        let (_, t, _) = x.size3()?;
        let (h, kv, d) = (self.heads, self.key_value_heads, self.head_dim);
        let qkv = heads(&self.qkv_proj.forward(x)?, d)?; // (B, H + 2 KV, T, D)
        let parts = qkv.f_split_with_sizes([h + kv, kv], 1)?;
        let (qk, v) = (&parts[0], &parts[1]);
        let rotated = rotation.apply(qk)?.f_split_with_sizes([h, kv], 1)?; // (B, H and KV, T, D)
        let (q, k) = (&rotated[0], &rotated[1]);
        let (k, v, sees) = match before {
            Before::Cached(key_value, position) => {
                let (k, v) = key_value.append(k, v, position)?;
                (k, v, None)
            }
            Before::Masked(sees) => (k.shallow_clone(), v.shallow_clone(), Some(sees)),
        };
        // One new position sees everything; several see what is before them.
        let causal = t > 1 && sees.is_none();
        self.found([q, &k, &v], sees, causal)
    }

    /// What queries (B, H, T, D) find among keys and values (B, KV, T', D) -> (B, T, C).
    fn found(
        &self,
        [q, k, v]: [&Tensor; 3],
        sees: Option<&Tensor>,
        causal: bool,
    ) -> TchResult<Tensor> {
        let (b, h, t, d) = q.size4()?;
        let grouped = h != self.key_value_heads;
        let y = Tensor::f_scaled_dot_product_attention(q, k, v, sees, 0.0, causal, None, grouped)?; // (B, H, T, D)
        self.o_proj
            .forward(&y.f_transpose(1, 2)?.f_reshape([b, t, h * d])?)
    }

    /// What the last position finds: (B, T, C) -> (B, 1, C). Keys and values are needed of all.
    fn forward_last(
        &self,
        x: &Tensor,
        rotation: &Rotation,
        key_value: &mut KeyValue,
        position: i64,
    ) -> TchResult<Tensor> {
        let (h, kv, d) = (self.heads, self.key_value_heads, self.head_dim);
        let k = self.qkv_proj.forward_part(x, h * d, kv * d)?;
        let v = self.qkv_proj.forward_part(x, (h + kv) * d, kv * d)?;
        let last = x.f_narrow(1, -1, 1)?;
        let q = self.qkv_proj.forward_part(&last, 0, h * d)?;
        let k = rotation.apply(&heads(&k, d)?)?; // (B, KV, T, D)
        let q = rotation.last()?.apply(&heads(&q, d)?)?; // (B, H, 1, D)
        let (k, v) = key_value.append(&k, &heads(&v, d)?, position)?;
        self.found([&q, &k, &v], None, false)
    }
}

/// (B, T, heads * D) -> (B, heads, T, D)
fn heads(x: &Tensor, width: i64) -> TchResult<Tensor> {
    let (b, t, _) = x.size3()?;
    x.f_view([b, t, -1, width])?.f_transpose(1, 2)
}

/// down(silu(gate(x)) * up(x))
#[derive(Debug)]
pub(super) struct Mlp {
    /// `gate_proj` and `up_proj` in one.
    pub(super) gate_up_proj: Linear,
    pub(super) down_proj: Linear,
    pub(super) inner: i64,
}

impl Mlp {
    fn load(scope: &Scope, config: &LlamaConfig) -> Result<Self> {
        let (c, inner) = (config.hidden_size, config.intermediate_size);
        let parts = [
            (scope.sub("gate_proj"), inner),
            (scope.sub("up_proj"), inner),
        ];
        Ok(Self {
            gate_up_proj: Linear::load_joined(&parts, c, false)?,
            down_proj: Linear::load(&scope.sub("down_proj"), inner, c, false)?,
            inner,
        })
    }

    /// (B, T, C) -> (B, T, C)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let both = self.gate_up_proj.forward(x)?; // (B, T, 2 I)
        let halves = both.f_split(self.inner, -1)?; // gate, up: (B, T, I)
        self.down_proj
            .forward(&halves[0].f_silu()?.f_mul_(&halves[1])?)
    }
}

/// x / rms(x) * weight, the mean square taken in float32.
#[derive(Debug)]
pub(super) struct RmsNorm {
    pub(super) weight: Tensor,
    pub(super) eps: f64,
}

impl RmsNorm {
    fn load(scope: &Scope, size: i64, eps: f64) -> Result<Self> {
        let weight = scope.get("weight", &[size])?;
        Ok(Self { weight, eps })
    }

    /// (..., C) -> (..., C)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        x.f_rms_norm(self.weight.size(), Some(&self.weight), self.eps)
    }
}

/// Rotary position embedding (Su et al. 2021). The frequencies stay in float32: in bfloat16 they are
/// off by up to a percent, which moves the logits by ten.
#[derive(Debug)]
pub(super) struct RotaryEmbedding {
    /// (D / 2)
    inv_freq: Tensor,
    /// Positions are divided by it (linear scaling).
    factor: f64,
    kind: Kind,
}

impl RotaryEmbedding {
    fn new(config: &LlamaConfig, kind: Kind, device: Device) -> Self {
        let d = config.head_dim();
        let exponent = Tensor::arange_start_step(0, d, 2, (Kind::Float, device)) / (d as f64);
        // In float32 all the way, as the original computes them.
        let base = Tensor::from(config.rope_theta as f32).to_device(device);
        Self {
            inv_freq: base.pow(&exponent).reciprocal(),
            factor: config.rope_factor(),
            kind,
        }
    }

    pub(super) fn shallow_clone(&self) -> Self {
        Self {
            inv_freq: self.inv_freq.shallow_clone(),
            factor: self.factor,
            kind: self.kind,
        }
    }

    /// The rotation of `count` positions from `start` on.
    fn at(&self, start: i64, count: i64) -> TchResult<Rotation> {
        let options = (Kind::Float, self.inv_freq.device());
        let positions = Tensor::f_arange_start(start, start + count, options)?;
        self.rotation(&positions) // (T, D)
    }

    /// The rotation of positions (B, T).
    fn of(&self, positions: &Tensor) -> TchResult<Rotation> {
        self.rotation(&positions.f_unsqueeze(1)?) // (B, 1, T, D)
    }

    /// That of positions (...): (..., D).
    pub(super) fn rotation(&self, positions: &Tensor) -> TchResult<Rotation> {
        let angles = positions
            .f_to_kind(Kind::Float)?
            .f_div_scalar(self.factor)?
            .f_unsqueeze(-1)?
            .f_mul(&self.inv_freq)?; // (..., T, D / 2)
        let (cos, sin) = (angles.f_cos()?, angles.f_sin()?);
        Ok(Rotation {
            cos: Tensor::f_cat(&[&cos, &cos], -1)?.f_to_kind(self.kind)?, // (..., T, D)
            sin: Tensor::f_cat(&[&sin.f_neg()?, &sin], -1)?.f_to_kind(self.kind)?, // (..., T, D)
        })
    }
}

/// Cosine and sine of each position's angles, (T, D) or (B, 1, T, D), the sine's first half negated.
#[derive(Debug)]
pub(super) struct Rotation {
    pub(super) cos: Tensor,
    pub(super) sin: Tensor,
}

impl Rotation {
    /// That of the last position: of (T, D) the row (1, D).
    fn last(&self) -> TchResult<Self> {
        Ok(Self {
            cos: self.cos.f_narrow(-2, -1, 1)?,
            sin: self.sin.f_narrow(-2, -1, 1)?,
        })
    }

    /// Rotates the pairs (i, i + D/2) of (B, heads, T, D).
    fn apply(&self, x: &Tensor) -> TchResult<Tensor> {
        let half = x.size4()?.3 / 2;
        let halves = x.f_split(half, 3)?;
        let turned = Tensor::f_cat(&[&halves[1], &halves[0]], 3)?.f_mul_(&self.sin)?;
        x.f_mul(&self.cos)?.f_add_(&turned)
    }
}
