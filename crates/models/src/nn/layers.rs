//! The two layers that every part of the network is made of, loaded from a checkpoint by name.

use tch::{Kind, Tensor};

use super::panels::Panels;
use super::torch::{TchResult, torch_error};
use super::weights::Scope;
use crate::error::Result;

/// `y = x W^T + b`; `weight` is (out, in).
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Reads `weight` (outputs, inputs) and, if it has one, `bias` (outputs).
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(scope: &Scope, inputs: i64, outputs: i64, has_bias: bool) -> Result<Self> {
        Ok(Self {
            weight: scope.get("weight", &[outputs, inputs])?,
            bias: match has_bias {
                true => Some(scope.get("bias", &[outputs])?),
                false => None,
            },
        })
    }

    /// Layers that take the same inputs, as one: their outputs stand one after the other. One product of
    /// many rows costs less than several of few.
    pub fn load_joined(parts: &[(Scope, i64)], inputs: i64, has_bias: bool) -> Result<Self> {
        let each = |part: &(Scope, i64)| Self::load(&part.0, inputs, part.1, has_bias);
        let each: Vec<Self> = parts.iter().map(each).collect::<Result<_>>()?;
        let weights: Vec<&Tensor> = each.iter().map(|linear| &linear.weight).collect();
        let biases: Vec<&Tensor> = each
            .iter()
            .filter_map(|linear| linear.bias.as_ref())
            .collect();
        let join = |tensors: &[&Tensor]| {
            Tensor::f_cat(tensors, 0).map_err(torch_error("join the weights of a layer"))
        };
        let bias = match has_bias {
            true => Some(join(&biases)?),
            false => None,
        };
        Ok(Self::from_parts(join(&weights)?, bias))
    }

    /// `weight` (out, in) and `bias` (out).
    pub fn from_parts(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// (..., in) -> (..., out)
    pub fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        x.f_linear(&self.weight, self.bias.as_ref())
    }

    /// Some of the outputs, as if the others were not there: (..., in) -> (..., count).
    pub fn forward_part(&self, x: &Tensor, first: i64, count: i64) -> TchResult<Tensor> {
        let part = |all: &Tensor| all.f_narrow(0, first, count);
        let bias = self.bias.as_ref().map(part).transpose()?;
        x.f_linear(&part(&self.weight)?, bias.as_ref())
    }

    /// The same in the type of `x`, whatever the weights' own: for features that would cost more to convert.
    pub fn forward_as(&self, x: &Tensor) -> TchResult<Tensor> {
        let kind = x.kind();
        let bias = self.bias.as_ref().map(|bias| bias.f_to_kind(kind));
        x.f_linear(&self.weight.f_to_kind(kind)?, bias.transpose()?)
    }

    /// The same layer for rows in the processor's memory; `None` where its weights lie elsewhere or are of another type.
    pub fn compact(&self) -> TchResult<Option<CompactLinear>> {
        let Some(weight) = Panels::of(&self.weight)? else {
            return Ok(None);
        };
        let bias = match &self.bias {
            Some(bias) => Vec::try_from(bias.f_to_kind(Kind::Float)?)?,
            None => Vec::new(),
        };
        Ok(Some(CompactLinear { weight, bias }))
    }
}

/// A linear layer of which a row's outputs do not depend on the other rows.
#[derive(Debug)]
pub struct CompactLinear {
    weight: Panels,
    /// Empty where there is none.
    bias: Vec<f32>,
}

impl CompactLinear {
    /// (R, in) -> (R, out), rows one after the other.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let mut y = self.weight.multiply(x);
        if !self.bias.is_empty() {
            for y in y.chunks_exact_mut(self.bias.len()) {
                for (y, bias) in y.iter_mut().zip(&self.bias) {
                    *y += bias;
                }
            }
        }
        y
    }
}

/// Patches along a side of a square grid.
pub fn grid_side(patches: i64) -> i64 {
    (patches as f64).sqrt() as i64
}

/// Normalisation over the last dimension, with scale and shift.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Reads `weight` and `bias` (size).
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(scope: &Scope, size: i64, eps: f64) -> Result<Self> {
        Ok(Self {
            weight: scope.get("weight", &[size])?,
            bias: scope.get("bias", &[size])?,
            eps,
        })
    }

    /// (..., C) -> (..., C)
    pub fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let size = self.weight.size();
        x.f_layer_norm(size, Some(&self.weight), Some(&self.bias), self.eps, true)
    }
}
