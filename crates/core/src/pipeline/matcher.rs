//! Joins the messages of several streams to frames by their header stamps. It waits for what may
//! still come, but no longer than configured, and holds a bounded number of bytes.

use std::collections::VecDeque;

use bytes::Bytes;

use super::boxes::Neighbours;
use super::clock::Moment;
use super::image_order::{Change, ImageOrder, PendingImage, PendingImages, is_pending};
use super::join::{DepthMessage, Join, Times, Used};
use super::rig::Rig;
use super::settled::Settled;
use super::{BoxRole, Input, MatchedFrame, Streams};
use crate::frame::{Detection, Intrinsics, Reason};
use crate::messages::TransformStamped;
use crate::registration::Registration;
use crate::settings::Config;
use crate::stamp::NANOS_PER_SECOND;

/// Encoded images and depth that may wait at a time: 60 Hz of raw full-HD colour and depth fit for
/// the default wait. A recording that needs more has its oldest frames settled early.
const MAX_HELD_BYTES: usize = 384 << 20;

/// Push messages in the order of their log times, take frames out.
///
/// A frame is settled once each stream that exists has come to the image's stamp or past it, or
/// `matching.wait_s` of log time has passed since the image, or [`flush`](Self::flush) is called.
/// Each stream's own stamps are expected to ascend, as one publisher's do; across streams any
/// order within the wait gives the same frames. Camera info is waited for only until the first. Live, transforms are
/// waited for that tell where the regions' frames are at the stamp, without guessing beyond the last one; and what depth
/// of a camera of its own is registered with.
///
/// Frames come out in the order of their stamps, save `late` ones: an image older than the last
/// frame, by less than a second, comes out at once. An image a second or more older than the
/// newest, and followed by another of its kind, is a clock that was set back: what is pending is settled first,
/// nothing from before is matched to what comes after, and a new episode begins. One whose stamp alone leaps is
/// `wild_stamp`. Of two images with one stamp the first counts.
///
/// Episodes also begin at an [`Input::EpisodeSplit`] and after a gap; neither makes empty ones. No
/// box is carried from one episode into the next, and trackers restart.
///
/// That is how a live node has to do it, for it cannot know what is still to come. A recording is read
/// [`recorded`](Self::recorded): then a frame without a box lies between two detections instead of behind one, and
/// [`has_missed`](Self::has_missed) tells that some message came too late for its frame, so that the recording is to
/// be read again through a [`StampMatcher`](super::StampMatcher).
#[derive(Debug)]
pub struct Matcher {
    streams: Streams,
    wait_nanos: i64,
    reach_nanos: i64,
    max_held_bytes: usize,

    order: ImageOrder<Bytes>,
    join: Join<Bytes>,
    now_nanos: i64,
    pending: PendingImages<Bytes>,
    pending_bytes: usize,
    images_placed: u64,
    duplicates: u64,
    /// Transforms and the depth camera, of a live matcher.
    rig: Option<Rig>,
    /// What a recording has settled.
    settled: Option<Settled>,
    missed: bool,
    ready: VecDeque<MatchedFrame>,
}

impl Matcher {
    /// A live matcher for the streams that exist. With `needs_depth`, a frame without depth is
    /// `no_depth`; else depth is only handed along. The configuration is taken as valid.
    pub fn new(config: &Config, streams: Streams, needs_depth: bool) -> Self {
        Self::with(config, streams, needs_depth, false)
    }

    /// A matcher for a recording, whose log times say nothing about when a message could be had.
    pub fn recorded(config: &Config, streams: Streams, needs_depth: bool) -> Self {
        Self::with(config, streams, needs_depth, true)
    }

