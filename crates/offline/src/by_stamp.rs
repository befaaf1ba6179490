//! The frames of a bag in which something was recorded too late for its image: the bag is read once for all that is
//! light, and then as often as pictures have to be found, so that memory does not grow with how late it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use crate::error::Result;
use crate::label::intake::{Intake, matcher};
use crate::label::roles::Roles;
use crate::role::Role;
use spatial_reward_core::pipeline::{
    Input, MatchedFrame, Missed, Ordinal, StampMatcher, StampedFrames,
};
use spatial_reward_core::settings::Settings;
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader};

/// Encoded pictures of a topic that are kept for frames out of order.
const MAX_HELD_BYTES: usize = 16 << 20;

/// Told of each message; an error ends the reading.
pub(crate) type Each<'a> = &'a mut dyn FnMut(&BagMessage) -> Result<()>;

/// Whether a message of a bag comes too late for a frame that it belongs to.
///
/// # Errors
/// Those of the reader and of the intake.
pub(crate) fn is_needed(
    info: &BagInfo,
    roles: &Roles,
    settings: &Settings,
    stop: &AtomicBool,
) -> Result<bool> {
    let mut intake = Intake::new(info, roles, settings, stop)?;
    let mut matcher = matcher(roles, settings);
    let mut reader = BagReader::open(&info.path)?;
    while let Some(message) = reader.next_message()? {
        intake.take(&message, &mut |input| {
            matcher.push(message.log_time_nanos, input)
        })?;
        while matcher.next_frame().is_some() {}
        if matcher.has_missed() {
            return Ok(true);
        }
    }
    matcher.flush();
    Ok(matcher.has_missed())
}

/// The frames of a bag by their stamps alone.
pub(crate) struct ByStamp {
    frames: StampedFrames,
    images: Pictures,
    depth: Option<Pictures>,
}

impl ByStamp {
    /// Read the bag but for its pictures. The intake and `each` learn of every message.
    ///
    /// # Errors
    /// Those of the reader, of the intake and of `each`.
    pub(crate) fn survey(
        info: &BagInfo,
        roles: &Roles,
        settings: &Settings,
        intake: &mut Intake<'_>,
        each: Each<'_>,
    ) -> Result<Self> {
        let frames = frames(info, settings, intake, each)?;
        let pictures = |topic| Pictures::open(&info.path, topic);
        Ok(Self {
            frames,
            images: pictures(roles.topic(Role::Image).unwrap_or_default())?,
            depth: roles.topic(Role::Depth).map(pictures).transpose()?,
        })
    }

    /// What a live node would have missed.
    pub(crate) fn missed(&self) -> Missed {
        self.frames.missed()
    }

    /// Images that had the stamp of another.
    pub(crate) fn duplicates(&self) -> u64 {
        self.frames.duplicates()
    }

    /// The image that the next frame is made of, by its place among the images of the bag.
    pub(crate) fn next_image(&self) -> Option<Ordinal> {
        self.frames.next_image()
    }

    /// The next frame, with its pictures.
    ///
    /// # Errors
    /// Those of the reader.
    pub(crate) fn next_frame(&mut self) -> Result<Option<MatchedFrame>> {
        let Some(frame) = self.frames.next() else {
            return Ok(None);
        };
        let depth = match (frame.depth, &mut self.depth) {
            (Some(ordinal), Some(pictures)) => Some(pictures.get(ordinal)?),
            _ => None,
        };
        Ok(Some(MatchedFrame {
            image: self.images.get(frame.image)?,
            depth,
            info: frame.info,
            intrinsics: frame.intrinsics,
            places: frame.places,
            registration: frame.registration,
        }))
    }
}

/// The frames without their pictures, of which each has its place among the messages of its topic.
///
/// # Errors
/// Those of the reader, of the intake and of `each`.
pub(crate) fn frames(
    info: &BagInfo,
    settings: &Settings,
    intake: &mut Intake<'_>,
    each: Each<'_>,
) -> Result<StampedFrames> {
    let mut matcher = StampMatcher::new(settings, settings.needs_depth());
    let mut reader = BagReader::open(&info.path)?;
    let mut read: BTreeMap<usize, Ordinal> = BTreeMap::new();
    while let Some(message) = reader.next_message()? {
        each(&message)?;
        let ordinal = read.entry(message.topic).or_default();
        let mut sink = |input: Input| {
            matcher.push(message.log_time_nanos, input.with_payload(|_| *ordinal));
        };
        intake.take(&message, &mut sink)?;
        *ordinal += 1;
    }
    Ok(matcher.frames())
}

/// The messages of one topic, found by their place.
struct Pictures {
    path: PathBuf,
    topic: usize,
    reader: BagReader,
    /// Of the message that the reader would find next.
    next: Ordinal,
    /// The last ones read.
    held: BTreeMap<Ordinal, Bytes>,
    held_bytes: usize,
}

impl Pictures {
    fn open(path: &Path, topic: usize) -> Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            topic,
            reader: BagReader::open(path)?,
            next: 0,
            held: BTreeMap::new(),
            held_bytes: 0,
        })
    }

    /// The message of a place; empty where the bag has none any more.
    fn get(&mut self, ordinal: Ordinal) -> Result<Bytes> {
        if let Some(held) = self.held.get(&ordinal) {
            return Ok(held.clone());
        }
        if ordinal < self.next {
            *self = Self::open(&self.path, self.topic)?;
        }
        while let Some(message) = self.reader.next_message()? {
            if message.topic != self.topic {
                continue;
            }
            let at = self.next;
            self.next += 1;
            self.hold(at, message.data.clone());
            if at == ordinal {
                return Ok(message.data);
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
