//! `sensor_msgs/Image` to 8-bit RGB, for every encoding that a colour or grey camera driver sends.

use super::bayer::{self, Mosaic};
use super::raster::Raster;
use super::types::Image;
use super::yuv::{self, ChromaPlane};
use crate::error::{Error, Result};
use crate::frame::ColorImage;

const SUPPORTED: &str = "rgb8, bgr8, rgba8, bgra8, mono8, 8UC1, 8UC3, 8UC4, rgb16, bgr16, rgba16, bgra16, \
     mono16, bayer_{rggb,bggr,gbrg,grbg}{8,16}, yuv422 (uyvy), yuv422_yuy2 (yuyv), nv12, nv21, nv24, \
     and JPEG, PNG or WebP in a CompressedImage";

/// That a picture with this encoding is no colour image, with those that are.
pub(super) fn unsupported(encoding: &str) -> Error {
    Error::Encoding {
        encoding: encoding.to_owned(),
        role: "a colour image",
        supported: SUPPORTED,
    }
}

/// Width and height of an image that decodes for certain: its encoding is one of whole pixels, and its
/// sizes agree. Whoever looks at no pixel can leave it at that.
pub(super) fn size_of_sound(type_name: &str, image: &Image<'_>) -> Option<(u32, u32)> {
    let bytes_per_pixel = match image.encoding {
        "mono8" | "8UC1" => 1,
        "mono16" => 2,
        "rgb8" | "bgr8" | "8UC3" => 3,
        "rgba8" | "bgra8" | "8UC4" => 4,
        "rgb16" | "bgr16" => 6,
        "rgba16" | "bgra16" => 8,
        _ => return None,
    };
    let raster = Raster::new(type_name, image, bytes_per_pixel).ok()?;
    Some((raster.width, raster.height))
}

/// The pixels as RGB. 16-bit samples keep their upper 8 bits; alpha is dropped.
pub(super) fn decode(type_name: &str, image: &Image<'_>) -> Result<ColorImage> {
    let raster = |bytes_per_pixel| Raster::new(type_name, image, bytes_per_pixel);
    let big_endian = image.is_bigendian != 0;
    let rgb = match (image.encoding, big_endian) {
        ("rgb8", _) => packed::<3, 0, 1, 2>(&raster(3)?),
        ("bgr8" | "8UC3", _) => packed::<3, 2, 1, 0>(&raster(3)?),
        ("rgba8", _) => packed::<4, 0, 1, 2>(&raster(4)?),
        ("bgra8" | "8UC4", _) => packed::<4, 2, 1, 0>(&raster(4)?),
        ("mono8" | "8UC1", _) => packed::<1, 0, 0, 0>(&raster(1)?),
        // The upper byte of each 16-bit sample comes second in little endian, first in big endian.
        ("mono16", false) => packed::<2, 1, 1, 1>(&raster(2)?),
        ("mono16", true) => packed::<2, 0, 0, 0>(&raster(2)?),
        ("rgb16", false) => packed::<6, 1, 3, 5>(&raster(6)?),
        ("rgb16", true) => packed::<6, 0, 2, 4>(&raster(6)?),
        ("bgr16", false) => packed::<6, 5, 3, 1>(&raster(6)?),
        ("bgr16", true) => packed::<6, 4, 2, 0>(&raster(6)?),
        ("rgba16", false) => packed::<8, 1, 3, 5>(&raster(8)?),
        ("rgba16", true) => packed::<8, 0, 2, 4>(&raster(8)?),
        ("bgra16", false) => packed::<8, 5, 3, 1>(&raster(8)?),
        ("bgra16", true) => packed::<8, 4, 2, 0>(&raster(8)?),
        ("yuv422" | "uyvy" | "UYVY", _) => yuv::packed::<1, 0, 2>(type_name, &raster(2)?)?,
        ("yuv422_yuy2" | "yuyv" | "YUYV", _) => yuv::packed::<0, 1, 3>(type_name, &raster(2)?)?,
        ("nv12" | "NV12", _) => return yuv::planes(type_name, image, ChromaPlane::Nv12),
        ("nv21" | "NV21", _) => return yuv::planes(type_name, image, ChromaPlane::Nv21),
        ("nv24" | "NV24", _) => return yuv::planes(type_name, image, ChromaPlane::Nv24),
        (encoding, _) => return decode_bayer(type_name, image, encoding),
    };
    Ok(ColorImage {
        width: image.width,
        height: image.height,
        rgb: rgb.into(),
    })
}

fn decode_bayer(type_name: &str, image: &Image<'_>, encoding: &str) -> Result<ColorImage> {
    let (mosaic, bits) = Mosaic::from_encoding(encoding).ok_or_else(|| unsupported(encoding))?;
    let samples = if bits == 8 {
        let raster = Raster::new(type_name, image, 1)?;
        let mut samples = Vec::with_capacity(raster.pixels);
        raster.rows().for_each(|row| samples.extend_from_slice(row));
        samples
    } else {
        let raster = Raster::new(type_name, image, 2)?;
        let upper = usize::from(image.is_bigendian == 0);
        let mut samples = Vec::with_capacity(raster.pixels);
        for row in raster.rows() {
            samples.extend(row.as_chunks::<2>().0.iter().map(|sample| sample[upper]));
        }
        samples
    };
    bayer::demosaic(type_name, image.width, image.height, &samples, mosaic)
}

