//! How good a labelling is, next to what a constant answer would score: errors against the truth,
//! order of the rewards, latency. Pure functions of series; a figure the data does not define is
//! `None` and JSON null, never 0 or NaN.

mod intervals;
mod table;

use serde::{Deserialize, Serialize};

use self::intervals::{Intervals, Known, share};
use spatial_reward_core::frame::DistanceKind;
use spatial_reward_core::statistics::{
    absolute_relative_error, kendall_tau_a, mean, median, pearson, percentile, spearman,
    within_25_percent,
};
use spatial_reward_core::step::Step;

/// What one step contributes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Order and monotony are only asked for within an episode.
    pub episode: u64,
    /// When its image was taken.
    pub stamp_nanos: i64,
    /// Metres; NaN for an invalid step.
    pub predicted_m: f64,
    /// One standard deviation of `predicted_m`, metres; NaN where it is not known.
    pub std_m: f64,
    /// NaN for an invalid step.
    pub reward: f64,
    /// Metres, of the same kind as `predicted_m`.
    pub truth_m: Option<f64>,
}

impl Sample {
    /// Steps joined with the truth at the same positions; steps beyond its end have none.
    pub fn of_steps(steps: &[Step], truth_m: &[Option<f64>]) -> Vec<Self> {
        steps
            .iter()
            .enumerate()
            .map(|(position, step)| Self {
                episode: step.episode,
                stamp_nanos: step.stamp_nanos,
                predicted_m: if step.is_valid() {
                    step.distance_m
                } else {
                    f64::NAN
                },
                std_m: step.distance_std_m,
                reward: step.reward,
                truth_m: truth_m.get(position).copied().flatten(),
            })
            .collect()
    }

    fn is_valid(&self) -> bool {
        self.predicted_m.is_finite()
    }

    fn truth(&self) -> Option<f64> {
        self.truth_m.filter(|truth| truth.is_finite())
    }

    /// (predicted, truth) of a valid step with truth.
    fn evaluated(&self) -> Option<(f64, f64)> {
        self.truth()
            .filter(|_| self.is_valid())
            .map(|truth| (self.predicted_m, truth))
    }

    /// What of it tells how good its standard deviation is, if it has one.
    fn known(&self) -> Option<Known> {
        let (predicted_m, truth_m) = self.evaluated()?;
        let is_known = self.std_m.is_finite() && self.std_m >= 0.0;
        is_known.then_some(Known {
            predicted_m,
            std_m: self.std_m,
            truth_m,
        })
    }
}

/// The figures of one annotator. Errors are predicted minus truth over the valid steps that have
/// truth; shares and rates are 0 to 1. The field names are a public interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// All steps, valid or not.
    pub steps: u64,
    /// What predicted and true distance are.
    pub distance_kind: DistanceKind,
    /// Share of all steps without a distance.
    pub invalid_rate: Option<f64>,
    /// Mean absolute error, metres.
    pub mae_m: Option<f64>,
    /// Mean signed error, metres.
    pub bias_m: Option<f64>,
    /// Mean absolute error that is left after the bias is subtracted from each error, metres.
    pub mae_debiased_m: Option<f64>,
    /// Median absolute error, metres.
    pub median_abs_error_m: Option<f64>,
    /// Share with 0.75 truth <= predicted <= 1.25 truth.
    pub within_25_percent: Option<f64>,
    /// The same over the steps whose truth is beyond 5 cm.
    pub within_25_percent_beyond_5cm: Option<f64>,
    /// Mean of |predicted - truth| / (truth + 1e-4 m).
    pub abs_rel: Option<f64>,
    /// Rank correlation of predicted and true distance.
    pub spearman: Option<f64>,
    /// Linear correlation of predicted and true distance.
    pub pearson: Option<f64>,
    /// Kendall's tau-a of predicted and true distance.
    pub kendall_tau_a: Option<f64>,
    /// Value-order correlation: Spearman of reward against time in each episode, averaged over the
    /// episodes that define one.
    pub voc: Option<f64>,
    /// Of the consecutive valid steps of an episode between which the true distance shrank, the share
    /// whose reward fell. Where no step has truth, of all consecutive valid steps of an episode.
    pub monotone_violation_rate: Option<f64>,
    /// Of the steps whose distance has a standard deviation, the share whose truth lies in the 90 % interval: 1.645 of
    /// them each way, cut at 0. So do the figures below look at those steps alone.
    pub interval_coverage: Option<f64>,
    /// Mean width of these intervals, metres.
    pub interval_width_m: Option<f64>,
    /// Mean width that intervals of one half width for all steps need to hold as many truths, metres.
    pub interval_width_constant_m: Option<f64>,
    /// Share of the intervals that reach at most 5 mm each way.
    pub interval_within_5mm: Option<f64>,
    /// Of those steps, the share that errs by more than 15 mm.
    pub interval_within_5mm_off_by_15mm: Option<f64>,
}

