//! The regions of a bag that somebody drew, followed through it before it is labelled: forwards from the first drawing on,
//! and backwards from the last. Where both ways lead through a picture, both are heard.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

use bytes::Bytes;

use super::decoders::decoder_of;
use super::request::{Work, stop_if_asked};
use super::roles::Roles;
use crate::by_stamp::{Each, FramePictures};
use crate::error::{Error, Result};
use crate::looks::{Looks, half_of_free};
use crate::role::Role;
use spatial_reward_core::following::{Both, Elapsed, Follower, InTurn, Schedule, Sight};
use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::pipeline::reading::{self, StreamKind};
use spatial_reward_core::pipeline::{
    FrameInfo, LiveFollower, Look, MatchedFrame, Ordinal, StampMatcher,
};
use spatial_reward_core::settings::{PixelBox, Regions, Settings};
use spatial_reward_core::stamp::{nanos_from_seconds, seconds_between};
use spatial_reward_core::tracking::{Cover, check_drawn};
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader};

/// Encoded pictures that are held to go through them backwards.
const MAX_BLOCK_BYTES: usize = 256 << 20;
/// Decoded ones that are kept for the other direction and for the other region, if half of the free memory is more.
const MAX_LOOKED_BYTES: usize = 512 << 20;

/// How the frames of a bag get the boxes of drawn regions.
pub(crate) enum Placed {
    /// No region was drawn.
    Nothing,
    /// As a live node does it, frame by frame.
    AsLive,
    /// From the whole recording.
    Followed(Followed),
}

impl Placed {
    /// Follow the regions of a bag that were drawn, unless that is to be done as it would be live.
    ///
    /// # Errors
    /// As [`follow`].
    pub(crate) fn new(
        info: &BagInfo,
        roles: &Roles,
        request: Work<'_>,
        measurer: &Measurer<'_>,
    ) -> Result<Self> {
        let settings = request.settings;
        Ok(
            match (settings.regions.are_followed(), settings.matching.as_live) {
                (false, _) => Self::Nothing,
                (true, true) => Self::AsLive,
                (true, false) => Self::Followed(follow(info, roles, request, measurer)?),
            },
        )
    }

    /// For one passage through the frames, in order.
    pub(crate) fn placing<'a>(&'a self, measurer: &'a Measurer<'a>) -> Placing<'a> {
        match self {
            Self::Nothing => Placing::Nothing,
            Self::AsLive => match LiveFollower::new(&measurer.regions) {
                Some(follower) => Placing::AsLive(Box::new(follower), measurer),
                None => Placing::Nothing,
            },
            Self::Followed(followed) => Placing::Followed(followed, &measurer.regions),
        }
    }
}

/// Gives one frame after the other its boxes.
pub(crate) enum Placing<'a> {
    Nothing,
    AsLive(Box<LiveFollower>, &'a Measurer<'a>),
    Followed(&'a Followed, &'a Regions),
}

impl Placing<'_> {
    /// What was decoded of the frame for that, if anything.
    ///
    /// # Errors
    /// `Error::NotFollowed` for a box that was drawn outside the picture.
    pub(crate) fn place(&mut self, frame: &mut MatchedFrame) -> Result<Option<Look>> {
        match self {
            Self::Nothing => Ok(None),
            Self::AsLive(follower, measurer) => Ok(follower.place(measurer, frame)?),
            Self::Followed(followed, regions) => {
                let sights = followed.of(&frame.info);
                frame.info.place_followed(regions, &sights);
                Ok(None)
            }
        }
    }
}

/// So many pictures of a video are held instead.
const VIDEO_PICTURES: usize = 64;

/// Where both regions are in each frame of a bag.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// By stamp and log time: a clock that was set back gives a stamp twice.
    sights: BTreeMap<(i64, i64), Both<Sight>>,
}

