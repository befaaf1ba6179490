//! Where in a picture an object is seen, cell by cell: what another tracker is not to take for its own.

use crate::frame::BoundingBox;

/// The cells of a picture in which an object is seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Cover {
    /// Of the first cell's upper left corner, in pixels.
    origin: [f64; 2],
    /// Pixels a side.
    cell_px: f64,
    width: usize,
    cells: Vec<bool>,
}

impl Cover {
    /// Of nothing, in a grid of so many cells each way around a place in pixels.
    pub(super) fn around(middle: [f64; 2], half: [usize; 2], cell_px: f64) -> Self {
        let [width, height] = half.map(|half| 2 * half + 1);
        Self {
            origin: [0, 1].map(|k| middle[k] - (half[k] as f64 + 0.5) * cell_px),
            cell_px,
            width,
            cells: vec![false; width * height],
        }
    }

    /// Of whatever is in a box.
    pub(super) fn whole(bbox: &BoundingBox) -> Self {
        let [width, height] = [bbox.width(), bbox.height()].map(|side| side.ceil() as usize);
        Self {
            origin: [bbox.x_min, bbox.y_min],
            cell_px: 1.0,
            width,
            cells: vec![true; width * height],
        }
    }

    /// The object is seen in the cell of a place, in pixels.
    pub(super) fn mark(&mut self, place: [f64; 2]) {
        if let Some(cell) = self
            .index(place)
            .and_then(|index| self.cells.get_mut(index))
        {
            *cell = true;
        }
    }

    /// Whether the object is seen at a place of the picture, in pixels, or within so many pixels of it.
    pub(super) fn has_near(&self, [x, y]: [f64; 2], rim_px: f64) -> bool {
        let steps = [-rim_px, 0.0, rim_px];
        let has = |place| {
            self.index(place)
                .and_then(|index| self.cells.get(index).copied())
        };
        (steps.iter()).any(|dy| steps.iter().any(|dx| has([x + dx, y + dy]) == Some(true)))
    }

    fn index(&self, place: [f64; 2]) -> Option<usize> {
        let [column, row] = [0, 1].map(|k| (place[k] - self.origin[k]) / self.cell_px);
        let is_here = column >= 0.0 && row >= 0.0 && column < self.width as f64;
        is_here.then(|| row as usize * self.width + column as usize)
    }
}
