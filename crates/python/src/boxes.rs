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

/// What else than a box may say where something is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Else {
    Nothing,
    Mask,
}

/// Four numbers: a tuple, a list or an array.
///
/// # Errors
/// Something else, and edges in another order, which are mostly an x, a y, a width and a height.
pub(crate) fn bbox(what: &str, given: &Bound<'_, PyAny>, or: Else) -> Result<BoundingBox, Failure> {
    let (mask, remedy) = match or {
        Else::Mask => (
            ", or a mask (height, width) of bool",
            "numpy.asarray(...) makes a mask of it",
        ),
        Else::Nothing => (
            "",
            "a mask's box is that of its first and last columns and rows",
        ),
    };
    let needed = format!("a box (x_min, y_min, x_max, y_max) in pixels is needed{mask}");
    // Letters are numbers too, but no edges.
    let is_text = given.is_instance_of::<PyBytes>() || given.is_instance_of::<PyByteArray>();
    let numbers = Some(given).filter(|_| !is_text);
    let edges: Option<[f64; 4]> = numbers.and_then(|given| given.extract().ok()).or_else(|| {
        let listed = given.call_method0("tolist").ok()?;
        listed.extract().ok()
    });
    let Some([x_min, y_min, x_max, y_max]) = edges else {
        let shape = tensor_shape(given);
        let failure = Failure::of(
            "region",
            format!("{what} is {}, and {needed}", shown(given)),
        );
        return Err(match shape {
            Some(shape) if shape.len() == 2 => failure.remedy(remedy),
            _ => failure,
        });
    };
    if x_max < x_min || y_max < y_min {
        let words = format!(
            "{what} is ({x_min}, {y_min}, {x_max}, {y_max}), which ends before it begins, and {needed}"
        );
        let remedy = "of a width and a height it is (x, y, x + width, y + height)";
        return Err(Failure::of("region", words).remedy(remedy));
    }
    Ok(BoundingBox::new(x_min, y_min, x_max, y_max))
}

/// The shape of an array, also of another library's.
fn tensor_shape(given: &Bound<'_, PyAny>) -> Option<Vec<usize>> {
    given.getattr("shape").ok()?.extract().ok()
}

/// As Python writes it; of what has many numbers its kind and its shape.
fn shown(given: &Bound<'_, PyAny>) -> String {
    match (tensor_shape(given), given.get_type().name()) {
        (Some(shape), Ok(name)) => {
            let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
            format!("a {name} of shape ({})", sides.join(", "))
        }
        _ => given
            .repr()
            .map_or_else(|_| "?".to_owned(), |shown| shown.to_string()),
    }
}
