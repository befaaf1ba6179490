//! Joins the messages of several streams to frames by their header stamps. It waits for what may
//! still come, but no longer than configured, and holds a bounded number of bytes.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::boxes::{BoxStream, FINGERTIP, TARGET};
use super::buffer::Buffer;
use super::clock::{ImageClock, Moment};
use super::{BoxRole, FrameInfo, Input, MatchedFrame, Streams};
use crate::frame::{Detection, Intrinsics, Reason};
use crate::settings::Config;
use crate::stamp::nanos_from_seconds;

/// Encoded images and depth that may wait at a time: 60 Hz of raw full-HD colour and depth fit for
/// the default wait. A recording that needs more has its oldest frames settled early.
const MAX_HELD_BYTES: usize = 384 << 20;

/// Push messages in the order of their log times, take frames out.
///
/// A frame is settled once each stream that exists has come to the image's stamp or past it, or
/// `matching.wait_s` of log time has passed since the image, or [`flush`](Self::flush) is called.
/// Each stream's own stamps are expected to ascend, as one publisher's do; across streams any
/// order within the wait gives the same frames. Camera info is waited for only until the first.
///
/// Frames come out in the order of their stamps, save `late` ones: an image older than the last
/// frame, by less than a second, comes out at once. An image a second or more older than the
/// newest is a clock that was set back: what is pending is settled first, nothing from before is
/// matched to what comes after, and a new episode begins.
///
/// Episodes also begin at an [`Input::EpisodeSplit`] and after a gap; neither makes empty ones. No
/// box is carried from one episode into the next, and trackers restart.
#[derive(Debug)]
pub struct Matcher {
    streams: Streams,
    needs_depth: bool,
    tolerance_nanos: i64,
    wait_nanos: i64,
    reach_nanos: i64,
    split_gap_nanos: Option<i64>,
    max_held_bytes: usize,

    clock: ImageClock,
    now_nanos: i64,
    /// By moment, then in order of arrival.
    pending: BTreeMap<(Moment, u64), PendingImage>,
    pending_bytes: usize,
    images_seen: u64,
    depth: Buffer<Bytes>,
    camera_info: Buffer<Intrinsics>,
    fingertip: BoxStream,
    target: BoxStream,

    splits: VecDeque<Split>,
    episode: u64,
    /// Where the current episode began, unless it is the first.
    episode_start: Option<Moment>,
    last_settled: Option<Moment>,
    ready: VecDeque<MatchedFrame>,
}

#[derive(Debug)]
struct PendingImage {
    log_time_nanos: i64,
    frame_id: String,
    payload: Bytes,
}

#[derive(Debug)]
struct Split {
    log_time_nanos: i64,
    images_before: u64,
}

impl Matcher {
    /// A matcher for the streams that exist. With `needs_depth`, a frame without depth is
    /// `no_depth`; else depth is only handed along. The configuration is taken as valid.
    pub fn new(config: &Config, streams: Streams, needs_depth: bool) -> Self {
        let tolerance_nanos = nanos_from_seconds(config.matching.tolerance_s);
        let wait_nanos = nanos_from_seconds(config.matching.wait_s);
        let max_age_nanos = nanos_from_seconds(config.matching.box_max_age_s);
        let reach_nanos = wait_nanos.saturating_add(tolerance_nanos.max(max_age_nanos));
        Self {
            streams,
            needs_depth,
            tolerance_nanos,
            wait_nanos,
            reach_nanos,
            split_gap_nanos: config.episodes.split_gap_s.map(nanos_from_seconds),
            max_held_bytes: MAX_HELD_BYTES,
            clock: ImageClock::new(wait_nanos, reach_nanos),
            now_nanos: i64::MIN,
            pending: BTreeMap::new(),
            pending_bytes: 0,
            images_seen: 0,
            depth: Buffer::new(|payload| payload.len()),
            camera_info: Buffer::new(|_| size_of::<Intrinsics>()),
            fingertip: BoxStream::new(FINGERTIP, &config.topics.fingertip_class, config),
            target: BoxStream::new(TARGET, &config.topics.target_class, config),
            splits: VecDeque::new(),
            episode: 0,
            episode_start: None,
            last_settled: None,
            ready: VecDeque::new(),
        }
    }

