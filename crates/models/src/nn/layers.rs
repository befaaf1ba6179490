//! The two layers that every part of the network is made of, loaded from a checkpoint by name.

use std::sync::Arc;

use tch::{Kind, Tensor};

use super::panels::{Bits, Groups, Panels};
use super::torch::{TchResult, torch_error};
use super::vector::layer_norm;
use super::weights::{LinearForm, Scope};
use crate::error::{Error, Result};

/// `y = x W^T + b`; the weight is (out, in).
#[derive(Debug)]
pub struct Linear {
    weight: Weight,
    bias: Option<Tensor>,
}

#[derive(Debug)]
enum Weight {
    Tensor(Tensor),
    Panels(Arc<Panels>),
}

impl Linear {
    /// Reads `weight` (outputs, inputs) and, if it has one, `bias` (outputs).
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(scope: &Scope, inputs: i64, outputs: i64, has_bias: bool) -> Result<Self> {
        Self::load_joined(&[(scope.clone(), outputs)], inputs, has_bias)
    }

    /// Layers that take the same inputs, as one: their outputs stand one after the other. One product of
    /// many rows costs less than several of few.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn load_joined(parts: &[(Scope, i64)], inputs: i64, has_bias: bool) -> Result<Self> {
        let weight = Weight::load(parts, inputs)?;
        let biases = parts.iter().filter(|_| has_bias);
        let biases = biases.map(|(scope, outputs)| scope.get("bias", &[*outputs]));
        let bias = join(biases.collect::<Result<Vec<_>>>()?)?;
        Ok(Self { weight, bias })
    }

    /// The first `outputs` of a layer without a bias, of which the checkpoint has so many in all.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn load_first(scope: &Scope, inputs: i64, all: i64, outputs: i64) -> Result<Self> {
        let weight = match scope.quantised([all, inputs])? {
            Some(groups) => Weight::of_groups(&[groups.first(outputs as usize)])?,
            None => {
                let weight = scope.get("weight", &[all, inputs])?;
                Weight::of(weight.narrow(0, 0, outputs), scope.form().of_head())?
            }
        };
        Ok(Self { weight, bias: None })
    }

    /// `weight` (out, in) and `bias` (out).
    pub fn from_parts(weight: Tensor, bias: Option<Tensor>) -> Self {
        let weight = Weight::Tensor(weight);
        Self { weight, bias }
    }

    /// The same with weights of this form.
    ///
    /// # Errors
    /// libtorch's, of which memory is the one to expect.
    pub fn with_form(weight: Tensor, bias: Option<Tensor>, form: LinearForm) -> Result<Self> {
        let weight = Weight::of(weight, form)?;
        Ok(Self { weight, bias })
    }

    /// Whether its weights stand in panels.
    pub fn is_in_panels(&self) -> bool {
        matches!(self.weight, Weight::Panels(_))
    }

    /// (..., in) -> (..., out)
    pub fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        match &self.weight {
            Weight::Tensor(weight) => x.f_linear(weight, self.bias.as_ref()),
            Weight::Panels(panels) => self.forward_part(x, 0, panels.outputs() as i64),
        }
    }

    /// Some of the outputs, as if the others were not there: (..., in) -> (..., count).
    pub fn forward_part(&self, x: &Tensor, first: i64, count: i64) -> TchResult<Tensor> {
        let part = |all: &Tensor| all.f_narrow(0, first, count);
        let bias = self.bias.as_ref().map(part).transpose()?;
        match &self.weight {
            Weight::Tensor(weight) => x.f_linear(&part(weight)?, bias.as_ref()),
            Weight::Panels(panels) => {
                let mut y = panels.forward_part(x, first as usize, count as usize)?;
                match bias {
                    Some(bias) => y.f_add_(&bias),
                    None => Ok(y),
                }
            }
        }
    }

    /// The same in the type of `x`, whatever the weights' own: for features that would cost more to convert.
    pub fn forward_as(&self, x: &Tensor) -> TchResult<Tensor> {
        let kind = x.kind();
        let bias = self.bias.as_ref().map(|bias| bias.f_to_kind(kind));
        match &self.weight {
            Weight::Tensor(weight) => x.f_linear(&weight.f_to_kind(kind)?, bias.transpose()?),
            Weight::Panels(_) => self.forward(x),
        }
    }

    /// The same layer for rows in the processor's memory; `None` where its weights lie elsewhere or are of another type.
    pub fn compact(&self) -> TchResult<Option<CompactLinear>> {
        let weight = match &self.weight {
            Weight::Tensor(weight) => Panels::of(weight)?.map(Arc::new),
            Weight::Panels(panels) => Some(Arc::clone(panels)),
        };
        let Some(weight) = weight else {
            return Ok(None);
        };
        let bias = match &self.bias {
            Some(bias) => Vec::try_from(bias.f_to_kind(Kind::Float)?)?,
            None => Vec::new(),
        };
        Ok(Some(CompactLinear { weight, bias }))
    }
}

