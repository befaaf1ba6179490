//! What belongs to an image, once it is known which messages there are: boxes, depth, intrinsics and the episode. The
//! live matcher and the one for recordings differ in when they ask, not in what they find.

use std::collections::VecDeque;

use super::boxes::{BoxStream, FINGERTIP, Found, Neighbours, TARGET};
use super::buffer::Buffer;
use super::clock::{ImageClock, Moment};
use super::image_order::PendingImage;
use super::{BoxRole, FrameInfo, MatchedFrame};
use crate::frame::{Detection, Intrinsics, Masks, Reason};
use crate::settings::Config;
use crate::stamp::nanos_from_seconds;

/// The times that decide what belongs together, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// How long a frame waits, in log time.
    pub wait_nanos: i64,
    /// How far from its image a message may lie.
    pub belongs_nanos: i64,
    /// How far behind the images a message is still of use.
    pub reach_nanos: i64,
}

impl Times {
    pub(super) fn of(config: &Config) -> Self {
        let matching = &config.matching;
        let wait_nanos = nanos_from_seconds(matching.wait_s);
        let belongs_nanos = nanos_from_seconds(matching.tolerance_s.max(matching.box_max_age_s));
        Self {
            wait_nanos,
            belongs_nanos,
            reach_nanos: wait_nanos.saturating_add(belongs_nanos),
        }
    }

    pub(super) fn clock(&self) -> ImageClock {
        ImageClock::new(self.wait_nanos, self.reach_nanos)
    }
}

/// The messages that frames may ask for, and where the episodes are.
#[derive(Debug)]
pub(super) struct Join<P> {
    needs_depth: bool,
    pub tolerance_nanos: i64,
    split_gap_nanos: Option<i64>,
    pub depth: Buffer<DepthMessage<P>>,
    pub camera_info: Buffer<Intrinsics>,
    pub fingertip: BoxStream,
    pub target: BoxStream,
    splits: VecDeque<Split>,
    images_seen: u64,
    episode: u64,
    /// Where the current episode began, unless it is the first.
    episode_start: Option<Moment>,
    last_settled: Option<Moment>,
}

/// A depth image, and whose coordinate frame it is in.
#[derive(Debug)]
pub(super) struct DepthMessage<P> {
    pub frame_id: String,
    pub payload: P,
}

#[derive(Debug)]
struct Split {
    log_time_nanos: i64,
    images_before: u64,
}

/// What a frame was made of: later messages are held against it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub moment: Moment,
    pub fingertip: Neighbours,
    pub target: Neighbours,
    pub depth: Option<Moment>,
    pub camera_info: Option<(Moment, Intrinsics)>,
}

impl<P: Clone> Join<P> {
    /// Between two detections a box is interpolated if `interpolates`, else extrapolated from the earlier ones.
    pub(super) fn new(
        config: &Config,
        needs_depth: bool,
        interpolates: bool,
        bytes_of: fn(&DepthMessage<P>) -> usize,
    ) -> Self {
        let regions = &config.regions;
        let stream = |role, classes: &[String], region| {
            BoxStream::new(role, classes, region, config, interpolates)
        };
        Self {
            needs_depth,
            tolerance_nanos: nanos_from_seconds(config.matching.tolerance_s),
            split_gap_nanos: config.episodes.split_gap_s.map(nanos_from_seconds),
            depth: Buffer::new(bytes_of),
            camera_info: Buffer::new(|_| size_of::<Intrinsics>()),
            fingertip: stream(
                FINGERTIP,
                &config.topics.fingertip_class,
                &regions.fingertip,
            ),
            target: stream(TARGET, &config.topics.target_class, &regions.target),
            splits: VecDeque::new(),
            images_seen: 0,
            episode: 0,
            episode_start: None,
            last_settled: None,
        }
    }

    /// The coordinate frame of the depth that belongs to an image.
    pub(super) fn depth_frame(&self, moment: Moment) -> Option<&str> {
        let (_, depth) = self.depth.nearest(moment, self.tolerance_nanos)?;
        Some(depth.frame_id.as_str())
    }

    pub(super) fn last_settled(&self) -> Option<Moment> {
        self.last_settled
    }

    /// The episode that a split before the next image would begin.
    pub(super) fn next_episode(&self) -> u64 {
        self.last_settled.map_or(0, |_| self.episode + 1)
    }

    /// An image has come in that will be a frame.
    pub(super) fn count_image(&mut self) {
        self.images_seen += 1;
    }

    /// The detections that count, at most one a role: the others need not be kept.
    pub(super) fn chosen(&mut self, role: BoxRole, boxes: &[Detection]) -> Vec<Detection> {
        let shared = role == BoxRole::Both;
        let fingertip = (role != BoxRole::Target).then(|| self.fingertip.choose(boxes, shared));
        let target = (role != BoxRole::Fingertip).then(|| self.target.choose(boxes, shared));
        let chosen = [fingertip.flatten(), target.flatten()];
        chosen.into_iter().flatten().cloned().collect()
    }

    /// Take boxes in. `place` says where a message of a stream belongs, from its stamp and the stream's newest
    /// moment, or that it belongs nowhere; `changed` is told of each that a frame could see.
    pub(super) fn push_boxes(
        &mut self,
        stamp_nanos: i64,
        role: BoxRole,
        boxes: &[Detection],
        place: &dyn Fn(i64, Option<Moment>) -> Option<Moment>,
        changed: &mut dyn FnMut(BoxRole, Moment),
    ) {
        let streams = [
            (&mut self.fingertip, BoxRole::Fingertip),
            (&mut self.target, BoxRole::Target),
        ];
        for (stream, own) in streams {
            if role != own && role != BoxRole::Both {
                continue;
            }
            let stamp_nanos = stamp_nanos.saturating_sub(stream.delay_nanos());
            let Some(moment) = place(stamp_nanos, stream.newest()) else {
                continue;
            };
            if stream.push(moment, boxes, role == BoxRole::Both) {
                changed(own, moment);
            }
        }
    }

