//! Products of a few rows with a weight matrix kept in bfloat16, on a processor.
//!
//! When tokens come one at a time, each reads the whole language model once, so its speed is that of the
//! memory. libtorch multiplies float32 rows with float32 weights only, and its bfloat16 product of one row
//! gets half of what the memory gives. Published weights are stored in bfloat16: kept so, they are half as
//! many bytes, and multiplied in float32 they give the numbers of the float32 weights.

use std::slice;
use std::sync::{Mutex, PoisonError};

use memmap2::MmapMut;
use pulp::{Arch, Simd, WithSimd};
use tch::{Device, Kind, Tensor};

use super::team::share;
use super::torch::TchResult;

/// More rows than this are libtorch's business: there its blocked products win.
pub const MOST_ROWS: usize = 8;
/// The same where libtorch has bfloat16 to work with too.
const MOST_ROWS_BFLOAT16: usize = 4;

/// Rows that are multiplied together: as many as the registers hold sums of.
const GROUP: usize = 4;

/// Output features that one thread takes at a time.
const CHUNK: usize = 128;

/// A weight matrix (out, in) in bfloat16.
#[derive(Debug)]
pub struct Compact {
    memory: Memory,
    outputs: usize,
    /// Half of `in`: two neighbouring weights make one 32-bit word.
    pairs: usize,
    most_rows: usize,
}

impl Compact {
    /// The same matrix in bfloat16, if that holds its numbers exactly and it lies on the processor.
    pub fn of(weight: &Tensor) -> TchResult<Option<Self>> {
        let (outputs, inputs) = weight.size2()?;
        let most_rows = match weight.kind() {
            Kind::Float => MOST_ROWS,
            Kind::BFloat16 => MOST_ROWS_BFLOAT16,
            _ => return Ok(None),
        };
        if weight.device() != Device::Cpu || inputs % 2 != 0 {
            return Ok(None);
        }
        let compact = weight.f_to_kind(Kind::BFloat16)?.f_contiguous()?;
        let memory = if weight.kind() == Kind::BFloat16 {
            Memory::Shared(compact)
        } else if compact.f_to_kind(Kind::Float)?.f_equal(weight)? {
            Memory::own(compact)?
        } else {
            return Ok(None);
        };
        Ok(Some(Self {
            memory,
            outputs: outputs as usize,
            pairs: inputs as usize / 2,
            most_rows,
        }))
    }

    /// Whether so many rows are worth it.
    pub fn takes(&self, rows: usize) -> bool {
        rows <= self.most_rows
    }

    /// (..., in) -> (..., out), of the same kind.
    pub fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let values = Vec::<f32>::try_from(x.f_reshape([-1])?.f_to_kind(Kind::Float)?)?;
        let even: Vec<f32> = values.iter().step_by(2).copied().collect();
        let odd: Vec<f32> = values.iter().skip(1).step_by(2).copied().collect();
        let rows = even.len() / self.pairs.max(1);
        let mut y = vec![0.0; rows * self.outputs];
        let groups = even
            .chunks(GROUP * self.pairs)
            .zip(odd.chunks(GROUP * self.pairs));
        for ((even, odd), y) in groups.zip(y.chunks_mut(GROUP * self.outputs)) {
            // Loops over a group have a fixed length.
            match even.len() / self.pairs.max(1) {
                1 => self.multiply::<1>(even, odd, y),
                2 => self.multiply::<2>(even, odd, y),
                3 => self.multiply::<3>(even, odd, y),
                _ => self.multiply::<GROUP>(even, odd, y),
            }
        }
        let mut shape = x.size();
        if let Some(last) = shape.last_mut() {
            *last = self.outputs as i64;
        }
        Tensor::f_from_slice(&y)?
            .f_reshape(shape)?
            .f_to_kind(x.kind())
    }

    /// Columns of even and of odd index of x (R, in) -> y (R, out).
    fn multiply<const R: usize>(&self, even: &[f32], odd: &[f32], y: &mut [f32]) {
        let rows = |x| -> [&[f32]; R] {
            let x: &[f32] = x;
            std::array::from_fn(|row| x.get(row * self.pairs..).unwrap_or_default())
        };
        let rows = |x| rows(x).map(|x| x.get(..self.pairs).unwrap_or_default());
        let (even, odd) = (rows(even), rows(odd));
        let mut sums = vec![[0.0_f32; R]; self.outputs]; // (out, R)
        let pairs = self.pairs;
        let weights = self.weights().chunks((CHUNK * pairs).max(1));
        let chunks = Mutex::new(sums.chunks_mut(CHUNK).zip(weights));
        // The widest registers that this processor has.
        let arch = Arch::new();
        share(|| {
            loop {
                let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((sums, weights)) = next else { break };
                arch.dispatch(Products {
                    weights,
                    even,
                    odd,
                    pairs,
                    sums,
                });
            }
        });
        for (row, y) in y.chunks_exact_mut(self.outputs).enumerate() {
            for (y, sums) in y.iter_mut().zip(&sums) {
                *y = sums[row];
            }
        }
    }

    /// (out * in / 2)
    fn weights(&self) -> &[u32] {
        self.memory.words(self.outputs * self.pairs)
    }
}

