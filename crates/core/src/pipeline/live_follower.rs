//! Drawn boxes followed through frames as they come, in one direction of time: in the live node, and in recordings that are
//! labelled as it would.

use super::measure::Measurer;
use super::{Look, MatchedFrame};
use crate::following::{Elapsed, Follower, InTurn, Schedule};
use crate::settings::Regions;
use crate::tracking::StartError;

/// Follows drawn boxes through frames as they come, forwards only: what a live node can do.
#[derive(Debug)]
pub struct LiveFollower {
    fingertip: Follower,
    target: Follower,
    in_turn: InTurn,
    schedule: Schedule,
    elapsed: Elapsed,
}

impl LiveFollower {
    /// Of regions that were drawn; `None` where none was.
    pub fn new(regions: &Regions) -> Option<Self> {
        regions.are_followed().then(|| Self {
            fingertip: Follower::default(),
            target: Follower::default(),
            in_turn: InTurn::of(regions),
            schedule: Schedule::new(regions),
            elapsed: Elapsed::default(),
        })
    }

    /// Give the next frame the boxes of its regions that are followed. Its seconds count from the first frame. What is seen of
    /// the one that is looked for first is not the other's. What was decoded for that comes back, for who measures; `None` where
    /// nobody had to look.
    ///
    /// # Errors
    /// For a drawn box that lies outside the picture; the region is then as if it was not drawn.
    pub fn place(
        &mut self,
        measurer: &Measurer<'_>,
        frame: &mut MatchedFrame,
    ) -> Result<Option<Look>, StartError> {
        let at_nanos = frame.info.timeline_nanos;
        let due = self.schedule.due(self.elapsed.until(at_nanos));
        let looks = self.fingertip.looks(due[0]) || self.target.looks(due[1]);
        let look = looks.then(|| measurer.look(frame)).flatten();
        let picture = look.as_ref().map(Look::picture);
        let [first, other] = self.in_turn.sorted([&mut self.fingertip, &mut self.target]);
        let [first_due, other_due] = self.in_turn.sorted(due);
        let of_first = first.see(first_due, at_nanos, picture, None);
        let of_other = other.see(other_due, at_nanos, picture, first.cover());
        let [fingertip, target] = self.in_turn.sorted([of_first, of_other]);
        let sights = [fingertip.unwrap_or_default(), target.unwrap_or_default()];
        frame.info.place_followed(&measurer.regions, &sights);
        target.and(fingertip).map(|_| look)
    }
}
