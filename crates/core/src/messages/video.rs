//! Messages that carry one packet of a video each: `foxglove_msgs/CompressedVideo` and
//! `ffmpeg_image_transport_msgs/FFMPEGPacket`. A packet is no picture by itself: whoever has those before it makes one of
//! it, which then stands in the message's place.

use bytes::Bytes;
use serde::Deserialize;

use super::types::{Header, Time};
use super::{cdr, raster};
use crate::error::{Error, Result};
use crate::frame::ColorImage;
use crate::no_video_picture::NoVideoPicture;

/// What video is compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// ITU-T H.264, AVC.
    H264,
    /// ITU-T H.265, HEVC.
    H265,
    /// AV1 of the Alliance for Open Media.
    Av1,
    /// VP9.
    Vp9,
}

impl Codec {
    /// As Foxglove's messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Av1 => "av1",
            Self::Vp9 => "vp9",
        }
    }

    /// By a message's format: a codec, or one of FFmpeg's encoders (`libx264`, `hevc_nvenc`), in front of what else
    /// stands there (`h264;yuv420p;bgr8;bgr8`).
    fn of(format: &str) -> Option<Self> {
        let named = format.split(';').next().unwrap_or_default();
        let named = named.trim().to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| named.contains(word));
        if has(&["h264", "x264", "avc"]) {
            Some(Self::H264)
        } else if has(&["h265", "x265", "hevc"]) {
            Some(Self::H265)
        } else if has(&["av1"]) {
            Some(Self::Av1)
        } else if has(&["vp9"]) {
            Some(Self::Vp9)
        } else {
            None
        }
    }
}

/// One packet of a video: what is needed beside those before it for one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoPacket<'a> {
    /// Of the exposure, in the camera's optical frame.
    pub header: Header,
    /// What it is compressed with.
    pub codec: Codec,
    /// The sender's count of pictures, where it counts.
    pub count: Option<u64>,
    /// H.264 and H.265 as an Annex B byte stream, AV1 as OBUs with sizes, VP9 as its frame.
    pub data: &'a [u8],
}

/// `foxglove_msgs/msg/CompressedVideo`, as far as all of its definitions go.
#[derive(Deserialize)]
struct CompressedVideo<'a> {
    timestamp: Time,
    frame_id: String,
    #[serde(borrow, with = "serde_bytes")]
    data: &'a [u8],
    format: &'a str,
}

/// `ffmpeg_image_transport_msgs/msg/FFMPEGPacket`.
#[derive(Deserialize)]
struct FfmpegPacket<'a> {
    header: Header,
    _width: i32,
    _height: i32,
    encoding: &'a str,
    pts: u64,
    _flags: u8,
    _is_bigendian: bool,
    #[serde(borrow, with = "serde_bytes")]
    data: &'a [u8],
}

/// A packet's message before its codec is known.
pub(super) struct Message<'a> {
    pub format: &'a str,
    header: Header,
    count: Option<u64>,
    data: &'a [u8],
}

impl<'a> Message<'a> {
    /// Whatever stands behind the format of a newer definition is of no use here.
    pub(super) fn of_foxglove(type_name: &str, bytes: &'a [u8]) -> Result<Self> {
        let (message, _) = cdr::decode_prefix::<CompressedVideo<'_>>(type_name, bytes)?;
        Ok(Self {
            format: message.format,
            header: Header {
                stamp: message.timestamp,
                frame_id: message.frame_id,
            },
            count: None,
            data: message.data,
        })
    }

    pub(super) fn of_ffmpeg(type_name: &str, bytes: &'a [u8]) -> Result<Self> {
        let message: FfmpegPacket<'_> = cdr::decode(type_name, bytes)?;
        Ok(Self {
            format: message.encoding,
            header: message.header,
            count: Some(message.pts),
            data: message.data,
        })
    }

    /// # Errors
    /// `Error::Encoding` for a codec that is not read.
    pub(super) fn packet(self) -> Result<VideoPacket<'a>> {
        let codec = Codec::of(self.format).ok_or_else(|| Error::Encoding {
            encoding: self.format.to_owned(),
            role: "video",
            supported: "h264, h265 (hevc), av1, vp9",
        })?;
        Ok(VideoPacket {
            header: self.header,
            codec,
            count: self.count,
            data: self.data,
        })
    }
}

/// Begins what stands in the place of a packet's message: no message begins so, for CDR begins with a zero.
const DECODED: [u8; 4] = *b"VPIC";
const PICTURE: u8 = 0;
const BEFORE_KEYFRAME: u8 = 1;
const DAMAGED: u8 = 2;
const AFTER_DAMAGE: u8 = 3;
/// Mark, kind, width, height.
const HEAD_BYTES: usize = 4 + 1 + 4 + 4;

