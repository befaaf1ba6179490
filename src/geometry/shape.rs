//! From the visible skin of a region to the solid behind it. The camera sees the front half only;
//! the hidden half follows from symmetry: an object is taken as symmetric about its centre, a
//! finger (which runs on out of its box towards the arm) as symmetric about its axis.

use nalgebra::Vector3;

use crate::frame::BoundingBox;
use crate::geometry::window::Window;

/// Directions in which opposite points of an outline are looked for.
const DIRECTIONS: usize = 24;
/// Opposite outline points belong together when the nearer lies at least this share as far out.
const PAIR_BALANCE: f64 = 0.6;
/// The nearest points, a few flying pixels left aside, as a share of all.
const FRONT_SHARE: f32 = 0.03;

pub type Point = Vector3<f32>;

/// A region's solid: centre in the camera frame, and points on its surface, seen and completed.
pub struct Solid {
    pub center: Point,
    pub surface: Vec<Point>,
}

/// Complete an object that its box holds whole.
pub fn object(window: &Window, pixels: &[usize], bbox: &BoundingBox, occluder: &[bool]) -> Solid {
    let inside = mask(window, pixels);
    let [cx, cy] = bbox.center();
    let front = front_depth(pixels.iter().map(|&i| window.depth_m[i]).collect());
    let thickness = bbox.width().min(bbox.height()).min(1.1 * minor_width_px(window, pixels));
    let compact = front + 0.5 * thickness as f32 * window.footprint_m(front);
    let outline = outline_depth(window, &inside, occluder, cx, cy, bbox.width().hypot(bbox.height()));
    let depth = outline.map_or(compact, |z| z.max(compact));
    let center = point_at_pixel(window, cx, cy, depth);
    let mirrored = |p: Point| 2.0 * center - p;
    Solid {
        center,
        surface: completed(window, pixels, &inside, mirrored),
    }
}

/// Complete a finger: `axis` is the unit vector along it, away from the arm. Its centre is the
/// middle of the cross-section at its end, for that does not move with where the box cuts it off.
pub fn finger(window: &Window, pixels: &[usize], axis: Point) -> Solid {
    let inside = mask(window, pixels);
    let origin = mean_point(window, pixels);
    let along = |p: &Point| (p - origin).dot(&axis);
    let across = |p: &Point| p - axis * along(p);

    // In the picture: which way the axis runs, and what is across it.
    let ahead = origin + axis * 0.01;
    let (u0, v0) = (origin.x / origin.z, origin.y / origin.z);
    let (du, dv) = (ahead.x / ahead.z - u0, ahead.y / ahead.z - v0);
    let length = du.hypot(dv).max(1e-9);
    let (du, dv) = (du / length, dv / length);
    let mut slices: std::collections::BTreeMap<i32, (f32, usize, f32, usize)> = std::collections::BTreeMap::new();
    for &i in pixels {
        let [x, y] = window.rays[i];
        let (t, n) = ((x * du + y * dv) * window.focal_px as f32, (-x * dv + y * du) * window.focal_px as f32);
        let slot = slices.entry(t.round() as i32).or_insert((n, i, n, i));
        if n < slot.0 { (slot.0, slot.1) = (n, i); }
        if n > slot.2 { (slot.2, slot.3) = (n, i); }
    }
    let middles: Vec<Point> = slices.values().map(|s| across(&((point(window, s.1) + point(window, s.3)) * 0.5))).collect();
    let mut middle = median_point(&middles);
    let mut widths: Vec<f32> = slices.values().map(|s| s.2 - s.0 + 1.0).collect();
    let half = widths.len() / 2;
    let width_px = *widths.select_nth_unstable_by(half, f32::total_cmp).1;

    let view = origin.normalize();
    let view_across = view - axis * view.dot(&axis);
    let sight = view_across.norm();
    if sight > 0.2 {
        let direction = view_across / sight;
        let front = front_depth(pixels.iter().map(|&i| across(&point(window, i)).dot(&direction)).collect());
        let compact = front + 0.5 * width_px * window.footprint_m(origin.z);
        let now = middle.dot(&direction);
        middle += direction * (compact - now).max(0.0);
    }
    let mut reach: Vec<f32> = pixels.iter().map(|&i| along(&point(window, i))).collect();
    reach.sort_unstable_by(f32::total_cmp);
    let end = reach[reach.len() - 1 - reach.len() / 50];
    let mirrored = |p: Point| 2.0 * (middle + axis * along(&p)) - p;
    Solid {
        center: middle + axis * end,
        surface: completed(window, pixels, &inside, mirrored),
    }
}

