//! Linear layers of many rows in float32 on a processor, by oneDNN. libtorch multiplies by MKL there, which on processors that
//! are not Intel's leaves half of their width unused: 93 and 179 GFLOP/s a thread of an EPYC, and that is worth two copies.

use tch::{Device, Kind, Tensor, utils};

use super::torch::TchResult;
use super::weights::Scope;
use crate::error::Result;

/// As many rows as repay the copies.
const ENOUGH_ROWS: i64 = 256;

/// `y = x W^T + b`; the weight is (out, in).
#[derive(Debug)]
pub struct ManyRows {
    weight: Tensor,
    bias: Tensor,
}

impl ManyRows {
    /// Reads `weight` (outputs, inputs) and `bias` (outputs).
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn load(scope: &Scope<'_>, inputs: i64, outputs: i64) -> Result<Self> {
        let weight = scope.get("weight", &[outputs, inputs])?;
        Ok(Self::from_parts(weight, scope.get("bias", &[outputs])?))
    }

    /// `weight` (out, in) and `bias` (out).
    pub fn from_parts(weight: Tensor, bias: Tensor) -> Self {
        Self { weight, bias }
    }

    /// (B, N, in) -> (B, N, out)
    ///
    /// # Errors
    /// libtorch's, for want of memory.
    pub fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let (batch, rows, _) = x.size3()?;
        let on_processor = x.device() == Device::Cpu && x.kind() == Kind::Float;
        if !on_processor || batch * rows < ENOUGH_ROWS || !utils::has_mkldnn() {
            return x.f_linear(&self.weight, Some(&self.bias));
        }
        x.f_to_mkldnn(None)?
            .f_mkldnn_linear(&self.weight, Some(&self.bias))?
            .f_to_dense(None, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_multiplied_as_libtorch_multiplies_them() {
        // given few rows, and so many that they are copied
        tch::manual_seed(1);
        let on = (Kind::Float, Device::Cpu);
        let (weight, bias) = (Tensor::randn([40, 24], on), Tensor::randn([40], on));
        let layer = ManyRows::from_parts(weight.shallow_clone(), bias.shallow_clone());
        for rows in [3, 300] {
            let x = Tensor::randn([2, rows, 24], on);
            // when
            let y = layer.forward(&x).unwrap();
            // then
            let expected = x.linear(&weight, Some(&bias));
            assert_eq!(y.size(), expected.size());
            let apart = (&y - &expected).abs().max().double_value(&[]);
            assert!(
                apart < 1e-5 * expected.abs().max().double_value(&[]),
                "{apart}"
            );
        }
    }
}
