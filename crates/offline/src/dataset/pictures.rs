//! The pictures of a frame as files: colour as the bag has it, relative depth as the model is shown it,
//! and metric depth.

use std::fs;
use std::path::Path;

use image::{ExtendedColorType, ImageFormat};

use crate::error::{Error, Result};
use crate::png::{FilterType, written};
use spatial_reward_core::frame::{ColorImage, DepthImage};
use spatial_reward_core::imaging::GrayImage;

/// The folder of the colour images in a data set.
pub(crate) const IMAGES: &str = "images";
/// That of the relative depth.
pub(crate) const DEPTH: &str = "depth";
/// That of the metric depth, whole millimetres.
pub(crate) const METRIC: &str = "metric";

/// A picture file's bytes and how its name ends.
pub(crate) struct PictureFile {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Without the dot.
    pub ending: &'static str,
}

impl PictureFile {
    /// The file that a compressed image is, if it is a JPEG or PNG.
    pub(crate) fn as_it_is(file: &[u8]) -> Option<Self> {
        let ending = match image::guess_format(file).ok()? {
            ImageFormat::Jpeg => "jpg",
            ImageFormat::Png => "png",
            _ => return None,
        };
        Some(Self {
            bytes: file.to_vec(),
            ending,
        })
    }

    /// A colour image as PNG.
    ///
    /// # Errors
    /// Why it cannot be written as PNG.
    pub(crate) fn of_color(picture: &ColorImage) -> std::result::Result<Self, String> {
        let size = (picture.width, picture.height);
        png(&picture.rgb, size, ExtendedColorType::Rgb8)
    }

    /// A grey image as PNG.
    ///
    /// # Errors
    /// Why it cannot be written as PNG.
    pub(crate) fn of_gray(picture: &GrayImage) -> std::result::Result<Self, String> {
        let size = (picture.width, picture.height);
        png(&picture.values, size, ExtendedColorType::L8)
    }

    /// Whole millimetres at a picture's size, each pixel the nearest one of the depth; 0 where there is
    /// none, or more than 16 bits hold.
    ///
    /// # Errors
    /// Why it cannot be written as PNG.
    pub(crate) fn of_metric(
        depth: &DepthImage,
        width: u32,
        height: u32,
    ) -> std::result::Result<Self, String> {
        let nearest = |at: u32, of: u32, source: u32| {
            (u64::from(at) * u64::from(source) / u64::from(of)) as usize
        };
        let mut row_m = vec![f32::NAN; depth.width as usize];
        let mut bytes = Vec::with_capacity(2 * width as usize * height as usize);
        for row in 0..height {
            depth.read_row(nearest(row, height, depth.height), 0, &mut row_m);
            for column in 0..width {
                let depth_m = row_m.get(nearest(column, width, depth.width));
                let depth_mm = depth_m.map_or(0, |depth_m| millimetres(*depth_m));
                // The encoder takes the machine's byte order.
                bytes.extend(depth_mm.to_ne_bytes());
            }
        }
        png(&bytes, (width, height), ExtendedColorType::L16)
    }

    /// Write it as NAME.ENDING into one of the folders; its name in the data set comes back.
    ///
    /// # Errors
    /// `Error::Output`.
    pub(crate) fn write(&self, data_set: &Path, folder: &str, name: &str) -> Result<String> {
        let relative = format!("{folder}/{name}.{}", self.ending);
        let path = data_set.join(&relative);
        fs::write(&path, &self.bytes).map_err(|error| Error::output(&path, error))?;
        Ok(relative)
    }
}

fn millimetres(depth_m: f32) -> u16 {
    let depth_mm = (depth_m * 1000.0).round();
    // NaN is in no range.
    if (1.0..=f32::from(u16::MAX)).contains(&depth_mm) {
        depth_mm as u16
    } else {
        0
    }
}

fn png(
    bytes: &[u8],
    size: (u32, u32),
    color: ExtendedColorType,
) -> std::result::Result<PictureFile, String> {
    Ok(PictureFile {
        bytes: written(bytes, size, color, FilterType::Adaptive)?,
        ending: "png",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_depth_is_whole_millimetres_at_the_pictures_size() {
        // given two pixels of depth, one without a measurement, for a picture of twice the size
        let depth = DepthImage::new(2, 1, vec![1.2344, f32::NAN]);
        // when it is written and read again
        let file = PictureFile::of_metric(&depth, 4, 2).unwrap();
        let read = image::load_from_memory(&file.bytes).unwrap().into_luma16();
        // then every pixel has the nearest one's depth
        assert_eq!(read.into_raw(), [1234, 1234, 0, 0, 1234, 1234, 0, 0]);
    }

    #[test]
    fn what_16_bits_do_not_hold_is_no_depth() {
        assert_eq!(millimetres(65.535), 65535);
        assert_eq!(millimetres(66.0), 0);
        assert_eq!(millimetres(f32::INFINITY), 0);
        assert_eq!(millimetres(-1.0), 0);
    }
}
