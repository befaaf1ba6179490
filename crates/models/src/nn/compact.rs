//! Products of rows with a weight matrix, on a processor: a row's numbers are the same alone and among others.
//!
//! When tokens come one at a time, each reads the whole language model once, so its speed is that of the
//! memory. Published weights are stored in bfloat16: kept so, they are half as many bytes as in float32, and
//! multiplied in float32 they give the numbers of the float32 weights. Where an answer was guessed beforehand, many tokens
//! are checked in one reading of the weights; so that each of them is what it would have been by itself, every sum
//! is made in the same order whatever the other rows are, which libtorch's products do not promise.

use std::slice;
use std::sync::{LazyLock, Mutex, PoisonError};

use memmap2::MmapMut;
use pulp::{Arch, Simd, WithSimd};
use tch::{Device, Kind, Tensor};

use super::team::share_if;
use super::torch::TchResult;

/// Rows that are multiplied together: as many as the registers hold sums of.
const GROUP: usize = 4;

/// What one thread takes at a time: as many weights as stay near it while all rows pass, and no more than so many outputs,
/// for there must be something to share.
const CHUNK_BYTES: usize = 256 << 10;
const MOST_OUTPUTS: usize = 128;

/// Whether many rows are multiplied faster here than by libtorch in float32: on processors with wide registers that are not
/// Intel's, whose own library libtorch multiplies with.
pub fn is_faster() -> bool {
    static FASTER: LazyLock<bool> = LazyLock::new(|| {
        #[cfg(target_arch = "x86_64")]
        {
            let vendor = std::arch::x86_64::__cpuid(0);
            let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
            name.as_flattened() != b"GenuineIntel" && is_x86_feature_detected!("avx512f")
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    });
    *FASTER
}

/// A weight matrix (out, in), in bfloat16 where that holds its numbers exactly, and in float32 elsewhere.
#[derive(Debug)]
pub struct Compact {
    memory: Memory,
    outputs: usize,
    inputs: usize,
}

impl Compact {
    /// The matrix, if it lies on the processor in one of the two types.
    pub fn of(weight: &Tensor) -> TchResult<Option<Self>> {
        let (outputs, inputs) = weight.size2()?;
        if weight.device() != Device::Cpu || !matches!(weight.kind(), Kind::Float | Kind::BFloat16)
        {
            return Ok(None);
        }
        let weight = weight.f_detach()?;
        let half = weight.f_to_kind(Kind::BFloat16)?.f_contiguous()?;
        let memory = if inputs % 2 != 0 {
            // Two of bfloat16 are read together.
            Memory::Floats(weight.f_to_kind(Kind::Float)?.f_contiguous()?)
        } else if weight.kind() == Kind::BFloat16 {
            Memory::Pairs(half)
        } else if half.f_to_kind(Kind::Float)?.f_equal(&weight)? {
            Memory::own(half)?
        } else {
            Memory::Floats(weight.f_contiguous()?)
        };
        Ok(Some(Self {
            memory,
            outputs: outputs as usize,
            inputs: inputs as usize,
        }))
    }

    /// (R, in) -> (R, out), each with its rows one after the other.
    pub fn multiply(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.inputs.max(1);
        let mut y = vec![0.0; rows * self.outputs];
        match self.memory.weights(self.outputs * self.inputs) {
            Weights::Pairs(words) => {
                let columns = |first| x.iter().skip(first).step_by(2).copied().collect();
                let (even, odd): (Vec<f32>, Vec<f32>) = (columns(0), columns(1));
                let x = Pairs { even, odd };
                self.share_out(words, self.inputs / 2, rows, &x, &mut y);
            }
            Weights::Floats(weights) => {
                self.share_out(weights, self.inputs, rows, &Floats(x), &mut y);
            }
        }
        y
    }

    /// Outputs are shared out among the team. `width` elements make one output's weights.
    fn share_out<X: Rows>(
        &self,
        weights: &[X::Weight],
        width: usize,
        rows: usize,
        x: &X,
        y: &mut [f32],
    ) {
        let at_once =
            (CHUNK_BYTES / (width * size_of::<X::Weight>()).max(1)).clamp(2, MOST_OUTPUTS);
        let mut sums = vec![0.0_f32; y.len()]; // chunk by chunk (R, outputs of the chunk)
        {
            let chunks = sums
                .chunks_mut((at_once * rows).max(1))
                .zip(weights.chunks((at_once * width).max(1)));
            let chunks = Mutex::new(chunks);
            // The widest registers that this processor has.
            let arch = Arch::new();
            let work = || {
                loop {
                    let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((sums, weights)) = next else { break };
                    arch.dispatch(Product {
                        weights: Outputs { weights, width },
                        rows,
                        x,
                        sums,
                    });
                }
            };
            share_if(rows * self.outputs * self.inputs, work);
        }
        let firsts = (0..self.outputs).step_by(at_once);
        for (first, sums) in firsts.zip(sums.chunks((at_once * rows).max(1))) {
            let outputs = sums.len() / rows.max(1);
            for (y, sums) in y
                .chunks_exact_mut(self.outputs)
                .zip(sums.chunks_exact(outputs))
            {
                y[first..first + outputs].copy_from_slice(sums);
            }
        }
    }
}

/// Where the weights lie.
#[derive(Debug)]
enum Memory {
    /// libtorch's tensor of bfloat16: contiguous, on the processor, never written to.
    Pairs(Tensor),
    /// A copy in large pages where the system has them, which read a fifth faster.
    Own(MmapMut),
    /// libtorch's tensor of float32, as that of bfloat16.
    Floats(Tensor),
}

/// What is read there: two weights of bfloat16 a word, that of the even column in the lower half, or float32.
enum Weights<'a> {
    Pairs(&'a [u32]),
    Floats(&'a [f32]),
}

impl Memory {
    fn own(weight: Tensor) -> TchResult<Self> {
        let bytes = weight.numel() * 2;
        let Ok(mut memory) = MmapMut::map_anon(bytes.max(1)) else {
            return Ok(Self::Pairs(weight));
        };
        #[cfg(target_os = "linux")]
        // Small pages do as well.
        let _ = memory.advise(memmap2::Advice::HugePage);
        weight.f_copy_data_u8(&mut memory, weight.numel())?;
        Ok(Self::Own(memory))
    }

    fn weights(&self, count: usize) -> Weights<'_> {
        match self {
            // SAFETY: `Compact::of` made the tensor: contiguous, of `count` elements of two bytes each, an even number, in
            // the processor's memory, where libtorch aligns to 64 bytes. Any bytes are a u32. The tensor is owned by
            // `self`, which the slice borrows, and nobody writes to weights.
            Self::Pairs(weight) => Weights::Pairs(unsafe {
                slice::from_raw_parts(weight.data_ptr().cast::<u32>(), count / 2)
            }),
            Self::Own(memory) => Weights::Pairs(bytemuck::cast_slice(
                memory.get(..2 * count).unwrap_or_default(),
            )),
            // SAFETY: as above, of `count` elements of float32.
            Self::Floats(weight) => Weights::Floats(unsafe {
                slice::from_raw_parts(weight.data_ptr().cast::<f32>(), count)
            }),
        }
    }
}

/// Rows as the weights of a kind want them.
trait Rows: Sync {
    /// An element of the weights.
    type Weight: Copy + Sync;

    /// The products of all outputs' weights with `R` rows from `first` on. Every sum is made in the same order whatever `R` is.
    fn multiply<S: Simd, const R: usize>(
        &self,
        simd: S,
        weights: Outputs<'_, Self::Weight>,
        first: usize,
        sums: &mut [f32],
    );
}

/// Weights of some outputs, so many of each.
#[derive(Clone, Copy)]
struct Outputs<'a, W> {
    weights: &'a [W],
    width: usize,
}

