//! One episode's rewards: filter, reward, potential and success folded over its valid distances.
//! Nothing here survives the episode, save that a success is not counted twice in one touch.

use crate::reward::filter::DistanceFilter;
use crate::reward::shaping;
use crate::reward::success::SuccessDetector;
use crate::settings::{Reward, RewardKind, Settings};

/// What one valid distance was worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The distance that the rest was computed from, in metres.
    pub filtered_m: f64,
    /// The configured reward.
    pub reward: f64,
    /// Base reward plus weighted shaping term; the base is `reward.base` where the configured kind
    /// is `shaped`, else the configured kind.
    pub shaped_reward: f64,
    /// Phi: minus the filtered distance, 0 at a true terminal.
    pub potential: f64,
    /// The task was solved with this distance.
    pub success: bool,
    /// The episode ended here because the task was solved.
    pub terminated: bool,
}

/// The state of one episode.
///
/// The shaping term belongs to a transition (Ng et al. 1999), and no transition leads to an
/// episode's first state: there it is 0, and the shaped reward is the base reward. From then on
/// the terms telescope: discounted, they sum to `gamma^T Phi_T - Phi_0` over T transitions. Phi_T
/// is 0 at a true terminal, since nothing follows it, and keeps its value at a truncation.
#[derive(Debug, Clone)]
pub struct Episode {
    reward: Reward,
    sparse_m: f64,
    end_on_success: bool,
    filter: DistanceFilter,
    success: SuccessDetector,
    first_distance_m: Option<f64>,
    potential: Option<f64>,
}

impl Episode {
    /// An episode before its first distance.
    pub fn new(settings: &Settings) -> Self {
        let thresholds = settings.thresholds();
        Self {
            reward: settings.reward.clone(),
            sparse_m: thresholds.sparse_m,
            end_on_success: ends_on_success(settings),
            filter: DistanceFilter::new(&settings.filter),
            success: SuccessDetector::new(&settings.success, &thresholds),
            first_distance_m: None,
            potential: None,
        }
    }

    /// The episode that follows this one's success in the same uninterrupted recording: everything
    /// restarts, but the touch that was the success does not count again.
    pub fn after_success(self, settings: &Settings) -> Self {
        Self {
            success: self.success.spent(),
            ..Self::new(settings)
        }
    }

    /// Go on under other settings, remembering what the episode has seen.
    pub fn reconfigure(&mut self, before: &Settings, settings: &Settings) {
        if before.filter != settings.filter {
            self.filter = DistanceFilter::new(&settings.filter);
        }
        let thresholds = settings.thresholds();
        if before.success != settings.success || before.thresholds() != thresholds {
            self.success.reconfigure(&settings.success, &thresholds);
        }
        self.reward = settings.reward.clone();
        self.sparse_m = thresholds.sparse_m;
        self.end_on_success = ends_on_success(settings);
    }

    /// Take in the next valid distance in metres.
    pub fn push(&mut self, stamp_nanos: i64, distance_m: f64) -> Outcome {
        let filtered_m = self.filter.push(stamp_nanos, distance_m);
        let first_distance_m = *self.first_distance_m.get_or_insert(filtered_m);
        let success = self.success.push(stamp_nanos, filtered_m);
        let terminated = success && self.end_on_success;
        let potential = match terminated {
            true => 0.0,
            false => shaping::potential(filtered_m),
        };
        let term = self.potential.map_or(0.0, |before| {
            shaping::shaping_term(self.reward.gamma, before, potential)
        });
        self.potential = Some(potential);
        let base = shaping::base_reward(&self.reward, self.sparse_m, filtered_m, first_distance_m);
        let shaped_reward = base + self.reward.kappa * term;
        Outcome {
            filtered_m,
            reward: match self.reward.kind {
                RewardKind::Shaped => shaped_reward,
                _ => base,
            },
            shaped_reward,
            potential,
            success,
            terminated,
        }
    }
}

