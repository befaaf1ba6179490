//! What comes beside the steps' own frames: other pairs' frames or measurements, a gripper's openings. Of each, what is nearest
//! in time belongs to a step. Live, a step waits for it; recordings that are labelled as a node would leave out what it would
//! not have had.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use crate::stamp::NANOS_PER_SECOND;
use crate::step::Step;

/// A source that was not heard of for so long is not waited for.
const SILENT_NANOS: i64 = NANOS_PER_SECOND;

/// A stamp so far behind the newest is that of a clock that was set back.
const SET_BACK_NANOS: i64 = NANOS_PER_SECOND;

/// So many of the last gaps between stamps tell how fast a source is, and no fewer than these.
const GAPS: usize = 8;
const FEWEST_GAPS: usize = 4;

/// The next stamp is taken to be no nearer than so much of the shortest of these gaps.
const LEAST_GAP: f64 = 0.8;

/// When something was: what its header says, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// Its stamp.
    pub stamp_nanos: i64,
    /// When it was received or logged.
    pub log_time_nanos: i64,
}

impl When {
    /// When a step's picture was.
    pub fn of(step: &Step) -> Self {
        Self {
            stamp_nanos: step.stamp_nanos,
            log_time_nanos: step.log_time_nanos,
        }
    }

    /// How far from a moment, for who seeks what is nearest to it. Where a clock was set back the same stamps come again: what
    /// came at another time is of another run.
    pub fn off(self, moment: Self) -> (bool, u64) {
        let came_apart = self.log_time_nanos.abs_diff(moment.log_time_nanos);
        let is_of_another_run = came_apart > SILENT_NANOS.unsigned_abs();
        let apart = self.stamp_nanos.abs_diff(moment.stamp_nanos);
        (is_of_another_run, apart)
    }
}

/// One source over time.
#[derive(Debug, Clone)]
pub struct Beside<T> {
    /// By their stamps.
    entries: VecDeque<(When, T)>,
    tolerance_nanos: i64,
    /// How long a step waits; `None` in a recording, where only stamps count.
    wait_nanos: Option<i64>,
    /// When something came, whether or not it is an entry yet.
    heard: VecDeque<i64>,
    newest_nanos: Option<i64>,
    gaps: VecDeque<i64>,
    /// Whether what was before a clock was set back is of no use to any step to come.
    forgets: bool,
}

impl<T> Beside<T> {
    /// Of a recording: whatever is no further from a step than the tolerance is of use.
    pub fn recorded(tolerance_nanos: i64) -> Self {
        Self {
            entries: VecDeque::new(),
            tolerance_nanos: tolerance_nanos.saturating_abs(),
            wait_nanos: None,
            heard: VecDeque::new(),
            newest_nanos: None,
            gaps: VecDeque::new(),
            forgets: false,
        }
    }

    /// As it comes: a step waits for so long after its own image came.
    pub fn live(tolerance_nanos: i64, wait_nanos: i64) -> Self {
        Self {
            forgets: true,
            ..Self::replayed(tolerance_nanos, wait_nanos)
        }
    }

    /// Of a recording whose steps have what a node would have had, and ask for it after all has been taken in.
    pub fn replayed(tolerance_nanos: i64, wait_nanos: i64) -> Self {
        Self {
            wait_nanos: Some(wait_nanos),
            ..Self::recorded(tolerance_nanos)
        }
    }

    /// Something came, of which an entry will be made.
    pub fn hear(&mut self, log_time_nanos: i64) {
        if self.wait_nanos.is_some() {
            self.heard.push_back(log_time_nanos);
        }
    }

    /// Take an entry in. Live, one with a wild stamp tells nothing of those to come.
    pub fn push(&mut self, when: When, is_wild: bool, value: T) {
        let stamp_nanos = when.stamp_nanos;
        if !is_wild && self.wait_nanos.is_some() {
            self.learn(stamp_nanos);
        }
        let after = |(one, _): &(When, T)| one.stamp_nanos <= stamp_nanos;
        let at = self.entries.partition_point(after);
        self.entries.insert(at, (when, value));
    }

