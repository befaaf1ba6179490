//! Whether standard deviations say how far a distance may be off: how many truths lie inside the 90 % intervals, and how
//! much narrower these are than intervals of one width for all steps would have to be.

use spatial_reward_core::statistics::{STDS_OF_90_PERCENT, interval_90, mean};

/// An interval that reaches no farther than this each way calls its distance certain, in metres: what a gripper forgives.
const CERTAIN_M: f64 = 0.005;
/// A certain distance that errs by more than this misleads, in metres.
const MISLEADING_M: f64 = 0.015;

/// A valid step with truth whose standard deviation is known; all in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Known {
    pub predicted_m: f64,
    pub std_m: f64,
    pub truth_m: f64,
}

impl Known {
    fn interval(&self) -> Option<(f64, f64)> {
        interval_90(self.predicted_m, self.std_m)
    }

    fn error_m(&self) -> f64 {
        (self.predicted_m - self.truth_m).abs()
    }

    fn holds_truth(&self) -> bool {
        self.interval()
            .is_some_and(|(low, high)| (low..=high).contains(&self.truth_m))
    }

    fn is_certain(&self) -> bool {
        STDS_OF_90_PERCENT * self.std_m <= CERTAIN_M
    }
}

/// The figures of a series; all `None` without a step in it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Intervals {
    /// Share of the truths inside.
    pub coverage: Option<f64>,
    /// Mean width, metres.
    pub width_m: Option<f64>,
    /// Mean width, metres, of intervals with one half width for all that hold as many truths.
    pub width_constant_m: Option<f64>,
    /// Share of the steps that are certain.
    pub certain: Option<f64>,
    /// Share of the certain ones that mislead.
    pub certain_misleading: Option<f64>,
}

impl Intervals {
    pub(super) fn of(steps: &[Known]) -> Self {
        let certain: Vec<&Known> = steps.iter().filter(|step| step.is_certain()).collect();
        let misleading = |step: &&Known| step.error_m() > MISLEADING_M;
        Self {
            coverage: share(steps.iter().map(Known::holds_truth)),
            width_m: mean_width_m(steps),
            width_constant_m: width_constant_m(steps),
            certain: share(steps.iter().map(Known::is_certain)),
            certain_misleading: share(certain.iter().map(misleading)),
        }
    }
}

fn mean_width_m(steps: &[Known]) -> Option<f64> {
    let widths = steps.iter().filter_map(Known::interval);
    mean(&widths.map(|(low, high)| high - low).collect::<Vec<_>>())
}

/// The least half width that holds as many truths is the error of that rank.
fn width_constant_m(steps: &[Known]) -> Option<f64> {
    let held = steps.iter().filter(|step| step.holds_truth()).count();
    let mut errors_m: Vec<f64> = steps.iter().map(Known::error_m).collect();
    errors_m.sort_by(f64::total_cmp);
    let half_width_m = match held.checked_sub(1) {
        Some(last) => *errors_m.get(last)?,
        None => 0.0,
    };
    let constant = steps.iter().map(|step| Known {
        std_m: half_width_m / STDS_OF_90_PERCENT,
        ..*step
    });
    mean_width_m(&constant.collect::<Vec<_>>())
}

/// `None` of nothing.
pub(super) fn share(holds: impl Iterator<Item = bool>) -> Option<f64> {
    let ones: Vec<f64> = holds.map(|holds| f64::from(u8::from(holds))).collect();
    mean(&ones)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(predicted_m: f64, half_width_m: f64, truth_m: f64) -> Known {
        Known {
            predicted_m,
            std_m: half_width_m / STDS_OF_90_PERCENT,
            truth_m,
        }
    }

    #[track_caller]
    fn assert_close(value: Option<f64>, expected: f64) {
        let value = value.unwrap();
        assert!((value - expected).abs() < 1e-12, "{value} != {expected}");
    }

    #[test]
    fn coverage_and_widths_are_those_worked_out_by_hand() {
        // given errors of 8, 2, 30 and 4 mm, and half widths of 10, 4, 20 and 20 mm, the last cut at 0
        let steps = [
            known(0.308, 0.010, 0.300),
            known(0.198, 0.004, 0.200),
            known(0.130, 0.020, 0.100),
            known(0.005, 0.020, 0.009),
        ];

        let intervals = Intervals::of(&steps);

        // then all but the third hold their truth: [0.298, 0.318], [0.194, 0.202], [0.110, 0.150], [0, 0.025]
        assert_close(intervals.coverage, 0.75);
        assert_close(intervals.width_m, (0.020 + 0.008 + 0.040 + 0.025) / 4.0);
        // and three truths of four need 8 mm each way, of which the last step's is cut to 13 mm in all
        assert_close(intervals.width_constant_m, (3.0 * 0.016 + 0.013) / 4.0);
        // and the second alone is certain, and does not mislead
        assert_close(intervals.certain, 0.25);
        assert_close(intervals.certain_misleading, 0.0);
    }

    #[test]
    fn a_certain_distance_that_is_far_off_misleads() {
        // given half widths of 4 mm, and errors of 1, 10 and 16 mm
        let steps = [0.001, 0.010, 0.016].map(|error_m| known(0.2 + error_m, 0.004, 0.2));
        let intervals = Intervals::of(&steps);
        assert_close(intervals.certain, 1.0);
        assert_close(intervals.certain_misleading, 1.0 / 3.0);
        assert_close(intervals.coverage, 1.0 / 3.0);
        // one truth of three needs the least error
        assert_close(intervals.width_constant_m, 0.002);
    }

    #[test]
    fn intervals_that_hold_nothing_compare_with_intervals_of_no_width() {
        let intervals = Intervals::of(&[known(0.2, 0.004, 0.3), known(0.1, 0.006, 0.3)]);
        assert_close(intervals.coverage, 0.0);
        assert_close(intervals.width_constant_m, 0.0);
        assert_close(intervals.certain, 0.5);
    }

    #[test]
    fn without_a_standard_deviation_there_are_no_figures() {
        assert_eq!(Intervals::of(&[]), Intervals::default());
    }
}
