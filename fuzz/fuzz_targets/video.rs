//! Any packets as a video of any codec: what they are, and what becomes of each. No FFmpeg: decoding is scripted.
//!
//! An input is: which codec and whether the sender counts (1 byte), then packets, each behind its length (u32, the
//! lowest byte first) as in tests/fixtures/video; the last may be shorter than it says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use spatial_reward::frame::ColorImage;
use spatial_reward::messages::{Header, in_place_of_packet};
use spatial_reward::video::{Codec, VideoDecoder, VideoDecoders, VideoPacket, VideoStream};

const CODECS: [Codec; 4] = [Codec::H264, Codec::H265, Codec::Av1, Codec::Vp9];

/// Takes packets of even length.
struct Script;

impl VideoDecoder for Script {
    fn decode(&mut self, packet: &[u8]) -> Result<ColorImage, String> {
        match packet.len() % 2 {
            0 => Ok(ColorImage {
                width: 1,
                height: 1,
                rgb: vec![0; 3].into(),
            }),
            _ => Err("odd".to_owned()),
        }
    }

    fn reset(&mut self) {}
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, mut rest)) = input.split_first() else {
        return;
    };
    let codec = CODECS[usize::from(*kind) % CODECS.len()];
    let mut stream = VideoStream::new(VideoDecoders::new(|_| Ok(Box::new(Script))));
    let (mut packets, mut pictures) = (0_u64, 0_u64);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        let (data, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        let packet = VideoPacket {
            header: Header::default(),
            codec,
            count: (kind & 0x80 != 0).then_some(packets),
            data,
        };
        packets += 1;
        let decoded = stream
            .decode(&packet)
            .expect("the script opens for every codec");
        pictures += u64::from(decoded.is_ok());
        let _ = in_place_of_packet(&decoded);
    }
    let found = stream.keyframes();
    assert_eq!(found.packets, packets);
    assert!(found.before + found.count <= packets && pictures + found.before <= packets);
    assert!(
        found.count > 0 || pictures == 0,
        "a picture before the first keyframe"
    );
});
