//! Rows of inputs as a kind of weights wants them, each by itself.

use pulp::{Arch, Simd, WithSimd};

use super::groups::{Bits, bfloat16, nearest};

/// Rows that are multiplied together.
pub(super) const MOST_ROWS: usize = 4;

/// How many rows are multiplied together where so many are left.
#[inline(always)]
pub(super) fn rows_together(left: usize) -> usize {
    match left {
        MOST_ROWS.. => MOST_ROWS,
        2.. => 2,
        _ => 1,
    }
}

/// Rows (R, columns), one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub values: &'a [T],
    pub columns: usize,
}

impl<'a, T> Rows<'a, T> {
    /// These columns of `R` rows from `first` on.
    #[inline(always)]
    pub(super) fn part<const R: usize>(
        &self,
        first: usize,
        columns: &std::ops::Range<usize>,
    ) -> [&'a [T]; R] {
        let mut rows: [&[T]; R] = [&[]; R];
        for (r, row) in rows.iter_mut().enumerate() {
            *row = &self.values[(first + r) * self.columns..][columns.clone()];
        }
        rows
    }
}

/// Rows of an odd number of columns with a zero behind each.
pub(super) fn padded(x: &[f32], inputs: usize) -> Vec<f32> {
    let rows = x.chunks_exact(inputs.max(1));
    let mut padded = Vec::with_capacity(x.len() + rows.len());
    for row in rows {
        padded.extend_from_slice(row);
        padded.push(0.0);
    }
    padded
}

/// An even number of numbers rounded to bfloat16, two in a word, the even one in the lower half.
pub(super) fn halves(x: &[f32]) -> Vec<u32> {
    let mut words = vec![0; x.len() / 2];
    Arch::new().dispatch(ToHalves {
        x,
        y: bytemuck::cast_slice_mut(&mut words),
    });
    words
}

/// Written so that the compiler makes the widest instructions of it.
struct ToHalves<'a> {
    x: &'a [f32],
    y: &'a mut [u16],
}

impl WithSimd for ToHalves<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y = bfloat16(*x);
        }
    }
}

/// Two numbers rounded to bfloat16, the even one in the lower half.
#[inline(always)]
pub(super) fn pair_of_halves([even, odd]: [f32; 2]) -> u32 {
    u32::from(bfloat16(even)) | u32::from(bfloat16(odd)) << 16
}

/// Rows (R, in) as whole numbers, which in a group share a scale, as a matrix's do: of eight bits where weights of four are rounded
/// more than that, and of two parts, that is of fifteen bits, where weights of eight are not.
#[derive(Debug)]
pub(super) struct QuantisedRows {
    pub groups: usize,
    /// Words of a group.
    pub group_words: usize,
    /// (R, groups, group / 4), four numbers in a word, the first in its lowest byte: all that there is of eight bits, else the part
    /// that counts [`PART`] times.
    pub words: Vec<u32>,
    /// The other part; empty of eight bits.
    pub low: Vec<u32>,
    /// What they share (R, groups).
    pub shared: Vec<Shared>,
}

/// How often the upper part counts. Neither part is beyond 127, so both have a negative.
pub(super) const PART: i32 = 255;

/// What a group's numbers share.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shared {
    pub scale: f32,
    /// Of each part's numbers.
    pub sums: [i32; 2],
    /// Of what they stand for.
    pub total: f32,
}

impl QuantisedRows {
    /// `group` is a multiple of four. A last group that is not whole is filled up with zeros.
    pub(super) fn of(x: &[f32], inputs: usize, bits: Bits) -> Self {
        let group = bits.group();
        let groups = inputs.div_ceil(group);
        let count = x.len() / inputs.max(1);
        let mut words = vec![0_u32; count * groups * group / 4];
        let mut low = match bits {
            Bits::Eight => words.clone(),
            Bits::Four => Vec::new(),
        };
        let mut shared = vec![Shared::default(); count * groups];
        Arch::new().dispatch(Round {
            x,
            inputs,
            group,
            numbers: bytemuck::cast_slice_mut(&mut words),
            low: bytemuck::cast_slice_mut(&mut low),
            shared: &mut shared,
        });
        Self {
            groups,
            group_words: group / 4,
            words,
            low,
            shared,
        }
    }
}

struct Round<'a> {
    x: &'a [f32],
    inputs: usize,
    group: usize,
    numbers: &'a mut [i8],
    low: &'a mut [i8],
    shared: &'a mut [Shared],
}

impl WithSimd for Round<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let groups = self.inputs.div_ceil(self.group);
        let row = (groups * self.group).max(1);
        let mut low = self.low.chunks_exact_mut(row);
        let rows = self.x.chunks_exact(self.inputs.max(1));
        let rows = rows.zip(self.numbers.chunks_exact_mut(row));
        for ((x, numbers), shared) in rows.zip(self.shared.chunks_exact_mut(groups.max(1))) {
            let mut low = low.next().map(|low| low.chunks_exact_mut(self.group));
            let groups = x
                .chunks(self.group)
                .zip(numbers.chunks_exact_mut(self.group));
            for ((x, numbers), shared) in groups.zip(shared) {
                *shared = match low.as_mut().and_then(Iterator::next) {
                    Some(low) => round_in_parts(x, numbers, low),
                    None => round(x, numbers),
                };
            }
        }
    }
}

/// The largest of a group and a scale on which it is so much; `None` where something is not finite.
#[inline(always)]
fn scaled(values: &[f32], most: f32) -> Option<(f32, f32)> {
    // Without a sign a float's bits are in its order, infinity and what is no number the last.
    let mut largest = 0_u32;
    for value in values {
        largest = largest.max(value.to_bits() & 0x7fff_ffff);
    }
    let largest = f32::from_bits(largest);
    let scale = largest / most;
    // A group of zeros, or of what is too small to be divided by.
    let inverse = match scale.recip() {
        inverse if inverse.is_finite() => inverse,
        _ => 0.0,
    };
    largest.is_finite().then_some((scale, inverse))
}

/// What is not finite makes a group's scale no number, and with it all that it is multiplied with.
const NO_NUMBER: Shared = Shared {
    scale: f32::NAN,
    sums: [0; 2],
    total: f32::NAN,
};

#[inline(always)]
fn round(values: &[f32], numbers: &mut [i8]) -> Shared {
    let Some((scale, inverse)) = scaled(values, 127.0) else {
        return NO_NUMBER;
    };
    let mut sum = 0;
    for (value, number) in values.iter().zip(numbers) {
        // Whole numbers, so that the conversion has nothing to decide.
        let whole = nearest(value * inverse) as i32;
        sum += whole;
        *number = whole as i8;
    }
    Shared {
        scale,
        sums: [sum, 0],
        total: scale * sum as f32,
    }
}

#[inline(always)]
fn round_in_parts(values: &[f32], upper: &mut [i8], lower: &mut [i8]) -> Shared {
    let Some((scale, inverse)) = scaled(values, (127 * PART + 127) as f32) else {
        return NO_NUMBER;
    };
    let mut sums = [0; 2];
    for ((value, upper), lower) in values.iter().zip(upper).zip(lower) {
        let scaled = value * inverse;
        let high = nearest(scaled * (1.0 / PART as f32)) as i32;
        let low = nearest(scaled - (PART * high) as f32) as i32;
        sums = [sums[0] + high, sums[1] + low];
        (*upper, *lower) = (high as i8, low as i8);
    }
    Shared {
        scale,
        sums,
        total: scale * (PART * sums[0] + sums[1]) as f32,
    }
}
