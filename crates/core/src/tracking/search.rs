//! Where in a window an object most looks like its template.

use super::costs::{DEPTH_SPAN_M, point_cost};
use super::pose::Pose;
use super::template::Template;
use super::window::Window;

/// Points that a first look takes; a second look takes so many.
const COARSE_POINTS: usize = 120;
const FINE_POINTS: usize = 500;
const EXACT_POINTS: usize = 400;
/// What is not the object counts so much beside what is.
const BESIDE_SHARE: f32 = 0.6;
/// The farthest place of a window looks so much less likely than the nearest.
const FAR_PENALTY: f32 = 0.03;

/// A template's point at the scale of this frame.
struct Placed {
    offset: [i32; 2],
    color: [f32; 3],
    depth_m: f32,
    weight: f32,
}

struct PlacedBeside {
    offset: [i32; 2],
    weight: f32,
    by_depth: bool,
}

/// A template made ready for a window: its points at one scale, at one depth.
pub(super) struct Search<'a> {
    window: &'a Window,
    likeness: &'a [Likeness],
    points: Vec<Placed>,
    beside: Vec<PlacedBeside>,
    /// Where within its cell the box's middle lies.
    phase: [f32; 2],
}

/// The likeliest place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peak {
    /// In cells from the window's upper left corner to the box's middle.
    pub(super) place: [f32; 2],
    /// How much it looks like the template, 0 to 1.
    pub(super) response: f32,
    /// How far the peak stands out of the other places: in their standard deviations above their mean.
    pub(super) to_sidelobe: f32,
}

/// How likely each cell of a window is the object's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Likeness {
    /// By its colour, 0 to 1; 0 where its depth is not the object's.
    pub(super) likely: f32,
    /// Its depth is the object's.
    pub(super) at_depth: bool,
}

impl Likeness {
    /// How badly the cell fits a place that was not the object's, 0 to 1.
    fn cost(&self, by_depth: bool) -> f32 {
        if by_depth && self.at_depth {
            0.5 + 0.5 * self.likely
        } else {
            self.likely
        }
    }
}

/// How likely each cell of a window is the object's, if that is so far away.
pub(super) fn likeness(
    window: &Window,
    template: &Template,
    depth_m: Option<f32>,
) -> Vec<Likeness> {
    let [near_m, far_m] = template.relief_m;
    let cells = window.cells.iter();
    cells
        .map(|cell| {
            let behind_m = depth_m.map_or(f32::NAN, |own_m| cell.depth_m - own_m);
            let is_off = behind_m < near_m - DEPTH_SPAN_M || behind_m > far_m + DEPTH_SPAN_M;
            let likely = if is_off {
                0.0
            } else {
                template.palette.likeness(cell.color)
            };
            Likeness {
                likely,
                at_depth: behind_m.is_finite() && !is_off,
            }
        })
        .collect()
}

impl<'a> Search<'a> {
    /// Of a template in a pose, or moved from there by whole cells.
    pub(super) fn new(
        window: &'a Window,
        likeness: &'a [Likeness],
        template: &Template,
        pose: &Pose,
        is_coarse: bool,
    ) -> Self {
        let depth_m = pose.depth_m;
        let phase = pose.place.map(|place| place - place.floor());
        let most = if is_coarse {
            COARSE_POINTS
        } else {
            FINE_POINTS
        };
        let place =
            |offset: [f32; 2]| [0, 1].map(|k| (phase[k] + offset[k] * pose.scale).floor() as i32);
        let points = spread(&template.points, most).map(|point| Placed {
            offset: place(point.offset),
            color: point.color,
            depth_m: depth_m.map_or(f32::NAN, |own| own + point.relief_m),
            weight: point.weight,
        });
        let mut beside: Vec<_> = spread(&template.beside, most / 2)
            .map(|beside| PlacedBeside {
                offset: place(beside.offset),
                weight: beside.weight,
                by_depth: beside.by_depth,
            })
            .collect();
        let points: Vec<_> = points.collect();
        let object: f32 = points.iter().map(|point| point.weight).sum();
        let around: f32 = beside.iter().map(|beside| beside.weight).sum();
        let share = BESIDE_SHARE * object / around.max(1e-6);
        beside.iter_mut().for_each(|beside| beside.weight *= share);
        Self {
            window,
            likeness,
            points,
            beside,
            phase,
        }
    }

