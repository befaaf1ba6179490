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

/// Cosine of the angle up to which two fingers count as parallel (30 degrees).
const SAME_DIRECTION: f32 = 0.866;

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
    // Of an object that something hides a part of, only its box tells the size.
    let hidden = pixels.iter().filter(|&&i| window.neighbours(i).any(|j| occluder[j])).count();
    let mut thickness = bbox.width().min(bbox.height());
    if (hidden as f64) < 0.1 * (bbox.width() + bbox.height()) {
        thickness = thickness.min(1.1 * minor_width_px(window, pixels));
    }
    let compact = front + 0.5 * thickness as f32 * window.footprint_m(front);
    let outline = outline_depth(window, &inside, occluder, cx, cy, bbox.width().hypot(bbox.height()));
    let depth = outline.map_or(compact, |z| thickness_rule(front, z, compact));
    let center = point_at_pixel(window, cx, cy, depth);
    let mirrored = |p: Point| 2.0 * center - p;
    Solid {
        center,
        surface: completed(window, pixels, &inside, mirrored),
    }
}

/// Complete a finger: `axis` is the unit vector along it, away from the arm. Its centre is the
/// middle of the cross-section at its end, for that does not move with where the box cuts it off.
pub fn finger(window: &Window, pixels: &[usize], axis: Point, end_along: f32) -> Solid {
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
    let (nx, ny) = ((-dv).round() as isize, du.round() as isize);
    let edge = |i: usize, side: isize| rim(window, i, (side * nx, side * ny), &inside).unwrap_or_else(|| point(window, i));
    let middles: Vec<Point> = slices.values().map(|s| across(&((edge(s.1, -1) + edge(s.3, 1)) * 0.5))).collect();
    let coordinate = |k: usize| middle_mean(middles.iter().map(|p| p[k]).collect());
    let mut middle = Point::new(coordinate(0), coordinate(1), coordinate(2));
    let width_px = middle_mean(slices.values().map(|s| s.2 - s.0 + 1.0).collect());

    let view = origin.normalize();
    let view_across = view - axis * view.dot(&axis);
    let sight = view_across.norm();
    if sight > 0.2 {
        let direction = view_across / sight;
        let front = front_depth(pixels.iter().map(|&i| across(&point(window, i)).dot(&direction)).collect());
        let compact = front + 0.5 * width_px * window.footprint_m(origin.z);
        let now = middle.dot(&direction);
        middle += direction * (thickness_rule(front, now, compact) - now);
    }
    let end = end_along - origin.dot(&axis);
    let mirrored = |p: Point| 2.0 * (middle + axis * along(&p)) - p;
    Solid {
        center: middle + axis * end,
        surface: completed(window, pixels, &inside, mirrored),
    }
}

/// Which way each part of the fingertip runs, away from the arm; `None` where nothing tells.
/// Fingers that run nearly the same way share one axis, for a gripper's fingers are parallel.
pub fn finger_axes(window: &Window, parts: &[Vec<usize>]) -> Vec<Option<Point>> {
    let own: Vec<Option<Point>> = parts.iter().map(|part| finger_axis(window, part)).collect();
    let weighted: Vec<(Point, f32)> = own.iter().zip(parts).filter_map(|(axis, part)| Some(((*axis)?, part.len() as f32))).collect();
    let shared = |axis: &Point| -> Point {
        weighted.iter().filter(|(other, _)| other.dot(axis) > SAME_DIRECTION).map(|(other, weight)| other * *weight).sum::<Point>().normalize()
    };
    let strongest = weighted.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(axis, _)| shared(axis));
    own.iter().map(|axis| axis.as_ref().map(shared).or(strongest)).collect()
}

/// How far each part reaches along its axis (the camera's origin is 0). A finger whose end is behind
/// the target reaches as far as its parallel neighbour, for a gripper's fingertips are level.
pub fn finger_ends(window: &Window, parts: &[Vec<usize>], axes: &[Option<Point>], target: &[bool]) -> Vec<f32> {
    let own: Vec<(f32, bool)> = parts.iter().zip(axes).map(|(part, axis)| {
        let Some(axis) = axis else { return (f32::NEG_INFINITY, false) };
        let mut reach: Vec<(f32, usize)> = part.iter().map(|&i| (point(window, i).dot(axis), i)).collect();
        reach.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        // The half towards the end borders on the target.
        let half = &reach[..reach.len().div_ceil(2)];
        let behind = half.iter().any(|(_, i)| window.neighbours(*i).any(|j| target[j]));
        (reach[reach.len() / 50].0, behind)
    }).collect();
    own.iter().zip(axes).map(|(&(end, hidden), axis)| {
        if !hidden { return end; }
        own.iter().zip(axes).filter(|(_, other)| match (axis, other) {
            (Some(a), Some(b)) => a.dot(b) > SAME_DIRECTION,
            _ => false,
        }).map(|(&(end, _), _)| end).fold(end, f32::max)
    }).collect()
}

