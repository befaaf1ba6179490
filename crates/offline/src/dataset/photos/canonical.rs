//! Points of a photo in canonical coordinates, as the original has them: x to the left, y up, z level and away from the
//! camera, the ground at y = 0 (`osdsynth/processor/pointcloud.py`, `depth_to_points` and `process`).

use nalgebra::Matrix3;
use spatial_reward_core::frame::{DepthImage, Intrinsics};
use spatial_reward_core::geometry::{Point, camera};
use spatial_reward_core::imaging::Mask;

use super::cloud::Point3;
use crate::dataset::shape::Axes;

/// The points of a photo.
pub(super) struct Canonical<'a> {
    depth: &'a DepthImage,
    intrinsics: &'a Intrinsics,
    /// Canonical from optical.
    rotation: Matrix3<f64>,
    metres: Vec<f32>,
}

impl<'a> Canonical<'a> {
    /// Of a photo's depth, by its axes.
    pub(super) fn new(depth: &'a DepthImage, intrinsics: &'a Intrinsics, axes: &Axes) -> Self {
        let [left, up, ahead] = [-axes.right, axes.up, axes.ahead].map(|axis| axis.cast::<f64>());
        Self {
            depth,
            intrinsics,
            rotation: Matrix3::from_rows(&[left.transpose(), up.transpose(), ahead.transpose()]),
            metres: depth.to_metres(),
        }
    }

    /// The points of a mask's pixels that have depth.
    pub(super) fn of_mask(&self, mask: &Mask) -> Vec<Point3> {
        let width = mask.width as usize;
        let inside = (0..).zip(&mask.data).filter(|(_, pixel)| **pixel != 0);
        inside
            .filter_map(|(index, _)| self.point(index % width, index / width))
            .collect()
    }

    /// The point behind a pixel of the photo.
    fn point(&self, column: usize, row: usize) -> Option<Point3> {
        let Intrinsics { width, height, .. } = *self.intrinsics;
        let near = |at: usize, of: u32, source: u32| at * source as usize / of.max(1) as usize;
        let source = near(row, height, self.depth.height) * self.depth.width as usize
            + near(column, width, self.depth.width);
        let depth_m = f64::from(*self.metres.get(source)?);
        let ray = camera::ray(self.intrinsics, column as f64, row as f64);
        let point = self.rotation * (Point3::new(ray.x, ray.y, 1.0) * depth_m);
        point.iter().all(|along| along.is_finite()).then_some(point)
    }

    /// How high the ground is: the lowest point of the nearer half of all; 0 where there is no depth.
    pub(super) fn ground_m(&self) -> f64 {
        let (columns, rows) = (
            self.intrinsics.width as usize,
            self.intrinsics.height as usize,
        );
        let pixels = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        let mut points: Vec<[f64; 2]> = pixels
            .filter_map(|(column, row)| self.point(column, row))
            .map(|p| [p.z, p.y])
            .collect();
        let half = points.len() / 2;
        if half > 0 {
            points.select_nth_unstable_by(half, |a, b| a[0].total_cmp(&b[0]));
        }
        let heights = points.iter().take(half).map(|[_, height]| *height);
        let lowest = heights.fold(f64::INFINITY, f64::min);
        if lowest.is_finite() { lowest } else { 0.0 }
    }

    /// Back into the camera's optical frame.
    pub(super) fn optical(&self, point: &Point3) -> Point {
        self.rotation.tr_mul(point).cast::<f32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::frame::Distortion;
    use spatial_reward_core::imaging::Mask;

    #[test]
    fn what_is_right_and_below_in_the_picture_has_negative_x_and_y() {
        // Given a level camera before a wall at 2 m
        let intrinsics = Intrinsics {
            width: 4,
            height: 2,
            fx: 2.0,
            fy: 2.0,
            cx: 0.0,
            cy: 0.0,
            distortion: Distortion::None,
        };
        let depth = DepthImage::new(2, 1, vec![2.0, f32::NAN]);
        let axes = Axes::new(Some(Point::new(0.0, -9.8, 0.0)));
        let canonical = Canonical::new(&depth, &intrinsics, &axes);
        let mask = Mask {
            width: 4,
            height: 2,
            data: vec![1; 8],
        };
        // When the points of all pixels are asked for
        let points = canonical.of_mask(&mask);
        // Then those with depth are there, left and up positive, the depth's pixel the nearest one
        let expected = [[0.0, 0.0], [-1.0, 0.0], [0.0, -1.0], [-1.0, -1.0]];
        let expected = expected.map(|[x, y]| Point3::new(x, y, 2.0));
        assert_eq!(points.len(), 4);
        for (point, expected) in points.iter().zip(expected) {
            assert!((point - expected).norm() < 1e-6, "{point}");
            let optical = canonical.optical(point);
            assert!((optical - Point::new(-point.x as f32, -point.y as f32, 2.0)).norm() < 1e-6);
        }
        // And the ground is the lowest of what is near
        let depth = DepthImage::new(2, 2, vec![2.0, f32::NAN, 1.0, f32::NAN]);
        assert_eq!(Canonical::new(&depth, &intrinsics, &axes).ground_m(), -0.5);
    }
}
