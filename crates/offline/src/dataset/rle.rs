//! Masks in COCO's compressed run-length form: runs down the columns, beginning with what is outside,
//! each written as its difference from the run two before in characters of five bits.

use serde::Serialize;

/// One region's mask, as pycocotools reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Rle {
    /// Height and width in pixels.
    pub size: [u32; 2],
    /// The runs' lengths, coded.
    pub counts: String,
}

impl Rle {
    /// `inside` tells of a pixel, by its row-major index, whether it belongs to the mask.
    pub(crate) fn encode(width: u32, height: u32, inside: impl Fn(usize) -> bool) -> Self {
        let runs = runs(width as usize, height as usize, inside);
        let mut counts = String::new();
        for (index, &run) in runs.iter().enumerate() {
            // From the fourth run on only the change is written.
            let before = if index > 2 { runs[index - 2] } else { 0 };
            push_number(&mut counts, run - before);
        }
        Self {
            size: [height, width],
            counts,
        }
    }
}

impl Rle {
    /// The mask: row by row, 1 inside.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn decode(&self) -> Result<Vec<u8>, String> {
        decoded(self.size, &numbers(&self.counts)?)
    }
}

/// The mask of runs that are not coded: row by row, 1 inside.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn decoded([height, width]: [u32; 2], runs: &[i64]) -> Result<Vec<u8>, String> {
    let (width, height) = (width as usize, height as usize);
    let pixels = width.checked_mul(height).ok_or("the mask is too large")?;
    let mut total = 0_usize;
    for run in runs {
        let run = usize::try_from(*run).map_err(|_| "a run of the mask is negative")?;
        total = total
            .checked_add(run)
            .ok_or("the mask's runs are too long")?;
    }
    if total != pixels {
        return Err(format!(
            "the mask's runs are {total} pixels long, and its size is {width}x{height}"
        ));
    }
    let mut mask = vec![0; pixels];
    let mut at = 0;
    for (index, run) in runs.iter().enumerate() {
        let end = at + *run as usize;
        if index % 2 == 1 {
            for pixel in at..end {
                let (column, row) = (pixel / height, pixel % height);
                if let Some(inside) = mask.get_mut(row * width + column) {
                    *inside = 1;
                }
            }
        }
        at = end;
    }
    Ok(mask)
}

/// The runs' lengths of coded ones.
fn numbers(counts: &str) -> Result<Vec<i64>, String> {
    let wrong = || "the mask's counts are no run lengths of COCO's form".to_owned();
    let mut runs: Vec<i64> = Vec::new();
    let (mut number, mut shift) = (0_i64, 0_u32);
    for byte in counts.bytes() {
        let bits = byte
            .checked_sub(48)
            .filter(|bits| *bits < 64)
            .ok_or_else(wrong)?;
        if shift > 50 {
            return Err(wrong());
        }
        number |= i64::from(bits & 0x1f) << shift;
        shift += 5;
        if bits & 0x20 == 0 {
            if bits & 0x10 != 0 {
                number -= 1 << shift;
            }
            let before = match runs.len() > 2 {
                true => runs.get(runs.len() - 2).copied().unwrap_or(0),
                false => 0,
            };
            runs.push(number + before);
            (number, shift) = (0, 0);
        }
    }
    match shift {
        0 => Ok(runs),
        _ => Err(wrong()),
    }
}

/// Lengths of the runs outside and inside, in turn, down the columns from the left.
fn runs(width: usize, height: usize, inside: impl Fn(usize) -> bool) -> Vec<i64> {
    let mut runs = Vec::new();
    let (mut current, mut length) = (false, 0);
    for column in 0..width {
        for row in 0..height {
            let pixel = inside(row * width + column);
            if pixel != current {
                runs.push(length);
                (current, length) = (pixel, 0);
            }
            length += 1;
        }
    }
    runs.push(length);
    runs
}

/// Five bits a character, the lowest first; the sixth says that more follow, the fifth of the last one
/// is the sign.
fn push_number(text: &mut String, mut number: i64) {
    loop {
        let bits = (number & 0x1f) as u8;
        number >>= 5;
        let more = if bits & 0x10 != 0 {
            number != -1
        } else {
            number != 0
        };
        text.push(char::from(bits + if more { 0x20 } else { 0 } + 48));
        if !more {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(width: u32, height: u32, inside: impl Fn(i64, i64) -> bool) -> String {
        let rle = Rle::encode(width, height, |index| {
            let index = index as i64;
            inside(index % i64::from(width), index / i64::from(width))
        });
        assert_eq!(rle.size, [height, width]);
        rle.counts
    }

    /// The strings are what pycocotools 2 writes for the same masks.
    #[test]
    fn masks_are_written_as_pycocotools_writes_them() {
        // two runs of three pixels, and the last pixel
        let small = encoded(5, 6, |x, y| {
            (1..4).contains(&y) && (1..3).contains(&x) || (x, y) == (4, 5)
        });
        assert_eq!(small, "7330:N");
        // a disc: runs that grow and shrink, so differences of both signs and numbers of two characters
        let disc = encoded(160, 120, |x, y| (x - 70).pow(2) + (y - 50).pow(2) < 900);
        assert_eq!(
            disc,
            "Sk4?V36J6L2M4M2M4M2N2N2N2O0O2N2O0O2N2O000O2O000O2O0000000000000000000000000001N10001N\
             10001N2N101N2N101N2N2N2N3L3N3L3N4J6Jho6"
        );
    }

    #[test]
    fn what_is_written_is_read_back_and_nonsense_is_refused() {
        let mut random = spatial_reward_core::random::Random(3);
        for density in [0, 5, 50, 95, 100] {
            // Given masks of all densities
            let mask: Vec<u8> = (0..37 * 23)
                .map(|_| u8::from(random.below(100) < density))
                .collect();
            // When they are written and read
            let rle = Rle::encode(37, 23, |index| mask[index] == 1);
            // Then they are the same
            assert_eq!(rle.decode().unwrap(), mask);
        }
        for wrong in ["", "73", "7330:", "\u{1}", "oooooooooooooooo0"] {
            let (size, counts) = ([6, 5], wrong.to_owned());
            assert!(Rle { size, counts }.decode().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_and_everything_are_one_run_of_their_kind() {
        assert_eq!(encoded(4, 3, |_, _| false), "<");
        assert_eq!(encoded(4, 3, |_, _| true), "0<");
    }
}
