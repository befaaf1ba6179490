//! Fingers: unlike an object, a finger runs on out of its box towards the arm. It is taken as
//! symmetric about its axis, and its centre is the middle of the cross-section at its end, for that
//! does not move with where a detector's box happens to cut the finger off.

use crate::geometry::outline::{Frame, Outline};
use crate::geometry::outlined;
use crate::geometry::sides::OUTWARD;
use crate::geometry::solid::{
    Point, Solid, completed, depth_of_center, front_of, point, rim, seen_through,
};
use crate::geometry::surfaces::runs_on;
use crate::geometry::window::Window;

/// Cosine of the angle up to which two fingers count as parallel (30 degrees).
const SAME_DIRECTION: f32 = 0.866;
/// What is left in sight of a hidden finger, smaller than this share of the largest part, tells no
/// direction.
const MIN_DIRECTION_SHARE: f32 = 0.25;
/// Fewer crossings of the box's side than this are no arm.
const MIN_CROSSINGS: usize = 3;
/// A part of an outlined fingertip that ends farther before the farthest end, as a share of all its parts' length, is a link
/// of a finger and not its end.
const MOST_SHORT: f32 = 0.35;
/// Farthest points that are left aside, as a divisor of all.
const END_OUTLIERS: usize = 50;
/// Sine of the smallest angle between axis and line of sight at which a cross-section shows.
const MIN_SIGHT: f32 = 0.2;

/// One straight finger: a unit vector along it, away from the arm, and how far it reaches along it,
/// measured from the camera.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub direction: Point,
    pub end_m: f32,
    /// Whether the target may hide the finger's end.
    pub hidden: bool,
}

/// The axis of each part of the fingertip; `None` where nothing tells. Fingers that run nearly the
/// same way share one direction, for a gripper's fingers are parallel; and one whose end the target
/// hides reaches as far as its neighbour, for a gripper's fingertips are level.
pub(super) fn axes(window: &Window, parts: &[Vec<usize>], target: &[usize]) -> Vec<Option<Axis>> {
    let near_target = surroundings(window, target);
    let largest = parts.iter().map(Vec::len).max().unwrap_or(0);
    let is_outlined = window.masks[0].is_some();
    let outlined = is_outlined.then(|| window.mask(&parts.concat()));
    let outlined = outlined.as_deref();
    let tells = |part: &Vec<usize>| part.len() as f32 >= MIN_DIRECTION_SHARE * largest as f32;
    let own: Vec<Option<Point>> = parts
        .iter()
        .map(|part| direction(window, part, outlined, &near_target).filter(|_| tells(part)))
        .collect();
    let weighted: Vec<(Point, f32)> = own
        .iter()
        .zip(parts)
        .filter_map(|(own, part)| Some(((*own)?, part.len() as f32)))
        .collect();
    let shared = |direction: &Point| -> Point {
        let parallel = weighted
            .iter()
            .filter(|(other, _)| other.dot(direction) > SAME_DIRECTION);
        parallel
            .map(|(other, weight)| other * *weight)
            .sum::<Point>()
            .normalize()
    };
    let strongest = weighted
        .iter()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(d, _)| shared(d));
    let seen: Vec<Option<Axis>> = own
        .iter()
        .zip(parts)
        .map(|(own, part)| {
            let direction = own.as_ref().map(shared).or(strongest)?;
            let (end_m, hidden) = end(window, part, &direction, &near_target);
            Some(Axis {
                direction,
                end_m,
                hidden,
            })
        })
        .collect();
    let level_with = |axis: Axis| {
        let parallel = seen
            .iter()
            .flatten()
            .filter(|other| other.direction.dot(&axis.direction) > SAME_DIRECTION);
        parallel.map(|other| other.end_m).fold(axis.end_m, f32::max)
    };
    seen.iter()
        .map(|seen| {
            let axis = (*seen)?;
            let end_m = if axis.hidden {
                level_with(axis)
            } else {
                axis.end_m
            };
            Some(Axis { end_m, ..axis })
        })
        .collect()
}

