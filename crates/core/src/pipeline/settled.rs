//! The frames settled last, and what each was made of: a message that comes afterwards and would have changed one of
//! them came too late, and only reading the recording again can do it justice.

use std::collections::VecDeque;

use super::boxes::Neighbours;
use super::clock::Moment;
use super::join::Used;
use crate::frame::Intrinsics;

/// What was settled, as far back as a message in time could reach.
#[derive(Debug)]
pub(super) struct Settled {
    frames: VecDeque<Used>,
    reach_nanos: i64,
    /// The newest frame that is no longer here.
    forgotten: Option<Moment>,
}

impl Settled {
    /// `reach_nanos`: how far a message may lie behind the newest frame and still be in time for its own.
    pub(super) fn new(reach_nanos: i64) -> Self {
        Self {
            frames: VecDeque::new(),
            reach_nanos,
            forgotten: None,
        }
    }

    pub(super) fn push(&mut self, used: Used) {
        let kept_from = used.moment.shifted(-self.reach_nanos);
        self.frames.push_back(used);
        while let Some(first) = self.frames.front().filter(|first| first.moment < kept_from) {
            self.forgotten = Some(first.moment);
            self.frames.pop_front();
        }
    }

    /// Whether a box message at a moment would have changed a frame.
    pub(super) fn misses_box(
        &self,
        message: Moment,
        of: fn(&Used) -> Neighbours,
        tolerance_nanos: i64,
        max_age_nanos: i64,
    ) -> bool {
        self.is_beyond(message, tolerance_nanos.max(max_age_nanos))
            || (self.frames.iter()).any(|frame| {
                of(frame).would_change(frame.moment, message, tolerance_nanos, max_age_nanos)
            })
    }

    /// The same of a depth image.
    pub(super) fn misses_depth(&self, message: Moment, tolerance_nanos: i64) -> bool {
        let is_nearer = |frame: &Used| {
            let off = |at: Moment| at.stamp_nanos.abs_diff(frame.moment.stamp_nanos);
            message.epoch == frame.moment.epoch
                && off(message) <= tolerance_nanos.unsigned_abs()
                && frame.depth.is_none_or(|own| off(message) <= off(own))
        };
        self.is_beyond(message, tolerance_nanos) || self.frames.iter().any(is_nearer)
    }

    /// The same of intrinsics: equal ones change nothing.
    pub(super) fn misses_camera_info(&self, message: Moment, intrinsics: &Intrinsics) -> bool {
        self.frames.iter().any(|frame| match &frame.camera_info {
            None => true,
            Some((at, used)) => *at < message && message <= frame.moment && used != intrinsics,
        })
    }

    /// Whether a message belongs to frames that are no longer known.
    fn is_beyond(&self, message: Moment, reach_nanos: i64) -> bool {
        (self.forgotten).is_some_and(|last| message <= last.shifted(reach_nanos))
    }
}
