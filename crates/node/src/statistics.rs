//! What the node counts and times, for /diagnostics and for the notice that no reward comes. Written by
//! both threads, read once a second.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use super::outgoing::shortened;
use spatial_reward_core::frame::Reason;
use spatial_reward_core::pipeline::measure::Broken;
use spatial_reward_core::statistics::percentile;
use spatial_reward_core::step::Step;

/// Percentiles are those of so many newest steps.
const WINDOW: usize = 512;

/// The newest values of one quantity.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    values: VecDeque<f64>,
}

impl Window {
    pub(crate) fn push(&mut self, value: f64) {
        if self.values.len() == WINDOW {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// Median and 99th percentile; none before the first value.
    pub(crate) fn p50_p99(&self) -> Option<(f64, f64)> {
        let values: Vec<f64> = self.values.iter().copied().collect();
        Some((percentile(&values, 50.0)?, percentile(&values, 99.0)?))
    }
}

/// Steps by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub valid: u64,
    pub invalid: BTreeMap<Reason, u64>,
}

impl Tally {
    pub(crate) fn count(&mut self, reason: Option<Reason>) {
        match reason {
            None => self.valid += 1,
            Some(reason) => *self.invalid.entry(reason).or_default() += 1,
        }
    }

    pub(crate) fn steps(&self) -> u64 {
        self.valid + self.invalid.values().sum::<u64>()
    }

    /// `no_depth 12, stale_box 3`, the commonest first.
    pub(crate) fn reasons(&self) -> String {
        let mut reasons: Vec<(&Reason, &u64)> = self.invalid.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let words = reasons
            .iter()
            .map(|(reason, count)| format!("{} {count}", reason.name()));
        words.collect::<Vec<_>>().join(", ")
    }
}

/// The estimation's figures since the node began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statistics {
    pub tally: Tally,
    /// Frames that a newer one replaced while they waited for the estimator.
    pub skipped: u64,
    /// Frames outside any episode.
    pub between_episodes: u64,
    /// Frames that a managed node had when it was deactivated.
    pub deactivated: u64,
    /// Images with the stamp of another one.
    pub duplicates: u64,
    /// Pictures that could not be decoded, and what was wrong with the last.
    pub broken: u64,
    pub last_broken: String,
    /// Steps that a camera beside the first is missing from because its pictures did not come in time, by its name.
    pub left_out: BTreeMap<String, u64>,
    /// Seconds from complete inputs to the estimator's begin.
    pub queue_s: Window,
    pub decode_s: Window,
    pub estimate_s: Window,
    /// Seconds from complete inputs to the published step.
    pub total_s: Window,
    /// ROS time at publication minus the image's stamp, in seconds.
    pub age_s: Window,
    /// Since the last notice.
    pub recent: Tally,
    pub last_valid: Option<Instant>,
    pub calls: Calls,
}

/// AnnotateStep calls by their answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub done: u64,
    pub busy: u64,
    pub late: u64,
    pub bad: u64,
    pub not_active: u64,
}

impl Statistics {
    /// Take in pictures of a step that could not be used; the first ever is told.
    pub(crate) fn push_broken(&mut self, broken: &[Broken]) {
        for one in broken {
            if self.broken == 0 {
                tracing::warn!("{} cannot be used: {}", one.with_article(), one.why);
            }
            self.broken += 1;
            let words = format!("{}: {}", one.what, one.why);
            self.last_broken = shortened(&words).into_owned();
        }
    }

    /// Take in the cameras of pairs that a step is without; each counts once.
    pub(crate) fn push_late<'a>(&mut self, cameras: impl Iterator<Item = &'a str>) {
        for camera in cameras.collect::<BTreeSet<_>>() {
            *self.left_out.entry(camera.to_owned()).or_default() += 1;
        }
    }

    /// Take in a published step.
    pub(crate) fn push(&mut self, step: &Step, queue_s: f64, age_s: f64) {
        self.tally.count(step.reason);
        self.recent.count(step.reason);
        self.queue_s.push(queue_s);
        self.total_s.push(step.latency.total_s);
        self.age_s.push(age_s);
        if step.is_valid() {
            self.decode_s.push(step.latency.decode_s);
            self.estimate_s.push(step.latency.estimate_s);
            self.last_valid = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets_what_is_old() {
        let mut window = Window::default();
        assert_eq!(window.p50_p99(), None);
        (0..2000).for_each(|value| window.push(f64::from(value)));
        let (p50, _) = window.p50_p99().unwrap();
        assert!(p50 > 1488.0);
    }

    #[test]
    fn a_tally_names_the_commonest_reason_first() {
        let mut tally = Tally::default();
        tally.count(None);
        tally.count(Some(Reason::NoDepth));
        (0..3).for_each(|_| tally.count(Some(Reason::StaleBox)));
        assert_eq!(tally.steps(), 5);
        assert_eq!(tally.reasons(), "stale_box 3, no_depth 1");
    }
}