    fn with(config: &Config, streams: Streams, needs_depth: bool, recorded: bool) -> Self {
        let times = Times::of(config);
        // In time is what comes within the wait, and a second more for streams of different speed.
        let remembered_nanos = (times.reach_nanos)
            .saturating_add(times.belongs_nanos)
            .saturating_add(NANOS_PER_SECOND);
        Self {
            streams,
            wait_nanos: times.wait_nanos,
            reach_nanos: times.reach_nanos,
            max_held_bytes: MAX_HELD_BYTES,
            order: ImageOrder::new(times.clock(), recorded),
            join: Join::new(config, needs_depth, recorded, |depth| depth.payload.len()),
            now_nanos: i64::MIN,
            pending: PendingImages::new(),
            pending_bytes: 0,
            images_placed: 0,
            duplicates: 0,
            rig: (!recorded).then(|| Rig::new(config, needs_depth, times.wait_nanos)),
            settled: recorded.then(|| Settled::new(remembered_nanos)),
            missed: false,
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
        !self.pending.is_empty() || self.order.is_holding()
    }

    /// Whether one pass over a recording does not do: a message came too late for a frame that it belongs to, or an
    /// image for its place, or the clock was set back.
    pub fn has_missed(&self) -> bool {
        self.missed
    }

    /// Images that had the stamp of another, and so are no step.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// The episode that a split before the next image would begin.
    pub fn next_episode(&self) -> u64 {
        self.join.next_episode()
    }

    /// The newest intrinsics that have come in.
    pub fn newest_intrinsics(&self) -> Option<Intrinsics> {
        let newest = self.join.camera_info.newest()?;
        let (_, intrinsics) = self.join.camera_info.newest_until(newest)?;
        Some(*intrinsics)
    }

    /// Why a region at a TF frame is nowhere for the camera, in words: a frame that nobody ever named, or what the newest
    /// image lacked.
    pub fn unplaced(&self) -> Option<String> {
        self.rig.as_ref()?.unplaced()
    }

    /// Why depth of a camera of its own is not registered, in words.
    pub fn unregistered(&self) -> Option<&str> {
        self.rig.as_ref()?.unregistered()
    }

    /// What depth of a camera of its own is registered with, once it is.
    pub fn registered(&self) -> Option<&Registration> {
        self.rig.as_ref()?.registered()
    }

    /// What was wrong with transforms, in words, with how often.
    pub fn refused_transforms(&self) -> Vec<String> {
        let rig = self.rig.as_ref();
        rig.map_or_else(Vec::new, |rig| rig.transforms().refused().in_words())
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
                let image = PendingImage::new(log_time_nanos, stamp_nanos, frame_id, payload);
                let changes = self.order.push(image);
                self.take_changes(changes);
            }
            Input::Depth {
                stamp_nanos,
                frame_id,
                payload,
            } => {
                let depth = DepthMessage { frame_id, payload };
                self.push_depth(log_time_nanos, stamp_nanos, depth);
            }
            Input::CameraInfo {
                stamp_nanos,
                intrinsics,
            } => self.push_camera_info(log_time_nanos, stamp_nanos, intrinsics),
            Input::DepthCameraInfo { intrinsics, .. } => {
                if let Some(rig) = &mut self.rig {
                    rig.push_depth_camera(intrinsics);
                }
            }
            Input::Transforms {
                transforms,
                is_static,
            } => self.push_transforms(log_time_nanos, &transforms, is_static),
            Input::Boxes {
                role,
                stamp_nanos,
                boxes,
            } => self.push_boxes(log_time_nanos, stamp_nanos, role, &boxes),
            Input::EpisodeSplit => self.join.push_split(log_time_nanos),
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
        let changes = self.order.flush();
        self.take_changes(changes);
        while self.settle_first() {}
    }

    /// The next settled frame.
    pub fn next_frame(&mut self) -> Option<MatchedFrame> {
        self.ready.pop_front()
    }

    fn take_changes(&mut self, changes: Vec<Change<Bytes>>) {
        for change in changes {
            match change {
                Change::Place((moment, image)) => {
                    // Which of two epochs a late message is of, only its whole stream tells.
                    self.missed |= self.settled.is_some() && moment.epoch > 0;
                    if image.wild {
                        self.join.forget_wild(moment.epoch, image.stamp_nanos);
                        // Of a first one the messages of those behind it were placed in vain.
                        self.missed |= self.settled.is_some() && self.join.last_settled().is_none();
                    }
                    self.take_image(moment, image);
                }
                Change::Revoke { wrong, right, last } => self.revoke(wrong, right, last),
            }
        }
    }

    /// A live image was wild. If it still waits it is told so; if it was complete, what comes follows the one before it.
    fn revoke(&mut self, wrong: Moment, right: Moment, last: Moment) {
        let place = (wrong, 0)..=(wrong, u64::MAX);
        let waiting = self.pending.range(place).next_back().map(|(key, _)| *key);
        self.join.forget_wild(right.epoch, wrong.stamp_nanos);
        match waiting.and_then(|key| self.pending.remove_entry(&key)) {
            Some(((_, number), image)) => {
                let wild = PendingImage {
                    wild: true,
                    ..image
                };
                self.pending.insert((right, number), wild);
            }
            None => self.join.rewind(wrong, last),
        }
    }

    fn take_image(&mut self, moment: Moment, image: PendingImage<Bytes>) {
        let settled = self.join.last_settled();
        let is_duplicate = settled == Some(moment) || is_pending(&self.pending, moment);
        if is_duplicate && !image.wild {
            self.duplicates += 1;
            return;
        }
        if settled.is_some_and(|last| moment < last) {
            self.missed |= self.settled.is_some();
            let reason = if image.wild {
                Reason::WildStamp
            } else {
                Reason::Late
            };
            let frame = self.join.unmatched(moment, image, reason);
            self.ready.push_back(frame);
            return;
        }
        self.pending_bytes += image.payload.len();
        self.pending.insert((moment, self.images_placed), image);
        self.images_placed += 1;
        self.join.count_image();
    }

