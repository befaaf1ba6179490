//! What is followed: the object's points with their colours and their relief, and the places around it that are not
//! the object.

use super::costs::DEPTH_SPAN_M;
use super::cover::Cover;
use super::ground::Ground;
use super::layers::Layer;
use super::palette::Palette;
use super::window::{Cell, Window};
use crate::frame::{BoundingBox, ColorImage, DepthImage};

/// The longest side of a box in cells; a larger box gets larger cells.
const MOST_CELLS: f64 = 48.0;
/// The ring around a box that tells what is not the object: a share of the box's mean side, and the least in cells.
const RING_SHARE: f64 = 0.5;
const LEAST_RING: i32 = 8;
/// The odds of what is another object's.
const NEVER: f32 = -10.0;
/// A box in which a smaller share than this looks like an object is taken to be full of it.
const LEAST_OBJECT_SHARE: f32 = 0.03;
const LEAST_OBJECT_CELLS: f32 = 8.0;
/// An object is not deeper than this, in metres, each way from its middle depth.
const MOST_RELIEF_M: f32 = 0.15;
/// What is so many cells away from the object tells less by a factor of e.
const BESIDE_CELLS: f32 = 3.0;
/// A side is open if beyond it, so many cells far, this share of the cells is the object's.
const OPEN_CELLS: f32 = 3.0;
const OPEN_SHARE: f32 = 0.05;
/// Points that go on outside the box (a finger's rest) count for so much: they may move by themselves.
const OUTSIDE_WEIGHT: f32 = 0.3;

/// Pixels around what is seen of another object that may have its colours: an edge is of both.
const RIM_PX: f64 = 2.0;

/// A cell has the colours of an object that another one was drawn on if they are this likely to be its.
const LIKELY: f32 = 0.7;

/// The share of its own cells that an object is measured without, if part of it is measured: holes and edges.
const HOLES_SHARE: f32 = 0.05;

/// An object whose points span this share of its box says where that ends.
const REACHES_SHARE: f32 = 0.75;

/// One of the object's cells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    /// From the box's middle, in cells as large as the object was at the start.
    pub(super) offset: [f32; 2],
    pub(super) color: [f32; 3],
    /// Metres behind the object's middle depth; NaN where unknown.
    pub(super) relief_m: f32,
    /// How surely it is the object's, 0 to 1.
    pub(super) weight: f32,
    /// Within the box, not the rest of a finger that goes on.
    pub(super) inside: bool,
}

/// A cell near the object that is not the object's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside {
    /// As a point's.
    pub(super) offset: [f32; 2],
    pub(super) weight: f32,
    /// It was too far away or too near to be the object's.
    pub(super) by_depth: bool,
}

/// An object as it was drawn.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub(super) cell_px: i32,
    /// Half the box's sides, in pixels.
    pub(super) half_px: [f64; 2],
    /// Where in its pixel the box's middle lay. Cells of a later picture are cut alike, so that what stands still
    /// looks the same.
    pub(super) within_pixel: [f64; 2],
    pub(super) points: Vec<Point>,
    pub(super) beside: Vec<Beside>,
    /// Places within the box of another object that is about as far away, where that leaves so little of this one that it does not reach over its
    /// own box.
    pub(super) held: Vec<[f32; 2]>,
    pub(super) palette: Palette,
    /// The object's middle depth in metres, if it was measured.
    pub(super) depth_m: Option<f32>,
    /// The nearest and the farthest of the points within the box, in metres behind the middle depth.
    pub(super) relief_m: [f32; 2],
    /// Whether the object goes on beyond each side of the box: left, top, right, bottom. All of them, where depth does
    /// not tell.
    pub(super) is_open: [bool; 4],
}