impl Followed {
    /// What is known of a frame's regions.
    pub(crate) fn of(&self, frame: &FrameInfo) -> Both<Sight> {
        self.sights.get(&key(frame)).copied().unwrap_or_default()
    }
}

/// What a frame is known by.
pub(crate) fn key(frame: &FrameInfo) -> (i64, i64) {
    (frame.stamp_nanos, frame.log_time_nanos)
}

/// Follow the drawn regions through a bag.
///
/// # Errors
/// Those of the bag; `Error::DrawnTooLate` and `Error::NotFollowed` for a box that no picture holds;
/// `Error::Interrupted`.
pub(crate) fn follow(
    info: &BagInfo,
    roles: &Roles,
    request: Work<'_>,
    measurer: &Measurer<'_>,
) -> Result<Followed> {
    let bag = Bag::survey(info, roles, request, measurer)?;
    let in_turn = InTurn::of(&request.settings.regions);
    let [first, other] = in_turn.sorted(due(&bag.frames, &request.settings.regions)?);
    let first = bag.follow(&first, None)?;
    let other = bag.follow(&other, Some(&first))?;
    let [fingertip, target] = in_turn.sorted([first, other]);
    let sights = bag.frames.iter().enumerate();
    let sights = sights.map(|(index, frame)| {
        let of = |way: &Way| way.get(&index).map(|seen| seen.sight);
        (key(&frame.info), [of(&fingertip), of(&target)])
    });
    Ok(Followed {
        sights: sights.collect(),
    })
}

/// What is wrong with the boxes that were drawn, of a recording that lasts so long and has pictures of such a size.
pub(crate) fn amiss(
    regions: &Regions,
    recording_s: f64,
    picture: Option<(u32, u32)>,
) -> Vec<Error> {
    let mut schedule = Schedule::new(regions);
    schedule.due(nanos_from_seconds(recording_s));
    let left = schedule
        .left()
        .into_iter()
        .zip([Role::Fingertip, Role::Target]);
    let too_late = left.filter_map(|(drawn, role)| {
        Some(Error::DrawnTooLate {
            role,
            drawn: drawn?.to_string(),
            recording_s,
        })
    });
    let drawn = regions.fingertip.drawn.iter().chain(&regions.target.drawn);
    let outside = drawn.filter_map(|drawn| {
        check_drawn(&drawn.bbox, picture?)
            .err()
            .map(Error::NotFollowed)
    });
    too_late.chain(outside).collect()
}

/// The boxes of a region that were drawn, by the frame's place.
pub(crate) type Due = Vec<Option<BoundingBox>>;

/// What was seen of a region, by the frame's place.
type Way = BTreeMap<usize, Seen>;

/// What was seen of a region in a frame.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub sight: Sight,
    pub cover: Option<Arc<Cover>>,
}

impl Seen {
    /// In two directions of time.
    pub(crate) fn joined(earlier: Option<Self>, later: Option<Self>) -> Option<Self> {
        let (Some(earlier), Some(later)) = (&earlier, &later) else {
            return earlier.or(later);
        };
        let sight = Sight::joined(earlier.sight, later.sight);
        // Of which drawing was nearer.
        let is_later = sight.away_nanos() == later.sight.away_nanos();
        let cover = match is_later {
            true => &later.cover,
            false => &earlier.cover,
        };
        Some(Self {
            sight,
            cover: cover.clone(),
        })
    }
}

/// A bag's frames without their pictures.
struct Bag<'a> {
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
    frames: Vec<MatchedFrame<Ordinal>>,
    looks: Looks,
    /// How long each picture of each topic is, encoded.
    bytes: BTreeMap<usize, Vec<usize>>,
}

