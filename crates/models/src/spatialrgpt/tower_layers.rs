//! A layer of the vision tower: attention that sees all patches, and an MLP, each behind a norm. Fields are named as in the
//! checkpoint.

use tch::Tensor;

use super::config::{ModelConfig, VisionFamily};
use crate::error::Result;
use crate::nn::layers::{LayerNorm, Linear};
use crate::nn::row_encoder::{Activation, LayerParts};
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

pub(super) fn layer_norm_eps(config: &ModelConfig) -> f64 {
    let default = match config.vision_family {
        VisionFamily::Clip => 1e-5,
        VisionFamily::Siglip => 1e-6,
    };
    config.vision_tower.layer_norm_eps.unwrap_or(default)
}

#[derive(Debug)]
pub(super) struct EncoderLayer {
    pub layer_norm1: LayerNorm,
    pub self_attn: Attention,
    pub layer_norm2: LayerNorm,
    pub mlp: Mlp,
}

impl EncoderLayer {
    /// What it is made of.
    pub(super) fn parts(&self) -> LayerParts<'_> {
        LayerParts {
            layer_norm1: &self.layer_norm1,
            qkv_proj: &self.self_attn.qkv_proj,
            out_proj: &self.self_attn.out_proj,
            layer_norm2: &self.layer_norm2,
            fc1: &self.mlp.fc1,
            fc2: &self.mlp.fc2,
            heads: self.self_attn.heads,
            activation: self.mlp.activation,
        }
    }

    pub(super) fn load(scope: &Scope, config: &ModelConfig) -> Result<Self> {
        let (c, eps) = (config.vision_tower.hidden_size, layer_norm_eps(config));
        Ok(Self {
            layer_norm1: LayerNorm::load(&scope.sub("layer_norm1"), c, eps)?,
            self_attn: Attention::load(&scope.sub("self_attn"), config)?,
            layer_norm2: LayerNorm::load(&scope.sub("layer_norm2"), c, eps)?,
            mlp: Mlp::load(&scope.sub("mlp"), config)?,
        })
    }

    /// (B, N, C) -> (B, N, C)
    pub(super) fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        // Added in place: a fresh tensor of this size costs as much as reading it.
        let x = self
            .self_attn
            .forward(&self.layer_norm1.forward(x)?)?
            .f_add_(x)?;
        self.mlp.forward(&self.layer_norm2.forward(&x)?)?.f_add_(&x)
    }
}

#[derive(Debug)]
pub(super) struct Attention {
    /// `q_proj`, `k_proj` and `v_proj` in one.
    pub qkv_proj: Linear,
    pub out_proj: Linear,
    pub heads: i64,
}

impl Attention {
    pub(super) fn load(scope: &Scope, config: &ModelConfig) -> Result<Self> {
        let c = config.vision_tower.hidden_size;
        let parts = ["q_proj", "k_proj", "v_proj"].map(|name| (scope.sub(name), c));
        Ok(Self {
            qkv_proj: Linear::load_joined(&parts, c, true)?,
            out_proj: Linear::load(&scope.sub("out_proj"), c, c, true)?,
            heads: config.vision_tower.num_attention_heads,
        })
    }

    /// (B, N, C) -> (B, N, C)
    pub(super) fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let (b, n, c) = x.size3()?;
        let qkv = self
            .qkv_proj
            .forward(x)?
            .f_view([b, n, 3 * self.heads, c / self.heads])?
            .f_transpose(1, 2)?; // (B, 3 H, N, D)
        // One split, whose gradient is one joining: three slices would each make a whole tensor of zeros.
        let thirds = qkv.f_split(self.heads, 1)?; // q, k, v: (B, H, N, D)
        let y = Tensor::f_scaled_dot_product_attention(
            &thirds[0],
            &thirds[1],
            &thirds[2],
            None::<&Tensor>,
            0.0,
            false,
            None,
            false,
        )?; // (B, H, N, D)
        let y = y.f_transpose(1, 2)?.f_reshape([b, n, c])?;
        self.out_proj.forward(&y)
    }
}

#[derive(Debug)]
pub(super) struct Mlp {
    pub fc1: Linear,
    pub fc2: Linear,
    pub activation: Activation,
}

impl Mlp {
    pub(super) fn load(scope: &Scope, config: &ModelConfig) -> Result<Self> {
        let vision = &config.vision_tower;
        let (c, inner) = (vision.hidden_size, vision.intermediate_size);
        Ok(Self {
            fc1: Linear::load(&scope.sub("fc1"), c, inner, true)?,
            fc2: Linear::load(&scope.sub("fc2"), inner, c, true)?,
            activation: Activation::of_tower(config)?,
        })
    }

    /// (B, N, C) -> (B, N, C)
    pub(super) fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        self.fc2
            .forward(&self.activation.apply(self.fc1.forward(x)?)?)
    }
}

impl Activation {
    fn of_tower(config: &ModelConfig) -> Result<Self> {
        let default = match config.vision_family {
            VisionFamily::Siglip => "gelu_pytorch_tanh",
            VisionFamily::Clip => "quick_gelu",
        };
        match config.vision_tower.hidden_act.as_deref().unwrap_or(default) {
            "quick_gelu" => Ok(Self::QuickGelu),
            "gelu" => Ok(Self::Gelu),
            "gelu_pytorch_tanh" => Ok(Self::GeluTanh),
            other => Err(config.unsupported(
                "vision_tower/config.json",
                "hidden_act",
                other,
                "gelu_pytorch_tanh, gelu, quick_gelu",
            )),
        }
    }

    fn apply(self, mut x: Tensor) -> TchResult<Tensor> {
        match self {
            Self::QuickGelu => {
                let gate = x.f_mul_scalar(1.702)?.f_sigmoid_()?;
                x.f_mul_(&gate)
            }
            Self::Gelu => x.f_gelu_("none"),
            Self::GeluTanh => x.f_gelu_("tanh"),
        }
    }
}
