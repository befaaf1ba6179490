//! The making of a data set: bags are read on this thread, frames worked on by others, rows written in order.

use std::thread;

use super::frame_work::Workshop;
use super::report::Report;
use super::request::DatasetRequest;
use super::run::{Reading, Writing};
use super::target::check_target;
use crate::error::Result;
use crate::label::output::check_apart;
use crate::ordered::Ordered;
use spatial_reward_core::geometry::GeometryEstimator;
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::whole_folder::WholeFolder;

/// Make a data set. A bag that cannot be used is told of, and the others go on.
///
/// # Errors
/// A target that cannot be written, no row at all, or a stop; nothing is left under the target's name
/// then, and an older data set is untouched.
pub fn build(request: &DatasetRequest<'_>, progress: OnProgress<'_>) -> Result<Report> {
    for source in request.sources {
        check_apart(request.target, source)?;
    }
    let folder = WholeFolder::create(request.target)?;
    // What another process made meanwhile is not replaced unasked.
    check_target(request.target, request.overwrite)?;
    let mut writing = Writing::begin(request, folder.path())?;
    let mut reading = Reading::new(request);
    let workshop = Workshop {
        folder: folder.path(),
        options: &request.options,
        geometry: GeometryEstimator::new(&request.settings.geometry),
        sources: &request.settings.regions,
    };
    thread::scope(|scope| {
        let mut ordered = Ordered::start(scope, request.jobs, |piece| workshop.work(piece));
        let mut sink = |finished| writing.take(finished, progress);
        reading.all(&workshop.geometry, &mut |stamp, piece| {
            ordered.submit(stamp, piece, &mut sink)
        })?;
        ordered.finish(&mut sink)
    })?;
    let report = writing.finish(reading.bags)?;
    folder.finish()?;
    Ok(report)
}