    /// How far apart stamps are. After a clock was set back nothing of before is near.
    fn learn(&mut self, stamp_nanos: i64) {
        let newest_nanos = self.newest_nanos.unwrap_or(stamp_nanos);
        let gap_nanos = stamp_nanos.saturating_sub(newest_nanos);
        if gap_nanos <= -SET_BACK_NANOS {
            if self.forgets {
                self.entries.clear();
            }
            self.gaps.clear();
            self.newest_nanos = Some(stamp_nanos);
            return;
        }
        // While it was silent it was no slower.
        if (1..SILENT_NANOS).contains(&gap_nanos) {
            if self.gaps.len() == GAPS {
                self.gaps.pop_front();
            }
            self.gaps.push_back(gap_nanos);
        }
        self.newest_nanos = Some(newest_nanos.max(stamp_nanos));
    }

    /// What belongs to a step, if anything is near enough; of two that are as near the earlier. `begun_nanos` is when the
    /// image of the first step came.
    pub fn nearest(&self, step: When, begun_nanos: i64) -> Option<&T> {
        let waited = self.waited(step, begun_nanos);
        let is_in_time = |(when, _): &&(When, T)| {
            (waited.as_ref()).is_none_or(|waited| waited.contains(&when.log_time_nanos))
        };
        let off = |(when, _): &&(When, T)| when.stamp_nanos.abs_diff(step.stamp_nanos);
        if waited.is_none() {
            let first = step.stamp_nanos.saturating_sub(self.tolerance_nanos);
            let last = step.stamp_nanos.saturating_add(self.tolerance_nanos);
            let from = |at| {
                self.entries
                    .partition_point(|(when, _)| when.stamp_nanos < at)
            };
            let near = self
                .entries
                .range(from(first)..from(last.saturating_add(1)));
            let nearest = near.min_by_key(|(when, _)| when.off(step));
            return nearest.map(|(_, value)| value);
        }
        let is_before = |(when, _): &(When, T)| when.stamp_nanos < step.stamp_nanos;
        let middle = self.entries.partition_point(is_before);
        let before = self.entries.range(..middle).rev().find(is_in_time);
        let after = self.entries.range(middle..).find(is_in_time);
        let nearest = [before, after].into_iter().flatten().min_by_key(off)?;
        let is_near = off(&nearest) <= self.tolerance_nanos.unsigned_abs();
        is_near.then_some(&nearest.1)
    }

    /// The entry of that stamp; of several the one that came nearest to then.
    pub fn at(&self, moment: When) -> Option<&T> {
        let stamp_nanos = moment.stamp_nanos;
        let first = (self.entries).partition_point(|(when, _)| when.stamp_nanos < stamp_nanos);
        let same = self.entries.range(first..);
        let same = same.take_while(|(when, _)| when.stamp_nanos == stamp_nanos);
        let apart = |when: &When| when.log_time_nanos.abs_diff(moment.log_time_nanos);
        let nearest = same.min_by_key(|(when, _)| apart(when));
        nearest.map(|(_, value)| value)
    }

    /// When something must come to be of use to a step; `None` where it may whenever.
    fn waited(&self, step: When, begun_nanos: i64) -> Option<RangeInclusive<i64>> {
        let wait_nanos = self.wait_nanos?;
        let after = match self.is_silent(step, begun_nanos) {
            true => 0,
            false => wait_nanos,
        };
        let before = wait_nanos.saturating_add(self.tolerance_nanos);
        let earliest = step.log_time_nanos.saturating_sub(before);
        Some(earliest..=step.log_time_nanos.saturating_add(after))
    }

    /// Whether the source was not heard of in the second before a step, so that it is not waited for. What was never heard of
    /// has a second from the first step on.
    pub fn is_silent(&self, step: When, begun_nanos: i64) -> bool {
        let now_nanos = step.log_time_nanos;
        let since_nanos = now_nanos.saturating_sub(SILENT_NANOS);
        let is_recent = |at: &i64| (since_nanos..=now_nanos).contains(at);
        let first = self.heard.partition_point(|at| *at < since_nanos);
        !is_recent(&begun_nanos) && !self.heard.get(first).is_some_and(is_recent)
    }