/// Where the weights lie.
#[derive(Debug)]
enum Memory {
    /// libtorch's tensor of bfloat16: contiguous, on the processor, never written to.
    Shared(Tensor),
    /// A copy in large pages where the system has them, which read a fifth faster.
    Own(MmapMut),
}

impl Memory {
    fn own(weight: Tensor) -> TchResult<Self> {
        let bytes = weight.numel() * 2;
        let Ok(mut memory) = MmapMut::map_anon(bytes.max(1)) else {
            return Ok(Self::Shared(weight));
        };
        #[cfg(target_os = "linux")]
        // Small pages do as well.
        let _ = memory.advise(memmap2::Advice::HugePage);
        weight.f_copy_data_u8(&mut memory, weight.numel())?;
        Ok(Self::Own(memory))
    }

    fn words(&self, count: usize) -> &[u32] {
        match self {
            // SAFETY: `Compact::of` made the tensor: contiguous, `count` times two elements of two bytes
            // each, in the processor's memory, where libtorch aligns to 64 bytes. Any bytes are a u32. The
            // tensor is owned by `self`, which the slice borrows, and nobody writes to weights.
            Self::Shared(weight) => unsafe {
                slice::from_raw_parts(weight.data_ptr().cast::<u32>(), count)
            },
            Self::Own(memory) => bytemuck::cast_slice(memory.get(..4 * count).unwrap_or_default()),
        }
    }
}

/// weights (n, in) times x (R, in) -> sums (n, R).
struct Products<'a, const R: usize> {
    /// Two weights a word, that of the even column in the lower half.
    weights: &'a [u32],
    even: [&'a [f32]; R],
    odd: [&'a [f32]; R],
    pairs: usize,
    sums: &'a mut [[f32; R]],
}

impl<const R: usize> WithSimd for Products<'_, R> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let even = self.even.map(S::as_simd_f32s);
        let odd = self.odd.map(S::as_simd_f32s);
        // A bfloat16 is the upper half of a float32.
        let (upper, half) = (simd.splat_u32s(UPPER), simd.splat_u32s(16));
        for (weights, sums) in self.weights.chunks_exact(self.pairs).zip(self.sums) {
            let (words, rest) = S::as_simd_u32s(weights);
            let mut wide = [[simd.splat_f32s(0.0); 2]; R];
            for (i, &word) in words.iter().enumerate() {
                let low = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(word, half));
                let high = simd.transmute_f32s_u32s(simd.and_u32s(word, upper));
                for row in 0..R {
                    wide[row][0] = simd.mul_add_f32s(low, even[row].0[i], wide[row][0]);
                    wide[row][1] = simd.mul_add_f32s(high, odd[row].0[i], wide[row][1]);
                }
            }
            for row in 0..R {
                let ends = even[row].1.iter().zip(odd[row].1);
                let rest = rest.iter().zip(ends).map(|(&word, (even, odd))| {
                    f32::from_bits(word << 16) * even + f32::from_bits(word & UPPER) * odd
                });
                let [low, high] = wide[row];
                sums[row] = simd.reduce_sum_f32s(simd.add_f32s(low, high)) + rest.sum::<f32>();
            }
        }
    }
}

/// The half of a word in which the odd column's weight stands.
const UPPER: u32 = 0xffff_0000;

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
        for (outputs, inputs) in [(96, 176), (1, 2), (65, 30), (130, 34), (2051, 96)] {
            let weight = weight(outputs, inputs);
            let compact = Compact::of(&weight).unwrap().unwrap();
            for rows in 1..=9 {
                let x = random([rows, inputs]);

                let y = compact.forward(&x).unwrap();

                let expected = x.linear(&weight, None::<&Tensor>);
                assert_eq!(y.size(), [rows, outputs]);
                let difference = f64::try_from((&y - &expected).abs().max()).unwrap();
                let largest = f64::try_from(expected.abs().max()).unwrap();
                assert!(
                    difference <= 2e-6 * largest.max(1.0),
                    "{difference} of {largest}"
                );
            }
        }
    }

    #[test]
    fn a_row_is_the_same_alone_and_among_others() {
        tch::manual_seed(2);
        let compact = Compact::of(&weight(70, 130)).unwrap().unwrap();
        let x = random([7, 130]);

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
        let rounded = Tensor::from_slice(&[1.0_f32, 1.001]).reshape([1, 2]);
        let odd = weight(2, 3);
        for weight in [rounded.to_kind(Kind::Half), rounded, odd] {
            assert!(Compact::of(&weight).unwrap().is_none());
        }
    }
}