    /// A new episode begins with the next image; splits with no image between them are one.
    pub(super) fn push_split(&mut self, log_time_nanos: i64) {
        let images_before = self.images_seen;
        if self.splits.back().map(|split| split.images_before) != Some(images_before) {
            self.splits.push_back(Split {
                log_time_nanos,
                images_before,
            });
        }
    }

    /// Make a frame of the next image with what is there. An image with a wild stamp is a frame that nothing belongs to.
    pub(super) fn frame(
        &mut self,
        moment: Moment,
        image: PendingImage<P>,
    ) -> (MatchedFrame<P>, Option<Used>) {
        if image.wild {
            return (self.unmatched(moment, image, Reason::WildStamp), None);
        }
        self.begin_episode_if_due(moment, image.log_time_nanos);
        self.last_settled = Some(moment);

        let fingertip = self.fingertip.at(moment, self.episode_start);
        let target = self.target.at(moment, self.episode_start);
        let depth = self.depth.nearest(moment, self.tolerance_nanos);
        let depth = depth.map(|(at, depth)| (at, depth.payload.clone()));
        let no_depth = (self.needs_depth && depth.is_none()).then_some(Reason::NoDepth);
        let reason = (self.fingertip.reason(&fingertip))
            .or_else(|| self.target.reason(&target))
            .or(no_depth);
        let camera_info = self.camera_info.newest_until(moment);
        let camera_info = camera_info.or_else(|| self.camera_info.first_after(moment));
        let camera_info = camera_info.map(|(at, intrinsics)| (at, *intrinsics));
        let used = Used {
            moment,
            fingertip: fingertip.neighbours,
            target: target.neighbours,
            depth: depth.as_ref().map(|(at, _)| *at),
            camera_info,
        };
        let [fingertip, target] = [fingertip, target].map(|found: Found| found.region.ok());
        let frame = MatchedFrame {
            info: FrameInfo {
                fingertip: fingertip.as_ref().map(|region| region.bbox),
                target: target.as_ref().map(|region| region.bbox),
                fingertip_source: fingertip.as_ref().map(|region| region.source),
                target_source: target.as_ref().map(|region| region.source),
                ..self.info(moment, &image, reason)
            },
            masks: Masks {
                fingertip: fingertip.and_then(|region| region.mask),
                target: target.and_then(|region| region.mask),
            },
            image: image.payload,
            depth: depth.map(|(_, payload)| payload),
            intrinsics: camera_info.map(|(_, intrinsics)| intrinsics),
            places: None,
            registration: None,
        };
        self.forget_before(moment);
        (frame, Some(used))
    }

    /// A frame that nothing is joined to, and why.
    pub(super) fn unmatched(
        &self,
        moment: Moment,
        image: PendingImage<P>,
        reason: Reason,
    ) -> MatchedFrame<P> {
        MatchedFrame {
            info: self.info(moment, &image, Some(reason)),
            image: image.payload,
            depth: None,
            intrinsics: None,
            masks: Masks::default(),
            places: None,
            registration: None,
        }
    }

    fn info(&self, moment: Moment, image: &PendingImage<P>, reason: Option<Reason>) -> FrameInfo {
        FrameInfo {
            timeline_nanos: moment.stamp_nanos,
            log_time_nanos: image.log_time_nanos,
            frame_id: image.frame_id.clone(),
            episode: self.episode,
            reason,
            ..FrameInfo::at(image.stamp_nanos)
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

    /// Forget what carries the stamp of an image that was wild.
    pub(super) fn forget_wild(&mut self, epoch: u64, stamp_nanos: i64) {
        for epoch in [epoch, epoch + 1] {
            let moment = Moment { epoch, stamp_nanos };
            self.depth.remove(moment);
            self.camera_info.remove(moment);
            self.fingertip.remove(moment);
            self.target.remove(moment);
        }
    }

    /// The frame settled last was wild: what comes follows another, if both are of one epoch.
    pub(super) fn rewind(&mut self, wild: Moment, last: Moment) {
        if self.last_settled == Some(wild) && wild.epoch == last.epoch {
            self.last_settled = Some(last);
        }
    }

    /// Streams may run ahead of the images into a later epoch, and images may never follow.
    pub(super) fn trim_ahead(&mut self, epoch: u64, reach_nanos: i64) {
        self.depth.trim_ahead(epoch, reach_nanos);
        self.camera_info.trim_ahead(epoch, reach_nanos);
        self.fingertip.trim_ahead(epoch, reach_nanos);
        self.target.trim_ahead(epoch, reach_nanos);
    }

    /// Forget one message, of the heaviest kind there is; false if there is none.
    pub(super) fn forget_oldest(&mut self) -> bool {
        self.depth.forget_oldest()
            || self.fingertip.forget_oldest()
            || self.target.forget_oldest()
            || self.camera_info.forget_oldest()
    }

    pub(super) fn bytes(&self) -> usize {
        self.depth.bytes() + self.camera_info.bytes() + self.fingertip.bytes() + self.target.bytes()
    }
}
