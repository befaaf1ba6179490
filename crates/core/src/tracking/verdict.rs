//! What became of an object's points at a place: seen, hidden behind something nearer, or not there.

use super::costs::color_cost;
use super::pose::Pose;
use super::template::Template;
use super::window::Window;

/// A point is where it should be if its depth is off by at most this, in metres, and a share of it.
const NEAR_M: f32 = 0.012;
const NEAR_SHARE: f32 = 0.008;
/// What is seen this far behind a point, in metres, is not the object.
const FAR_BEHIND_M: f32 = 0.05;
/// Colours this much off are still the same point's.
const ALIKE: f32 = 0.75;
/// A row or column of a box ends where a smaller share than this of the points that it once had is seen.
const SEEN_SHARE: f32 = 0.15;

/// What became of one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Seen,
    /// Something nearer is there.
    Hidden,
    /// Something else is there.
    Gone,
}

/// All points' fates, and shares of their weights within the box.
pub(super) struct Verdict {
    pub(super) fates: Vec<Fate>,
    pub(super) seen: f32,
    /// Where what lies far behind the object is seen instead of it.
    pub(super) behind: f32,
    /// Where something else is seen instead of it, and not before it.
    pub(super) gone: f32,
    /// Of the places in the box where another object was held, the share where it still is; `None` where none was, or the
    /// object itself reaches over its box.
    pub(super) holds: Option<f32>,
    /// Of the points whose depth is known, how many are where depth says.
    pub(super) depth_agrees: Option<f32>,
}

impl Verdict {
    pub(super) fn of(window: &Window, template: &Template, pose: &Pose) -> Self {
        let tolerance_m = pose.depth_m.map_or(0.0, |own| NEAR_M + NEAR_SHARE * own);
        let (mut seen, mut behind, mut gone, mut all) = (0.0, 0.0, 0.0, 0.0);
        let (mut agree, mut known) = (0.0, 0.0);
        let mut fates = Vec::with_capacity(template.points.len());
        for point in &template.points {
            let [column, row] = pose.cell_of(point.offset);
            let cell = window.at(column, row);
            let off_m = pose
                .depth_m
                .map_or(f32::NAN, |own| cell.depth_m - own - point.relief_m);
            let is_alike = color_cost(cell.color, point.color) < ALIKE;
            let fate = match off_m {
                _ if cell.is_others => Fate::Hidden,
                off_m if off_m < -tolerance_m => Fate::Hidden,
                off_m if off_m > tolerance_m => Fate::Gone,
                _ if is_alike => Fate::Seen,
                _ => Fate::Gone,
            };
            fates.push(fate);
            if !point.inside {
                continue;
            }
            all += point.weight;
            if off_m.is_finite() {
                known += point.weight;
                agree += point.weight * f32::from(u8::from(off_m.abs() <= tolerance_m));
            }
            match fate {
                Fate::Seen => seen += point.weight,
                Fate::Gone => gone += point.weight,
                Fate::Hidden => {}
            }
            if off_m > FAR_BEHIND_M {
                behind += point.weight;
            }
        }
        let all = f32::max(all, 1e-6);
        Self {
            fates,
            seen: seen / all,
            behind: behind / all,
            gone: gone / all,
            holds: holds(window, template, pose),
            depth_agrees: (known > 0.1 * all).then(|| agree / known),
        }
    }

    /// By how many cells, at the template's own size, each side of the box draws in: left, top, right, bottom.
    pub(super) fn drawn_in(&self, template: &Template) -> [f32; 4] {
        let mut sides = [0.0; 4];
        for axis in 0..2 {
            let reach = (template.half_px[axis] / f64::from(template.cell_px)).ceil() as i32 + 1;
            let mut lines = vec![(0.0_f32, 0.0_f32); (2 * reach + 1) as usize];
            for (point, fate) in template.points.iter().zip(&self.fates) {
                let line = (point.offset[axis].round() as i32 + reach).clamp(0, 2 * reach);
                if point.inside {
                    let line = &mut lines[line as usize];
                    line.0 += point.weight;
                    if *fate == Fate::Seen {
                        line.1 += point.weight;
                    }
                }
            }
            let full: Vec<bool> = lines.iter().map(|line| line.0 > 0.0).collect();
            let seen: Vec<bool> = lines
                .iter()
                .map(|line| line.1 > 0.0 && line.1 >= SEEN_SHARE * line.0)
                .collect();
            let first = |list: &[bool]| list.iter().position(|line| *line);
            let last = |list: &[bool]| list.iter().rposition(|line| *line);
            if let (Some(all), Some(part)) = (first(&full), first(&seen)) {
                sides[axis] = (part - all) as f32;
            }
            if let (Some(all), Some(part)) = (last(&full), last(&seen)) {
                sides[2 + axis] = (all - part) as f32;
            }
        }
        sides
    }
}

fn holds(window: &Window, template: &Template, pose: &Pose) -> Option<f32> {
    let held = template.held.len();
    let still = template.held.iter().filter(|offset| {
        let [column, row] = pose.cell_of(**offset);
        window.at(column, row).is_others
    });
    (held > 0).then(|| still.count() as f32 / held as f32)
}

/// By how much the object is farther away than thought, in metres: the middle of what its points' depths say.
pub(super) fn depth_change_m(
    window: &Window,
    template: &Template,
    pose: &Pose,
    most_m: f32,
) -> Option<f32> {
    let own_m = pose.depth_m?;
    let mut changes: Vec<f32> = template
        .points
        .iter()
        .filter(|point| point.inside)
        .filter_map(|point| {
            let [column, row] = pose.cell_of(point.offset);
            let cell = window.at(column, row);
            let change_m = cell.depth_m - own_m - point.relief_m;
            let counts = change_m.abs() < most_m && color_cost(cell.color, point.color) < ALIKE;
            counts.then_some(change_m)
        })
        .collect();
    changes.sort_by(f32::total_cmp);
    (changes.len() >= 5).then(|| changes[changes.len() / 2])
}

/// The points that are seen take on a share of what they look like now.
pub(super) fn learn(
    window: &Window,
    template: &mut Template,
    pose: &Pose,
    verdict: &Verdict,
    share: f32,
) {
    for (point, fate) in template.points.iter_mut().zip(&verdict.fates) {
        if *fate != Fate::Seen {
            continue;
        }
        let [column, row] = pose.cell_of(point.offset);
        let cell = window.at(column, row);
        for k in 0..3 {
            point.color[k] += share * (cell.color[k] - point.color[k]);
        }
        if let Some(own_m) = pose.depth_m
            && cell.depth_m.is_finite()
        {
            let relief_m = cell.depth_m - own_m;
            if point.relief_m.is_nan() {
                point.relief_m = relief_m;
            } else {
                point.relief_m += share * (relief_m - point.relief_m);
            }
        }
    }
}
