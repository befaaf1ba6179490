//! Smooths the distance before the reward is computed. A filter lives for one episode and sees
//! valid distances only, so a gap never enters it as a number.

use std::collections::VecDeque;

use crate::kalman::{ConstantVelocity, Noise};
use crate::settings::{Filter, FilterKind};

/// One of the configured filters with what it remembers of the episode.
#[derive(Debug, Clone)]
pub enum DistanceFilter {
    /// Distances pass as they are.
    None,
    /// The median of the last valid distances, this one included; fewer at the episode's start.
    Median {
        /// How many distances.
        window: usize,
        /// The last ones, in metres, oldest first.
        recent: VecDeque<f64>,
    },
    /// `y += alpha (d - y)`, starting at the first distance.
    Exponential {
        /// The newest distance's weight, above 0 to 1.
        alpha: f64,
        /// The smoothed distance in metres; `None` before the first.
        value: Option<f64>,
    },
    /// Constant velocity, by stamps.
    Kalman {
        /// In metres and metres per second squared.
        noise: Noise,
        /// `None` before the first distance.
        filter: Option<ConstantVelocity>,
    },
}

impl DistanceFilter {
    /// A filter at the start of an episode.
    pub fn new(config: &Filter) -> Self {
        match config.kind {
            FilterKind::None => Self::None,
            FilterKind::Median => Self::Median {
                window: config.window.max(1) as usize,
                recent: VecDeque::new(),
            },
            FilterKind::Exponential => Self::Exponential {
                alpha: config.alpha,
                value: None,
            },
            FilterKind::Kalman => Self::Kalman {
                noise: Noise {
                    measurement: config.measurement_m,
                    acceleration: config.acceleration_m_s2,
                },
                filter: None,
            },
        }
    }

    /// Take in a valid distance in metres and return the smoothed one, never below 0.
    pub fn push(&mut self, stamp_nanos: i64, distance_m: f64) -> f64 {
        match self {
            Self::None => distance_m,
            Self::Median { window, recent } => {
                recent.push_back(distance_m);
                if recent.len() > *window {
                    recent.pop_front();
                }
                median(recent)
            }
            Self::Exponential { alpha, value } => {
                let before = value.unwrap_or(distance_m);
                let now = before + *alpha * (distance_m - before);
                *value = Some(now);
                now
            }
            Self::Kalman { noise, filter } => match filter {
                None => {
                    *filter = Some(ConstantVelocity::new(*noise, stamp_nanos, distance_m));
                    distance_m
                }
                // Constant velocity may shoot through contact; a distance cannot.
                Some(filter) => filter.update(stamp_nanos, distance_m).max(0.0),
            },
        }
    }
}

fn median(values: &VecDeque<f64>) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = 66_666_667;

    fn run(config: Filter, distances: &[f64]) -> Vec<f64> {
        let mut filter = DistanceFilter::new(&config);
        distances
            .iter()
            .zip(0..)
            .map(|(d, i)| filter.push(i * FRAME, *d))
            .collect()
    }

    fn of(kind: FilterKind) -> Filter {
        Filter {
            kind,
            ..Filter::default()
        }
    }

    #[test]
    fn none_changes_nothing() {
        assert_eq!(run(of(FilterKind::None), &[0.3, 9.0]), [0.3, 9.0]);
    }

    #[test]
    fn median_removes_a_spike_and_trails() {
        let config = Filter {
            window: 3,
            ..of(FilterKind::Median)
        };
        let smoothed = run(config, &[0.5, 0.4, 3.0, 0.3, 0.2]);
        assert_eq!(smoothed, [0.5, 0.45, 0.5, 0.4, 0.3]);
    }

    #[test]
    fn exponential_weighs_the_newest_by_alpha() {
        let config = Filter {
            alpha: 0.25,
            ..of(FilterKind::Exponential)
        };
        assert_eq!(run(config, &[1.0, 0.0, 0.0]), [1.0, 0.75, 0.5625]);
    }

    #[test]
    fn kalman_follows_a_steady_approach_closer_than_its_noise() {
        let truth: Vec<f64> = (0..45).map(|i| 0.5 - 0.01 * f64::from(i)).collect();
        let seen: Vec<f64> = truth
            .iter()
            .zip([0.004, -0.006, 0.002, -0.003].iter().cycle())
            .map(|(d, noise)| d + noise)
            .collect();
        let smoothed = run(of(FilterKind::Kalman), &seen);
        let error = |values: &[f64]| -> f64 {
            (values.iter().zip(&truth).skip(10))
                .map(|(a, b)| (a - b).abs())
                .sum()
        };
        assert!(error(&smoothed) < 0.8 * error(&seen));
    }

    #[test]
    fn kalman_never_goes_below_contact() {
        let fast: Vec<f64> = (0..20)
            .map(|i| (0.5 - 0.05 * f64::from(i)).max(0.0))
            .collect();
        assert!(run(of(FilterKind::Kalman), &fast).iter().all(|d| *d >= 0.0));
    }

    #[test]
    fn kalman_looks_at_stamps_not_at_counts() {
        // given the same three distances, once evenly spaced and once with a long pause
        let push = |stamps: [i64; 3]| {
            let mut filter = DistanceFilter::new(&of(FilterKind::Kalman));
            stamps
                .into_iter()
                .zip([0.5, 0.49, 0.3])
                .map(|(stamp, d)| filter.push(stamp, d))
                .last()
                .unwrap()
        };
        // then after the pause the new distance is believed more
        let (even, paused) = (push([0, FRAME, 2 * FRAME]), push([0, FRAME, 30 * FRAME]));
        assert!((paused - 0.3).abs() < (even - 0.3).abs());
    }

    #[test]
    fn every_filter_starts_at_the_first_distance() {
        for kind in [
            FilterKind::None,
            FilterKind::Median,
            FilterKind::Exponential,
            FilterKind::Kalman,
        ] {
            assert_eq!(run(of(kind), &[0.37]), [0.37]);
        }
    }
}
