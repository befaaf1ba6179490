//! The hidden side of what need not be symmetric: a crooked finger, a banana. Behind each pixel it is taken to be as thick
//! as it is wide there, round in cross-section, so that nothing is put where the outline does not support it.

use crate::geometry::sides::OUTWARD;
use crate::geometry::solid::{Point, point, rim};
use crate::geometry::surfaces::continuous;
use crate::geometry::window::{IN_ANY_BOX, Window};

/// A pixel step to the side and a diagonal one, in thirds of a pixel: the chamfer distance is within 8 % of Euclid's.
const STRAIGHT: u32 = 3;
const DIAGONAL: u32 = 4;

/// What round cross-sections make of a region.
pub(super) struct Inflated {
    /// The centroid of its volume.
    pub center: Point,
    /// Points on its surface, seen and completed.
    pub surface: Vec<Point>,
}

/// Complete a region. Where its surface runs on out of its box, the box is no outline.
pub(super) fn inflated(window: &Window, pixels: &[usize]) -> Inflated {
    let inside = window.mask(pixels);
    let body = with_continuation(window, pixels, &inside);
    let mut thickness = Thickness::of(window, &body);
    let mut surface = Vec::with_capacity(3 * pixels.len());
    let (mut moment, mut volume) = (Point::zeros(), 0.0);
    for &i in pixels {
        let seen = point(window, i);
        let half_m = thickness.half_px(window, i) * window.footprint_m(seen.z);
        let away = seen.normalize() * half_m;
        surface.push(seen);
        surface.push(seen + 2.0 * away);
        // A pixel's share of the volume grows with the square of its footprint.
        let share = half_m * seen.z * seen.z;
        moment += (seen + away) * share;
        volume += share;
        for side in OUTWARD {
            surface.extend(rim(window, i, side, &inside));
        }
    }
    Inflated {
        center: moment / volume,
        surface,
    }
}

/// The region's pixels and those that its surface continues to beside its box.
fn with_continuation(window: &Window, pixels: &[usize], inside: &[bool]) -> Vec<usize> {
    let mut is_body = inside.to_vec();
    let mut body = pixels.to_vec();
    let mut next = 0;
    while let Some(&i) = body.get(next) {
        next += 1;
        for j in window.neighbours(i) {
            let is_beside = window.place[j] != 0 && window.place[j] & IN_ANY_BOX == 0;
            if is_beside && !is_body[j] && continuous(window, i, j, 1.0) {
                is_body[j] = true;
                body.push(j);
            }
        }
    }
    body
}

/// How thick a body is behind each of its pixels, on a grid around them.
struct Thickness {
    /// The window's column and row of the grid's first cell.
    origin: [usize; 2],
    width: usize,
    /// From each cell's middle to the outline, in thirds of a pixel; 0 outside.
    thirds: Vec<u32>,
    /// The cell of the medial axis to which each cell's shortest ways from the outline lead on.
    axis: Vec<usize>,
}

impl Thickness {
    fn of(window: &Window, body: &[usize]) -> Self {
        let extent = window.extent(body);
        // One cell around it, so that nobody has to ask whether there is a neighbour.
        let origin = [extent.x_min, extent.y_min].map(|least| least as usize - 1);
        let width = (extent.x_max as usize + 1) - origin[0];
        let height = (extent.y_max as usize + 1) - origin[1];
        let mut thickness = Self {
            origin,
            width,
            thirds: vec![0; width * height],
            axis: Vec::new(),
        };
        for &i in body {
            let cell = thickness.cell(window, i);
            thickness.thirds[cell] = u32::MAX / 2;
        }
        thickness.measure_distances();
        thickness.find_axis();
        thickness
    }

    fn cell(&self, window: &Window, pixel: usize) -> usize {
        let (column, row) = (pixel % window.width, pixel / window.width);
        (row - self.origin[1]) * self.width + column - self.origin[0]
    }

    /// Once forward and once backward over the rows brings each cell the shortest way out.
    fn measure_distances(&mut self) {
        let (width, thirds) = (self.width, &mut self.thirds);
        let inner = width + 1..thirds.len().saturating_sub(width + 1);
        for cell in inner.clone() {
            let straight = thirds[cell - 1].min(thirds[cell - width]);
            let diagonal = thirds[cell - width - 1].min(thirds[cell - width + 1]);
            let shortest = (straight + STRAIGHT).min(diagonal + DIAGONAL);
            thirds[cell] = thirds[cell].min(shortest);
        }
        for cell in inner.rev() {
            let straight = thirds[cell + 1].min(thirds[cell + width]);
            let diagonal = thirds[cell + width + 1].min(thirds[cell + width - 1]);
            let shortest = (straight + STRAIGHT).min(diagonal + DIAGONAL);
            thirds[cell] = thirds[cell].min(shortest);
        }
    }

    /// From cell to cell, uphill as steeply as distances grow away from an outline. Along the axis they grow less.
    fn find_axis(&mut self) {
        let (width, thirds) = (self.width, &self.thirds);
        self.axis = (0..thirds.len()).collect();
        for cell in width + 1..thirds.len().saturating_sub(width + 1) {
            if thirds[cell] == 0 {
                continue;
            }
            let mut highest = cell;
            for row in [cell - width, cell, cell + width] {
                for beside in [row - 1, row, row + 1] {
                    if thirds[beside] > thirds[highest] {
                        highest = beside;
                    }
                }
            }
            if thirds[highest] >= thirds[cell] + STRAIGHT {
                self.axis[cell] = highest;
            }
        }
    }

    /// Half of the thickness behind a pixel: that of the disc around its cell of the axis, seen from the side.
    fn half_px(&mut self, window: &Window, pixel: usize) -> f32 {
        let cell = self.cell(window, pixel);
        let mut axis = self.axis[cell];
        while self.axis[axis] != axis {
            axis = self.axis[axis];
        }
        // The next ones that come by need not walk so far.
        self.axis[cell] = axis;
        // The outline is half a pixel before the first middle outside.
        let px = |cell: usize| self.thirds[cell] as f32 / STRAIGHT as f32 - 0.5;
        let (radius, distance) = (px(axis), px(cell));
        (radius * radius - (radius - distance).powi(2))
            .max(0.0)
            .sqrt()
    }
}