impl<'a, W: Copy> Outputs<'a, W> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.weights.len() / self.width.max(1)
    }

    #[inline(always)]
    fn of<const O: usize>(&self, first: usize) -> [&'a [W]; O] {
        rows_of(self.weights, first, self.width)
    }
}

/// Columns of even and of odd index, (R, in / 2) each.
struct Pairs {
    even: Vec<f32>,
    odd: Vec<f32>,
}

/// (R, in)
struct Floats<'a>(&'a [f32]);

/// The half of a word in which the odd column's weight stands.
const UPPER: u32 = 0xffff_0000;

/// `R` rows of so many columns, from row `first` on.
#[inline(always)]
fn rows_of<T, const R: usize>(x: &[T], first: usize, columns: usize) -> [&[T]; R] {
    let mut rows: [&[T]; R] = [&[]; R];
    for (row, x) in rows
        .iter_mut()
        .zip(x[first * columns..].chunks_exact(columns.max(1)))
    {
        *row = x;
    }
    rows
}

/// Writes what came of `R` rows and `O` outputs.
#[inline(always)]
fn put<const O: usize, const R: usize>(
    sums: &mut [f32],
    dots: [[f32; R]; O],
    first: usize,
    output: usize,
    outputs: usize,
) {
    for (k, dots) in dots.iter().enumerate() {
        for (row, dot) in dots.iter().enumerate() {
            sums[(first + row) * outputs + output + k] = *dot;
        }
    }
}

