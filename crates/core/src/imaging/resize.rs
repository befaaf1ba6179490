//! Pillow's `Image.resize`, bit for bit: separable, antialiased when it shrinks, horizontal pass
//! before the vertical one, weights in fixed point with 22 bits, rounded to bytes in between.
//! Models are trained on pictures made this way, and other bicubics differ by up to a tenth of the range.
//! torchvision's resize of bytes is the same but for the weights, which have 16 bits ([`FixedPoint`]).
//! Up to version 12.1 Pillow is the same for all pictures; 12.2 takes the vertical pass first for
//! pictures over a hundred times as high as wide, 13 for more of them, which this does not follow.

use std::ops::Range;

use crate::{Error, Result};

/// Bits behind the point of a weight at most: a sum of byte times weight then just fits 32 bits.
const WEIGHT_BITS: u32 = 32 - 8 - 2;

/// How exact weights are, which decides about a level of 255 here and there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FixedPoint {
    /// Pillow's: 22 bits behind the point.
    #[default]
    Pillow,
    /// torchvision's for bytes on a processor, which libtorch computes: as many bits as leave the largest weight of an
    /// axis in 16.
    Torchvision,
}

impl FixedPoint {
    /// Bits behind the point, for an axis with this largest weight.
    fn bits(self, largest: f64) -> u32 {
        let fits = |bits: &u32| 0.5 + largest * f64::from(1_u32 << (bits + 1)) < f64::from(1 << 15);
        match self {
            Self::Pillow => WEIGHT_BITS,
            Self::Torchvision => (0..WEIGHT_BITS).take_while(fits).count() as u32,
        }
    }
}

/// How neighbouring pixels are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// A triangle, one pixel to each side.
    Bilinear,
    /// Keys' cubic convolution with a = -0.5, two pixels to each side.
    Bicubic,
    /// A windowed sinc, three pixels to each side.
    Lanczos,
}

impl Kernel {
    /// The kernel of Pillow's number for it, as image processors name it; `None` for the others.
    pub fn from_pillow(resample: i64) -> Option<Self> {
        match resample {
            1 => Some(Self::Lanczos),
            2 => Some(Self::Bilinear),
            3 => Some(Self::Bicubic),
            _ => None,
        }
    }

    /// How far it reaches to each side, in pixels of the coarser of the two pictures.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5,
            // Open at one end, as Pillow has it.
            Self::Lanczos if (-3.0..3.0).contains(&distance) => {
                sinc(distance) * sinc(distance / 3.0)
            }
            _ => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let angle = x * std::f64::consts::PI;
    angle.sin() / angle
}

/// For each output pixel along one axis, the run of input pixels it is made of and their weights.
#[derive(Debug, Clone)]
struct Taps {
    /// First input pixel and number of them, one pair an output pixel.
    runs: Vec<(usize, usize)>,
    /// Fixed point with `bits`; those of output pixel i start at i * `stride`.
    weights: Vec<i32>,
    bits: u32,
    stride: usize,
}

impl Taps {
    fn new(input: u32, output: u32, kernel: Kernel, fixed_point: FixedPoint) -> Self {
        let scale = f64::from(input) / f64::from(output);
        let stretch = scale.max(1.0);
        let support = kernel.support() * stretch;
        let stride = support.ceil() as usize * 2 + 1;
        let mut runs = Vec::with_capacity(output as usize);
        let mut shares = Vec::with_capacity(output as usize * stride);
        for i in 0..output {
            let center = (f64::from(i) + 0.5) * scale;
            // Casts towards zero, as C's: what lies left of the picture becomes its first pixel.
            let first = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(input as usize);
            let weights: Vec<f64> = (first..end)
                .map(|x| kernel.weight((x as f64 - center + 0.5) * (1.0 / stretch)))
                .collect();
            let sum: f64 = weights.iter().sum();
            let start = shares.len();
            let share = |weight: &f64| if sum == 0.0 { *weight } else { weight / sum };
            shares.extend(weights.iter().map(share));
            shares.resize(start + stride, 0.0);
            runs.push((first, weights.len()));
        }
        let bits = fixed_point.bits(shares.iter().copied().fold(0.0, f64::max));
        let one = f64::from(1 << bits);
        let fixed = |share: &f64| (share * one + 0.5_f64.copysign(*share)) as i32;
        Self {
            runs,
            weights: shares.iter().map(fixed).collect(),
            bits,
            stride,
        }
    }

