//! The Python package `spatial_reward`, as far as it is native: numpy arrays in, steps out, and the work on recordings.
//! What Python sees of it is written down in python/spatial_reward/_native.pyi.

mod annotating;
mod annotator;
mod arrays;
mod boxes;
mod calls;
mod camera;
mod error;
mod evaluation;
mod eyes;
mod inspection;
mod json;
mod labelled;
mod log;
mod measured;
mod measured_recording;
mod messages;
mod named;
mod photo_set;
mod pickle;
mod process;
mod recording;
mod regions;
mod settings;
mod step;
mod task_step;
mod tracker;
mod views;
mod words;

use std::ffi::OsString;

use pyo3::prelude::*;

/// The program `spatial-reward` with these arguments, the first of which is its name; what the process is to say at its end.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| spatial_reward::program::run(arguments).code())
}

/// The native half of the package `spatial_reward`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("Error", module.py().get_type::<error::Error>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<annotator::Annotator>()?;
    module.add_class::<camera::Camera>()?;
    module.add_class::<evaluation::Evaluation>()?;
    module.add_class::<inspection::Inspection>()?;
    module.add_class::<labelled::Labelled>()?;
    module.add_class::<measured::Measurement>()?;
    module.add_class::<measured_recording::MeasuredRecording>()?;
    module.add_class::<messages::Messages>()?;
    module.add_class::<photo_set::PhotoSet>()?;
    module.add_class::<recording::Frame>()?;
    module.add_class::<recording::Frames>()?;
    module.add_class::<recording::Recording>()?;
    module.add_class::<step::Step>()?;
    module.add_class::<task_step::PairStep>()?;
    module.add_class::<task_step::QuantityStep>()?;
    module.add_class::<task_step::TaskStep>()?;
    module.add_class::<tracker::Tracked>()?;
    module.add_class::<tracker::Tracker>()?;
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(annotator::measure, module)?)?;
    module.add_function(wrap_pyfunction!(evaluation::evaluate, module)?)?;
    module.add_function(wrap_pyfunction!(inspection::inspect, module)?)?;
    module.add_function(wrap_pyfunction!(labelled::label, module)?)?;
    Ok(())
}
