//! Videos by PyAV (tests/fixtures/make_video.py): which packets are keyframes, which follow the last, and what becomes of
//! those that do not. Decoding itself is somebody else's, and scripted here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use spatial_reward_core::Error;
use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::messages::{Decoder, Header, Time, cdr, in_place_of_packet};
use spatial_reward_core::video::{
    Codec, NoVideoPicture, VideoDecoder, VideoDecoders, VideoPacket, VideoStream,
};

const CODECS: [Codec; 4] = [Codec::H264, Codec::H265, Codec::Av1, Codec::Vp9];
const GOP: usize = 4;

/// What a scripted decoder says of a packet that it finds damaged.
const BROKEN: &[u8] = b"broken";

fn packets(codec: Codec) -> Vec<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/video/");
    let bytes = std::fs::read(format!("{path}{}", codec.name())).unwrap();
    let mut rest = bytes.as_slice();
    let mut packets = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (packet, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
        packets.push(packet.to_vec());
        rest = behind;
    }
    assert_eq!(packets.len(), 10);
    packets
}

/// Takes every packet that does not end like a broken one.
struct Script;

impl VideoDecoder for Script {
    fn decode(&mut self, packet: &[u8]) -> Result<ColorImage, String> {
        match packet.ends_with(BROKEN) {
            true => Err("it is broken".to_owned()),
            false => Ok(ColorImage {
                width: 1,
                height: 1,
                rgb: vec![7; 3].into(),
            }),
        }
    }

    fn reset(&mut self) {}
}

fn scripted() -> VideoDecoders {
    VideoDecoders::new(|_| Ok(Box::new(Script)))
}

fn packet(codec: Codec, data: &[u8], count: Option<u64>) -> VideoPacket<'_> {
    VideoPacket {
        header: Header::default(),
        codec,
        count,
        data,
    }
}

/// For each packet: `o` a picture, `b` before the first keyframe, `x` damaged, `.` after damage.
fn outcome<'a>(packets: impl IntoIterator<Item = VideoPacket<'a>>) -> String {
    let mut stream = VideoStream::new(scripted());
    let of = |packet: VideoPacket<'_>| match stream.decode(&packet).unwrap() {
        Ok(_) => 'o',
        Err(NoVideoPicture::BeforeKeyframe) => 'b',
        Err(NoVideoPicture::Damaged(_)) => 'x',
        Err(NoVideoPicture::AfterDamage) => '.',
    };
    packets.into_iter().map(of).collect()
}

/// Of those packets, without a sender's count.
fn plain(codec: Codec, packets: &[Vec<u8>]) -> String {
    outcome(packets.iter().map(|data| packet(codec, data, None)))
}

#[test]
fn every_packet_from_the_first_keyframe_on_has_a_picture() {
    for codec in CODECS {
        let packets = packets(codec);
        assert_eq!(plain(codec, &packets), "oooooooooo", "{codec:?}");
        for begin in 1..GOP {
            let early = "b".repeat(GOP - begin);
            let found = plain(codec, &packets[begin..]);
            assert_eq!(found, format!("{early}oooooo"), "{codec:?} from {begin}");
        }
    }
}

#[test]
fn keyframes_are_counted() {
    for codec in CODECS {
        let mut stream = VideoStream::new(scripted());
        for data in &packets(codec)[1..] {
            stream.decode(&packet(codec, data, None)).unwrap().ok();
        }
        let found = stream.keyframes();
        assert_eq!(
            (found.packets, found.count, found.before),
            (9, 2, 3),
            "{codec:?}"
        );
        assert_eq!(found.interval(), Some(4.0));
        assert_eq!(found.codec, Some(codec));
    }
}

#[test]
fn a_missing_packet_is_noticed_by_the_numbers_in_the_next() {
    for codec in [Codec::H264, Codec::Av1] {
        for missing in [1, 2, 5, 6, 9] {
            let mut packets = packets(codec);
            packets.remove(missing);
            let next_keyframe = missing.next_multiple_of(GOP).min(10) - 1;
            let lost = ".".repeat(next_keyframe.max(missing) - missing);
            let expected = format!(
                "{}{lost}{}",
                "o".repeat(missing),
                "o".repeat(9 - missing - lost.len())
            );
            assert_eq!(
                plain(codec, &packets),
                expected,
                "{codec:?} without {missing}"
            );
        }
        // A keyframe that is missing takes those with it that follow
        let mut packets = packets(codec);
        packets.remove(GOP);
        assert_eq!(plain(codec, &packets), "oooo...oo", "{codec:?}");
    }
}

#[test]
fn a_missing_packet_is_noticed_by_the_sender_s_count() {
    for codec in [Codec::H265, Codec::Vp9] {
        let packets = packets(codec);
        let kept = (packets.iter().enumerate()).filter(|(at, _)| *at != 5);
        let found = outcome(kept.map(|(at, data)| packet(codec, data, Some(at as u64))));
        assert_eq!(found, "ooooo..oo", "{codec:?}");
    }
}

