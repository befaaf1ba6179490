//! Distances between two clouds of points.

use crate::geometry::shape::Point;

pub fn nearest(from: &[Point], to: &[Point]) -> Vec<f32> {
    from.iter()
        .map(|a| to.iter().map(|b| (a - b).norm_squared()).fold(f32::INFINITY, f32::min).sqrt())
        .collect()
}

pub fn thin(points: &[Point], most: usize) -> Vec<Point> {
    let step = points.len().div_ceil(most).max(1);
    points.iter().copied().step_by(step).collect()
}

fn near_bounds(points: &[Point], of: &[Point], within: f32) -> Vec<Point> {
    let lo = of.iter().fold(Point::repeat(f32::INFINITY), |a, b| a.inf(b));
    let hi = of.iter().fold(Point::repeat(f32::NEG_INFINITY), |a, b| a.sup(b));
    points.iter().copied().filter(|p| {
        let outside = (lo - p).sup(&(p - hi)).sup(&Point::zeros());
        outside.norm_squared() <= within * within
    }).collect()
}

/// Robust smallest gap.
pub fn gap(a: &[Point], b: &[Point], rank: usize) -> f32 {
    let coarse = nearest(&thin(a, 200), &thin(b, 200)).into_iter().fold(f32::INFINITY, f32::min) * 1.05 + 0.002;
    let a2 = near_bounds(a, b, coarse);
    let b2 = near_bounds(b, &a2, coarse);
    let (a2, b2) = (thin(&a2, 1500), thin(&b2, 1500));
    if a2.is_empty() || b2.is_empty() { return coarse; }
    let mut d = nearest(&a2, &b2);
    d.sort_unstable_by(f32::total_cmp);
    let n = rank.min(d.len());
    d[..n].iter().sum::<f32>() / n as f32
}