impl Template {
    /// Of the object in a box that lies at least in part within the picture. What is seen of another object is left out;
    /// what looks like one that this was drawn on surrounds this one.
    pub(super) fn drawn(
        picture: &ColorImage,
        depth: Option<&DepthImage>,
        bbox: &BoundingBox,
        other: Option<&Cover>,
        on: Option<&Self>,
    ) -> Self {
        let longest = bbox.width().max(bbox.height());
        let cell_px = (longest / MOST_CELLS).ceil().max(1.0) as i32;
        let half_px = [bbox.width() / 2.0, bbox.height() / 2.0];
        let size = f64::from(cell_px);
        let half = half_px.map(|half| (half / size) as f32);
        let mean_side = (bbox.width() + bbox.height()) / 2.0;
        let ring = ((RING_SHARE * mean_side / size) as i32).max(LEAST_RING);
        let reach = half.map(|half| half.ceil() as i32 + ring);
        let pixel = bbox.center().map(|place| place.floor() as i32);
        let mut window = Window::around(picture, depth, pixel, reach, cell_px);
        let depths_m: Vec<f32> = window.cells.iter().map(|cell| cell.depth_m).collect();
        if let Some(other) = other {
            window.leave_out(other, RIM_PX);
        }
        let middle = window.cell_of(bbox.center()).map(|place| place as f32);
        let sketch = Sketch::of(&window, middle, half, on);
        let mut template = Self {
            cell_px,
            half_px,
            within_pixel: bbox.center().map(|place| place - place.floor()),
            points: Vec::new(),
            beside: Vec::new(),
            held: Vec::new(),
            palette: sketch.palette.clone(),
            depth_m: sketch.depth_m(&window),
            relief_m: [0.0; 2],
            is_open: [true; 4],
        };
        template.collect(&window, &sketch, middle, &depths_m);
        template.relief_m = template.span_of_relief();
        template.weigh_beside();
        if template.reaches_over(half) {
            template.held.clear();
        }
        if sketch.is_alone {
            template.is_open = template.open_sides(half);
        }
        template.mark_by_depth(&window, middle);
        template
    }

    /// Whether a cell looks like the object, wherever it is.
    fn resembles(&self, cell: &Cell) -> bool {
        let [near_m, far_m] = self.relief_m;
        let behind_m = self.depth_m.map_or(f32::NAN, |own| cell.depth_m - own);
        let is_off = behind_m < near_m - DEPTH_SPAN_M || behind_m > far_m + DEPTH_SPAN_M;
        !is_off && self.palette.likeness(cell.color) > LIKELY
    }

    fn collect(&mut self, window: &Window, sketch: &Sketch, middle: [f32; 2], depths_m: &[f32]) {
        for (index, &surety) in sketch.surety.iter().enumerate() {
            let (column, row) = (index as i32 % window.width, index as i32 / window.width);
            let offset = [
                column as f32 + 0.5 - middle[0],
                row as f32 + 0.5 - middle[1],
            ];
            let (cell, inside) = (window.at(column, row), sketch.inside[index]);
            let relief_m = self.depth_m.map_or(f32::NAN, |own| cell.depth_m - own);
            let is_far = relief_m.abs() > MOST_RELIEF_M;
            let is_beside = self.depth_m.is_none_or(|own| {
                depths_m[index].is_nan() || (depths_m[index] - own).abs() <= MOST_RELIEF_M / 2.0
            });
            if cell.is_others && inside && is_beside {
                self.held.push(offset);
            }
            if cell.color[0].is_nan() {
                continue;
            }
            if surety > 0.5 && !is_far && (inside || sketch.goes_on[index]) {
                let weight = surety * if inside { 1.0 } else { OUTSIDE_WEIGHT };
                self.points.push(Point {
                    offset,
                    color: cell.color,
                    relief_m,
                    weight,
                    inside,
                });
            } else if surety < 0.4 {
                self.beside.push(Beside {
                    offset,
                    weight: 1.0 - surety,
                    by_depth: false,
                });
            }
        }
    }

    /// Whether the object's own points say where its box ends.
    fn reaches_over(&self, half: [f32; 2]) -> bool {
        let inside = self.points.iter().filter(|point| point.inside);
        let none = [[f32::INFINITY, f32::NEG_INFINITY]; 2];
        let spans = inside.fold(none, |spans, point| {
            [0, 1].map(|k| {
                let [first, last] = spans[k];
                [first.min(point.offset[k]), last.max(point.offset[k])]
            })
        });
        (0..2).all(|k| spans[k][1] - spans[k][0] > REACHES_SHARE * 2.0 * half[k])
    }

