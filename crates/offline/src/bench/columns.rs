//! A column of the table: success rate and error over its rows, with bootstrap intervals.

use serde::Serialize;

use super::score::Scored;
use spatial_reward_core::answer::statement::Wanted;
use spatial_reward_core::random::Random;
use spatial_reward_core::statistics::{mean, percentile};

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1000;
/// The same interval each time.
const SEED: u64 = 1406;
/// Degrees of an hour of the clock.
const DEGREES: f64 = 30.0;

/// A mean with the interval that holds 95 of 100 resampled ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Interval {
    /// Over all rows.
    pub value: f64,
    /// 2.5 of 100 resampled means are lower.
    pub low: f64,
    /// 2.5 of 100 are higher.
    pub high: f64,
}

/// What the rows of a column come to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Figures {
    /// How many there are.
    pub rows: usize,
    /// Those among them of which no answer could be read; they are wrong.
    pub unread: usize,
    /// Percent that are right.
    pub success: Interval,
    /// Of those that were read: the mean relative error of a length, degrees of a direction. `None` where there is none.
    pub error: Option<Interval>,
}

/// The figures of some rows; `None` without one.
pub(crate) fn figures(rows: &[&Scored]) -> Option<Figures> {
    let right: Vec<f64> = rows
        .iter()
        .map(|row| if row.right { 100.0 } else { 0.0 })
        .collect();
    let error = |row: &&Scored| {
        let scale = match row.row.category.wanted {
            Wanted::Direction => DEGREES,
            _ => 1.0,
        };
        row.error.map(|error| error * scale)
    };
    let errors: Vec<f64> = rows.iter().filter_map(error).collect();
    Some(Figures {
        rows: rows.len(),
        unread: rows.iter().filter(|row| row.read.is_err()).count(),
        success: interval(&right)?,
        error: interval(&errors),
    })
}

/// The mean, and the percentiles of the means of as many rows drawn again and again (Efron 1979).
fn interval(values: &[f64]) -> Option<Interval> {
    let value = mean(values)?;
    let mut random = Random(SEED);
    let drawn = |random: &mut Random| {
        let each = (0..values.len()).map(|_| {
            let at = random.below(values.len() as u64) as usize;
            values.get(at).copied().unwrap_or(value)
        });
        each.sum::<f64>() / values.len() as f64
    };
    let means: Vec<f64> = (0..RESAMPLES).map(|_| drawn(&mut random)).collect();
    Some(Interval {
        value,
        low: percentile(&means, 2.5)?,
        high: percentile(&means, 97.5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_about_that_of_the_binomial_distribution() {
        // Given 60 of 100 that are right: the mean is off by 4.9 points of 100
        let values: Vec<f64> = (0..100)
            .map(|at| if at < 60 { 100.0 } else { 0.0 })
            .collect();
        let interval = interval(&values).unwrap();
        assert_eq!(interval.value, 60.0);
        assert!(
            (interval.low - 50.4).abs() < 1.5 && (interval.high - 69.6).abs() < 1.5,
            "{interval:?}"
        );
        // and the same again
        assert_eq!(super::interval(&values), Some(interval));
    }

    #[test]
    fn of_nothing_there_is_no_interval_and_of_the_same_one_a_point() {
        assert_eq!(interval(&[]), None);
        let one = interval(&[2.0, 2.0]).unwrap();
        assert_eq!((one.value, one.low, one.high), (2.0, 2.0, 2.0));
    }
}
