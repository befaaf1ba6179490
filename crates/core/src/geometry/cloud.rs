//! Distances between two clouds of points.

use pulp::{Arch, Simd, WithSimd};

use crate::geometry::solid::Point;

/// The gap is the mean of this many smallest nearest-neighbour distances, of the cloud where it is
/// larger: one stray point does not make a contact.
const GAP_RANK: usize = 4;
/// Points of each cloud that take part in a search, at most.
const COARSE_POINTS: usize = 200;
const FINE_POINTS: usize = 1200;
/// The same where a gap only limits another one, or tells how far one may be off.
const ROUGH_POINTS: usize = 500;
const MEAN_POINTS: usize = 400;

/// Robust smallest gap between two non-empty clouds, in metres.
pub fn gap_m(a: &[Point], b: &[Point]) -> f32 {
    gap_of_m(a, b, FINE_POINTS)
}

/// The same from fewer points: up to a pixel or two wider, in a quarter of the time.
pub(super) fn rough_gap_m(a: &[Point], b: &[Point]) -> f32 {
    gap_of_m(a, b, ROUGH_POINTS)
}

fn gap_of_m(a: &[Point], b: &[Point], most: usize) -> f32 {
    let (coarse_a, coarse_b) = (thinned(a, COARSE_POINTS), thinned(b, COARSE_POINTS));
    let (coarse, _) = squared_to_nearest(&coarse_a, &coarse_b);
    let bound = coarse.into_iter().fold(f32::INFINITY, f32::min).sqrt();
    // Points farther from the other cloud than some pair is apart are not the closest ones; the
    // margin leaves room for the ranks after the first.
    let within = 1.05 * bound + 0.002;
    let towards_b = direction(&coarse_a, &coarse_b);
    let a_to = front(a, towards_b);
    let b_to = front(b, -towards_b);
    let a = beyond(a, towards_b, -b_to - within);
    let b = beyond(b, -towards_b, -a_to - within);
    let a = near(&a, &b, within);
    let b = near(&b, &a, within);
    if a.is_empty() || b.is_empty() {
        return bound;
    }
    let (a, b) = (thinned(&a, most), thinned(&b, most));
    let (from_a, from_b) = squared_to_nearest(&a, &b);
    // A stray point is the nearest of many of the other cloud, but only one of its own.
    mean_of_smallest(from_a).max(mean_of_smallest(from_b))
}

/// From one cloud's middle to the other's, as a unit vector; zero if they coincide.
fn direction(a: &[Point], b: &[Point]) -> Point {
    let middle = |points: &[Point]| points.iter().sum::<Point>() / points.len() as f32;
    let between = middle(b) - middle(a);
    between.try_normalize(1e-9).unwrap_or_default()
}

/// How far a cloud reaches in a direction.
fn front(points: &[Point], towards: Point) -> f32 {
    let reach = points.iter().map(|p| towards.dot(p));
    reach.fold(f32::NEG_INFINITY, f32::max)
}

/// The points that reach at least so far in a direction.
fn beyond(points: &[Point], towards: Point, at_least: f32) -> Vec<Point> {
    let reaches = |p: &&Point| towards.dot(*p) >= at_least;
    points.iter().filter(reaches).copied().collect()
}

/// Mean of the `GAP_RANK` smallest distances, from their squares.
fn mean_of_smallest(mut squared: Vec<f32>) -> f32 {
    let rank = GAP_RANK.min(squared.len());
    squared.select_nth_unstable_by(rank - 1, f32::total_cmp);
    squared[..rank]
        .iter()
        .map(|squared| squared.sqrt())
        .sum::<f32>()
        / rank as f32
}

/// Mean of the nearest-neighbour distances of both clouds, both ways together, in metres: what the
/// Open Spatial Dataset calls distance (arXiv 2406.01584).
pub(super) fn mean_nearest_m(a: &[Point], b: &[Point]) -> f32 {
    let (a, b) = (thinned(a, MEAN_POINTS), thinned(b, MEAN_POINTS));
    let (from_a, from_b) = squared_to_nearest(&a, &b);
    let squared = from_a.iter().chain(&from_b);
    squared.map(|squared| squared.sqrt()).sum::<f32>() / (a.len() + b.len()) as f32
}

/// The same of two non-empty clouds of which only samples are at hand, each with its cloud's size: every
/// cloud weighs as many points as it has.
pub fn mean_nearest_of_samples_m(a: (&[Point], usize), b: (&[Point], usize)) -> f32 {
    let (from_a, from_b) = squared_to_nearest(a.0, b.0);
    let mean = |squared: &[f32]| {
        let sum: f32 = squared.iter().map(|squared| squared.sqrt()).sum();
        sum / squared.len() as f32
    };
    let (of_a, of_b) = (a.1 as f32, b.1 as f32);
    (mean(&from_a) * of_a + mean(&from_b) * of_b) / (of_a + of_b)
}

/// Points compared at a time.
const LANES: usize = 8;

/// The squared distance from each point of `a` to its nearest in `b`, and from each of `b` to its nearest
/// in `a`.
fn squared_to_nearest(a: &[Point], b: &[Point]) -> (Vec<f32>, Vec<f32>) {
    // One array a coordinate, so that the compiler compares several points at a time; the last lanes
    // are filled up with the last point.
    let filled = b.len().next_multiple_of(LANES);
    let lanes = [0, 1, 2].map(|k| {
        let last = b.last().map_or(f32::INFINITY, |p| p[k]);
        let mut values: Vec<f32> = b.iter().map(|p| p[k]).collect();
        values.resize(filled, last);
        values
    });
    let [xs, ys, zs] = lanes.each_ref().map(|values| values.as_chunks::<LANES>().0);
    let mut from_b = vec![f32::INFINITY; filled];
    // Compiled for wider registers too; the arithmetic, and so every bit of it, is the same.
    let from_a = Arch::new().dispatch(Comparison {
        a,
        b: [xs, ys, zs],
        from_b: from_b.as_chunks_mut::<LANES>().0,
    });
    from_b.truncate(b.len());
    (from_a, from_b)
}

