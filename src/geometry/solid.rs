//! From the visible skin of an object to the solid behind it. The camera sees the front half only;
//! the hidden half follows from taking the object as symmetric about its centre.

use nalgebra::Vector3;

use crate::frame::BoundingBox;
use crate::geometry::window::Window;

/// Directions in which opposite points of the outline are looked for.
const DIRECTIONS: usize = 24;
/// Opposite outline points belong together when the nearer lies at least this share as far out.
const PAIR_BALANCE: f64 = 0.6;
/// Fewer pairs than this share of the directions say nothing about the centre.
const MIN_PAIRS_SHARE: f64 = 1.0 / 6.0;
/// The nearest points, a few flying pixels left aside, as a share of all.
const FRONT_SHARE: f32 = 0.03;
/// An outline this many pixels from an occluder does not end there: it goes on behind it.
const OCCLUDER_REACH_PX: f64 = 4.0;
/// Pixels that border on an occluder, as a share of half the box's outline, from which on the
/// visible part no longer tells the object's width.
const OCCLUDED_SHARE: f64 = 0.1;

/// A point or vector in metres in the camera's optical frame.
pub type Point = Vector3<f32>;

/// A region's solid in the camera frame.
pub struct Solid {
    pub center: Point,
    /// Points on its surface, seen and completed.
    pub surface: Vec<Point>,
}

/// Complete an object that its box holds whole. `occluder` marks pixels of what may hide a part.
pub fn object(window: &Window, pixels: &[usize], bbox: &BoundingBox, occluder: &[bool]) -> Solid {
    let inside = window.mask(pixels);
    let front = front_of(pixels.iter().map(|&i| window.depth_m[i]).collect());
    let mut width = bbox.width().min(bbox.height());
    let borders_on_occluder = |i: &&usize| window.neighbours(**i).iter().any(|&j| occluder[j]);
    let hidden = pixels.iter().filter(borders_on_occluder).count();
    // Of an object that something hides a part of, only its box tells the size.
    if (hidden as f64) < OCCLUDED_SHARE * (bbox.width() + bbox.height()) {
        width = width.min(1.1 * minor_width_px(window, pixels));
    }
    let compact = front + 0.5 * width as f32 * window.footprint_m(front);
    let outline = outline_depth(window, &inside, bbox, occluder);
    let depth = outline.map_or(compact, |outline| depth_of_center(front, outline, compact));
    let [x, y] = bbox.center();
    let column = (x as usize).min(window.width - 1);
    let row = (y as usize).min(window.height - 1);
    let center = Point::from(window.point_at(row * window.width + column, depth));
    Solid {
        center,
        surface: completed(window, pixels, &inside, |p| 2.0 * center - p),
    }
}

/// Depth of the centre. A body of which two or more sides show has its outline's mean depth; of a
/// body that turns one flat side to the camera the outline says nothing, and it is taken to be as
/// deep as it is wide (`compact`).
pub fn depth_of_center(front: f32, outline: f32, compact: f32) -> f32 {
    const SIDES_SHOW: f32 = 0.5;
    if outline - front > SIDES_SHOW * (compact - front) {
        outline
    } else {
        compact
    }
}

/// The nearest of some distances along the line of sight, robustly.
pub fn front_of(mut depths: Vec<f32>) -> f32 {
    let rank = (depths.len() as f32 * FRONT_SHARE) as usize;
    *depths.select_nth_unstable_by(rank, f32::total_cmp).1
}

/// The seen points, their mirror images, and between outline points and theirs the hidden sides.
pub fn completed(
    window: &Window,
    pixels: &[usize],
    inside: &[bool],
    mirrored: impl Fn(Point) -> Point,
) -> Vec<Point> {
    const MOST_STEPS: usize = 60;
    let mut surface = Vec::with_capacity(6 * pixels.len());
    for &i in pixels {
        let seen = point(window, i);
        surface.push(seen);
        let hidden = mirrored(seen);
        // A mirror image in front of the skin would have been seen: the symmetry is broken there.
        if (hidden - seen).dot(&seen) > 0.0 {
            surface.push(hidden);
        }
        for side in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
            let Some(rim) = rim(window, i, side, inside) else {
                continue;
            };
            surface.push(rim);
            let behind = mirrored(rim) - rim;
            if behind.dot(&rim) > 0.0 {
                let steps = (behind.norm() / (2.0 * window.footprint_m(rim.z))) as usize;
                let share = |k: usize| k as f32 / steps as f32;
                surface.extend((1..=steps.min(MOST_STEPS)).map(|k| rim + behind * share(k)));
            }
        }
    }
    surface
}

