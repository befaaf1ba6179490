//! Live matching for a whole task: a matcher for each pair as each camera sees it, and the frames of all that are of one moment
//! brought together. Where there is one pair, it is that pair's matcher and nothing else.

use std::collections::VecDeque;

use super::{Input, MatchedFrame, Matcher, Streams};
use crate::frame::Reason;
use crate::settings::Settings;
use crate::stamp::nanos_from_seconds;
use crate::task::{Beside, When};

/// Encoded pictures of frames that wait for those beside them, as many as one matcher may hold.
const MAX_HELD_BYTES: usize = 384 << 20;

/// A step's frame, with what else is of its moment.
#[derive(Debug, PartialEq)]
pub struct Joined {
    /// Of the step's own pair.
    pub own: MatchedFrame,
    /// Of the other pairs in their order, nearest in time.
    pub others: Vec<Option<MatchedFrame>>,
    /// How wide the gripper is open, in metres.
    pub opening_m: Option<f64>,
    /// Of the other pairs those that have no frame because it did not come in time.
    pub late: Vec<usize>,
}

/// Push messages in the order in which they come, take frames out, in the order of the first pair's.
///
/// A frame of the first pair waits for the others' of its time: until one has come that no other will be nearer than, at most
/// `matching.wait_s` for their images to come, and as long again for what belongs to those. A camera that was silent for a second
/// is not waited for, so one that is dead delays nothing.
#[derive(Debug)]
pub struct TaskMatcher {
    own: Matcher,
    others: Vec<Other>,
    openings: Option<Beside<f64>>,
    wait_nanos: i64,
    now_nanos: i64,
    /// When the first image of the present stretch came.
    begun_nanos: Option<i64>,
    waiting: VecDeque<MatchedFrame>,
    ready: VecDeque<Joined>,
}

/// A pair beside the first.
#[derive(Debug)]
struct Other {
    matcher: Matcher,
    frames: Beside<MatchedFrame>,
}

