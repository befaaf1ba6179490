//! One video, packet by packet: from the first keyframe on, each has its picture, or the reason why it has none.

use std::collections::VecDeque;

use super::decoder::{VideoDecoder, VideoDecoders};
use super::look::Look;
use super::sequence::Sequence;
use crate::error::Result;
use crate::frame::ColorImage;
use crate::messages::{Codec, VideoPacket};
use crate::no_video_picture::NoVideoPicture;

/// Of packets without a picture so many are kept, the last ones, and none larger.
const MOST_PARAMETERS: usize = 8;
const MOST_PARAMETER_BYTES: usize = 1 << 16;

/// Makes pictures of a video's packets, which come in the order in which they were sent.
pub struct VideoStream {
    decoders: VideoDecoders,
    /// None before the first packet.
    coded: Option<Coded>,
    state: State,
    keyframes: Keyframes,
}

/// A video of one codec; its decoder is opened when there is something to decode.
struct Coded {
    codec: Codec,
    sequence: Sequence,
    decoder: Option<Box<dyn VideoDecoder>>,
    /// Packets that held parameters alone: a keyframe may need them again.
    parameters: VecDeque<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No keyframe so far.
    Before,
    /// Every packet since the last keyframe was there and sound.
    Sound,
    /// One was not.
    Damaged,
}

/// Where a video's keyframes are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keyframes {
    /// The newest packet's codec.
    pub codec: Option<Codec>,
    /// Packets so far.
    pub packets: u64,
    /// Keyframes among them.
    pub count: u64,
    /// Packets before the first one; all of them where there is none.
    pub before: u64,
    /// The last one's place among the packets.
    last: u64,
}

impl Keyframes {
    /// Packets from one keyframe to the next, on average; `None` where there are not two.
    pub fn interval(&self) -> Option<f64> {
        let intervals = self.count.checked_sub(1).filter(|count| *count > 0)?;
        Some((self.last - self.before) as f64 / intervals as f64)
    }

    fn see(&mut self, packet: &VideoPacket<'_>, is_keyframe: bool) {
        self.codec = Some(packet.codec);
        if is_keyframe {
            self.count += 1;
            self.last = self.packets;
        }
        self.packets += 1;
        if self.count == 0 {
            self.before = self.packets;
        }
    }
}

impl VideoStream {
    /// Before the first packet.
    pub fn new(decoders: VideoDecoders) -> Self {
        Self {
            decoders,
            coded: None,
            state: State::Before,
            keyframes: Keyframes::default(),
        }
    }

    /// Where the keyframes were so far.
    pub fn keyframes(&self) -> Keyframes {
        self.keyframes
    }

    /// Look at the next packet without decoding it. Decoding goes on with a keyframe.
    pub fn pass(&mut self, packet: &VideoPacket<'_>) {
        self.look(packet);
        self.lose();
    }

    /// A message could not be read: its packet is missing.
    pub fn lose(&mut self) {
        if self.state == State::Sound {
            self.state = State::Damaged;
        }
    }

    /// The next packet's picture, or why there is none.
    ///
    /// # Errors
    /// `Error::NoVideoDecoder`.
    pub fn decode(
        &mut self,
        packet: &VideoPacket<'_>,
    ) -> Result<std::result::Result<ColorImage, NoVideoPicture>> {
        let look = self.look(packet);
        if look.is_gap {
            self.lose();
        }
        if let Some(why) = look.is_other {
            self.lose();
            return Ok(Err(NoVideoPicture::Damaged(why.to_owned())));
        }
        let decoders = &self.decoders;
        let Some(coded) = &mut self.coded else {
            return Ok(Err(NoVideoPicture::BeforeKeyframe));
        };
        let decoder = match &mut coded.decoder {
            Some(decoder) => decoder,
            none => none.insert(decoders.open(coded.codec)?),
        };
        if !look.has_picture {
            // It is no damage that nothing is to be seen yet.
            let _ = decoder.decode(packet.data);
            if packet.data.len() <= MOST_PARAMETER_BYTES {
                coded.parameters.push_back(packet.data.to_vec());
                if coded.parameters.len() > MOST_PARAMETERS {
                    coded.parameters.pop_front();
                }
            }
            return Ok(Err(NoVideoPicture::Damaged(
                "it holds no picture".to_owned(),
            )));
        }
        if look.is_keyframe && self.state != State::Sound {
            decoder.reset();
            for parameters in &coded.parameters {
                let _ = decoder.decode(parameters);
            }
            self.state = State::Sound;
        }
        Ok(match self.state {
            State::Before => Err(NoVideoPicture::BeforeKeyframe),
            State::Damaged => Err(NoVideoPicture::AfterDamage),
            State::Sound => decoder.decode(packet.data).map_err(|why| {
                self.state = State::Damaged;
                NoVideoPicture::Damaged(why)
            }),
        })
    }

    fn look(&mut self, packet: &VideoPacket<'_>) -> Look {
        let codec = packet.codec;
        if self.coded.as_ref().is_none_or(|coded| coded.codec != codec) {
            self.coded = Some(Coded {
                codec,
                sequence: Sequence::new(codec),
                decoder: None,
                parameters: VecDeque::new(),
            });
            self.lose();
        }
        let look = match &mut self.coded {
            Some(coded) => coded.sequence.look(packet),
            None => Look::default(),
        };
        self.keyframes.see(packet, look.is_keyframe);
        look
    }
}
