//! The boxes of one role: which detection of a message counts, which messages belong to a frame, and what stands in
//! between two detections or for a missing one.

use super::buffer::Buffer;
use super::clock::Moment;
use super::tracker::BoxTracker;
use crate::frame::{BoundingBox, BoxOrigin, BoxSource, Detection, Doubt, Mask, Reason};
use crate::settings::{Config, Region};
use crate::stamp::{nanos_from_seconds, nanos_from_signed_seconds, seconds_between};

/// A constant velocity holds for about as long; an older box is used where it was last seen.
const MAX_EXTRAPOLATED_NANOS: i64 = 200_000_000;

/// The chosen detection of one message.
#[derive(Debug, Clone, PartialEq)]
struct Chosen {
    bbox: BoundingBox,
    score: f64,
    mask: Option<Mask>,
}

impl Chosen {
    fn bytes(chosen: &Option<Self>) -> usize {
        let mask = chosen.as_ref().and_then(|chosen| chosen.mask.as_ref());
        size_of_val(chosen) + mask.map_or(0, Mask::bytes)
    }
}

/// A frame's box of one role, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FoundRegion {
    pub bbox: BoundingBox,
    pub source: BoxSource,
    /// Of the image itself: a box that was moved, or is of another image, has none.
    pub mask: Option<Mask>,
}

/// What a role's messages say of a frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub region: Result<FoundRegion, Reason>,
    pub neighbours: Neighbours,
}

/// The messages around a frame that decided about its box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Neighbours {
    /// The nearest within the tolerance; the others do not count then.
    own: Option<Moment>,
    /// The newest one before it.
    earlier: Option<Moment>,
    /// The first one after it, if boxes are interpolated.
    later: Option<Moment>,
}

impl Neighbours {
    /// Whether a message that comes afterwards would have changed the box of the frame at `frame`.
    pub(super) fn would_change(
        &self,
        frame: Moment,
        message: Moment,
        tolerance_nanos: i64,
        max_age_nanos: i64,
    ) -> bool {
        let off = |at: Moment| at.stamp_nanos.abs_diff(frame.stamp_nanos);
        let is_own = off(message) <= tolerance_nanos.unsigned_abs();
        if message.epoch != frame.epoch {
            return false;
        }
        match self.own {
            Some(own) => is_own && off(message) <= off(own),
            None => {
                let limit = frame.shifted(max_age_nanos);
                is_own
                    || self.earlier.is_none_or(|earlier| earlier < message)
                        && self.later.map_or(message <= limit, |later| message < later)
            }
        }
    }
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
    pub max_age_nanos: i64,
    delay_nanos: i64,
    interpolates: bool,
    /// No detector, but a TF frame or a follower says where the object is: they are asked when the frame is measured.
    is_placed_later: bool,
    /// The box is the same for every frame.
    fixed: Option<BoundingBox>,
    /// What a tracker calls the object that counted last.
    track_id: Option<String>,
    /// Whether a missing box is bridged: else the tracker only tells where a box is between two detections.
    bridges: bool,
    buffer: Buffer<Option<Chosen>>,
    tracker: BoxTracker,
}

impl BoxStream {
    pub(super) fn new(
        role: Role,
        classes: &[String],
        region: &Region,
        config: &Config,
        interpolates: bool,
    ) -> Self {
        Self {
            role,
            classes: classes.to_vec(),
            min_score: config.matching.min_score,
            tolerance_nanos: nanos_from_seconds(config.matching.tolerance_s),
            max_age_nanos: nanos_from_seconds(config.matching.box_max_age_s),
            delay_nanos: nanos_from_signed_seconds(region.delay_s),
            interpolates,
            is_placed_later: region.frame.is_some() || region.is_followed(),
            fixed: region.fixed.map(|fixed| fixed.0),
            track_id: None,
            bridges: config.tracker.enabled,
            buffer: Buffer::new(Chosen::bytes),
            tracker: BoxTracker::new(&config.tracker),
        }
    }

    /// By how much its messages are stamped later than the images that they are of.
    pub(super) fn delay_nanos(&self) -> i64 {
        self.delay_nanos
    }