/// Where the surface ends beside an outline pixel: on average half a pixel beyond its middle, and a
/// whole pixel where the sensor saw nothing beside it. `None` where it does not end on that side.
pub fn rim(
    window: &Window,
    index: usize,
    (dx, dy): (isize, isize),
    inside: &[bool],
) -> Option<Point> {
    let next = window.beside(index, dx, dy);
    if inside[next] || window.place[next] == 0 {
        return None;
    }
    let beyond = if window.depth_m[next].is_nan() {
        1.0
    } else {
        0.5
    };
    let depth = window.depth_m[index] + beyond * slope(window, index, (dx, dy), inside);
    let ([x, y], [nx, ny]) = (window.rays[index], window.rays[next]);
    Some(Point::new(
        (x + beyond * (nx - x)) * depth,
        (y + beyond * (ny - y)) * depth,
        depth,
    ))
}

/// How much deeper the surface gets per pixel towards a side, from the pixel on the other side.
fn slope(window: &Window, index: usize, (dx, dy): (isize, isize), inside: &[bool]) -> f32 {
    let jump = window.jump_m(window.depth_m[index]);
    let opposite = window.beside(index, -dx, -dy);
    if inside[opposite] {
        (window.depth_m[index] - window.depth_m[opposite]).clamp(-jump, jump)
    } else {
        0.0
    }
}

/// For a body symmetric about its centre, opposite points of the outline lie on both sides of the
/// centre's depth: the median of their means. `None` if too few pairs show.
fn outline_depth(
    window: &Window,
    inside: &[bool],
    bbox: &BoundingBox,
    occluder: &[bool],
) -> Option<f32> {
    let mut depths: Vec<f32> = (0..DIRECTIONS)
        .filter_map(|k| {
            let (dy, dx) = (std::f64::consts::PI * k as f64 / DIRECTIONS as f64).sin_cos();
            let (ra, za) = outermost(window, inside, bbox, occluder, (dx, dy))?;
            let (rb, zb) = outermost(window, inside, bbox, occluder, (-dx, -dy))?;
            (ra.min(rb) > PAIR_BALANCE * ra.max(rb)).then_some((za + zb) / 2.0)
        })
        .collect();
    if (depths.len() as f64) < MIN_PAIRS_SHARE * DIRECTIONS as f64 {
        return None;
    }
    let middle = depths.len() / 2;
    Some(*depths.select_nth_unstable_by(middle, f32::total_cmp).1)
}

/// Distance in pixels from the box's centre to the outline in one direction, and the depth there.
fn outermost(
    window: &Window,
    inside: &[bool],
    bbox: &BoundingBox,
    occluder: &[bool],
    (dx, dy): (f64, f64),
) -> Option<(f64, f32)> {
    const STEP_PX: f64 = 0.7;
    let [cx, cy] = bbox.center();
    let steps = (bbox.width().hypot(bbox.height()) / STEP_PX) as usize;
    let outward = (dx.round() as isize, dy.round() as isize);
    let mut last: Option<(f64, f32)> = None;
    for r in (0..=steps).map(|k| k as f64 * STEP_PX) {
        let (x, y) = (cx + r * dx, cy + r * dy);
        if x < 0.0 || y < 0.0 || x >= window.width as f64 || y >= window.height as f64 {
            break;
        }
        let i = y as usize * window.width + x as usize;
        if inside[i] {
            last = Some((
                r,
                window.depth_m[i] + 0.5 * slope(window, i, outward, inside),
            ));
        } else if occluder[i] && last.is_some_and(|(at, _)| r - at < OCCLUDER_REACH_PX) {
            return None;
        }
    }
    last
}

/// Width of the region across its long side: sqrt(12) standard deviations of a uniform strip.
fn minor_width_px(window: &Window, pixels: &[usize]) -> f64 {
    let mut sums = [0; 5];
    for &i in pixels {
        let (x, y) = ((i % window.width) as u64, (i / window.width) as u64);
        for (sum, term) in sums.iter_mut().zip([x, y, x * x, y * y, x * y]) {
            *sum += term;
        }
    }
    let [mx, my, xx, yy, xy] = sums.map(|sum| sum as f64 / pixels.len() as f64);
    let (xx, yy, xy) = (xx - mx * mx, yy - my * my, xy - mx * my);
    let minor = (xx + yy) / 2.0 - (((xx - yy) / 2.0).powi(2) + xy * xy).sqrt();
    (12.0 * minor.max(0.0)).sqrt()
}

pub fn point(window: &Window, index: usize) -> Point {
    Point::from(window.point(index))
}
