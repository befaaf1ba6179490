//! Where in a large window a lost object may be: the places with the most of its colours, or of what lies at its depth.

use super::palette::Palette;
use super::search::Likeness;
use super::window::Window;

/// Places that are looked at for each kind of likeness.
const MOST: usize = 12;
/// A cell has the object's colours if they are this likely to be its.
const LIKELY: f32 = 0.6;

/// A place worth a look, in cells, and how far away the object would be, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) place: [i32; 2],
    pub(super) depth_m: Option<f32>,
}

/// Places for an object whose box has such sides, in cells.
pub(super) fn candidates(
    window: &Window,
    likeness: &[Likeness],
    palette: &Palette,
    sides: [i32; 2],
    depth_m: Option<f32>,
) -> Vec<Candidate> {
    let near = likeness.iter().map(|cell| cell.likely);
    let mut found: Vec<_> = fullest(window, near, sides)
        .into_iter()
        .map(|place| Candidate { place, depth_m })
        .collect();
    // It may come back at another depth.
    if depth_m.is_some() {
        let colors: Vec<_> = window
            .cells
            .iter()
            .map(|cell| palette.likeness(cell.color))
            .collect();
        for place in fullest(window, colors.iter().copied(), sides) {
            let depth_m = depth_at(window, &colors, place, sides).or(depth_m);
            found.push(Candidate { place, depth_m });
        }
    }
    found
}

/// The middles of the boxes with the most likeness in them, no two of them near each other.
fn fullest(window: &Window, likeness: impl Iterator<Item = f32>, sides: [i32; 2]) -> Vec<[i32; 2]> {
    let (width, height) = (window.width as usize, window.height as usize);
    // Sums of all that is above and to the left.
    let mut sums = vec![0.0_f64; (width + 1) * (height + 1)];
    let mut row_sum = 0.0;
    for (i, likely) in likeness.enumerate() {
        let (column, row) = (i % width, i / width);
        row_sum = if column == 0 { 0.0 } else { row_sum } + f64::from(likely);
        let at = (row + 1) * (width + 1) + column + 1;
        sums[at] = sums[at - width - 1] + row_sum;
    }
    let [across, down] = sides.map(|side| side.max(2) as usize);
    let steps = [across, down].map(|side| (side / 4).max(1));
    let mut boxes = Vec::new();
    for top in (0..height.saturating_sub(down)).step_by(steps[1]) {
        for left in (0..width.saturating_sub(across)).step_by(steps[0]) {
            let sum = |x: usize, y: usize| sums[y * (width + 1) + x];
            let (right, bottom) = (left + across, top + down);
            let inside = sum(right, bottom) - sum(left, bottom) - sum(right, top) + sum(left, top);
            boxes.push((
                inside,
                [(left + across / 2) as i32, (top + down / 2) as i32],
            ));
        }
    }
    boxes.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut chosen: Vec<[i32; 2]> = Vec::new();
    for (_, place) in boxes {
        let is_near =
            |other: &[i32; 2]| (0..2).all(|k| (place[k] - other[k]).abs() < (sides[k] / 2).max(1));
        if !chosen.iter().any(is_near) {
            chosen.push(place);
        }
        if chosen.len() == MOST {
            break;
        }
    }
    chosen
}

/// The middle depth of what has the object's colours in a box, in metres.
fn depth_at(window: &Window, colors: &[f32], place: [i32; 2], sides: [i32; 2]) -> Option<f32> {
    let mut depths = Vec::new();
    for row in place[1] - sides[1] / 2..place[1] + sides[1] / 2 {
        for column in place[0] - sides[0] / 2..place[0] + sides[0] / 2 {
            let depth_m = window.at(column, row).depth_m;
            if depth_m.is_finite() && colors[(row * window.width + column) as usize] > LIKELY {
                depths.push(depth_m);
            }
        }
    }
    depths.sort_by(f32::total_cmp);
    depths.get(depths.len() / 2).copied()
}
