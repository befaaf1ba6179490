//! A stand-in for tests and examples.

use std::collections::BTreeMap;

use super::interface::Estimator;
use crate::frame::{Frame, Measurement, Reason, Regions};

/// Answers from a script by the frame's stamp: for tests, examples and trying a configuration
/// without a camera. It looks at no pixel.
#[derive(Debug, Clone, Default)]
pub struct Scripted {
    answers: BTreeMap<i64, Result<Measurement, Reason>>,
}

impl Scripted {
    /// What to answer to the frame of each stamp (nanoseconds). A frame that the script does not
    /// know is a `model_error`.
    pub fn new(answers: impl IntoIterator<Item = (i64, Result<Measurement, Reason>)>) -> Self {
        Self {
            answers: answers.into_iter().collect(),
        }
    }

    /// A distance in metres, for every kind of it and with full confidence, at each stamp.
    pub fn distances(script: impl IntoIterator<Item = (i64, f64)>) -> Self {
        Self::new(script.into_iter().map(|(stamp_nanos, distance_m)| {
            let measurement = Measurement {
                center_m: Some(distance_m),
                surface_m: Some(distance_m),
                cloud_m: Some(distance_m),
                own_confidence: Some(1.0),
                ..Measurement::default()
            };
            (stamp_nanos, Ok(measurement))
        }))
    }
}

impl Estimator for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn estimate(&self, frame: &Frame, _regions: &Regions) -> Result<Measurement, Reason> {
        let answer = self.answers.get(&frame.stamp_nanos);
        answer.cloned().unwrap_or(Err(Reason::ModelError))
    }
}
