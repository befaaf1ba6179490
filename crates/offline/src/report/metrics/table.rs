//! The metrics as people read them: one row a figure with its unit, one column an annotator.

use std::fmt;

use super::{Figures, LatencyMs, Metrics};

impl Metrics {
    /// The columns to print, with their headings.
    pub(in crate::report) fn columns(&self) -> Vec<(&'static str, &Figures)> {
        let mut columns = vec![
            ("annotator", &self.annotator),
            ("constant baseline", &self.baseline_constant),
        ];
        if let Some(geometry) = &self.baseline_geometry {
            columns.push(("geometry baseline", geometry));
        }
        columns
    }

    /// The figures of one column as people read them. Those of intervals are left out where no column has any.
    pub(in crate::report) fn rows(&self, figures: &Figures) -> Vec<Row> {
        let mut columns = self.columns().into_iter();
        let has_intervals = columns.any(|(_, one)| one.interval_coverage.is_some());
        let intervals = has_intervals.then(|| interval_rows(figures));
        let rows = error_rows(figures).into_iter();
        rows.chain(intervals.into_iter().flatten()).collect()
    }
}

/// Name, unit, value.
pub(in crate::report) type Row = (&'static str, &'static str, String);

fn scaled(value: Option<f64>, factor: f64, decimals: usize) -> String {
    match value {
        // Adding 0 makes a value that rounds to -0.0 print without its sign.
        Some(value) => {
            let round = 10f64.powi(decimals as i32);
            format!(
                "{:.decimals$}",
                (value * factor * round).round() / round + 0.0
            )
        }
        None => "n/a".to_owned(),
    }
}

fn millimetres(value: Option<f64>) -> String {
    scaled(value, 1e3, 1)
}

fn percent(value: Option<f64>) -> String {
    scaled(value, 1e2, 1)
}

fn plain(value: Option<f64>) -> String {
    scaled(value, 1.0, 3)
}

fn error_rows(f: &Figures) -> [Row; 13] {
    [
        ("invalid steps", "%", percent(f.invalid_rate)),
        ("mean absolute error", "mm", millimetres(f.mae_m)),
        ("bias (mean signed error)", "mm", millimetres(f.bias_m)),
        (
            "mean absolute error without bias",
            "mm",
            millimetres(f.mae_debiased_m),
        ),
        (
            "median absolute error",
            "mm",
            millimetres(f.median_abs_error_m),
        ),
        ("within ±25 %", "%", percent(f.within_25_percent)),
        (
            "within ±25 %, beyond 5 cm",
            "%",
            percent(f.within_25_percent_beyond_5cm),
        ),
        ("absolute relative error", "", plain(f.abs_rel)),
        ("Spearman, distance vs truth", "", plain(f.spearman)),
        ("Pearson, distance vs truth", "", plain(f.pearson)),
        (
            "Kendall tau-a, distance vs truth",
            "",
            plain(f.kendall_tau_a),
        ),
        ("value-order correlation", "", plain(f.voc)),
        (
            "monotone violations",
            "%",
            percent(f.monotone_violation_rate),
        ),
    ]
}

fn interval_rows(f: &Figures) -> [Row; 5] {
    [
        (
            "truth in the 90 % interval",
            "%",
            percent(f.interval_coverage),
        ),
        (
            "mean width of the interval",
            "mm",
            millimetres(f.interval_width_m),
        ),
        (
            "the same, one width for all",
            "mm",
            millimetres(f.interval_width_constant_m),
        ),
        ("interval within ±5 mm", "%", percent(f.interval_within_5mm)),
        (
            "of these off by over 15 mm",
            "%",
            percent(f.interval_within_5mm_off_by_15mm),
        ),
    ]
}

/// A table for the terminal: one row a figure with its unit, one column an annotator.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns();
        let kind = self.annotator.distance_kind.name();
        let heading = format!("{kind} distance, {} steps", self.annotator.steps);
        write!(f, "{heading:<33} {:<4}", "unit")?;
        for (name, _) in &columns {
            write!(f, "  {name:>17}")?;
        }
        let rows: Vec<_> = columns.iter().map(|(_, one)| self.rows(one)).collect();
        for (row, (name, unit, _)) in self.rows(&self.annotator).iter().enumerate() {
            write!(f, "\n{name:<33} {unit:<4}")?;
            for (_, _, value) in rows.iter().filter_map(|column| column.get(row)) {
                write!(f, "  {value:>17}")?;
            }
        }
        let milliseconds = |value: Option<f64>| match value {
            Some(value) => format!("{value:.1}"),
            None => "n/a".to_owned(),
        };
        let LatencyMs { p50, p95, p99 } = self.latency_ms;
        let [p50, p95, p99] = [p50, p95, p99].map(milliseconds);
        let latency = "latency p50 / p95 / p99";
        write!(f, "\n{latency:<33} {:<4}  {p50} / {p95} / {p99}", "ms")?;
        let skipped = self
            .skipped_frames
            .map_or("n/a".to_owned(), |count| count.to_string());
        write!(f, "\n{:<33} {:<4}  {skipped:>17}", "skipped frames", "")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Sample;
    use super::*;
    use spatial_reward_core::frame::DistanceKind;

    /// Two steps, 1 cm too far each.
    fn samples() -> [Sample; 2] {
        [0.2, 0.1].map(|truth| Sample {
            episode: 0,
            stamp_nanos: 0,
            predicted_m: truth + 0.01,
            std_m: f64::NAN,
            reward: -truth,
            truth_m: Some(truth),
        })
    }

    #[test]
    fn table_is_aligned_and_names_units() {
        let table = Metrics::new(DistanceKind::Surface, &samples(), None, &[0.001], Some(2));
        let text = table.to_string();
        let width = text.lines().next().unwrap().chars().count();
        for line in text.lines().filter(|line| !line.starts_with("latency")) {
            let expected = if line.starts_with("skipped") {
                width - 19
            } else {
                width
            };
            assert_eq!(line.chars().count(), expected, "{line}");
        }
        assert!(text.contains("mean absolute error               mm                 10.0"));
        assert!(text.contains("n/a"), "{text}");
        assert!(!text.contains("interval"), "{text}");
    }

    #[test]
    fn intervals_have_rows_where_a_standard_deviation_is_known() {
        let samples = samples().map(|sample| Sample {
            std_m: 0.01,
            ..sample
        });
        let text = Metrics::new(DistanceKind::Surface, &samples, None, &[], None).to_string();
        for row in [
            "truth in the 90 % interval        %                 100.0",
            "mean width of the interval        mm                 32.9",
            "the same, one width for all       mm                 20.0",
            "of these off by over 15 mm        %                   n/a",
        ] {
            assert!(text.contains(row), "{row}: {text}");
        }
    }
}
