//! The two layers that every part of the network is made of, loaded from a checkpoint by name.

use std::cell::OnceCell;

use tch::{TchError, Tensor};

use super::compact::{Compact, MOST_ROWS};
use super::weights::Scope;
use crate::error::Result;

/// What libtorch answers. Shapes are checked when a checkpoint is loaded, so what is left to go wrong
/// in a forward pass is memory; whoever calls the network turns it into an [`Error`](crate::error::Error).
pub type TchResult<T> = std::result::Result<T, TchError>;

/// `y = x W^T + b`; `weight` is (out, in).
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    /// The weight for a few rows, made when the first come; `None` where there is no gain.
    compact: OnceCell<Option<Compact>>,
}

impl Linear {
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

    pub fn from_parts(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self {
            weight,
            bias,
            compact: OnceCell::new(),
        }
    }

    /// (..., in) -> (..., out)
    pub fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let inputs = self.weight.size2()?.1 as usize;
        if x.numel() > MOST_ROWS * inputs {
            return x.f_linear(&self.weight, self.bias.as_ref());
        }
        match (self.compact()?, &self.bias) {
            (Some(compact), None) => compact.forward(x),
            (Some(compact), Some(bias)) => compact.forward(x)?.f_add(bias),
            (None, bias) => x.f_linear(&self.weight, bias.as_ref()),
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

/// Normalisation over the last dimension, with scale and shift.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
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
