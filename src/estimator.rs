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

    /// How many frames in a row it likes to be given together. More than one also means: in order,
    /// and from one thread.
    fn batch(&self) -> usize {
        1
    }

    /// Measure frames together: what [`estimate`](Self::estimate) says of each.
    fn estimate_batch(&self, frames: &[(&Frame, &Regions)]) -> Vec<Result<Measurement, Reason>> {
        let each = frames.iter();
        each.map(|(frame, regions)| self.estimate(frame, regions))
            .collect()
    }

    /// Where its numbers come from, for the provenance of every output.
    ///
    /// # Errors
    /// A model whose files cannot be read any more.
    fn origin(&self) -> crate::Result<Origin> {
        Ok(Origin::default())
    }
}

/// What a model's answers depend on. Empty for an estimator without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Digest of the model's files.
    pub model_digest: String,
    /// All that the model is told of each frame, with placeholders for what it sees.
    pub prompt: String,
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
                answer: None,
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
