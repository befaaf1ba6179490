//! Order and correlation statistics as scipy computes them, on plain slices. Pairs with a value that
//! is not finite are left out; a figure that the rest does not define is `None`, never 0 or NaN.

use std::cmp::Ordering;

/// Of normal errors, 90 % lie within this many standard deviations each way.
pub const STDS_OF_90_PERCENT: f64 = 1.645;

/// The 90 % interval of a distance with this standard deviation, lower end first, in the unit of both. It is cut at 0, for
/// no distance lies below; `None` where no standard deviation is known.
pub fn interval_90(distance: f64, std: f64) -> Option<(f64, f64)> {
    let half_width = STDS_OF_90_PERCENT * std;
    let is_known = distance.is_finite() && half_width.is_finite() && half_width >= 0.0;
    is_known.then(|| ((distance - half_width).max(0.0), distance + half_width))
}

/// Arithmetic mean.
pub fn mean(values: &[f64]) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    mean.is_finite().then_some(mean)
}

/// The middle value; of an even number of values, the mean of the middle two.
pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 50.0)
}

/// The `percent`-th percentile, linear between the two nearest values (numpy's default).
/// Values that are not finite are left out.
pub fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let position = last as f64 * percent.clamp(0.0, 100.0) / 100.0;
    let below = sorted.get(position.floor() as usize)?;
    let above = sorted.get(position.ceil() as usize)?;
    Some(below + (above - below) * position.fract())
}

/// Linear correlation. `None` for fewer than two pairs or when one side is constant.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y) = finite_pairs(x, y);
    pearson_of_finite(&x, &y)
}

/// Rank correlation: Pearson's of the ranks, ties sharing their average rank.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y) = finite_pairs(x, y);
    pearson_of_finite(&average_ranks(&x), &average_ranks(&y))
}

/// Kendall's tau-a: concordant minus discordant pairs, over all n (n - 1) / 2 pairs. `None` for fewer
/// than two values, and when one side is constant: such a series puts nothing in order.
pub fn kendall_tau_a(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y) = finite_pairs(x, y);
    let mut pairs: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
    pairs.sort_by(|a, b| compare(a.0, b.0).then(compare(a.1, b.1)));
    let total = pairs_among(pairs.len());
    let tied_in_x = tied_pairs(&pairs, |a, b| a.0 == b.0);
    let tied_in_both = tied_pairs(&pairs, |a, b| a == b);
    let mut y: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    // Sorted by x (ties by y), each inversion left in y is a discordant pair.
    let discordant = sort_counting_inversions(&mut y);
    let tied_in_y = tied_pairs(&y, |a, b| a == b);
    if total == tied_in_x || total == tied_in_y {
        return None;
    }
    // Knight 1966: every pair is concordant, discordant or tied.
    let concordant = total + tied_in_both - tied_in_x - tied_in_y - discordant;
    Some((concordant as f64 - discordant as f64) / total as f64)
}

/// Whether a predicted distance is within 25 % of the true one (SpatialRGPT-Bench).
pub fn within_25_percent((predicted, truth): (f64, f64)) -> bool {
    (0.75 * truth..=1.25 * truth).contains(&predicted)
}

/// Over pairs of predicted and true distance, metres.
pub fn absolute_relative_error(pairs: &[(f64, f64)]) -> Option<f64> {
    let relative = pairs.iter().map(|(p, g)| (p - g).abs() / (g + 1e-4));
    mean(&relative.collect::<Vec<_>>())
}

fn finite_pairs(x: &[f64], y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    x.iter()
        .zip(y)
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .unzip()
}

fn pearson_of_finite(x: &[f64], y: &[f64]) -> Option<f64> {
    if is_constant(x) || is_constant(y) {
        return None;
    }
    let (mean_x, mean_y) = (mean(x)?, mean(y)?);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    let correlation = xy / (xx.sqrt() * yy.sqrt());
    // Rounding may step over the bound by one unit in the last place.
    correlation
        .is_finite()
        .then(|| correlation.clamp(-1.0, 1.0))
}

