//! Products of a few rows with a weight matrix kept in bfloat16, on a processor.
//!
//! When tokens come one at a time, each reads the whole language model once, so its speed is that of the
//! memory. libtorch multiplies float32 rows with float32 weights only, and its bfloat16 product of one row
//! gets half of what the memory gives. Published weights are stored in bfloat16: kept so, they are half as
//! many bytes, and multiplied in float32 they give the numbers of the float32 weights.

use std::slice;

use half::bf16;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::layers::TchResult;

/// More rows than this are libtorch's business: there its blocked products win.
pub(super) const MOST_ROWS: usize = 8;

/// Numbers that are added up side by side: two of the widest registers there are.
const LANES: usize = 32;

/// Output features that one thread takes at a time.
const CHUNK: usize = 64;

/// A weight matrix (out, in) in bfloat16.
#[derive(Debug)]
pub(super) struct Compact {
    /// Contiguous, on the processor, never written to.
    weight: Tensor,
    outputs: usize,
    inputs: usize,
}

impl Compact {
    /// The same matrix in bfloat16, if that holds its numbers exactly and it lies on the processor.
    pub fn of(weight: &Tensor) -> TchResult<Option<Self>> {
        let (outputs, inputs) = weight.size2()?;
        let kind = weight.kind();
        if weight.device() != Device::Cpu || !matches!(kind, Kind::BFloat16 | Kind::Float) {
            return Ok(None);
        }
        let compact = weight.f_to_kind(Kind::BFloat16)?.f_contiguous()?;
        if kind == Kind::Float && !compact.f_to_kind(Kind::Float)?.f_equal(weight)? {
            return Ok(None);
        }
        Ok(Some(Self {
            weight: compact,
            outputs: outputs as usize,
            inputs: inputs as usize,
        }))
    }

    /// (..., in) of at most `MOST_ROWS` rows in all -> (..., out), of the same kind.
    pub fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let rows = x.numel() / self.inputs.max(1);
        let values = Vec::<f32>::try_from(x.f_reshape([-1])?.f_to_kind(Kind::Float)?)?;
        let mut products = vec![0.0; rows * self.outputs]; // (out, rows)
        let mut done = 0;
        // Rows in groups, so that the loops over a group have a fixed length.
        while done < rows {
            let left = rows - done;
            let group = match left {
                8.. => 8,
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            let x = &values[done * self.inputs..][..group * self.inputs];
            let y = &mut products[done * self.outputs..][..group * self.outputs];
            match group {
                8 => self.multiply::<8>(x, y),
                4 => self.multiply::<4>(x, y),
                2 => self.multiply::<2>(x, y),
                _ => self.multiply::<1>(x, y),
            }
            done += group;
        }
        let mut shape = x.size();
        if let Some(last) = shape.last_mut() {
            *last = self.outputs as i64;
        }
        Tensor::f_from_slice(&products)?
            .f_reshape(shape)?
            .f_to_kind(x.kind())
    }

    /// x (R, in) -> y (R, out).
    fn multiply<const R: usize>(&self, x: &[f32], y: &mut [f32]) {
        let arch = pulp::Arch::new();
        let mut columns = vec![[0.0_f32; R]; self.outputs]; // (out, R)
        let (weights, inputs) = (self.weights(), self.inputs);
        columns
            .par_chunks_mut(CHUNK)
            .zip(weights.par_chunks(CHUNK * inputs))
            .for_each(|(columns, weights)| {
                // With the widest registers that this processor has.
                arch.dispatch(
                    #[inline(always)]
                    || products(weights, x, inputs, columns),
                );
            });
        for (row, y) in y.chunks_exact_mut(self.outputs).enumerate() {
            for (y, column) in y.iter_mut().zip(&columns) {
                *y = column[row];
            }
        }
    }

    /// (out * in)
    fn weights(&self) -> &[bf16] {
        let count = self.outputs * self.inputs;
        // SAFETY: `of` made the tensor: contiguous, `outputs * inputs` elements of bfloat16, which are two
        // bytes of any value like `bf16`, in the processor's memory. The tensor is owned by `self`, which
        // the slice borrows, is shared with nobody who writes to it, and is aligned to 64 bytes.
        unsafe { slice::from_raw_parts(self.weight.data_ptr().cast::<bf16>(), count) }
    }
}

