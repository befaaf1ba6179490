//! Sixteen outputs at once: what a product asks of a processor, by its widest instructions (AVX-512, AVX2) and without any.
//! Of few bits, sums of whole numbers are exact, and sums of float32 are one multiplication and one addition each, rounded
//! apart, so all three give the same bits. Of bfloat16 and float32, what is rounded together differs.

use super::groups::ZERO;
use super::rows::PART;

/// Outputs of a panel.
pub(super) const LANES: usize = 16;
/// Bytes of a panel that are multiplied together.
pub(super) const STEP: usize = 4 * LANES;

/// Sixteen numbers at once.
pub(super) trait Sixteen: Copy {
    /// Sums of whole numbers.
    type Whole: Copy;
    /// Float32.
    type Float: Copy;
    /// Four bytes of each output's weights.
    type Weights: Copy;
    /// Whether there are registers for eight of them and what they are multiplied with.
    const IS_WIDE: bool;

    fn splat(self, value: f32) -> Self::Float;
    fn add(self, a: Self::Float, b: Self::Float) -> Self::Float;
    fn mul(self, a: Self::Float, b: Self::Float) -> Self::Float;
    /// Of bfloat16.
    fn widened(self, words: &[u16; 16]) -> Self::Float;
    fn float(self, sums: Self::Whole) -> Self::Float;
    fn store(self, values: Self::Float, to: &mut [f32; 16]);

    /// Four bytes an output.
    fn load(self, bytes: &[u8; 64]) -> Self::Weights;
    /// The same four bytes for every output.
    fn every(self, word: u32) -> Self::Weights;
    /// The lower and the upper halves of bytes.
    fn halves(self, bytes: Self::Weights) -> [Self::Weights; 2];

    fn zero(self) -> Self::Whole;
    /// What [`dot_eight`](Self::dot_eight) begins with, where the four inputs of all its calls have this sum.
    fn zero_eight(self, sum: i32) -> Self::Whole;
    /// Sums of the inputs' upper part -> what [`dot_eight`](Self::dot_eight) of the lower part, of this sum, begins with.
    fn upper_to_lower(self, sums: Self::Whole, sum: i32) -> Self::Whole;
    /// Adds products of weights, stored with [`ZERO`] added, with four inputs.
    fn dot_eight(
        self,
        sums: Self::Whole,
        weights: Self::Weights,
        inputs: Self::Weights,
    ) -> Self::Whole;
    /// Adds products of weights below 16 with four inputs.
    fn dot_four(
        self,
        sums: Self::Whole,
        weights: Self::Weights,
        inputs: Self::Weights,
    ) -> Self::Whole;

    /// Bytes that are a float32.
    fn floats(self, bytes: Self::Weights) -> Self::Float;
    /// Bytes that are two of bfloat16 -> those of even and those of odd columns.
    fn pairs(self, bytes: Self::Weights) -> [Self::Float; 2];
    /// a b + c, rounded once where the processor does it in one instruction.
    fn mul_add(self, a: Self::Float, b: Self::Float, c: Self::Float) -> Self::Float;
}

/// What multiplies bfloat16 itself.
pub(super) trait MultipliesHalves: Sixteen {
    /// Adds products of two weights of bfloat16 with two inputs of it.
    fn dot_pair(
        self,
        sums: Self::Float,
        weights: Self::Weights,
        inputs: Self::Weights,
    ) -> Self::Float;
}

/// The half of a word in which the odd column's weight stands.
pub(super) const UPPER: u32 = 0xffff_0000;

/// Of no particular processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

impl Portable {
    #[inline(always)]
    fn dot(mut sums: [i32; 16], weights: [i8; 64], inputs: [u8; 64]) -> [i32; 16] {
        let products = weights
            .as_chunks::<4>()
            .0
            .iter()
            .zip(inputs.as_chunks::<4>().0);
        for (sum, (weights, inputs)) in sums.iter_mut().zip(products) {
            for (weight, input) in weights.iter().zip(inputs) {
                *sum += i32::from(*weight) * i32::from(*input as i8);
            }
        }
        sums
    }
}

impl Sixteen for Portable {
    type Whole = [i32; 16];
    type Float = [f32; 16];
    type Weights = [u8; 64];
    const IS_WIDE: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 16] {
        [value; 16]
    }

    #[inline(always)]
    fn add(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    fn mul(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    fn widened(self, words: &[u16; 16]) -> [f32; 16] {
        words.map(super::groups::widened)
    }

    #[inline(always)]
    fn float(self, sums: [i32; 16]) -> [f32; 16] {
        sums.map(|sum| sum as f32)
    }

    #[inline(always)]
    fn store(self, values: [f32; 16], to: &mut [f32; 16]) {
        *to = values;
    }

    #[inline(always)]
    fn load(self, bytes: &[u8; 64]) -> [u8; 64] {
        *bytes
    }

    #[inline(always)]
    fn every(self, word: u32) -> [u8; 64] {
        bytemuck::cast([word; 16])
    }

    #[inline(always)]
    fn halves(self, bytes: [u8; 64]) -> [[u8; 64]; 2] {
        [bytes.map(|byte| byte & 15), bytes.map(|byte| byte >> 4)]
    }

    #[inline(always)]
    fn zero(self) -> [i32; 16] {
        [0; 16]
    }

    #[inline(always)]
    fn zero_eight(self, _: i32) -> [i32; 16] {
        [0; 16]
    }

    #[inline(always)]
    fn upper_to_lower(self, sums: [i32; 16], _: i32) -> [i32; 16] {
        sums.map(|sum| PART * sum)
    }

    #[inline(always)]
    fn dot_eight(self, sums: [i32; 16], weights: [u8; 64], inputs: [u8; 64]) -> [i32; 16] {
        Self::dot(sums, weights.map(|w| w.wrapping_sub(ZERO) as i8), inputs)
    }

    #[inline(always)]
    fn dot_four(self, sums: [i32; 16], weights: [u8; 64], inputs: [u8; 64]) -> [i32; 16] {
        Self::dot(sums, weights.map(|weight| weight as i8), inputs)
    }

    #[inline(always)]
    fn floats(self, bytes: [u8; 64]) -> [f32; 16] {
        bytemuck::cast(bytes)
    }

    #[inline(always)]
    fn pairs(self, bytes: [u8; 64]) -> [[f32; 16]; 2] {
        let words: [u32; 16] = bytemuck::cast(bytes);
        [
            words.map(|word| f32::from_bits(word << 16)),
            words.map(|word| f32::from_bits(word & UPPER)),
        ]
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        self.add(self.mul(a, b), c)
    }
}
