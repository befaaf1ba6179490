//! Why a box is where it is: along which of its sides a region ends, and through which it runs on, so that the box cuts it off.
//! Sides are bits: left, right, top, bottom from 0 to 3.

use crate::frame::BoundingBox;
use crate::geometry::window::Window;

/// The step from a pixel to the one beside it, out of each side.
pub(super) const OUTWARD: [(isize, isize); 4] = [(-1, 0), (1, 0), (0, -1), (0, 1)];
/// A region runs through a side of its box along at least so many pixels.
const MIN_CROSSINGS: usize = 2;
/// Points of a region that explains all sides of its box.
pub(super) const ALL: u32 = 8;

/// How well pixels explain the target's box: 2 for each side where they end, for a target lies inside its tight box.
/// `is_target` tells of pixels in and around the box whether they are the region's.
pub(super) fn target_score(
    window: &Window,
    pixels: &[usize],
    is_target: impl Fn(usize) -> bool,
) -> u32 {
    2 * sides_ended(window, pixels, &window.target, is_target).count_ones()
}

/// How well pixels explain the fingertip's box: 2 for each side where they end, and 2 for one and 1 for each further side
/// through which they run on, for an arm leads to a fingertip through one side.
pub(super) fn fingertip_score(
    window: &Window,
    pixels: &[usize],
    is_fingertip: impl Fn(usize) -> bool,
) -> u32 {
    let bbox = &window.fingertip;
    let touched = sides_touched(window, pixels, bbox);
    let crossed = touched & sides_crossed(window, bbox, tolerance_px, is_fingertip);
    2 * (touched & !crossed).count_ones() + crossed.count_ones() + u32::from(crossed != 0)
}

/// Which sides of its box a set of pixels reaches.
pub(super) fn sides_touched(window: &Window, pixels: &[usize], bbox: &BoundingBox) -> u8 {
    let extent = window.extent(pixels);
    let (x, y) = (tolerance_px(bbox.width()), tolerance_px(bbox.height()));
    u8::from((extent.x_min - bbox.x_min).abs() < x)
        | u8::from((extent.x_max - bbox.x_max).abs() < x) << 1
        | u8::from((extent.y_min - bbox.y_min).abs() < y) << 2
        | u8::from((extent.y_max - bbox.y_max).abs() < y) << 3
}

/// At which sides of its box a set of pixels ends.
pub(super) fn sides_ended(
    window: &Window,
    pixels: &[usize],
    bbox: &BoundingBox,
    is_region: impl Fn(usize) -> bool,
) -> u8 {
    sides_touched(window, pixels, bbox) & !sides_crossed(window, bbox, tolerance_px, is_region)
}

/// Through which sides of its box a region runs on by `reach_px` of that direction's length, and more of it than ends there.
pub(super) fn sides_crossed(
    window: &Window,
    bbox: &BoundingBox,
    reach_px: impl Fn(f64) -> f64,
    is_region: impl Fn(usize) -> bool,
) -> u8 {
    // The first and one past the last column and row whose middles lie inside.
    let [x0, y0, x1, y1] =
        [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max].map(|edge| (edge - 0.5).ceil() as isize);
    let width = window.width.cast_signed();
    // The pixels along each side, the first one's index, and the steps inward and along it.
    let sides = [
        (y0..y1, x0, 1, width, bbox.width()),
        (y0..y1, x1 - 1, -1, width, bbox.width()),
        (x0..x1, y0 * width, width, 1, bbox.height()),
        (x0..x1, (y1 - 1) * width, -width, 1, bbox.height()),
    ];
    let is_region =
        |at: isize| usize::try_from(at).is_ok_and(|i| i < window.place.len() && is_region(i));
    let mut crossed = 0;
    for (bit, (along, edge, inward, step, length)) in sides.into_iter().enumerate() {
        let reach = reach_px(length) as isize;
        let (mut crossings, mut ends) = (0, 0);
        for first in along.map(|k| edge + k * step) {
            if (0..=reach).all(|k| is_region(first - k * inward)) {
                crossings += 1;
            } else if (0..reach).any(|k| is_region(first + k * inward)) {
                ends += 1;
            }
        }
        if crossings >= MIN_CROSSINGS && crossings >= ends {
            crossed |= 1 << bit;
        }
    }
    crossed
}

/// The share of its box that a region of so many pixels leaves empty.
pub(super) fn empty_share(pixels: usize, bbox: &BoundingBox) -> f64 {
    (1.0 - pixels as f64 / (bbox.width() * bbox.height())).max(0.0)
}

/// A detector's box is so many pixels off.
fn tolerance_px(length: f64) -> f64 {
    2.0 + 0.06 * length
}
