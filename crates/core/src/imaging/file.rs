//! Pictures from files, or from bytes that are like one: PNG, JPEG and WebP.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, ImageReader};

use super::fence::fenced;
use super::{GrayImage, jpeg};
use crate::frame::ColorImage;
use crate::{Error, Result};

/// A colour picture from a PNG or JPEG file; grey becomes three equal channels, transparency is
/// dropped.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Picture`] if it is no such picture.
pub fn open_color(path: &Path) -> Result<ColorImage> {
    decode_color(&read(path)?, path)
}

/// The same from a file's bytes; `file` is only named in errors.
///
/// # Errors
/// [`Error::Picture`] if they are no such picture.
pub fn decode_color(bytes: &[u8], file: &Path) -> Result<ColorImage> {
    let picture = decode(bytes, file)?.to_rgb8();
    Ok(ColorImage {
        width: picture.width(),
        height: picture.height(),
        rgb: picture.into_raw().into(),
    })
}

/// A colour picture from a PNG or JPEG file, as transformers takes one: what is transparent lies on white.
///
/// # Errors
/// As [`open_color`].
pub fn open_color_on_white(path: &Path) -> Result<ColorImage> {
    decode_color_on_white(&read(path)?, path)
}

/// The same from a file's bytes; `file` is only named in errors.
///
/// # Errors
/// [`Error::Picture`] if they are no such picture.
pub fn decode_color_on_white(bytes: &[u8], file: &Path) -> Result<ColorImage> {
    let picture = decode(bytes, file)?;
    if !picture.color().has_alpha() {
        return decode_color(bytes, file);
    }
    let picture = picture.to_rgba8();
    let mut rgb = Vec::with_capacity(picture.width() as usize * picture.height() as usize * 3);
    for &image::Rgba([red, green, blue, alpha]) in picture.pixels() {
        rgb.extend([red, green, blue].map(|value| on_white(value, alpha)));
    }
    Ok(ColorImage {
        width: picture.width(),
        height: picture.height(),
        rgb: rgb.into(),
    })
}

/// What is seen of a value on white, rounded as Pillow's `alpha_composite` has it.
fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// A picture of one channel from a PNG or JPEG file, such as an 8-bit map of relative depth. Of
/// colours the luminance is taken.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Picture`] if it is no such picture.
pub fn open_gray(path: &Path) -> Result<GrayImage> {
    decode_gray(&read(path)?, path)
}

/// The same from a file's bytes; `file` is only named in errors.
///
/// # Errors
/// [`Error::Picture`] if they are no such picture.
pub fn decode_gray(bytes: &[u8], file: &Path) -> Result<GrayImage> {
    let picture = decode(bytes, file)?.to_luma8();
    Ok(GrayImage {
        width: picture.width(),
        height: picture.height(),
        values: picture.into_raw(),
    })
}

/// Width and height in pixels as a file's bytes tell them, none of which is decoded for it; `file` is only named in errors.
///
/// # Errors
/// [`Error::Picture`] if they are no such picture.
pub fn encoded_size(bytes: &[u8], file: &Path) -> Result<(u32, u32)> {
    let size = || {
        let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
        reader?.into_dimensions()
    };
    fenced(size).map_err(refused(file))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(Error::io("read", path))
}

/// The picture that a file's bytes are, in the colours it has; `file` is only named in errors.
///
/// # Errors
/// [`Error::Picture`] if they are no picture, or one whose end is missing.
pub(super) fn decode(bytes: &[u8], file: &Path) -> Result<DynamicImage> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => jpeg::decode(bytes),
        _ => fenced(|| image::load_from_memory(bytes)),
    }
    .map_err(refused(file))
}

fn refused(file: &Path) -> impl FnOnce(String) -> Error {
    move |message| Error::Picture {
        path: file.to_path_buf(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_told_without_the_pixels() {
        // given the head of a picture whose pixels are missing
        let mut whole = Cursor::new(Vec::new());
        let picture = DynamicImage::new_rgb8(70, 30);
        picture
            .write_to(&mut whole, image::ImageFormat::Png)
            .unwrap();
        let head = &whole.get_ref()[..44];
        let file = Path::new("picture");
        // then its size is known, and nothing else
        assert_eq!(encoded_size(head, file).unwrap(), (70, 30));
        assert!(decode_color(head, file).is_err());
        assert_eq!(decode_color(whole.get_ref(), file).unwrap().width, 70);
        let error = encoded_size(b"text", file).unwrap_err().to_string();
        assert!(error.contains("picture"), "{error}");
    }
}