/// From where a part leaves the fingertip's box to its middle.
fn finger_axis(window: &Window, pixels: &[usize]) -> Option<Point> {
    use crate::geometry::window::IN_FINGERTIP;
    let b = &window.fingertip;
    let side_of = |i: usize| -> [f64; 4] {
        let (x, y) = ((i % window.width) as f64 + 0.5, (i / window.width) as f64 + 0.5);
        [x - b.x_min, b.x_max - x, y - b.y_min, b.y_max - y]
    };
    // It leaves for good, not by the pixel or two that a detector's box is off.
    const OUTWARD: [(isize, isize); 4] = [(-1, 0), (1, 0), (0, -1), (0, 1)];
    const BEYOND_PX: isize = 4;
    let continues = |from: usize, side: usize| -> bool {
        let (column, row) = ((from % window.width) as isize, (from / window.width) as isize);
        let (dx, dy) = OUTWARD[side];
        let mut last = from;
        for step in 1..=BEYOND_PX {
            let (x, y) = (column + dx * step, row + dy * step);
            if x < 0 || y < 0 || x >= window.width as isize || y >= window.height as isize { return false; }
            let next = y as usize * window.width + x as usize;
            let gap = (window.depth_m[next] - window.depth_m[last]).abs();
            if window.place[next] == 0 || gap.is_nan() || gap > window.jump_m(window.depth_m[last]) { return false; }
            last = next;
        }
        true
    };
    let mut crossings = [0_usize; 4];
    for &i in pixels {
        let distances = side_of(i);
        for side in 0..4 {
            if distances[side] < 1.5 && continues(i, side) { crossings[side] += 1; }
        }
    }
    let most = *crossings.iter().max()?;
    if most < 3 {
        return None;
    }
    // The whole cut through the finger, not only where the arm's side is seen to continue.
    let exits: Vec<usize> = pixels.iter().copied().filter(|&i| {
        let distances = side_of(i);
        (0..4).any(|side| crossings[side] * 3 >= most && distances[side] < 2.0)
    }).collect();
    let axis = mean_point(window, pixels) - mean_point(window, &exits);
    (axis.norm() > 1e-4).then(|| axis.normalize())
}

/// Depth of the centre. A body of which two or more sides show has its outline's mean depth; of a
/// body that turns one flat side to the camera the outline says nothing, and it is taken to be as
/// deep as it is wide.
fn thickness_rule(front: f32, outline: f32, compact: f32) -> f32 {
    const SIDES_SHOW: f32 = 0.5;
    if outline - front > SIDES_SHOW * (compact - front) { outline } else { compact }
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
            if inside[i] {
                // Half a pixel on, the surface ends.
                let jump = window.jump_m(window.depth_m[i]);
                let slope = window.beside(i, -dx.round() as isize, -dy.round() as isize).filter(|&j| inside[j]).map_or(0.0, |j| (window.depth_m[i] - window.depth_m[j]).clamp(-jump, jump));
                last = Some((r, window.depth_m[i] + 0.5 * slope));
            }
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

/// Mean of the middle half of the values: finer than the median where pixels quantise, as robust.
fn middle_mean(mut values: Vec<f32>) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let cut = values.len() / 4;
    let kept = &values[cut..values.len() - cut];
    kept.iter().sum::<f32>() / kept.len() as f32
}

/// The seen points, their mirror images, and between outline points and theirs the hidden sides.
fn completed(window: &Window, pixels: &[usize], inside: &[bool], mirrored: impl Fn(Point) -> Point) -> Vec<Point> {
    let mut surface = Vec::with_capacity(6 * pixels.len());
    for &i in pixels {
        let seen = point(window, i);
        surface.push(seen);
        let hidden = mirrored(seen);
        // A mirror image in front of the skin would have been seen: the symmetry is broken there.
        if (hidden - seen).dot(&seen) > 0.0 {
            surface.push(hidden);
        }
        for rim in rims(window, i, inside) {
            surface.push(rim);
            let behind = mirrored(rim) - rim;
            if behind.dot(&rim) <= 0.0 { continue; }
            let step = 2.0 * window.footprint_m(rim.z);
            let steps = (behind.norm() / step) as usize;
            surface.extend((1..=steps.min(60)).map(|k| rim + behind * (k as f32 / steps as f32)));
        }
    }
    surface
}

/// Where the surface ends beside an outline pixel, on each side that it ends on.
fn rims(window: &Window, index: usize, inside: &[bool]) -> impl Iterator<Item = Point> {
    [(-1, 0), (1, 0), (0, -1), (0, 1)].into_iter().filter_map(move |side| rim(window, index, side, inside))
}

/// On average the surface ends half a pixel beyond its last pixel's middle, and a whole pixel where
/// the sensor saw nothing beside it. `None` where it does not end on that side.
fn rim(window: &Window, index: usize, (dx, dy): (isize, isize), inside: &[bool]) -> Option<Point> {
    let next = window.beside(index, dx, dy)?;
    if inside[next] || window.place[next] == 0 {
        return None;
    }
    let beyond = if window.depth_m[next].is_nan() { 1.0 } else { 0.5 };
    let slope = window.beside(index, -dx, -dy).filter(|&j| inside[j]).map_or(0.0, |j| window.depth_m[index] - window.depth_m[j]);
    let jump = window.jump_m(window.depth_m[index]);
    let depth = window.depth_m[index] + beyond * slope.clamp(-jump, jump);
    let ([x, y], [nx, ny]) = (window.rays[index], window.rays[next]);
    Some(Point::new((x + beyond * (nx - x)) * depth, (y + beyond * (ny - y)) * depth, depth))
}