impl Figures {
    /// Of samples in stream order.
    pub fn new(distance_kind: DistanceKind, samples: &[Sample]) -> Self {
        let evaluated: Vec<(f64, f64)> = samples.iter().filter_map(Sample::evaluated).collect();
        let errors: Vec<f64> = evaluated.iter().map(|(p, g)| p - g).collect();
        let absolute: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        let bias_m = mean(&errors);
        let (predicted, truth): (Vec<f64>, Vec<f64>) = evaluated.iter().copied().unzip();
        let known: Vec<Known> = samples.iter().filter_map(Sample::known).collect();
        let intervals = Intervals::of(&known);
        let beyond_5cm = evaluated.iter().copied().filter(|(_, g)| *g > 0.05);
        Self {
            steps: samples.len() as u64,
            distance_kind,
            invalid_rate: share(samples.iter().map(|sample| !sample.is_valid())),
            mae_m: mean(&absolute),
            bias_m,
            mae_debiased_m: bias_m.and_then(|bias| {
                mean(&errors.iter().map(|e| (e - bias).abs()).collect::<Vec<_>>())
            }),
            median_abs_error_m: median(&absolute),
            within_25_percent: share(evaluated.iter().copied().map(within_25_percent)),
            within_25_percent_beyond_5cm: share(beyond_5cm.map(within_25_percent)),
            abs_rel: absolute_relative_error(&evaluated),
            spearman: spearman(&predicted, &truth),
            pearson: pearson(&predicted, &truth),
            kendall_tau_a: kendall_tau_a(&predicted, &truth),
            voc: value_order_correlation(samples),
            monotone_violation_rate: monotone_violation_rate(samples),
            interval_coverage: intervals.coverage,
            interval_width_m: intervals.width_m,
            interval_width_constant_m: intervals.width_constant_m,
            interval_within_5mm: intervals.certain,
            interval_within_5mm_off_by_15mm: intervals.certain_misleading,
        }
    }

    /// The figures of the best constant answer: the median of the truth, given at every step.
    pub fn of_constant(distance_kind: DistanceKind, samples: &[Sample]) -> Self {
        let truth: Vec<f64> = samples.iter().filter_map(Sample::truth).collect();
        let answer = median(&truth).unwrap_or(f64::NAN);
        let constant: Vec<Sample> = samples
            .iter()
            .map(|sample| Sample {
                predicted_m: answer,
                std_m: f64::NAN,
                reward: -answer,
                ..*sample
            })
            .collect();
        Self::new(distance_kind, &constant)
    }
}

fn value_order_correlation(samples: &[Sample]) -> Option<f64> {
    let of_episodes: Vec<f64> = samples
        .chunk_by(|a, b| a.episode == b.episode)
        .filter_map(|episode| {
            let valid = || episode.iter().filter(|sample| sample.is_valid());
            let begin = valid().map(|sample| sample.stamp_nanos).min()?;
            // Since the begin, so that no stamp is rounded to another's.
            let time: Vec<f64> = valid()
                .map(|sample| sample.stamp_nanos.wrapping_sub(begin) as f64)
                .collect();
            let reward: Vec<f64> = valid().map(|sample| sample.reward).collect();
            spearman(&reward, &time)
        })
        .collect();
    mean(&of_episodes)
}

fn monotone_violation_rate(samples: &[Sample]) -> Option<f64> {
    let has_truth = samples.iter().any(|sample| sample.truth().is_some());
    let usable: Vec<&Sample> = samples
        .iter()
        .filter(|sample| sample.is_valid() && sample.reward.is_finite())
        .filter(|sample| !has_truth || sample.truth().is_some())
        .collect();
    share(
        usable
            .windows(2)
            .filter(|pair| pair[0].episode == pair[1].episode)
            .filter(|pair| !has_truth || pair[1].truth() < pair[0].truth())
            .map(|pair| pair[1].reward < pair[0].reward),
    )
}