    /// Whether nothing will come that is nearer to a step than what is there, as far as stamps ascend in their usual gaps.
    pub fn is_settled(&self, step: When) -> bool {
        let stamp_nanos = step.stamp_nanos;
        // One wild stamp far ahead does not count as having come there.
        let near = stamp_nanos..=stamp_nanos.saturating_add(SET_BACK_NANOS);
        if (self.entries.iter()).any(|(when, _)| near.contains(&when.stamp_nanos)) {
            return true;
        }
        let (Some(newest_nanos), Some(gap_nanos)) = (self.newest_nanos, self.least_gap()) else {
            return false;
        };
        let next_off = newest_nanos
            .saturating_add(gap_nanos)
            .saturating_sub(stamp_nanos);
        let best_off = stamp_nanos.saturating_sub(newest_nanos);
        match newest_nanos <= stamp_nanos && best_off <= self.tolerance_nanos {
            true => next_off >= best_off,
            false => newest_nanos <= stamp_nanos && next_off > self.tolerance_nanos,
        }
    }

    /// The next stamp is no nearer to the newest than this, as far as is known.
    fn least_gap(&self) -> Option<i64> {
        let gap_nanos = self.gaps.iter().min()?;
        let is_known = self.gaps.len() >= FEWEST_GAPS;
        is_known.then_some((*gap_nanos as f64 * LEAST_GAP) as i64)
    }

    /// Forget what no step will ask for whose image comes at this time or later.
    pub fn forget_before(&mut self, log_time_nanos: i64) {
        let Some(wait_nanos) = self.wait_nanos else {
            return;
        };
        let reach = wait_nanos.saturating_add(self.tolerance_nanos);
        let earliest = log_time_nanos.saturating_sub(reach);
        self.entries
            .retain(|(when, _)| when.log_time_nanos >= earliest);
        let earliest = log_time_nanos.saturating_sub(SILENT_NANOS);
        while self.heard.front().is_some_and(|at| *at < earliest) {
            self.heard.pop_front();
        }
    }

    /// Forget the oldest entry; false if there is none.
    pub fn forget_oldest(&mut self) -> bool {
        self.entries.pop_front().is_some()
    }

    /// All that is there, by its stamps.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &T> {
        self.entries.iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// Something that came a millisecond after its stamp.
    fn when(stamp_ms: i64) -> When {
        When {
            stamp_nanos: stamp_ms * MS,
            log_time_nanos: (stamp_ms + 1) * MS,
        }
    }

    /// A camera at 10 Hz that is stamped `lead_ms` before the steps, up to a time.
    fn ten_hertz(lead_ms: i64, until_ms: i64) -> Beside<i64> {
        let mut beside = Beside::live(40 * MS, 500 * MS);
        for at in (1000..=until_ms).step_by(100) {
            let when = when(at - lead_ms);
            beside.hear(when.log_time_nanos);
            beside.push(when, false, at);
        }
        beside
    }

    #[test]
    fn the_nearest_in_time_belongs_to_a_step_and_of_two_the_earlier() {
        // Given a recording's entries, pushed in any order
        let mut beside = Beside::recorded(20 * MS);
        for at in [100, 60, 140] {
            beside.push(when(at), false, at);
        }
        // Then
        assert_eq!(beside.nearest(when(110), 0), Some(&100));
        assert_eq!(beside.nearest(when(120), 0), Some(&100));
        assert_eq!(beside.nearest(when(121), 0), Some(&140));
        assert_eq!(beside.nearest(when(161), 0), None);
    }

