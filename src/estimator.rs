//! Who measures a distance: the trait that geometry, the model and a scripted stand-in for tests share.

use crate::frame::{Frame, Measurement, Reason, Regions};

/// A measurer of the distance between two regions of one frame. Implementations are pure: the same
/// frame gives the same answer, alone and in any company.
pub trait Estimator: Send + Sync {
    /// The name that goes into every output.
    fn name(&self) -> &'static str;

    /// Measure, or say why not.
    fn estimate(&self, frame: &Frame, regions: &Regions) -> Result<Measurement, Reason>;
}
