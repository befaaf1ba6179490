//! A picture with objects drawn in: their pixels tinted and outlined, and the boxes that they were asked for by.

use resvg::tiny_skia::{Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg::Tree;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::imaging::Mask;

use super::raster;
use super::svg::escaped;
use crate::error::Result;

/// Told apart on most pictures, in turn.
const COLORS: [[u8; 3]; 8] = [
    [255, 176, 0],
    [56, 217, 169],
    [92, 124, 250],
    [240, 101, 149],
    [148, 216, 45],
    [204, 93, 232],
    [34, 184, 207],
    [255, 107, 107],
];
/// How much of the colour there is inside, of 256.
const TINT: u32 = 112;

/// An object of a picture.
#[derive(Debug, Clone)]
pub struct Marked<'a> {
    /// Its pixels, of the picture's size.
    pub mask: &'a Mask,
    /// The box that it was asked for by.
    pub bbox: Option<BoundingBox>,
    /// What stands beside it.
    pub name: String,
}

/// The picture with its objects, as a PNG of its size.
///
/// # Errors
/// `Error::PixelCount` for an image whose pixels do not make up its size, `Error::EmptyPicture` for one without pixels.
pub fn png(color: &ColorImage, objects: &[Marked<'_>]) -> Result<Vec<u8>> {
    let mut pixmap = raster::canvas(color)?;
    let mut body = String::new();
    let text_px = (f64::from(color.height) / 24.0).clamp(9.0, 28.0);
    for (object, rgb) in objects.iter().zip(COLORS.iter().cycle()) {
        tint(&mut pixmap, object.mask, *rgb);
        body += &drawing(object, *rgb, text_px);
    }
    let (width, height) = (color.width, color.height);
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' font-family='DejaVu Sans' \
         font-size='{text_px:.1}'>{body}</svg>"
    );
    let tree = Tree::from_str(&svg, raster::options()).map_err(raster::render)?;
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    raster::encode(&pixmap)
}

/// What is inside becomes more of the colour; what is on the edge is that.
fn tint(pixmap: &mut Pixmap, mask: &Mask, rgb: [u8; 3]) {
    let width = mask.width as usize;
    let inside = |at: Option<usize>| {
        at.and_then(|at| mask.data.get(at))
            .is_some_and(|pixel| *pixel != 0)
    };
    for (at, pixel) in pixmap.pixels_mut().iter_mut().enumerate() {
        if !inside(Some(at)) {
            continue;
        }
        let column = at % width.max(1);
        let is_edge = !inside(at.checked_sub(width))
            || !inside(at.checked_add(width))
            || column == 0
            || column + 1 == width
            || !inside(at.checked_sub(1))
            || !inside(at.checked_add(1));
        let share = if is_edge { 256 } else { TINT };
        let mix = |own: u8, other: u8| {
            ((u32::from(own) * (256 - share) + u32::from(other) * share) / 256) as u8
        };
        let [red, green, blue] = rgb;
        let mixed = PremultipliedColorU8::from_rgba(
            mix(pixel.red(), red),
            mix(pixel.green(), green),
            mix(pixel.blue(), blue),
            u8::MAX,
        );
        *pixel = mixed.unwrap_or(*pixel);
    }
}

/// The box, and the name at its corner or, without one, at the mask's.
fn drawing(object: &Marked<'_>, [red, green, blue]: [u8; 3], text_px: f64) -> String {
    let color = format!("#{red:02x}{green:02x}{blue:02x}");
    let bbox = object.bbox.filter(BoundingBox::is_proper);
    let frame = bbox.map_or_else(String::new, |bbox| {
        format!(
            "<rect x='{:.1}' y='{:.1}' width='{:.1}' height='{:.1}' fill='none' stroke='{color}' stroke-width='{:.1}' \
             stroke-dasharray='6 4'/>",
            bbox.x_min,
            bbox.y_min,
            bbox.width(),
            bbox.height(),
            (text_px / 10.0).max(1.0),
        )
    });
    let corner = bbox
        .map(|bbox| [bbox.x_min, bbox.y_min])
        .or_else(|| corner(object.mask));
    let Some([x, y]) = corner else {
        return frame;
    };
    let (x, y) = (
        x.max(0.0),
        if y > text_px * 1.2 {
            y - text_px * 0.3
        } else {
            y.max(0.0) + text_px
        },
    );
    let name = escaped(&object.name);
    let halo = text_px / 6.0;
    format!(
        "{frame}<text x='{x:.1}' y='{y:.1}' fill='{color}' stroke='black' stroke-width='{halo:.1}' \
         paint-order='stroke'>{name}</text>"
    )
}

/// The leftmost column and the uppermost row with a pixel of a mask.
fn corner(mask: &Mask) -> Option<[f64; 2]> {
    let width = (mask.width as usize).max(1);
    let inside = || {
        mask.data
            .iter()
            .enumerate()
            .filter(|(_, pixel)| **pixel != 0)
            .map(|(at, _)| at)
    };
    let column = inside().map(|at| at % width).min()?;
    let row = inside().next()? / width;
    Some([column as f64, row as f64])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_is_tinted_and_the_rest_is_as_it_was() {
        // given a black picture with a block of 4x4 pixels in it
        let is_block = |at: usize| (8..12).contains(&(at % 32)) && (20..24).contains(&(at / 32));
        let mask = Mask {
            width: 32,
            height: 32,
            data: (0..32 * 32).map(|at| u8::from(is_block(at))).collect(),
        };
        let black = ColorImage {
            width: 32,
            height: 32,
            rgb: vec![0; 32 * 32 * 3].into(),
        };
        let object = Marked {
            mask: &mask,
            bbox: None,
            name: String::new(),
        };
        // when
        let png = png(&black, &[object]).unwrap();
        // then
        let picture = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!(picture.dimensions(), (32, 32));
        assert_eq!(
            picture.get_pixel(8, 20).0,
            COLORS[0],
            "the edge has the colour"
        );
        assert_eq!(
            picture.get_pixel(9, 21).0,
            [111, 77, 0],
            "the inside has some of it"
        );
        assert_eq!(picture.get_pixel(20, 5).0, [0, 0, 0]);
    }
}
