//! The frames of a bag in which something was recorded too late for its image: the bag is read once for all that is
//! light, and then as often as pictures have to be found, so that memory does not grow with how late it was.

mod pictures;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

pub(crate) use self::pictures::FramePictures;
use crate::error::Result;
use crate::label::intake::{Intake, matcher};
use crate::label::roles::Roles;
use spatial_reward_core::pipeline::{
    Input, MatchedFrame, Missed, Ordinal, StampMatcher, StampedFrames,
};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader};

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
    video: &VideoDecoders,
    stop: &AtomicBool,
) -> Result<bool> {
    let mut intake = Intake::new(info, roles, settings, video, stop)?;
    intake.spare_pictures();
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
    pictures: FramePictures,
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
        let pictures = FramePictures::of_bag(info, roles, settings, intake.video_decoders())?;
        Ok(Self { frames, pictures })
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
        let frame = self.frames.next();
        frame.map(|frame| self.pictures.of(frame)).transpose()
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
    intake.spare_pictures();
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
