//! Where one frame is in its parent, over time: its samples, and what they say of a stamp.

use std::collections::{BTreeMap, VecDeque};

use nalgebra::Isometry3;

/// Which frame, by its place among the names.
pub(super) type FrameId = usize;

/// Samples on each side of a stamp that are looked at even where they lie beyond the limit.
const NEIGHBOURS: usize = 2;

/// The samples of one child frame. A sample names its parent: that may change, once something is picked up.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    fixed: Option<(FrameId, Isometry3<f64>)>,
    /// Another parent that a static sample named.
    other_fixed: Option<FrameId>,
    /// By stamp, and by parent where two publishers have one stamp.
    samples: BTreeMap<(i64, FrameId), Isometry3<f64>>,
    /// When each was taken in, where they are forgotten after a while.
    taken: VecDeque<(i64, (i64, FrameId))>,
}

/// How long samples are kept after they were taken in. Not how old they are: one whose stamp is wild would outlast all
/// others, or have them forgotten.
#[derive(Debug, Clone, Copy)]
pub(super) struct History {
    pub now_nanos: i64,
    pub kept_nanos: i64,
}

/// What a link says of a stamp.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub parent: FrameId,
    pub parent_from_child: Isometry3<f64>,
    /// To the nearest sample.
    pub age_nanos: i64,
}

/// Why a link says nothing.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unplaced {
    TwoParents([FrameId; 2]),
    BeforeFirst { parent: FrameId, by_nanos: i64 },
    AfterLast { parent: FrameId, by_nanos: i64 },
}

impl Link {
    /// The newest static sample counts: who says something new about what never moves corrects it.
    ///
    /// Whether it says something else than the one before.
    pub(super) fn insert_static(
        &mut self,
        parent: FrameId,
        parent_from_child: Isometry3<f64>,
    ) -> bool {
        let earlier = self.fixed.replace((parent, parent_from_child));
        if let Some((earlier, _)) = earlier.filter(|(earlier, _)| *earlier != parent) {
            self.other_fixed = Some(earlier);
        }
        earlier.is_some_and(|earlier| earlier != (parent, parent_from_child))
    }

    /// What static samples alone tell.
    pub(super) fn fixed(&self) -> Option<Self> {
        let Self {
            fixed, other_fixed, ..
        } = *self;
        fixed.is_some().then(|| Self {
            fixed,
            other_fixed,
            ..Self::default()
        })
    }

    pub(super) fn insert(
        &mut self,
        stamp_nanos: i64,
        parent: FrameId,
        parent_from_child: Isometry3<f64>,
        history: Option<History>,
    ) {
        let key = (stamp_nanos, parent);
        let is_new = !self.samples.contains_key(&key);
        if is_new {
            self.samples.insert(key, parent_from_child);
        }
        let Some(History {
            now_nanos,
            kept_nanos,
        }) = history.filter(|_| is_new)
        else {
            return;
        };
        self.taken.push_back((now_nanos, key));
        let oldest = now_nanos.saturating_sub(kept_nanos);
        while let Some((taken, key)) = self.taken.front()
            && *taken < oldest
        {
            self.samples.remove(key);
            self.taken.pop_front();
        }
    }

    /// Whether nothing that is still to come would say more of a stamp: it moves, and a sample is there of that time or a
    /// little later, or it is fixed. One wild stamp far ahead does not count.
    pub(super) fn has_reached(&self, stamp_nanos: i64, ahead_nanos: i64) -> bool {
        let until = stamp_nanos.saturating_add(ahead_nanos.max(0));
        let mut near = self.samples.range((stamp_nanos, 0)..=(until, FrameId::MAX));
        near.next().is_some() || self.fixed.is_some() && self.samples.is_empty()
    }

    /// Where the child is at a stamp; `None` if it has no sample at all.
    pub(super) fn at(&self, stamp_nanos: i64, hold_nanos: i64) -> Option<Result<Placed, Unplaced>> {
        let moving = self.moving_at(stamp_nanos, hold_nanos);
        let Some((parent, parent_from_child)) = self.fixed else {
            return moving;
        };
        let moving_parent = self.samples.keys().next().map(|(_, parent)| *parent);
        let other = self.other_fixed.or(moving_parent);
        if let Some(other) = other.filter(|other| *other != parent) {
            return Some(Err(Unplaced::TwoParents([other, parent])));
        }
        // What moves is told anew all the time, and a static sample beside it stands in where that ends.
        let fixed = Placed {
            parent,
            parent_from_child,
            age_nanos: 0,
        };
        Some(Ok(moving.and_then(Result::ok).unwrap_or(fixed)))
    }