    /// Why a frame without a box cannot be measured, if that is so.
    pub(super) fn reason(&self, found: &Found) -> Option<Reason> {
        found
            .region
            .as_ref()
            .err()
            .copied()
            .filter(|_| !self.is_placed_later)
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

    /// Take in a message. Two at one moment count as one: the best score of both. False if it changes nothing.
    pub(super) fn push(&mut self, moment: Moment, boxes: &[Detection], shared_topic: bool) -> bool {
        let chosen = self.choose(boxes, shared_topic).map(|detection| Chosen {
            bbox: detection.bbox,
            score: detection.score,
            mask: detection.mask.clone(),
        });
        self.buffer
            .insert(moment, chosen, |new, held| match (new, held) {
                (Some(new), Some(held)) => new.score > held.score,
                (new, held) => new.is_some() && held.is_none(),
            })
    }

    /// The detection with the best score among the classes that count; the first of equals. The one that a tracker calls
    /// as it called the last wins over a better score, for it is the same object. A score that is not a number never counts.
    pub(super) fn choose<'a>(
        &mut self,
        boxes: &'a [Detection],
        shared_topic: bool,
    ) -> Option<&'a Detection> {
        let counts = |class_id: &str| match self.classes.is_empty() {
            true => !shared_topic || class_id == self.role.shared_class,
            false => self.classes.iter().any(|class| class == class_id),
        };
        let is_same = |detection: &Detection| {
            detection.track_id.is_some() && detection.track_id == self.track_id
        };
        let chosen = boxes
            .iter()
            .filter(|detection| detection.score >= self.min_score && counts(&detection.class_id))
            .reduce(|best, next| match (is_same(best), is_same(next)) {
                (true, false) => best,
                (false, true) => next,
                _ if next.score > best.score => next,
                _ => best,
            });
        if let Some(track_id) = chosen.and_then(|chosen| chosen.track_id.as_ref()) {
            self.track_id = Some(track_id.clone());
        }
        chosen
    }

    /// The box of the frame at a moment. Frames are asked for in order: the tracker follows them.
    /// `not_before` is where the episode began: no older box is carried into it.
    pub(super) fn at(&mut self, moment: Moment, not_before: Option<Moment>) -> Found {
        let own = self.buffer.nearest(moment, self.tolerance_nanos);
        let own = own.map(|(at, chosen)| (at, chosen.clone()));
        let neighbours = Neighbours {
            own: own.as_ref().map(|(at, _)| *at),
            earlier: self.earlier(moment).map(|(at, _)| at),
            later: self.later(moment).map(|(at, _)| at),
        };
        let region = match own {
            Some((at, Some(chosen))) => Ok(self.seen(moment, at, chosen)),
            Some((_, None)) => Err(self.role.missing),
            None => self.between(moment, not_before),
        };
        let region = region.or_else(|reason| self.bridged(moment).ok_or(reason));
        let region = match self.fixed {
            Some(bbox) => Ok(found(bbox, BoxOrigin::Fixed, 0)),
            None => region,
        };
        Found { region, neighbours }
    }

    /// The newest message up to a moment.
    fn earlier(&self, moment: Moment) -> Option<(Moment, Option<Chosen>)> {
        let (at, chosen) = self.buffer.newest_until(moment)?;
        (at.epoch == moment.epoch).then(|| (at, chosen.clone()))
    }

    /// The first message after a moment, of a stream whose boxes are interpolated.
    fn later(&self, moment: Moment) -> Option<(Moment, Option<Chosen>)> {
        let (at, chosen) = self
            .buffer
            .first_after(moment)
            .filter(|_| self.interpolates)?;
        (at.epoch == moment.epoch).then(|| (at, chosen.clone()))
    }

    /// The box of a frame that the detector did not look at: where it was between the detections around the frame, or
    /// where the last one was heading, for as long as that is not too old.
    fn between(
        &mut self,
        moment: Moment,
        not_before: Option<Moment>,
    ) -> Result<FoundRegion, Reason> {
        let (at, chosen) = self.earlier(moment).ok_or(self.role.missing)?;
        let earlier = chosen.ok_or(self.role.missing)?.bbox;
        let too_old = at < moment.shifted(-self.max_age_nanos)
            || not_before.is_some_and(|start| at < start.shifted(-self.tolerance_nanos));
        if too_old {
            return Err(Reason::StaleBox);
        }
        self.tracker.observe(at.stamp_nanos, &earlier);
        let later = self.later(moment);
        if let Some((until, Some(later))) = later
            && until <= moment.shifted(self.max_age_nanos)
        {
            let [whole, passed] = [until, moment].map(|to| nanos_between(at, to));
            let bbox = earlier.mixed(&later.bbox, passed as f64 / whole as f64);
            let nearer_nanos = passed.min(whole - passed);
            return Ok(found(bbox, BoxOrigin::Interpolated, nearer_nanos));
        }
        let age_nanos = nanos_between(at, moment);
        let heading = (age_nanos <= MAX_EXTRAPOLATED_NANOS)
            .then(|| self.tracker.extrapolate(moment.stamp_nanos))
            .flatten();
        Ok(match heading {
            Some(bbox) => found(bbox, BoxOrigin::Extrapolated, age_nanos),
            None => found(earlier, BoxOrigin::Reused, age_nanos),
        })
    }

    fn seen(&mut self, moment: Moment, at: Moment, chosen: Chosen) -> FoundRegion {
        self.tracker.observe(at.stamp_nanos, &chosen.bbox);
        let [first, last] = [at.min(moment), at.max(moment)];
        FoundRegion {
            mask: chosen.mask.filter(|_| !self.is_placed_later),
            ..found(chosen.bbox, BoxOrigin::Seen, nanos_between(first, last))
        }
    }

    fn bridged(&mut self, moment: Moment) -> Option<FoundRegion> {
        let (bbox, seen_nanos) = self
            .bridges
            .then(|| self.tracker.bridge(moment.stamp_nanos))??;
        let age_nanos = moment.stamp_nanos.saturating_sub(seen_nanos);
        Some(found(bbox, BoxOrigin::Bridged, age_nanos))
    }

    pub(super) fn restart_tracker(&mut self) {
        self.tracker.restart();
    }

    /// Forget what no frame from this moment on can ask for.
    pub(super) fn forget_before(&mut self, moment: Moment) {
        self.buffer
            .forget_before(moment.shifted(-self.tolerance_nanos), true);
    }

    pub(super) fn remove(&mut self, moment: Moment) {
        self.buffer.remove(moment.shifted(-self.delay_nanos));
    }

    pub(super) fn trim_ahead(&mut self, epoch: u64, reach_nanos: i64) {
        self.buffer.trim_ahead(epoch, reach_nanos);
    }

    pub(super) fn forget_oldest(&mut self) -> bool {
        self.buffer.forget_oldest()
    }
}

fn found(bbox: BoundingBox, origin: BoxOrigin, age_nanos: i64) -> FoundRegion {
    let age_s = seconds_between(0, age_nanos);
    FoundRegion {
        bbox,
        source: BoxSource {
            origin,
            age_s,
            doubt: Doubt::default(),
        },
        mask: None,
    }
}

fn nanos_between(earlier: Moment, later: Moment) -> i64 {
    later.stamp_nanos.saturating_sub(earlier.stamp_nanos)
}
