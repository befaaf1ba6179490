//! A frame with an SVG drawn over it, pixel for pixel.

use resvg::tiny_skia::{Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg::Tree;

use super::raster;
use crate::error::Result;
use spatial_reward_core::Error;
use spatial_reward_core::frame::ColorImage;

/// The pixels of a frame, red, green and blue of each, with an SVG of its size over them.
///
/// # Errors
/// `Error::PixelCount` for an image whose pixels do not make up its size, `Error::EmptyPicture` for one without pixels.
pub(crate) fn painted(color: &ColorImage, svg: &str) -> Result<Vec<u8>> {
    let (width, height) = (color.width, color.height);
    let expected = width as usize * height as usize * 3;
    if color.rgb.len() != expected {
        return Err(Error::PixelCount {
            width,
            height,
            channels: 3,
            expected,
            found: color.rgb.len(),
        }
        .into());
    }
    let empty = Error::EmptyPicture { width, height };
    let mut pixmap = Pixmap::new(width, height).ok_or(empty)?;
    for (pixel, rgb) in pixmap
        .pixels_mut()
        .iter_mut()
        .zip(color.rgb.chunks_exact(3))
    {
        if let &[red, green, blue] = rgb {
            let opaque = PremultipliedColorU8::from_rgba(red, green, blue, u8::MAX);
            *pixel = opaque.unwrap_or(*pixel);
        }
    }
    let tree = Tree::from_str(svg, raster::options()).map_err(raster::render)?;
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    let rgb = (pixmap.pixels().iter()).flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]);
    Ok(rgb.collect())
}
