//! What lies behind an object: a plane through the depth around its box. A plane's inverse depth is linear in the
//! picture, so that no camera is needed.

use super::window::Window;
use crate::random::Random;

const TRIALS: usize = 60;
/// Planes with fewer of the cells around the box on them than this share tell nothing.
const LEAST_SHARE: f32 = 0.25;
/// A point whose depth is more than this share of it behind a plane lies beyond it; and the most of a box's points that may.
const BEYOND: f32 = 0.015;
const MOST_BEYOND: f32 = 0.15;

/// A plane as inverse depth, and how far cells are off it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground {
    /// 1 / metres: at the first cell, by column, by row.
    plane: [f32; 3],
    /// Of the depth, in metres, at the plane's cells.
    pub(super) noise_m: f32,
}

impl Ground {
    /// Through most of the cells around a box, and behind most of those within it.
    pub(super) fn behind(
        window: &Window,
        around: &[[i32; 2]],
        within: &[[i32; 2]],
    ) -> Option<Self> {
        let (points, within) = (measured(window, around), measured(window, within));
        if points.len() < 12 {
            return None;
        }
        let mut random = Random(1);
        let mut pick = || points[random.below(points.len() as u64) as usize];
        let mut best: Option<(usize, [f32; 3])> = None;
        for _ in 0..TRIALS {
            let Some(plane) = through([pick(), pick(), pick()]) else {
                continue;
            };
            let near = points
                .iter()
                .filter(|point| off(plane, point).abs() < 0.008)
                .count();
            if best.is_none_or(|(most, _)| near > most) && is_behind(plane, &within) {
                best = Some((near, plane));
            }
        }
        let (near, plane) = best?;
        if (near as f32) < LEAST_SHARE * points.len() as f32 {
            return None;
        }
        let plane = fitted(plane, &points).unwrap_or(plane);
        let mut offs: Vec<f32> = points
            .iter()
            .map(|point| off(plane, point).abs() / point[2])
            .filter(|off_m| *off_m < 0.02)
            .collect();
        offs.sort_by(f32::total_cmp);
        let noise_m = offs.get(offs.len() / 2).copied().unwrap_or(0.002) * 1.5;
        Some(Self { plane, noise_m })
    }

    /// How much nearer than the plane a cell is, in metres; negative behind it.
    pub(super) fn before_m(&self, column: i32, row: i32, depth_m: f32) -> f32 {
        let inverse = inverse_at(self.plane, column as f32, row as f32);
        if inverse <= 1e-3 {
            return 1000.0;
        }
        1.0 / inverse - depth_m
    }
}

/// Places and inverse depths of the cells that have a depth.
fn measured(window: &Window, cells: &[[i32; 2]]) -> Vec<[f32; 3]> {
    let points = cells.iter().map(|&[x, y]| {
        let inverse = 1.0 / window.at(x, y).depth_m;
        [x as f32, y as f32, inverse]
    });
    points.filter(|point| point[2].is_finite()).collect()
}

/// Hardly any of what is in the box lies behind the plane.
fn is_behind(plane: [f32; 3], within: &[[f32; 3]]) -> bool {
    let beyond = within
        .iter()
        .filter(|point| off(plane, point) > BEYOND)
        .count();
    beyond as f32 <= MOST_BEYOND * within.len() as f32
}

fn inverse_at(plane: [f32; 3], x: f32, y: f32) -> f32 {
    plane[0] + plane[1] * x + plane[2] * y
}

/// By how large a share of its depth a point is off a plane.
fn off(plane: [f32; 3], point: &[f32; 3]) -> f32 {
    inverse_at(plane, point[0], point[1]) / point[2] - 1.0
}

fn through([a, b, c]: [[f32; 3]; 3]) -> Option<[f32; 3]> {
    let (u, v) = ([b[0] - a[0], b[1] - a[1]], [c[0] - a[0], c[1] - a[1]]);
    let area = u[0] * v[1] - u[1] * v[0];
    if area.abs() < 4.0 {
        return None;
    }
    let (du, dv) = (b[2] - a[2], c[2] - a[2]);
    let by_x = (du * v[1] - dv * u[1]) / area;
    let by_y = (u[0] * dv - v[0] * du) / area;
    Some([a[2] - by_x * a[0] - by_y * a[1], by_x, by_y])
}

/// Least squares through the points near a plane.
fn fitted(plane: [f32; 3], points: &[[f32; 3]]) -> Option<[f32; 3]> {
    let mut normal = nalgebra::Matrix3::<f64>::zeros();
    let mut right = nalgebra::Vector3::<f64>::zeros();
    for point in points
        .iter()
        .filter(|point| off(plane, point).abs() < 0.008)
    {
        let row = nalgebra::Vector3::new(1.0, f64::from(point[0]), f64::from(point[1]));
        normal += row * row.transpose();
        right += row * f64::from(point[2]);
    }
    let solved = normal.cholesky()?.solve(&right);
    Some([solved[0] as f32, solved[1] as f32, solved[2] as f32])
}
