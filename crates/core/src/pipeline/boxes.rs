//! The boxes of one role: which detection of a message counts, which message belongs to a frame,
//! and, where the tracker is on, what stands in for a missing one.

use super::buffer::Buffer;
use super::clock::Moment;
use super::tracker::BoxTracker;
use crate::frame::{BoundingBox, Detection, Reason};
use crate::settings::Config;
use crate::stamp::nanos_from_seconds;

/// The chosen detection of one message.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Chosen {
    bbox: BoundingBox,
    score: f64,
}

/// A frame's box of one role.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RoleBox {
    pub bbox: BoundingBox,
    pub bridged: bool,
}

/// Which role a [`BoxStream`] serves, with what differs between the two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role {
    /// The class id that counts on a shared topic if none is configured.
    pub shared_class: &'static str,
    /// The reason of a frame without a box.
    pub missing: Reason,
}

pub(super) const FINGERTIP: Role = Role {
    shared_class: "fingertip",
    missing: Reason::NoFingertipBox,
};
pub(super) const TARGET: Role = Role {
    shared_class: "target",
    missing: Reason::NoTargetBox,
};

/// The boxes of one role, over time.
#[derive(Debug)]
pub(super) struct BoxStream {
    role: Role,
    classes: Vec<String>,
    min_score: f64,
    tolerance_nanos: i64,
    max_age_nanos: i64,
    buffer: Buffer<Option<Chosen>>,
    tracker: Option<BoxTracker>,
}

impl BoxStream {
    pub(super) fn new(role: Role, classes: &[String], config: &Config) -> Self {
        Self {
            role,
            classes: classes.to_vec(),
            min_score: config.matching.min_score,
            tolerance_nanos: nanos_from_seconds(config.matching.tolerance_s),
            max_age_nanos: nanos_from_seconds(config.matching.box_max_age_s),
            buffer: Buffer::new(|_| size_of::<Option<Chosen>>()),
            tracker: (config.tracker.enabled).then(|| BoxTracker::new(&config.tracker)),
        }
    }

    pub(super) fn newest(&self) -> Option<Moment> {
        self.buffer.newest()
    }

    pub(super) fn has_reached(&self, moment: Moment, ahead_nanos: i64) -> bool {
        self.buffer.has_reached(moment, ahead_nanos)
    }

    pub(super) fn bytes(&self) -> usize {
        self.buffer.bytes()
    }

    /// Take in a message. Two at one moment count as one: the best score of both.
    pub(super) fn push(&mut self, moment: Moment, boxes: &[Detection], shared_topic: bool) {
        let chosen = self.choose(boxes, shared_topic);
        self.buffer
            .insert(moment, chosen, |new, held| match (new, held) {
                (Some(new), Some(held)) => new.score > held.score,
                (new, held) => new.is_some() && held.is_none(),
            });
    }

    /// The detection with the best score among the classes that count; the first of equals. A
    /// score that is not a number never counts.
    fn choose(&self, boxes: &[Detection], shared_topic: bool) -> Option<Chosen> {
        let counts = |class_id: &str| match self.classes.is_empty() {
            true => !shared_topic || class_id == self.role.shared_class,
            false => self.classes.iter().any(|class| class == class_id),
        };
        boxes
            .iter()
            .filter(|detection| detection.score >= self.min_score && counts(&detection.class_id))
            .reduce(|best, next| if next.score > best.score { next } else { best })
            .map(|detection| Chosen {
                bbox: detection.bbox,
                score: detection.score,
            })
    }

    /// The box of the frame at a moment. Frames are asked for in order: the tracker follows them.
    /// `not_before` is where the episode began: no older box is carried into it.
    pub(super) fn at(
        &mut self,
        moment: Moment,
        not_before: Option<Moment>,
    ) -> Result<RoleBox, Reason> {
        let matched = self.matched(moment, not_before);
        let Some(tracker) = &mut self.tracker else {
            return matched.map(|(_, bbox)| seen(bbox));
        };
        match matched {
            Ok((seen_at, bbox)) => {
                tracker.observe(seen_at.stamp_nanos, &bbox);
                Ok(seen(bbox))
            }
            Err(reason) => tracker
                .bridge(moment.stamp_nanos)
                .map(|bbox| RoleBox {
                    bbox,
                    bridged: true,
                })
                .ok_or(reason),
        }
    }

    /// What the detector itself says. The message nearest in time decides, if there is one within
    /// the tolerance; else the newest earlier one does, for as long as it is not too old. A
    /// message without a box says that there is none.
    fn matched(
        &self,
        moment: Moment,
        not_before: Option<Moment>,
    ) -> Result<(Moment, BoundingBox), Reason> {
        let nearest = self.buffer.nearest(moment, self.tolerance_nanos);
        let earlier = || {
            let (at, chosen) = self.buffer.newest_until(moment)?;
            (at.epoch == moment.epoch).then_some((at, chosen))
        };
        let (at, chosen) = nearest.or_else(earlier).ok_or(self.role.missing)?;
        let chosen = chosen.ok_or(self.role.missing)?;
        let too_old = at < moment.shifted(-self.max_age_nanos)
            || not_before.is_some_and(|start| at < start.shifted(-self.tolerance_nanos));
        if nearest.is_none() && too_old {
            return Err(Reason::StaleBox);
        }
        Ok((at, chosen.bbox))
    }

    pub(super) fn restart_tracker(&mut self) {
        if let Some(tracker) = &mut self.tracker {
            tracker.restart();
        }
    }

    /// Forget what no frame from this moment on can ask for.
    pub(super) fn forget_before(&mut self, moment: Moment) {
        self.buffer
            .forget_before(moment.shifted(-self.tolerance_nanos), true);
    }

    pub(super) fn trim_ahead(&mut self, epoch: u64, reach_nanos: i64) {
        self.buffer.trim_ahead(epoch, reach_nanos);
    }

    pub(super) fn forget_oldest(&mut self) -> bool {
        self.buffer.forget_oldest()
    }
}

fn seen(bbox: BoundingBox) -> RoleBox {
    RoleBox {
        bbox,
        bridged: false,
    }
}