#[test]
fn a_damaged_packet_takes_those_with_it_until_the_next_keyframe() {
    for codec in CODECS {
        let mut packets = packets(codec);
        packets[5].extend(BROKEN);
        assert_eq!(plain(codec, &packets), "ooooox..oo", "{codec:?}");
        // An empty one is as good as missing
        packets[5].clear();
        let found = plain(codec, &packets);
        assert!(
            found.starts_with("ooooo") && found.ends_with("..oo"),
            "{codec:?} {found}"
        );
    }
}

#[test]
fn a_message_that_cannot_be_read_is_a_missing_packet() {
    let packets = packets(Codec::H265);
    let mut stream = VideoStream::new(scripted());
    let mut of = |at: usize| {
        stream
            .decode(&packet(Codec::H265, &packets[at], None))
            .unwrap()
    };
    assert!(of(0).is_ok());
    stream.lose();
    let mut of = |at: usize| {
        stream
            .decode(&packet(Codec::H265, &packets[at], None))
            .unwrap()
    };
    assert_eq!(of(2), Err(NoVideoPicture::AfterDamage));
    assert!(of(4).is_ok());
}

#[test]
fn another_codec_in_mid_stream_begins_with_its_keyframe() {
    let (first, second) = (packets(Codec::H264), packets(Codec::H265));
    let both = (first[..2]
        .iter()
        .map(|data| packet(Codec::H264, data, None)))
    .chain(
        second[1..]
            .iter()
            .map(|data| packet(Codec::H265, data, None)),
    );
    assert_eq!(outcome(both), "oo...oooooo");
}

#[test]
fn without_a_decoder_the_first_packet_says_so() {
    let packets = packets(Codec::Av1);
    let mut stream = VideoStream::new(VideoDecoders::none());
    let error = stream
        .decode(&packet(Codec::Av1, &packets[0], None))
        .unwrap_err();
    assert!(
        matches!(error, Error::NoVideoDecoder { codec: "av1", .. }),
        "{error}"
    );
}

#[test]
fn bytes_of_any_kind_are_no_picture_and_no_panic() {
    let decoded = Arc::new(AtomicUsize::new(0));
    for codec in CODECS {
        let packets = packets(codec);
        // Cut anywhere, and each byte turned over, in a stream that begins well
        for (at, whole) in packets.iter().take(2).enumerate() {
            for place in 0..whole.len() {
                let mut turned = whole.clone();
                turned[place] = !turned[place];
                for data in [&whole[..place], &turned] {
                    let mut stream = VideoStream::new(scripted());
                    for before in &packets[..at] {
                        stream
                            .decode(&packet(codec, before, None))
                            .unwrap()
                            .unwrap();
                    }
                    let found = stream.decode(&packet(codec, data, None)).unwrap();
                    decoded.fetch_add(usize::from(found.is_ok()), Ordering::Relaxed);
                }
            }
        }
    }
    assert!(decoded.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_packet_s_message_is_no_picture_before_somebody_decodes_it() {
    // given a message of a packet, by the type's older definition and with what a newer one has behind it
    let message = (
        (Time { sec: 5, nanosec: 6 }, "camera"),
        b"\0\0\x01\x65".to_vec(),
        "h264",
    );
    let older = cdr::encode("V", &message).unwrap();
    let newer = cdr::encode("V", &(message, "an id", (0_u32, "node", ("topic", "id")))).unwrap();
    let decoder = Decoder::for_channel("foxglove_msgs/msg/CompressedVideo", None).unwrap();
    for bytes in [older, newer] {
        // when it is read
        let packet = decoder.video_packet(&bytes).unwrap();
        // then it is a packet, and no picture
        assert_eq!(
            (packet.codec, packet.data),
            (Codec::H264, b"\0\0\x01\x65".as_slice())
        );
        assert_eq!(packet.header, decoder.image_header(&bytes).unwrap());
        assert_eq!(packet.header.frame_id, "camera");
        assert_eq!(decoder.image_encoding(&bytes).unwrap(), "h264");
        assert!(decoder.is_video() && decoder.color(&bytes).is_err());
        let pictures = decoder.clone().of_video_pictures();
        assert!(matches!(pictures.color(&bytes), Err(Error::Decode { .. })));
        for length in 0..bytes.len().min(40) {
            let _ = decoder.video_packet(&bytes[..length]);
        }
        // and once somebody has decoded it, what stands in its place is one
        let color = ColorImage {
            width: 1,
            height: 2,
            rgb: vec![1, 2, 3, 4, 5, 6].into(),
        };
        let decoded = in_place_of_packet(&Ok(color.clone()));
        assert_eq!(pictures.color(&decoded).unwrap(), color);
        let lazy = pictures.lazy_color(&decoded).unwrap();
        assert_eq!(
            ((lazy.width, lazy.height), lazy.pixels().unwrap()),
            ((1, 2), &color)
        );
    }
}
