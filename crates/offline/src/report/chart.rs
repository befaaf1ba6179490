//! The report's picture, drawn once as SVG for the PNG and the HTML: a film strip on top, distance and
//! reward over time below it, a lane of states between them, a legend at the end.

mod curves;
mod drawing;
mod panels;
mod size;
mod strip;
mod task;

pub(crate) use self::drawing::{Drawing, draw};
pub(crate) use self::size::WIDTH;
pub(crate) use self::strip::Tile;
