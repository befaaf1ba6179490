//! Colour from a Bayer mosaic by bilinear interpolation. The border is mirrored about the outermost
//! row and column, which keeps each mirrored sample's colour.

use super::raster;
use crate::error::{Error, Result};
use crate::frame::ColorImage;

/// Where the red samples are: the parity of their column and row. Blue is diagonal to red.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mosaic {
    red_x: usize,
    red_y: usize,
}

impl Mosaic {
    /// The mosaic and the bits per sample of a ROS encoding name, which spells the first two rows.
    pub(super) fn from_encoding(encoding: &str) -> Option<(Self, u8)> {
        let (pattern, bits) = encoding.strip_prefix("bayer_")?.split_at_checked(4)?;
        let (red_x, red_y) = match pattern {
            "rggb" => (0, 0),
            "grbg" => (1, 0),
            "gbrg" => (0, 1),
            "bggr" => (1, 1),
            _ => return None,
        };
        let bits = match bits {
            "8" => 8,
            "16" => 16,
            _ => return None,
        };
        Some((Self { red_x, red_y }, bits))
    }
}

/// The colours of `samples`, one byte a pixel, row after row without padding.
pub(super) fn demosaic(
    type_name: &str,
    width: u32,
    height: u32,
    samples: &[u8],
    mosaic: Mosaic,
) -> Result<ColorImage> {
    let pixels = raster::checked_pixels(type_name, width, height)?;
    if width < 2 || height < 2 || samples.len() != pixels {
        return Err(Error::decode(
            type_name,
            format!(
                "a Bayer image needs at least 2x2 pixels, one sample each; this one has {width}x{height} and {} samples",
                samples.len()
            ),
        ));
    }
    let rows: Vec<Vec<u8>> = samples.chunks_exact(width as usize).map(mirrored).collect();
    let mut rgb = vec![0; pixels * 3];
    for (y, out) in rgb.chunks_exact_mut(width as usize * 3).enumerate() {
        let above = if y == 0 { 1 } else { y - 1 };
        let below = if y + 1 == rows.len() { y - 1 } else { y + 1 };
        let neighbours = [&rows[above], &rows[y], &rows[below]];
        demosaic_row(neighbours, y, mosaic, out.as_chunks_mut::<3>().0);
    }
    Ok(ColorImage {
        width,
        height,
        rgb: rgb.into(),
    })
}

/// A row of at least two samples, with one more at either end.
fn mirrored(row: &[u8]) -> Vec<u8> {
    let mut padded = Vec::with_capacity(row.len() + 2);
    padded.push(row[1]);
    padded.extend_from_slice(row);
    padded.push(row[row.len() - 2]);
    padded
}

fn demosaic_row(
    [above, here, below]: [&Vec<u8>; 3],
    y: usize,
    mosaic: Mosaic,
    out: &mut [[u8; 3]],
) {
    let on_red_row = y % 2 == mosaic.red_y;
    let windows = above.windows(3).zip(here.windows(3)).zip(below.windows(3));
    for (x, (((up, mid), down), out)) in windows.zip(out).enumerate() {
        let beside = mean2(mid[0], mid[2]);
        let over_and_under = mean2(up[1], down[1]);
        // On a red row the samples are red and green in turn, on the others green and blue.
        let on_green = (x % 2 == mosaic.red_x) != on_red_row;
        let (of_this_row, green, of_other_row) = if on_green {
            (beside, mid[1], over_and_under)
        } else {
            let across = mean4([up[1], mid[0], mid[2], down[1]]);
            let diagonal = mean4([up[0], up[2], down[0], down[2]]);
            (mid[1], across, diagonal)
        };
        *out = if on_red_row {
            [of_this_row, green, of_other_row]
        } else {
            [of_other_row, green, of_this_row]
        };
    }
}

fn mean2(a: u8, b: u8) -> u8 {
    (u16::from(a) + u16::from(b)).div_ceil(2) as u8
}

fn mean4(values: [u8; 4]) -> u8 {
    ((values.into_iter().map(u16::from).sum::<u16>() + 2) / 4) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_gives_back_a_plain_colour_up_to_the_border() {
        for (encoding, first_rows) in [
            ("bayer_rggb8", [[200, 100], [100, 50]]),
            ("bayer_grbg8", [[100, 200], [50, 100]]),
            ("bayer_gbrg8", [[100, 50], [200, 100]]),
            ("bayer_bggr8", [[50, 100], [100, 200]]),
        ] {
            // Given a mosaic of one colour, of odd width and height
            let samples: Vec<u8> = (0..5 * 3)
                .map(|i| first_rows[(i / 5) % 2][(i % 5) % 2])
                .collect();
            // When it is demosaiced
            let (mosaic, _) = Mosaic::from_encoding(encoding).unwrap();
            let color = demosaic("Image", 5, 3, &samples, mosaic).unwrap();
            // Then every pixel has that colour
            for pixel in color.rgb.chunks(3) {
                assert_eq!(pixel, [200, 100, 50], "{encoding}");
            }
        }
    }

    #[test]
    fn a_single_row_is_refused() {
        let (mosaic, _) = Mosaic::from_encoding("bayer_rggb8").unwrap();
        let error = demosaic("Image", 4, 1, &[0; 4], mosaic).unwrap_err();
        assert!(error.to_string().contains("4x1"));
    }
}
