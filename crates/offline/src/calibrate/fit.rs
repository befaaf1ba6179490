//! The arithmetic of a calibration. For a ratio of floor and scale, the scale follows: each error says how large it must
//! be for its interval to reach the truth, and nine tenths of the weight may ask for no more. Of the ratios that one
//! counts whose intervals score best: mean width, and 20 times what truths lie outside (the interval score of 90 %
//! intervals, Gneiting and Raftery 2007), which neither too wide nor too narrow intervals make small.

use serde::Serialize;
use spatial_reward_core::calibration::Calibration;
use spatial_reward_core::statistics::{STDS_OF_90_PERCENT, interval_90, median};

/// The share of truths that intervals are to hold.
const SHARE: f64 = 0.9;
/// What a metre outside costs, in metres of width: 2 by the share that may lie outside.
const COST_OUTSIDE: f64 = 2.0 / (1.0 - SHARE);
/// Ratios of floor and scale, in powers of two by the median spread, 0 beside them: from a floor that nobody sees to one
/// beside which the spread is nothing.
const RATIO_POWERS: (i32, i32) = (-4, 6);
const STEPS_A_POWER: i32 = 4;
/// A floor is written in tenths of a millimetre: finer, it says nothing that a fit could know.
const FLOOR_STEPS_A_M: f64 = 1e4;
/// Digits of a scale that are written.
const SCALE_DIGITS: i32 = 4;

/// A valid step with truth; all in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    pub predicted_m: f64,
    /// As it was published.
    pub std_m: f64,
    pub spread_m: f64,
    pub truth_m: f64,
}

impl Judged {
    pub(super) fn is_finite(&self) -> bool {
        let all = [self.predicted_m, self.std_m, self.spread_m, self.truth_m];
        all.iter().all(|value| value.is_finite())
    }

    fn error_m(&self) -> f64 {
        (self.predicted_m - self.truth_m).abs()
    }
}

/// How well 90 % intervals do; a bag weighs as much as any other. Keys are a public interface.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Share of the truths inside.
    pub interval_coverage: f64,
    /// Mean width, metres.
    pub interval_width_m: f64,
    /// Mean width, metres, of intervals with one half width for all that hold as many truths.
    pub interval_width_constant_m: f64,
}

/// Steps with their weights, which add up to 1.
pub(super) struct Weighted(Vec<(Judged, f64)>);

