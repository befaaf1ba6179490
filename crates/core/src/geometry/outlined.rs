//! The pixels of a region that a detector outlined. An outline is a few pixels off, and there the depth decides: what
//! belongs to the surface that it holds is added, and what belongs to the surroundings is taken away.

use crate::geometry::background::{self, Plane};
use crate::geometry::sides::OUTWARD;
use crate::geometry::surfaces::{RUNS_ON_PX, connected, continuous, runs_on};
use crate::geometry::window::{IN_FINGERTIP, IN_TARGET, RING_FINGERTIP, RING_TARGET, Window};

/// Detectors that count in quarters of a picture are off by so many pixels.
const BAND_PX: usize = 3;
/// Planes of the surroundings that hide more of what lies well inside an outline are the object itself.
const MOST_HIDDEN: f64 = 0.5;

/// The pixels of both regions, fingertip and target, as far as they are outlined; no pixel is of both.
pub(super) struct Outlined {
    pub pixels: [Option<Vec<usize>>; 2],
    /// Which pixels are of either.
    pub taken: Vec<bool>,
}

impl Outlined {
    pub(super) fn of(window: &Window) -> Self {
        let [fingertip, mut target] = [0, 1].map(|region| pixels_of(window, region));
        if let (Some(fingertip), Some(target)) = (&fingertip, &mut target) {
            // The fingertip comes before the target.
            let before = window.mask(fingertip);
            target.retain(|&i| !before[i]);
        }
        let pixels = [fingertip, target];
        let all: Vec<usize> = pixels.iter().flatten().flatten().copied().collect();
        Self {
            taken: window.mask(&all),
            pixels,
        }
    }

    /// Whether both regions are outlined.
    pub(super) fn is_all(&self) -> bool {
        self.pixels.iter().all(Option::is_some)
    }
}

/// The pixels of one region; `None` if it is not outlined.
fn pixels_of(window: &Window, region: usize) -> Option<Vec<usize>> {
    let mask = window.masks[region].as_ref()?;
    let other = window.masks[1 - region].as_ref();
    let is_seen = |i: &usize| !window.depth_m[*i].is_nan();
    let depth_in = |wanted: &[bool]| -> Vec<usize> {
        (0..wanted.len())
            .filter(|i| wanted[*i] && is_seen(i))
            .collect()
    };
    let core = eroded(window, mask);
    let planes = surroundings(window, region, &depth_in(&core));
    let is_behind =
        |i: usize| (planes.iter()).any(|plane| plane.hides(window.rays[i], window.depth_m[i]));
    let within: Vec<usize> = (depth_in(mask).into_iter())
        .filter(|&i| !is_behind(i))
        .collect();
    let mut parts = connected(window, &within, |a, b| continuous(window, a, b, 1.0));
    parts.retain(|part| part.iter().any(|&i| core[i]) || !goes_on(window, mask, part, is_behind));
    let mut pixels = parts.concat();
    let belongs = |from: usize, beside: usize| {
        let is_others = other.is_some_and(|other| other[beside]);
        let is_open = window.place[beside] != 0 && !mask[beside] && !is_others;
        is_open && is_seen(&beside) && continuous(window, from, beside, 1.0) && !is_behind(beside)
    };
    let margin = margin(window, &pixels, belongs);
    // What is smaller than its margin is no object whose outline is a little off.
    if margin.len() <= pixels.len() {
        pixels.extend(margin);
    }
    pixels.sort_unstable();
    Some(pixels)
}

/// The pixels around a region up to where its surface ends, as far as it does so near by: where it runs on, it is another
/// thing that touches, or the arm. `belongs` says of a pixel beside one of the surface whether it is of the surface too.
fn margin(window: &Window, region: &[usize], belongs: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut inside = window.mask(region);
    let mut layers: Vec<Vec<usize>> = vec![region.to_vec()];
    while layers.len() <= BAND_PX + 1
        && let Some(last) = layers.last()
    {
        let mut next = Vec::new();
        for &from in last {
            for beside in window.neighbours(from) {
                if !inside[beside] && belongs(from, beside) {
                    inside[beside] = true;
                    next.push(beside);
                }
            }
        }
        layers.push(next);
    }
    // From outside in: what leads to the outermost layer runs on.
    let mut runs_on = window.mask(&layers.pop().unwrap_or_default());
    let mut margin = Vec::new();
    for layer in layers.iter().skip(1).rev() {
        let (on, ends): (Vec<usize>, Vec<usize>) = layer.iter().partition(|&&i| {
            let beside = window.neighbours(i).into_iter();
            beside
                .into_iter()
                .any(|beside| runs_on[beside] && belongs(i, beside))
        });
        // Of this layer alone, or all of it would run on along it.
        for i in on {
            runs_on[i] = true;
        }
        margin.extend(ends);
    }
    margin
}

