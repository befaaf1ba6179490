//! Whether success could have come at all: a threshold of one kind of distance, taken over to another, is never reached.

use serde::Serialize;

use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::frame::DistanceKind;
use spatial_reward_core::settings::{Settings, Thresholds};
use spatial_reward_core::step::Step;

const NANOS_PER_SECOND: f64 = 1e9;

/// Why success cannot occur in a recording, whatever the robot does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutOfReach {
    /// The estimator tells apart no distances so small.
    BelowFloor {
        /// The setting of the threshold, by its dotted name.
        setting: &'static str,
        /// Its value, metres.
        threshold_m: f64,
        /// The least that the estimator gives, metres.
        least_m: f64,
    },
    /// The surfaces touched, and the rewarded distance was still above its threshold.
    AboveInContact {
        /// `success.enter_m` as it is in force, metres.
        enter_m: f64,
        /// The least rewarded distance of the recording, metres.
        least_m: f64,
        /// The least gap between the surfaces, metres.
        gap_m: f64,
    },
    /// No episode is as long as success must hold.
    HoldTooLong {
        /// `success.hold_s`.
        hold_s: f64,
        /// The longest episode, seconds.
        longest_s: f64,
    },
    /// No episode has as many valid steps as must vote for success.
    TooFewVotes {
        /// `success.votes.needed`.
        needed: u32,
        /// The most valid steps of an episode.
        most: u32,
    },
}

impl OutOfReach {
    /// Of a labelled recording; `None` where success came, or could have come.
    pub(super) fn of(
        steps: &[Step],
        settings: &Settings,
        estimator: &dyn Estimator,
    ) -> Option<Self> {
        if steps.iter().any(|step| step.success) {
            return None;
        }
        Self::below_floor(settings, estimator.least_m())
            .or_else(|| Self::above_in_contact(steps, settings))
            .or_else(|| Self::too_short(steps, settings))
    }

    fn below_floor(settings: &Settings, least_m: f64) -> Option<Self> {
        let (setting, threshold_m) = settings.threshold_below(least_m)?;
        Some(Self::BelowFloor {
            setting,
            threshold_m,
            least_m,
        })
    }

    fn above_in_contact(steps: &[Step], settings: &Settings) -> Option<Self> {
        let enter_m = settings.thresholds().enter_m;
        let valid = || steps.iter().filter(|step| step.is_valid());
        let least = |distance: fn(&Step) -> f64| {
            let finite = valid().map(distance).filter(|metres| metres.is_finite());
            finite.min_by(f64::total_cmp)
        };
        let least_m = least(|step| step.distance_m)?;
        let gap_m = least(|step| step.surface_m)?;
        let touched = gap_m <= Thresholds::of(DistanceKind::Surface).enter_m;
        let is_other = settings.distance() != DistanceKind::Surface;
        (is_other && touched && least_m > enter_m).then_some(Self::AboveInContact {
            enter_m,
            least_m,
            gap_m,
        })
    }

