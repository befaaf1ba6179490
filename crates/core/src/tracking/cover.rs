//! Where in a picture an object is seen, cell by cell: what another tracker is not to take for its own.

use super::pose::Pose;
use super::template::Template;
use super::verdict::Fate;
use super::window::Window;

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
    /// Of what is seen of an object in a pose.
    pub(super) fn of(window: &Window, template: &Template, pose: &Pose, fates: &[Fate]) -> Self {
        let half =
            (template.half_px).map(|half| (half / f64::from(template.cell_px)).ceil() as i32 + 1);
        let (width, height) = ((2 * half[0] + 1) as usize, (2 * half[1] + 1) as usize);
        let cell_px = f64::from(template.cell_px) * f64::from(pose.scale);
        let middle = [0, 1].map(|k| {
            f64::from(window.origin[k]) + f64::from(pose.place[k]) * f64::from(window.cell_px)
        });
        let mut cover = Self {
            origin: [0, 1].map(|k| middle[k] - (f64::from(half[k]) + 0.5) * cell_px),
            cell_px,
            width,
            cells: vec![false; width * height],
        };
        for (point, fate) in template.points.iter().zip(fates) {
            let cell = [0, 1].map(|k| (point.offset[k] - 0.5).round() as i32 + half[k]);
            let [column, row] = cell.map(|cell| usize::try_from(cell).unwrap_or(usize::MAX));
            if *fate == Fate::Seen && point.inside && column < width && row < height {
                cover.cells[row * width + column] = true;
            }
        }
        cover
    }

    /// Whether the object is seen at a place of the picture, in pixels, or within so many pixels of it.
    pub(super) fn has_near(&self, [x, y]: [f64; 2], rim_px: f64) -> bool {
        let steps = [-rim_px, 0.0, rim_px];
        steps
            .iter()
            .any(|dy| steps.iter().any(|dx| self.has([x + dx, y + dy])))
    }

    /// Whether the object is seen at a place of the picture, in pixels.
    fn has(&self, place: [f64; 2]) -> bool {
        let [column, row] = [0, 1].map(|k| (place[k] - self.origin[k]) / self.cell_px);
        let is_here = column >= 0.0 && row >= 0.0 && column < self.width as f64;
        let index = row as usize * self.width + column as usize;
        is_here && self.cells.get(index).copied().unwrap_or(false)
    }
}
