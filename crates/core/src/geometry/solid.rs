//! From the visible skin of an object to the solid behind it. The camera sees the front half only;
//! the hidden half follows from taking the object as symmetric about its centre.

use nalgebra::Vector3;

use crate::frame::BoundingBox;
use crate::geometry::sides::OUTWARD;
use crate::geometry::window::{IN_ANY_BOX, IN_FINGERTIP, IN_TARGET, Window};

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
pub(super) struct Solid {
    pub center: Point,
    /// Points on its surface, seen and completed.
    pub surface: Vec<Point>,
    /// The outline shows the symmetry that it was completed by.
    pub is_supported: bool,
}

/// Complete an object that its box holds whole. `occluder` marks pixels of what may hide a part.
pub(super) fn object(
    window: &Window,
    pixels: &[usize],
    bbox: &BoundingBox,
    occluder: &[bool],
) -> Solid {
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
    let [x, y] = window.ray_at(bbox.center());
    let center = Point::new(x, y, 1.0) * depth;
    Solid {
        center,
        surface: completed(window, pixels, &inside, |p| p, |p| 2.0 * center - p),
        is_supported: false,
    }
}

/// Depth of the centre. A body of which two or more sides show has its outline's mean depth; of a
/// body that turns one flat side to the camera the outline says nothing, and it is taken to be as
/// deep as it is wide (`compact`).
pub(super) fn depth_of_center(front: f32, outline: f32, compact: f32) -> f32 {
    const SIDES_SHOW: f32 = 0.5;
    if outline - front > SIDES_SHOW * (compact - front) {
        outline
    } else {
        compact
    }
}

/// The nearest of some distances along the line of sight, robustly.
pub(super) fn front_of(mut depths: Vec<f32>) -> f32 {
    let rank = (depths.len() as f32 * FRONT_SHARE) as usize;
    *depths.select_nth_unstable_by(rank, f32::total_cmp).1
}

/// The seen points, their mirror images, and between outline points and theirs the hidden sides.
/// Points of the outline are `straightened` first.
pub(super) fn completed(
    window: &Window,
    pixels: &[usize],
    inside: &[bool],
    straightened: impl Fn(Point) -> Point,
    mirrored: impl Fn(Point) -> Point,
) -> Vec<Point> {
    const MOST_STEPS: usize = 60;
    let mut surface = Vec::with_capacity(6 * pixels.len());
    for &i in pixels {
        let seen = point(window, i);
        surface.push(seen);
        let hidden = mirrored(seen);
        // A mirror image in front of the skin would have been seen: the symmetry is broken there. Where
        // the camera sees past it, it only shows that the centre is a little off.
        if (hidden - seen).dot(&seen) > 0.0 && !seen_through(window, i, &hidden) {
            surface.push(hidden);
        }
        for side in OUTWARD {
            let Some(rim) = rim(window, i, side, inside).map(&straightened) else {
                continue;
            };
            surface.push(rim);
            let behind = mirrored(rim) - rim;
            if behind.dot(&rim) > 0.0 {
                let steps = (behind.norm() / (2.0 * window.footprint_m(rim.z))) as usize;
                let side = |k: usize| rim + behind * (k as f32 / steps as f32);
                let sides = (1..=steps.min(MOST_STEPS)).map(side);
                surface.extend(sides.filter(|p| !seen_through(window, i, p)));
            }
        }
    }
    surface
}

/// Whether the camera sees something behind a point: then no surface is there. `near` is a pixel to
/// start looking from for the point's own.
pub(super) fn seen_through(window: &Window, near: usize, point: &Point) -> bool {
    let ray = [point.x / point.z, point.y / point.z];
    let behind_m = |pixel: usize| window.depth_m[pixel] - point.z;
    // A surface that goes by half a pixel from where it is measured is no more than that behind it.
    let least_m = 0.5 * window.footprint_m(point.z);
    (window.pixel_of(ray, near)).is_some_and(|pixel| behind_m(pixel) > least_m)
}

