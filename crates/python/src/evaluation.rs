//! A labelled recording against its truth, from Python.

use std::fs;
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use spatial_reward_offline::evaluate::{
    Evaluation as OfflineEvaluation, WithoutTruth, evaluate as evaluate_bag,
};
use spatial_reward_offline::label::output::name_of;

use crate::calls::interruptible;
use crate::error::{Failure, raised};
use crate::json::to_python;
use crate::labelled::{escaped, truth as truth_topics};
use crate::step::embedded;

/// What a labelled recording is worth.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Evaluation {
    bag: PathBuf,
    evaluated: OfflineEvaluation,
}

#[pymethods]
impl Evaluation {
    /// The figures, under the names that `evaluate --json` prints.
    #[getter]
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let told = serde_json::to_value(&self.evaluated.metrics);
        let told = told.map_err(|error| PyErr::from(Failure::of("report", error.to_string())))?;
        to_python(py, &told)
    }

    #[getter]
    fn steps_with_truth(&self) -> u64 {
        self.evaluated.steps_with_truth
    }

    #[getter]
    fn without_truth(&self) -> Option<String> {
        let why = self.evaluated.without_truth?;
        Some(match why {
            WithoutTruth::NoTopic(kind) => format!(
                "the bag has no truth of the {} distance (truth={{...}} names it), so the rewards are judged by their order \
                 in time alone",
                kind.name()
            ),
            WithoutTruth::NoneNear => {
                "no truth is within 20 ms of a step, or its points differ in their frames, so the \
                                       rewards are judged by their order in time alone"
                    .to_owned()
            }
            WithoutTruth::Geometry(kind) => format!(
                "there is no truth of the {} distance, so the model's answers are held against what geometry measured in \
                 the depth image",
                kind.name()
            ),
        })
    }

    #[getter]
    fn truth_is_tf(&self) -> bool {
        self.evaluated.truth_is_tf
    }

    fn __str__(&self) -> String {
        let steps = self.evaluated.metrics.annotator.steps;
        let with_truth = self.evaluated.steps_with_truth;
        format!(
            "{}\n{with_truth} of {steps} steps have ground truth",
            self.evaluated.metrics
        )
    }

    fn __repr__(&self) -> String {
        format!(
            "Evaluation('{}', {} steps with truth)",
            self.bag.display(),
            self.evaluated.steps_with_truth
        )
    }

    fn _repr_html_(&self) -> String {
        let words = "reward and distance over time, with the truth where there is one";
        let png =
            fs::read(picture_of(&self.bag)).map_or(String::new(), |png| embedded(&png, words));
        format!("<pre>{}</pre>{png}", escaped(&self.__str__()))
    }
}

/// The report's picture beside a labelled bag's messages.
fn picture_of(bag: &Path) -> PathBuf {
    bag.join(format!("{}_reward.png", name_of(bag)))
}

/// Hold a labelled bag against its truth.
#[pyfunction]
#[pyo3(signature = (bag, *, truth = None, progress = None))]
pub(crate) fn evaluate(
    py: Python<'_>,
    bag: PathBuf,
    truth: Option<&Bound<'_, PyDict>>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Evaluation> {
    let truth = truth_topics(truth)?;
    let evaluated = interruptible(py, progress, |_, progress| {
        evaluate_bag(&bag, &truth, progress)
    })?;
    let evaluated = evaluated.map_err(raised)?;
    Ok(Evaluation { bag, evaluated })
}
