//! Small videos by PyAV (tests/fixtures/make_video.py): each picture has a square that has gone on, and four colours.

use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::messages::Header;
use spatial_reward_core::video::{Codec, VideoDecoder, VideoPacket, VideoStream};

const CODECS: [Codec; 4] = [Codec::H264, Codec::H265, Codec::Av1, Codec::Vp9];

fn packets(name: &str) -> Vec<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/video/");
    let bytes = std::fs::read(format!("{path}{name}")).unwrap();
    let mut rest = bytes.as_slice();
    let mut packets = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (packet, behind) = behind.split_at(u32::from_le_bytes(*length) as usize);
        packets.push(packet.to_vec());
        rest = behind;
    }
    packets
}

fn opened(codec: Codec) -> Box<dyn VideoDecoder> {
    crate::decoders().open(codec).unwrap()
}

fn at(picture: &ColorImage, x: u32, y: u32) -> [u8; 3] {
    let begin = (y * picture.width + x) as usize * 3;
    picture.rgb[begin..begin + 3].try_into().unwrap()
}

#[track_caller]
fn assert_near(found: [u8; 3], expected: [u8; 3], what: &str) {
    let off = found.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
    assert!(off <= Some(6), "{what}: {found:?} for {expected:?}");
}

fn assert_is_picture(picture: &ColorImage, index: u32, what: &str) {
    assert_eq!((picture.width, picture.height), (64, 48), "{what}");
    for (x, y, expected) in [
        (2, 2, [200, 60, 50]),
        (61, 2, [60, 170, 70]),
        (2, 45, [50, 70, 190]),
        (61, 45, [180, 180, 60]),
        (6 * index + 3, 11, [240; 3]),
    ] {
        assert_near(at(picture, x, y), expected, what);
    }
}

#[test]
fn each_packet_gives_its_picture_at_once_in_the_right_colours() {
    for (name, codec) in [
        ("h264", Codec::H264),
        ("h264_bt709", Codec::H264),
        ("h264_full", Codec::H264),
        ("h265", Codec::H265),
        ("av1", Codec::Av1),
        ("vp9", Codec::Vp9),
    ] {
        let mut decoder = opened(codec);
        for (index, packet) in packets(name).iter().enumerate() {
            let what = format!("{name} {index}");
            let picture = decoder
                .decode(packet)
                .unwrap_or_else(|why| panic!("{what}: {why}"));
            assert_is_picture(&picture, index as u32, &what);
        }
    }
}

#[test]
fn a_damaged_packet_is_no_picture_and_after_a_reset_all_is_well() {
    for codec in CODECS {
        let packets = packets(codec.name());
        let mut decoder = opened(codec);
        decoder.decode(&packets[0]).unwrap();
        // given a packet of which the second half is missing
        let cut = &packets[1][..packets[1].len() / 2];
        assert!(decoder.decode(cut).is_err(), "{codec:?}");
        // when decoding begins anew with a keyframe, then nothing is left of it
        decoder.reset();
        for (index, packet) in packets.iter().enumerate().skip(4) {
            let picture = decoder.decode(packet).unwrap();
            assert_is_picture(&picture, index as u32, codec.name());
        }
    }
}

#[test]
fn a_picture_that_h265_needs_and_that_is_missing_is_noticed() {
    let packets = packets("h265");
    let mut decoder = opened(Codec::H265);
    decoder.decode(&packets[0]).unwrap();
    let why = decoder.decode(&packets[2]).unwrap_err();
    assert!(why.contains("ref"), "{why}");
}

#[test]
fn parameters_in_packets_of_their_own_hold_for_keyframes_to_come() {
    // given a camera that sends its parameter sets apart, once, and a packet that is cut
    let whole = packets("h264");
    let picture = whole[0]
        .windows(4)
        .rposition(|four| four[..3] == [0, 0, 1] && four[3] & 0x1f == 5);
    let (parameters, first) = whole[0].split_at(picture.unwrap());
    let second = whole[4]
        .windows(4)
        .rposition(|four| four[..3] == [0, 0, 1] && four[3] & 0x1f == 5);
    let second = &whole[4][second.unwrap()..];
    let mut stream = VideoStream::new(crate::decoders());
    let mut decode = |data: &[u8]| {
        let packet = VideoPacket {
            header: Header::default(),
            codec: Codec::H264,
            count: None,
            data,
        };
        stream.decode(&packet).unwrap()
    };
    // when it is decoded
    assert!(decode(parameters).is_err());
    assert_is_picture(&decode(first).unwrap(), 0, "first");
    assert!(decode(&whole[1][..whole[1].len() / 2]).is_err());
    // then the next keyframe is there without them
    assert_is_picture(&decode(second).unwrap(), 4, "second");
    assert_is_picture(&decode(&whole[5]).unwrap(), 5, "behind it");
}

#[test]
fn bytes_of_any_kind_are_an_error_and_no_crash() {
    for codec in CODECS {
        let packets = packets(codec.name());
        let mut decoder = opened(codec);
        assert!(decoder.decode(&[]).is_err());
        assert!(decoder.decode(&[0; 100]).is_err());
        assert!(decoder.decode(b"this is no video").is_err());
        for (at, whole) in packets.iter().enumerate() {
            for place in (0..whole.len()).step_by(7) {
                let mut turned = whole.clone();
                turned[place] = !turned[place];
                let _ = decoder.decode(&turned);
                let _ = decoder.decode(&whole[..place]);
            }
            if at % 4 == 0 {
                decoder.reset();
                let picture = decoder.decode(whole).unwrap();
                assert_is_picture(&picture, at as u32, codec.name());
            }
        }
    }
}

#[test]
fn two_videos_are_decoded_at_once() {
    let threads: Vec<_> = CODECS
        .into_iter()
        .map(|codec| {
            std::thread::spawn(move || {
                let mut decoder = opened(codec);
                for (index, packet) in packets(codec.name()).iter().enumerate() {
                    let picture = decoder.decode(packet).unwrap();
                    assert_is_picture(&picture, index as u32, codec.name());
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}
