//! A cylinder of known size, or one that widens, laid so that its surface goes through seen points: where it is and how it is
//! turned. Boxes and cups are near enough to one that the direction of their axis is told.

use std::f64::consts::TAU;

use nalgebra::{Matrix3, Matrix5, Unit, UnitQuaternion, Vector3, Vector5};

/// A point this far from the surface counts half: further ones are something else.
const SCALE_M: f64 = 0.004;
/// So much more a point is off that would lie on the far side, which nobody can see.
const UNSEEN_M: f64 = 0.005;
const MOST_STEPS: usize = 12;
/// Steps smaller than these change nothing.
const STILL_M: f64 = 1e-4;
const STILL_RAD: f64 = 1e-3;
/// How much a point is held where it is, as a share of what points say: where they leave an end open, it does not run away.
const INERTIA: f64 = 1e-3;
/// A turn by one radian moves the surface by about so much.
const LEVER_M: f64 = 0.04;

/// How large it is, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    /// Half-way.
    pub radius_m: f64,
    pub half_length_m: f64,
    /// By how much the radius grows along the axis, as a share of the way.
    pub taper: f64,
}

/// Where it is, in the frame of the points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pose {
    pub center: Vector3<f64>,
    pub axis: Unit<Vector3<f64>>,
}

/// A pose with what speaks for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    pub pose: Pose,
    /// 0 where every point lies on it.
    pub cost: f64,
    /// One standard deviation of the axis' direction, in radians, as far as the points tell.
    pub std_rad: f64,
}

/// Lay it through points, which are seen from the origin, from a pose on.
pub(super) fn fit(points: &[Vector3<f64>], size: Size, begin: Pose) -> Fit {
    let mut pose = begin;
    let mut cost = cost_of(points, size, &pose);
    let mut damping = 1e-3;
    let mut normal = Matrix5::zeros();
    'steps: for _ in 0..MOST_STEPS {
        let (matrix, gradient, across) = equations(points, size, &pose);
        normal = matrix;
        let inertia = INERTIA * points.len() as f64;
        let turning = inertia * LEVER_M * LEVER_M;
        let held = Vector5::new(inertia, inertia, inertia, turning, turning);
        loop {
            let damped = matrix + Matrix5::from_diagonal(&(held + matrix.diagonal() * damping));
            let Some(solved) = damped.cholesky() else {
                break 'steps;
            };
            let step = -solved.solve(&gradient);
            let moved = pose.moved(&step, &across);
            let new = cost_of(points, size, &moved);
            if new < cost {
                (pose, cost) = (moved, new);
                damping = (damping / 5.0).max(1e-6);
                let is_still = step.fixed_rows::<3>(0).norm() < STILL_M
                    && step.fixed_rows::<2>(3).norm() < STILL_RAD;
                if is_still {
                    break 'steps;
                }
                break;
            }
            damping *= 5.0;
            if damping > 1e3 {
                break 'steps;
            }
        }
    }
    let spread = normal.try_inverse().map_or(f64::INFINITY, |inverse| {
        (inverse[(3, 3)].max(0.0) + inverse[(4, 4)].max(0.0)).sqrt()
    });
    Fit {
        pose,
        cost,
        std_rad: (spread * SCALE_M).min(TAU),
    }
}

impl Pose {
    fn moved(&self, step: &Vector5<f64>, across: &[Vector3<f64>; 2]) -> Self {
        let turn = across[0] * step[3] + across[1] * step[4];
        Self {
            center: self.center + step.fixed_rows::<3>(0),
            axis: UnitQuaternion::from_scaled_axis(turn) * self.axis,
        }
    }
}

/// How far a point is from the surface, below 0 inside, and the direction in which that grows.
fn distance(point: &Vector3<f64>, size: Size, pose: &Pose) -> (f64, Vector3<f64>) {
    let from = point - pose.center;
    let along = pose.axis.dot(&from);
    let radial = from - pose.axis.into_inner() * along;
    let out = radial.try_normalize(1e-9).unwrap_or_default();
    let end = pose.axis.into_inner() * along.signum();
    let slant = 1.0_f64.hypot(size.taper);
    let side_m = (radial.norm() - size.radius_m - size.taper * along) / slant;
    let end_m = along.abs() - size.half_length_m;
    let out = (out - pose.axis.into_inner() * size.taper) / slant;
    if side_m > 0.0 && end_m > 0.0 {
        let off_m = side_m.hypot(end_m);
        (off_m, (out * side_m + end * end_m) / off_m)
    } else if side_m > end_m {
        (side_m, out)
    } else {
        (end_m, end)
    }
}

fn cost_of(points: &[Vector3<f64>], size: Size, pose: &Pose) -> f64 {
    let costs = points.iter().map(|point| {
        let (mut off_m, away) = distance(point, size, pose);
        if away.dot(point) > 0.0 {
            off_m = off_m.abs() + UNSEEN_M;
        }
        (off_m / SCALE_M).powi(2).ln_1p()
    });
    costs.sum::<f64>() / points.len().max(1) as f64
}

/// Gauss and Newton's equations of a step: by three metres and by radians about two directions across the axis, which are
/// told too.
fn equations(
    points: &[Vector3<f64>],
    size: Size,
    pose: &Pose,
) -> (Matrix5<f64>, Vector5<f64>, [Vector3<f64>; 2]) {
    let across = across(&pose.axis);
    let (mut matrix, mut gradient) = (Matrix5::zeros(), Vector5::zeros());
    for point in points {
        let (off_m, away) = distance(point, size, pose);
        let weight = 1.0 / (1.0 + (off_m / SCALE_M).powi(2));
        let turning = (point - pose.center).cross(&away);
        let row = -Vector5::new(
            away.x,
            away.y,
            away.z,
            turning.dot(&across[0]),
            turning.dot(&across[1]),
        );
        matrix += row * row.transpose() * weight;
        gradient += row * (weight * off_m);
    }
    (matrix, gradient, across)
}

/// Two directions across an axis and each other.
fn across(axis: &Unit<Vector3<f64>>) -> [Vector3<f64>; 2] {
    let rows = Matrix3::identity();
    let least = axis.iamin();
    let first = rows.column(least).cross(axis).normalize();
    [first, axis.cross(&first)]
}
