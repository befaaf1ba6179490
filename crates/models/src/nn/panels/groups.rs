//! How a matrix is brought to few bits, and how it is stored: row by row, in groups of weights that share a scale. A weight of
//! eight bits is a whole number times its group's scale; one of four bits is that plus the group's least weight, because
//! sixteen steps are too few to waste one on a side that a group does not reach.

use std::panic::resume_unwind;
use std::{iter, thread};

/// How many bits a weight has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// 8.25 a weight with the scales.
    Eight,
    /// 5 a weight with the scales and the least weights.
    Four,
}

impl Bits {
    /// As a number.
    pub const fn count(self) -> u32 {
        match self {
            Self::Eight => 8,
            Self::Four => 4,
        }
    }

    /// Weights that share a scale.
    pub const fn group(self) -> usize {
        match self {
            Self::Eight => 64,
            Self::Four => 32,
        }
    }

    /// Numbers of bfloat16 that a group's weights share: a scale, and of four bits their least.
    pub const fn shared(self) -> usize {
        match self {
            Self::Eight => 1,
            Self::Four => 2,
        }
    }

    /// Bytes of so many weights with what they share.
    pub const fn bytes_with_shared(self, weights: u64) -> u64 {
        let group = self.group();
        let bytes = self.bytes_of(group) + 2 * self.shared();
        weights.saturating_mul(bytes as u64) / group as u64
    }

    /// Weights in so many bytes.
    pub const fn weights_in(self, bytes: usize) -> usize {
        match self {
            Self::Eight => bytes,
            Self::Four => 2 * bytes,
        }
    }

    /// Bytes of so many weights without what they share.
    pub const fn bytes_of(self, weights: usize) -> usize {
        match self {
            Self::Eight => weights,
            Self::Four => weights / 2,
        }
    }
}

/// A matrix (out, in) as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    bits: Bits,
    outputs: usize,
    inputs: usize,
    /// (out, groups, group): whole numbers with 128 added, or two of four bits a byte, the earlier in the lower half.
    numbers: Vec<u8>,
    /// (out, groups) in bfloat16.
    scales: Vec<u16>,
    /// (out, groups) in bfloat16, of four bits alone.
    least: Vec<u16>,
}

/// Added to whole numbers of eight bits, so that they are stored without a sign.
pub(super) const ZERO: u8 = 128;