/// Where the outline of the `fingertip` cuts a part of it off from the hand: the pixels beside which its surface runs on out of
/// it, and those beside which something nearer hides it; neither is the target. An outline need not follow its box's sides.
pub(super) fn cuts(
    window: &Window,
    part: &[usize],
    fingertip: &[bool],
    near_target: &[bool],
) -> [Vec<usize>; 2] {
    let beyond = |i: usize, (dx, dy): (isize, isize)| {
        (1..=RUNS_ON_PX).map(move |step| window.beside(i, dx * step, dy * step))
    };
    let leaves =
        |i: usize, side: (isize, isize)| beyond(i, side).all(|j| !fingertip[j] && !near_target[j]);
    let is_hidden = |i: usize, side: (isize, isize)| {
        let nearest_m = window.depth_m[i] - window.jump_m(window.depth_m[i]);
        beyond(i, side).any(|j| window.depth_m[j] < nearest_m)
    };
    let (mut open, mut hidden) = (Vec::new(), Vec::new());
    for &i in part {
        let out = || OUTWARD.into_iter().filter(|&side| leaves(i, side));
        if out().any(|side| runs_on(window, i, side)) {
            open.push(i);
        }
        if out().any(|side| is_hidden(i, side)) {
            hidden.push(i);
        }
    }
    [open, hidden]
}

/// The planes that the region stands on and in front of; none where they are the region itself.
fn surroundings(window: &Window, region: usize, sure: &[usize]) -> Vec<Plane> {
    let (in_box, in_ring, bbox) = match region {
        0 => (IN_FINGERTIP, RING_FINGERTIP, &window.fingertip),
        _ => (IN_TARGET, RING_TARGET, &window.target),
    };
    let mut planes = background::planes(window, in_box, in_ring, bbox.center());
    planes.retain(|plane| {
        let is_hidden = |i: &&usize| plane.hides(window.rays[**i], window.depth_m[**i]);
        let hidden = sure.iter().filter(is_hidden).count();
        hidden as f64 <= MOST_HIDDEN * sure.len() as f64
    });
    planes
}

/// The pixels of a mask that lie farther from its edge than an outline is off; of a slender one the innermost.
fn eroded(window: &Window, mask: &[bool]) -> Vec<bool> {
    let mut core = mask.to_vec();
    for _ in 0..BAND_PX {
        let mut smaller = core.clone();
        // Pixels without a place are in no mask, so that all of a mask's have neighbours.
        for i in (0..core.len()).filter(|&i| core[i]) {
            smaller[i] = window.neighbours(i).iter().all(|&beside| core[beside]);
        }
        if !smaller.contains(&true) {
            break;
        }
        core = smaller;
    }
    core
}

/// Whether a part of what is outlined is one with what lies around the outline: at most of its pixels on the outline the
/// surface goes on behind it.
fn goes_on(
    window: &Window,
    mask: &[bool],
    part: &[usize],
    is_behind: impl Fn(usize) -> bool,
) -> bool {
    let (mut ends, mut ongoing) = (0, 0);
    for &i in part {
        let outside: Vec<usize> = (window.neighbours(i).into_iter())
            .filter(|&beside| !mask[beside])
            .collect();
        if outside.is_empty() {
            continue;
        }
        let is_one = |beside: &usize| continuous(window, i, *beside, 1.0) && !is_behind(*beside);
        match outside.iter().any(is_one) {
            true => ongoing += 1,
            false => ends += 1,
        }
    }
    ongoing > ends
}