impl Weighted {
    /// Of bags: each that has steps weighs the same.
    pub(super) fn of<'a>(bags: impl Iterator<Item = &'a [Judged]>) -> Self {
        let bags: Vec<&[Judged]> = bags.filter(|bag| !bag.is_empty()).collect();
        let count = bags.len() as f64;
        let weighted = bags.iter().flat_map(|bag| {
            let weight = 1.0 / (count * bag.len() as f64);
            bag.iter().map(move |step| (*step, weight))
        });
        Self(weighted.collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The best of the calibrations whose intervals hold nine truths of ten, in few digits; `None` where there is none:
    /// every answer right to the last bit.
    pub(super) fn fitted(&self) -> Option<Calibration> {
        let spreads_m: Vec<f64> = self.0.iter().map(|(step, _)| step.spread_m).collect();
        let median_m = median(&spreads_m)?;
        let powers = RATIO_POWERS.0 * STEPS_A_POWER..=RATIO_POWERS.1 * STEPS_A_POWER;
        let ratios =
            powers.map(|power| median_m * (f64::from(power) / f64::from(STEPS_A_POWER)).exp2());
        let fitted = std::iter::once(0.0).chain(ratios).filter_map(|ratio_m| {
            let unscaled = Calibration {
                scale: 1.0,
                floor_m: ratio_m,
            };
            let needed = |step: &Judged| {
                step.error_m() / (STDS_OF_90_PERCENT * unscaled.std_m(step.spread_m))
            };
            let scale = self.quantile(needed, SHARE)?;
            rounded(Calibration {
                scale,
                floor_m: scale * ratio_m,
            })
        });
        // The first of equals: the smaller floor.
        fitted.min_by(|a, b| self.score_m(*a).total_cmp(&self.score_m(*b)))
    }

    /// The mean interval score, in metres.
    fn score_m(&self, calibration: Calibration) -> f64 {
        self.mean(|step| {
            let std_m = calibration.std_m(step.spread_m);
            let (low, high) = interval_90(step.predicted_m, std_m).unwrap_or_default();
            let outside_m = (low - step.truth_m).max(step.truth_m - high).max(0.0);
            high - low + COST_OUTSIDE * outside_m
        })
    }

    pub(super) fn figures(&self, std_m: impl Fn(&Judged) -> f64) -> Figures {
        let width_m = |step: &Judged, std_m: f64| {
            interval_90(step.predicted_m, std_m).map_or(0.0, |(low, high)| high - low)
        };
        let coverage = self.mean(|step| {
            let interval = interval_90(step.predicted_m, std_m(step));
            let is_inside =
                interval.is_some_and(|(low, high)| (low..=high).contains(&step.truth_m));
            f64::from(u8::from(is_inside))
        });
        let constant_m = match coverage > 0.0 {
            true => self.quantile(Judged::error_m, coverage).unwrap_or_default(),
            false => 0.0,
        };
        Figures {
            interval_coverage: coverage,
            interval_width_m: self.mean(|step| width_m(step, std_m(step))),
            interval_width_constant_m: self
                .mean(|step| width_m(step, constant_m / STDS_OF_90_PERCENT)),
        }
    }

    fn mean(&self, value: impl Fn(&Judged) -> f64) -> f64 {
        self.0
            .iter()
            .map(|(step, weight)| weight * value(step))
            .sum()
    }

    /// The least value that this share of the weight does not exceed; `None` where that is no number.
    fn quantile(&self, value: impl Fn(&Judged) -> f64, share: f64) -> Option<f64> {
        let mut values: Vec<(f64, f64)> = (self.0.iter())
            .map(|(step, weight)| (value(step), *weight))
            .collect();
        values.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let mut below = 0.0;
        let reached = values.iter().find(|(_, weight)| {
            below += weight;
            // Weights of thirds and sevenths add up to nearly what they should.
            below >= share - 1e-9
        });
        reached
            .map(|(value, _)| *value)
            .filter(|value| value.is_finite())
    }
}

/// In few digits, rounded up, so that no truth at the edge falls out.
fn rounded(calibration: Calibration) -> Option<Calibration> {
    // Errors of nothing, or a spread beside which they are nothing, have no digits.
    let Calibration { scale, floor_m } = calibration.check("").ok()?;
    let digits = SCALE_DIGITS - 1 - scale.log10().floor() as i32;
    let unit = 10f64.powi(digits);
    let rounded = Calibration {
        scale: (scale * unit).ceil() / unit,
        floor_m: (floor_m * FLOOR_STEPS_A_M).ceil() / FLOOR_STEPS_A_M,
    };
    rounded.check("").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(spread_m: f64, error_m: f64) -> Judged {
        Judged {
            predicted_m: 1.0 + error_m,
            std_m: spread_m,
            spread_m,
            truth_m: 1.0,
        }
    }

    /// Errors of up to three times the spread, each as likely.
    fn in_proportion(spread_m: f64) -> Vec<Judged> {
        let errors = (1..=100).map(|rank| step(spread_m, f64::from(rank) * 0.03 * spread_m));
        errors.collect()
    }

    #[track_caller]
    fn assert_close(value: f64, expected: f64, tolerance: f64) {
        assert!(
            (value - expected).abs() <= tolerance,
            "{value} is not {expected}"
        );
    }

    #[test]
    fn errors_in_proportion_to_the_spread_need_a_scale_and_no_floor() {
        // given spreads of 1 to 16 cm, of which 9 errors in 10 are below 2.7 times them
        let bags: Vec<Vec<Judged>> = (0..5).map(|i| in_proportion(0.01 * 2f64.powi(i))).collect();
        let weighted = Weighted::of(bags.iter().map(Vec::as_slice));

        let calibration = weighted.fitted().unwrap();

        assert_close(calibration.scale, 2.7 / 1.645, 1e-3);
        assert_eq!(calibration.floor_m, 0.0);
        // then exactly nine of ten are held, and by narrower intervals than of one width
        let figures = weighted.figures(|step| calibration.std_m(step.spread_m));
        assert_close(figures.interval_coverage, 0.9, 1e-9);
        assert_close(
            figures.interval_width_m,
            2.0 * 2.7 * 0.01 * 31.0 / 5.0,
            1e-3,
        );
        assert!(figures.interval_width_constant_m > figures.interval_width_m);
    }

    #[test]
    fn errors_that_the_spread_says_nothing_of_need_a_floor() {
        // given errors of 1 to 10 cm at each of many spreads
        let spreads = [0.001, 0.003, 0.01, 0.03];
        let bags = spreads.map(|spread_m| {
            let errors = (1..=10).map(|rank| step(spread_m, 0.01 * f64::from(rank)));
            errors.collect::<Vec<_>>()
        });
        let weighted = Weighted::of(bags.iter().map(Vec::as_slice));
        let calibration = weighted.fitted().unwrap();
        // 9 cm each way
        assert_close(calibration.floor_m, 0.09 / 1.645, 2e-3);
        assert!(
            calibration.scale * 0.03 < 0.3 * calibration.floor_m,
            "{calibration:?}"
        );
        let figures = weighted.figures(|step| calibration.std_m(step.spread_m));
        assert_close(figures.interval_coverage, 0.9, 1e-9);
    }

    #[test]
    fn a_long_bag_weighs_no_more_than_a_short_one() {
        // given 10 steps off by 10 cm, and 1000 that are off by 1 mm, with the same spread
        let (short, long) = (vec![step(0.01, 0.1); 10], vec![step(0.01, 0.001); 1000]);
        let weighted = Weighted::of([&*short, &*long].into_iter());
        let calibration = weighted.fitted().unwrap();
        // then the short one counts: half of all truths lie in it
        assert_close(1.645 * calibration.std_m(0.01), 0.1, 1e-3);
        // and without the calibration half are held
        let before = weighted.figures(|step| step.std_m);
        assert_close(before.interval_coverage, 0.5, 1e-9);
        assert_close(before.interval_width_m, 2.0 * 1.645 * 0.01, 1e-9);
        assert_close(before.interval_width_constant_m, 0.002, 1e-9);
    }

    #[test]
    fn intervals_are_cut_at_0() {
        let near = Judged {
            predicted_m: 0.01,
            std_m: 0.1,
            spread_m: 0.1,
            truth_m: 0.02,
        };
        let figures = Weighted::of([&[near][..]].into_iter()).figures(|step| step.std_m);
        assert_close(figures.interval_width_m, 0.01 + 0.1645, 1e-12);
        assert_close(figures.interval_width_constant_m, 0.02, 1e-12);
    }

    #[test]
    fn answers_without_an_error_have_no_calibration() {
        let right = vec![step(0.01, 0.0); 60];
        assert_eq!(Weighted::of([&*right].into_iter()).fitted(), None);
    }
}
