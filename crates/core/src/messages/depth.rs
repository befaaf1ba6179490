//! Depth in metres from raw images (REP 118: 16UC1 in millimetres, 32FC1 in metres), from the
//! compressed depth transport, and from plain 16-bit PNG. Pixels without a measurement become NaN.

use bytes::Bytes;
use image::DynamicImage;

use super::compressed;
use super::depth_doubts::Sent;
use super::raster::Raster;
use super::rvl::{self, Plane};
use super::types::{CompressedImage, Image};
use super::zstd_transport;
use crate::depth_image::{DepthImage, DepthUnit};
use crate::error::{Error, Result};

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

/// `bytes` is the message that `image` was read from: 16-bit pixels of the usual byte order stay there. `unit_m` is
/// what a value counts, where it is not what REP 118 says.
pub(super) fn decode(
    type_name: &str,
    image: &Image<'_>,
    bytes: &Bytes,
    unit_m: Option<f64>,
) -> Result<DepthImage> {
    let big_endian = image.is_bigendian != 0;
    let (raster, depth_m) = match image.encoding {
        "16UC1" | "mono16" => {
            let raster = Raster::new(type_name, image, 2)?;
            let unit = DepthUnit::of(unit_m);
            if !big_endian {
                let (width, height) = (raster.width, raster.height);
                let pixels = bytes.slice_ref(image.data);
                return Ok(DepthImage::as_sent(
                    width,
                    height,
                    pixels,
                    raster.step,
                    unit,
                ));
            }
            let depth_m = samples(&raster, |bytes| unit.metres_of(u16::from_be_bytes(bytes)));
            (raster, depth_m)
        }
        "32FC1" => {
            let raster = Raster::new(type_name, image, 4)?;
            let scale = scale(unit_m);
            let depth_m = if big_endian {
                samples(&raster, |bytes| measured(f32::from_be_bytes(bytes) * scale))
            } else {
                samples(&raster, |bytes| measured(f32::from_le_bytes(bytes) * scale))
            };
            (raster, depth_m)
        }
        other => return Err(unsupported(other)),
    };
    Ok(DepthImage::new(raster.width, raster.height, depth_m))
}

/// What kind of values a raw depth image was sent with; `None` for what is no depth.
pub(super) fn sent_raw(image: &Image<'_>) -> Option<Sent> {
    sent_as(image.encoding)
}

fn sent_as(encoding: &str) -> Option<Sent> {
    match encoding {
        "16UC1" | "mono16" => Some(Sent::Whole),
        "32FC1" => Some(Sent::Float { nearest: None }),
        _ => None,
    }
}

/// The same of a compressed one.
pub(super) fn sent_compressed(image: &CompressedImage<'_>) -> Option<Sent> {
    if let Some(encoding) = zstd_transport::encoding(image) {
        return sent_as(encoding);
    }
    if compressed::raw_encoding(image.format) != "32FC1" {
        return Some(Sent::Whole);
    }
    let (header, _) = CompressedDepthHeader::split_from("", image.data).ok()?;
    Some(Sent::Float {
        nearest: Some(header.depth_of(u16::MAX)),
    })
}

fn samples<const N: usize>(raster: &Raster<'_>, convert: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let mut depth_m = Vec::with_capacity(raster.pixels);
    for row in raster.rows() {
        depth_m.extend(row.as_chunks::<N>().0.iter().map(|bytes| convert(*bytes)));
    }
    depth_m
}

/// What makes metres of a floating-point value.
fn scale(unit_m: Option<f64>) -> f32 {
    unit_m.map_or(1.0, |unit_m| unit_m as f32)
}

fn measured(depth_m: f32) -> f32 {
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

    /// In the unit that was sent; no measurement where the value is none.
    fn depth_of(&self, value: u16) -> f32 {
        if value == 0 {
            f32::NAN
        } else {
            measured(self.a / (f32::from(value) - self.b))
        }
    }
}