/// Which parts of the fingertip are ends of fingers. An outline may hold whole fingers, whose links are parts of their own; a
/// box is of their ends, so all its parts are. What the target may hide the end of counts.
pub(super) fn are_ends(
    window: &Window,
    parts: &[Vec<usize>],
    axes: &[Option<Axis>],
    target: &[usize],
) -> Vec<bool> {
    let weighted = (axes.iter().zip(parts))
        .filter_map(|(axis, part)| Some((*axis)?.direction * part.len() as f32));
    let direction: Point = weighted.sum();
    if window.masks[0].is_none() || direction.norm() <= f32::EPSILON {
        return vec![true; parts.len()];
    }
    let direction = direction.normalize();
    let near_target = surroundings(window, target);
    let reach: Vec<(f32, f32, bool)> = parts
        .iter()
        .map(|part| {
            let (begin, _) = end(window, part, &-direction, &near_target);
            let (end, hidden) = end(window, part, &direction, &near_target);
            (-begin, end, hidden)
        })
        .collect();
    let first = reach
        .iter()
        .map(|reach| reach.0)
        .fold(f32::INFINITY, f32::min);
    let last = reach
        .iter()
        .map(|reach| reach.1)
        .fold(f32::NEG_INFINITY, f32::max);
    let is_end =
        |&(_, end, hidden): &(f32, f32, bool)| hidden || last - end <= MOST_SHORT * (last - first);
    reach.iter().map(is_end).collect()
}

/// How far a part reaches along its direction, and whether the target may hide its end.
fn end(window: &Window, part: &[usize], direction: &Point, near_target: &[bool]) -> (f32, bool) {
    let along = |i: &usize| point(window, *i).dot(direction);
    let mut reach: Vec<f32> = part.iter().map(along).collect();
    let hidden = part.iter().any(|&i| near_target[i]);
    if reach.is_empty() {
        return (0.0, hidden);
    }
    let rank = reach.len() / END_OUTLIERS;
    let (_, end, _) = reach.select_nth_unstable_by(rank, |a, b| b.total_cmp(a));
    (*end, hidden)
}

/// The pixels themselves and those beside them, across the few that a sensor loses at an edge.
fn surroundings(window: &Window, pixels: &[usize]) -> Vec<bool> {
    const LOST_PX: isize = 3;
    let mut near = vec![false; window.place.len()];
    for &i in pixels {
        for dy in -LOST_PX..=LOST_PX {
            let first = window.beside(i, -LOST_PX, dy);
            near[first..=first + 2 * LOST_PX.unsigned_abs()].fill(true);
        }
    }
    near
}

/// From where a part leaves the fingertip's region for good to its middle. Of an `outlined` fingertip all pixels are told.
fn direction(
    window: &Window,
    part: &[usize],
    outlined: Option<&[bool]>,
    near_target: &[bool],
) -> Option<Point> {
    let cut = match outlined {
        None => cut_by_box(window, part),
        Some(fingertip) => (outlined::cuts(window, part, fingertip, near_target).into_iter())
            .find(|cut| cut.len() >= MIN_CROSSINGS),
    }?;
    let direction = mean(window, part) - mean(window, &cut);
    (direction.norm() > 1e-4).then(|| direction.normalize())
}

/// Where a part leaves the fingertip's box.
fn cut_by_box(window: &Window, part: &[usize]) -> Option<Vec<usize>> {
    let bbox = &window.fingertip;
    let to_sides = |i: usize| -> [f64; 4] {
        let (x, y) = (
            (i % window.width) as f64 + 0.5,
            (i / window.width) as f64 + 0.5,
        );
        [
            x - bbox.x_min,
            bbox.x_max - x,
            y - bbox.y_min,
            bbox.y_max - y,
        ]
    };
    let mut crossings = [0_usize; 4];
    for &i in part {
        for (side, distance) in to_sides(i).into_iter().enumerate() {
            crossings[side] += usize::from(distance < 1.5 && runs_on(window, i, OUTWARD[side]));
        }
    }
    let most = crossings
        .into_iter()
        .max()
        .filter(|&most| most >= MIN_CROSSINGS)?;
    // The whole cut through the finger, not only where the arm's side is seen to continue.
    let on_cut = |i: &usize| {
        let distances = to_sides(*i);
        (0..4).any(|side| crossings[side] * 3 >= most && distances[side] < 2.0)
    };
    Some(part.iter().copied().filter(on_cut).collect())
}

