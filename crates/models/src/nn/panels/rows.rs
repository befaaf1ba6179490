//! Rows of inputs as a kind of weights wants them, each by itself.

use super::groups::{bfloat16, nearest};

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

/// Rows (R, columns), of those that are multiplied together the same column side by side.
#[derive(Debug)]
pub(super) struct Together<T> {
    /// (rows / together, columns, together)
    values: Vec<T>,
    columns: usize,
}

impl<T: Copy + Default> Together<T> {
    /// `columns` gives what becomes of a row.
    fn of<'a, I: Iterator<Item = T>>(
        x: &'a [f32],
        inputs: usize,
        columns: usize,
        of_row: impl Fn(&'a [f32]) -> I,
    ) -> Self {
        let inputs = inputs.max(1);
        let count = x.len() / inputs;
        let mut values = vec![T::default(); count * columns];
        let mut row = 0;
        while row < count {
            let together = rows_together(count - row);
            let place = &mut values[row * columns..][..together * columns];
            let x = &x[row * inputs..][..together * inputs];
            match together {
                // The usual one: four rows at once.
                MOST_ROWS => {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|r| of_row(&x[r * inputs..][..inputs]));
                    let all = a.zip(b).zip(c.zip(d));
                    for (place, ((a, b), (c, d))) in place.as_chunks_mut().0.iter_mut().zip(all) {
                        *place = [a, b, c, d];
                    }
                }
                _ => {
                    for (r, row) in x.chunks_exact(inputs).enumerate() {
                        let places = place.iter_mut().skip(r).step_by(together);
                        for (place, value) in places.zip(of_row(row)) {
                            *place = value;
                        }
                    }
                }
            }
            row += together;
        }
        Self { values, columns }
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// `R` rows that are multiplied together, (columns, R).
    #[inline(always)]
    pub(super) fn rows<const R: usize>(&self, first: usize) -> &[[T; R]] {
        self.values[first * self.columns..][..R * self.columns]
            .as_chunks()
            .0
    }
}

/// A number a column.
pub(super) fn single(x: &[f32], inputs: usize) -> Together<f32> {
    Together::of(x, inputs, inputs, |row| row.iter().copied())
}

/// Two numbers a column; zero stands behind the last.
pub(super) fn pairs(x: &[f32], inputs: usize) -> Together<[f32; 2]> {
    Together::of(x, inputs, inputs.div_ceil(2), pairs_of)
}

/// The same rounded to bfloat16, the even one in the lower half.
pub(super) fn halves(x: &[f32], inputs: usize) -> Together<u32> {
    Together::of(x, inputs, inputs.div_ceil(2), |row| {
        pairs_of(row).map(pair_of_halves)
    })
}

/// Two numbers rounded to bfloat16.
#[inline(always)]
pub(super) fn pair_of_halves([even, odd]: [f32; 2]) -> u32 {
    u32::from(bfloat16(even)) | u32::from(bfloat16(odd)) << 16
}

fn pairs_of(row: &[f32]) -> impl Iterator<Item = [f32; 2]> {
    let (pairs, rest) = row.as_chunks::<2>();
    let rest = rest.iter().map(|last| [*last, 0.0]);
    pairs.iter().copied().chain(rest)
}

/// Rows (R, in) brought to eight bits: a group's numbers share a scale, as a matrix's do.
#[derive(Debug)]
pub(super) struct QuantisedRows {
    pub groups: usize,
    /// Words of a group.
    pub group_words: usize,
    /// Whole numbers (rows / together, groups, group / 4, together), four in a word, the first in its lowest byte.
    pub words: Vec<u32>,
    /// What they share (rows / together, groups, together).
    pub shared: Vec<Shared>,
}

/// What a group's numbers share.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shared {
    pub scale: f32,
    /// Of the whole numbers.
    pub sum: i32,
    /// Of what they stand for.
    pub total: f32,
}

impl QuantisedRows {
    /// `group` is a multiple of four. A last group that is not whole is filled up with zeros.
    pub(super) fn of(x: &[f32], inputs: usize, group: usize) -> Self {
        let (groups, group_words) = (inputs.div_ceil(group), group / 4);
        let count = x.len() / inputs.max(1);
        let mut words = vec![0; count * groups * group_words];
        let mut shared = vec![Shared::default(); count * groups];
        let mut row = 0;
        while row < count {
            let together = rows_together(count - row);
            let words = &mut words[row * groups * group_words..];
            let shared = &mut shared[row * groups..];
            for r in 0..together {
                let x = &x[(row + r) * inputs..][..inputs];
                for (index, values) in x.chunks(group).enumerate() {
                    let words = &mut words[index * group_words * together..];
                    let words = words.iter_mut().skip(r).step_by(together);
                    shared[index * together + r] = round(values, words);
                }
            }
            row += together;
        }
        Self {
            groups,
            group_words,
            words,
            shared,
        }
    }
}

/// Rounds a group; what is not finite makes its scale no number, and with it all that it is multiplied with.
fn round<'a>(values: &[f32], words: impl Iterator<Item = &'a mut u32>) -> Shared {
    let mut largest = 0.0_f32;
    let mut is_finite = true;
    for value in values {
        largest = largest.max(value.abs());
        is_finite &= value.is_finite();
    }
    if !is_finite {
        return Shared {
            scale: f32::NAN,
            sum: 0,
            total: f32::NAN,
        };
    }
    let scale = largest / 127.0;
    // A group of zeros, or of what is too small to be divided by.
    let inverse = match scale.recip() {
        inverse if inverse.is_finite() => inverse,
        _ => 0.0,
    };
    let mut sum = 0;
    for (values, word) in values.chunks(4).zip(words) {
        let mut bytes = [0_u8; 4];
        for (value, byte) in values.iter().zip(&mut bytes) {
            let number = nearest(value * inverse) as i8;
            sum += i32::from(number);
            *byte = number as u8;
        }
        *word = u32::from_le_bytes(bytes);
    }
    Shared {
        scale,
        sum,
        total: scale * sum as f32,
    }
}
