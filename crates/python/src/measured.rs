//! What an estimator says of one frame, as Python reads it.

use pyo3::prelude::*;
use spatial_reward_core::frame::{DistanceKind, Measurement as CoreMeasurement, Reason};

use crate::pickle::{Reduced, reduced, restored};

/// The distances of one frame, or why there are none.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Measurement {
    pub kind: DistanceKind,
    pub measured: Result<CoreMeasurement, Reason>,
}

impl Measurement {
    fn number(&self, of: impl FnOnce(&CoreMeasurement) -> Option<f64>) -> f64 {
        let known = self.measured.as_ref().ok();
        known.and_then(of).unwrap_or(f64::NAN)
    }
}

#[pymethods]
impl Measurement {
    #[getter]
    fn valid(&self) -> bool {
        self.measured.is_ok()
    }

    #[getter]
    fn reason(&self) -> Option<&'static str> {
        self.measured.as_ref().err().map(|reason| reason.name())
    }

    #[getter]
    fn distance_kind(&self) -> &'static str {
        self.kind.name()
    }

    #[getter]
    fn distance_m(&self) -> f64 {
        self.number(|measured| measured.distance_m(self.kind))
    }

    #[getter]
    fn distance_std_m(&self) -> f64 {
        self.number(|measured| measured.distance_std_m(self.kind))
    }

    #[getter]
    fn center_m(&self) -> f64 {
        self.number(|measured| measured.center_m)
    }

    #[getter]
    fn center_std_m(&self) -> f64 {
        self.number(|measured| measured.center_std_m)
    }

    #[getter]
    fn surface_m(&self) -> f64 {
        self.number(|measured| measured.surface_m)
    }

    #[getter]
    fn surface_std_m(&self) -> f64 {
        self.number(|measured| measured.surface_std_m)
    }

    #[getter]
    fn cloud_m(&self) -> f64 {
        self.number(|measured| measured.cloud_m)
    }

    #[getter]
    fn cloud_std_m(&self) -> f64 {
        self.number(|measured| measured.cloud_std_m)
    }

    #[getter]
    fn confidence(&self) -> f32 {
        let measured = self.measured.as_ref().ok();
        measured.map_or(0.0, |measured| measured.confidence(self.kind))
    }

    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        reduced::<Self>(py, &(self.kind, &self.measured))
    }

    #[staticmethod]
    fn _restored(text: &str) -> PyResult<Self> {
        let (kind, measured) = restored(text)?;
        Ok(Self { kind, measured })
    }

    fn __repr__(&self) -> String {
        match &self.measured {
            Err(reason) => format!("Measurement(invalid: {})", reason.name()),
            Ok(_) => format!(
                "Measurement({} distance {:.4} m +- {:.4})",
                self.kind.name(),
                self.distance_m(),
                self.distance_std_m()
            ),
        }
    }
}
