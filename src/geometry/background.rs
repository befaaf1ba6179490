//! What the regions stand on and in front of: planes (table, wall, floor) that the surroundings of
//! a box show and that run on behind it. A plane is linear in disparity: 1/z = a x/z + b y/z + c.

use nalgebra::{Matrix3, Vector3};

use crate::geometry::window::Window;
use crate::random::Random;

/// Directions around a box in which its surroundings are looked at.
const SECTORS: usize = 16;
/// A background plane shows in at least this many of them; what leaves the box in fewer
/// directions may be the arm that the fingertip sits on.
const MIN_SECTORS: usize = 8;
/// At most this many planes meet around one box (table and two walls).
const MAX_PLANES: usize = 3;
const TRIALS: usize = 100;
/// Ring pixels looked at; more do not make the plane better.
const MAX_SAMPLES: usize = 600;
/// Share of the box's pixels that must stand in front of a plane for it to be background.
const MIN_FRONT_SHARE: f32 = 0.06;

/// Share of the box's pixels that may lie behind it: beyond a table's edge there is a floor.
const MAX_BEHIND_SHARE: f32 = 0.25;

/// A plane in disparity form over rays.
#[derive(Debug, Clone, Copy)]
pub struct Plane {
    coefficients: [f32; 3],
    /// Depth residual that still belongs to the plane, relative to the depth.
    tolerance_share: f32,
}

impl Plane {
    /// A measured depth over the plane's depth on that ray: 1 on the plane, more behind it; 0 or less
    /// where the ray never meets the plane. No division, for this runs for every pixel and trial.
    fn relative_depth(&self, [x, y]: [f32; 2], depth_m: f32) -> f32 {
        let [a, b, c] = self.coefficients;
        depth_m * (a * x + b * y + c)
    }

    /// Whether a measured depth is on the plane or behind it.
    pub fn hides(&self, ray: [f32; 2], depth_m: f32) -> bool {
        self.relative_depth(ray, depth_m) * (1.0 + self.tolerance_share) > 1.0
    }

    /// Whether a measured depth is clearly behind the plane: then the plane is no background there.
    fn is_far_in_front_of(&self, ray: [f32; 2], depth_m: f32) -> bool {
        self.relative_depth(ray, depth_m) * (1.0 - 3.0 * self.tolerance_share) > 1.0
    }

    fn contains(&self, ray: [f32; 2], depth_m: f32) -> bool {
        let relative = self.relative_depth(ray, depth_m);
        relative * (1.0 + self.tolerance_share) >= 1.0
            && relative * (1.0 - self.tolerance_share) <= 1.0
    }
}

/// The background planes around one box. `in_box` and `in_ring` are the place bits of its pixels.
pub fn planes(window: &Window, in_box: u8, in_ring: u8, center: [f64; 2]) -> Vec<Plane> {
    let mut ring = ring_samples(window, in_ring, center);
    let box_pixels: Vec<usize> = measured(window, in_box).collect();
    let enough = (ring.len() / 10).max(12);
    let mut found = Vec::new();
    let mut random = Random(0x5eed);
    for _ in 0..MAX_PLANES {
        if ring.len() < enough {
            break;
        }
        let Some(plane) = fit(window, &ring, &mut random) else {
            break;
        };
        let on_plane = |s: &Sample| plane.contains(s.ray, s.depth_m);
        let supports = ring.iter().filter(|s| on_plane(s)).count();
        if supports < enough {
            break;
        }
        let mut seen = [0_usize; SECTORS];
        let mut all = [0_usize; SECTORS];
        for sample in &ring {
            all[sample.sector] += 1;
            seen[sample.sector] += usize::from(on_plane(sample));
        }
        let sectors = (0..SECTORS)
            .filter(|&s| seen[s] > 0 && seen[s] * 3 >= all[s])
            .count();
        let front = box_pixels
            .iter()
            .filter(|&&i| !plane.hides(window.rays[i], window.depth_m[i]))
            .count();
        let behind = box_pixels
            .iter()
            .filter(|&&i| plane.is_far_in_front_of(window.rays[i], window.depth_m[i]))
            .count();
        if sectors >= MIN_SECTORS
            && behind as f32 <= MAX_BEHIND_SHARE * box_pixels.len() as f32
            && front as f32 >= MIN_FRONT_SHARE * box_pixels.len() as f32
        {
            found.push(plane);
        }
        ring.retain(|s| !on_plane(s));
    }
    found
}

