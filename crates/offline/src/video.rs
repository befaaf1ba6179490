//! A topic's video, message by message: what stands in the place of each is its picture, or why it has none.

use bytes::Bytes;

use crate::error::Result;
use spatial_reward_core::messages::{Decoder, in_place_of_packet};
use spatial_reward_core::video::{Keyframes, NoVideoPicture, VideoDecoders, VideoStream};

/// The video so far.
pub(crate) struct Video {
    decoders: VideoDecoders,
    stream: VideoStream,
}

/// What became of a message.
pub(crate) struct Decoded {
    /// In its place: `Decoder::of_video_pictures` reads it.
    pub bytes: Bytes,
    /// There is a picture.
    pub has_picture: bool,
    /// Decoding could begin with it.
    pub is_keyframe: bool,
}

impl Video {
    /// Before the first message.
    pub(crate) fn new(decoders: &VideoDecoders) -> Self {
        Self {
            decoders: decoders.clone(),
            stream: VideoStream::new(decoders.clone()),
        }
    }

    /// Who decodes it.
    pub(crate) fn decoders(&self) -> &VideoDecoders {
        &self.decoders
    }

    /// Where its keyframes were so far.
    pub(crate) fn keyframes(&self) -> Keyframes {
        self.stream.keyframes()
    }

    /// Decode the next message.
    ///
    /// # Errors
    /// `Error::NoVideoDecoder`. What is wrong with the message alone stands in its place.
    pub(crate) fn decode(&mut self, decoder: &Decoder, data: &[u8]) -> Result<Decoded> {
        let before = self.keyframes().count;
        let decoded = match decoder.video_packet(data) {
            Ok(packet) => self.stream.decode(&packet)?,
            Err(error) => {
                self.stream.lose();
                Err(NoVideoPicture::Damaged(error.to_string()))
            }
        };
        Ok(Decoded {
            bytes: in_place_of_packet(&decoded),
            has_picture: decoded.is_ok(),
            is_keyframe: self.keyframes().count > before,
        })
    }

    /// Look at the next message without decoding it, which goes on with a keyframe.
    pub(crate) fn pass(&mut self, decoder: &Decoder, data: &[u8]) {
        match decoder.video_packet(data) {
            Ok(packet) => self.stream.pass(&packet),
            Err(_) => self.stream.lose(),
        }
    }
}