impl<'a> Bag<'a> {
    /// Read it but for its pixels.
    fn survey(
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

    /// Both ways from where a region was drawn.
    fn follow(&self, due: &Due, other: Option<&Way>) -> Result<Way> {
        let (Some(first), Some(last)) = (
            due.iter().position(Option::is_some),
            due.iter().rposition(Option::is_some),
        ) else {
            return Ok(Way::new());
        };
        let (forwards, backwards) = thread::scope(|scope| {
            let backwards = scope.spawn(|| self.backwards(last, due, other));
            let forwards = self.forwards(first, due, other);
            let backwards = backwards
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic));
            (forwards, backwards)
        });
        let (mut forwards, mut backwards) = (forwards?, backwards?);
        let joined = (0..self.frames.len()).filter_map(|index| {
            let seen = Seen::joined(forwards.remove(&index), backwards.remove(&index))?;
            Some((index, seen))
        });
        Ok(joined.collect())
    }

    fn forwards(&self, first: usize, due: &Due, other: Option<&Way>) -> Result<Way> {
        let mut course = Course::new(self, due, other);
        let mut pictures = self.pictures()?;
        for index in first..self.frames.len() {
            course.see(index, || self.frame(&mut pictures, index))?;
        }
        Ok(course.way)
    }

    fn backwards(&self, last: usize, due: &Due, other: Option<&Way>) -> Result<Way> {
        let mut course = Course::new(self, due, other);
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
                course.see(index, || Ok(frame))?;
            }
        }
        Ok(course.way)
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

/// The boxes of both regions that were drawn in each frame, the fingertip's first.
///
/// # Errors
/// `Error::DrawnTooLate`.
pub(crate) fn due(frames: &[MatchedFrame<Ordinal>], regions: &Regions) -> Result<[Due; 2]> {
    let mut schedule = Schedule::new(regions);
    let mut elapsed = Elapsed::default();
    let times = frames
        .iter()
        .map(|frame| elapsed.until(frame.info.timeline_nanos));
    let times: Vec<i64> = times.collect();
    let due = times.iter().map(|time| schedule.due(*time));
    let due: (Due, Due) = due.map(|[fingertip, target]| (fingertip, target)).unzip();
    let longest = times.last().copied();
    let recording_s = seconds_between(0, longest.unwrap_or_default());
    match amiss(regions, recording_s, None).into_iter().next() {
        Some(error) => Err(error),
        None => Ok(due.into()),
    }
}

/// A region on its way through a bag.
struct Course<'a> {
    bag: &'a Bag<'a>,
    due: &'a Due,
    /// What is seen of the other region.
    other: Option<&'a Way>,
    follower: Follower,
    way: Way,
}

impl<'a> Course<'a> {
    fn new(bag: &'a Bag<'a>, due: &'a Due, other: Option<&'a Way>) -> Self {
        Self {
            bag,
            due,
            other,
            follower: Follower::default(),
            way: Way::new(),
        }
    }

    /// Look at a frame, which `read` gives where nobody has looked yet.
    fn see(
        &mut self,
        index: usize,
        read: impl FnOnce() -> Result<Option<MatchedFrame>>,
    ) -> Result<()> {
        let bag = self.bag;
        stop_if_asked(bag.stop, bag.target)?;
        let Some(info) = bag.frames.get(index).map(|frame| &frame.info) else {
            return Ok(());
        };
        let look = bag.looks.try_at(index, || {
            read().map(|frame| frame.and_then(|frame| bag.measurer.look(&frame)))
        })?;
        let picture = look.as_deref().map(Look::picture);
        let due = self.due.get(index).copied().flatten();
        if let Some(bbox) = due.filter(|_| picture.is_none()) {
            return Err(Error::DrawnBlind {
                bbox: PixelBox(bbox).to_string(),
                stamp_nanos: info.stamp_nanos,
            });
        }
        let other = self
            .other
            .and_then(|other| other.get(&index)?.cover.as_deref());
        let at_nanos = info.timeline_nanos;
        if let Some(sight) = self.follower.see(due, at_nanos, picture, other)? {
            let cover = self.follower.cover().cloned().map(Arc::new);
            self.way.insert(index, Seen { sight, cover });
        }
        Ok(())
    }
}
