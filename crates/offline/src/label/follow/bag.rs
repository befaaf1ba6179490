//! A bag that regions are followed through: its frames without their pictures, and its pictures where somebody looks.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use super::way::times_nanos;
use crate::by_stamp::{Each, FramePictures};
use crate::error::Result;
use crate::label::decoders::decoder_of;
use crate::label::request::{Work, stop_if_asked};
use crate::label::roles::Roles;
use crate::looks::{Looks, half_of_free};
use crate::role::Role;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::pipeline::reading::{self, StreamKind};
use spatial_reward_core::pipeline::{FrameInfo, Look, MatchedFrame, Ordinal, StampMatcher};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader};

/// Encoded pictures that are held to go through them backwards.
const MAX_BLOCK_BYTES: usize = 256 << 20;
/// Decoded ones that are kept for the other direction and for the other region, if half of the free memory is more.
const MAX_LOOKED_BYTES: usize = 512 << 20;
/// So many pictures of a video are held instead.
const VIDEO_PICTURES: usize = 64;

/// Somebody on the way through a bag's frames.
pub(crate) trait Walk {
    /// Look at a frame; there is no look where its picture cannot be decoded.
    fn see(&mut self, index: usize, info: &FrameInfo, look: Option<&Look>) -> Result<()>;
}

/// A bag's frames without their pictures.
pub(crate) struct Bag<'a> {
    info: &'a BagInfo,
    roles: &'a Roles,
    settings: &'a Settings,
    video: &'a VideoDecoders,
    image_topic: usize,
    depth_topic: Option<usize>,
    measurer: &'a Measurer<'a>,
    stop: &'a AtomicBool,
    /// What would be made, for who stops it.
    target: &'a Path,
    /// In order, their pictures by their place among the messages of their topics.
    pub frames: Vec<MatchedFrame<Ordinal>>,
    looks: Looks,
    /// How long each picture of each topic is, encoded.
    bytes: BTreeMap<usize, Vec<usize>>,
}

impl<'a> Bag<'a> {
    /// Read it but for its pixels.
    pub(crate) fn survey(
        info: &'a BagInfo,
        roles: &'a Roles,
        request: Work<'a>,
        measurer: &'a Measurer<'a>,
    ) -> Result<Self> {
        let settings = request.settings;
        let image_topic = roles.topic(Role::Image).unwrap_or_default();
        let depth_topic = roles.topic(Role::Depth);
        let is_video = decoder_of(info, roles, Role::Image, settings)?
            .is_some_and(|decoder| decoder.is_video());
        let mut bytes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut each = |message: &BagMessage| {
            // A packet's picture is held decoded.
            let length = match is_video && message.topic == image_topic {
                true => MAX_BLOCK_BYTES / VIDEO_PICTURES,
                false => message.data.len(),
            };
            if message.topic == image_topic || Some(message.topic) == depth_topic {
                bytes.entry(message.topic).or_default().push(length);
            }
            request.stop_if_asked()
        };
        let frames = survey(info, roles, settings, measurer, &mut each)?;
        Ok(Self {
            info,
            roles,
            settings,
            video: request.video,
            image_topic,
            depth_topic,
            measurer,
            stop: request.stop,
            target: request.target,
            looks: Looks::new(frames.len(), half_of_free().min(MAX_LOOKED_BYTES)),
            frames,
            bytes,
        })
    }

    /// Look at the frames from one on, in order.
    pub(crate) fn forwards(&self, first: usize, walk: &mut dyn Walk) -> Result<()> {
        let mut pictures = self.pictures()?;
        for index in first..self.frames.len() {
            self.visit(index, walk, || self.frame(&mut pictures, index))?;
        }
        Ok(())
    }

    /// Look at the frames from one on, against the order of time.
    pub(crate) fn backwards(&self, last: usize, walk: &mut dyn Walk) -> Result<()> {
        let mut pictures = self.pictures()?;
        for block in self.blocks(last + 1).into_iter().rev() {
            let mut held = Vec::with_capacity(block.len());
            for index in block.clone() {
                held.push(match self.looks.held(index) {
                    Some(_) => None,
                    None => self.frame(&mut pictures, index)?,
                });
            }
            for (index, frame) in block.zip(held).rev() {
                self.visit(index, walk, || Ok(frame))?;
            }
        }
        Ok(())
    }

    /// Look at some frames, in order.
    pub(crate) fn at(&self, frames: &[usize], walk: &mut dyn Walk) -> Result<()> {
        let mut pictures = self.pictures()?;
        for index in frames {
            self.visit(*index, walk, || self.frame(&mut pictures, *index))?;
        }
        Ok(())
    }

