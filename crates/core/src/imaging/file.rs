//! Pictures from files: PNG and JPEG.

use std::path::Path;

use image::DynamicImage;

use super::GrayImage;
use super::fence::fenced;
use crate::frame::ColorImage;
use crate::{Error, Result};

/// A colour picture from a PNG or JPEG file; grey becomes three equal channels, transparency is
/// dropped.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Picture`] if it is no such picture.
pub fn open_color(path: &Path) -> Result<ColorImage> {
    let picture = open(path)?.to_rgb8();
    Ok(ColorImage {
        width: picture.width(),
        height: picture.height(),
        rgb: picture.into_raw().into(),
    })
}

/// A picture of one channel from a PNG or JPEG file, such as an 8-bit map of relative depth. Of
/// colours the luminance is taken.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Picture`] if it is no such picture.
pub fn open_gray(path: &Path) -> Result<GrayImage> {
    let picture = open(path)?.to_luma8();
    Ok(GrayImage {
        width: picture.width(),
        height: picture.height(),
        values: picture.into_raw(),
    })
}

fn open(path: &Path) -> Result<DynamicImage> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    fenced(|| image::load_from_memory(&bytes)).map_err(|message| Error::Picture {
        path: path.to_path_buf(),
        message,
    })
}