    fn moving_at(&self, stamp_nanos: i64, hold_nanos: i64) -> Option<Result<Placed, Unplaced>> {
        let mut until = self.samples.range(..=(stamp_nanos, FrameId::MAX)).rev();
        let mut after = self.samples.range((stamp_nanos, FrameId::MAX)..);
        let [earlier, later] = [until.next(), after.next()];
        if earlier.is_none() && later.is_none() {
            return None;
        }
        if let Some(parents) = self.contradiction(stamp_nanos, hold_nanos) {
            return Some(Err(Unplaced::TwoParents(parents)));
        }
        Some(match (earlier, later) {
            (Some((&(from, parent), first)), Some((&(to, other), second))) => Ok(between(
                (from, first),
                (to, second),
                stamp_nanos,
                parent,
                other,
            )),
            (Some((&(last, parent), sample)), None) => {
                let by_nanos = stamp_nanos.saturating_sub(last);
                let too_far = Unplaced::AfterLast { parent, by_nanos };
                held(parent, sample, by_nanos, hold_nanos, too_far)
            }
            (None, Some((&(first, parent), sample))) => {
                let by_nanos = first.saturating_sub(stamp_nanos);
                let too_far = Unplaced::BeforeFirst { parent, by_nanos };
                held(parent, sample, by_nanos, hold_nanos, too_far)
            }
            (None, None) => return None,
        })
    }

    /// Two parents that take turns around a stamp: a parent that changes and changes back within the limit, or within
    /// two samples each way, is two publishers.
    fn contradiction(&self, stamp_nanos: i64, hold_nanos: i64) -> Option<[FrameId; 2]> {
        let [earliest, latest] = [
            stamp_nanos.saturating_sub(hold_nanos),
            stamp_nanos.saturating_add(hold_nanos),
        ];
        let until = self.samples.range(..=(stamp_nanos, FrameId::MAX)).rev();
        let after = self.samples.range((stamp_nanos, FrameId::MAX)..);
        let near_until = until
            .enumerate()
            .take_while(|(index, ((at, _), _))| *index < NEIGHBOURS || *at >= earliest);
        let near_after = after
            .enumerate()
            .take_while(|(index, ((at, _), _))| *index < NEIGHBOURS || *at <= latest);
        let parent_of =
            |(_, ((_, parent), _)): (usize, (&(i64, FrameId), &Isometry3<f64>))| *parent;
        let mut parents: Vec<FrameId> = near_until.map(parent_of).collect();
        parents.reverse();
        parents.extend(near_after.map(parent_of));
        parents.dedup();
        let came_back = parents.windows(3).find(|three| three[0] == three[2])?;
        Some([came_back[0], came_back[1]])
    }
}

/// Between two samples around a stamp. Where the parent changed in between, the earlier one still counts.
fn between(
    (from, first): (i64, &Isometry3<f64>),
    (to, second): (i64, &Isometry3<f64>),
    stamp_nanos: i64,
    parent: FrameId,
    other: FrameId,
) -> Placed {
    let [passed, whole] = [stamp_nanos, to].map(|until| until.abs_diff(from));
    let parent_from_child = match parent == other && passed > 0 {
        true => mixed(first, second, passed as f64 / whole as f64),
        false => *first,
    };
    let nearest = match parent == other {
        true => passed.min(whole - passed),
        false => passed,
    };
    Placed {
        parent,
        parent_from_child,
        age_nanos: i64::try_from(nearest).unwrap_or(i64::MAX),
    }
}

fn held(
    parent: FrameId,
    sample: &Isometry3<f64>,
    age_nanos: i64,
    hold_nanos: i64,
    too_far: Unplaced,
) -> Result<Placed, Unplaced> {
    match age_nanos <= hold_nanos {
        true => Ok(Placed {
            parent,
            parent_from_child: *sample,
            age_nanos,
        }),
        false => Err(too_far),
    }
}

/// The transform on the way from one to another, of which `share` is gone. Half a turn has no shortest way; then either
/// will do, as in tf2.
fn mixed(first: &Isometry3<f64>, second: &Isometry3<f64>, share: f64) -> Isometry3<f64> {
    let translation = first
        .translation
        .vector
        .lerp(&second.translation.vector, share);
    let rotation = first
        .rotation
        .try_slerp(&second.rotation, share, 1e-9)
        .unwrap_or(if share < 0.5 {
            first.rotation
        } else {
            second.rotation
        });
    Isometry3::from_parts(translation.into(), rotation)
}