    /// Show a frame, which `read` gives where nobody has looked yet.
    fn visit(
        &self,
        index: usize,
        walk: &mut dyn Walk,
        read: impl FnOnce() -> Result<Option<MatchedFrame>>,
    ) -> Result<()> {
        stop_if_asked(self.stop, self.target)?;
        let Some(info) = self.frames.get(index).map(|frame| &frame.info) else {
            return Ok(());
        };
        let look = self.looks.try_at(index, || {
            read().map(|frame| frame.and_then(|frame| self.measurer.look(&frame)))
        })?;
        walk.see(index, info, look.as_deref())
    }

    /// How long after the first frame each one was taken.
    pub(crate) fn times_nanos(&self) -> Vec<i64> {
        times_nanos(&self.frames)
    }

    fn pictures(&self) -> Result<FramePictures> {
        FramePictures::of_bag(self.info, self.roles, self.settings, self.video)
    }

    fn frame(&self, pictures: &mut FramePictures, index: usize) -> Result<Option<MatchedFrame>> {
        let frame = self.frames.get(index).cloned();
        let mut frame = frame.map(|frame| pictures.of(frame)).transpose()?;
        // Depth stays as it was sent, and a part of a file's chunk would keep all of that.
        if let Some(depth) = frame.as_mut().and_then(|frame| frame.depth.as_mut()) {
            *depth = Bytes::copy_from_slice(depth);
        }
        Ok(frame)
    }

    /// The frames up to one, in stretches whose pictures may be held together.
    fn blocks(&self, until: usize) -> Vec<Range<usize>> {
        let mut blocks = Vec::new();
        let (mut begin, mut held) = (0, 0);
        for (index, frame) in self.frames.iter().enumerate().take(until) {
            let bytes = self.length(Some(self.image_topic), Some(frame.image))
                + self.length(self.depth_topic, frame.depth);
            if held + bytes > MAX_BLOCK_BYTES && index > begin {
                blocks.push(begin..index);
                (begin, held) = (index, 0);
            }
            held += bytes;
        }
        blocks.push(begin..until);
        blocks
    }

    fn length(&self, topic: Option<usize>, ordinal: Option<Ordinal>) -> usize {
        let lengths = topic.and_then(|topic| self.bytes.get(&topic));
        let ordinal = ordinal.and_then(|ordinal| usize::try_from(ordinal).ok());
        let length = lengths
            .zip(ordinal)
            .and_then(|(lengths, at)| lengths.get(at));
        length.copied().unwrap_or_default()
    }
}

/// A bag's frames without their pictures, which are named by their place among the messages of their topics. `each` is told
/// of every message.
///
/// # Errors
/// Those of the bag and of `each`.
pub(crate) fn survey(
    info: &BagInfo,
    roles: &Roles,
    settings: &Settings,
    measurer: &Measurer<'_>,
    each: Each<'_>,
) -> Result<Vec<MatchedFrame<Ordinal>>> {
    let camera_info = match roles.topic(Role::CameraInfo) {
        Some(topic) => {
            decoder_of(info, roles, Role::CameraInfo, settings)?.map(|decoder| (topic, decoder))
        }
        None => None,
    };
    let mut readers: BTreeMap<usize, (StreamKind, &Decoder)> = BTreeMap::new();
    // A video's packets have headers, which its pictures have not.
    let image = decoder_of(info, roles, Role::Image, settings)?;
    let image = image.as_ref().unwrap_or(&measurer.image);
    let image_topic = roles.topic(Role::Image).unwrap_or_default();
    readers.insert(image_topic, (StreamKind::Image, image));
    if let (Some(topic), Some(decoder)) = (roles.topic(Role::Depth), &measurer.depth) {
        readers.insert(topic, (StreamKind::Depth, decoder));
    }
    if let Some((topic, decoder)) = &camera_info {
        readers.insert(*topic, (StreamKind::CameraInfo, decoder));
    }
    let mut matcher = StampMatcher::new(settings, false);
    let mut read: BTreeMap<usize, Ordinal> = BTreeMap::new();
    let mut reader = BagReader::open(&info.path)?;
    while let Some(message) = reader.next_message()? {
        each(&message)?;
        let Some((kind, decoder)) = readers.get(&message.topic) else {
            continue;
        };
        let next = read.entry(message.topic).or_default();
        let ordinal = *next;
        *next += 1;
        // What is broken is told when the bag is labelled.
        if let Ok(input) = reading::read(*kind, decoder, &message.data, message.log_time_nanos) {
            matcher.push(message.log_time_nanos, input.with_payload(|_| ordinal));
        }
    }
    Ok(matcher.frames().collect())
}
