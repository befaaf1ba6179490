//! The picture's width and the margins that all of it keeps, in its own units (CSS pixels in the HTML).

/// The whole width.
pub(crate) const WIDTH: f64 = 1200.0;
/// Where panels and tiles begin; ticks stand left of it.
pub(super) const LEFT: f64 = 66.0;
/// Where panels and tiles end.
pub(super) const RIGHT: f64 = WIDTH - 22.0;