    /// Where the object's rest begins right beyond a side.
    fn open_sides(&self, half: [f32; 2]) -> [bool; 4] {
        [0, 1, 2, 3].map(|side| {
            let (axis, across) = (side % 2, 1 - side % 2);
            let sign = if side < 2 { -1.0 } else { 1.0 };
            let beyond = self.points.iter().filter(|point| {
                let off = sign * point.offset[axis] - half[axis];
                !point.inside
                    && (0.0..OPEN_CELLS).contains(&off)
                    && point.offset[across].abs() < half[across]
            });
            beyond.count() as f32 > 2.0 + OPEN_SHARE * OPEN_CELLS * 2.0 * half[across]
        })
    }

    /// What lies right beside the object tells where it ends; what is far from it tells little.
    fn weigh_beside(&mut self) {
        for beside in &mut self.beside {
            let nearest = self.points.iter().map(|point| {
                let [dx, dy] = [0, 1].map(|k| point.offset[k] - beside.offset[k]);
                dx * dx + dy * dy
            });
            let cells = nearest.fold(f32::INFINITY, f32::min).sqrt();
            beside.weight *= (-cells / BESIDE_CELLS).exp();
        }
    }

    fn mark_by_depth(&mut self, window: &Window, middle: [f32; 2]) {
        let Some(own_m) = self.depth_m else {
            return;
        };
        let [near_m, far_m] = self.relief_m;
        for beside in &mut self.beside {
            let [column, row] = [0, 1].map(|k| (middle[k] + beside.offset[k]).floor() as i32);
            let behind_m = window.at(column, row).depth_m - own_m;
            beside.by_depth =
                behind_m > far_m + 1.5 * DEPTH_SPAN_M || behind_m < near_m - 1.5 * DEPTH_SPAN_M;
        }
    }

    fn span_of_relief(&self) -> [f32; 2] {
        let reliefs = self.points.iter().filter(|point| point.inside);
        reliefs
            .map(|point| point.relief_m)
            .filter(|relief_m| relief_m.is_finite())
            .fold([0.0, 0.0], |[near, far], relief_m| {
                [near.min(relief_m), far.max(relief_m)]
            })
    }
}

/// A first look at a box: how surely each cell is the object's.
struct Sketch {
    surety: Vec<f32>,
    inside: Vec<bool>,
    /// Nearer than what lies behind, outside the box: perhaps the object's rest.
    goes_on: Vec<bool>,
    /// By its depth it stands clear of what surrounds it.
    is_alone: bool,
    palette: Palette,
}

impl Sketch {
    fn of(window: &Window, middle: [f32; 2], half: [f32; 2], on: Option<&Template>) -> Self {
        let places: Vec<[i32; 2]> = (0..window.width * window.height)
            .map(|index| [index % window.width, index / window.width])
            .collect();
        let inside: Vec<bool> = places
            .iter()
            .map(|place| (0..2).all(|k| (place[k] as f32 + 0.5 - middle[k]).abs() < half[k]))
            .collect();
        let layer = Layer::of(window, &places, &inside);
        let mut odds = depth_odds(window, &places, &inside, layer.as_ref());
        if let Some(on) = on {
            let cells = odds.iter_mut().zip(&window.cells);
            let others = cells.filter(|(_, cell)| on.resembles(cell));
            others.for_each(|(odds, _)| *odds = NEVER);
        }
        let goes_on = places.iter().enumerate();
        let goes_on = goes_on.map(|(i, _)| !inside[i] && odds[i] > 0.0).collect();
        let mut sketch = Self {
            surety: vec![0.0; places.len()],
            inside,
            goes_on,
            is_alone: layer.is_some_and(|layer| layer.is_alone),
            palette: Palette::of(std::iter::empty()),
        };
        for (i, surety) in sketch.surety.iter_mut().enumerate() {
            *surety = if sketch.inside[i] {
                sure(odds[i] + 0.8)
            } else {
                0.0
            };
        }
        for _ in 0..2 {
            sketch.palette = sketch.colors(window);
            for (i, cell) in window.cells.iter().enumerate() {
                let likeness = sketch.palette.likeness(cell.color).clamp(0.1, 0.9);
                let from_color = (likeness / (1.0 - likeness)).ln();
                sketch.surety[i] = sure(odds[i] + from_color);
            }
        }
        sketch.fill_if_empty(&odds);
        sketch.palette = sketch.colors(window);
        sketch
    }

