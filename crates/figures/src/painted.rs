//! A frame with an SVG drawn over it, pixel for pixel.

use resvg::tiny_skia::Transform;
use resvg::usvg::Tree;

use super::raster;
use crate::error::Result;
use spatial_reward_core::frame::ColorImage;

/// The pixels of a frame, red, green and blue of each, with an SVG of its size over them.
///
/// # Errors
/// `Error::PixelCount` for an image whose pixels do not make up its size, `Error::EmptyPicture` for one without pixels.
pub(crate) fn painted(color: &ColorImage, svg: &str) -> Result<Vec<u8>> {
    let mut pixmap = raster::canvas(color)?;
    let tree = Tree::from_str(svg, raster::options()).map_err(raster::render)?;
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    let rgb = (pixmap.pixels().iter()).flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]);
    Ok(rgb.collect())
}