    #[test]
    fn a_simulator_that_was_reset_got_the_measurements_of_its_first_run() {
        // Given a recording in which the same stamps come twice, a minute apart
        let again = |stamp_ms: i64| When {
            log_time_nanos: (stamp_ms + 60_001) * MS,
            ..when(stamp_ms)
        };
        let mut beside = Beside::recorded(20 * MS);
        for at in [100, 200] {
            beside.push(when(at), false, at);
        }
        for at in [103, 203] {
            beside.push(again(at), false, -at);
        }
        // Then each step has what came at its own time
        assert_eq!(beside.nearest(when(200), 0), Some(&200));
        assert_eq!(beside.nearest(again(200), 0), Some(&-203));
        // and what was measured in a picture of the second run is not taken for the first one's
        beside.push(again(100), false, -100);
        assert_eq!(beside.at(when(100)), Some(&100));
        assert_eq!(beside.at(again(100)), Some(&-100));
        assert_eq!(beside.at(when(103)), Some(&-103));
        assert_eq!(beside.at(when(104)), None);
        // and boxes that were logged a day late still belong to their stamps
        let late = When {
            log_time_nanos: 86_400_000 * MS,
            ..when(101)
        };
        assert_eq!(beside.nearest(late, 0), Some(&100));
    }

    #[test]
    fn a_step_waits_only_for_what_could_be_nearer() {
        // Given a camera that is ahead by 30 ms, whose next picture cannot be nearer
        let ahead = ten_hertz(30, 1500);
        assert!(ahead.is_settled(when(1500)));
        assert_eq!(ahead.nearest(when(1500), 0), Some(&1500));
        // Then the step after it is waited with until the next has come
        assert!(!ahead.is_settled(when(1600)));
        // and one that is behind by 30 ms is waited for
        let mut behind = ten_hertz(-30, 1500);
        assert!(!behind.is_settled(when(1600)));
        behind.push(when(1630), false, 1600);
        assert!(behind.is_settled(when(1600)));
        // and one that has nothing near is known to have nothing as soon as the next could only be too far away
        let mut between = ten_hertz(50, 1500);
        assert!(!between.is_settled(when(1500)));
        between.push(when(1550), false, 1600);
        assert!(between.is_settled(when(1500)));
        assert_eq!(between.nearest(when(1500), 0), None);
    }

    #[test]
    fn a_silent_source_is_not_waited_for_and_has_a_second_at_first() {
        // Given one that fell silent
        let mut stopped = ten_hertz(0, 1500);
        assert!(!stopped.is_silent(when(1100), 0));
        assert!(!stopped.is_silent(when(2400), 0));
        assert!(stopped.is_silent(when(2600), 0));
        // and one that never spoke
        let mute: Beside<()> = Beside::live(40 * MS, 500 * MS);
        assert!(!mute.is_silent(when(900), 0));
        assert!(mute.is_silent(when(1100), 0));
        // Then what it says again is of use once it was heard of before
        stopped.hear(2605 * MS);
        stopped.push(when(2604), false, 2604);
        assert_eq!(stopped.nearest(when(2600), 0), None);
        assert_eq!(stopped.nearest(when(2610), 0), Some(&2604));
    }

    #[test]
    fn what_comes_too_late_is_of_no_use_live() {
        // Given an entry that came half a second after its stamp, and one that came later
        let late = |stamp_ms: i64, after_ms: i64| When {
            stamp_nanos: stamp_ms * MS,
            log_time_nanos: (stamp_ms + after_ms) * MS,
        };
        let mut beside = ten_hertz(0, 1500);
        beside.push(late(1600, 500), false, 1600);
        beside.push(late(1700, 502), false, 1700);
        // Then
        assert_eq!(beside.nearest(when(1600), 0), Some(&1600));
        assert_eq!(beside.nearest(when(1700), 0), None);
    }

    #[test]
    fn after_a_clock_was_set_back_nothing_of_before_is_near() {
        // Given a simulator that begins anew
        let mut beside = ten_hertz(0, 3000);
        let again = When {
            stamp_nanos: 1000 * MS,
            log_time_nanos: 3100 * MS,
        };
        // When its first picture comes
        beside.push(again, false, 1);
        // Then only what came since is there
        assert_eq!(beside.values().collect::<Vec<_>>(), [&1]);
        assert!(!beside.is_settled(when(1100)));
        // and a wild stamp changes nothing
        beside.push(when(900_000), true, 2);
        assert_eq!(beside.nearest(again, 0), Some(&1));
    }
}