/// Where the surface ends beside an outline pixel. `None` where it does not end on that side.
pub(super) fn rim(
    window: &Window,
    index: usize,
    (dx, dy): (isize, isize),
    inside: &[bool],
) -> Option<Point> {
    let next = window.beside(index, dx, dy);
    if inside[next] || window.place[next] == 0 {
        return None;
    }
    let beyond = beyond_px(window, index, next, (dx, dy));
    let depth = window.depth_m[index] + beyond * slope(window, index, (dx, dy), inside);
    let ([x, y], [nx, ny]) = (window.rays[index], window.rays[next]);
    Some(Point::new(
        (x + beyond * (nx - x)) * depth,
        (y + beyond * (ny - y)) * depth,
        depth,
    ))
}

/// How many pixels beyond an outline pixel's middle the surface ends: on average half a one, and a whole
/// one where the sensor saw nothing beside it. Where the pixel's box ends in between, it ends with it: a
/// detector's box has no pixels to keep to.
fn beyond_px(window: &Window, index: usize, next: usize, (dx, dy): (isize, isize)) -> f32 {
    let bbox = match window.place[index] & IN_ANY_BOX {
        IN_FINGERTIP => Some(&window.fingertip),
        IN_TARGET => Some(&window.target),
        _ => None,
    };
    let x = (index % window.width) as f64 + 0.5;
    let y = (index / window.width) as f64 + 0.5;
    let to_side = bbox.and_then(|bbox| match (dx, dy) {
        (-1, 0) => Some(x - bbox.x_min),
        (1, 0) => Some(bbox.x_max - x),
        (0, -1) => Some(y - bbox.y_min),
        (0, 1) => Some(bbox.y_max - y),
        _ => None,
    });
    let unseen = window.depth_m[next].is_nan();
    to_side
        .filter(|to_side| (0.0..=1.0).contains(to_side))
        .map_or(if unseen { 1.0 } else { 0.5 }, |to_side| to_side as f32)
}