    /// Colours of what is inside and of what is outside and not the object's rest.
    fn colors(&self, window: &Window) -> Palette {
        let cells = window.cells.iter().enumerate();
        let told = cells.filter(|(i, _)| !self.goes_on[*i]);
        Palette::of(told.map(|(i, cell)| {
            let share = if self.inside[i] { self.surety[i] } else { 0.0 };
            (*cell, share)
        }))
    }

    /// Where hardly anything stands out, the whole box is followed.
    fn fill_if_empty(&mut self, odds: &[f32]) {
        let inside = self.inside.iter().filter(|inside| **inside).count();
        let object = (0..self.inside.len())
            .filter(|&i| self.inside[i] && self.surety[i] > 0.5)
            .count();
        if (object as f32) < (LEAST_OBJECT_SHARE * inside as f32).max(LEAST_OBJECT_CELLS) {
            for (i, surety) in self.surety.iter_mut().enumerate() {
                let may_be = self.inside[i] && odds[i] > NEVER;
                *surety = if may_be { 0.6 } else { surety.min(0.45) };
            }
        }
    }

    /// The middle depth of what is the object's, in metres.
    fn depth_m(&self, window: &Window) -> Option<f32> {
        let cells = window.cells.iter().enumerate();
        let mut depths: Vec<f32> = cells
            .filter(|(i, cell)| {
                self.inside[*i] && self.surety[*i] > 0.5 && cell.depth_m.is_finite()
            })
            .map(|(_, cell)| cell.depth_m)
            .collect();
        depths.sort_by(f32::total_cmp);
        // A handful of measurements may be anything's.
        (depths.len() >= 6).then(|| depths[depths.len() / 2])
    }
}

/// What depth says about each cell, as the logarithm of odds: the object's cells are in its layer, and nearer than a
/// plane behind it if there is one in the layer.
fn depth_odds(
    window: &Window,
    places: &[[i32; 2]],
    inside: &[bool],
    layer: Option<&Layer>,
) -> Vec<f32> {
    let Some(layer) = layer else {
        return vec![0.0; places.len()];
    };
    let depth_at = |i: usize| window.at(places[i][0], places[i][1]).depth_m;
    let ground = if layer.is_alone {
        None
    } else {
        let cells = |is_inside: bool| {
            let cells = (0..places.len()).filter(|&i| inside[i] == is_inside);
            let cells = cells.filter(|&i| layer.has(depth_at(i)));
            cells.map(|i| places[i]).collect::<Vec<_>>()
        };
        Ground::behind(window, &cells(false), &cells(true))
    };
    let before = |i: usize| {
        let (depth_m, [column, row]) = (depth_at(i), places[i]);
        ground.map(|ground: Ground| {
            let tolerance_m = (3.0 * ground.noise_m).max(0.003).max(0.004 * depth_m);
            ground.before_m(column, row, depth_m) / tolerance_m
        })
    };
    // Where the sensor sees nothing around the box either, what it does not see in the box is rather what surrounds it.
    let is_around = |i: &usize| !inside[*i] && !window.cells[*i].is_others;
    let around = (0..places.len()).filter(is_around);
    let (unmeasured, all) = around.fold((0, 0), |(unmeasured, all), i| {
        (unmeasured + usize::from(depth_at(i).is_nan()), all + 1)
    });
    let unmeasured_share = unmeasured as f32 / all.max(1) as f32;
    let unmeasured_odds = (HOLES_SHARE / unmeasured_share.max(HOLES_SHARE)).ln();
    let odds = (0..places.len()).map(|i| match (depth_at(i), before(i)) {
        (depth_m, _) if depth_m.is_nan() => unmeasured_odds,
        (depth_m, _) if !layer.has(depth_m) => -3.0,
        (_, Some(before)) if before > 0.0 => 2.0 * (before - 1.0).clamp(-0.5, 1.0),
        (_, Some(_)) => -1.0,
        _ if layer.is_alone => 2.0,
        _ => 0.0,
    });
    odds.collect()
}

fn sure(odds: f32) -> f32 {
    1.0 / (1.0 + (-odds).exp())
}
