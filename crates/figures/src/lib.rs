//! Pictures drawn as SVG, the same on every machine: axes, legends and text in an embedded font, curves of a training,
//! one frame with what was made of it, and what was found in a picture.

pub mod axis;
pub mod curves;
pub mod detections;
mod error;
pub mod legend;
pub mod marks;
pub mod masks;
pub mod overlay;
mod painted;
pub mod raster;
pub mod style;
pub mod svg;

pub use error::{Error, Result};