/// Where a whole task ends is told by its phases, and by no distance.
fn ends_on_success(settings: &Settings) -> bool {
    settings.episodes.end_on_success && settings.reward.kind != RewardKind::Task
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::Profile;
    use crate::random::Random;
    use crate::settings::{Config, Episodes, Success};

    const FRAME: i64 = 100_000_000;

    fn settings(config: &Config) -> Settings {
        Settings::new(config.clone(), Profile::GEOMETRY).unwrap()
    }

    fn run(config: &Config, distances: &[f64]) -> Vec<Outcome> {
        let mut episode = Episode::new(&settings(config));
        distances
            .iter()
            .zip(0..)
            .map(|(d, i)| episode.push(i * FRAME, *d))
            .collect()
    }

    fn shaped(base: RewardKind, gamma: f64, kappa: f64) -> Config {
        Config {
            reward: Reward {
                kind: RewardKind::Shaped,
                base,
                gamma,
                kappa,
                ..Reward::default()
            },
            ..Config::default()
        }
    }

    /// The discounted sum of what the shaping alone added, from the first transition on.
    fn discounted_shaping(config: &Config, outcomes: &[Outcome]) -> f64 {
        let first = outcomes[0].filtered_m;
        outcomes
            .iter()
            .skip(1)
            .zip(0..)
            .map(|(outcome, t)| {
                let base = shaping::base_reward(&config.reward, 0.05, outcome.filtered_m, first);
                config.reward.gamma.powi(t) * (outcome.shaped_reward - base)
            })
            .sum()
    }

    #[test]
    fn shaping_telescopes_at_a_truncation() {
        let mut random = Random(7);
        for round in 0..50 {
            // given any series of distances, any discount and weight
            let (gamma, kappa) = (0.9 + 0.1 * random.unit(), 0.1 + 3.0 * random.unit());
            let config = shaped(RewardKind::Tanh, gamma, kappa);
            let count = 2 + random.below(40) as i32;
            let distances: Vec<f64> = (0..count).map(|_| random.unit()).collect();
            // when the episode is cut off there
            let outcomes = run(&config, &distances);
            // then the shaping sums to gamma^T Phi_T - Phi_0
            let (first, last) = (distances[0], distances[distances.len() - 1]);
            let expected = kappa * (gamma.powi(count - 1) * -last + first);
            let sum = discounted_shaping(&config, &outcomes);
            assert!((sum - expected).abs() < 1e-9, "round {round}");
        }
    }

    #[test]
    fn shaping_telescopes_to_minus_phi_0_at_a_true_terminal() {
        // given an episode that ends with its success
        let config = Config {
            episodes: Episodes {
                end_on_success: true,
                ..Episodes::default()
            },
            success: Success {
                hold_s: 0.0,
                ..Success::default()
            },
            ..shaped(RewardKind::Sparse, 0.95, 2.0)
        };
        let outcomes = run(&config, &[0.4, 0.3, 0.1, 0.008]);
        // then the terminal has potential 0, not -0.008
        let last = outcomes[3];
        assert!(last.success && last.terminated);
        assert_eq!(last.potential, 0.0);
        assert!((discounted_shaping(&config, &outcomes) - 2.0 * 0.4).abs() < 1e-12);
    }

    #[test]
    fn success_that_does_not_end_the_episode_keeps_its_potential() {
        let config = Config {
            success: Success {
                hold_s: 0.0,
                ..Success::default()
            },
            ..shaped(RewardKind::Sparse, 0.95, 1.0)
        };
        let last = run(&config, &[0.4, 0.008])[1];
        assert!(last.success && !last.terminated);
        assert_eq!(last.potential, -0.008);
    }

    #[test]
    fn settings_changed_in_mid_episode_keep_what_it_has_seen() {
        // given an episode rewarded by its progress, filtered, near its success
        let before = Config {
            reward: Reward {
                kind: RewardKind::Progress,
                ..Reward::default()
            },
            filter: crate::settings::Filter {
                kind: crate::settings::FilterKind::Exponential,
                ..Default::default()
            },
            ..Config::default()
        };
        let mut episode = Episode::new(&settings(&before));
        episode.push(0, 0.4);
        let last = episode.push(FRAME, 0.2);
        assert!((last.filtered_m - 0.3).abs() < 1e-12);
        // when the threshold changes, and the reward's form
        let mut after = before.clone();
        after.success.enter_m = Some(0.3);
        after.success.exit_m = Some(0.3);
        after.success.hold_s = 0.0;
        after.reward.gamma = 1.0;
        episode.reconfigure(&settings(&before), &settings(&after));
        let next = episode.push(2 * FRAME, 0.2);
        // then the filter goes on, progress has its first distance, shaping its last potential
        assert!((next.filtered_m - 0.25).abs() < 1e-12);
        assert!((next.reward - (1.0 - 0.25 / 0.4)).abs() < 1e-12);
        assert!((next.shaped_reward - next.reward - (-0.25 + 0.3)).abs() < 1e-12);
        assert!(next.success);
        // and another filter starts anew
        let mut unfiltered = after.clone();
        unfiltered.filter = crate::settings::Filter::default();
        episode.reconfigure(&settings(&after), &settings(&unfiltered));
        assert_eq!(episode.push(3 * FRAME, 0.1).filtered_m, 0.1);
    }

    #[test]
    fn the_first_step_has_no_shaping() {
        let first = run(&shaped(RewardKind::Sparse, 0.99, 1.0), &[0.4])[0];
        assert_eq!(first.shaped_reward, -1.0);
        assert_eq!(first.potential, -0.4);
    }

    #[test]
    fn shaped_reward_is_beside_any_reward_and_based_on_it() {
        let outcomes = run(&Config::default(), &[0.4, 0.3]);
        assert_eq!(outcomes[1].reward, -0.3);
        assert!((outcomes[1].shaped_reward - (-0.3 + 0.99 * -0.3 + 0.4)).abs() < 1e-12);
    }

    #[test]
    fn progress_starts_at_the_first_distance() {
        let config = Config {
            reward: Reward {
                kind: RewardKind::Progress,
                ..Reward::default()
            },
            ..Config::default()
        };
        let rewards: Vec<f64> = run(&config, &[0.4, 0.2, 0.5])
            .iter()
            .map(|outcome| outcome.reward)
            .collect();
        assert_eq!(rewards, [0.0, 0.5, 0.0]);
    }
}
