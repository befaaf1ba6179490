//! `sensor_msgs/CompressedImage`: JPEG, PNG and WebP pictures, recognised by their content because the
//! format string is free text, with memory bounded before anything is decoded.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::bayer::{self, Mosaic};
use super::types::CompressedImage;
use super::{color, foreign, raster, zstd_transport};
use crate::error::{Error, Result};
use crate::frame::ColorImage;
use crate::imaging::fence::fenced;
use crate::imaging::jpeg;

/// What a decoder may allocate for one picture: 16-bit RGBA at the largest size, with room for its own work.
const MAX_DECODER_BYTES: u64 = raster::MAX_PIXELS * 8 * 2;

/// The picture's colours, red first whatever order the camera had: transports convert before they compress.
pub(super) fn decode_color(type_name: &str, image: &CompressedImage<'_>) -> Result<ColorImage> {
    if image.format.contains("compressedDepth") {
        return Err(color::unsupported(image.format));
    }
    if zstd_transport::is_one(image) {
        return zstd_transport::with_image(type_name, image, |image, _| {
            color::decode(type_name, image)
        });
    }
    if let Some(name) = foreign::name(image.format, image.data) {
        return Err(color::unsupported(&name));
    }
    let picture = decode_picture(type_name, image.data)?;
    let (width, height) = (picture.width(), picture.height());
    // A transport compresses a mosaic as if it were a grey picture.
    let mosaic = Mosaic::from_encoding(raw_encoding(image.format));
    if let (DynamicImage::ImageLuma8(samples), Some((mosaic, 8))) = (&picture, mosaic) {
        return bayer::demosaic(type_name, width, height, samples.as_raw(), mosaic);
    }
    Ok(ColorImage {
        width,
        height,
        rgb: picture.into_rgb8().into_raw().into(),
    })
}

/// The size of a picture that need not be decoded to tell that it is whole; `None` if only decoding tells.
pub(super) fn size_of_sound(data: &[u8]) -> Option<(u32, u32)> {
    // A mosaic's size is that of its picture.
    let is_sound =
        image::guess_format(data).is_ok_and(|it| it == ImageFormat::Jpeg) && jpeg::is_sound(data);
    let decoder = is_sound
        .then(|| decoder("", data, ImageFormat::Jpeg))?
        .ok()?;
    Some(decoder.dimensions())
}

/// What the image's encoding was before it was compressed: the format string up to its `;`.
pub(super) fn raw_encoding(format: &str) -> &str {
    format
        .split_once(';')
        .map_or(format, |(encoding, _)| encoding)
        .trim()
}

/// Decodes a JPEG, PNG or WebP file held in memory.
pub(super) fn decode_picture(type_name: &str, data: &[u8]) -> Result<DynamicImage> {
    let format = match image::guess_format(data) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => format,
        _ => return Err(no_picture(type_name, data)),
    };
    let decoder = decoder(type_name, data, format)?;
    match format {
        ImageFormat::Jpeg => jpeg::decode(data),
        _ => fenced(|| DynamicImage::from_decoder(decoder)),
    }
    .map_err(|why| broken(type_name, data, &why))
}

/// A decoder that has read the head of a picture of plausible size.
fn decoder<'a>(
    type_name: &str,
    data: &'a [u8],
    format: ImageFormat,
) -> Result<impl ImageDecoder + use<'a>> {
    let mut reader = ImageReader::with_format(Cursor::new(data), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let decoder = fenced(|| reader.into_decoder()).map_err(|why| broken(type_name, data, &why))?;
    let (width, height) = decoder.dimensions();
    raster::checked_pixels(type_name, width, height)?;
    Ok(decoder)
}

fn broken(type_name: &str, data: &[u8], why: &str) -> Error {
    Error::decode(
        type_name,
        format!("its picture of {} bytes is broken: {why}", data.len()),
    )
}

