//! The messages of one topic of a bag, found by their place. A video is decoded again: from the keyframe before, where one
//! is asked for that lies behind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::Result;
use crate::video::Video;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::Ordinal;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_rosbag2::BagReader;

/// Pictures of a topic, as they are handed out, that are kept for frames out of order.
const MAX_HELD_BYTES: usize = 16 << 20;

/// The messages of one topic.
pub(super) struct Pictures {
    path: PathBuf,
    topic: usize,
    reader: BagReader,
    /// Of the message that the reader would find next.
    next: Ordinal,
    /// The last ones read.
    held: BTreeMap<Ordinal, Bytes>,
    held_bytes: usize,
    video: Option<VideoAt>,
}

/// A video, where the reader is.
struct VideoAt {
    decoder: Decoder,
    video: Video,
    /// Those found so far.
    keyframes: BTreeSet<Ordinal>,
    /// What lies before is not decoded.
    from: Ordinal,
}

impl Pictures {
    /// # Errors
    /// Those of the reader.
    pub(super) fn open(path: &Path, topic: usize) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            topic,
            reader: BagReader::open(path)?,
            next: 0,
            held: BTreeMap::new(),
            held_bytes: 0,
            video: None,
        })
    }

    /// The same for packets of a video, of which pictures are handed out.
    pub(super) fn of_video(self, decoder: Decoder, decoders: &VideoDecoders) -> Self {
        Self {
            video: Some(VideoAt {
                decoder,
                video: Video::new(decoders),
                keyframes: BTreeSet::new(),
                from: 0,
            }),
            ..self
        }
    }

    /// The message of a place; empty where the bag has none any more.
    ///
    /// # Errors
    /// Those of the reader; `Error::NoVideoDecoder`.
    pub(super) fn get(&mut self, ordinal: Ordinal) -> Result<Bytes> {
        if let Some(held) = self.held.get(&ordinal) {
            return Ok(held.clone());
        }
        if ordinal < self.next {
            let video = self.video.take().map(|video| video.again_before(ordinal));
            *self = Self {
                video,
                ..Self::open(&self.path, self.topic)?
            };
        }
        while let Some(message) = self.reader.next_message()? {
            if message.topic != self.topic {
                continue;
            }
            let at = self.next;
            self.next += 1;
            let data = match &mut self.video {
                None => message.data,
                Some(video) if at < video.from => continue,
                Some(video) => video.picture(at, &message.data)?,
            };
            self.hold(at, data.clone());
            if at == ordinal {
                return Ok(data);
            }
        }
        Ok(Bytes::new())
    }

    fn hold(&mut self, at: Ordinal, data: Bytes) {
        self.held_bytes += data.len();
        self.held.insert(at, data);
        while self.held_bytes > MAX_HELD_BYTES && self.held.len() > 1 {
            if let Some((_, data)) = self.held.pop_first() {
                self.held_bytes -= data.len();
            }
        }
    }
}

impl VideoAt {
    /// To be decoded anew, for a picture that lies behind.
    fn again_before(self, ordinal: Ordinal) -> Self {
        let keyframe = self.keyframes.range(..=ordinal).next_back();
        Self {
            from: keyframe.copied().unwrap_or(0),
            video: Video::new(self.video.decoders()),
            ..self
        }
    }

    fn picture(&mut self, at: Ordinal, data: &[u8]) -> Result<Bytes> {
        let decoded = self.video.decode(&self.decoder, data)?;
        if decoded.is_keyframe {
            self.keyframes.insert(at);
        }
        Ok(decoded.bytes)
    }
}
