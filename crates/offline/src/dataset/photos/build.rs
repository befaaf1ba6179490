//! The making of a data set of photos by this process alone.

use spatial_reward_core::progress::OnProgress;

use super::request::{PhotosReport, PhotosRequest};
use super::run::{Begun, Run};
use crate::error::Result;

/// Make a data set of photos. What is wrong with one is a row of `errors.jsonl`, and the others go on.
///
/// # Errors
/// A target that cannot be written, `Error::NoRows`; `Error::Paused` on a stop and `Error::Endpoint` where nobody rephrases,
/// with what is done kept for `resume`.
pub fn build(request: &PhotosRequest<'_>, progress: OnProgress<'_>) -> Result<PhotosReport> {
    match Run::begin(request)? {
        Begun::Finished(report) => Ok(*report),
        Begun::Open(run) => {
            run.make_all(request, progress)?;
            run.join(request, progress)
        }
    }
}
