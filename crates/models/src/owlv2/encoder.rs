//! The transformer that both towers are: CLIP's (arXiv 2103.00020, 2.4), norms before attention and MLP. Fields carry the
//! names of the Hugging Face layout (`encoder.*`).
//!
//! In transformers 5.24.0: models/owlv2/modeling_owlv2.py, 346-446 (a layer) and 492-527 (all of them).

use tch::{Device, Kind, Tensor};

use super::config::{Activation, EncoderConfig};
use crate::error::Result;
use crate::nn::layers::LayerNorm;
use crate::nn::many_rows::ManyRows;
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::Scope;

/// `self_attn`
#[derive(Debug)]
struct Attention {
    /// `q_proj`, `k_proj` and `v_proj` as one product: (B, N, C) -> (B, N, 3 C).
    query_key_value: ManyRows,
    out_proj: ManyRows,
    num_heads: i64,
}

impl Attention {
    fn new(scope: &Scope<'_>, config: &EncoderConfig) -> Result<Self> {
        let hidden = config.hidden_size;
        let parts = ["q_proj", "k_proj", "v_proj"].map(|name| scope.sub(name));
        let joined = |name: &str, shape: &[i64]| {
            let parts = parts.iter().map(|part| part.get(name, shape));
            let joined = Tensor::f_cat(&parts.collect::<Result<Vec<_>>>()?, 0);
            joined.map_err(torch_error("join the weights of a layer"))
        };
        Ok(Self {
            query_key_value: ManyRows::from_parts(
                joined("weight", &[hidden, hidden])?,
                joined("bias", &[hidden])?,
            ),
            out_proj: ManyRows::load(&scope.sub("out_proj"), hidden, hidden)?,
            num_heads: config.num_attention_heads,
        })
    }

    /// (B, N, C), `mask` (B, 1, N, N) true where a token sees another -> (B, N, C)
    fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> TchResult<Tensor> {
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
            mask,
            0.0,
            false,
            None,
            false,
        )?; // (B, nh, N, hs)
        let attended = attended
            .f_transpose(1, 2)?
            .f_reshape([batch, tokens, hidden])?; // (B, N, C)
        self.out_proj.forward(&attended)
    }
}

/// How many tokens' inner channels stay near a processor's cores.
const TOKENS_AT_ONCE: i64 = 600;

/// In quick_gelu, x sigmoid(1.702 x).
const QUICK: f64 = 1.702;

/// `mlp`
#[derive(Debug)]
struct Mlp {
    fc1: ManyRows,
    fc2: ManyRows,
    inner: Inner,
}

/// What happens between the two layers.
#[derive(Debug, Clone, Copy)]
enum Inner {
    Gelu(&'static str),
    QuickGelu,
    /// quick_gelu(x) is silu(1.702 x) / 1.702, and the factors are in the weights: one pass over the widest tensor of the
    /// network in the place of three.
    Silu,
}

impl Mlp {
    fn new(scope: &Scope<'_>, config: &EncoderConfig) -> Result<Self> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let inner = match config.hidden_act {
            Activation::Gelu => Inner::Gelu("none"),
            Activation::GeluTanh => Inner::Gelu("tanh"),
            // In half precision the product would be rounded once more.
            Activation::QuickGelu if scope.placement().kind == Kind::Float => Inner::Silu,
            Activation::QuickGelu => Inner::QuickGelu,
        };
        let (fc1, fc2) = (scope.sub("fc1"), scope.sub("fc2"));
        let factor = match inner {
            Inner::Silu => QUICK,
            _ => 1.0,
        };
        let scaled = |scope: &Scope<'_>, name: &str, shape: &[i64], factor: f64| {
            let mut tensor = scope.get(name, shape)?;
            let scaled = tensor.f_mul_scalar_(factor);
            scaled.map_err(torch_error("scale the weights of a layer"))
        };
        Ok(Self {
            fc1: ManyRows::from_parts(
                scaled(&fc1, "weight", &[wide, hidden], factor)?,
                scaled(&fc1, "bias", &[wide], factor)?,
            ),
            fc2: ManyRows::from_parts(
                scaled(&fc2, "weight", &[hidden, wide], factor.recip())?,
                fc2.get("bias", &[hidden])?,
            ),
            inner,
        })
    }

    /// (B, N, C) -> (B, N, C), some tokens at a time.
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let tokens = x.size3()?.1;
        if x.device() != Device::Cpu || tokens <= TOKENS_AT_ONCE {
            return self.forward_together(x);
        }
        let parts = x.f_split(TOKENS_AT_ONCE, 1)?.into_iter();
        let parts = parts.map(|x| self.forward_together(&x));
        Tensor::f_cat(&parts.collect::<TchResult<Vec<_>>>()?, 1)
    }

    /// (B, N, C) -> (B, N, C)
    fn forward_together(&self, x: &Tensor) -> TchResult<Tensor> {
        let mut wide = self.fc1.forward(x)?; // (B, N, I)
        let activated = match self.inner {
            Inner::Gelu(approximation) => wide.f_gelu_(approximation)?,
            Inner::Silu => wide.f_silu_()?,
            Inner::QuickGelu => wide.f_mul(&wide.f_mul_scalar(QUICK)?.f_sigmoid_()?)?,
        };
        self.fc2.forward(&activated)
    }
}

/// `encoder.layers.*`
#[derive(Debug)]
struct Layer {
    layer_norm1: LayerNorm,
    self_attn: Attention,
    layer_norm2: LayerNorm,
    mlp: Mlp,
}

impl Layer {
    fn new(scope: &Scope<'_>, config: &EncoderConfig) -> Result<Self> {
        let (hidden, eps) = (config.hidden_size, config.layer_norm_eps);
        Ok(Self {
            layer_norm1: LayerNorm::load(&scope.sub("layer_norm1"), hidden, eps)?,
            self_attn: Attention::new(&scope.sub("self_attn"), config)?,
            layer_norm2: LayerNorm::load(&scope.sub("layer_norm2"), hidden, eps)?,
            mlp: Mlp::new(&scope.sub("mlp"), config)?,
        })
    }

    /// (B, N, C) -> (B, N, C)
    fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> TchResult<Tensor> {
        let mut attended = self
            .self_attn
            .forward(&self.layer_norm1.forward(x)?, mask)?;
        let x = attended.f_add_(x)?;
        let mut transformed = self.mlp.forward(&self.layer_norm2.forward(&x)?)?;
        transformed.f_add_(&x)
    }
}

/// `encoder`
#[derive(Debug)]
pub(super) struct Encoder {
    layers: Vec<Layer>,
}

impl Encoder {
    /// Reads the layers below `scope`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(scope: &Scope<'_>, config: &EncoderConfig) -> Result<Self> {
        let layers = scope.sub("layers");
        let layers = (0..config.num_hidden_layers)
            .map(|index| Layer::new(&layers.sub(index), config))
            .collect::<Result<_>>()?;
        Ok(Self { layers })
    }

    /// (B, N, C), `mask` (B, 1, N, N) true where a token sees another -> (B, N, C); `seen` is shown what comes of each layer.
    ///
    /// # Errors
    /// libtorch's, for want of memory.
    pub(super) fn forward(
        &self,
        embeddings: Tensor,
        mask: Option<&Tensor>,
        seen: &mut dyn FnMut(&Tensor),
    ) -> TchResult<Tensor> {
        let mut hidden_states = embeddings;
        for layer in &self.layers {
            hidden_states = layer.forward(&hidden_states, mask)?;
            seen(&hidden_states);
        }
        Ok(hidden_states)
    }
}
