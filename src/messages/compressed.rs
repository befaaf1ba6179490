//! `sensor_msgs/CompressedImage`: JPEG and PNG pictures, recognised by their content because the
//! format string is free text, with memory bounded before anything is decoded.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::bayer::{self, Mosaic};
use super::types::CompressedImage;
use super::{color, raster};
use crate::error::{Error, Result};
use crate::frame::ColorImage;

/// What a decoder may allocate for one picture: 16-bit RGBA at the largest size, with room for its own work.
const MAX_DECODER_BYTES: u64 = raster::MAX_PIXELS * 8 * 2;

/// The picture's colours, red first whatever order the camera had: transports convert before they compress.
pub(super) fn decode_color(type_name: &str, image: &CompressedImage<'_>) -> Result<ColorImage> {
    if image.format.contains("compressedDepth") {
        return Err(color::unsupported(image.format));
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
        rgb: picture.into_rgb8().into_raw(),
    })
}

/// What the image's encoding was before it was compressed: the format string up to its `;`.
pub(super) fn raw_encoding(format: &str) -> &str {
    format
        .split_once(';')
        .map_or(format, |(encoding, _)| encoding)
        .trim()
}

/// Decodes a JPEG or PNG file held in memory.
pub(super) fn decode_picture(type_name: &str, data: &[u8]) -> Result<DynamicImage> {
    let broken = |error: image::ImageError| {
        Error::decode(
            type_name,
            format!("its picture of {} bytes is broken: {error}", data.len()),
        )
    };
    let format = match image::guess_format(data) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => format,
        _ => return Err(no_picture(type_name, data)),
    };
    let mut reader = ImageReader::with_format(Cursor::new(data), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    raster::checked_pixels(type_name, width, height)?;
    DynamicImage::from_decoder(decoder).map_err(broken)
}

fn no_picture(type_name: &str, data: &[u8]) -> Error {
    let begin = data
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ");
    Error::decode(
        type_name,
        format!(
            "its {} bytes of data begin with [{begin}], which is neither JPEG nor PNG",
            data.len()
        ),
    )
}
