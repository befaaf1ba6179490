//! How far what is seen is from what is looked for.

use super::window::Cell;

/// Colours that differ by this much, in parts of the whole span, have nothing in common.
const COLOR_SPAN: f32 = 0.16;
/// How much less brightness counts than tints: shadows change it.
const BRIGHTNESS_SHARE: f32 = 0.4;
/// Depths that differ by this much, in metres, have nothing in common, while the object's own depth is not yet known.
pub(super) const DEPTH_SPAN_M: f32 = 0.03;

/// What another object hides speaks neither for a place nor against it.
const HIDDEN_COST: f32 = 0.5;

/// How little a cell's colour has in common with a point's, 0 to 1.
pub(super) fn color_cost(a: [f32; 3], b: [f32; 3]) -> f32 {
    let off = [0, 1, 2].map(|k| (a[k] - b[k]) * (1.0 / COLOR_SPAN));
    // Beyond the picture colours are NaN, which `min` takes for 1.
    (BRIGHTNESS_SHARE * off[0] * off[0] + off[1] * off[1] + off[2] * off[2]).min(1.0)
}

/// How little a cell has in common with a point of that colour at that depth, 0 to 1; by colour alone where either
/// depth is unknown.
pub(super) fn point_cost(cell: &Cell, color: [f32; 3], depth_m: f32) -> f32 {
    if cell.is_others {
        return HIDDEN_COST;
    }
    let by_color = color_cost(cell.color, color);
    let off = ((cell.depth_m - depth_m) * (1.0 / DEPTH_SPAN_M)).abs();
    if off.is_nan() {
        by_color
    } else {
        0.5 * (by_color + off.min(1.0))
    }
}
