//! Pictures as PNG files, written fast: a deflate made for pictures, and a filter that is told rather than tried.

use std::io::Cursor;

use image::codecs::png::{CompressionType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

pub(crate) use image::codecs::png::FilterType;

/// A picture of 8 bits, red, green and blue of each pixel, as a PNG file.
///
/// # Errors
/// Why it cannot be written as PNG, such as bytes that are not those of its size.
pub fn of_rgb(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    written(
        rgb,
        (width, height),
        ExtendedColorType::Rgb8,
        FilterType::Up,
    )
}

/// Depth of 16 bits a pixel as a PNG file.
///
/// # Errors
/// As [`of_rgb`].
pub fn of_depth(depth_mm: &[u16], width: u32, height: u32) -> Result<Vec<u8>, String> {
    // The encoder takes the machine's byte order.
    let mut bytes = vec![0; 2 * depth_mm.len()];
    for (bytes, mm) in bytes.as_chunks_mut().0.iter_mut().zip(depth_mm) {
        *bytes = mm.to_ne_bytes();
    }
    let size = (width, height);
    written(&bytes, size, ExtendedColorType::L16, FilterType::Paeth)
}

pub(crate) fn written(
    bytes: &[u8],
    (width, height): (u32, u32),
    color: ExtendedColorType,
    filter: FilterType,
) -> Result<Vec<u8>, String> {
    let pixel_bytes = usize::from(color.bits_per_pixel()) / 8;
    if bytes.len() != width as usize * height as usize * pixel_bytes {
        return Err(format!(
            "{} bytes are no {width}x{height} picture",
            bytes.len()
        ));
    }
    let mut file = Cursor::new(Vec::with_capacity(bytes.len() / 4));
    PngEncoder::new_with_quality(&mut file, CompressionType::Fast, filter)
        .write_image(bytes, width, height, color)
        .map_err(|error| error.to_string())?;
    Ok(file.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_as_it_was() {
        let rgb: Vec<u8> = (0..7 * 5 * 3).map(|i| (i * 37) as u8).collect();
        let depth_mm: Vec<u16> = (0..7 * 5).map(|i| i * 1871).collect();
        let colors = image::load_from_memory(&of_rgb(&rgb, 7, 5).unwrap()).unwrap();
        let depth = image::load_from_memory(&of_depth(&depth_mm, 7, 5).unwrap()).unwrap();
        assert_eq!(colors.into_rgb8().into_raw(), rgb);
        assert_eq!(depth.into_luma16().into_raw(), depth_mm);
    }

    #[test]
    fn bytes_of_another_size_were_a_panic_of_the_encoder() {
        assert!(of_rgb(&[0; 10], 7, 5).unwrap_err().contains("7x5"));
    }
}
