//! What is said of each patch: its box, whether it is a thing at all (OWLv2's own, arXiv 2306.09683, 3.2), and how near it is to
//! what is asked for. Fields carry the names of the Hugging Face layout (`box_head`, `objectness_head`, `class_head`).
//!
//! In transformers 5.24.0: models/owlv2/modeling_owlv2.py, 935-1004 (the heads), 1031-1094 (where boxes begin).

use tch::{Kind, Tensor};

use super::config::Owlv2Config;
use super::text::length_of;
use crate::error::Result;
use crate::nn::layers::Linear;
use crate::nn::many_rows::ManyRows;
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::Scope;

/// `box_head` and `objectness_head`
#[derive(Debug)]
struct Perceptron {
    dense0: ManyRows,
    dense1: ManyRows,
    dense2: Linear,
}

impl Perceptron {
    fn new(scope: &Scope<'_>, hidden: i64, outputs: i64) -> Result<Self> {
        let dense = |name| ManyRows::load(&scope.sub(name), hidden, hidden);
        Ok(Self {
            dense0: dense("dense0")?,
            dense1: dense("dense1")?,
            dense2: Linear::load(&scope.sub("dense2"), hidden, outputs, true)?,
        })
    }

    /// (B, N, C) -> (B, N, outputs), in float32
    fn forward(&self, features: &Tensor) -> TchResult<Tensor> {
        let x = self.dense0.forward(features)?.f_gelu_("none")?; // (B, N, C)
        let x = self.dense1.forward(&x)?.f_gelu_("none")?; // (B, N, C)
        self.dense2.forward(&x)?.f_to_kind(Kind::Float)
    }
}

/// `class_head`
#[derive(Debug)]
struct ClassHead {
    dense0: ManyRows,
    logit_shift: Linear,
    logit_scale: Linear,
}

/// All three.
#[derive(Debug)]
pub(super) struct Heads {
    box_head: Perceptron,
    objectness_head: Perceptron,
    class_head: ClassHead,
    /// (N, 4), in float32: before its sigmoid a box is that of its patch.
    box_bias: Tensor,
}

impl Heads {
    /// Reads the heads below `scope`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(scope: &Scope<'_>, config: &Owlv2Config) -> Result<Self> {
        let hidden = config.vision_config.encoder().hidden_size;
        let class = scope.sub("class_head");
        let dense = |name| Linear::load(&class.sub(name), hidden, 1, true);
        let bias = box_bias(config.vision_config.grid_side());
        let device = scope.placement().device;
        let bias = bias.and_then(|bias| bias.f_to_device(device));
        Ok(Self {
            box_head: Perceptron::new(&scope.sub("box_head"), hidden, 4)?,
            objectness_head: Perceptron::new(&scope.sub("objectness_head"), hidden, 1)?,
            class_head: ClassHead {
                dense0: ManyRows::load(&class.sub("dense0"), hidden, config.projection_dim)?,
                logit_shift: dense("logit_shift")?,
                logit_scale: dense("logit_scale")?,
            },
            box_bias: bias.map_err(torch_error("lay out the patches' boxes"))?,
        })
    }

    /// (B, N, C) -> (B, N, 4): centre x and y, width and height, 1 being the square picture's side.
    pub(super) fn boxes(&self, features: &Tensor) -> TchResult<Tensor> {
        let boxes = self.box_head.forward(features)?.f_add_(&self.box_bias);
        boxes?.f_sigmoid_()
    }

    /// (B, N, C) -> (B, N)
    pub(super) fn objectness(&self, features: &Tensor) -> TchResult<Tensor> {
        self.objectness_head.forward(features)?.f_squeeze_dim(-1)
    }

    /// (B, N, C) -> (B, N, D): what patches are compared by.
    pub(super) fn class_embeds(&self, features: &Tensor) -> TchResult<Tensor> {
        self.class_head.dense0.forward(features)
    }

    /// Features (B, N, C), their `class_embeds` of length 1 (B, N, D), queries (Q, D) -> (B, N, Q), in float32.
    pub(super) fn logits(
        &self,
        features: &Tensor,
        class_embeds: &Tensor,
        queries: &Tensor,
    ) -> TchResult<Tensor> {
        let queries = unit(queries)?;
        let cosines = class_embeds.f_matmul(&queries.f_transpose(0, 1)?)?; // (B, N, Q)
        let shift = self.class_head.logit_shift.forward(features)?; // (B, N, 1)
        let scale = self.class_head.logit_scale.forward(features)?; // (B, N, 1)
        let scale = scale.f_elu()?.f_add_scalar(1)?;
        let logits = cosines.f_add(&shift)?.f_mul(&scale)?; // (B, N, Q)
        logits.f_to_kind(Kind::Float)
    }
}

/// Of length 1: (..., D) -> (..., D)
pub(super) fn unit(x: &Tensor) -> TchResult<Tensor> {
    x.f_div(&length_of(x)?.f_add_scalar(1e-6)?)
}

/// (N, 4): what a sigmoid makes of it is the lower right corner of each patch, and a patch's size.
fn box_bias(side: i64) -> TchResult<Tensor> {
    const EPSILON: f64 = 1e-4;
    // logit(x), kept from infinity
    let inverse = |x: &Tensor| {
        let above = x.f_neg()?.f_add_scalar(EPSILON)?.f_log1p()?;
        x.f_add_scalar(EPSILON)?.f_log()?.f_sub(&above)
    };
    let on = (Kind::Float, tch::Device::Cpu);
    let steps = Tensor::f_arange_start(1, side + 1, on)?.f_div_scalar(side)?; // (G)
    let x = steps.f_repeat([side])?; // (N)
    let y = steps.f_repeat_interleave_self_int(side, 0, None)?; // (N)
    let size = Tensor::f_ones([side * side], on)?.f_div_scalar(side)?; // (N)
    let boxes = Tensor::f_stack(&[&x, &y, &size, &size], -1)?; // (N, 4)
    inverse(&boxes)
}
