//! Nearest neighbours among points in space: a tree of halves, in the order of the points' places.

use nalgebra::Vector3;

/// So few points are looked at one by one.
const LEAF: usize = 12;

/// The points, each half of a range beside its middle.
pub(super) struct KdTree {
    points: Vec<(Vector3<f64>, usize)>,
    /// By the middle of a range: the axis that it is halved along.
    axes: Vec<u8>,
}

impl KdTree {
    /// Of points, which must be finite.
    pub(super) fn new(points: &[Vector3<f64>]) -> Self {
        let mut tree = Self {
            points: points.iter().copied().zip(0..).collect(),
            axes: vec![0; points.len()],
        };
        halve(&mut tree.points, &mut tree.axes);
        tree
    }

    /// The squared distances of the `count` points nearest to a place, the nearest first; fewer where there are fewer.
    pub(super) fn nearest(&self, to: &Vector3<f64>, count: usize) -> Vec<f64> {
        let mut best = Vec::with_capacity(count + 1);
        if count > 0 {
            self.visit_nearest(0, self.points.len(), to, count, &mut best);
        }
        best
    }

    fn visit_nearest(
        &self,
        low: usize,
        high: usize,
        to: &Vector3<f64>,
        count: usize,
        best: &mut Vec<f64>,
    ) {
        if high - low <= LEAF {
            for (point, _) in self.points.iter().take(high).skip(low) {
                insert(best, count, (point - to).norm_squared());
            }
            return;
        }
        let middle = low.midpoint(high);
        let (Some((point, _)), Some(axis)) = (self.points.get(middle), self.axes.get(middle))
        else {
            return;
        };
        let axis = usize::from(*axis);
        let off = to[axis] - point[axis];
        let (near, far) = match off < 0.0 {
            true => ((low, middle), (middle + 1, high)),
            false => ((middle + 1, high), (low, middle)),
        };
        insert(best, count, (point - to).norm_squared());
        self.visit_nearest(near.0, near.1, to, count, best);
        if best.len() < count || best.last().is_some_and(|worst| off * off < *worst) {
            self.visit_nearest(far.0, far.1, to, count, best);
        }
    }

    /// The numbers of the points nearer to a place than so far, in no order.
    pub(super) fn within(&self, of: &Vector3<f64>, radius: f64) -> Vec<usize> {
        let mut found = Vec::new();
        self.visit_within(0, self.points.len(), of, radius, &mut found);
        found
    }

    fn visit_within(
        &self,
        low: usize,
        high: usize,
        of: &Vector3<f64>,
        radius: f64,
        found: &mut Vec<usize>,
    ) {
        let mut take = |(point, number): &(Vector3<f64>, usize)| {
            if (point - of).norm_squared() < radius * radius {
                found.push(*number);
            }
        };
        if high - low <= LEAF {
            self.points.iter().take(high).skip(low).for_each(take);
            return;
        }
        let middle = low.midpoint(high);
        let (Some(at), Some(axis)) = (self.points.get(middle), self.axes.get(middle)) else {
            return;
        };
        take(at);
        let axis = usize::from(*axis);
        let off = of[axis] - at.0[axis];
        if off < radius {
            self.visit_within(low, middle, of, radius, found);
        }
        if off > -radius {
            self.visit_within(middle + 1, high, of, radius, found);
        }
    }
}

fn halve(points: &mut [(Vector3<f64>, usize)], axes: &mut [u8]) {
    if points.len() <= LEAF {
        return;
    }
    let spread = |axis: usize| {
        let along = points.iter().map(|(point, _)| point[axis]);
        let (low, high) = along.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), at| {
            (at.min(low), at.max(high))
        });
        high - low
    };
    let widest = (0..3_u8).max_by(|a, b| spread((*a).into()).total_cmp(&spread((*b).into())));
    let axis = widest.unwrap_or(0);
    let middle = points.len() / 2;
    let along = usize::from(axis);
    let (before, _, after) =
        points.select_nth_unstable_by(middle, |a, b| a.0[along].total_cmp(&b.0[along]));
    let (axes_before, rest) = axes.split_at_mut(middle);
    let Some((own, axes_after)) = rest.split_first_mut() else {
        return;
    };
    *own = axis;
    halve(before, axes_before);
    halve(after, axes_after);
}

fn insert(best: &mut Vec<f64>, count: usize, squared: f64) {
    if best.len() == count && best.last().is_some_and(|worst| squared >= *worst) {
        return;
    }
    let place = best.partition_point(|known| *known <= squared);
    best.insert(place, squared);
    best.truncate(count);
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::random::Random;

    #[test]
    fn the_tree_finds_what_looking_at_every_point_finds() {
        // Given points of which some coincide
        let mut random = Random(5);
        let mut points: Vec<_> = (0..400)
            .map(|_| Vector3::from_fn(|_, _| (random.unit() * 50.0).round() / 50.0))
            .collect();
        points.extend_from_within(..20);
        let tree = KdTree::new(&points);
        for _ in 0..50 {
            let place = Vector3::from_fn(|_, _| random.unit());
            // When the nearest and those within a radius are asked for
            let (near, mut within) = (tree.nearest(&place, 10), tree.within(&place, 0.2));
            // Then they are those that all distances give
            let mut all: Vec<f64> = points.iter().map(|p| (p - place).norm_squared()).collect();
            let inside = (0..all.len()).filter(|at| all[*at] < 0.2 * 0.2);
            within.sort_unstable();
            assert_eq!(within, inside.collect::<Vec<_>>());
            all.sort_by(f64::total_cmp);
            assert_eq!(near, all[..10]);
        }
    }
}