impl Groups {
    /// Weights (out, in), rounded to few bits on all cores. A last group that is not whole is filled up with zeros.
    pub fn of(weights: &[f32], inputs: usize, bits: Bits) -> Self {
        let inputs = inputs.max(1);
        let outputs = weights.len() / inputs;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let share = outputs.div_ceil(cores).max(1) * inputs;
        let mut own = Self::empty(bits, inputs);
        thread::scope(|scope| {
            let round = |rows| move || Self::rounded(rows, inputs, bits);
            let parts = weights.chunks(share).map(|rows| scope.spawn(round(rows)));
            let parts: Vec<_> = parts.collect();
            for part in parts {
                own.append(part.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
        });
        own
    }

    /// A stored matrix; `None` if it has more or fewer numbers than its shape wants.
    pub fn stored(
        bits: Bits,
        [outputs, inputs]: [usize; 2],
        numbers: Vec<u8>,
        scales: Vec<u16>,
        least: Vec<u16>,
    ) -> Option<Self> {
        let own = Self {
            bits,
            outputs,
            inputs,
            numbers,
            scales,
            least,
        };
        let groups = outputs * own.groups();
        let fits = own.numbers.len() == bits.bytes_of(groups * bits.group())
            && own.scales.len() == groups
            && own.scales.len() + own.least.len() == groups * bits.shared();
        fits.then_some(own)
    }

    /// Its first outputs alone.
    pub fn first(mut self, outputs: usize) -> Self {
        let (groups, bytes) = (self.groups(), self.bits.bytes_of(self.bits.group()));
        self.outputs = self.outputs.min(outputs);
        self.numbers.truncate(self.outputs * groups * bytes);
        self.scales.truncate(self.outputs * groups);
        self.least.truncate(self.outputs * groups);
        self
    }

    /// How many bits a weight has.
    pub fn bits(&self) -> Bits {
        self.bits
    }

    /// (out, in)
    pub fn shape(&self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    /// Groups in a row.
    pub(super) fn groups(&self) -> usize {
        self.inputs.div_ceil(self.bits.group())
    }

    /// The groups' scales and, of four bits, least weights, in bfloat16.
    pub fn shared(&self) -> [&[u16]; 2] {
        [&self.scales, &self.least]
    }

    /// Its numbers, row by row.
    pub fn numbers(&self) -> &[u8] {
        &self.numbers
    }

    /// What a group shares: its scale and, of four bits, its least weight.
    pub(super) fn shared_of(&self, group: usize) -> impl Iterator<Item = u16> {
        let of = move |all: &[u16]| all.get(group).copied();
        of(&self.scales).into_iter().chain(of(&self.least))
    }

    /// A matrix without a row yet.
    pub fn empty(bits: Bits, inputs: usize) -> Self {
        Self {
            bits,
            outputs: 0,
            inputs,
            numbers: Vec::new(),
            scales: Vec::new(),
            least: Vec::new(),
        }
    }

    /// Adds the rows of another of the same bits and inputs.
    pub fn append(&mut self, rows: Self) {
        self.outputs += rows.outputs;
        self.numbers.extend(rows.numbers);
        self.scales.extend(rows.scales);
        self.least.extend(rows.least);
    }

    fn rounded(rows: &[f32], inputs: usize, bits: Bits) -> Self {
        let mut own = Self::empty(bits, inputs);
        for row in rows.chunks_exact(inputs) {
            for group in row.chunks(bits.group()) {
                match bits {
                    Bits::Eight => own.push_eight(group),
                    Bits::Four => own.push_four(group),
                }
            }
            own.outputs += 1;
        }
        own
    }

    fn push_eight(&mut self, group: &[f32]) {
        let largest = group
            .iter()
            .fold(0.0_f32, |largest, w| largest.max(w.abs()));
        let scale = match group.iter().all(|w| w.is_finite()) {
            true => bfloat16(largest / 127.0),
            // Products with what is no number are none.
            false => bfloat16(f32::NAN),
        };
        let inverse = inverse(widened(scale));
        let filled = group.iter().chain(iter::repeat(&0.0));
        let numbers = filled.take(self.bits.group()).map(|w| {
            let number = nearest(w * inverse) as i8;
            number.wrapping_add(ZERO as i8) as u8
        });
        self.numbers.extend(numbers);
        self.scales.push(scale);
    }

    fn push_four(&mut self, group: &[f32]) {
        let (scale, least) = match group.iter().all(|w| w.is_finite()) {
            true => steps(group),
            false => (f32::NAN, 0.0),
        };
        let (scale, least) = (bfloat16(scale), bfloat16(least));
        let (inverse, floor) = (inverse(widened(scale)), widened(least));
        let mut filled = [0.0; Bits::Four.group()];
        filled[..group.len()].copy_from_slice(group);
        let number = |w: f32| place(w, inverse, floor) as u8;
        let pairs = filled.as_chunks::<2>().0.iter();
        self.numbers
            .extend(pairs.map(|[even, odd]| number(*even) | number(*odd) << 4));
        self.scales.push(scale);
        self.least.push(least);
    }
}

/// The largest number of four bits.
const MOST: f32 = 15.0;

/// Which of the sixteen steps a weight is nearest to.
fn place(weight: f32, inverse: f32, least: f32) -> f32 {
    nearest(((weight - least) * inverse).clamp(0.0, MOST))
}

/// The nearest whole number, the even one of two, and 127 beyond it: without an instruction that old processors have not, for
/// beside a number so large what is behind the point falls off.
#[inline(always)]
pub(super) fn nearest(value: f32) -> f32 {
    const LARGE: f32 = (3 << 22) as f32;
    value.clamp(-127.0, 127.0) + LARGE - LARGE
}

/// The step and the least weight with which sixteen steps come nearest to a group. To reach its ends exactly is not best: some
/// narrower and wider steps are tried, each with the line that fits best through what it rounds to.
fn steps(group: &[f32]) -> (f32, f32) {
    let (least, largest) = group
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(least, largest), w| {
            (least.min(*w), largest.max(*w))
        });
    let range = largest - least;
    if range <= 0.0 {
        return (0.0, least);
    }
    let mut best = (f32::INFINITY, (range / MOST, least));
    for wider in [-2.0, -1.6, -1.2, -0.8, -0.4, 0.0, 0.4, 0.8] {
        let inverse = (MOST + wider) / range;
        let numbers = group.iter().map(|w| place(*w, inverse, least));
        let Some((step, floor)) = line(numbers.clone(), group) else {
            continue;
        };
        let differences = numbers.zip(group).map(|(n, w)| floor + step * n - w);
        let error: f32 = differences.map(|difference| difference * difference).sum();
        if error < best.0 {
            best = (error, (step, floor));
        }
    }
    best.1
}

/// The slope and the intercept of the line that comes nearest to (numbers, weights); `None` if all numbers are one.
fn line(numbers: impl Iterator<Item = f32>, weights: &[f32]) -> Option<(f32, f32)> {
    let count = weights.len() as f32;
    let [mut n, mut nn, mut w, mut nw] = [0.0_f32; 4];
    for (number, weight) in numbers.zip(weights) {
        n += number;
        nn += number * number;
        w += weight;
        nw += number * weight;
    }
    let spread = count * nn - n * n;
    (spread > 0.0).then(|| {
        let slope = (count * nw - n * w) / spread;
        (slope, (w - slope * n) / count)
    })
}

fn inverse(scale: f32) -> f32 {
    match scale == 0.0 {
        true => 0.0,
        false => scale.recip(),
    }
}

/// The nearest bfloat16.
#[inline(always)]
pub(super) fn bfloat16(value: f32) -> u16 {
    let bits = value.to_bits();
    match value.is_nan() {
        true => 0x7fc0,
        false => ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16,
    }
}

/// A bfloat16 is the upper half of a float32.
pub(super) fn widened(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}