impl Weight {
    /// Matrices that take the same inputs, one after the other.
    fn load(parts: &[(Scope, i64)], inputs: i64) -> Result<Self> {
        let form = parts.first().map(|(scope, _)| scope.form());
        let stored = parts
            .iter()
            .map(|(scope, outputs)| scope.quantised([*outputs, inputs]));
        let stored: Option<Vec<Groups>> = stored.collect::<Result<_>>()?;
        if let Some(groups) = stored.filter(|groups| !groups.is_empty()) {
            return Self::of_groups(&groups);
        }
        let weights = parts
            .iter()
            .map(|(scope, outputs)| scope.get("weight", &[*outputs, inputs]));
        if let Some(LinearForm::Quantised(bits)) = form {
            let groups = weights.map(|weight| quantised(&weight?, bits));
            return Self::of_groups(&groups.collect::<Result<Vec<_>>>()?);
        }
        let weights = join(weights.collect::<Result<Vec<_>>>()?)?;
        let weight = weights.ok_or_else(|| Error::torch("load a layer", "it has no parts"))?;
        Self::of(weight, form.unwrap_or_default())
    }

    fn of(weight: Tensor, form: LinearForm) -> Result<Self> {
        let panels = match form {
            LinearForm::Tensor => None,
            LinearForm::Panels => Panels::of(&weight).map_err(torch_error("lay out a layer"))?,
            LinearForm::Quantised(bits) => return Self::of_groups(&[quantised(&weight, bits)?]),
        };
        Ok(match panels {
            Some(panels) => Self::Panels(Arc::new(panels)),
            None => Self::Tensor(weight),
        })
    }

    fn of_groups(groups: &[Groups]) -> Result<Self> {
        let panels = Panels::joined(groups);
        let differ = || Error::torch("join the weights of a layer", "their bits differ");
        Ok(Self::Panels(Arc::new(panels.ok_or_else(differ)?)))
    }
}

/// A matrix in few bits, some rows at a time: never all of it stands in memory in float32.
pub fn quantised(weight: &Tensor, bits: Bits) -> Result<Groups> {
    const NUMBERS_AT_ONCE: i64 = 4 << 20;
    let rows = || {
        let (outputs, inputs) = weight.size2()?;
        let at_once = (NUMBERS_AT_ONCE / inputs.max(1)).max(1);
        let mut groups = Groups::empty(bits, inputs as usize);
        for first in (0..outputs).step_by(at_once as usize) {
            let rows = weight.f_narrow(0, first, at_once.min(outputs - first))?;
            let values = rows.f_to_kind(Kind::Float)?.f_reshape([-1])?;
            groups.append(Groups::of(
                &Vec::<f32>::try_from(values)?,
                inputs as usize,
                bits,
            ));
        }
        TchResult::Ok(groups)
    };
    rows().map_err(torch_error("read the weights of a layer"))
}

/// Tensors one after the other; `None` where there are none.
fn join(mut tensors: Vec<Tensor>) -> Result<Option<Tensor>> {
    if tensors.len() < 2 {
        return Ok(tensors.pop());
    }
    let joined = Tensor::f_cat(&tensors, 0).map_err(torch_error("join the weights of a layer"));
    joined.map(Some)
}

/// A linear layer of which a row's outputs do not depend on the other rows.
#[derive(Debug)]
pub struct CompactLinear {
    weight: Arc<Panels>,
    /// Empty where there is none.
    bias: Vec<f32>,
}

impl CompactLinear {
    /// (R, in) -> (R, out), rows one after the other. The outputs are shared out among the team.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        self.shifted(self.weight.multiply(x))
    }

    /// The same on this thread alone, for who shares out rows.
    pub fn forward_alone(&self, x: &[f32]) -> Vec<f32> {
        self.shifted(self.weight.multiply_alone(x))
    }

    /// The same into `y`.
    pub fn forward_into(&self, x: &[f32], y: &mut [f32]) {
        self.weight.multiply_into(x, y);
        self.shift(y);
    }

    fn shifted(&self, mut y: Vec<f32>) -> Vec<f32> {
        self.shift(&mut y);
        y
    }

    fn shift(&self, y: &mut [f32]) {
        if !self.bias.is_empty() {
            for y in y.chunks_exact_mut(self.bias.len()) {
                for (y, bias) in y.iter_mut().zip(&self.bias) {
                    *y += bias;
                }
            }
        }
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

    /// The same for rows in the processor's memory.
    pub fn compact(&self) -> TchResult<CompactNorm> {
        let values = |all: &Tensor| Vec::try_from(all.f_to_kind(Kind::Float)?);
        Ok(CompactNorm {
            weight: values(&self.weight)?,
            bias: values(&self.bias)?,
            eps: self.eps as f32,
        })
    }
}

/// Normalisation of rows in the processor's memory.
#[derive(Debug)]
pub struct CompactNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl CompactNorm {
    /// How many numbers a row has.
    pub fn channels(&self) -> usize {
        self.weight.len()
    }

    /// (R, C) -> (R, C)
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        layer_norm(x, &self.weight, &self.bias, self.eps)
    }
}
