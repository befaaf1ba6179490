//! The pictures of a bag's frames, found by their place among the messages of their topics: in one passage through the bag,
//! as long as colour and depth lie near each other. A video is decoded again: from the keyframe before, where one is asked
//! for that lies behind.

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
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader};

/// Pictures of a topic, as they are handed out, that are kept for frames out of order.
const MAX_HELD_BYTES: usize = 16 << 20;

/// The pictures of a bag's frames.
pub(crate) struct FramePictures {
    path: PathBuf,
    /// Where both are read, but for one that had to go back.
    reader: BagReader,
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
        let images = Pictures::of(roles.topic(Role::Image).unwrap_or_default());
        let images = match decoder_of(info, roles, Role::Image, settings)? {
            Some(decoder) if decoder.is_video() => images.of_video(decoder, video),
            _ => images,
        };
        Ok(Self {
            path: info.path.clone(),
            reader: BagReader::open(&info.path)?,
            images,
            depth: roles.topic(Role::Depth).map(Pictures::of),
        })
    }

    /// A frame with its pictures. They are found quickest in their order.
    ///
    /// # Errors
    /// Those of the reader; `Error::NoVideoDecoder`.
    pub(crate) fn of(&mut self, frame: MatchedFrame<Ordinal>) -> Result<MatchedFrame> {
        let image = self.images.get(
            frame.image,
            &self.path,
            &mut self.reader,
            self.depth.as_mut(),
        )?;
        let depth = match (frame.depth, &mut self.depth) {
            (Some(ordinal), Some(depth)) => {
                let images = Some(&mut self.images);
                Some(depth.get(ordinal, &self.path, &mut self.reader, images)?)
            }
            _ => None,
        };
        Ok(MatchedFrame {
            image,
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
    topic: usize,
    /// Its own, once it had to go back for a message that another topic's had been read past.
    own: Option<BagReader>,
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
    fn of(topic: usize) -> Self {
        Self {
            topic,
            own: None,
            next: 0,
            held: BTreeMap::new(),
            held_bytes: 0,
            video: None,
        }
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

    /// The message of a place; empty where the bag has none any more. What of the other topic is read on the way, that one
    /// takes.
    ///
    /// # Errors
    /// Those of the reader; `Error::NoVideoDecoder`.
    fn get(
        &mut self,
        ordinal: Ordinal,
        path: &Path,
        shared: &mut BagReader,
        mut other: Option<&mut Self>,
    ) -> Result<Bytes> {
        if let Some(held) = self.held.get(&ordinal) {
            return Ok(held.clone());
        }
        if ordinal < self.next {
            *self = Self {
                own: Some(BagReader::open(path)?),
                video: self.video.take().map(|video| video.again_before(ordinal)),
                ..Self::of(self.topic)
            };
        }
        loop {
            let message = match &mut self.own {
                Some(own) => own.next_message()?,
                None => shared.next_message()?,
            };
            let Some(message) = message else {
                return Ok(Bytes::new());
            };
            if let (None, Some(other)) = (&self.own, other.as_deref_mut())
                && other.own.is_none()
            {
                other.take(&message)?;
            }
            let is_it = message.topic == self.topic && self.next == ordinal;
            self.take(&message)?;
            if is_it {
                return Ok(self.held.get(&ordinal).cloned().unwrap_or_default());
            }
        }
    }

    /// Hold a message, if it is of the topic.
    fn take(&mut self, message: &BagMessage) -> Result<()> {
        if message.topic != self.topic {
            return Ok(());
        }
        let at = self.next;
        self.next += 1;
        let data = match &mut self.video {
            None => message.data.clone(),
            Some(video) if at < video.from => return Ok(()),
            Some(video) => video.picture(at, &message.data)?,
        };
        self.hold(at, data);
        Ok(())
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