/// What became of a packet, as bytes that stand in its message's place: [`Decoder::of_video_pictures`] reads them.
///
/// [`Decoder::of_video_pictures`]: super::Decoder::of_video_pictures
pub fn in_place_of_packet(decoded: &Result<ColorImage, NoVideoPicture>) -> Bytes {
    let (kind, size, rest): (u8, [u32; 2], &[u8]) = match decoded {
        Ok(color) => (PICTURE, [color.width, color.height], &color.rgb),
        Err(NoVideoPicture::BeforeKeyframe) => (BEFORE_KEYFRAME, [0; 2], &[]),
        Err(NoVideoPicture::Damaged(why)) => (DAMAGED, [0; 2], why.as_bytes()),
        Err(NoVideoPicture::AfterDamage) => (AFTER_DAMAGE, [0; 2], &[]),
    };
    let mut bytes = Vec::with_capacity(HEAD_BYTES + rest.len());
    bytes.extend_from_slice(&DECODED);
    bytes.push(kind);
    size.iter()
        .for_each(|side| bytes.extend_from_slice(&side.to_le_bytes()));
    bytes.extend_from_slice(rest);
    bytes.into()
}

/// The picture's size and pixels.
///
/// # Errors
/// `Error::NoVideoPicture` where the packet gave none, `Error::Decode` for bytes that were not made here.
pub(super) fn picture<'a>(type_name: &str, bytes: &'a [u8]) -> Result<(u32, u32, &'a [u8])> {
    let none = |why: NoVideoPicture| Err(why.into());
    let head = bytes.split_first_chunk::<HEAD_BYTES>();
    let Some(([m0, m1, m2, m3, kind, w0, w1, w2, w3, h0, h1, h2, h3], rest)) =
        head.filter(|(head, _)| head.starts_with(&DECODED))
    else {
        return Err(Error::decode(
            type_name,
            "a packet of a video is no picture without those before it",
        ));
    };
    let _ = (m0, m1, m2, m3);
    match *kind {
        PICTURE => {
            let width = u32::from_le_bytes([*w0, *w1, *w2, *w3]);
            let height = u32::from_le_bytes([*h0, *h1, *h2, *h3]);
            let pixels = raster::checked_pixels(type_name, width, height)?;
            match rest.len() == pixels * 3 {
                true => Ok((width, height, rest)),
                false => Err(Error::decode(type_name, "its picture is cut short")),
            }
        }
        BEFORE_KEYFRAME => none(NoVideoPicture::BeforeKeyframe),
        DAMAGED => none(NoVideoPicture::Damaged(
            String::from_utf8_lossy(rest).into_owned(),
        )),
        _ => none(NoVideoPicture::AfterDamage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_is_told_by_its_name_or_by_ffmpeg_s_encoder() {
        for (format, expected) in [
            ("h264", Some(Codec::H264)),
            ("libx264", Some(Codec::H264)),
            ("h264_nvenc;yuv420p;bgr8;bgr8", Some(Codec::H264)),
            ("H265", Some(Codec::H265)),
            ("hevc;yuv420p;bgr8;rgb8", Some(Codec::H265)),
            ("libsvtav1", Some(Codec::Av1)),
            ("vp9", Some(Codec::Vp9)),
            ("vp8", None),
            ("mpeg4;h264", None),
            ("", None),
        ] {
            assert_eq!(Codec::of(format), expected, "{format}");
        }
    }

    #[test]
    fn what_became_of_a_packet_comes_back_as_it_was() {
        let color = ColorImage {
            width: 2,
            height: 1,
            rgb: vec![1, 2, 3, 4, 5, 6].into(),
        };
        let bytes = in_place_of_packet(&Ok(color.clone()));
        let (width, height, rgb) = picture("V", &bytes).unwrap();
        assert_eq!((width, height, rgb), (2, 1, &color.rgb[..]));
        for why in [
            NoVideoPicture::BeforeKeyframe,
            NoVideoPicture::Damaged("no".into()),
            NoVideoPicture::AfterDamage,
        ] {
            let bytes = in_place_of_packet(&Err(why.clone()));
            let error = picture("V", &bytes).unwrap_err();
            assert!(
                matches!(&error, Error::NoVideoPicture(found) if *found == why),
                "{error}"
            );
        }
        // A message of a packet is none of them, nor is anything cut
        assert!(matches!(
            picture("V", &[0, 1, 0, 0, 1, 2]),
            Err(Error::Decode { .. })
        ));
        assert!(picture("V", &bytes[..bytes.len() - 1]).is_err());
    }
}