pub(super) fn decode_compressed(
    type_name: &str,
    image: &CompressedImage<'_>,
    unit_m: Option<f64>,
) -> Result<DepthImage> {
    if zstd_transport::is_one(image) {
        return zstd_transport::with_image(type_name, image, |image, bytes| {
            decode(type_name, image, bytes, unit_m)
        });
    }
    let unit = DepthUnit::of(unit_m);
    let encoding = compressed::raw_encoding(image.format);
    let has_header = image.format.contains("compressedDepth")
        || image
            .data
            .get(12..)
            .is_some_and(|rest| rest.starts_with(PNG_MAGIC));
    if !has_header {
        // Another transport: a plain 16-bit PNG of millimetres.
        let is_png = image.data.starts_with(PNG_MAGIC) || says_png(image.format);
        if encoding == "32FC1" || !is_png {
            return Err(unsupported(image.format));
        }
        let plane = png(type_name, image.format, image.data)?;
        return Ok(in_metres(plane, |value| unit.metres_of(value)));
    }
    let (header, data) = CompressedDepthHeader::split_from(type_name, image.data)?;
    let plane = match codec(image.format) {
        Some(Codec::Png) => png(type_name, image.format, data)?,
        Some(Codec::Rvl) => rvl::decode(type_name, data)?,
        None => return Err(unsupported(image.format)),
    };
    match encoding {
        "16UC1" | "mono16" => Ok(in_metres(plane, |value| unit.metres_of(value))),
        "32FC1" => {
            let scale = scale(unit_m);
            Ok(in_metres(plane, |value| {
                measured(header.depth_of(value) * scale)
            }))
        }
        _ => Err(unsupported(image.format)),
    }
}

/// One broken message of a format that is read elsewhere says nothing about the topic.
fn says_png(format: &str) -> bool {
    format.to_ascii_lowercase().contains("png")
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
        decode("Image", &image, &bytes, None).map(|depth| depth.to_metres())
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
    fn a_unit_of_its_own_holds_for_every_kind_of_pixel() {
        // given a value of 600 in each encoding, and one of none
        let float = [600.0_f32.to_le_bytes(), [0; 4]].concat();
        let big_float = [600.0_f32.to_be_bytes(), [0; 4]].concat();
        for (encoding, is_bigendian, data) in [
            ("16UC1", 0, [0x58, 0x02, 0, 0].as_slice()),
            ("mono16", 1, &[0x02, 0x58, 0, 0]),
            ("32FC1", 0, &float),
            ("32FC1", 1, &big_float),
        ] {
            for (unit_m, expected) in [(0.001, 0.6), (0.0001, 0.06), (0.01, 6.0)] {
                // when it counts so much, then it is so far
                let bytes = Bytes::copy_from_slice(data);
                let image = image(encoding, is_bigendian, &bytes);
                let depth = decode("Image", &image, &bytes, Some(unit_m)).unwrap();
                let depth_m = depth.to_metres();
                assert!(
                    (depth_m[0] - expected).abs() < 1e-6,
                    "{encoding} {depth_m:?}"
                );
                assert!(depth_m[1].is_nan(), "{encoding}");
            }
        }
    }

    #[test]
    fn a_step_that_was_never_filled_in_follows_from_the_data() {
        let bytes = Bytes::from_static(&[0, 0, 0xdc, 0x05]);
        let image = Image {
            step: 0,
            ..image("16UC1", 0, &bytes)
        };
        let depth = decode("Image", &image, &bytes, None).unwrap();
        assert_eq!(depth.to_metres()[1], 1.5);
    }

    #[test]
    fn an_empty_message_of_a_png_is_broken_and_a_jpeg_is_no_depth() {
        let decoded = |format: &str, data: &[u8]| {
            let image = CompressedImage {
                header: Header::default(),
                format,
                data,
            };
            decode_compressed("CompressedImage", &image, None).unwrap_err()
        };
        for data in [b"".as_slice(), b"\x12\x34"] {
            let broken = decoded("16UC1; png compressed ", data);
            assert!(matches!(broken, Error::NoPicture { .. }), "{broken}");
        }
        let lossy = decoded("16UC1; jpeg compressed ", b"\xff\xd8\xff\xe0");
        assert!(matches!(lossy, Error::Encoding { .. }), "{lossy}");
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
        assert!(header.depth_of(0).is_nan());
        assert!(header.depth_of(5).is_nan());
        assert!(header.depth_of(10).is_nan());
        assert_eq!(header.depth_of(60), 2.0);
    }
}
