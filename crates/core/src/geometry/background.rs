//! What the regions stand on and in front of: planes (table, wall, floor) that the surroundings of
//! a box show and that run on behind it. A plane is linear in disparity: 1/z = a x/z + b y/z + c.

use nalgebra::{Matrix3, Vector3};
use pulp::Arch;

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
pub(super) struct Plane {
    coefficients: [f32; 3],
    /// Depth residual that still belongs to the plane, relative to the depth.
    tolerance_share: f32,
}

impl Plane {
    /// a, b and c of a x/z + b y/z + c = 1/z, in 1/m.
    pub(super) fn coefficients(&self) -> [f32; 3] {
        self.coefficients
    }

    /// A measured depth over the plane's depth on that ray: 1 on the plane, more behind it; 0 or less
    /// where the ray never meets the plane. No division, for this runs for every pixel and trial.
    #[inline(always)]
    fn relative_depth(&self, [x, y]: [f32; 2], depth_m: f32) -> f32 {
        let [a, b, c] = self.coefficients;
        depth_m * (a * x + b * y + c)
    }

    /// Whether a measured depth is on the plane or behind it.
    #[inline(always)]
    pub(super) fn hides(&self, ray: [f32; 2], depth_m: f32) -> bool {
        self.relative_depth(ray, depth_m) * (1.0 + self.tolerance_share) > 1.0
    }

    /// Whether a measured depth is clearly behind the plane: then the plane is no background there.
    #[inline(always)]
    fn is_far_in_front_of(&self, ray: [f32; 2], depth_m: f32) -> bool {
        self.relative_depth(ray, depth_m) * (1.0 - 3.0 * self.tolerance_share) > 1.0
    }

    #[inline(always)]
    fn contains(&self, ray: [f32; 2], depth_m: f32) -> bool {
        let relative = self.relative_depth(ray, depth_m);
        // Both sides at once, not one after the other, for several pixels at a time.
        (relative * (1.0 + self.tolerance_share) >= 1.0)
            & (relative * (1.0 - self.tolerance_share) <= 1.0)
    }
}

/// The background planes around one box. `in_box` and `in_ring` are the place bits of its pixels.
pub(super) fn planes(window: &Window, in_box: u8, in_ring: u8, center: [f64; 2]) -> Vec<Plane> {
    let mut ring = Samples::of_ring(window, in_ring, center);
    let in_box = Samples::new(window, &measured(window, in_box));
    let enough = (ring.len() / 10).max(12);
    let mut found = Vec::new();
    let mut random = Random(0x5eed);
    for _ in 0..MAX_PLANES {
        if ring.len() < enough {
            break;
        }
        let Some(plane) = fit(&ring, &mut random) else {
            break;
        };
        let on_plane = ring.all(|ray, depth_m| plane.contains(ray, depth_m));
        if on_plane.iter().filter(|&&on_plane| on_plane).count() < enough {
            break;
        }
        let mut seen = [0_usize; SECTORS];
        let mut all = [0_usize; SECTORS];
        for (&sector, &on_plane) in ring.sector.iter().zip(&on_plane) {
            all[sector] += 1;
            seen[sector] += usize::from(on_plane);
        }
        let sectors = (0..SECTORS)
            .filter(|&s| seen[s] > 0 && seen[s] * 3 >= all[s])
            .count();
        let front = in_box.len() - in_box.count(|ray, depth_m| plane.hides(ray, depth_m));
        let behind = in_box.count(|ray, depth_m| plane.is_far_in_front_of(ray, depth_m));
        if sectors >= MIN_SECTORS
            && behind as f32 <= MAX_BEHIND_SHARE * in_box.len() as f32
            && front as f32 >= MIN_FRONT_SHARE * in_box.len() as f32
        {
            found.push(plane);
        }
        ring.drop_all(&on_plane);
    }
    found
}

/// The measured pixels with one of these place bits.
fn measured(window: &Window, bits: u8) -> Vec<usize> {
    let is_measured = |i: &usize| window.place[*i] & bits != 0 && !window.depth_m[*i].is_nan();
    (0..window.place.len()).filter(is_measured).collect()
}

/// Rays and depths of some pixels, one array a coordinate, so that the compiler compares several
/// pixels at a time with a plane.
struct Samples {
    ray_x: Vec<f32>,
    ray_y: Vec<f32>,
    depth_m: Vec<f32>,
    /// Seen from a box's centre; empty for pixels that are no ring.
    sector: Vec<usize>,
}

impl Samples {
    fn new(window: &Window, pixels: &[usize]) -> Self {
        Self {
            ray_x: pixels.iter().map(|&i| window.rays[i][0]).collect(),
            ray_y: pixels.iter().map(|&i| window.rays[i][1]).collect(),
            depth_m: pixels.iter().map(|&i| window.depth_m[i]).collect(),
            sector: Vec::new(),
        }
    }

