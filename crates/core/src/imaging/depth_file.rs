//! Metres of every pixel as a file: NumPy's format with all of their digits, or a PNG of 16-bit millimetres, as ROS has them
//! (`16UC1`).

use std::io::Cursor;

use image::{ImageBuffer, ImageFormat, Luma};

use crate::{Error, Result};

/// A PNG, and what has no place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MillimetrePng {
    /// The file.
    pub bytes: Vec<u8>,
    /// Pixels that are 0 in it, which says that nothing is known: under half a millimetre, or beyond 65.535 m.
    pub left_out: usize,
}

/// float32 of shape (height, width) in NumPy's format, version 1.0.
///
/// # Errors
/// [`Error::PixelCount`] for another number of metres.
pub fn to_npy(width: u32, height: u32, metres: &[f32]) -> Result<Vec<u8>> {
    check(width, height, metres)?;
    let header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({height}, {width}), }}");
    // Magic, version, length of the header, header: together a multiple of 64 that ends with a line break.
    let padding = 64 - (10 + header.len() + 1) % 64;
    let header = format!("{header}{:1$}\n", "", padding % 64);
    let mut bytes = Vec::with_capacity(10 + header.len() + 4 * metres.len());
    bytes.extend(b"\x93NUMPY\x01\x00");
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(metres.iter().flat_map(|metres| metres.to_le_bytes()));
    Ok(bytes)
}

/// A PNG of whole millimetres, to the nearest.
///
/// # Errors
/// [`Error::PixelCount`] for another number of metres, [`Error::EmptyPicture`] if there are none.
pub fn to_millimetre_png(width: u32, height: u32, metres: &[f32]) -> Result<MillimetrePng> {
    let expected = check(width, height, metres)?;
    let millimetres: Vec<u16> = metres.iter().map(|metres| millimetres(*metres)).collect();
    let left_out = millimetres.iter().filter(|value| **value == 0).count();
    let wrong = Error::PixelCount {
        width,
        height,
        channels: 1,
        expected,
        found: metres.len(),
    };
    let image = ImageBuffer::<Luma<u16>, _>::from_raw(width, height, millimetres).ok_or(wrong)?;
    let mut bytes = Cursor::new(Vec::new());
    // There is nothing to go wrong in memory but a picture without pixels.
    image
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(|_| Error::EmptyPicture { width, height })?;
    Ok(MillimetrePng {
        bytes: bytes.into_inner(),
        left_out,
    })
}

/// 0 where 16 bits do not hold them.
fn millimetres(metres: f32) -> u16 {
    let millimetres = (f64::from(metres) * 1000.0).round();
    match (1.0..=f64::from(u16::MAX)).contains(&millimetres) {
        true => millimetres as u16,
        false => 0,
    }
}

fn check(width: u32, height: u32, metres: &[f32]) -> Result<usize> {
    let expected = width as usize * height as usize;
    match metres.len() {
        found if found == expected => Ok(expected),
        found => Err(Error::PixelCount {
            width,
            height,
            channels: 1,
            expected,
            found,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_begins_as_numpys_does() {
        // Given shapes whose headers have many lengths
        for width in [1, 3, 12, 123, 1234, 12345] {
            let metres = vec![0.5_f32; 2 * width as usize];

            // When
            let bytes = to_npy(width, 2, &metres).unwrap();

            // Then head and numbers are where NumPy looks for them
            assert_eq!(bytes[..8], *b"\x93NUMPY\x01\x00");
            let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
            assert_eq!((10 + length) % 64, 0, "{width}");
            let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
            assert!(header.ends_with('\n') && header.contains(&format!("'shape': (2, {width})")));
            assert_eq!(bytes.len(), 10 + length + 4 * metres.len());
            assert_eq!(bytes[10 + length..][..4], 0.5_f32.to_le_bytes());
        }
    }

    #[test]
    fn what_16_bits_do_not_hold_is_zero_and_counted() {
        // Given distances at the ends of what fits, and beyond them
        let metres = [
            0.0004,
            0.0005,
            1.2344,
            1.2346,
            65.535,
            65.536,
            -0.2,
            f32::NAN,
        ];

        // When
        let png = to_millimetre_png(4, 2, &metres).unwrap();

        // Then
        let read = image::load_from_memory(&png.bytes).unwrap().to_luma16();
        assert_eq!(read.into_raw(), [0, 1, 1234, 1235, 65535, 0, 0, 0]);
        assert_eq!(png.left_out, 4);
    }

    #[test]
    fn another_number_of_metres_is_an_error() {
        assert!(to_npy(2, 2, &[1.0; 3]).is_err());
        assert!(to_millimetre_png(2, 2, &[1.0; 5]).is_err());
        assert!(to_millimetre_png(0, 2, &[]).is_err());
    }
}