/// All pairs of two clouds. What is not inlined here is not compiled for wider registers.
struct Comparison<'a> {
    a: &'a [Point],
    b: [&'a [[f32; LANES]]; 3],
    from_b: &'a mut [[f32; LANES]],
}

impl WithSimd for Comparison<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let Self { a, b, from_b } = self;
        let [xs, ys, zs] = b;
        let mut from_a = vec![f32::INFINITY; a.len()];
        for (p, from_a) in a.iter().zip(&mut from_a) {
            let mut nearest = [f32::INFINITY; LANES];
            for (((x, y), z), from_b) in xs.iter().zip(ys).zip(zs).zip(&mut *from_b) {
                let squared = squared(p, x, y, z);
                nearest = least(nearest, squared);
                *from_b = least(*from_b, squared);
            }
            *from_a = nearest.into_iter().fold(f32::INFINITY, f32::min);
        }
        from_a
    }
}

#[inline(always)]
fn squared(p: &Point, x: &[f32; LANES], y: &[f32; LANES], z: &[f32; LANES]) -> [f32; LANES] {
    let mut squared = [0.0; LANES];
    for k in 0..LANES {
        let (dx, dy, dz) = (x[k] - p.x, y[k] - p.y, z[k] - p.z);
        squared[k] = dx * dx + dy * dy + dz * dz;
    }
    squared
}

#[inline(always)]
fn least(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
    let mut least = a;
    for k in 0..LANES {
        least[k] = if b[k] < a[k] { b[k] } else { a[k] };
    }
    least
}

/// Every n-th point, so that at most `most` remain.
fn thinned(points: &[Point], most: usize) -> Vec<Point> {
    let every = points.len().div_ceil(most).max(1);
    points.iter().copied().step_by(every).collect()
}

/// The points that lie within a distance of the other cloud's bounding box.
fn near(points: &[Point], other: &[Point], within: f32) -> Vec<Point> {
    let low = other
        .iter()
        .fold(Point::repeat(f32::INFINITY), |a, b| a.inf(b));
    let high = other
        .iter()
        .fold(Point::repeat(f32::NEG_INFINITY), |a, b| a.sup(b));
    let close = |p: &&Point| {
        let outside = (low - **p).sup(&(**p - high)).sup(&Point::zeros());
        outside.norm_squared() <= within * within
    };
    points.iter().filter(close).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square grid of points, `side` metres wide, in the plane x = `x`.
    fn wall(x: f32, side: f32) -> Vec<Point> {
        let steps = 40;
        (0..steps * steps)
            .map(|i| {
                let (row, column) = (i / steps, i % steps);
                let at = |k: i32| side * (k as f32 / (steps - 1) as f32 - 0.5);
                Point::new(x, at(row), at(column))
            })
            .collect()
    }

    #[test]
    fn parallel_walls_are_their_gap_apart() {
        let (a, b) = (wall(0.0, 0.1), wall(0.05, 0.1));
        assert!((gap_m(&a, &b) - 0.05).abs() < 1e-4);
        assert!((mean_nearest_m(&a, &b) - 0.05).abs() < 2e-3);
    }

    #[test]
    fn both_distances_are_symmetric_in_their_clouds() {
        let (a, b) = (wall(0.0, 0.1), wall(0.03, 0.02));
        assert!((gap_m(&a, &b) - gap_m(&b, &a)).abs() < 1e-3);
        assert!((mean_nearest_m(&a, &b) - mean_nearest_m(&b, &a)).abs() < 1e-6);
    }

    #[test]
    fn a_sampled_cloud_weighs_as_much_as_the_whole_one() {
        // given a wide wall, and a small one before its middle
        let (wide, small) = (wall(0.0, 0.4), wall(0.05, 0.02));
        let whole = mean_nearest_of_samples_m((&wide, wide.len()), (&small, small.len()));
        // when only a third of the wide one's points are at hand
        let some: Vec<Point> = wide.iter().copied().step_by(3).collect();
        let sampled = mean_nearest_of_samples_m((&some, wide.len()), (&small, small.len()));
        // then the mean is still that of all points, and unweighted it would not be
        assert!((sampled - whole).abs() < 0.002, "{sampled} {whole}");
        let unweighted = mean_nearest_of_samples_m((&some, some.len()), (&small, small.len()));
        assert!((unweighted - whole).abs() > 0.01, "{unweighted} {whole}");
    }

    #[test]
    fn one_stray_point_is_no_contact_whosever_it_is() {
        for stray_in_first in [true, false] {
            let (mut a, mut b) = (wall(0.0, 0.1), wall(0.08, 0.1));
            if stray_in_first {
                a.push(Point::new(0.0799, 0.0, 0.0));
            } else {
                b.push(Point::new(0.0001, 0.0, 0.0));
            }
            assert!(gap_m(&a, &b) > 0.06, "{}", gap_m(&a, &b));
        }
    }

    #[test]
    fn single_points_have_their_distance() {
        let (a, b) = ([Point::zeros()], [Point::new(0.0, 0.3, 0.4)]);
        assert!((gap_m(&a, &b) - 0.5).abs() < 1e-6);
        assert!((mean_nearest_m(&a, &b) - 0.5).abs() < 1e-6);
    }
}
