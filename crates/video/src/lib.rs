//! Pictures out of the packets of a video, by FFmpeg's libavcodec: what the core asks of a video decoder.
//!
//! One thread decodes one video: a packet's picture comes at once, and what FFmpeg says while it decodes is about that
//! packet. FFmpeg conceals what is damaged; here a concealed picture is none.

mod color;
mod decoder;
mod log;
mod owned;
#[cfg(test)]
mod tests;
mod witness;

use decoder::Decoder;
use spatial_reward_core::video::{Codec, VideoDecoders};
use witness::Witnessed;

/// FFmpeg's decoders of H.264, H.265, AV1 and VP9, as far as the installed one has them.
pub fn decoders() -> VideoDecoders {
    VideoDecoders::new(|codec| {
        Ok(match codec {
            Codec::H265 | Codec::Vp9 => Box::new(Witnessed::open(codec)?),
            _ => Box::new(Decoder::open(codec)?),
        })
    })
}