    fn of_ring(window: &Window, in_ring: u8, center: [f64; 2]) -> Self {
        let mut pixels = measured(window, in_ring);
        let every = pixels.len().div_ceil(MAX_SAMPLES).max(1);
        pixels = pixels.into_iter().step_by(every).collect();
        let sector = |&index: &usize| {
            let dx = (index % window.width) as f64 + 0.5 - center[0];
            let dy = (index / window.width) as f64 + 0.5 - center[1];
            let turn = dy.atan2(dx) / std::f64::consts::TAU + 0.5;
            ((turn * SECTORS as f64) as usize).min(SECTORS - 1)
        };
        Self {
            sector: pixels.iter().map(sector).collect(),
            ..Self::new(window, &pixels)
        }
    }

    fn len(&self) -> usize {
        self.depth_m.len()
    }

    /// What a test of ray and depth says of each sample.
    fn all(&self, test: impl Fn([f32; 2], f32) -> bool) -> Vec<bool> {
        let rays = self.ray_x.iter().zip(&self.ray_y);
        let samples = rays.zip(&self.depth_m);
        samples.map(|((&x, &y), &z)| test([x, y], z)).collect()
    }

    /// How many pass a test.
    fn count(&self, test: impl Fn([f32; 2], f32) -> bool) -> usize {
        // Compiled for wider registers too; the arithmetic is the same.
        let passed = Arch::new().dispatch(|| {
            // As wide as a coordinate, for the compiler's sake; a picture has less than 2^32.
            let mut passed = 0_u32;
            for ((&x, &y), &z) in self.ray_x.iter().zip(&self.ray_y).zip(&self.depth_m) {
                passed += u32::from(test([x, y], z));
            }
            passed
        });
        passed as usize
    }

    fn drop_all(&mut self, drop: &[bool]) {
        for values in [&mut self.ray_x, &mut self.ray_y, &mut self.depth_m] {
            retain(values, drop);
        }
        retain(&mut self.sector, drop);
    }

    /// The sample as a row of the linear equation `row . coefficients = 1 / depth`, and its depth.
    fn equation(&self, index: usize) -> (Vector3<f64>, f64) {
        let (x, y) = (self.ray_x[index].into(), self.ray_y[index].into());
        (Vector3::new(x, y, 1.0), self.depth_m[index].into())
    }
}

fn retain<T>(values: &mut Vec<T>, drop: &[bool]) {
    let mut drop = drop.iter();
    values.retain(|_| drop.next() != Some(&true));
}

/// RANSAC (Fischler & Bolles 1981), then least squares on the inliers, whose spread sets the tolerance.
fn fit(ring: &Samples, random: &mut Random) -> Option<Plane> {
    const TRIAL_TOLERANCE: f32 = 0.008;
    const MIN_TOLERANCE: f32 = 0.003;
    let mut best: Option<(usize, Plane)> = None;
    for _ in 0..TRIALS {
        let triple = [(); 3].map(|()| random.below(ring.len() as u64) as usize);
        let Some(coefficients) = through(triple.map(|i| ring.equation(i))) else {
            continue;
        };
        let plane = Plane {
            coefficients,
            tolerance_share: TRIAL_TOLERANCE,
        };
        let votes = ring.count(|ray, depth_m| plane.contains(ray, depth_m));
        if best.is_none_or(|(most, _)| votes > most) {
            best = Some((votes, plane));
        }
    }
    let (_, mut plane) = best?;
    for _ in 0..2 {
        let is_inlier = ring.all(|ray, depth_m| plane.contains(ray, depth_m));
        let inliers: Vec<usize> = (0..ring.len()).filter(|&i| is_inlier[i]).collect();
        plane.coefficients = least_squares(ring, &inliers)?;
        let mut residuals: Vec<f32> = inliers
            .iter()
            .map(|&i| {
                let ray = [ring.ray_x[i], ring.ray_y[i]];
                (1.0 - plane.relative_depth(ray, ring.depth_m[i])).abs()
            })
            .collect();
        let middle = residuals.len() / 2;
        let (_, median, _) = residuals.select_nth_unstable_by(middle, f32::total_cmp);
        // 1.4826 median absolute deviations are one standard deviation.
        plane.tolerance_share = (4.0 * 1.4826 * *median).clamp(MIN_TOLERANCE, TRIAL_TOLERANCE);
    }
    Some(plane)
}

/// The plane through three samples, by Cramer's rule.
fn through([(a, za), (b, zb), (c, zc)]: [(Vector3<f64>, f64); 3]) -> Option<[f32; 3]> {
    let (bc, ca, ab) = (b.cross(&c), c.cross(&a), a.cross(&b));
    let determinant = a.dot(&bc);
    // Three pixels in a row span no plane.
    if determinant.abs() < 1e-7 {
        return None;
    }
    let solution = (bc / za + ca / zb + ab / zc) / determinant;
    Some([solution.x as f32, solution.y as f32, solution.z as f32])
}

fn least_squares(ring: &Samples, inliers: &[usize]) -> Option<[f32; 3]> {
    let (mut normal, mut right) = (Matrix3::zeros(), Vector3::zeros());
    for &i in inliers {
        let (row, depth) = ring.equation(i);
        // A disparity error weighs depth squared in metres.
        let weight = depth * depth;
        normal += weight * row * row.transpose();
        right += weight / depth * row;
    }
    let solution = normal.cholesky()?.solve(&right);
    Some([solution.x as f32, solution.y as f32, solution.z as f32])
}
