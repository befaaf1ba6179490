//! What a step says of a whole task, as Python reads it.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use spatial_reward_core::task::TaskStep as CoreTaskStep;

use crate::pickle::{Reduced, reduced, restored};

/// Phase, progress, every pair and every quantity.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct TaskStep {
    task: CoreTaskStep,
}

/// A pair of regions in a step.
#[pyclass(frozen, get_all, module = "spatial_reward")]
pub(crate) struct PairStep {
    kind: &'static str,
    distance_m: f64,
    std_m: f64,
    valid: bool,
    reason: Option<&'static str>,
    cameras: Vec<String>,
    disagreeing: Vec<String>,
}

/// A quantity in a step.
#[pyclass(frozen, get_all, module = "spatial_reward")]
pub(crate) struct QuantityStep {
    value: f64,
    std: f64,
}

impl From<CoreTaskStep> for TaskStep {
    fn from(task: CoreTaskStep) -> Self {
        Self { task }
    }
}

#[pymethods]
impl TaskStep {
    #[getter]
    fn phase(&self) -> &str {
        &self.task.phase
    }

    #[getter]
    fn phase_index(&self) -> i64 {
        self.task.phase_index
    }

    #[getter]
    fn progress(&self) -> f64 {
        self.task.progress
    }

    #[getter]
    fn failure(&self) -> bool {
        self.task.failure
    }

    #[getter]
    fn pairs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let pairs = PyDict::new(py);
        for (key, pair) in self.task.pair_keys().iter().zip(&self.task.pairs) {
            let pair = PairStep {
                kind: pair.kind.name(),
                distance_m: pair.distance_m,
                std_m: pair.std_m,
                valid: pair.reason.is_none(),
                reason: pair.reason.map(|reason| reason.name()),
                cameras: pair.cameras.clone(),
                disagreeing: pair.disagreeing.clone(),
            };
            pairs.set_item(key, Bound::new(py, pair)?)?;
        }
        Ok(pairs)
    }

    #[getter]
    fn quantities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let quantities = PyDict::new(py);
        for quantity in &self.task.quantities {
            let (value, std) = (quantity.value, quantity.std);
            let own = Bound::new(py, QuantityStep { value, std })?;
            quantities.set_item(&quantity.name, own)?;
        }
        Ok(quantities)
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        reduced::<Self>(py, &self.task)
    }

    #[staticmethod]
    fn _restored(text: &str) -> PyResult<Self> {
        restored::<CoreTaskStep>(text).map(Self::from)
    }

    fn __repr__(&self) -> String {
        let task = &self.task;
        let pairs = task.pair_keys().into_iter().zip(&task.pairs);
        let pairs = pairs.map(|(key, pair)| format!("{key} {:.4} m", pair.distance_m));
        let pairs = pairs.collect::<Vec<_>>().join(", ");
        match task.phase.is_empty() {
            true => format!("TaskStep({pairs})"),
            false => format!(
                "TaskStep(phase '{}', progress {:.2}; {pairs})",
                task.phase, task.progress
            ),
        }
    }
}

impl TaskStep {
    /// All of it, as plain data.
    pub(crate) fn write_into(&self, dict: &Bound<'_, PyDict>) -> PyResult<()> {
        let task = &self.task;
        dict.set_item("phase", &task.phase)?;
        dict.set_item("phase_index", task.phase_index)?;
        dict.set_item("progress", task.progress)?;
        dict.set_item("failure", task.failure)?;
        let pairs = PyDict::new(dict.py());
        for (key, pair) in task.pair_keys().iter().zip(&task.pairs) {
            let own = PyDict::new(dict.py());
            own.set_item("kind", pair.kind.name())?;
            own.set_item("distance_m", pair.distance_m)?;
            own.set_item("std_m", pair.std_m)?;
            own.set_item("valid", pair.reason.is_none())?;
            own.set_item("reason", pair.reason.map(|reason| reason.name()))?;
            own.set_item("cameras", &pair.cameras)?;
            own.set_item("disagreeing", &pair.disagreeing)?;
            pairs.set_item(key, own)?;
        }
        dict.set_item("pairs", pairs)?;
        let quantities = PyDict::new(dict.py());
        for quantity in &task.quantities {
            let own = PyDict::new(dict.py());
            own.set_item("value", quantity.value)?;
            own.set_item("std", quantity.std)?;
            quantities.set_item(&quantity.name, own)?;
        }
        dict.set_item("quantities", quantities)
    }
}

#[pymethods]
impl PairStep {
    fn __repr__(&self) -> String {
        match self.reason {
            Some(reason) => format!("PairStep(invalid: {reason})"),
            None => format!(
                "PairStep({} distance {:.4} m +- {:.4})",
                self.kind, self.distance_m, self.std_m
            ),
        }
    }
}

#[pymethods]
impl QuantityStep {
    fn __repr__(&self) -> String {
        format!("QuantityStep({:.4} +- {:.4})", self.value, self.std)
    }
}
