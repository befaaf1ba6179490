//! A part of a picture as a tracker sees it: cells of a whole number of pixels a side, each with a colour that
//! tells brightness and tints apart, and a depth.

use super::cover::Cover;
use crate::frame::{ColorImage, DepthImage};

/// What a cell looks like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    /// Brightness, red minus green, and yellow minus blue, each of a span of about 1; NaN beyond the picture.
    pub(super) color: [f32; 3],
    /// In metres; NaN where the sensor has none.
    pub(super) depth_m: f32,
    /// Another object that is followed too is seen here.
    pub(super) is_others: bool,
}

/// What lies beyond the picture.
const NOTHING: Cell = Cell {
    color: [f32::NAN; 3],
    depth_m: f32::NAN,
    is_others: false,
};

/// Cells in rows; the first one's upper left corner is `origin`, in pixels.
pub(super) struct Window {
    pub(super) origin: [i32; 2],
    /// Pixels a side.
    pub(super) cell_px: i32,
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) cells: Vec<Cell>,
}

impl Window {
    /// The cells of a part of a picture around a pixel, which reaches `reach` cells each way.
    pub(super) fn around(
        picture: &ColorImage,
        depth: Option<&DepthImage>,
        middle: [i32; 2],
        reach: [i32; 2],
        cell_px: i32,
    ) -> Self {
        let origin = [0, 1].map(|k| middle[k] - reach[k] * cell_px);
        let [width, height] = reach.map(|reach| 2 * reach + 1);
        let mut window = Self {
            origin,
            cell_px,
            width,
            height,
            cells: vec![NOTHING; (width * height) as usize],
        };
        for row in 0..height {
            window.paint(picture, row);
            if let Some(depth) = depth {
                window.measure(picture, depth, row);
            }
        }
        window
    }

    fn paint(&mut self, picture: &ColorImage, row: i32) {
        let y = self.origin[1] + row * self.cell_px;
        let (columns, rows) = (picture.width as i32, picture.height as i32);
        if y < 0 || y + self.cell_px > rows {
            return;
        }
        for column in 0..self.width {
            let x = self.origin[0] + column * self.cell_px;
            if x < 0 || x + self.cell_px > columns {
                continue;
            }
            // Of a large cell every other pixel has to do.
            let step = if self.cell_px > 2 { 2 } else { 1 };
            let (mut sum, mut count) = ([0_u32; 3], 0_u32);
            for line in (y..y + self.cell_px).step_by(step) {
                for across in (x..x + self.cell_px).step_by(step) {
                    let at = (line * columns + across) as usize * 3;
                    if let Some(&[r, g, b]) = picture.rgb.get(at..at + 3) {
                        sum = [
                            sum[0] + u32::from(r),
                            sum[1] + u32::from(g),
                            sum[2] + u32::from(b),
                        ];
                        count += 1;
                    }
                }
            }
            if count > 0 {
                let scale = 1.0 / (255.0 * count as f32);
                self.cells[(row * self.width + column) as usize].color =
                    tints(sum.map(|sum| sum as f32 * scale));
            }
        }
    }

    /// The depth at each cell's middle; a depth image may have another size than the picture.
    fn measure(&mut self, picture: &ColorImage, depth: &DepthImage, row: i32) {
        let scale = [
            f64::from(depth.width) / f64::from(picture.width),
            f64::from(depth.height) / f64::from(picture.height),
        ];
        let place = |cell: i32, axis: usize| {
            let middle =
                f64::from(self.origin[axis] + cell * self.cell_px) + f64::from(self.cell_px) / 2.0;
            (middle * scale[axis]).floor() as i32
        };
        let line = place(row, 1);
        let (first, last) = (place(0, 0).max(0), place(self.width - 1, 0));
        if line < 0 || line >= depth.height as i32 || last < first {
            return;
        }
        let mut values = vec![f32::NAN; (last - first + 1) as usize];
        depth.read_row(line as usize, first as usize, &mut values);
        let places: Vec<_> = (0..self.width).map(|column| place(column, 0)).collect();
        let cells = &mut self.cells[(row * self.width) as usize..][..self.width as usize];
        for (cell, place) in cells.iter_mut().zip(places) {
            if let Some(&value) = values.get((place - first) as usize)
                && value > 0.0
                && value.is_finite()
            {
                cell.depth_m = value;
            }
        }
    }

    /// What is another object's can tell nothing of this one, neither by its colour nor by its depth; nor can so many pixels
    /// around it.
    pub(super) fn leave_out(&mut self, other: &Cover, rim_px: f64) {
        let size = f64::from(self.cell_px);
        for row in 0..self.height {
            for column in 0..self.width {
                let middle = [column, row].map(|cell| (f64::from(cell) + 0.5) * size);
                let place = [0, 1].map(|k| f64::from(self.origin[k]) + middle[k]);
                if other.has_near(place, rim_px) {
                    self.cells[(row * self.width + column) as usize] = Cell {
                        is_others: true,
                        ..NOTHING
                    };
                }
            }
        }
    }

    /// A cell's index, here and in whatever else has a value for each; `None` beyond the window.
    pub(super) fn index(&self, column: i32, row: i32) -> Option<usize> {
        let is_here = (0..self.width).contains(&column) && (0..self.height).contains(&row);
        is_here.then(|| (row * self.width + column) as usize)
    }

    /// What lies in a cell; beyond the window nothing does.
    pub(super) fn at(&self, column: i32, row: i32) -> Cell {
        self.index(column, row)
            .map_or(NOTHING, |index| self.cells[index])
    }

    /// What lies at a place between the cells' middles: the colour of all four, the depth of the one that it is in.
    pub(super) fn between(&self, place: [f32; 2]) -> Cell {
        let [x, y] = place.map(|place| place - 0.5);
        let (column, row) = (x.floor() as i32, y.floor() as i32);
        let (right, down) = (x - x.floor(), y - y.floor());
        let corners = [
            self.at(column, row),
            self.at(column + 1, row),
            self.at(column, row + 1),
            self.at(column + 1, row + 1),
        ];
        let color = [0, 1, 2].map(|k| {
            let [a, b, c, d] = corners.map(|cell| cell.color[k]);
            let (above, below) = (a + right * (b - a), c + right * (d - c));
            above + down * (below - above)
        });
        let own = usize::from(right >= 0.5) + 2 * usize::from(down >= 0.5);
        Cell {
            color,
            ..corners[own]
        }
    }

    /// Where a place of the picture, in pixels, lies among the cells; the first cell's corner is 0.
    pub(super) fn cell_of(&self, place: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|k| (place[k] - f64::from(self.origin[k])) / f64::from(self.cell_px))
    }
}

fn tints([r, g, b]: [f32; 3]) -> [f32; 3] {
    [(r + g + b) / 3.0, r - g, (r + g) / 2.0 - b]
}