/// weights (n, in) times x (R, in): (n, R). The order in which numbers are added up does not depend on the
/// processor, so neither do the sums.
#[inline(always)]
fn products<const R: usize>(weights: &[bf16], x: &[f32], inputs: usize, sums: &mut [[f32; R]]) {
    let whole = inputs - inputs % LANES;
    for (weights, sums) in weights.chunks_exact(inputs).zip(sums) {
        let mut lanes = [[0.0_f32; LANES]; R];
        for start in (0..whole).step_by(LANES) {
            let weights: [f32; LANES] =
                std::array::from_fn(|lane| weights[start + lane].to_f32_exact());
            for (row, lanes) in lanes.iter_mut().enumerate() {
                let x = &x[row * inputs + start..][..LANES];
                for lane in 0..LANES {
                    lanes[lane] += weights[lane] * x[lane];
                }
            }
        }
        for (row, (sum, lanes)) in sums.iter_mut().zip(&lanes).enumerate() {
            let x = &x[row * inputs + whole..(row + 1) * inputs];
            let rest = weights[whole..].iter().zip(x);
            let rest: f32 = rest.map(|(weight, x)| weight.to_f32_exact() * x).sum();
            *sum = lanes.iter().sum::<f32>() + rest;
        }
    }
}

/// `bf16::to_f32` tells numbers from NaN first, which keeps loops from becoming wide; the upper half of a
/// float32 is one either way.
trait ToFloat32 {
    fn to_f32_exact(self) -> f32;
}

impl ToFloat32 for bf16 {
    #[inline(always)]
    fn to_f32_exact(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(shape: [i64; 2]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    /// Weights that bfloat16 holds.
    fn weight(outputs: i64, inputs: i64) -> Tensor {
        random([outputs, inputs])
            .to_kind(Kind::BFloat16)
            .to_kind(Kind::Float)
    }

    #[test]
    fn products_are_those_of_the_float32_weights() {
        tch::manual_seed(1);
        for (outputs, inputs) in [(96, 176), (1, 1), (65, 31), (130, 33), (2051, 96)] {
            let weight = weight(outputs, inputs);
            let compact = Compact::of(&weight).unwrap().unwrap();
            for rows in 1..=MOST_ROWS as i64 + 7 {
                let x = random([rows, inputs]);

                let y = compact.forward(&x).unwrap();

                let expected = x.linear(&weight, None::<&Tensor>);
                assert_eq!(y.size(), [rows, outputs]);
                let difference = f64::try_from((&y - &expected).abs().max()).unwrap();
                let largest = f64::try_from(expected.abs().max()).unwrap();
                assert!(difference <= 1e-6 * largest.max(1.0), "{difference} of {largest}");
            }
        }
    }

    #[test]
    fn a_row_is_the_same_alone_and_among_others() {
        tch::manual_seed(2);
        let compact = Compact::of(&weight(70, 129)).unwrap().unwrap();
        let x = random([7, 129]);

        let together = compact.forward(&x).unwrap();

        for row in 0..7 {
            let alone = compact.forward(&x.narrow(0, row, 1)).unwrap();
            assert_eq!(alone, together.narrow(0, row, 1));
        }
    }

    #[test]
    fn the_shape_before_the_last_dimension_and_the_kind_are_kept() {
        let weight = weight(5, 64).to_kind(Kind::BFloat16);
        let compact = Compact::of(&weight).unwrap().unwrap();
        let x = Tensor::ones([2, 1, 64], (Kind::BFloat16, Device::Cpu));

        let y = compact.forward(&x).unwrap();

        assert_eq!(y.size(), [2, 1, 5]);
        assert_eq!(y.kind(), Kind::BFloat16);
    }

    #[test]
    fn weights_that_bfloat16_would_round_stay_as_they_are() {
        let weight = Tensor::from_slice(&[1.0_f32, 1.001]).reshape([1, 2]);
        assert!(Compact::of(&weight).unwrap().is_none());
        assert!(Compact::of(&weight.to_kind(Kind::Half)).unwrap().is_none());
    }
}
