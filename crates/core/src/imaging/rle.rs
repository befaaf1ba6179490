//! Masks in COCO's compressed run-length form: runs down the columns, beginning with what is outside,
//! each written as its difference from the run two before in characters of five bits.

use serde::Serialize;

/// A mask of more pixels than any camera's is a mistake, and not to be held in memory.
const MAX_PIXELS: u64 = 1 << 28;

/// One region's mask, as pycocotools reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rle {
    /// Height and width in pixels.
    pub size: [u32; 2],
    /// The runs' lengths, coded.
    pub counts: String,
}

impl Rle {
    /// `inside` tells of a pixel, by its row-major index, whether it belongs to the mask.
    pub fn encode(width: u32, height: u32, inside: impl Fn(usize) -> bool) -> Self {
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

/// The pixels inside, row by row, 1 where the mask is and 0 elsewhere, of `counts` in the coded form for a picture of that
/// size.
///
/// # Errors
/// What is wrong with them, in words.
pub fn decode(counts: &str, width: u32, height: u32) -> Result<Vec<u8>, String> {
    let runs = numbers(counts)?;
    decode_runs(&runs, width, height)
}

/// The same of the runs' lengths as numbers.
///
/// # Errors
/// As [`decode`].
pub fn decode_runs(runs: &[i64], width: u32, height: u32) -> Result<Vec<u8>, String> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(format!("a mask of {width}x{height} pixels"));
    }
    let (columns, rows) = (width as usize, height as usize);
    let mut data = vec![0; columns * rows];
    let (mut at, mut inside) = (0usize, 0u8);
    for run in runs {
        let end = usize::try_from(*run)
            .ok()
            .and_then(|run| at.checked_add(run));
        let end = end.filter(|end| *end <= data.len());
        let end =
            end.ok_or_else(|| format!("runs that do not fit into {width}x{height} pixels"))?;
        for pixel in at..end {
            // Down the columns.
            if let Some(value) = data.get_mut(pixel % rows * columns + pixel / rows) {
                *value = inside;
            }
        }
        (at, inside) = (end, 1 - inside);
    }
    match at == data.len() {
        true => Ok(data),
        false => Err(format!(
            "runs of {at} pixels for a picture of {width}x{height}"
        )),
    }
}

/// The runs' lengths, of which from the fourth on only the change is written.
fn numbers(counts: &str) -> Result<Vec<i64>, String> {
    let mut runs: Vec<i64> = Vec::new();
    let mut bytes = counts.bytes();
    while let Some(first) = bytes.next() {
        let (mut number, mut shift, mut byte) = (0i64, 0u32, first);
        loop {
            let bits = byte.checked_sub(48).filter(|bits| *bits < 64 && shift < 60);
            let bits = i64::from(bits.ok_or("characters that code no run")?);
            number |= (bits & 0x1f) << shift;
            shift += 5;
            if bits & 0x20 == 0 {
                if bits & 0x10 != 0 {
                    number |= -1 << shift;
                }
                break;
            }
            byte = bytes.next().ok_or("a run that is cut off")?;
        }
        if runs.len() > 2 {
            number = number.wrapping_add(runs[runs.len() - 2]);
        }
        runs.push(number);
    }
    Ok(runs)
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
    fn what_is_written_is_read_again() {
        let disc = |x: i64, y: i64| (x - 70).pow(2) + (y - 50).pow(2) < 900;
        let counts = encoded(160, 120, disc);
        let data = decode(&counts, 160, 120).unwrap();
        let expected = (0..120).flat_map(|y| (0..160).map(move |x| u8::from(disc(x, y))));
        assert!(data.iter().copied().eq(expected));
        // pycocotools' own, as above
        let small = decode("7330:N", 5, 6).unwrap();
        assert_eq!(small.iter().filter(|inside| **inside == 1).count(), 7);
        assert_eq!(small[5 * 5 + 4], 1);
    }

    #[test]
    fn what_codes_no_mask_of_the_size_is_refused() {
        for counts in ["", "7330:N", "\u{1}", "o", "oooooooooooooooooooo0", "深"] {
            assert!(decode(counts, 4, 3).is_err(), "{counts:?}");
        }
        assert!(decode_runs(&[3, -1], 4, 3).is_err());
        assert!(decode_runs(&[i64::MAX, 5], 4, 3).is_err());
        assert!(decode("0", u32::MAX, u32::MAX).is_err());
        assert_eq!(decode_runs(&[11, 1], 4, 3).unwrap()[11], 1);
    }

    #[test]
    fn nothing_and_everything_are_one_run_of_their_kind() {
        assert_eq!(encoded(4, 3, |_, _| false), "<");
        assert_eq!(encoded(4, 3, |_, _| true), "0<");
    }
}
