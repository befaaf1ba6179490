//! What of the pixels that were found for a region belongs to it: the target's bulk, the fingertip's
//! parts. Specks, and what lies far in front or behind, do not.

use crate::geometry::sides::sides_touched;
use crate::geometry::surfaces::{connected, continuous};
use crate::geometry::window::Window;

/// A part of a region has at least this share of its largest part's pixels.
const MIN_PART_SHARE: f32 = 0.08;
/// Parts of one fingertip lie within this many times their box's diagonal behind the next nearer part,
/// and that diagonal is taken as at least `MIN_SPREAD_M`.
const SPREAD: f32 = 1.5;
const MIN_SPREAD_M: f32 = 0.07;

/// The target without specks elsewhere and without what lies far in front or behind.
pub(super) fn bulk(window: &Window, pixels: Vec<usize>) -> Vec<usize> {
    let mut parts = connected(window, &pixels, |a, b| continuous(window, a, b, 1.0));
    let largest = parts.iter().map(Vec::len).max().unwrap_or(0);
    parts.retain(|part| part.len() as f32 >= MIN_PART_SHARE * largest as f32);
    let mut pixels = parts.concat();
    let depth = median_depth_m(window, &pixels);
    let size = window.footprint_m(depth) * window.target.width().max(window.target.height()) as f32;
    pixels.retain(|&i| (window.depth_m[i] - depth).abs() < size);
    pixels
}

/// The fingertip's parts, the largest first, without specks and without what is far behind.
pub(super) fn fingertip_parts(
    window: &Window,
    pixels: &[usize],
    min_pixels: usize,
) -> Vec<Vec<usize>> {
    let mut parts = with_slivers(
        window,
        connected(window, pixels, |a, b| continuous(window, a, b, 1.0)),
    );
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    let largest = parts.first().map_or(0, Vec::len);
    let mut reached = 0;
    parts.retain(|part| {
        let sides = sides_touched(window, part, &window.fingertip);
        // A sliver counts when it alone explains why the box reaches so far.
        let large = part.len() as f32 >= MIN_PART_SHARE * largest as f32;
        let keep = part.len() >= min_pixels.min(largest) && (large || sides & !reached != 0);
        reached |= if keep { sides } else { 0 };
        keep
    });
    let mut reaches: Vec<(usize, [f32; 2])> = (parts.iter().enumerate())
        .map(|(k, part)| (k, reach_m(window, part)))
        .collect();
    reaches.sort_by(|a, b| a.1[0].total_cmp(&b.1[0]));
    // From part to part: of a hand that is seen along its fingers, the palm is near and the second finger far.
    let mut is_near = vec![false; parts.len()];
    let mut farthest = f32::NAN;
    for (k, [near, far]) in reaches {
        if near - farthest > SPREAD * spread_m(window, farthest) {
            break;
        }
        is_near[k] = true;
        farthest = farthest.max(far);
    }
    let mut near = is_near.into_iter();
    parts.retain(|_| near.next() == Some(true));
    parts
}

/// From where to where a part reaches in depth, its nearest and farthest tenth left aside.
fn reach_m(window: &Window, pixels: &[usize]) -> [f32; 2] {
    let mut depths: Vec<f32> = pixels.iter().map(|&i| window.depth_m[i]).collect();
    let (tenth, last) = (depths.len() / 10, depths.len() - 1);
    [tenth, last - tenth].map(|rank| *depths.select_nth_unstable_by(rank, f32::total_cmp).1)
}

/// How far parts of one fingertip may lie behind each other at that depth: its box's diagonal, or a hand's width.
pub(super) fn spread_m(window: &Window, depth_m: f32) -> f32 {
    let diagonal = window.fingertip.width().hypot(window.fingertip.height()) as f32;
    (window.footprint_m(depth_m) * diagonal).max(MIN_SPREAD_M)
}

/// A side seen at a grazing angle is a few pixels wide and steep: it goes with the face it borders on.
fn with_slivers(window: &Window, mut parts: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    const SLIVER_SHARE: f32 = 0.3;
    const STEEPER: f32 = 2.5;
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    let mut whole: Vec<Vec<usize>> = Vec::new();
    let mut owner: Vec<Option<usize>> = vec![None; window.place.len()];
    for part in parts {
        // The first part has nobody to go with.
        let to_look_at = if whole.is_empty() { &[][..] } else { &part };
        let host = to_look_at.iter().find_map(|&i| {
            window.neighbours(i).into_iter().find_map(|j| {
                let small =
                    |host: &usize| part.len() as f32 <= SLIVER_SHARE * whole[*host].len() as f32;
                owner[j].filter(|host| continuous(window, i, j, STEEPER) && small(host))
            })
        });
        let at = host.unwrap_or(whole.len());
        for &i in &part {
            owner[i] = Some(at);
        }
        match host {
            Some(host) => whole[host].extend(part),
            None => whole.push(part),
        }
    }
    whole
}

/// NaN if there are none.
pub(super) fn median_depth_m(window: &Window, pixels: &[usize]) -> f32 {
    let mut depths: Vec<f32> = pixels.iter().map(|&i| window.depth_m[i]).collect();
    if depths.is_empty() {
        return f32::NAN;
    }
    let middle = depths.len() / 2;
    *depths.select_nth_unstable_by(middle, f32::total_cmp).1
}
