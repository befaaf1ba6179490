//! A region that comes to be larger than it was drawn: fingers that open. Only by depth, where the object stands alone.

use super::pose::Pose;
use super::search::Likeness;
use super::template::Template;
use super::window::Window;

/// A cell has the object's colours if they are this likely to be its.
const LIKELY: f32 = 0.75;
/// A line along a side is the object's if this share of its cells is, and so many.
const LINE_SHARE: f32 = 0.12;
const LINE_CELLS: usize = 2;
/// Lines that a side grows in a picture.
const MOST_LINES: usize = 2;
/// A side grows by at most this share of the box's other half.
const MOST_GROWTH: f32 = 1.5;

/// By how many of the template's cells each side of the box (left, top, right, bottom) lies beyond where it was drawn.
pub(super) fn grown(
    window: &Window,
    likeness: &[Likeness],
    template: &Template,
    pose: &Pose,
    before: [f32; 4],
) -> [f32; 4] {
    let half = template
        .half_px
        .map(|half| (half / f64::from(template.cell_px)) as f32);
    let mut now = before;
    for side in 0..4 {
        if template.is_open[side] {
            continue;
        }
        let (axis, across) = (side % 2, 1 - side % 2);
        let along = [-half[across] - now[across], half[across] + now[across + 2]];
        let is_object = |beyond: f32| {
            let at = half[axis] + beyond;
            let at = if side < 2 { -at } else { at };
            line(window, likeness, pose, axis, at, along)
        };
        for _ in 0..MOST_LINES {
            let own = now[side];
            if own < MOST_GROWTH * half[axis] && is_object(own + 0.5) {
                now[side] = own + 1.0;
            } else if own >= 1.0 && !is_object(own - 0.5) {
                now[side] = own - 1.0;
            }
        }
    }
    now
}

/// Whether the object crosses a line of cells, at a place of one axis and along a span of the other.
fn line(
    window: &Window,
    likeness: &[Likeness],
    pose: &Pose,
    axis: usize,
    at: f32,
    along: [f32; 2],
) -> bool {
    let length = (along[1] - along[0]).max(1.0) as usize;
    let count = (0..length)
        .filter(|step| {
            let mut offset = [at; 2];
            offset[1 - axis] = along[0] + *step as f32 + 0.5;
            let [column, row] = pose.cell_of(offset);
            window.index(column, row).is_some_and(|index| {
                let cell = likeness[index];
                cell.at_depth && cell.likely > LIKELY
            })
        })
        .count();
    count >= LINE_CELLS.max((LINE_SHARE * length as f32) as usize)
}
