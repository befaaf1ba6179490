//! The rows of a `sensor_msgs/Image`, once its sizes are known to agree with each other.

use super::types::Image;
use crate::error::{Error, Result};

/// More pixels than this (8K video has 33.2 million) are taken for a broken message.
pub(crate) const MAX_PIXELS: u64 = 1 << 25;

/// Refuses images without pixels and absurdly large ones; returns the number of pixels.
pub(super) fn checked_pixels(type_name: &str, width: u32, height: u32) -> Result<usize> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MAX_PIXELS {
        return Err(Error::decode(
            type_name,
            format!(
                "the image says it has {width}x{height} pixels; 1 to {MAX_PIXELS} pixels are read"
            ),
        ));
    }
    usize::try_from(pixels).map_err(|error| Error::decode(type_name, error))
}

/// An image whose rows all lie within its data.
pub(super) struct Raster<'a> {
    pub width: u32,
    pub height: u32,
    /// `width * height`.
    pub pixels: usize,
    /// Bytes from one row to the next.
    pub step: usize,
    row_bytes: usize,
    data: &'a [u8],
}

impl<'a> Raster<'a> {
    pub(super) fn new(type_name: &str, image: &Image<'a>, bytes_per_pixel: usize) -> Result<Self> {
        let Image {
            width,
            height,
            encoding,
            data,
            ..
        } = *image;
        let pixels = checked_pixels(type_name, width, height)?;
        // No overflow: the product of both is at most MAX_PIXELS.
        let row_bytes = width as usize * bytes_per_pixel;
        let step = step(image, row_bytes);
        if step < row_bytes {
            return Err(Error::decode(
                type_name,
                format!(
                    "step is {step} bytes, but a row of {width} {encoding} pixels has {row_bytes}"
                ),
            ));
        }
        // The last row may come without its padding.
        let needed = step as u64 * u64::from(height - 1) + row_bytes as u64;
        if (data.len() as u64) < needed {
            return Err(Error::decode(
                type_name,
                format!(
                    "{width}x{height} {encoding} pixels at a step of {step} bytes need {needed} bytes, but data has {}",
                    data.len()
                ),
            ));
        }
        Ok(Self {
            width,
            height,
            pixels,
            step,
            row_bytes,
            data,
        })
    }

    /// The rows from the top, without their padding.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        let row_bytes = self.row_bytes;
        self.data
            .chunks(self.step)
            .take(self.height as usize)
            // `new` made sure that each row is complete.
            .map(move |row| &row[..row_bytes])
    }
}

/// Bytes from one row to the next. A step that was never filled in follows from the data, if that is whole rows.
fn step(image: &Image<'_>, row_bytes: usize) -> usize {
    let rows = image.height as usize;
    match image.step {
        0 if image.data.len().is_multiple_of(rows.max(1)) => {
            let step = image.data.len() / rows.max(1);
            if step >= row_bytes { step } else { 0 }
        }
        step => step as usize,
    }
}