struct Sample {
    index: usize,
    ray: [f32; 2],
    depth_m: f32,
    sector: usize,
}

fn measured(window: &Window, bits: u8) -> impl Iterator<Item = usize> + '_ {
    (0..window.place.len())
        .filter(move |&i| window.place[i] & bits != 0 && !window.depth_m[i].is_nan())
}

fn ring_samples(window: &Window, in_ring: u8, center: [f64; 2]) -> Vec<Sample> {
    let total = measured(window, in_ring).count();
    let every = total.div_ceil(MAX_SAMPLES).max(1);
    measured(window, in_ring)
        .step_by(every)
        .map(|index| {
            let dx = (index % window.width) as f64 + 0.5 - center[0];
            let dy = (index / window.width) as f64 + 0.5 - center[1];
            let turn = dy.atan2(dx) / std::f64::consts::TAU + 0.5;
            Sample {
                index,
                ray: window.rays[index],
                depth_m: window.depth_m[index],
                sector: ((turn * SECTORS as f64) as usize).min(SECTORS - 1),
            }
        })
        .collect()
}

/// RANSAC (Fischler & Bolles 1981), then least squares on the inliers, whose spread sets the tolerance.
fn fit(window: &Window, ring: &[Sample], random: &mut Random) -> Option<Plane> {
    const TRIAL_TOLERANCE: f32 = 0.008;
    const MIN_TOLERANCE: f32 = 0.003;
    let mut best: Option<(usize, Plane)> = None;
    for _ in 0..TRIALS {
        let triple = [(); 3].map(|()| ring[random.below(ring.len() as u64) as usize].index);
        let Some(coefficients) = through(window, triple) else {
            continue;
        };
        let plane = Plane {
            coefficients,
            tolerance_share: TRIAL_TOLERANCE,
        };
        let votes = ring
            .iter()
            .filter(|s| plane.contains(s.ray, s.depth_m))
            .count();
        if best.is_none_or(|(most, _)| votes > most) {
            best = Some((votes, plane));
        }
    }
    let (_, mut plane) = best?;
    for _ in 0..2 {
        let inliers: Vec<usize> = ring
            .iter()
            .map(|s| s.index)
            .filter(|&i| plane.contains(window.rays[i], window.depth_m[i]))
            .collect();
        plane.coefficients = least_squares(window, &inliers)?;
        let mut residuals: Vec<f32> = inliers
            .iter()
            .map(|&i| (1.0 - plane.relative_depth(window.rays[i], window.depth_m[i])).abs())
            .collect();
        let middle = residuals.len() / 2;
        let (_, median, _) = residuals.select_nth_unstable_by(middle, f32::total_cmp);
        // 1.4826 median absolute deviations are one standard deviation.
        plane.tolerance_share = (4.0 * 1.4826 * *median).clamp(MIN_TOLERANCE, TRIAL_TOLERANCE);
    }
    Some(plane)
}

fn through(window: &Window, triple: [usize; 3]) -> Option<[f32; 3]> {
    let rows = triple.map(|i| {
        Vector3::new(
            f64::from(window.rays[i][0]),
            f64::from(window.rays[i][1]),
            1.0,
        )
    });
    let right = Vector3::from_iterator(triple.iter().map(|&i| 1.0 / f64::from(window.depth_m[i])));
    let matrix = Matrix3::from_rows(&rows.map(|r| r.transpose()));
    // Three pixels in a row span no plane.
    if matrix.determinant().abs() < 1e-7 {
        return None;
    }
    let solution = matrix.lu().solve(&right)?;
    Some([solution.x as f32, solution.y as f32, solution.z as f32])
}

fn least_squares(window: &Window, inliers: &[usize]) -> Option<[f32; 3]> {
    let (mut normal, mut right) = (Matrix3::zeros(), Vector3::zeros());
    for &i in inliers {
        let row = Vector3::new(
            f64::from(window.rays[i][0]),
            f64::from(window.rays[i][1]),
            1.0,
        );
        let depth = f64::from(window.depth_m[i]);
        // A disparity error weighs depth squared in metres.
        let weight = depth * depth;
        normal += weight * row * row.transpose();
        right += weight / depth * row;
    }
    let solution = normal.cholesky()?.solve(&right);
    Some([solution.x as f32, solution.y as f32, solution.z as f32])
}