/// Which way a part of the fingertip runs: from where it leaves the fingertip's box to its middle.
pub fn finger_axis(window: &Window, pixels: &[usize]) -> Option<Point> {
    use crate::geometry::window::IN_FINGERTIP;
    let exits: Vec<usize> = pixels.iter().copied().filter(|&i| {
        window.neighbours(i).any(|j| {
            window.place[j] != 0 && window.place[j] & IN_FINGERTIP == 0
                && (window.depth_m[j] - window.depth_m[i]).abs() < window.jump_m(window.depth_m[i])
        })
    }).collect();
    if exits.len() < 3 {
        return None;
    }
    let axis = mean_point(window, pixels) - mean_point(window, &exits);
    (axis.norm() > 1e-4).then(|| axis.normalize())
}

fn point(window: &Window, index: usize) -> Point {
    Point::from(window.point(index))
}

pub fn mask(window: &Window, pixels: &[usize]) -> Vec<bool> {
    let mut inside = vec![false; window.place.len()];
    for &i in pixels {
        inside[i] = true;
    }
    inside
}

fn front_depth(mut depths: Vec<f32>) -> f32 {
    let rank = (depths.len() as f32 * FRONT_SHARE) as usize;
    *depths.select_nth_unstable_by(rank, f32::total_cmp).1
}

/// Width of the region across its long side: sqrt(12) standard deviations of a uniform strip.
fn minor_width_px(window: &Window, pixels: &[usize]) -> f64 {
    let n = pixels.len() as f64;
    let (mut mx, mut my, mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for &i in pixels {
        let (x, y) = ((i % window.width) as f64, (i / window.width) as f64);
        mx += x; my += y; xx += x * x; yy += y * y; xy += x * y;
    }
    mx /= n; my /= n;
    let (xx, yy, xy) = (xx / n - mx * mx, yy / n - my * my, xy / n - mx * my);
    let minor = (xx + yy) / 2.0 - (((xx - yy) / 2.0).powi(2) + xy * xy).sqrt();
    (12.0 * minor.max(0.0)).sqrt()
}

/// Depth of the centre from opposite points of the outline: for a body symmetric about its centre
/// their mean lies at the centre's depth. `None` if too few pairs show.
fn outline_depth(window: &Window, inside: &[bool], occluder: &[bool], cx: f64, cy: f64, reach_px: f64) -> Option<f32> {
    let outermost = |dx: f64, dy: f64| -> Option<(f64, f32)> {
        let mut last = None;
        let mut r = 0.0;
        while r < reach_px {
            let (x, y) = (cx + r * dx, cy + r * dy);
            if x < 0.0 || y < 0.0 || x >= window.width as f64 || y >= window.height as f64 { break; }
            let i = y as usize * window.width + x as usize;
            if inside[i] { last = Some((r, window.depth_m[i])); }
            // Behind something: this is no end of the object.
            else if occluder[i] && last.is_some_and(|(at, _)| r - at < 4.0) { return None; }
            r += 0.7;
        }
        last
    };
    let mut depths: Vec<f32> = (0..DIRECTIONS).filter_map(|k| {
        let (dy, dx) = (std::f64::consts::PI * k as f64 / DIRECTIONS as f64).sin_cos();
        let ((ra, za), (rb, zb)) = (outermost(dx, dy)?, outermost(-dx, -dy)?);
        (ra.min(rb) > PAIR_BALANCE * ra.max(rb)).then_some((za + zb) / 2.0)
    }).collect();
    if depths.len() < DIRECTIONS / 6 { return None; }
    let middle = depths.len() / 2;
    Some(*depths.select_nth_unstable_by(middle, f32::total_cmp).1)
}

fn point_at_pixel(window: &Window, x: f64, y: f64, depth: f32) -> Point {
    let column = (x as usize).min(window.width - 1);
    let row = (y as usize).min(window.height - 1);
    Point::from(window.point_at(row * window.width + column, depth))
}

fn mean_point(window: &Window, pixels: &[usize]) -> Point {
    pixels.iter().map(|&i| point(window, i)).sum::<Point>() / pixels.len() as f32
}

fn median_point(points: &[Point]) -> Point {
    let axis = |k: usize| {
        let mut values: Vec<f32> = points.iter().map(|p| p[k]).collect();
        let middle = values.len() / 2;
        *values.select_nth_unstable_by(middle, f32::total_cmp).1
    };
    Point::new(axis(0), axis(1), axis(2))
}

/// The seen points, their mirror images, and between outline points and theirs the hidden sides.
fn completed(window: &Window, pixels: &[usize], inside: &[bool], mirrored: impl Fn(Point) -> Point) -> Vec<Point> {
    let mut surface = Vec::with_capacity(4 * pixels.len());
    for &i in pixels {
        let seen = point(window, i);
        let hidden = mirrored(seen);
        surface.push(seen);
        // A mirror image in front of the skin would have been seen: the symmetry is broken there.
        let behind = hidden - seen;
        if behind.dot(&seen) <= 0.0 { continue; }
        surface.push(hidden);
        if window.neighbours(i).any(|j| !inside[j]) {
            let step = 2.0 * window.footprint_m(seen.z);
            let steps = (behind.norm() / step) as usize;
            surface.extend((1..steps.min(60)).map(|k| seen + behind * (k as f32 / steps as f32)));
        }
    }
    surface
}