    /// The runs and weights of all output pixels in turn.
    fn iter(&self) -> impl Iterator<Item = (Range<usize>, &[i32])> {
        let weights = self.weights.chunks_exact(self.stride);
        self.runs
            .iter()
            .zip(weights)
            .map(|(&(first, count), weights)| (first..first + count, &weights[..count]))
    }

    /// The input pixels that any output pixel is made of.
    fn reach(&self) -> Range<usize> {
        let first = self.runs.first().map_or(0, |run| run.0);
        let end = self.runs.last().map_or(0, |run| run.0 + run.1);
        first..end
    }
}

/// Resizes pictures of one size to another; the weights are worked out once.
#[derive(Debug, Clone)]
pub struct Resizer {
    input: (u32, u32),
    output: (u32, u32),
    /// `None` where the picture keeps its width: Pillow skips the pass.
    horizontal: Option<Taps>,
    vertical: Option<Taps>,
}

impl Resizer {
    /// For pictures of `input` to be resized to `output`, both (width, height) in pixels.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`] if a side is zero.
    pub fn new(input: (u32, u32), output: (u32, u32), kernel: Kernel) -> Result<Self> {
        Self::with_weights(input, output, kernel, FixedPoint::Pillow)
    }

    /// The same with weights of this kind.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_weights(
        input: (u32, u32),
        output: (u32, u32),
        kernel: Kernel,
        fixed_point: FixedPoint,
    ) -> Result<Self> {
        for (width, height) in [input, output] {
            if width == 0 || height == 0 {
                return Err(Error::EmptyPicture { width, height });
            }
        }
        let taps = |from, to| (from != to).then(|| Taps::new(from, to, kernel, fixed_point));
        Ok(Self {
            input,
            output,
            horizontal: taps(input.0, output.0),
            vertical: taps(input.1, output.1),
        })
    }

    /// (width, height) of what it makes.
    pub fn output(&self) -> (u32, u32) {
        self.output
    }

    /// Row-major RGB bytes, width x height x 3 in and out.
    ///
    /// # Errors
    /// [`Error::PixelCount`] if there are more or fewer bytes than the input size has.
    pub fn resize_rgb(&self, pixels: &[u8]) -> Result<Vec<u8>> {
        self.resize::<3>(pixels)
    }

    /// Row-major bytes of one channel, width x height in and out.
    ///
    /// # Errors
    /// [`Error::PixelCount`] if there are more or fewer bytes than the input size has.
    pub fn resize_gray(&self, pixels: &[u8]) -> Result<Vec<u8>> {
        self.resize::<1>(pixels)
    }

    pub(super) fn resize<const CHANNELS: usize>(&self, pixels: &[u8]) -> Result<Vec<u8>> {
        let (width, height) = self.input;
        let row_bytes = width as usize * CHANNELS;
        let expected = row_bytes * height as usize;
        if pixels.len() != expected {
            return Err(Error::PixelCount {
                width,
                height,
                channels: CHANNELS,
                expected,
                found: pixels.len(),
            });
        }
        let Some(taps) = &self.horizontal else {
            return Ok(match &self.vertical {
                None => pixels.to_vec(),
                Some(taps) => resize_columns(pixels, row_bytes, taps, 0),
            });
        };
        let Some(vertical) = &self.vertical else {
            return Ok(resize_rows::<CHANNELS>(pixels, row_bytes, taps));
        };
        let rows = vertical.reach();
        let needed = &pixels[rows.start * row_bytes..rows.end * row_bytes];
        let narrowed = resize_rows::<CHANNELS>(needed, row_bytes, taps);
        let row_bytes = self.output.0 as usize * CHANNELS;
        Ok(resize_columns(&narrowed, row_bytes, vertical, rows.start))
    }
}

