//! Depth in metres from raw images (REP 118: 16UC1 in millimetres, 32FC1 in metres), from the
//! compressed depth transport, and from plain 16-bit PNG. Pixels without a measurement become NaN.

use bytes::Bytes;
use image::DynamicImage;

use super::compressed;
use super::raster::Raster;
use super::rvl::{self, Plane};
use super::types::{CompressedImage, Image};
use crate::error::{Error, Result};
use crate::frame::{DepthImage, metres_of};

const SUPPORTED: &str = "16UC1 or mono16 (mm), 32FC1 (m), '16UC1; compressedDepth' and \
     '32FC1; compressedDepth' with png or rvl, and 16-bit PNG in a CompressedImage";
const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// That a picture with this encoding is no depth image, with those that are.
fn unsupported(encoding: &str) -> Error {
    Error::Encoding {
        encoding: encoding.to_owned(),
        role: "a depth image",
        supported: SUPPORTED,
    }
}

/// `bytes` is the message that `image` was read from: 16-bit pixels of the usual byte order stay there.
pub(super) fn decode(type_name: &str, image: &Image<'_>, bytes: &Bytes) -> Result<DepthImage> {
    let big_endian = image.is_bigendian != 0;
    let (raster, depth_m) = match image.encoding {
        "16UC1" | "mono16" => {
            let raster = Raster::new(type_name, image, 2)?;
            if !big_endian {
                let (width, height) = (raster.width, raster.height);
                let pixels = bytes.slice_ref(image.data);
                let step = image.step as usize;
                return Ok(DepthImage::from_millimetres(width, height, pixels, step));
            }
            let depth_m = samples(&raster, |bytes| metres_of(u16::from_be_bytes(bytes)));
            (raster, depth_m)
        }
        "32FC1" => {
            let raster = Raster::new(type_name, image, 4)?;
            let depth_m = if big_endian {
                samples(&raster, |bytes| from_metres(f32::from_be_bytes(bytes)))
            } else {
                samples(&raster, |bytes| from_metres(f32::from_le_bytes(bytes)))
            };
            (raster, depth_m)
        }
        other => return Err(unsupported(other)),
    };
    Ok(DepthImage::new(raster.width, raster.height, depth_m))
}

fn samples<const N: usize>(raster: &Raster<'_>, convert: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let mut depth_m = Vec::with_capacity(raster.pixels);
    for row in raster.rows() {
        depth_m.extend(row.as_chunks::<N>().0.iter().map(|bytes| convert(*bytes)));
    }
    depth_m
}

fn from_metres(depth_m: f32) -> f32 {
    if depth_m > 0.0 && depth_m.is_finite() {
        depth_m
    } else {
        f32::NAN
    }
}

/// What the compressed depth transport puts before its PNG or RVL data.
struct CompressedDepthHeader {
    /// Depth = `a` / (value - `b`), for 32FC1 alone.
    a: f32,
    b: f32,
}

impl CompressedDepthHeader {
    /// A format number (4 bytes, of no use) and two floats, in the byte order of the machine that
    /// wrote it; those are little endian.
    fn split_from<'a>(type_name: &str, data: &'a [u8]) -> Result<(Self, &'a [u8])> {
        let ([_, _, _, _, a0, a1, a2, a3, b0, b1, b2, b3], rest) =
            data.split_first_chunk::<12>().ok_or_else(|| {
                Error::decode(
                    type_name,
                    format!(
                        "compressed depth of {} bytes is too short for its header of 12",
                        data.len()
                    ),
                )
            })?;
        let header = Self {
            a: f32::from_le_bytes([*a0, *a1, *a2, *a3]),
            b: f32::from_le_bytes([*b0, *b1, *b2, *b3]),
        };
        Ok((header, rest))
    }

    fn metres(&self, value: u16) -> f32 {
        if value == 0 {
            f32::NAN
        } else {
            from_metres(self.a / (f32::from(value) - self.b))
        }
    }
}