impl Rows for Pairs {
    type Weight = u32;

    #[inline(always)]
    fn multiply<S: Simd, const R: usize>(
        &self,
        simd: S,
        weights: Outputs<'_, u32>,
        first: usize,
        sums: &mut [f32],
    ) {
        let even = rows_of::<f32, R>(&self.even, first, weights.width);
        let odd = rows_of::<f32, R>(&self.odd, first, weights.width);
        let (outputs, mut output) = (weights.count(), 0);
        // Several outputs at once use each number of x as often, where there are registers for their sums.
        while S::F32_LANES >= 16 && output + 4 <= outputs {
            let dots = dots_of_pairs::<S, 4, R>(simd, weights.of(output), &even, &odd);
            put(sums, dots, first, output, outputs);
            output += 4;
        }
        while output < outputs {
            let dots = dots_of_pairs::<S, 1, R>(simd, weights.of(output), &even, &odd);
            put(sums, dots, first, output, outputs);
            output += 1;
        }
    }
}

// No closures around what the registers do: they would not be compiled for them.

#[inline(always)]
fn dots_of_pairs<S: Simd, const O: usize, const R: usize>(
    simd: S,
    weights: [&[u32]; O],
    even: &[&[f32]; R],
    odd: &[&[f32]; R],
) -> [[f32; R]; O] {
    let words = weights.map(S::as_simd_u32s);
    let even = even.map(S::as_simd_f32s);
    let odd = odd.map(S::as_simd_f32s);
    let whole = words[0].0.len();
    // One length for all, so that no index has to be checked.
    let (heads_even, heads_odd) = (even.map(|x| &x.0[..whole]), odd.map(|x| &x.0[..whole]));
    let heads = words.map(|words| &words.0[..whole]);
    // A bfloat16 is the upper half of a float32.
    let (upper, half) = (simd.splat_u32s(UPPER), simd.splat_u32s(16));
    let mut wide = [[simd.splat_f32s(0.0); R]; O];
    for i in 0..whole {
        for output in 0..O {
            let word = heads[output][i];
            let low = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(word, half));
            let high = simd.transmute_f32s_u32s(simd.and_u32s(word, upper));
            for row in 0..R {
                let sum = simd.mul_add_f32s(low, heads_even[row][i], wide[output][row]);
                wide[output][row] = simd.mul_add_f32s(high, heads_odd[row][i], sum);
            }
        }
    }
    let mut sums = [[0.0; R]; O];
    for output in 0..O {
        for row in 0..R {
            let mut sum = simd.reduce_sum_f32s(wide[output][row]);
            for (k, &word) in words[output].1.iter().enumerate() {
                sum += f32::from_bits(word << 16) * even[row].1[k];
                sum += f32::from_bits(word & UPPER) * odd[row].1[k];
            }
            sums[output][row] = sum;
        }
    }
    sums
}