    /// How much a place looks like the template, 0 to 1.
    fn response(&self, [x, y]: [i32; 2]) -> f32 {
        let (mut cost, mut sum) = (0.0, 0.0);
        for point in &self.points {
            let cell = self.window.at(x + point.offset[0], y + point.offset[1]);
            cost += point.weight * point_cost(&cell, point.color, point.depth_m);
            sum += point.weight;
        }
        for beside in &self.beside {
            let (column, row) = (x + beside.offset[0], y + beside.offset[1]);
            if let Some(index) = self.window.index(column, row) {
                cost += beside.weight * self.likeness[index].cost(beside.by_depth);
            }
            sum += beside.weight;
        }
        1.0 - cost / sum.max(1e-6)
    }

    /// The likeliest place within `radius` cells each way around one, looked for at every `step`th.
    pub(super) fn coarse(&self, around: [f32; 2], radius: [i32; 2], step: i32) -> Peak {
        let around = around.map(|place| place.floor() as i32);
        let mut seen = Vec::new();
        let far = (radius[0].pow(2) + radius[1].pow(2)).max(1) as f32;
        for dy in (-radius[1]..=radius[1]).filter(|dy| dy % step == 0) {
            for dx in (-radius[0]..=radius[0]).filter(|dx| dx % step == 0) {
                let penalty = FAR_PENALTY * ((dx * dx + dy * dy) as f32 / far);
                let place = [around[0] + dx, around[1] + dy];
                seen.push((place, self.response(place) - penalty));
            }
        }
        let best = seen
            .iter()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .copied()
            .unwrap_or((around, 0.0));
        Peak {
            place: [0, 1].map(|k| best.0[k] as f32 + self.phase[k]),
            response: best.1,
            to_sidelobe: to_sidelobe(&seen, best, step),
        }
    }

    /// The likeliest cell near a place.
    pub(super) fn fine(&self, around: [f32; 2], radius: i32) -> ([f32; 2], f32) {
        let start = around.map(|place| place.floor() as i32);
        let (mut best, mut most) = (start, self.response(start));
        for dy in -radius..=radius {
            for dx in -radius..=radius {
                let place = [start[0] + dx, start[1] + dy];
                let response = self.response(place);
                if response > most {
                    (best, most) = (place, response);
                }
            }
        }
        ([0, 1].map(|k| best[k] as f32 + self.phase[k]), most)
    }
}

/// How much a pose looks like the template, 0 to 1, with colours between cells.
pub(super) fn exact_response(
    window: &Window,
    likeness: &[Likeness],
    template: &Template,
    pose: &Pose,
) -> f32 {
    let (mut cost, mut sum) = (0.0, 0.0);
    for point in spread(&template.points, EXACT_POINTS) {
        let place = pose.place_of(point.offset);
        let cell = window.between(place);
        let depth_m = pose.depth_m.map_or(f32::NAN, |own| own + point.relief_m);
        cost += point.weight * point_cost(&cell, point.color, depth_m);
        sum += point.weight;
    }
    let object = sum;
    let (mut beside_cost, mut around) = (0.0, 0.0);
    for beside in spread(&template.beside, EXACT_POINTS / 2) {
        let [column, row] = pose.cell_of(beside.offset);
        if let Some(index) = window.index(column, row) {
            beside_cost += beside.weight * likeness[index].cost(beside.by_depth);
        }
        around += beside.weight;
    }
    cost += BESIDE_SHARE * object * beside_cost / f32::max(around, 1e-6);
    sum += BESIDE_SHARE * object;
    1.0 - cost / f32::max(sum, 1e-6)
}

/// At most so many of a list, evenly spread.
fn spread<T>(list: &[T], most: usize) -> impl Iterator<Item = &T> {
    // An odd stride, so that it does not fall into step with the rows.
    list.iter().step_by((list.len() / most.max(1)).max(1) | 1)
}

/// How far a peak stands out of what lies more than four steps away.
fn to_sidelobe(seen: &[([i32; 2], f32)], peak: ([i32; 2], f32), step: i32) -> f32 {
    let others = seen
        .iter()
        .filter(|(place, _)| (0..2).any(|k| (place[k] - peak.0[k]).abs() > 4 * step))
        .map(|(_, response)| *response);
    let (mut count, mut sum, mut squares) = (0.0_f32, 0.0_f32, 0.0_f32);
    for response in others {
        count += 1.0;
        sum += response;
        squares += response * response;
    }
    if count < 2.0 {
        return 0.0;
    }
    let mean = sum / count;
    let deviation = (squares / count - mean * mean).max(1e-8).sqrt();
    (peak.1 - mean) / deviation
}