/// Pixels of `N` bytes whose red, green and blue are the bytes `R`, `G` and `B`.
fn packed<const N: usize, const R: usize, const G: usize, const B: usize>(
    raster: &Raster<'_>,
) -> Vec<u8> {
    let mut rgb = vec![0; raster.pixels * 3];
    for (row, out) in raster
        .rows()
        .zip(rgb.chunks_exact_mut(raster.width as usize * 3))
    {
        let pixels = row.as_chunks::<N>().0;
        for (pixel, out) in pixels.iter().zip(out.as_chunks_mut::<3>().0) {
            *out = [pixel[R], pixel[G], pixel[B]];
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::types::Header;

    fn image<'a>(
        encoding: &'a str,
        width: u32,
        height: u32,
        step: u32,
        data: &'a [u8],
    ) -> Image<'a> {
        Image {
            header: Header::default(),
            height,
            width,
            encoding,
            is_bigendian: 0,
            step,
            data,
        }
    }

    #[test]
    fn an_image_is_called_sound_only_if_it_decodes() {
        for encoding in SUPPORTED.split([',', ' ', '(', ')']) {
            for (step, length) in [(16, 32), (15, 32), (16, 30), (2, 4), (0, 0)] {
                let data = vec![7; length];
                let image = image(encoding, 2, 2, step, &data);
                if let Some(size) = size_of_sound("Image", &image) {
                    let color = decode("Image", &image).unwrap();
                    assert_eq!((color.width, color.height), size, "{encoding} {step}");
                }
            }
        }
        let sound = size_of_sound("Image", &image("rgb8", 2, 2, 6, &[0; 12]));
        assert_eq!(sound, Some((2, 2)));
    }

    #[test]
    fn an_unknown_encoding_is_refused_with_those_that_are_read() {
        let error = decode("Image", &image("nv42", 2, 2, 2, &[0; 12])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("'nv42'") && text.contains("bayer_") && text.contains("rgb8"),
            "{text}"
        );
    }

    #[test]
    fn sizes_that_disagree_are_refused_with_their_numbers() {
        for (broken, expected) in [
            (image("rgb8", 0, 4, 12, &[0; 48]), "0x4"),
            (
                image("rgb8", u32::MAX, u32::MAX, u32::MAX, &[0; 48]),
                "4294967295x4294967295",
            ),
            (image("rgb8", 4, 4, 11, &[0; 48]), "step is 11"),
            (
                image("rgb8", 4, 4, 12, &[0; 47]),
                "need 48 bytes, but data has 47",
            ),
            (
                image("rgb8", 4, 4, u32::MAX, &[0; 48]),
                "need 12884901897 bytes",
            ),
            (image("yuv422", 3, 2, 6, &[0; 12]), "3 wide"),
            (image("rgb8", 4, 4, 0, &[0; 47]), "step is 0"),
        ] {
            let text = decode("Image", &broken).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_step_that_was_never_filled_in_follows_from_the_data() {
        let decoded = |width, data: &[u8]| decode("Image", &image("mono8", width, 2, 0, data));
        // Given rows without padding, and with two bytes of it
        assert_eq!(
            decoded(2, &[1, 2, 3, 4]).unwrap().rgb[..],
            [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
        );
        assert_eq!(
            decoded(1, &[1, 9, 9, 2, 9, 9]).unwrap().rgb[..],
            [1, 1, 1, 2, 2, 2]
        );
        // And data that is no whole rows, or too little for them
        assert!(decoded(2, &[1, 2, 3, 4, 5]).is_err());
        assert!(decoded(3, &[1, 2, 3, 4]).is_err());
    }

    #[test]
    fn a_driver_s_word_on_byte_order_says_nothing_of_single_bytes() {
        // Given 8-bit pixels that are called big-endian, as one family of drivers does
        let data: Vec<u8> = (0..12).collect();
        for (encoding, step, length) in [
            ("rgb8", 6, 12),
            ("bgr8", 6, 12),
            ("mono8", 2, 4),
            ("bayer_rggb8", 2, 4),
            ("yuv422", 4, 8),
            ("nv12", 2, 6),
        ] {
            let little = image(encoding, 2, 2, step, &data[..length]);
            let big = Image {
                is_bigendian: 1,
                ..little.clone()
            };
            assert_eq!(
                decode("Image", &big).unwrap(),
                decode("Image", &little).unwrap(),
                "{encoding}"
            );
        }
    }

    #[test]
    fn the_last_row_may_lack_its_padding() {
        let data = [1, 2, 3, 99, 4, 5, 6];
        let color = decode("Image", &image("rgb8", 1, 2, 4, &data)).unwrap();
        assert_eq!(color.rgb[..], [1, 2, 3, 4, 5, 6]);
    }
}
