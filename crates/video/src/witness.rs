//! H.265 and VP9 by two decoders each. FFmpeg's do not notice the end of a packet's bytes, or not at once: what is missing
//! they read as zeros, and the picture is wrong below the cut. A second one gets other bytes behind each packet, which
//! change nothing of a packet that is whole.

use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::video::{Codec, VideoDecoder};

use crate::decoder::Decoder;

/// What the second decoder finds behind a packet; no start code.
const BEHIND: [u8; 64] = [0xff; 64];

/// A decoder with its witness.
pub(crate) struct Witnessed {
    codec: Codec,
    decoder: Decoder,
    witness: Decoder,
}

impl Witnessed {
    /// # Errors
    /// As of one decoder.
    pub(crate) fn open(codec: Codec) -> Result<Self, String> {
        Ok(Self {
            codec,
            decoder: Decoder::open(codec)?,
            witness: Decoder::open(codec)?,
        })
    }
}

/// Whether what is behind a packet's bytes would be part of a picture's: elsewhere it may be an error.
fn ends_with_picture(codec: Codec, packet: &[u8]) -> bool {
    const SLICES: std::ops::RangeInclusive<u8> = 0..=31;
    match codec {
        Codec::H265 => {
            let start = packet.windows(3).rposition(|three| three == [0, 0, 1]);
            let head = start.and_then(|at| packet.get(at + 3));
            head.is_some_and(|head| SLICES.contains(&(head >> 1 & 0x3f)))
        }
        // Frames that are sent together have an index of them at the end.
        Codec::Vp9 => packet.last().is_some_and(|last| last & 0xe0 != 0xc0),
        Codec::H264 | Codec::Av1 => false,
    }
}

impl VideoDecoder for Witnessed {
    fn decode(&mut self, packet: &[u8]) -> Result<ColorImage, String> {
        let behind = if ends_with_picture(self.codec, packet) {
            BEHIND.as_slice()
        } else {
            &[]
        };
        let witnessed = self.witness.picture(&[packet, behind].concat());
        let picture = self.decoder.picture(packet)?;
        match witnessed.is_ok_and(|witnessed| witnessed.is_same_as(&picture)) {
            true => self.decoder.rgb(&picture),
            false => Err("its bytes end before its picture does".to_owned()),
        }
    }

    fn reset(&mut self) {
        self.decoder.reset();
        self.witness.reset();
    }
}