    /// Near enough, but not for long enough.
    fn too_short(steps: &[Step], settings: &Settings) -> Option<Self> {
        let enter_m = settings.thresholds().enter_m;
        // A step that is not valid has no distance, and is not near.
        if !steps.iter().any(|step| step.distance_m <= enter_m) {
            return None;
        }
        let episodes = || steps.chunk_by(|a, b| a.episode == b.episode);
        let length_s = |episode: &[Step]| {
            let stamps = || episode.iter().map(|step| step.stamp_nanos);
            let length = stamps().max()?.saturating_sub(stamps().min()?);
            Some(length as f64 / NANOS_PER_SECOND)
        };
        let longest_s = episodes().filter_map(length_s).max_by(f64::total_cmp)?;
        let hold_s = settings.success.hold_s;
        if hold_s > longest_s {
            return Some(Self::HoldTooLong { hold_s, longest_s });
        }
        let valid = |episode: &[Step]| episode.iter().filter(|step| step.is_valid()).count();
        let most = u32::try_from(episodes().map(valid).max()?).unwrap_or(u32::MAX);
        let needed = settings.success.votes?.needed;
        (most > 0 && needed > most).then_some(Self::TooFewVotes { needed, most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::approach;
    use spatial_reward_core::frame::{Frame, Measurement, Reason, Regions};

    /// One that gives nothing below so many metres.
    struct Coarse(f64);

    impl Estimator for Coarse {
        fn name(&self) -> &'static str {
            "coarse"
        }

        fn estimate(&self, _: &Frame, _: &Regions) -> Result<Measurement, Reason> {
            Err(Reason::ModelError)
        }

        fn least_m(&self) -> f64 {
            self.0
        }
    }

    fn of(steps: &[Step], yaml: &str, least_m: f64) -> Option<OutOfReach> {
        OutOfReach::of(steps, &Settings::from_yaml(yaml).unwrap(), &Coarse(least_m))
    }

    /// An approach that ends with contact, in which the rewarded distance ends at so many metres.
    fn contact_at(distance_m: f64) -> Vec<Step> {
        let mut steps = approach(20);
        for step in &mut steps {
            (step.surface_m, step.distance_m, step.success) = (0.2, 0.25, false);
        }
        let last = steps.last_mut().unwrap();
        (last.surface_m, last.distance_m) = (0.002, distance_m);
        steps
    }

    #[test]
    fn a_threshold_below_what_the_estimator_tells_apart_is_out_of_reach() {
        let steps = contact_at(0.031);
        let low = "{estimator: {distance: cloud}, success: {enter_m: 0.01}}";
        assert_eq!(
            of(&steps, low, 0.03),
            Some(OutOfReach::BelowFloor {
                setting: "success.enter_m",
                threshold_m: 0.01,
                least_m: 0.03
            })
        );
        let sparse = "{estimator: {distance: cloud}, reward: {kind: shaped, threshold_m: 0.02}}";
        let Some(OutOfReach::BelowFloor { setting, .. }) = of(&steps, sparse, 0.03) else {
            panic!("it is below");
        };
        assert_eq!(setting, "reward.threshold_m");
        // one that is not used says nothing
        let unused = "{estimator: {distance: cloud}, reward: {threshold_m: 0.02}}";
        assert_eq!(of(&steps, unused, 0.03), None);
    }

    #[test]
    fn contact_above_the_threshold_says_that_the_threshold_is_another_kinds() {
        let low = "{estimator: {distance: cloud}, success: {enter_m: 0.01}}";
        assert_eq!(
            of(&contact_at(0.025), low, 0.0),
            Some(OutOfReach::AboveInContact {
                enter_m: 0.01,
                least_m: 0.025,
                gap_m: 0.002
            })
        );
        // without contact the robot may just not have come near
        let mut apart = contact_at(0.025);
        apart.iter_mut().for_each(|step| step.surface_m = 0.2);
        assert_eq!(of(&apart, low, 0.0), None);
        // and a success answers the question
        let mut solved = contact_at(0.025);
        solved[19].success = true;
        assert_eq!(of(&solved, low, 0.05), None);
    }

    #[test]
    fn what_must_hold_or_vote_longer_than_any_episode_is_out_of_reach() {
        let steps = contact_at(0.005);
        assert!(matches!(
            of(&steps, "success: {hold_s: 60}", 0.0),
            Some(OutOfReach::HoldTooLong { hold_s: 60.0, longest_s }) if longest_s < 60.0
        ));
        assert_eq!(
            of(&steps, "success: {votes: {needed: 30, of: 40}}", 0.0),
            Some(OutOfReach::TooFewVotes {
                needed: 30,
                most: 20
            })
        );
        assert_eq!(of(&steps, "", 0.0), None);
        // what never came near did not lack the time
        assert_eq!(of(&contact_at(0.2), "success: {hold_s: 60}", 0.0), None);
    }
}
