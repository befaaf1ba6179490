//! When the task counts as solved: a distance trigger with hysteresis, optional N-of-M votes, and
//! a hold time measured by stamps. It sees valid distances only.

use std::collections::VecDeque;

use crate::settings::{Success, Thresholds, Votes};
use crate::stamp::nanos_from_seconds;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Outside,
    Inside {
        since_nanos: i64,
    },
    /// This stay inside has ended an episode already and cannot end another.
    Spent,
}

/// The trigger. Outside, it takes enough votes at or below `enter_m` to get in; inside, enough at
/// or below `exit_m` to stay. Without votes the last distance alone decides.
#[derive(Debug, Clone)]
pub struct SuccessDetector {
    enter_m: f64,
    exit_m: f64,
    hold_nanos: i64,
    votes: Votes,
    recent: VecDeque<f64>,
    state: State,
}

impl SuccessDetector {
    /// A detector at the start of an episode.
    pub fn new(config: &Success, thresholds: &Thresholds) -> Self {
        Self {
            enter_m: thresholds.enter_m,
            exit_m: thresholds.exit_m,
            hold_nanos: nanos_from_seconds(config.hold_s),
            votes: config.votes.unwrap_or(Votes { needed: 1, of: 1 }),
            recent: VecDeque::new(),
            state: State::Outside,
        }
    }

    /// Other thresholds for the distances to come; whether it is inside, and since when, stays.
    pub fn reconfigure(&mut self, config: &Success, thresholds: &Thresholds) {
        *self = Self {
            recent: std::mem::take(&mut self.recent),
            state: self.state,
            ..Self::new(config, thresholds)
        };
        let too_many = self.recent.len().saturating_sub(self.votes.of as usize);
        self.recent.drain(..too_many);
    }

    /// The detector for the episode that follows a success in one uninterrupted recording: the
    /// distance must leave before it can succeed again, or one long touch would be many episodes.
    pub fn spent(self) -> Self {
        Self {
            state: State::Spent,
            ..self
        }
    }

    /// Take in a valid distance in metres; true while the task counts as solved. The hold time is
    /// the time between stamps since the trigger went inside.
    pub fn push(&mut self, stamp_nanos: i64, distance_m: f64) -> bool {
        self.recent.push_back(distance_m);
        if self.recent.len() > self.votes.of as usize {
            self.recent.pop_front();
        }
        let limit_m = match self.state {
            State::Outside => self.enter_m,
            State::Inside { .. } | State::Spent => self.exit_m,
        };
        let votes = self.recent.iter().filter(|d| **d <= limit_m).count();
        self.state = match (votes >= self.votes.needed as usize, self.state) {
            (false, _) => State::Outside,
            (true, State::Outside) => State::Inside {
                since_nanos: stamp_nanos,
            },
            (true, inside) => inside,
        };
        match self.state {
            State::Inside { since_nanos } => {
                stamp_nanos.saturating_sub(since_nanos) >= self.hold_nanos
            }
            State::Outside | State::Spent => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::DistanceKind;

    const MS: i64 = 1_000_000;

    fn config() -> Success {
        Success {
            hold_s: 0.2,
            ..Success::default()
        }
    }

    /// In at 1 cm, out above 3 cm.
    fn detector(config: &Success) -> SuccessDetector {
        SuccessDetector::new(config, &Thresholds::of(DistanceKind::Surface))
    }

    /// Feed distances 100 ms apart.
    fn run(detector: &mut SuccessDetector, distances: &[f64]) -> Vec<bool> {
        distances
            .iter()
            .zip(0..)
            .map(|(d, i)| detector.push(i * 100 * MS, *d))
            .collect()
    }

    #[test]
    fn holds_before_it_succeeds_and_the_boundary_counts() {
        let mut detector = detector(&config());
        // inside at 0 ms (exactly at enter_m); held for exactly hold_s at 200 ms
        assert_eq!(
            run(&mut detector, &[0.01, 0.01, 0.01, 0.01]),
            [false, false, true, true]
        );
    }

    #[test]
    fn between_enter_and_exit_keeps_the_state_it_had() {
        let mut detector = detector(&config());
        // 0.02 does not get in; once in, 0.02 and exactly 0.03 stay, more does not
        let seen = run(
            &mut detector,
            &[0.02, 0.005, 0.02, 0.03, 0.031, 0.02, 0.02, 0.02],
        );
        assert_eq!(
            seen,
            [false, false, false, true, false, false, false, false]
        );
    }

    #[test]
    fn leaving_restarts_the_hold() {
        let mut detector = detector(&config());
        let seen = run(&mut detector, &[0.0, 0.0, 0.5, 0.0, 0.0, 0.0]);
        assert_eq!(seen, [false, false, false, false, false, true]);
    }

    #[test]
    fn hold_goes_by_stamps_not_by_steps() {
        let mut detector = detector(&config());
        assert!(!detector.push(0, 0.0));
        assert!(!detector.push(200 * MS - 1, 0.0));
        assert!(detector.push(200 * MS, 0.0));
    }

    #[test]
    fn without_hold_the_first_inside_step_succeeds() {
        let mut detector = detector(&Success {
            hold_s: 0.0,
            ..config()
        });
        assert_eq!(run(&mut detector, &[0.02, 0.01]), [false, true]);
    }

    #[test]
    fn votes_forgive_an_outlier_on_the_way_in_and_out() {
        let voting = Success {
            hold_s: 0.0,
            votes: Some(Votes { needed: 2, of: 3 }),
            ..config()
        };
        let mut detector = detector(&voting);
        let seen = run(&mut detector, &[0.0, 0.5, 0.0, 0.5, 0.0, 0.5, 0.5]);
        assert_eq!(seen, [false, false, true, false, true, false, false]);
    }

    #[test]
    fn a_spent_stay_must_leave_first() {
        let mut detector = detector(&Success {
            hold_s: 0.0,
            ..config()
        });
        assert!(detector.push(0, 0.0));
        let mut next = detector.spent();
        assert_eq!(
            run(&mut next, &[0.0, 0.02, 0.03, 0.04, 0.02, 0.0]),
            [false, false, false, false, false, true]
        );
    }
}