    fn push_depth(&mut self, log_time_nanos: i64, stamp_nanos: i64, depth: DepthMessage<Bytes>) {
        let newest = self.join.depth.newest();
        let Some(moment) = self.moment(log_time_nanos, stamp_nanos, newest) else {
            return;
        };
        if self.join.depth.insert(moment, depth, |_, _| false)
            && let Some(settled) = &self.settled
        {
            self.missed |= settled.misses_depth(moment, self.join.tolerance_nanos);
        }
    }

    fn push_camera_info(&mut self, log_time_nanos: i64, stamp_nanos: i64, intrinsics: Intrinsics) {
        let newest = self.join.camera_info.newest();
        let Some(moment) = self.moment(log_time_nanos, stamp_nanos, newest) else {
            return;
        };
        if let Some(settled) = self.settled.as_ref().filter(|_| self.streams.camera_info) {
            self.missed |= settled.misses_camera_info(moment, &intrinsics);
        }
        (self.join.camera_info).insert(moment, intrinsics, |_, _| false);
    }

    fn push_transforms(&mut self, log_time: i64, sent: &[TransformStamped], is_static: bool) {
        let Self { order, rig, .. } = self;
        let place = |stamp, newest| {
            let is_wild = order.is_wild(stamp);
            (!is_wild).then(|| order.place_message(log_time, stamp, newest))
        };
        if let Some(rig) = rig {
            rig.push_transforms(log_time, sent, is_static, &place);
        }
    }

    fn push_boxes(&mut self, log_time: i64, stamp: i64, role: BoxRole, boxes: &[Detection]) {
        let Self {
            order,
            join,
            settled,
            missed,
            ..
        } = self;
        let (tolerance, max_age) = (join.tolerance_nanos, join.fingertip.max_age_nanos);
        let place = |stamp_nanos, newest| {
            let is_wild = order.is_wild(stamp);
            (!is_wild).then(|| order.place_message(log_time, stamp_nanos, newest))
        };
        join.push_boxes(stamp, role, boxes, &place, &mut |role, moment| {
            let Some(settled) = &settled else { return };
            let of: fn(&Used) -> Neighbours = match role {
                BoxRole::Target => |used| used.target,
                _ => |used| used.fingertip,
            };
            *missed |= settled.misses_box(moment, of, tolerance, max_age);
        });
    }

    /// Where a message belongs; nowhere if it is of an image whose stamp was wild.
    fn moment(&self, log_time: i64, stamp: i64, stream_newest: Option<Moment>) -> Option<Moment> {
        let is_wild = self.order.is_wild(stamp);
        (!is_wild).then(|| self.order.place_message(log_time, stamp, stream_newest))
    }

    /// Settle, in order, every frame whose inputs are complete or whose wait is over.
    fn settle(&mut self) {
        while let Some(((moment, _), image)) = self.pending.first_key_value() {
            let deadline = image.log_time_nanos.saturating_add(self.wait_nanos);
            let waits = self.now_nanos <= deadline && !image.wild;
            if waits && !(self.has_messages(*moment) && self.has_rig()) {
                break;
            }
            self.settle_first();
        }
    }

    /// Whether every stream has come to a frame.
    fn has_messages(&self, moment: Moment) -> bool {
        let Streams {
            depth,
            camera_info,
            fingertip,
            target,
        } = self.streams;
        let (join, ahead) = (&self.join, self.wait_nanos);
        (!depth || join.depth.has_reached(moment, ahead))
            && (!camera_info || !join.camera_info.is_empty())
            && (!fingertip || join.fingertip.has_reached(moment, ahead))
            && (!target || join.target.has_reached(moment, ahead))
    }

    /// Whether it is known what the first pending frame needs of transforms and of the depth camera.
    fn has_rig(&mut self) -> bool {
        let first = self.pending.first_key_value();
        let (Some(((moment, _), image)), Some(rig)) = (first, &mut self.rig) else {
            return true;
        };
        let depth_frame = self.join.depth_frame(*moment);
        rig.is_complete(*moment, &image.frame_id, depth_frame)
    }

    /// Turn the oldest pending image into a frame with what is there; false if none is pending.
    fn settle_first(&mut self) -> bool {
        let Some(((moment, _), image)) = self.pending.pop_first() else {
            return false;
        };
        self.pending_bytes -= image.payload.len();
        let depth_frame = self.join.depth_frame(moment).map(str::to_owned);
        let (mut frame, used) = self.join.frame(moment, image);
        if let Some(rig) = &mut self.rig {
            rig.complete(moment, depth_frame.as_deref(), &mut frame);
        }
        if let (Some(settled), Some(used)) = (&mut self.settled, used) {
            settled.push(used);
        }
        self.ready.push_back(frame);
        true
    }

    /// Keep the held bytes under the bound: settle early, and where no image waits, forget.
    fn shed(&mut self) {
        self.join.trim_ahead(self.order.epoch(), self.reach_nanos);
        while self.held_bytes() > self.max_held_bytes {
            if !self.settle_first() && !self.join.forget_oldest() {
                break;
            }
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let held: usize = self.order.held().map(Bytes::len).sum();
        held + self.pending_bytes + self.join.bytes()
    }
}