/// Complete a finger.
pub(super) fn finger(window: &Window, pixels: &[usize], axis: Axis) -> Solid {
    let inside = window.mask(pixels);
    let direction = axis.direction;
    let along = |p: &Point| p.dot(&direction);
    let across = |p: &Point| p - direction * along(p);
    let origin = mean(window, pixels);

    let slices = slices(window, pixels, &origin, &direction);
    let rims: Vec<[Point; 2]> = slices
        .iter()
        .map(|slice| slice.rims(window, &inside))
        .collect();
    let middles: Vec<Point> = rims
        .iter()
        .map(|[left, right]| across(&((left + right) * 0.5)))
        .collect();
    let coordinate = |k: usize| middle_mean(middles.iter().map(|p| p[k]).collect());
    let mut middle = Point::new(coordinate(0), coordinate(1), coordinate(2));

    // Along the line of sight, as far as it is across the finger.
    let view = origin.normalize();
    let sight = across(&view);
    if sight.norm() > MIN_SIGHT {
        let sight = sight.normalize();
        let front = front_of(
            pixels
                .iter()
                .map(|&i| point(window, i).dot(&sight))
                .collect(),
        );
        let width_px = middle_mean(
            slices
                .iter()
                .map(|slice| slice.right.0 - slice.left.0 + 1.0)
                .collect(),
        );
        let compact = front + 0.5 * width_px * window.footprint_m(origin.z);
        let outline = middle.dot(&sight);
        middle += sight * (depth_of_center(front, outline, compact) - outline);
    }
    let mirrored = |p: Point| 2.0 * (middle + direction * along(&p)) - p;
    let outline = outline(window, pixels, &inside, &origin, axis, &rims);
    let straightened = |p: Point| {
        outline
            .as_ref()
            .map_or(p, |outline| outline.straightened(p))
    };
    let mut surface = completed(window, pixels, &inside, straightened, mirrored);
    for (slice, rims) in slices.iter().zip(&rims) {
        let [left, right] = rims.map(straightened);
        surface.extend(flank(window, left, mirrored(right), slice.left.1, axis));
        surface.extend(flank(window, right, mirrored(left), slice.right.1, axis));
    }
    Solid {
        center: middle + direction * axis.end_m,
        surface,
        is_supported: outline.is_some_and(|outline| outline.is_straight()),
    }
}

/// `None` where the camera looks along the finger.
fn outline(
    window: &Window,
    pixels: &[usize],
    inside: &[bool],
    origin: &Point,
    axis: Axis,
    rims: &[[Point; 2]],
) -> Option<Outline> {
    let direction = axis.direction;
    let side = direction.cross(&origin.normalize());
    let sine = side.norm();
    if sine < MIN_SIGHT {
        return None;
    }
    let [du, dv] = in_picture(origin, &direction);
    let forward = if du.abs() > dv.abs() {
        (du.signum() as isize, 0)
    } else {
        (0, dv.signum() as isize)
    };
    let across_m = window.footprint_m(origin.z);
    let frame = Frame {
        origin: *origin,
        direction,
        side: side / sine,
        across_m,
        along_m: across_m / sine,
        forward,
    };
    let edges = [0, 1].map(|k| rims.iter().map(|rims| rims[k]).collect());
    Some(Outline::of(
        window,
        pixels,
        inside,
        frame,
        edges,
        axis.hidden,
    ))
}

