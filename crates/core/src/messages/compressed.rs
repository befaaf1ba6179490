//! `sensor_msgs/CompressedImage`: JPEG, PNG and WebP pictures, recognised by their content because the
//! format string is free text, with memory bounded before anything is decoded.

use std::io::{BufRead, Cursor};
use std::ops::RangeInclusive;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::bayer::{self, Mosaic};
use super::types::CompressedImage;
use super::{color, foreign, raster, zstd_transport};
use crate::error::{Error, Result};
use crate::frame::ColorImage;
use crate::imaging::fence::fenced;

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
        image::guess_format(data).is_ok_and(|it| it == ImageFormat::Jpeg) && is_sound_jpeg(data);
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
        Ok(ImageFormat::Jpeg) if is_cut_jpeg(data) => {
            return Err(Error::decode(
                type_name,
                format!(
                    "its JPEG of {} bytes is broken: it is cut before its end marker",
                    data.len()
                ),
            ));
        }
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => format,
        _ => return Err(no_picture(type_name, data)),
    };
    let decoder = decoder(type_name, data, format)?;
    fenced(|| DynamicImage::from_decoder(decoder)).map_err(|why| broken(type_name, data, &why))
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

/// Whether a JPEG's segments follow each other without a gap, with at least one scan, up to its end
/// marker: the decoder would not stumble but over a scan's own bits.
fn is_sound_jpeg(data: &[u8]) -> bool {
    const MARKER: u8 = 0xff;
    const STUFFED: u8 = 0x00;
    const RESTARTS: RangeInclusive<u8> = 0xd0..=0xd7;
    const END: u8 = 0xd9;
    const SCAN: u8 = 0xda;
    // Behind the marker that begins the file.
    let mut rest = data.get(2..).unwrap_or_default();
    let mut has_scan = false;
    while let [MARKER, marker, segment @ ..] = rest {
        match *marker {
            END => return has_scan,
            // Reserved, or without a segment, and so nowhere but in a scan.
            0x00..=0xbf | 0xd0..=0xd8 | MARKER => return false,
            _ => {}
        }
        let length = segment
            .first_chunk()
            .map(|length| u16::from_be_bytes(*length));
        let Some(behind) = length.and_then(|length| segment.get(usize::from(length)..)) else {
            return false;
        };
        rest = behind;
        if *marker != SCAN {
            continue;
        }
        has_scan = true;
        // To the first marker that is no part of the scan's own data.
        loop {
            let mut unread = rest;
            // Only fails to find one at the end of the data, where nothing is left.
            let skipped = unread.skip_until(MARKER).unwrap_or(rest.len());
            match unread.first() {
                None => return false,
                Some(next) if *next == STUFFED || RESTARTS.contains(next) => rest = unread,
                Some(_) => {
                    rest = rest.get(skipped - 1..).unwrap_or_default();
                    break;
                }
            }
        }
    }
    false
}

/// Whether no end marker (`EOI`) follows the last scan (`SOS`). The decoder would fill up a cut
/// picture with grey, which no one could tell from what the camera saw. Neither pair of bytes can
/// occur within a scan.
fn is_cut_jpeg(data: &[u8]) -> bool {
    let last = |marker: [u8; 2]| data.windows(2).rposition(|pair| pair == marker);
    last([0xff, 0xd9]) < last([0xff, 0xda])
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
        for length in 0..whole.len() {
            assert!(
                decode_picture("CompressedImage", &whole[..length]).is_err(),
                "{length}"
            );
        }
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