/// True for fewer than two values, too.
fn is_constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// Ranks from 1; equal values share the average of the ranks they take up.
fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| compare(values[a], values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (tied.len() + 1) as f64 / 2.0;
        for &index in tied {
            ranks[index] = rank;
        }
        before += tied.len();
    }
    ranks
}

/// Order of finite numbers in which 0 and -0 are equal, as `==` has it.
fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

fn pairs_among(count: usize) -> u64 {
    let count = count as u64;
    count * count.saturating_sub(1) / 2
}

fn tied_pairs<T>(sorted: &[T], equal: impl Fn(&T, &T) -> bool) -> u64 {
    sorted
        .chunk_by(equal)
        .map(|run| pairs_among(run.len()))
        .sum()
}

/// Merge sort; returns how many pairs stood in the wrong order.
fn sort_counting_inversions(values: &mut [f64]) -> u64 {
    if values.len() < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let mut inversions = sort_counting_inversions(left) + sort_counting_inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (&*left, &*right);
    while let ([first_left, rest_left @ ..], [first_right, rest_right @ ..]) = (left, right) {
        if first_left <= first_right {
            merged.push(*first_left);
            left = rest_left;
        } else {
            merged.push(*first_right);
            inversions += left.len() as u64;
            right = rest_right;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    values.copy_from_slice(&merged);
    inversions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What scipy says about one pair of series; null where it says NaN.
    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        x: Vec<Option<f64>>,
        y: Vec<Option<f64>>,
        pearson: Option<f64>,
        spearman: Option<f64>,
        kendall_tau_a: Option<f64>,
        percentiles_of_x: [Option<f64>; 4],
    }

    fn series(values: &[Option<f64>]) -> Vec<f64> {
        values.iter().map(|v| v.unwrap_or(f64::NAN)).collect()
    }

    #[track_caller]
    fn assert_same(what: &str, ours: Option<f64>, scipy: Option<f64>) {
        match (ours, scipy) {
            (Some(ours), Some(scipy)) => {
                let tolerance = 1e-12 * scipy.abs().max(1.0);
                assert!(
                    (ours - scipy).abs() <= tolerance,
                    "{what}: {ours}, scipy {scipy}"
                );
            }
            (ours, scipy) => assert_eq!(ours, scipy, "{what}"),
        }
    }

    #[test]
    fn agrees_with_scipy() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../../tests/fixtures/statistics.json")).unwrap();
        assert!(cases.len() >= 8, "the fixture lost its cases");
        for case in cases {
            let (x, y) = (series(&case.x), series(&case.y));
            let what = |figure| format!("{figure} of {}", case.name);
            assert_same(&what("pearson"), pearson(&x, &y), case.pearson);
            assert_same(&what("spearman"), spearman(&x, &y), case.spearman);
            assert_same(&what("tau-a"), kendall_tau_a(&x, &y), case.kendall_tau_a);
            for (percent, expected) in [0.0, 50.0, 95.0, 99.0].iter().zip(case.percentiles_of_x) {
                assert_same(&what("percentile"), percentile(&x, *percent), expected);
            }
        }
    }

    #[test]
    fn nothing_is_undefined_not_zero() {
        assert_eq!(mean(&[]), None);
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[f64::NAN]), None);
        assert_eq!(pearson(&[1.0], &[1.0]), None);
        assert_eq!(spearman(&[], &[]), None);
        assert_eq!(kendall_tau_a(&[1.0], &[2.0]), None);
    }

    #[test]
    fn tau_a_counts_ties_in_the_denominator() {
        // Given three pairs of which one is tied, when the other two agree, then it is 2/3 and not 1.
        let tau = kendall_tau_a(&[1.0, 1.0, 2.0], &[1.0, 2.0, 3.0]).unwrap();
        assert!((tau - 2.0 / 3.0).abs() < 1e-15, "{tau}");
    }
}