impl Rows for Floats<'_> {
    type Weight = f32;

    #[inline(always)]
    fn multiply<S: Simd, const R: usize>(
        &self,
        simd: S,
        weights: Outputs<'_, f32>,
        first: usize,
        sums: &mut [f32],
    ) {
        let x = rows_of::<f32, R>(self.0, first, weights.width);
        let (outputs, mut output) = (weights.count(), 0);
        while S::F32_LANES >= 16 && output + 4 <= outputs {
            let dots = dots_of_floats::<S, 4, R>(simd, weights.of(output), &x);
            put(sums, dots, first, output, outputs);
            output += 4;
        }
        while output < outputs {
            let dots = dots_of_floats::<S, 1, R>(simd, weights.of(output), &x);
            put(sums, dots, first, output, outputs);
            output += 1;
        }
    }
}

#[inline(always)]
fn dots_of_floats<S: Simd, const O: usize, const R: usize>(
    simd: S,
    weights: [&[f32]; O],
    x: &[&[f32]; R],
) -> [[f32; R]; O] {
    let x = x.map(S::as_simd_f32s);
    let weights = weights.map(S::as_simd_f32s);
    let whole = weights[0].0.len();
    let (x_heads, heads) = (x.map(|x| &x.0[..whole]), weights.map(|w| &w.0[..whole]));
    let mut wide = [[simd.splat_f32s(0.0); R]; O];
    for i in 0..whole {
        for output in 0..O {
            for row in 0..R {
                wide[output][row] =
                    simd.mul_add_f32s(heads[output][i], x_heads[row][i], wide[output][row]);
            }
        }
    }
    let mut sums = [[0.0; R]; O];
    for output in 0..O {
        for row in 0..R {
            let mut sum = simd.reduce_sum_f32s(wide[output][row]);
            for (k, weight) in weights[output].1.iter().enumerate() {
                sum += weight * x[row].1[k];
            }
            sums[output][row] = sum;
        }
    }
    sums
}

/// Outputs' weights times x -> sums (R, n).
struct Product<'a, X: Rows> {
    weights: Outputs<'a, X::Weight>,
    rows: usize,
    x: &'a X,
    sums: &'a mut [f32],
}

impl<X: Rows> WithSimd for Product<'_, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            weights,
            rows,
            x,
            sums,
        } = self;
        let mut first = 0;
        while first < rows {
            // Loops over a group have a fixed length.
            first += match rows - first {
                1 => {
                    x.multiply::<S, 1>(simd, weights, first, sums);
                    1
                }
                2 | 3 => {
                    x.multiply::<S, 2>(simd, weights, first, sums);
                    2
                }
                _ => {
                    x.multiply::<S, GROUP>(simd, weights, first, sums);
                    GROUP
                }
            };
        }
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

    fn values(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.to_kind(Kind::Float).reshape([-1])).unwrap()
    }

    #[test]
    fn products_are_those_of_the_float32_weights() {
        tch::manual_seed(1);
        for (outputs, inputs) in [(96, 176), (1, 2), (65, 30), (130, 34), (2051, 96), (7, 33)] {
            for weight in [weight(outputs, inputs), random([outputs, inputs])] {
                let compact = Compact::of(&weight).unwrap().unwrap();
                for rows in [1, 2, 3, 4, 5, 9, 31] {
                    let x = random([rows, inputs]);

                    let y = compact.multiply(&values(&x));

                    let y = Tensor::from_slice(&y).reshape([rows, outputs]);
                    let expected = x.linear(&weight, None::<&Tensor>);
                    let difference = f64::try_from((&y - &expected).abs().max()).unwrap();
                    let largest = f64::try_from(expected.abs().max()).unwrap();
                    assert!(
                        difference <= 2e-6 * largest.max(1.0),
                        "{difference} of {largest}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_row_is_the_same_alone_and_among_others() {
        tch::manual_seed(2);
        for weight in [
            weight(71, 130),
            random([71, 130]),
            weight(71, 130).to_kind(Kind::BFloat16),
        ] {
            let compact = Compact::of(&weight).unwrap().unwrap();
            let x = values(&random([23, 130]));

            let together = compact.multiply(&x);

            for (row, x) in x.chunks(130).enumerate() {
                assert_eq!(compact.multiply(x), together[71 * row..71 * (row + 1)]);
            }
        }
    }

    #[test]
    fn weights_of_another_type_stay_where_they_are() {
        assert!(
            Compact::of(&weight(2, 4).to_kind(Kind::Half))
                .unwrap()
                .is_none()
        );
    }
}
