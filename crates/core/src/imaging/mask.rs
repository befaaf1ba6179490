//! Regions as masks: boxes drawn into the picture's grid, masks given as pictures, and the two
//! ways of bringing them to the model's size, OpenCV's nearest neighbour and Pillow's resize.

use std::path::Path;

use super::resize::{Kernel, Resizer};
use crate::frame::BoundingBox;
use crate::{Error, Result};

/// Which pixels of a picture belong to a region; row-major, 1 inside and 0 outside,
/// `data.len() == width * height`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// One byte a pixel, row by row from the top left.
    pub data: Vec<u8>,
}

impl Mask {
    /// The box's pixels in a picture of that size: corners truncated towards zero, the far edges
    /// left out, clipped to the picture. A box of less than a pixel gives a mask of zeros, as in
    /// the original; whether that is an error is the caller's to say.
    ///
    /// Negative corners are clamped, as the original's training code does. (Its demo would count
    /// them from the far edge, but cannot draw them.)
    pub fn from_box(region: &BoundingBox, width: u32, height: u32) -> Self {
        // A saturating cast, which takes NaN for 0.
        let cut = |corner: f64, side: u32| (corner.trunc() as u32).min(side) as usize;
        let (left, right) = (cut(region.x_min, width), cut(region.x_max, width));
        let (top, bottom) = (cut(region.y_min, height), cut(region.y_max, height));
        let mut data = vec![0; width as usize * height as usize];
        if left < right && top < bottom {
            let rows = data.chunks_exact_mut(width as usize);
            for row in rows.take(bottom).skip(top) {
                row[left..right].fill(1);
            }
        }
        Self {
            width,
            height,
            data,
        }
    }

    /// A mask from a picture's bytes (PNG or JPEG): a pixel is inside if any of its channels is
    /// not zero; transparency does not count. `file` is only named in errors.
    ///
    /// # Errors
    /// [`Error::Picture`] if the bytes are no such picture, [`Error::MaskSize`] if it is not of the
    /// size (width, height) of the image it belongs to.
    pub fn from_encoded(bytes: &[u8], image: (u32, u32), file: &Path) -> Result<Self> {
        let picture = super::file::decode(bytes, file)?;
        let (width, height) = (picture.width(), picture.height());
        if (width, height) != image {
            return Err(Error::MaskSize {
                path: file.to_path_buf(),
                width,
                height,
                image_width: image.0,
                image_height: image.1,
            });
        }
        // 16 bits, so that faint pixels of 16-bit masks are not rounded away.
        let data = picture
            .to_rgb16()
            .pixels()
            .map(|pixel| u8::from(pixel.0 != [0; 3]))
            .collect();
        Ok(Self {
            width,
            height,
            data,
        })
    }

    /// Whether no pixel is inside.
    pub fn is_empty(&self) -> bool {
        self.data.iter().all(|&inside| inside == 0)
    }

    /// The mask at another size by nearest neighbour as OpenCV picks it: pixel i comes from
    /// floor(i * (1 / (output / input))), all in double precision. That is not always the exact
    /// floor(i * input / output).
    ///
    /// # Errors
    /// [`Error::EmptyPicture`] if a side of either size is zero.
    pub fn resize_nearest(&self, width: u32, height: u32) -> Result<Self> {
        for (width, height) in [(self.width, self.height), (width, height)] {
            if width == 0 || height == 0 {
                return Err(Error::EmptyPicture { width, height });
            }
        }
        let columns = nearest(self.width, width);
        let row_bytes = self.width as usize;
        let mut data = Vec::with_capacity(width as usize * height as usize);
        for y in nearest(self.height, height) {
            let row = &self.data[y * row_bytes..][..row_bytes];
            data.extend(columns.iter().map(|&x| row[x]));
        }
        Ok(Self {
            width,
            height,
            data,
        })
    }

    /// The mask at another size by Pillow's resize of its zeros and ones, rounded to zeros and ones.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`] if a side of either size is zero.
    pub fn resize_pillow(&self, width: u32, height: u32, kernel: Kernel) -> Result<Self> {
        let resizer = Resizer::new((self.width, self.height), (width, height), kernel)?;
        Ok(Self {
            width,
            height,
            data: resizer.resize_gray(&self.data)?,
        })
    }
}

/// For each output pixel along one axis, the input pixel OpenCV's nearest neighbour takes.
pub(super) fn nearest(input: u32, output: u32) -> Vec<usize> {
    let step = 1.0 / (f64::from(output) / f64::from(input));
    let last = input as usize - 1;
    (0..output)
        .map(|i| ((f64::from(i) * step).floor() as usize).min(last))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(mask: &Mask) -> Vec<String> {
        let rows = mask.data.chunks(mask.width as usize);
        rows.map(|row| row.iter().map(|v| v.to_string()).collect())
            .collect()
    }

    #[test]
    fn corners_are_truncated_and_the_far_edges_left_out() {
        let mask = Mask::from_box(&BoundingBox::new(1.9, 0.2, 3.9, 2.0), 5, 3);
        assert_eq!(rows(&mask), ["01100", "01100", "00000"]);
    }

    #[test]
    fn boxes_are_clipped_to_the_picture() {
        let mask = Mask::from_box(&BoundingBox::new(-7.0, 1.0, 2.0, 1e12), 4, 3);
        assert_eq!(rows(&mask), ["0000", "1100", "1100"]);
    }

    #[test]
    fn boxes_of_less_than_a_pixel_or_outside_are_empty() {
        for corners in [
            [1.1, 1.0, 1.9, 2.0],
            [9.0, 0.0, 12.0, 2.0],
            [3.0, 0.0, 1.0, 2.0],
        ] {
            let [left, top, right, bottom] = corners;
            let mask = Mask::from_box(&BoundingBox::new(left, top, right, bottom), 4, 3);
            assert!(mask.is_empty(), "{corners:?}: {mask:?}");
        }
    }

    fn png(picture: image::DynamicImage) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap();
        bytes.into_inner()
    }

    #[test]
    fn in_a_mask_given_as_a_picture_all_but_black_is_inside() {
        let gray = image::GrayImage::from_raw(3, 1, vec![0, 1, 255]).unwrap();
        let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(3, 1, vec![0, 1, 300]);
        let color = image::RgbImage::from_raw(3, 1, vec![0, 0, 0, 0, 0, 1, 9, 9, 9]).unwrap();
        for picture in [
            gray.into(),
            deep.unwrap().into(),
            image::DynamicImage::from(color),
        ] {
            let mask = Mask::from_encoded(&png(picture), (3, 1), Path::new("m.png")).unwrap();
            assert_eq!(mask.data, [0, 1, 1]);
        }
    }

    #[test]
    fn a_mask_of_another_size_is_an_error_naming_both() {
        let picture = image::GrayImage::new(3, 2).into();
        let error = Mask::from_encoded(&png(picture), (640, 480), Path::new("m.png")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("m.png has 3x2") && text.contains("640x480"),
            "{text}"
        );
    }

    #[test]
    fn a_mask_that_is_no_picture_is_an_error_naming_the_file() {
        let error = Mask::from_encoded(b"text", (1, 1), Path::new("m.png")).unwrap_err();
        assert!(error.to_string().contains("m.png"), "{error}");
    }
}
