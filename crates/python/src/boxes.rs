//! Boxes as Python has them: four numbers.

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};
use spatial_reward_core::frame::BoundingBox;

use crate::error::Failure;

/// `(x_min, y_min, x_max, y_max)` in pixels.
pub(crate) type Edges = (f64, f64, f64, f64);

pub(crate) fn edges(bbox: &BoundingBox) -> Edges {
    (bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max)
}

/// Four numbers: a tuple, a list or an array.
pub(crate) fn bbox(what: &str, given: &Bound<'_, PyAny>) -> Result<BoundingBox, Failure> {
    // Letters are numbers too, but no edges.
    let is_text = given.is_instance_of::<PyBytes>() || given.is_instance_of::<PyByteArray>();
    let numbers = Some(given).filter(|_| !is_text);
    let edges: Option<[f64; 4]> = numbers.and_then(|given| given.extract().ok()).or_else(|| {
        let listed = given.call_method0("tolist").ok()?;
        listed.extract().ok()
    });
    let [x_min, y_min, x_max, y_max] = edges.ok_or_else(|| {
        let shown = given
            .repr()
            .map_or_else(|_| "?".to_owned(), |shown| shown.to_string());
        let words = format!(
            "{what} is {shown}, and a box (x_min, y_min, x_max, y_max) in pixels is needed, or a mask (height, width) of bool"
        );
        Failure::of("region", words)
    })?;
    Ok(BoundingBox::new(x_min, y_min, x_max, y_max))
}