/// How much deeper the surface gets per pixel towards a side, from the pixel on the other side. Where
/// that turns round within two pixels, an edge lies in between and tells nothing of what is beyond it.
fn slope(window: &Window, index: usize, (dx, dy): (isize, isize), inside: &[bool]) -> f32 {
    let jump = window.jump_m(window.depth_m[index]);
    let opposite = window.beside(index, -dx, -dy);
    if !inside[opposite] {
        return 0.0;
    }
    let deeper = (window.depth_m[index] - window.depth_m[opposite]).clamp(-jump, jump);
    let further = window.beside(opposite, -dx, -dy);
    let before = window.depth_m[opposite] - window.depth_m[further];
    if inside[further] && deeper * before <= 0.0 {
        0.0
    } else {
        deeper
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

pub(super) fn point(window: &Window, index: usize) -> Point {
    Point::from(window.point(index))
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::frame::{ColorImage, DepthImage, Distortion, Intrinsics, LazyColorImage, Regions};
    use crate::geometry::window::DepthRange;

    const WIDTH: u32 = 80;
    const HEIGHT: u32 = 60;
    const FOCAL_PX: f32 = 100.0;
    /// Columns and rows of the pixels that see the plate.
    const PLATE: Range<u32> = 30..50;
    const NO_LENS: Distortion = Distortion::None;

    /// A wall at 1 m and a plate half a metre in front of it, whose box ends `beyond` pixels behind its
    /// last pixels. `look` is given the window and the plate's pixels.
    fn with_plate(beyond: f64, distortion: Distortion, look: impl FnOnce(&Window, &[usize])) {
        let (start, end) = (f64::from(PLATE.start), f64::from(PLATE.end));
        let on_plate = |i: u32| PLATE.contains(&(i % WIDTH)) && PLATE.contains(&(i / WIDTH));
        let depth = (0..WIDTH * HEIGHT).map(|i| if on_plate(i) { 0.5 } else { 1.0 });
        let color = ColorImage {
            width: WIDTH,
            height: HEIGHT,
            rgb: vec![0; (WIDTH * HEIGHT * 3) as usize].into(),
        };
        let depth = DepthImage::new(WIDTH, HEIGHT, depth.collect());
        let intrinsics = Intrinsics {
            width: WIDTH,
            height: HEIGHT,
            fx: FOCAL_PX.into(),
            fy: FOCAL_PX.into(),
            cx: 40.0,
            cy: 30.0,
            distortion,
        };
        let regions = Regions::of_boxes(
            BoundingBox::new(5.0, 5.0, 15.0, 15.0),
            BoundingBox::new(start, start, end + beyond, end + beyond),
        );
        let range = DepthRange {
            min_m: 0.1,
            max_m: 10.0,
        };
        let color = LazyColorImage::from(color);
        let window = Window::cut(&color, &depth, &intrinsics, &regions, range).unwrap();
        let plate: Vec<usize> = (0..window.place.len())
            .filter(|&i| window.depth_m[i] < 0.7)
            .collect();
        look(&window, &plate);
    }

    #[test]
    fn a_centre_that_is_off_adds_nothing_where_the_camera_sees_past() {
        with_plate(0.0, NO_LENS, |window, plate| {
            // given a centre 4 pixels to the right of the plate's
            let center = Point::new(0.02, 0.0475, 0.52);
            // when the plate is completed
            let inside = window.mask(plate);
            let surface = completed(window, plate, &inside, |p| p, |p| 2.0 * center - p);
            // then it has a hidden side, and nothing to the right of what is seen but half a pixel
            assert!(surface.iter().any(|p| p.z > 0.53));
            let last = (PLATE.end as f32 - 1.0 - 40.0 + 0.51) / FOCAL_PX;
            let beyond: Vec<_> = surface.iter().filter(|p| p.x / p.z > last).collect();
            assert!(beyond.is_empty(), "{beyond:?}");
        });
    }

    #[test]
    fn a_surface_ends_with_its_box_where_that_ends_beside_it() {
        for (beyond, expected_px) in [(0.0, 0.5), (0.3, 0.8), (-0.4, 0.1), (3.0, 0.5)] {
            with_plate(beyond, NO_LENS, |window, plate| {
                // given the box's edge so far from the last pixels of a row in the plate's middle
                let inside = window.mask(plate);
                let row = plate[plate.len() / 2] / window.width;
                let in_row = plate.iter().filter(|&&i| i / window.width == row);
                let last = *in_row.max().unwrap();
                // when its rim is looked for
                let rim = rim(window, last, (1, 0), &inside).unwrap();
                // then it is there if that is within a pixel, or else half a pixel beyond
                let found_px = (rim.x / rim.z - window.rays[last][0]) * FOCAL_PX;
                assert!(
                    (found_px - expected_px).abs() < 0.01,
                    "{beyond}: {found_px}"
                );
            });
        }
    }

    #[test]
    fn the_middle_of_a_box_lies_between_pixels() {
        with_plate(0.0, NO_LENS, |window, _| {
            // given a box around pixels 30 to 49, whose middle is between pixels 39 and 40
            let [x, _] = window.ray_at(window.target.center());
            // then its ray is between theirs
            assert!((x * FOCAL_PX - -0.5).abs() < 0.01, "{x}");
        });
    }

    #[test]
    fn a_ray_leads_back_to_its_pixel_through_a_lens_too() {
        let mut coefficients = [0.0; 8];
        coefficients[0] = -0.3;
        for distortion in [NO_LENS, Distortion::BrownConrady(coefficients)] {
            with_plate(0.0, distortion, |window, plate| {
                for &pixel in plate {
                    let found = window.pixel_of(window.rays[pixel], plate[0]);
                    assert_eq!(found, Some(pixel));
                }
            });
        }
    }
}
