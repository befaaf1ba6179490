//! A picture with numbered regions drawn in, for models and people that take no masks: each tinted in its colour, outlined,
//! and its number in its middle (set of marks, Yang et al., arXiv 2310.11441).

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::painted::painted;
use super::raster;
use crate::error::Result;
use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::imaging::Mask;

const JPEG_QUALITY: u8 = 90;
/// Of a region's colour over the picture's.
const TINT_PERCENT: u32 = 30;
/// Colours of Okabe and Ito, which most people tell apart.
const COLORS: [[u8; 3]; 6] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [213, 94, 0],
    [204, 121, 167],
];

/// The picture with the regions drawn in, as a JPEG of its size. Region N is entry N of `masks`, each of the picture's size;
/// one without a pixel is not drawn.
///
/// # Errors
/// As [`overlay::jpeg`](crate::overlay::jpeg).
pub fn jpeg(color: &ColorImage, masks: &[Mask]) -> Result<Vec<u8>> {
    let marked = marked(color, masks)?;
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .write_image(
            &marked.rgb,
            color.width,
            color.height,
            ExtendedColorType::Rgb8,
        )
        .map_err(raster::render)?;
    Ok(bytes)
}

/// The same as pixels.
///
/// # Errors
/// As [`jpeg`].
pub fn marked(color: &ColorImage, masks: &[Mask]) -> Result<ColorImage> {
    let (width, height) = (color.width, color.height);
    let mut rgb = color.rgb.to_vec();
    let mut labels = String::new();
    let fitting = masks
        .iter()
        .enumerate()
        .filter(|(_, mask)| (mask.width, mask.height) == (width, height));
    for (number, mask) in fitting {
        let tint = COLORS[number % COLORS.len()];
        tint_pixels(&mut rgb, mask, tint);
        if let Some(middle) = middle(mask) {
            labels += &label(number, middle, tint, (width, height));
        }
    }
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' font-family='DejaVu Sans' \
         font-weight='bold'>{labels}</svg>"
    );
    let tinted = ColorImage {
        width,
        height,
        rgb: rgb.into(),
    };
    let rgb = painted(&tinted, &svg)?.into();
    Ok(ColorImage { width, height, rgb })
}

/// The region in its colour, on its edge without the picture's.
fn tint_pixels(rgb: &mut [u8], mask: &Mask, tint: [u8; 3]) {
    let (width, height) = (mask.width as usize, mask.height as usize);
    let thick = (width.max(height) / 320).max(1);
    let inside = |x: usize, y: usize| {
        mask.data
            .get(y * width + x)
            .is_some_and(|inside| *inside != 0)
    };
    for (at, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = (at % width.max(1), at / width.max(1));
        if !inside(x, y) {
            continue;
        }
        let within = x >= thick && y >= thick && x + thick < width && y + thick < height;
        let is_edge = !within
            || !inside(x - thick, y)
            || !inside(x + thick, y)
            || !inside(x, y - thick)
            || !inside(x, y + thick);
        for (channel, tint) in pixel.iter_mut().zip(tint) {
            let percent = if is_edge { 100 } else { TINT_PERCENT };
            let mixed = u32::from(*channel) * (100 - percent) + u32::from(tint) * percent;
            *channel = (mixed / 100) as u8;
        }
    }
}

/// The region's pixel that is nearest to the mean of them all.
fn middle(mask: &Mask) -> Option<(f64, f64)> {
    let width = mask.width as usize;
    let pixels = mask
        .data
        .iter()
        .enumerate()
        .filter(|(_, inside)| **inside != 0);
    let places = pixels.map(|(at, _)| ((at % width) as f64, (at / width) as f64));
    let (count, x, y) = places
        .clone()
        .fold((0.0, 0.0, 0.0), |(count, sum_x, sum_y), (x, y)| {
            (count + 1.0, sum_x + x, sum_y + y)
        });
    let mean = (x / f64::max(count, 1.0), y / f64::max(count, 1.0));
    let far = |place: &(f64, f64)| (place.0 - mean.0).hypot(place.1 - mean.1);
    places.min_by(|one, other| far(one).total_cmp(&far(other)))
}

/// A number on a plate, whole within the picture.
fn label(
    number: usize,
    (x, y): (f64, f64),
    [red, green, blue]: [u8; 3],
    size: (u32, u32),
) -> String {
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    let text_px = (width.max(height) / 28.0).clamp(10.0, 40.0);
    let text = number.to_string();
    let plate = (
        text.len() as f64 * text_px * 0.7 + text_px * 0.5,
        text_px * 1.3,
    );
    let left = (x - plate.0 / 2.0).clamp(0.0, (width - plate.0).max(0.0));
    let top = (y - plate.1 / 2.0).clamp(0.0, (height - plate.1).max(0.0));
    let (text_x, text_y) = (left + plate.0 / 2.0, top + text_px);
    format!(
        "<rect x='{left:.1}' y='{top:.1}' width='{:.1}' height='{:.1}' rx='3' fill='#111'/>\
         <text x='{text_x:.1}' y='{text_y:.1}' text-anchor='middle' font-size='{text_px:.1}' \
         fill='rgb({red},{green},{blue})'>{text}</text>",
        plate.0, plate.1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_tinted_and_numbered_and_the_rest_is_left_alone() {
        // Given a grey picture with a region on its left
        let color = ColorImage {
            width: 80,
            height: 60,
            rgb: vec![100; 80 * 60 * 3].into(),
        };
        let data = (0..80 * 60).map(|at| u8::from(at % 80 < 40)).collect();
        let mask = Mask {
            width: 80,
            height: 60,
            data,
        };
        // When it is drawn
        let marked = marked(&color, &[mask]).unwrap();
        // Then its pixels are of its colour, its number stands in its middle, and nothing else changed
        let pixel = |x: usize, y: usize| &marked.rgb[(y * 80 + x) * 3..][..3];
        assert_eq!(pixel(10, 10), [139, 117, 70]);
        assert_eq!(pixel(0, 10), COLORS[0]);
        assert_eq!(pixel(60, 30), [100, 100, 100]);
        let plate = (10..30).flat_map(|x| (20..40).map(move |y| (x, y)));
        assert!(plate.clone().any(|(x, y)| pixel(x, y) == [17, 17, 17]));
    }

    #[test]
    fn a_region_without_a_pixel_or_of_another_size_is_not_drawn() {
        let color = ColorImage {
            width: 8,
            height: 6,
            rgb: vec![100; 8 * 6 * 3].into(),
        };
        let empty = Mask {
            width: 8,
            height: 6,
            data: vec![0; 48],
        };
        let other = Mask {
            width: 6,
            height: 8,
            data: vec![1; 48],
        };
        let marked = marked(&color, &[empty, other]).unwrap();
        assert_eq!(marked.rgb, color.rgb);
        assert!(!jpeg(&color, &[]).unwrap().is_empty());
    }
}
