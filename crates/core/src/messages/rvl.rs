//! RVL, the lossless depth codec of A. Wilson, "Fast Lossless Depth Image Compression" (2017), in
//! the container that ROS's compressed depth transport puts around it: columns, rows, then words.
//!
//! The picture is a series of runs: how many zeros, how many non-zeros, and then for each non-zero
//! pixel the zigzag-coded difference to the non-zero pixel before it. Every number is a chain of
//! nibbles, three value bits each from the lowest up, the fourth bit saying that more follow.
//! Nibbles fill 32-bit little-endian words from the top.

use super::raster;
use crate::error::{Error, Result};

/// 16-bit pixels in rows of `width`.
pub(super) struct Plane {
    pub width: u32,
    pub height: u32,
    pub values: Vec<u16>,
}

/// Decodes columns (u32), rows (u32) and the RVL words behind them.
pub(super) fn decode(type_name: &str, data: &[u8]) -> Result<Plane> {
    let (header, words) = data.split_first_chunk::<8>().ok_or_else(|| {
        Error::decode(
            type_name,
            format!(
                "RVL data has {} bytes, too few for its size of 8 bytes",
                data.len()
            ),
        )
    })?;
    let [w0, w1, w2, w3, h0, h1, h2, h3] = *header;
    let width = u32::from_le_bytes([w0, w1, w2, w3]);
    let height = u32::from_le_bytes([h0, h1, h2, h3]);
    let pixels = raster::checked_pixels(type_name, width, height)?;
    let values = decode_runs(words, pixels).map_err(|(what, at)| {
        Error::decode(
            type_name,
            format!("RVL data of a {width}x{height} image {what} at pixel {at}"),
        )
    })?;
    Ok(Plane {
        width,
        height,
        values,
    })
}

/// Fails with what went wrong and after how many pixels.
fn decode_runs(
    words: &[u8],
    pixels: usize,
) -> std::result::Result<Vec<u16>, (&'static str, usize)> {
    const ENDS: &str = "ends early";
    const TOO_LONG: &str = "has a run beyond the image's end";
    let mut nibbles = Nibbles::new(words);
    let mut values: Vec<u16> = Vec::new();
    let mut previous: u16 = 0;
    while values.len() < pixels {
        let decoded = values.len();
        let zeros = nibbles.number().ok_or((ENDS, decoded))? as usize;
        let nonzeros = nibbles.number().ok_or((ENDS, decoded))? as usize;
        let remaining = pixels - decoded;
        if zeros > remaining || nonzeros > remaining - zeros {
            return Err((TOO_LONG, decoded));
        }
        values.resize(decoded + zeros, 0);
        for _ in 0..nonzeros {
            let zigzag = nibbles.number().ok_or((ENDS, values.len()))?;
            let difference = (zigzag >> 1) ^ (zigzag & 1).wrapping_neg();
            // Differences are taken modulo 2^16, as the encoder's are.
            previous = previous.wrapping_add(difference as u16);
            values.push(previous);
        }
    }
    Ok(values)
}

struct Nibbles<'a> {
    words: std::slice::Iter<'a, [u8; 4]>,
    word: u32,
    left: u32,
}

impl<'a> Nibbles<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            words: bytes.as_chunks::<4>().0.iter(),
            word: 0,
            left: 0,
        }
    }

    fn nibble(&mut self) -> Option<u32> {
        if self.left == 0 {
            self.word = u32::from_le_bytes(*self.words.next()?);
            self.left = 8;
        }
        let nibble = self.word >> 28;
        self.word <<= 4;
        self.left -= 1;
        Some(nibble)
    }

    /// `None` when the data ends, or with a number of more than 32 bits.
    fn number(&mut self) -> Option<u32> {
        let mut number = 0;
        for shift in (0..32).step_by(3) {
            let nibble = self.nibble()?;
            number |= (nibble & 0b0111) << shift;
            if nibble & 0b1000 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nibbles from the top of little-endian words, the last one filled up with zeros.
    fn image(width: u32, height: u32, nibbles: &[u32]) -> Vec<u8> {
        let mut bytes = [width.to_le_bytes(), height.to_le_bytes()].concat();
        for chunk in nibbles.chunks(8) {
            let word = (0..8).fold(0, |word, i| word << 4 | chunk.get(i).unwrap_or(&0));
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn runs_and_differences_are_decoded() {
        // 1 zero, 2 non-zeros: +9 (zigzag 18 = 2 | 2 << 3), -1 (zigzag 1); 1 zero, 0 non-zeros
        let data = image(2, 2, &[1, 2, 0b1010, 2, 1, 1, 0]);
        assert_eq!(
            decode("CompressedImage", &data).unwrap().values,
            [0, 9, 8, 0]
        );
    }

    #[test]
    fn an_all_zero_image_is_one_run() {
        let data = image(4, 4, &[0b1000, 2, 0]);
        assert_eq!(decode("CompressedImage", &data).unwrap().values, [0; 16]);
    }

    #[test]
    fn broken_data_is_refused_where_it_breaks() {
        for (data, expected) in [
            (
                image(2, 2, &[0b1000, 1, 0]),
                "beyond the image's end at pixel 0",
            ),
            (image(2, 2, &[1, 4]), "beyond the image's end at pixel 0"),
            (image(64, 64, &[0, 7, 2, 2]), "ends early at pixel 6"),
            (image(8, 8, &[15; 80]), "ends early"),
            (image(0, 8, &[0]), "0x8"),
            (image(u32::MAX, u32::MAX, &[0]), "4294967295x4294967295"),
            (vec![1, 2, 3], "3 bytes"),
        ] {
            let error = decode("CompressedImage", &data).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
