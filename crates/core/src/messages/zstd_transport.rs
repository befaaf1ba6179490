//! `zstd_image_transport`: a `sensor_msgs/Image` in a `sensor_msgs/CompressedImage` of format `zstd`. In front of the
//! compressed pixels stand height, width, byte order, step, the encoding's length and the encoding itself. The releases of
//! Jazzy and Kilted compress with gzip for all that it is called, later ones with Zstandard: the bytes tell.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::raster;
use super::types::{CompressedImage, Image};
use crate::error::{Error, Result};
use crate::imaging::fence::fenced;

const FORMAT: &str = "zstd";
const ZSTANDARD: &[u8] = b"\x28\xb5\x2f\xfd";
const GZIP: &[u8] = b"\x1f\x8b";
const HEAD_BYTES: usize = 17;
/// No encoding's name is longer.
const MAX_ENCODING_BYTES: usize = 255;
/// Of one pixel, in any encoding; rows may be padded besides.
const MAX_PIXEL_BYTES: u64 = 16;

/// What stands in front of the pixels.
struct Head<'a> {
    height: u32,
    width: u32,
    is_bigendian: u8,
    step: u32,
    encoding: &'a str,
    compressed: &'a [u8],
}

/// Whether a message is of this transport.
pub(super) fn is_one(image: &CompressedImage<'_>) -> bool {
    image.format.trim() == FORMAT
}

/// The pixels' encoding; `None` for another transport's message, and for a broken one.
pub(super) fn encoding<'a>(image: &CompressedImage<'a>) -> Option<&'a str> {
    let head = is_one(image).then(|| head(image.data))?;
    Some(head?.encoding)
}

/// Decompresses the image that a message holds, and looks at it and at the bytes that its pixels are in.
///
/// # Errors
/// `Error::Decode` for a message that is broken, `look`'s own.
pub(super) fn with_image<T>(
    type_name: &str,
    image: &CompressedImage<'_>,
    look: impl FnOnce(&Image<'_>, &Bytes) -> Result<T>,
) -> Result<T> {
    let broken = |why: &str| {
        let bytes = image.data.len();
        Error::decode(
            type_name,
            format!("its image of {bytes} bytes by zstd_image_transport is broken: {why}"),
        )
    };
    let head = head(image.data).ok_or_else(|| broken("its head is cut short"))?;
    raster::checked_pixels(type_name, head.width, head.height)?;
    // What the sizes in the head could need bounds what is made of a few hostile bytes.
    let rows = u64::from(head.height);
    let most = rows * u64::from(head.step).max(u64::from(head.width) * MAX_PIXEL_BYTES);
    let most = most.min(raster::MAX_PIXELS * MAX_PIXEL_BYTES);
    let data = fenced(|| decompressed(head.compressed, most)).map_err(|why| broken(&why))?;
    let data = Bytes::from(data);
    let image = Image {
        header: image.header.clone(),
        height: head.height,
        width: head.width,
        encoding: head.encoding,
        is_bigendian: head.is_bigendian,
        step: head.step,
        data: &data,
    };
    look(&image, &data)
}

fn head(data: &[u8]) -> Option<Head<'_>> {
    let (fixed, rest) = data.split_first_chunk::<HEAD_BYTES>()?;
    let number = |at: usize| {
        let four = fixed.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*four))
    };
    let length = usize::try_from(number(13)?).ok()?;
    let (encoding, compressed) = rest
        .split_at_checked(length)
        .filter(|_| length <= MAX_ENCODING_BYTES)?;
    Some(Head {
        height: number(0)?,
        width: number(4)?,
        is_bigendian: *fixed.get(8)?,
        step: number(9)?,
        encoding: std::str::from_utf8(encoding).ok()?,
        compressed,
    })
}

/// At most so many bytes: more are no part of the image.
fn decompressed(data: &[u8], most: u64) -> std::io::Result<Vec<u8>> {
    let mut pixels = Vec::new();
    if data.starts_with(ZSTANDARD) {
        let decoder = StreamingDecoder::new(data).map_err(std::io::Error::other)?;
        decoder.take(most).read_to_end(&mut pixels)?;
    } else if data.starts_with(GZIP) {
        MultiGzDecoder::new(data)
            .take(most)
            .read_to_end(&mut pixels)?;
    } else {
        return Err(std::io::Error::other(
            "its pixels begin neither like Zstandard nor like gzip",
        ));
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::types::Header;
    use crate::messages::{Decoder, cdr};

    /// 64x48 pixels of rgb8, by other libraries (tests/fixtures/make_video.py).
    const GZIPPED: &[u8] = include_bytes!("../../../../tests/fixtures/video/zstd_gzip");
    const ZSTANDARDED: &[u8] = include_bytes!("../../../../tests/fixtures/video/zstd_zstd");

    fn message(data: &[u8]) -> Bytes {
        let image = CompressedImage {
            header: Header::default(),
            format: "zstd",
            data,
        };
        cdr::encode("CompressedImage", &image).unwrap().into()
    }

    fn decoder() -> Decoder {
        Decoder::for_channel("sensor_msgs/msg/CompressedImage", None).unwrap()
    }

    #[test]
    fn both_compressions_of_the_transport_give_the_same_pixels() {
        let decoder = decoder();
        let [one, other] = [GZIPPED, ZSTANDARDED].map(|data| {
            let message = message(data);
            assert_eq!(decoder.image_encoding(&message).unwrap(), "rgb8");
            decoder.color(&message).unwrap()
        });
        assert_eq!(one, other);
        assert_eq!((one.width, one.height), (64, 48));
        let at = |x: usize, y: usize| one.rgb.get((y * 64 + x) * 3..).unwrap().first_chunk::<3>();
        assert_eq!(at(2, 2), Some(&[200, 60, 50]));
        assert_eq!(at(20, 10), Some(&[240, 240, 240]));
        assert_eq!(at(63, 47), Some(&[180, 180, 60]));
    }

    #[test]
    fn depth_comes_through_the_transport_as_it_was() {
        // given two pixels of 1.5 m and none, stored by gzip without compression
        let mut data = [1_u32, 2].map(u32::to_le_bytes).concat();
        data.push(0);
        data.extend([4_u32, 5].map(u32::to_le_bytes).concat());
        data.extend(*b"16UC1");
        let pixels = [0xdc, 0x05, 0, 0];
        data.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 4, 0, 0xfb, 0xff]);
        data.extend(pixels);
        data.extend(crc32(&pixels).to_le_bytes());
        data.extend(4_u32.to_le_bytes());
        // when it is decoded as depth
        let message = message(&data);
        let depth_m = decoder().depth(&message).unwrap().to_metres();
        // then it is in metres, and is no colour
        assert_eq!(depth_m.first(), Some(&1.5));
        assert!(depth_m.get(1).is_some_and(|depth_m| depth_m.is_nan()));
        assert!(matches!(
            decoder().color(&message),
            Err(Error::Encoding { .. })
        ));
    }

    #[test]
    fn a_message_cut_or_turned_over_anywhere_is_no_panic() {
        let decoder = decoder();
        for whole in [GZIPPED, ZSTANDARDED] {
            for place in 0..whole.len() {
                let cut = decoder.color(&message(whole.get(..place).unwrap()));
                // A checksum behind the pixels may be missing
                assert!(cut.is_err() || place + 8 >= whole.len(), "{place}");
                let mut turned = whole.to_vec();
                turned[place] = !turned[place];
                let _ = decoder.color(&message(&turned));
            }
        }
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
            })
        })
    }
}
