//! The two layers that every part of the network is made of, loaded from a checkpoint by name.

use std::cell::OnceCell;

use tch::Tensor;

use super::compact::{Compact, MOST_ROWS};
use super::team::Team;
use super::torch::{TchResult, torch_error};
use super::weights::Scope;
use crate::error::Result;

/// `y = x W^T + b`; `weight` is (out, in).
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    /// The weight for a few rows, made when a team first needs it; `None` where there is no gain.
    compact: OnceCell<Option<Compact>>,
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
            compact: OnceCell::new(),
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
        Self {
            weight,
            bias,
            compact: OnceCell::new(),
        }
    }

    /// (..., in) -> (..., out)
    pub fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let rows = x.numel() / (self.weight.size2()?.1 as usize).max(1);
        let compact = match Team::is_ready() {
            true => self.compact_for(rows)?,
            false => None,
        };
        match (compact, &self.bias) {
            (Some(compact), None) => compact.forward(x),
            (Some(compact), Some(bias)) => compact.forward(x)?.f_add(bias),
            (None, bias) => x.f_linear(&self.weight, bias.as_ref()),
        }
    }

    /// The same in the type of `x`, whatever the weights' own: for features that would cost more to convert.
    pub fn forward_as(&self, x: &Tensor) -> TchResult<Tensor> {
        let kind = x.kind();
        let bias = self.bias.as_ref().map(|bias| bias.f_to_kind(kind));
        x.f_linear(&self.weight.f_to_kind(kind)?, bias.transpose()?)
    }

    /// Whether so many rows are better multiplied without libtorch.
    pub fn is_compact_for(&self, rows: usize) -> TchResult<bool> {
        Ok(self.compact_for(rows)?.is_some())
    }

    fn compact_for(&self, rows: usize) -> TchResult<Option<&Compact>> {
        match rows {
            0..=MOST_ROWS => Ok(self.compact()?.filter(|compact| compact.takes(rows))),
            _ => Ok(None),
        }
    }

    fn compact(&self) -> TchResult<Option<&Compact>> {
        if let Some(compact) = self.compact.get() {
            return Ok(compact.as_ref());
        }
        let compact = Compact::of(&self.weight)?;
        Ok(self.compact.get_or_init(|| compact).as_ref())
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
