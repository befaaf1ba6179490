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
const UPPER: u32 = 0xffff_0000;

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

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::mem::transmute;

    use super::{MultipliesHalves, PART, Sixteen, UPPER, ZERO};

    // SAFETY, of every block in this module: an `Avx512` or an `Avx2` is made where the processor has the instructions alone
    // (`new` is unsafe and asks for it). Loads and stores go to arrays of the size that they touch, and need no alignment.

    /// AVX-512 with VNNI, and where `HALVES` with BF16.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Avx512<const HALVES: bool>(());

    impl<const HALVES: bool> Avx512<HALVES> {
        /// # Safety
        /// The processor has AVX-512 F and BW, VNNI, and BF16 where `HALVES`.
        #[inline(always)]
        pub(crate) unsafe fn new() -> Self {
            Self(())
        }
    }

    impl<const HALVES: bool> Sixteen for Avx512<HALVES> {
        type Whole = __m512i;
        type Float = __m512;
        type Weights = __m512i;
        const IS_WIDE: bool = true;

        #[inline(always)]
        fn splat(self, value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }

        #[inline(always)]
        fn add(self, a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }

        #[inline(always)]
        fn mul(self, a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_mul_ps(a, b) }
        }

        #[inline(always)]
        fn widened(self, words: &[u16; 16]) -> __m512 {
            unsafe {
                let words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(words.as_ptr().cast()));
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words))
            }
        }

        #[inline(always)]
        fn float(self, sums: __m512i) -> __m512 {
            unsafe { _mm512_cvtepi32_ps(sums) }
        }

        #[inline(always)]
        fn store(self, values: __m512, to: &mut [f32; 16]) {
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), values) }
        }

        #[inline(always)]
        fn load(self, bytes: &[u8; 64]) -> __m512i {
            unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
        }

        #[inline(always)]
        fn every(self, word: u32) -> __m512i {
            unsafe { _mm512_set1_epi32(word.cast_signed()) }
        }

        #[inline(always)]
        fn halves(self, bytes: __m512i) -> [__m512i; 2] {
            unsafe {
                let lower = _mm512_set1_epi8(15);
                [
                    _mm512_and_si512(bytes, lower),
                    _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), lower),
                ]
            }
        }

        #[inline(always)]
        fn zero(self) -> __m512i {
            unsafe { _mm512_setzero_si512() }
        }

        #[inline(always)]
        fn zero_eight(self, sum: i32) -> __m512i {
            unsafe { _mm512_set1_epi32(-i32::from(ZERO) * sum) }
        }

        #[inline(always)]
        fn upper_to_lower(self, sums: __m512i, sum: i32) -> __m512i {
            unsafe {
                let upper = _mm512_mullo_epi32(sums, _mm512_set1_epi32(PART));
                _mm512_add_epi32(upper, self.zero_eight(sum))
            }
        }

        #[inline(always)]
        fn dot_eight(self, sums: __m512i, weights: __m512i, inputs: __m512i) -> __m512i {
            unsafe { _mm512_dpbusd_epi32(sums, weights, inputs) }
        }

        #[inline(always)]
        fn dot_four(self, sums: __m512i, weights: __m512i, inputs: __m512i) -> __m512i {
            self.dot_eight(sums, weights, inputs)
        }

        #[inline(always)]
        fn floats(self, bytes: __m512i) -> __m512 {
            unsafe { _mm512_castsi512_ps(bytes) }
        }

        #[inline(always)]
        fn pairs(self, bytes: __m512i) -> [__m512; 2] {
            unsafe {
                let upper = _mm512_set1_epi32(UPPER.cast_signed());
                [
                    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(bytes)),
                    _mm512_castsi512_ps(_mm512_and_si512(bytes, upper)),
                ]
            }
        }

        #[inline(always)]
        fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
    }

    impl MultipliesHalves for Avx512<true> {
        #[inline(always)]
        fn dot_pair(self, sums: __m512, weights: __m512i, inputs: __m512i) -> __m512 {
            unsafe {
                // Both are 64 bytes of which any are a value.
                let [weights, inputs] =
                    [weights, inputs].map(|x| transmute::<__m512i, __m512bh>(x));
                _mm512_dpbf16_ps(sums, weights, inputs)
            }
        }
    }

    /// AVX2 and FMA: two registers of eight.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Avx2(());

    impl Avx2 {
        /// # Safety
        /// The processor has AVX2 and FMA.
        #[inline(always)]
        pub(crate) unsafe fn new() -> Self {
            Self(())
        }

        /// Bytes without a sign times bytes with one, of which no two products together are beyond 16 bits.
        #[inline(always)]
        fn dot(sums: __m256i, positive: __m256i, signed: __m256i) -> __m256i {
            unsafe {
                let pairs = _mm256_maddubs_epi16(positive, signed);
                _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
            }
        }
    }

    impl Sixteen for Avx2 {
        type Whole = [__m256i; 2];
        type Float = [__m256; 2];
        type Weights = [__m256i; 2];
        const IS_WIDE: bool = false;

        #[inline(always)]
        fn splat(self, value: f32) -> [__m256; 2] {
            unsafe { [_mm256_set1_ps(value); 2] }
        }

        #[inline(always)]
        fn add(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
            unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
        }

        #[inline(always)]
        fn mul(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
            unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
        }

        #[inline(always)]
        fn widened(self, words: &[u16; 16]) -> [__m256; 2] {
            let (low, high) = words.split_at(8);
            [low, high].map(|words| unsafe {
                let words = _mm256_cvtepu16_epi32(_mm_loadu_si128(words.as_ptr().cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words))
            })
        }

        #[inline(always)]
        fn float(self, sums: [__m256i; 2]) -> [__m256; 2] {
            unsafe { [_mm256_cvtepi32_ps(sums[0]), _mm256_cvtepi32_ps(sums[1])] }
        }

        #[inline(always)]
        fn store(self, values: [__m256; 2], to: &mut [f32; 16]) {
            let (low, high) = to.split_at_mut(8);
            unsafe {
                _mm256_storeu_ps(low.as_mut_ptr(), values[0]);
                _mm256_storeu_ps(high.as_mut_ptr(), values[1]);
            }
        }

        #[inline(always)]
        fn load(self, bytes: &[u8; 64]) -> [__m256i; 2] {
            let (low, high) = bytes.split_at(32);
            unsafe {
                [
                    _mm256_loadu_si256(low.as_ptr().cast()),
                    _mm256_loadu_si256(high.as_ptr().cast()),
                ]
            }
        }

        #[inline(always)]
        fn every(self, word: u32) -> [__m256i; 2] {
            unsafe { [_mm256_set1_epi32(word.cast_signed()); 2] }
        }

        #[inline(always)]
        fn halves(self, bytes: [__m256i; 2]) -> [[__m256i; 2]; 2] {
            unsafe {
                let lower = _mm256_set1_epi8(15);
                [
                    [
                        _mm256_and_si256(bytes[0], lower),
                        _mm256_and_si256(bytes[1], lower),
                    ],
                    [
                        _mm256_and_si256(_mm256_srli_epi16::<4>(bytes[0]), lower),
                        _mm256_and_si256(_mm256_srli_epi16::<4>(bytes[1]), lower),
                    ],
                ]
            }
        }

        #[inline(always)]
        fn zero(self) -> [__m256i; 2] {
            unsafe { [_mm256_setzero_si256(); 2] }
        }

        #[inline(always)]
        fn zero_eight(self, _: i32) -> [__m256i; 2] {
            self.zero()
        }

        #[inline(always)]
        fn upper_to_lower(self, sums: [__m256i; 2], _: i32) -> [__m256i; 2] {
            sums.map(|sums| unsafe { _mm256_mullo_epi32(sums, _mm256_set1_epi32(PART)) })
        }

        #[inline(always)]
        fn dot_eight(
            self,
            sums: [__m256i; 2],
            weights: [__m256i; 2],
            inputs: [__m256i; 2],
        ) -> [__m256i; 2] {
            unsafe {
                let zero = _mm256_set1_epi8(ZERO as i8);
                let low = _mm256_xor_si256(weights[0], zero);
                let high = _mm256_xor_si256(weights[1], zero);
                // |w| times x with the sign of w: neither is beyond 127.
                [
                    Self::dot(
                        sums[0],
                        _mm256_abs_epi8(low),
                        _mm256_sign_epi8(inputs[0], low),
                    ),
                    Self::dot(
                        sums[1],
                        _mm256_abs_epi8(high),
                        _mm256_sign_epi8(inputs[1], high),
                    ),
                ]
            }
        }

        #[inline(always)]
        fn dot_four(
            self,
            sums: [__m256i; 2],
            weights: [__m256i; 2],
            inputs: [__m256i; 2],
        ) -> [__m256i; 2] {
            [
                Self::dot(sums[0], weights[0], inputs[0]),
                Self::dot(sums[1], weights[1], inputs[1]),
            ]
        }

        #[inline(always)]
        fn floats(self, bytes: [__m256i; 2]) -> [__m256; 2] {
            bytes.map(|bytes| unsafe { _mm256_castsi256_ps(bytes) })
        }

        #[inline(always)]
        fn pairs(self, bytes: [__m256i; 2]) -> [[__m256; 2]; 2] {
            unsafe {
                let upper = _mm256_set1_epi32(UPPER.cast_signed());
                [
                    [
                        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bytes[0])),
                        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(bytes[1])),
                    ],
                    [
                        _mm256_castsi256_ps(_mm256_and_si256(bytes[0], upper)),
                        _mm256_castsi256_ps(_mm256_and_si256(bytes[1], upper)),
                    ],
                ]
            }
        }

        #[inline(always)]
        fn mul_add(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
            unsafe {
                [
                    _mm256_fmadd_ps(a[0], b[0], c[0]),
                    _mm256_fmadd_ps(a[1], b[1], c[1]),
                ]
            }
        }
    }
}
