//! What every estimator answers to.

use crate::calibration::Calibration;
use crate::error::Result;
use crate::frame::{Frame, Measurement, Reason, Regions};

/// A measurer of the distance between two regions of one frame. The same frames in the same order give the same
/// answers; [`order`](Self::order) says whether the order matters.
pub trait Estimator: Send + Sync {
    /// The name that goes into every output.
    fn name(&self) -> &'static str;

    /// Measure, or say why not.
    fn estimate(&self, frame: &Frame, regions: &Regions) -> Result<Measurement, Reason>;

    /// How many frames in a row it likes to be given together.
    fn batch(&self) -> usize {
        1
    }

    /// Whether what it says of a frame follows from the frame alone. If not, frames must come in order, from one
    /// thread, whatever the size of a batch.
    fn order(&self) -> Order {
        Order::Any
    }

    /// The least distance that it tells apart, in metres: no threshold below it is ever reached.
    fn least_m(&self) -> f64 {
        0.0
    }

    /// Whether the standard deviations that it tells, if any, are known to hold: 90 % intervals hold the truth in 9 of 10
    /// steps. One that does not know is said to be not calibrated.
    fn is_calibrated(&self) -> bool {
        true
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
    fn origin(&self) -> Result<Origin> {
        Ok(Origin::default())
    }
}

/// In which order an estimator is to be given frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// In any, from any thread: the same frame gives the same answer in any company.
    Any,
    /// In that of the recording, from one thread at a time: a frame's answer may depend on those before it.
    Recorded,
}

/// What a model's answers depend on. Empty for an estimator without one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Origin {
    /// Digest of the model's files.
    pub model_digest: String,
    /// All that the model is told of each frame, with placeholders for what it sees.
    pub prompt: String,
    /// What makes a standard deviation of its answers' spread; `None` where the spread is told as it is.
    pub calibration: Option<Calibration>,
}
