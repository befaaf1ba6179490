//! Who measures a distance: the trait that geometry, the model and a scripted stand-in for tests share.

use std::collections::BTreeMap;

use crate::frame::{Frame, Measurement, Reason, Regions};

/// A measurer of the distance between two regions of one frame. Implementations are pure: the same
/// frame gives the same answer, alone and in any company.
pub trait Estimator: Send + Sync {
    /// The name that goes into every output.
    fn name(&self) -> &'static str;

    /// Measure, or say why not.
    fn estimate(&self, frame: &Frame, regions: &Regions) -> Result<Measurement, Reason>;
}

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
                confidence: 1.0,
                answer: String::new(),
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
