//! The way from a frame up through its parents at one stamp, and where two such ways meet.

use nalgebra::Isometry3;

use super::link::{FrameId, Link, Placed, Unplaced};

/// A frame, its parent, that one's parent and so on, as far as it goes.
#[derive(Debug)]
pub(super) struct Chain {
    steps: Vec<Step>,
    /// Why it ends before a root.
    pub broken: Option<Broken>,
}

/// What ends a chain before a root.
#[derive(Debug, Clone)]
pub(super) enum Broken {
    /// This frame is nowhere at the stamp.
    At(FrameId, Unplaced),
    /// Each is the child of the next; the first comes again at the end.
    Loop(Vec<FrameId>),
}

#[derive(Debug, Clone, Copy)]
struct Step {
    frame: FrameId,
    /// Maps coordinates of the chain's first frame into this one.
    frame_from_first: Isometry3<f64>,
    /// The greatest of the links up to here.
    age_nanos: i64,
}

impl Chain {
    /// Up from a frame, until `enough` says of one that it need not go on.
    pub(super) fn climb(
        links: &[Option<Link>],
        first: FrameId,
        stamp_nanos: i64,
        hold_nanos: i64,
        enough: impl Fn(FrameId) -> bool,
    ) -> Self {
        let mut here = Step {
            frame: first,
            frame_from_first: Isometry3::identity(),
            age_nanos: 0,
        };
        let mut chain = Self {
            steps: vec![here],
            broken: None,
        };
        while !enough(here.frame)
            && let Some(link) = links.get(here.frame).and_then(Option::as_ref)
            && let Some(placed) = link.at(stamp_nanos, hold_nanos)
        {
            match placed {
                Ok(placed) => here = here.up(&placed),
                Err(unplaced) => {
                    chain.broken = Some(Broken::At(here.frame, unplaced));
                    break;
                }
            }
            if let Some(begin) = chain.steps.iter().position(|step| step.frame == here.frame) {
                let round = chain.steps.iter().skip(begin).map(|step| step.frame);
                chain.broken = Some(Broken::Loop(round.chain([here.frame]).collect()));
                break;
            }
            chain.steps.push(here);
        }
        chain
    }

    pub(super) fn has(&self, frame: FrameId) -> bool {
        self.steps.iter().any(|step| step.frame == frame)
    }

    /// The frames whose links lead from this chain's first frame to the end of the other one, and from that one's first.
    pub(super) fn links_to<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = FrameId> + 'a {
        let meeting = other.end();
        let both = [self, other].map(|chain| chain.steps.iter().map(|step| step.frame));
        let below = move |frame: &FrameId| *frame != meeting;
        let [own, others] = both.map(|frames| frames.take_while(below));
        own.chain(others)
    }

    /// The last frame that it comes to.
    pub(super) fn end(&self) -> FrameId {
        self.steps.last().map_or(FrameId::MAX, |step| step.frame)
    }

    /// From this chain's first frame into the other's, where the other one ends in a frame of this, and the age of the
    /// oldest sample in between. One that goes round in a circle tells nothing: where it would have led depends on where
    /// one looks.
    pub(super) fn joined(&self, other: &Self) -> Option<(Isometry3<f64>, i64)> {
        let into = other.steps.last()?;
        let from = self.steps.iter().find(|step| step.frame == into.frame)?;
        let is_loop = matches!(self.broken, Some(Broken::Loop(_)));
        (!is_loop).then(|| {
            let into_from = into.frame_from_first.inverse() * from.frame_from_first;
            (into_from, from.age_nanos.max(into.age_nanos))
        })
    }
}

impl Step {
    fn up(self, placed: &Placed) -> Self {
        Self {
            frame: placed.parent,
            frame_from_first: placed.parent_from_child * self.frame_from_first,
            age_nanos: self.age_nanos.max(placed.age_nanos),
        }
    }
}
