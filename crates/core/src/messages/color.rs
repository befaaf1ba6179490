//! `sensor_msgs/Image` to 8-bit RGB, for every encoding that a colour or grey camera driver sends.

use super::bayer::{self, Mosaic};
use super::raster::Raster;
use super::types::Image;
use crate::error::{Error, Result};
use crate::frame::ColorImage;

const SUPPORTED: &str = "rgb8, bgr8, rgba8, bgra8, mono8, 8UC1, 8UC3, 8UC4, rgb16, bgr16, rgba16, bgra16, \
     mono16, bayer_{rggb,bggr,gbrg,grbg}{8,16}, yuv422 (uyvy), yuv422_yuy2 (yuyv), \
     and JPEG or PNG in a CompressedImage";

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
        ("yuv422" | "uyvy" | "UYVY", _) => yuv422::<1, 0, 2>(type_name, &raster(2)?)?,
        ("yuv422_yuy2" | "yuyv" | "YUYV", _) => yuv422::<0, 1, 3>(type_name, &raster(2)?)?,
        (encoding, _) => return decode_bayer(type_name, image, encoding),
    };
    Ok(ColorImage {
        width: image.width,
        height: image.height,
        rgb,
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

/// Two pixels in four bytes: luma at `Y` and `Y + 2`, the shared chroma at `U` and `V`.
fn yuv422<const Y: usize, const U: usize, const V: usize>(
    type_name: &str,
    raster: &Raster<'_>,
) -> Result<Vec<u8>> {
    if !raster.width.is_multiple_of(2) {
        return Err(Error::decode(
            type_name,
            format!(
                "a 4:2:2 image holds pixels in pairs, but this one is {} wide",
                raster.width
            ),
        ));
    }
    let mut rgb = vec![0; raster.pixels * 3];
    for (row, out) in raster
        .rows()
        .zip(rgb.chunks_exact_mut(raster.width as usize * 3))
    {
        for (pair, out) in row
            .as_chunks::<4>()
            .0
            .iter()
            .zip(out.as_chunks_mut::<6>().0)
        {
            let chroma = Chroma::new(pair[U], pair[V]);
            let [r0, g0, b0] = chroma.rgb(pair[Y]);
            let [r1, g1, b1] = chroma.rgb(pair[Y + 2]);
            *out = [r0, g0, b0, r1, g1, b1];
        }
    }
    Ok(rgb)
}

/// What U and V add to each of red, green and blue: ITU-R BT.601, limited range (luma 16 to 235,
/// chroma 16 to 240), in fixed point. Camera drivers in ROS mean this one, and cv_bridge reads it so.
struct Chroma {
    red: i32,
    green: i32,
    blue: i32,
}

/// With 20 fractional bits the largest sum stays below 2^30.
const FRACTION_BITS: u32 = 20;
const LUMA: i32 = fixed(255.0 / 219.0);
const RED_FROM_V: i32 = fixed(1.402 * 255.0 / 224.0);
const GREEN_FROM_U: i32 = fixed(-0.344_136 * 255.0 / 224.0);
const GREEN_FROM_V: i32 = fixed(-0.714_136 * 255.0 / 224.0);
const BLUE_FROM_U: i32 = fixed(1.772 * 255.0 / 224.0);

const fn fixed(factor: f64) -> i32 {
    (factor * (1 << FRACTION_BITS) as f64) as i32
}

impl Chroma {
    fn new(u: u8, v: u8) -> Self {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let half = 1 << (FRACTION_BITS - 1);
        Self {
            red: half + RED_FROM_V * v,
            green: half + GREEN_FROM_U * u + GREEN_FROM_V * v,
            blue: half + BLUE_FROM_U * u,
        }
    }

    fn rgb(&self, y: u8) -> [u8; 3] {
        let luma = (i32::from(y) - 16).max(0) * LUMA;
        [self.red, self.green, self.blue]
            .map(|chroma| ((luma + chroma) >> FRACTION_BITS).clamp(0, 255) as u8)
    }
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
        let error = decode("Image", &image("nv21", 2, 2, 2, &[0; 6])).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("'nv21'") && text.contains("bayer_") && text.contains("rgb8"),
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
        ] {
            let text = decode("Image", &broken).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn the_last_row_may_lack_its_padding() {
        let data = [1, 2, 3, 99, 4, 5, 6];
        let color = decode("Image", &image("rgb8", 1, 2, 4, &data)).unwrap();
        assert_eq!(color.rgb, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn limited_range_black_and_white_become_full_range() {
        let data = [128, 16, 128, 235];
        let color = decode("Image", &image("yuv422", 2, 1, 4, &data)).unwrap();
        assert_eq!(color.rgb, [0, 0, 0, 255, 255, 255]);
    }
}