pub(super) fn decode_compressed(
    type_name: &str,
    image: &CompressedImage<'_>,
) -> Result<DepthImage> {
    let encoding = compressed::raw_encoding(image.format);
    let has_header = image.format.contains("compressedDepth")
        || image
            .data
            .get(12..)
            .is_some_and(|rest| rest.starts_with(PNG_MAGIC));
    if !has_header {
        // Another transport: a plain 16-bit PNG of millimetres.
        if encoding == "32FC1" || !image.data.starts_with(PNG_MAGIC) {
            return Err(unsupported(image.format));
        }
        let plane = png(type_name, image.format, image.data)?;
        return Ok(in_metres(plane, metres_of));
    }
    let (header, data) = CompressedDepthHeader::split_from(type_name, image.data)?;
    let plane = match codec(image.format) {
        Some(Codec::Png) => png(type_name, image.format, data)?,
        Some(Codec::Rvl) => rvl::decode(type_name, data)?,
        None => return Err(unsupported(image.format)),
    };
    match encoding {
        "16UC1" | "mono16" => Ok(in_metres(plane, metres_of)),
        "32FC1" => Ok(in_metres(plane, |value| header.metres(value))),
        _ => Err(unsupported(image.format)),
    }
}

enum Codec {
    Png,
    Rvl,
}

/// The word after `compressedDepth`; older transports wrote none and knew PNG alone.
fn codec(format: &str) -> Option<Codec> {
    let (_, name) = format
        .split_once("compressedDepth")
        .unwrap_or((format, "png"));
    match name.trim() {
        "" | "png" => Some(Codec::Png),
        "rvl" => Some(Codec::Rvl),
        _ => None,
    }
}

fn in_metres(plane: Plane, metres: impl Fn(u16) -> f32) -> DepthImage {
    let depth_m = plane.values.into_iter().map(metres).collect();
    DepthImage::new(plane.width, plane.height, depth_m)
}

fn png(type_name: &str, format: &str, data: &[u8]) -> Result<Plane> {
    match compressed::decode_picture(type_name, data)? {
        DynamicImage::ImageLuma16(plane) => Ok(Plane {
            width: plane.width(),
            height: plane.height(),
            values: plane.into_raw(),
        }),
        other => Err(Error::decode(
            type_name,
            format!(
                "its picture (format '{format}') has {:?} pixels; depth needs a grey PNG of 16 bits",
                other.color()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::types::Header;

    fn decoded(encoding: &str, is_bigendian: u8, data: &[u8]) -> Result<Vec<f32>> {
        let bytes = Bytes::copy_from_slice(data);
        let image = image(encoding, is_bigendian, &bytes);
        decode("Image", &image, &bytes).map(|depth| depth.to_metres())
    }

    fn image<'a>(encoding: &'a str, is_bigendian: u8, data: &'a [u8]) -> Image<'a> {
        Image {
            header: Header::default(),
            height: 1,
            width: 2,
            encoding,
            is_bigendian,
            step: data.len() as u32,
            data,
        }
    }

    #[test]
    fn zero_millimetres_is_no_measurement() {
        for (is_bigendian, pixels) in [(0, [0, 0, 0xdc, 0x05]), (1, [0, 0, 0x05, 0xdc])] {
            let depth_m = decoded("16UC1", is_bigendian, &pixels).unwrap();
            assert!(depth_m[0].is_nan());
            assert_eq!(depth_m[1], 1.5);
        }
    }

    #[test]
    fn what_is_no_distance_is_no_measurement() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -1.0] {
            let data = [bad.to_be_bytes(), 0.25_f32.to_be_bytes()].concat();
            let depth_m = decoded("32FC1", 1, &data).unwrap();
            assert!(depth_m[0].is_nan(), "{bad}");
            assert_eq!(depth_m[1], 0.25);
        }
    }

    #[test]
    fn a_colour_encoding_is_refused_with_those_that_are_depth() {
        let text = decoded("rgb8", 0, &[0; 6]).unwrap_err().to_string();
        assert!(
            text.contains("'rgb8'") && text.contains("16UC1") && text.contains("compressedDepth"),
            "{text}"
        );
    }

    #[test]
    fn an_inverse_depth_before_infinity_is_no_measurement() {
        let header = CompressedDepthHeader { a: 100.0, b: 10.0 };
        assert!(header.metres(0).is_nan());
        assert!(header.metres(5).is_nan());
        assert!(header.metres(10).is_nan());
        assert_eq!(header.metres(60), 2.0);
    }
}
