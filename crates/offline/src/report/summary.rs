//! A labelling in a few figures: how many steps, how many valid, why not, how close, solved or not.

use std::collections::BTreeMap;

use super::timeline::Timeline;
use spatial_reward_core::frame::Reason;
use spatial_reward_core::step::Step;

/// The figures.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Summary {
    /// All steps.
    pub steps: usize,
    /// Episodes that they are in.
    pub episodes: usize,
    /// Steps with a reward.
    pub valid: usize,
    /// Steps with a box that the tracker predicted.
    pub bridged: usize,
    /// Invalid steps by reason.
    pub reasons: BTreeMap<Reason, usize>,
    /// From the first to the last frame's stamp, seconds.
    pub duration_s: f64,
    /// First valid distance, metres.
    pub first_m: Option<f64>,
    /// Last valid distance, metres.
    pub last_m: Option<f64>,
    /// Least valid distance, metres.
    pub min_m: Option<f64>,
    /// Seconds after the first frame at which the first success began.
    pub success_s: Option<f64>,
    /// Episodes with a success.
    pub successful_episodes: usize,
}

impl Summary {
    /// Of steps in stream order.
    pub(crate) fn new(steps: &[Step]) -> Self {
        let timeline = Timeline::new(steps);
        let distances = || {
            let valid = steps.iter().filter(|step| step.is_valid());
            let distances = valid.map(|step| step.distance_m);
            // A task's step may be valid without its own distance.
            distances.filter(|distance_m| distance_m.is_finite())
        };
        let mut reasons = BTreeMap::new();
        for reason in steps.iter().filter_map(|step| step.reason) {
            *reasons.entry(reason).or_default() += 1;
        }
        let episodes = || steps.chunk_by(|a, b| a.episode == b.episode);
        Self {
            steps: steps.len(),
            episodes: episodes().count(),
            valid: steps.iter().filter(|step| step.is_valid()).count(),
            bridged: steps.iter().filter(|step| step.is_bridged()).count(),
            reasons,
            duration_s: timeline.iter().map(|(time, _)| time).fold(0.0, f64::max),
            first_m: distances().next(),
            last_m: distances().next_back(),
            min_m: distances().min_by(f64::total_cmp),
            success_s: timeline
                .iter()
                .find(|(_, step)| step.success)
                .map(|(time, _)| time),
            successful_episodes: episodes()
                .filter(|episode| episode.iter().any(|step| step.success))
                .count(),
        }
    }

    /// Share of valid steps in percent; `None` without any step.
    pub(crate) fn valid_percent(&self) -> Option<f64> {
        (self.steps > 0).then(|| 100.0 * self.valid as f64 / self.steps as f64)
    }

    /// Whether and when the task was solved.
    pub(crate) fn success(&self) -> String {
        match (self.success_s, self.episodes) {
            (None, _) => "no success".to_owned(),
            (Some(time), 0 | 1) => format!("success at {time:.2} s"),
            (Some(_), episodes) => {
                let successful = self.successful_episodes;
                format!("success in {successful} of {episodes} episodes")
            }
        }
    }

    /// One line for a title.
    pub(crate) fn sentence(&self) -> String {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let mut line = format!("{} step{}", self.steps, plural(self.steps));
        if self.episodes > 1 {
            line.push_str(&format!(" in {} episodes", self.episodes));
        }
        if let Some(percent) = self.valid_percent() {
            line.push_str(&format!(", {percent:.1} % valid, {}", self.success()));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::{approach, invalid, split_episode};

    #[test]
    fn counts_and_distances_skip_invalid_steps() {
        let mut steps = approach(8);
        steps[0] = invalid(0, Reason::NoDepth);
        steps[7] = invalid(7, Reason::NoDepth);
        steps[6].success = true;
        let summary = Summary::new(&steps);
        assert_eq!((summary.steps, summary.valid), (8, 6));
        assert_eq!(summary.reasons, BTreeMap::from([(Reason::NoDepth, 2)]));
        assert_eq!(summary.first_m, Some(steps[1].distance_m));
        assert_eq!(summary.last_m, Some(steps[6].distance_m));
        assert_eq!(
            summary.sentence(),
            "8 steps, 75.0 % valid, success at 0.60 s"
        );
    }

    #[test]
    fn success_is_counted_by_episode() {
        let mut steps = approach(6);
        steps[2].success = true;
        split_episode(&mut steps, 3);
        assert_eq!(Summary::new(&steps).success(), "success in 1 of 2 episodes");
    }

    #[test]
    fn no_step_claims_nothing() {
        let summary = Summary::new(&[]);
        assert_eq!(summary.sentence(), "0 steps");
        assert_eq!((summary.valid_percent(), summary.min_m), (None, None));
    }
}