fn no_picture(type_name: &str, data: &[u8]) -> Error {
    Error::NoPicture {
        type_name: type_name.to_owned(),
        bytes: data.len(),
        begin: data.iter().take(8).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(format: ImageFormat) -> Vec<u8> {
        let pixels = image::RgbImage::from_fn(64, 48, |x, y| {
            image::Rgb([(x * 4) as u8, (y * 5) as u8, (x * y) as u8])
        });
        let mut file = Cursor::new(Vec::new());
        pixels.write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    #[test]
    fn a_cut_jpeg_is_not_filled_up_with_grey() {
        let whole = picture(ImageFormat::Jpeg);
        assert!(decode_picture("CompressedImage", &whole).is_ok());
        // The last five bytes hold the end marker and what fills the last block's bits up.
        for length in 0..whole.len() - 5 {
            assert!(
                decode_picture("CompressedImage", &whole[..length]).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn a_camera_that_leaves_out_the_end_marker_had_no_pictures() {
        let whole = picture(ImageFormat::Jpeg);
        let decoded = decode_picture("CompressedImage", &whole[..whole.len() - 2]).unwrap();
        assert_eq!(decoded, decode_picture("CompressedImage", &whole).unwrap());
    }

    #[test]
    fn a_sound_jpeg_shows_its_size_undecoded_and_one_with_a_broken_structure_does_not() {
        let whole = picture(ImageFormat::Jpeg);
        assert_eq!(size_of_sound(&whole), Some((64, 48)));
        // Cut anywhere
        for length in 0..whole.len() {
            assert_eq!(size_of_sound(&whole[..length]), None, "{length}");
        }
        // A marker that cannot be where it is
        let mut foreign = whole.clone();
        let last = foreign.len() - 10;
        foreign[last..last + 2].copy_from_slice(&[0xff, 0x5a]);
        assert_eq!(size_of_sound(&foreign), None);
        // No JPEG: only decoding tells
        assert_eq!(size_of_sound(&picture(ImageFormat::Png)), None);
        assert_eq!(size_of_sound(b"this is no picture"), None);
    }

    #[test]
    fn a_cut_png_is_refused() {
        let whole = picture(ImageFormat::Png);
        for length in (0..whole.len() - 16).step_by(7) {
            assert!(
                decode_picture("CompressedImage", &whole[..length]).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn a_webp_decodes_and_a_cut_one_is_refused() {
        let whole = picture(ImageFormat::WebP);
        let decoded = decode_picture("CompressedImage", &whole).unwrap();
        assert_eq!(
            decoded,
            decode_picture("CompressedImage", &picture(ImageFormat::Png)).unwrap()
        );
        for length in (0..whole.len() - 16).step_by(7) {
            assert!(
                decode_picture("CompressedImage", &whole[..length]).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn bytes_after_a_jpeg_s_end_do_no_harm() {
        let mut padded = picture(ImageFormat::Jpeg);
        padded.extend_from_slice(&[0; 100]);
        assert!(decode_picture("CompressedImage", &padded).is_ok());
    }

    #[test]
    fn a_picture_of_absurd_size_is_refused_before_it_is_decoded() {
        // Given a PNG whose header claims 65535 x 65535 pixels
        let mut png = picture(ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let checksum = crc32(&png[12..29]).to_be_bytes();
        png[29..33].copy_from_slice(&checksum);
        let text = decode_picture("CompressedImage", &png)
            .unwrap_err()
            .to_string();
        assert!(text.contains("65535x65535"), "{text}");
    }

    #[test]
    fn what_is_no_picture_is_refused_with_its_first_bytes() {
        let text = decode_picture("CompressedImage", b"H.264 stream")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("[48 2e 32 36 34 20 73 74]")
                && text.contains("neither JPEG, PNG nor WebP"),
            "{text}"
        );
    }

    /// The checksum of PNG's chunks.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
            })
        })
    }
}