/// The horizontal pass. Two rows go through one 64-bit multiplication, a sum in either half: the
/// pass is bound by the processor's one multiplier, so this saves it half the work.
fn resize_rows<const CHANNELS: usize>(pixels: &[u8], row_bytes: usize, taps: &Taps) -> Vec<u8> {
    let resized_bytes = taps.runs.len() * CHANNELS;
    let mut resized = vec![0; pixels.len() / row_bytes * resized_bytes];
    let mut pairs = vec![[0_i64; CHANNELS]; row_bytes / CHANNELS];
    let mut sums = vec![[0_i64; CHANNELS]; taps.runs.len()];
    let row_pairs = pixels.chunks(2 * row_bytes);
    for (rows, resized) in row_pairs.zip(resized.chunks_mut(2 * resized_bytes)) {
        let (upper, lower) = rows.split_at(row_bytes);
        // A last row without a partner is its own.
        let lower = if lower.is_empty() { upper } else { lower };
        let bytes = upper.iter().zip(lower);
        for (pair, (&upper, &lower)) in pairs.as_flattened_mut().iter_mut().zip(bytes) {
            *pair = i64::from(upper) | i64::from(lower) << 32;
        }
        for (sums, (run, weights)) in sums.iter_mut().zip(taps.iter()) {
            *sums = weighed_pairs(&pairs[run], weights, taps.bits);
        }
        let (upper, lower) = resized.split_at_mut(resized_bytes);
        for (byte, &sum) in upper.iter_mut().zip(sums.as_flattened()) {
            *byte = byte_of(sum as i32, taps.bits);
        }
        for (byte, &sum) in lower.iter_mut().zip(sums.as_flattened()) {
            // What a negative lower half borrowed goes back before the upper one is read.
            *byte = byte_of(((sum - i64::from(sum as i32)) >> 32) as i32, taps.bits);
        }
    }
    resized
}

/// The sums of one output pixel in two rows, each half starting with what rounds it.
fn weighed_pairs<const CHANNELS: usize>(
    pairs: &[[i64; CHANNELS]],
    weights: &[i32],
    bits: u32,
) -> [i64; CHANNELS] {
    let half = (1_i64 << bits) / 2;
    let mut sums = [half | half << 32; CHANNELS];
    for (pixel, &weight) in pairs.iter().zip(weights) {
        for (sum, &pair) in sums.iter_mut().zip(pixel) {
            *sum += pair * i64::from(weight);
        }
    }
    sums
}

/// How many neighbouring bytes the vertical pass works on at once: as many as keep their sums in
/// the registers that every x86-64 has.
const LANES: usize = 16;

/// Bits of the lower part of a weight that is split in two.
const LOW_BITS: u32 = 11;

/// The vertical pass. `first_row` is the picture's row that `pixels` begins with.
fn resize_columns(pixels: &[u8], row_bytes: usize, taps: &Taps, first_row: usize) -> Vec<u8> {
    let mut resized = Vec::with_capacity(taps.runs.len() * row_bytes);
    for (run, weights) in taps.iter() {
        let rows = &pixels[(run.start - first_row) * row_bytes..(run.end - first_row) * row_bytes];
        let whole = row_bytes / LANES * LANES;
        for start in (0..whole).step_by(LANES) {
            let lanes = weighed_lanes::<LANES>(&rows[start..], row_bytes, weights, taps.bits);
            resized.extend_from_slice(&lanes);
        }
        for start in whole..row_bytes {
            let lane = weighed_lanes::<1>(&rows[start..], row_bytes, weights, taps.bits);
            resized.extend_from_slice(&lane);
        }
    }
    resized
}

/// `COUNT` neighbouring columns of one output row. Weights are split so that each product is one
/// of two 16-bit numbers, for which there are vector instructions on every x86-64. With thousands
/// of rows either half may wrap around; what they add up to does not.
fn weighed_lanes<const COUNT: usize>(
    rows: &[u8],
    row_bytes: usize,
    weights: &[i32],
    bits: u32,
) -> [u8; COUNT] {
    let mut high = [0_i32; COUNT];
    let mut low = [(1_i32 << bits) / 2; COUNT];
    for (row, &weight) in rows.chunks(row_bytes).zip(weights) {
        let weight_high = i32::from((weight >> LOW_BITS) as i16);
        let weight_low = i32::from((weight & ((1 << LOW_BITS) - 1)) as i16);
        // Always there; as an array of known length it becomes vector instructions.
        let Some(bytes) = row.first_chunk::<COUNT>() else {
            continue;
        };
        for ((high, low), &byte) in high.iter_mut().zip(&mut low).zip(bytes) {
            *high = high.wrapping_add(i32::from(byte) * weight_high);
            *low = low.wrapping_add(i32::from(byte) * weight_low);
        }
    }
    let mut bytes = [0; COUNT];
    for ((byte, high), low) in bytes.iter_mut().zip(high).zip(low) {
        *byte = byte_of((high << LOW_BITS).wrapping_add(low), bits);
    }
    bytes
}

fn byte_of(sum: i32, bits: u32) -> u8 {
    (sum >> bits).clamp(0, 255) as u8
}
