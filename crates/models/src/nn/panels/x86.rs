//! Sixteen outputs at once by the instructions of x86-64.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::groups::ZERO;
use super::rows::PART;
use super::sixteen::{MultipliesHalves, Sixteen, UPPER};

// SAFETY, of every block in this module: an `Avx512` or an `Avx2` is made where the processor has the instructions alone
// (`new` is unsafe and asks for it). Loads and stores go to arrays of the size that they touch, and need no alignment.

/// AVX-512 with VNNI, and where `HALVES` with BF16.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512<const HALVES: bool>(());

impl<const HALVES: bool> Avx512<HALVES> {
    /// # Safety
    /// The processor has AVX-512 F and BW, VNNI, and BF16 where `HALVES`.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
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
            let [weights, inputs] = [weights, inputs].map(|x| transmute::<__m512i, __m512bh>(x));
            _mm512_dpbf16_ps(sums, weights, inputs)
        }
    }
}

/// AVX2 and FMA: two registers of eight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The processor has AVX2 and FMA.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
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