/// The hidden side of one slice, from where the seen surface ends to where the hidden one does. `near`
/// is a pixel beside it.
fn flank(window: &Window, from: Point, to: Point, near: usize, axis: Axis) -> Vec<Point> {
    const MOST_STEPS: usize = 60;
    let behind = to - from;
    let behind = behind - axis.direction * behind.dot(&axis.direction);
    if behind.dot(&from) <= 0.0 {
        return Vec::new();
    }
    let footprint = window.footprint_m(from.z);
    let steps = ((behind.norm() / footprint) as usize).clamp(1, MOST_STEPS);
    // Beside the very rim a pixel may look past it: one pixel further in decides.
    let inward = axis.direction.cross(&from).normalize() * footprint;
    let outside = inward.dot(&(from - point(window, near)));
    let inward = inward * -outside.signum();
    (1..=steps)
        .map(|step| from + behind * (step as f32 / steps as f32))
        .filter(|p| !seen_through(window, near, &(p + inward)))
        .collect()
}

/// A one-pixel slice across the finger in the picture: its outermost pixels, each with its position
/// across the finger in pixels.
struct Slice {
    left: (f32, usize),
    right: (f32, usize),
    /// The step of one pixel across the finger.
    step: (isize, isize),
}

impl Slice {
    /// Where the finger ends to the left and to the right.
    fn rims(&self, window: &Window, inside: &[bool]) -> [Point; 2] {
        let (dx, dy) = self.step;
        let edge = |i: usize, side: (isize, isize)| {
            rim(window, i, side, inside).unwrap_or_else(|| point(window, i))
        };
        [edge(self.left.1, (-dx, -dy)), edge(self.right.1, (dx, dy))]
    }
}

/// A direction as it shows in the picture, of length one.
fn in_picture(origin: &Point, direction: &Point) -> [f32; 2] {
    const APART_M: f32 = 0.01;
    let ahead = origin + direction * APART_M;
    let (du, dv) = (
        ahead.x / ahead.z - origin.x / origin.z,
        ahead.y / ahead.z - origin.y / origin.z,
    );
    let length = du.hypot(dv).max(1e-9);
    [du / length, dv / length]
}

fn slices(window: &Window, pixels: &[usize], origin: &Point, direction: &Point) -> Vec<Slice> {
    let [du, dv] = in_picture(origin, direction);
    let step = ((-dv).round() as isize, du.round() as isize);
    let focal_px = window.focal_px as f32;
    let positions = pixels.iter().map(|&i| {
        let [x, y] = window.rays[i].map(|k| k * focal_px);
        ((x * du + y * dv).round() as i32, -x * dv + y * du, i)
    });
    let positions: Vec<(i32, f32, usize)> = positions.collect();
    let first = positions.iter().map(|&(along, ..)| along).min();
    let last = positions.iter().map(|&(along, ..)| along).max();
    let (first, last) = (first.unwrap_or(0), last.unwrap_or(0));
    // One place for each pixel along the axis; a finger is no longer than the window's diagonal.
    let mut slices: Vec<Option<Slice>> = Vec::new();
    slices.resize_with((last - first + 1).unsigned_abs() as usize, || None);
    for (along, across, i) in positions {
        let slice = slices[(along - first).unsigned_abs() as usize].get_or_insert(Slice {
            left: (across, i),
            right: (across, i),
            step,
        });
        if across < slice.left.0 {
            slice.left = (across, i);
        }
        if across > slice.right.0 {
            slice.right = (across, i);
        }
    }
    slices.into_iter().flatten().collect()
}

fn mean(window: &Window, pixels: &[usize]) -> Point {
    pixels.iter().map(|&i| point(window, i)).sum::<Point>() / pixels.len() as f32
}

/// Mean of the middle half of the values: finer than the median where pixels quantise, as robust.
fn middle_mean(mut values: Vec<f32>) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let cut = values.len() / 4;
    let kept = &values[cut..values.len() - cut];
    kept.iter().sum::<f32>() / kept.len() as f32
}