/// Milliseconds that a step took from complete inputs to the finished step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyMs {
    /// The median.
    pub p50: Option<f64>,
    /// What 95 of a hundred steps stay below.
    pub p95: Option<f64>,
    /// What 99 of a hundred steps stay below.
    pub p99: Option<f64>,
}

impl LatencyMs {
    /// From each step's latency in seconds.
    pub fn of_seconds(total_s: &[f64]) -> Self {
        let at = |percent| percentile(total_s, percent).map(|seconds| seconds * 1e3);
        Self {
            p50: at(50.0),
            p95: at(95.0),
            p99: at(99.0),
        }
    }
}

/// What `evaluate` prints: the annotator's figures beside those of its baselines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Of the one that made the rewards.
    #[serde(flatten)]
    pub annotator: Figures,
    /// Of the steps that were measured.
    pub latency_ms: LatencyMs,
    /// Frames that were never measured; `None` if nobody counted.
    pub skipped_frames: Option<u64>,
    /// Of the best constant answer.
    pub baseline_constant: Figures,
    /// The depth geometry on the same steps, where the annotator is a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline_geometry: Option<Figures>,
}

impl Metrics {
    /// `samples` of the annotator, and of the depth geometry if that is another; latencies in seconds.
    pub fn new(
        distance_kind: DistanceKind,
        samples: &[Sample],
        geometry: Option<&[Sample]>,
        latency_s: &[f64],
        skipped_frames: Option<u64>,
    ) -> Self {
        Self {
            annotator: Figures::new(distance_kind, samples),
            latency_ms: LatencyMs::of_seconds(latency_s),
            skipped_frames,
            baseline_constant: Figures::of_constant(distance_kind, samples),
            baseline_geometry: geometry.map(|samples| Figures::new(distance_kind, samples)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(stamp_nanos: i64, predicted_m: f64, truth_m: Option<f64>) -> Sample {
        Sample {
            episode: 0,
            stamp_nanos,
            predicted_m,
            std_m: f64::NAN,
            reward: -predicted_m,
            truth_m,
        }
    }

    /// An approach from 40 cm to contact, answered 1 cm too far, with one invalid step.
    fn approach() -> Vec<Sample> {
        (0..5)
            .map(|step| {
                let truth = 0.4 - 0.1 * f64::from(step);
                let predicted = if step == 2 { f64::NAN } else { truth + 0.01 };
                sample(i64::from(step) * 100, predicted, Some(truth))
            })
            .collect()
    }

    #[track_caller]
    fn assert_close(value: Option<f64>, expected: f64) {
        let value = value.unwrap();
        assert!((value - expected).abs() < 1e-12, "{value} != {expected}");
    }

    #[test]
    fn figures_of_a_biased_approach() {
        let figures = Figures::new(DistanceKind::Surface, &approach());
        assert_eq!(figures.steps, 5);
        assert_close(figures.invalid_rate, 0.2);
        assert_close(figures.mae_m, 0.01);
        assert_close(figures.bias_m, 0.01);
        assert_close(figures.mae_debiased_m, 0.0);
        assert_close(figures.median_abs_error_m, 0.01);
        // Contact (truth 0) can only be right with exactly 0.
        assert_close(figures.within_25_percent, 0.75);
        assert_close(figures.within_25_percent_beyond_5cm, 1.0);
        let relative = [0.4, 0.3, 0.1, 0.0].map(|g| 0.01 / (g + 1e-4));
        assert_close(figures.abs_rel, relative.iter().sum::<f64>() / 4.0);
        assert_close(figures.spearman, 1.0);
        assert_close(figures.pearson, 1.0);
        assert_close(figures.kendall_tau_a, 1.0);
        assert_close(figures.voc, 1.0);
        assert_close(figures.monotone_violation_rate, 0.0);
    }

    #[test]
    fn intervals_are_those_of_valid_steps_with_truth_and_a_standard_deviation() {
        // given an approach 1 cm too far with a standard deviation of 1 cm at three of five steps, one of them invalid
        let mut samples = approach();
        for step in [0, 1, 2] {
            samples[step].std_m = 0.01;
        }
        let metrics = Metrics::new(DistanceKind::Surface, &samples, None, &[], None);
        // then two steps count, both inside
        assert_close(metrics.annotator.interval_coverage, 1.0);
        assert_close(metrics.annotator.interval_width_m, 2.0 * 0.01645);
        assert_close(metrics.annotator.interval_width_constant_m, 0.02);
        assert_close(metrics.annotator.interval_within_5mm, 0.0);
        assert_eq!(metrics.annotator.interval_within_5mm_off_by_15mm, None);
        // and a constant answer claims nothing of itself
        assert_eq!(metrics.baseline_constant.interval_coverage, None);
    }

    #[test]
    fn monotone_violation_is_a_reward_that_falls_while_the_truth_comes_closer() {
        // Given four pairs of which three come closer, when the reward falls in one of those and in the
        // one that moves away, then only the former counts, of three.
        let samples = [
            sample(0, 0.50, Some(0.50)),
            sample(1, 0.40, Some(0.45)),
            sample(2, 0.42, Some(0.40)),
            sample(3, 0.60, Some(0.60)),
            sample(4, 0.30, Some(0.30)),
        ];
        let figures = Figures::new(DistanceKind::Surface, &samples);
        assert_close(figures.monotone_violation_rate, 1.0 / 3.0);
        // Without truth every pair in time counts: two of four fall.
        let blind = samples.map(|one| Sample {
            truth_m: None,
            ..one
        });
        let figures = Figures::new(DistanceKind::Surface, &blind);
        assert_close(figures.monotone_violation_rate, 0.5);
        assert_eq!(figures.mae_m, None);
        assert_eq!(figures.spearman, None);
    }

    #[test]
    fn episodes_are_ordered_each_by_itself() {
        // Two perfect approaches: over both together the reward falls back once.
        let mut samples = vec![];
        for episode in 0..2 {
            for step in 0..3 {
                samples.push(Sample {
                    episode,
                    ..sample(i64::from(step), 0.3 - 0.1 * f64::from(step), None)
                });
            }
        }
        let figures = Figures::new(DistanceKind::Cloud, &samples);
        assert_close(figures.voc, 1.0);
        assert_close(figures.monotone_violation_rate, 0.0);
    }

    #[test]
    fn undefined_figures_are_null_in_json() {
        for samples in [
            vec![],
            vec![sample(0, f64::NAN, Some(0.1)); 3],
            vec![sample(0, 0.1, None)],
        ] {
            let metrics = Metrics::new(DistanceKind::Center, &samples, None, &[], None);
            let json = serde_json::to_value(&metrics).unwrap();
            for key in ["mae_m", "bias_m", "spearman", "kendall_tau_a", "voc"] {
                assert!(json[key].is_null(), "{key} of {samples:?}");
            }
            assert!(json["latency_ms"]["p50"].is_null());
            assert!(json["skipped_frames"].is_null());
        }
    }

    #[test]
    fn constant_baseline_answers_the_median_and_orders_nothing() {
        let baseline = Figures::of_constant(DistanceKind::Surface, &approach());
        assert_eq!(baseline.invalid_rate, Some(0.0));
        assert_close(baseline.mae_m, 0.12); // the median is 0.2, of 0.4 0.3 0.2 0.1 0.0
        for undefined in [
            baseline.spearman,
            baseline.pearson,
            baseline.kendall_tau_a,
            baseline.voc,
        ] {
            assert_eq!(undefined, None);
        }
    }

    #[test]
    fn json_has_the_documented_keys() {
        let samples = approach();
        let metrics = Metrics::new(
            DistanceKind::Surface,
            &samples,
            Some(&samples),
            &[0.001, 0.002, 0.003],
            Some(0),
        );
        let json = serde_json::to_value(&metrics).unwrap();
        let keys = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let mut figures = vec![
            "steps",
            "distance_kind",
            "invalid_rate",
            "mae_m",
            "bias_m",
            "mae_debiased_m",
            "median_abs_error_m",
            "within_25_percent",
            "within_25_percent_beyond_5cm",
            "abs_rel",
            "spearman",
            "pearson",
            "kendall_tau_a",
            "voc",
            "monotone_violation_rate",
            "interval_coverage",
            "interval_width_m",
            "interval_width_constant_m",
            "interval_within_5mm",
            "interval_within_5mm_off_by_15mm",
        ];
        figures.sort_unstable();
        assert_eq!(keys(&json["baseline_constant"]), figures);
        assert_eq!(keys(&json["baseline_geometry"]), figures);
        figures.extend([
            "latency_ms",
            "skipped_frames",
            "baseline_constant",
            "baseline_geometry",
        ]);
        figures.sort_unstable();
        assert_eq!(keys(&json), figures);
        assert_eq!(json["distance_kind"], "surface");
        assert_eq!(json["latency_ms"]["p50"], 2.0);
        assert_eq!(
            serde_json::from_value::<Metrics>(json).unwrap().annotator,
            metrics.annotator
        );
    }
}
