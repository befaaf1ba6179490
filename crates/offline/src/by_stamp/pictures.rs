//! The messages of one topic of a bag, found by their place. A video is decoded again: from the keyframe before, where one
//! is asked for that lies behind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::Result;
use crate::label::decoders::decoder_of;
use crate::label::roles::Roles;
use crate::role::Role;
use crate::video::Video;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::{MatchedFrame, Ordinal};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_rosbag2::{BagInfo, BagReader};

/// Pictures of a topic, as they are handed out, that are kept for frames out of order.
const MAX_HELD_BYTES: usize = 16 << 20;

/// The pictures of a bag's frames.
pub(crate) struct FramePictures {
    images: Pictures,
    depth: Option<Pictures>,
}

impl FramePictures {
    /// Of the topics with these roles.
    ///
    /// # Errors
    /// Those of the reader; `Error::UnknownLayout`.
    pub(crate) fn of_bag(
        info: &BagInfo,
        roles: &Roles,
        settings: &Settings,
        video: &VideoDecoders,
    ) -> Result<Self> {
        let pictures = |topic| Pictures::open(&info.path, topic);
        let images = pictures(roles.topic(Role::Image).unwrap_or_default())?;
        let images = match decoder_of(info, roles, Role::Image, settings)? {
            Some(decoder) if decoder.is_video() => images.of_video(decoder, video),
            _ => images,
        };
        Ok(Self {
            images,
            depth: roles.topic(Role::Depth).map(pictures).transpose()?,
        })
    }

    /// A frame with its pictures. They are found quickest in their order.
    ///
    /// # Errors
    /// Those of the reader; `Error::NoVideoDecoder`.
    pub(crate) fn of(&mut self, frame: MatchedFrame<Ordinal>) -> Result<MatchedFrame> {
        let depth = match (frame.depth, &mut self.depth) {
            (Some(ordinal), Some(pictures)) => Some(pictures.get(ordinal)?),
            _ => None,
        };
        Ok(MatchedFrame {
            image: self.images.get(frame.image)?,
            depth,
            info: frame.info,
            intrinsics: frame.intrinsics,
            masks: frame.masks,
            places: frame.places,
            registration: frame.registration,
        })
    }
}

/// The messages of one topic.
struct Pictures {
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
    fn open(path: &Path, topic: usize) -> Result<Self> {
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
    fn of_video(self, decoder: Decoder, decoders: &VideoDecoders) -> Self {
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
    fn get(&mut self, ordinal: Ordinal) -> Result<Bytes> {
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
