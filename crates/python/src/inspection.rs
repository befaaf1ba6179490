//! What a recording holds, from Python.

use std::path::PathBuf;

use pyo3::prelude::*;
use serde_json::Value;
use spatial_reward::program;
use spatial_reward_offline::inspect::inspect as inspect_bag;
use spatial_reward_offline::label::roles::TruthTopics;

use crate::calls::interruptible;
use crate::error::{Failure, raised};
use crate::json::to_python;
use crate::labelled::escaped;
use crate::regions::sources;
use crate::settings::{Chosen, ready};
use crate::words::{all_in_python, in_python};

/// What a recording holds, and what labelling it would meet.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Inspection {
    text: String,
    /// As `inspect --json` tells it.
    told: Value,
}

impl Inspection {
    fn of_label(&self, name: &str) -> &Value {
        self.told
            .get("label")
            .and_then(|label| label.get(name))
            .unwrap_or(&Value::Null)
    }
}

#[pymethods]
impl Inspection {
    #[getter]
    fn possible(&self) -> bool {
        self.of_label("possible").as_bool().unwrap_or_default()
    }

    #[getter]
    fn obstacles<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.of_label("obstacles"))
    }

    #[getter]
    fn frames(&self) -> u64 {
        self.of_label("frames").as_u64().unwrap_or_default()
    }

    #[getter]
    fn topics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.told.get("topics").unwrap_or(&Value::Null))
    }

    #[getter]
    fn roles<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.told.get("roles").unwrap_or(&Value::Null))
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.told)
    }

    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        let path = self
            .told
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let possible = if self.possible() {
            "can be labelled"
        } else {
            "cannot be labelled yet"
        };
        format!("Inspection('{path}', {} frames, {possible})", self.frames())
    }

    fn _repr_html_(&self) -> String {
        format!("<pre>{}</pre>", escaped(&self.text))
    }
}

/// What a bag holds, and what labelling it would meet.
#[pyfunction]
#[pyo3(signature = (bag, *, config = None, fingertip = None, target = None, progress = None))]
pub(crate) fn inspect(
    py: Python<'_>,
    bag: PathBuf,
    config: Option<&Bound<'_, PyAny>>,
    fingertip: Option<&Bound<'_, PyAny>>,
    target: Option<&Bound<'_, PyAny>>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Inspection> {
    let mut config = crate::settings::config(config, Chosen::default())?;
    sources(&mut config, fingertip, target)?;
    let settings = ready(config)?;
    let (truth, video) = (TruthTopics::default(), program::video_decoders());
    let inspected = interruptible(py, progress, |_, progress| {
        inspect_bag(&bag, &settings, &truth, &video, progress)
    })?;
    let (text, told) = program::inspection_told(&inspected.map_err(raised)?)
        .map_err(|error| PyErr::from(Failure::of("report", error.to_string())))?;
    Ok(Inspection {
        text: in_python(text.trim_end()),
        told: all_in_python(told),
    })
}