    /// The same matcher with another bound on the bytes that may wait.
    pub fn with_max_held_bytes(self, max_held_bytes: usize) -> Self {
        Self {
            max_held_bytes,
            ..self
        }
    }

    /// The streams that exist from now on: a live node finds out as their first messages come.
    pub fn expect(&mut self, streams: Streams) {
        self.streams = streams;
    }

    /// Whether a frame waits for its inputs.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The episode that a split before the next image would begin.
    pub fn next_episode(&self) -> u64 {
        self.last_settled.map_or(0, |_| self.episode + 1)
    }

    /// The newest intrinsics that have come in.
    pub fn newest_intrinsics(&self) -> Option<Intrinsics> {
        let newest = self.camera_info.newest()?;
        let (_, intrinsics) = self.camera_info.newest_until(newest)?;
        Some(*intrinsics)
    }

    /// Take in a message that was logged (offline) or received (live) at a time.
    pub fn push(&mut self, log_time_nanos: i64, input: Input) {
        self.advance(log_time_nanos);
        match input {
            Input::Image {
                stamp_nanos,
                frame_id,
                payload,
            } => {
                let image = PendingImage {
                    log_time_nanos,
                    frame_id,
                    payload,
                };
                self.push_image(stamp_nanos, image);
            }
            Input::Depth {
                stamp_nanos,
                payload,
            } => {
                let newest = self.depth.newest();
                let moment = (self.clock).place_message(log_time_nanos, stamp_nanos, newest);
                self.depth.insert(moment, payload, |_, _| false);
            }
            Input::CameraInfo {
                stamp_nanos,
                intrinsics,
            } => {
                let newest = self.camera_info.newest();
                let moment = (self.clock).place_message(log_time_nanos, stamp_nanos, newest);
                self.camera_info.insert(moment, intrinsics, |_, _| false);
            }
            Input::Boxes {
                role,
                stamp_nanos,
                boxes,
            } => self.push_boxes(log_time_nanos, stamp_nanos, role, &boxes),
            Input::EpisodeSplit => self.push_split(log_time_nanos),
        }
        self.settle();
        self.shed();
    }

    /// Tell the matcher what time it is when no message does: a live node's timer.
    pub fn advance(&mut self, log_time_nanos: i64) {
        self.now_nanos = self.now_nanos.max(log_time_nanos);
        self.settle();
    }

    /// No more messages will come: settle everything.
    pub fn flush(&mut self) {
        while self.settle_first() {}
    }

    /// The next settled frame.
    pub fn next_frame(&mut self) -> Option<MatchedFrame> {
        self.ready.pop_front()
    }

    fn push_image(&mut self, stamp_nanos: i64, image: PendingImage) {
        let moment = self.clock.place_image(image.log_time_nanos, stamp_nanos);
        if self.last_settled.is_some_and(|last| moment < last) {
            let late = self.info(moment, &image, Some(Reason::Late));
            self.ready.push_back(MatchedFrame {
                info: late,
                image: image.payload,
                depth: None,
                intrinsics: None,
            });
            return;
        }
        self.pending_bytes += image.payload.len();
        self.pending.insert((moment, self.images_seen), image);
        self.images_seen += 1;
    }

    fn push_boxes(&mut self, log_time: i64, stamp: i64, role: BoxRole, boxes: &[Detection]) {
        let streams = [
            (&mut self.fingertip, role != BoxRole::Target),
            (&mut self.target, role != BoxRole::Fingertip),
        ];
        for (stream, concerned) in streams {
            if concerned {
                let moment = (self.clock).place_message(log_time, stamp, stream.newest());
                stream.push(moment, boxes, role == BoxRole::Both);
            }
        }
    }

    /// Splits with no image between them are one.
    fn push_split(&mut self, log_time_nanos: i64) {
        let images_before = self.images_seen;
        if self.splits.back().map(|split| split.images_before) != Some(images_before) {
            self.splits.push_back(Split {
                log_time_nanos,
                images_before,
            });
        }
    }

    /// Settle, in order, every frame whose inputs are complete or whose wait is over.
    fn settle(&mut self) {
        while let Some(((moment, _), image)) = self.pending.first_key_value() {
            let deadline = image.log_time_nanos.saturating_add(self.wait_nanos);
            if self.now_nanos <= deadline && !self.is_complete(*moment) {
                break;
            }
            self.settle_first();
        }
    }