impl TaskMatcher {
    /// For these pairs' settings, the step's own first. `streams` are those that exist for a pair.
    pub fn new(own: &Settings, others: &[&Settings], streams: impl Fn(usize) -> Streams) -> Self {
        let matching = &own.matching;
        let wait_nanos = nanos_from_seconds(matching.wait_s);
        let [tolerance_nanos, most_nanos] =
            [matching.tolerance_s, matching.box_max_age_s].map(nanos_from_seconds);
        let matcher =
            |settings: &Settings, at| Matcher::new(settings, streams(at), settings.needs_depth());
        let others = others.iter().zip(1..).map(|(settings, at)| Other {
            matcher: matcher(settings, at),
            frames: Beside::live(tolerance_nanos, wait_nanos),
        });
        let has_gripper = own.task.gripper_topic.is_some();
        let openings = || Beside::live(most_nanos, wait_nanos);
        Self {
            own: matcher(own, 0),
            others: others.collect(),
            openings: has_gripper.then(openings),
            wait_nanos,
            now_nanos: i64::MIN,
            begun_nanos: None,
            waiting: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    /// The first pair's matcher: its frames become steps.
    pub fn own(&self) -> &Matcher {
        &self.own
    }

    /// All of them, the first pair's first.
    pub fn matchers(&self) -> impl Iterator<Item = &Matcher> {
        std::iter::once(&self.own).chain(self.others.iter().map(|other| &other.matcher))
    }

    /// The streams that exist from now on.
    pub fn expect(&mut self, streams: impl Fn(usize) -> Streams) {
        self.own.expect(streams(0));
        for (other, at) in self.others.iter_mut().zip(1..) {
            other.matcher.expect(streams(at));
        }
    }

    /// Take in what a message is to one of the pairs.
    pub fn push(&mut self, log_time_nanos: i64, pair: usize, input: Input) {
        match pair.checked_sub(1) {
            None => self.own.push(log_time_nanos, input),
            Some(at) => {
                let Some(other) = self.others.get_mut(at) else {
                    return;
                };
                if matches!(input, Input::Image { .. }) {
                    other.frames.hear(log_time_nanos);
                }
                other.matcher.push(log_time_nanos, input);
            }
        }
    }

    /// Take in how wide the gripper is open, in metres.
    pub fn push_opening(&mut self, when: When, opening_m: f64) {
        if let Some(openings) = &mut self.openings {
            openings.hear(when.log_time_nanos);
            openings.push(when, false, opening_m);
        }
    }

    /// A new episode begins with the next image.
    pub fn split(&mut self, log_time_nanos: i64) {
        self.own.push(log_time_nanos, Input::EpisodeSplit);
        for other in &mut self.others {
            other.matcher.push(log_time_nanos, Input::EpisodeSplit);
        }
    }

    /// Nothing may have been listened to before: the other cameras have a second again.
    pub fn hear_anew(&mut self) {
        self.begun_nanos = None;
    }

    /// Tell what time it is.
    pub fn advance(&mut self, log_time_nanos: i64) {
        self.now_nanos = self.now_nanos.max(log_time_nanos);
        self.own.advance(log_time_nanos);
        for other in &mut self.others {
            other.matcher.advance(log_time_nanos);
        }
        // Between episodes no step asks for what comes beside.
        if self.waiting.is_empty() && !self.own.has_pending() {
            let margin_nanos = self.wait_nanos.saturating_mul(2);
            self.forget_before(log_time_nanos.saturating_sub(margin_nanos));
        }
    }

    /// Whether a frame waits for its inputs, or for frames beside it.
    pub fn has_pending(&self) -> bool {
        !self.waiting.is_empty() || self.matchers().any(Matcher::has_pending)
    }

    /// No more messages will come: settle everything.
    pub fn flush(&mut self) {
        self.own.flush();
        for other in &mut self.others {
            other.matcher.flush();
        }
        self.collect();
        while let Some(own) = self.waiting.pop_front() {
            let joined = self.joined(own);
            self.ready.push_back(joined);
        }
    }

    /// The next frame with those beside it.
    pub fn next_frame(&mut self) -> Option<Joined> {
        self.collect();
        if let Some(joined) = self.ready.pop_front() {
            return Some(joined);
        }
        let first = self.waiting.front()?;
        if !self.is_complete(first) && !self.holds_too_much() {
            return None;
        }
        let own = self.waiting.pop_front()?;
        Some(self.joined(own))
    }

    /// Take over what the matchers have settled; those beside first.
    fn collect(&mut self) {
        for Other { matcher, frames } in &mut self.others {
            while let Some(frame) = matcher.next_frame() {
                let is_wild = frame.info.reason == Some(Reason::WildStamp);
                frames.push(when(&frame), is_wild, frame);
            }
            while frames.values().map(bytes).sum::<usize>() > MAX_HELD_BYTES {
                frames.forget_oldest();
            }
        }
        while let Some(frame) = self.own.next_frame() {
            self.begun_nanos.get_or_insert(frame.info.log_time_nanos);
            self.waiting.push_back(frame);
        }
    }

    fn holds_too_much(&self) -> bool {
        self.waiting.iter().map(bytes).sum::<usize>() > MAX_HELD_BYTES
    }

    /// Whether nothing is waited for any more that belongs to a frame.
    fn is_complete(&self, own: &MatchedFrame) -> bool {
        // Such a frame is of no time at which something else could be.
        if matches!(own.info.reason, Some(Reason::WildStamp | Reason::Late)) {
            return true;
        }
        let step = when(own);
        let waited_nanos = self.now_nanos.saturating_sub(step.log_time_nanos);
        let begun_nanos = self.begun_nanos.unwrap_or(step.log_time_nanos);
        let of_others = self.others.iter().all(|Other { matcher, frames }| {
            // What belongs to an image that came in time is waited for as to any.
            let is_over = match matcher.has_pending() {
                true => waited_nanos > self.wait_nanos.saturating_mul(2),
                false => waited_nanos > self.wait_nanos,
            };
            is_over || frames.is_settled(step) || frames.is_silent(step, begun_nanos)
        });
        let of_gripper = self.openings.as_ref().is_none_or(|openings| {
            waited_nanos > self.wait_nanos
                || openings.is_settled(step)
                || openings.is_silent(step, begun_nanos)
        });
        of_others && of_gripper
    }

    fn forget_before(&mut self, log_time_nanos: i64) {
        for other in &mut self.others {
            other.frames.forget_before(log_time_nanos);
        }
        if let Some(openings) = &mut self.openings {
            openings.forget_before(log_time_nanos);
        }
    }

    fn joined(&mut self, own: MatchedFrame) -> Joined {
        let step = when(&own);
        let begun_nanos = self.begun_nanos.unwrap_or(step.log_time_nanos);
        let others: Vec<Option<MatchedFrame>> = (self.others.iter())
            .map(|other| other.frames.nearest(step, begun_nanos).cloned())
            .collect();
        let is_late = |at: &usize| {
            let other = self.others.get(*at);
            let has_none = others.get(*at).is_some_and(Option::is_none);
            has_none && !other.is_some_and(|other| other.frames.is_settled(step))
        };
        // Nothing belongs to such a frame, so nothing is missing.
        let is_none = matches!(own.info.reason, Some(Reason::WildStamp | Reason::Late));
        let late = (0..others.len())
            .filter(|at| !is_none && is_late(at))
            .collect();
        let openings = self.openings.as_ref();
        let opening_m = openings.and_then(|openings| openings.nearest(step, begun_nanos).copied());
        let oldest_nanos = (self.waiting.iter())
            .map(|frame| frame.info.log_time_nanos)
            .fold(step.log_time_nanos, i64::min);
        self.forget_before(oldest_nanos);
        Joined {
            own,
            others,
            opening_m,
            late,
        }
    }
}

fn when(frame: &MatchedFrame) -> When {
    When {
        stamp_nanos: frame.info.stamp_nanos,
        log_time_nanos: frame.info.log_time_nanos,
    }
}

fn bytes(frame: &MatchedFrame) -> usize {
    frame.image.len() + frame.depth.as_ref().map_or(0, bytes::Bytes::len)
}