    fn is_complete(&self, moment: Moment) -> bool {
        let Streams {
            depth,
            camera_info,
            fingertip,
            target,
        } = self.streams;
        let ahead = self.wait_nanos;
        (!depth || self.depth.has_reached(moment, ahead))
            && (!camera_info || !self.camera_info.is_empty())
            && (!fingertip || self.fingertip.has_reached(moment, ahead))
            && (!target || self.target.has_reached(moment, ahead))
    }

    /// Turn the oldest pending image into a frame with what is there; false if none is pending.
    fn settle_first(&mut self) -> bool {
        let Some(((moment, _), image)) = self.pending.pop_first() else {
            return false;
        };
        self.pending_bytes -= image.payload.len();
        self.begin_episode_if_due(moment, image.log_time_nanos);
        self.last_settled = Some(moment);

        let fingertip = self.fingertip.at(moment, self.episode_start);
        let target = self.target.at(moment, self.episode_start);
        let depth = self.depth.nearest(moment, self.tolerance_nanos);
        let depth = depth.map(|(_, payload)| payload.clone());
        let no_depth = (self.needs_depth && depth.is_none()).then_some(Reason::NoDepth);
        let reason = fingertip.err().or(target.err()).or(no_depth);
        let intrinsics = self.camera_info.newest_until(moment);
        let intrinsics = intrinsics.map(|(_, intrinsics)| intrinsics);
        let intrinsics = intrinsics.or_else(|| self.camera_info.first_after(moment));
        self.ready.push_back(MatchedFrame {
            info: FrameInfo {
                fingertip: fingertip.ok().map(|found| found.bbox),
                target: target.ok().map(|found| found.bbox),
                bridged: [fingertip, target]
                    .iter()
                    .flatten()
                    .any(|found| found.bridged),
                ..self.info(moment, &image, reason)
            },
            image: image.payload,
            depth,
            intrinsics: intrinsics.copied(),
        });
        self.forget_before(moment);
        true
    }

    fn info(&self, moment: Moment, image: &PendingImage, reason: Option<Reason>) -> FrameInfo {
        FrameInfo {
            stamp_nanos: moment.stamp_nanos,
            log_time_nanos: image.log_time_nanos,
            frame_id: image.frame_id.clone(),
            episode: self.episode,
            fingertip: None,
            target: None,
            bridged: false,
            reason,
        }
    }

    fn begin_episode_if_due(&mut self, moment: Moment, log_time_nanos: i64) {
        let mut split = false;
        while (self.splits.front()).is_some_and(|next| next.log_time_nanos <= log_time_nanos) {
            self.splits.pop_front();
            split = true;
        }
        let Some(last) = self.last_settled else {
            return;
        };
        let pause_nanos = moment.stamp_nanos.saturating_sub(last.stamp_nanos);
        let gap = self.split_gap_nanos.is_some_and(|gap| pause_nanos > gap);
        if split || gap || moment.epoch != last.epoch {
            self.episode += 1;
            self.episode_start = Some(moment);
            self.fingertip.restart_tracker();
            self.target.restart_tracker();
        }
    }

    /// Forget the messages that no frame from this moment on can ask for.
    fn forget_before(&mut self, moment: Moment) {
        self.fingertip.forget_before(moment);
        self.target.forget_before(moment);
        self.camera_info.forget_before(moment, true);
        self.depth
            .forget_before(moment.shifted(-self.tolerance_nanos), false);
    }

    /// Keep the held bytes under the bound: settle early, and where no image waits, forget.
    fn shed(&mut self) {
        let (epoch, reach) = (self.clock.epoch(), self.reach_nanos);
        self.depth.trim_ahead(epoch, reach);
        self.camera_info.trim_ahead(epoch, reach);
        self.fingertip.trim_ahead(epoch, reach);
        self.target.trim_ahead(epoch, reach);
        while self.held_bytes() > self.max_held_bytes {
            let shed = self.settle_first()
                || self.depth.forget_oldest()
                || self.fingertip.forget_oldest()
                || self.target.forget_oldest()
                || self.camera_info.forget_oldest();
            if !shed {
                break;
            }
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.pending_bytes
            + self.depth.bytes()
            + self.camera_info.bytes()
            + self.fingertip.bytes()
            + self.target.bytes()
    }
}
