//! The frames of a recording as whoever labels it sees them: joined by their stamps, pictures decoded, depth registered,
//! regions where they are.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::by_stamp::ByStamp;
use crate::error::Result;
use crate::label::calibration::leave_out_if_uncalibrated;
use crate::label::follow::Placed;
use crate::label::intake::Intake;
use crate::label::request::Work;
use crate::label::roles::{Roles, TruthTopics};
use crate::label::{measurer_of, registration, transforms};
use spatial_reward_core::geometry::GeometryEstimator;
use spatial_reward_core::pipeline::measure::Viewed;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_rosbag2::{BagReader, Loss};

/// Hands a recording's frames on, one after the other, until `take` says that it is enough. A recording needs no regions for
/// this; those that it has, or that the settings name, are in their places. What of the recording was lost comes back.
///
/// # Errors
/// What keeps pictures and depth from being read; `Error::NotFollowed` for a box that was drawn outside the picture;
/// `Error::Interrupted` once `stop` is raised.
pub fn each_frame(
    source: &Path,
    settings: &Settings,
    video: &VideoDecoders,
    stop: &AtomicBool,
    take: &mut dyn FnMut(Viewed) -> bool,
) -> Result<Option<Loss>> {
    let work = Work {
        settings,
        video,
        stop,
        target: source,
    };
    let reader = BagReader::open(source)?;
    let info = reader.info().clone();
    let mut roles = Roles::find(&reader, settings, &TruthTopics::default())?;
    leave_out_if_uncalibrated(&info, &mut roles, settings, stop)?;
    let transforms = transforms::read(&info, work)?;
    let registration = registration::of_bag(&info, &roles, settings, transforms.as_ref(), stop)?;
    let estimator = GeometryEstimator::new(&settings.geometry);
    let mut measurer = measurer_of(&info, &roles, settings, &estimator)?;
    measurer.transforms = transforms.as_ref();
    measurer.registration = registration;
    let placed = Placed::new(&info, &roles, work, &measurer)?;
    let mut placing = placed.placing(&measurer);
    let mut intake = Intake::new(&info, &roles, settings, video, stop)?;
    let mut lossy = |_: &_| work.stop_if_asked();
    let mut frames = ByStamp::survey(&info, &roles, settings, &mut intake, &mut lossy)?;
    while let Some(mut frame) = frames.next_frame()? {
        work.stop_if_asked()?;
        let look = placing.place(&mut frame)?;
        if !take(measurer.view(frame, look)) {
            break;
        }
    }
    Ok(reader.loss().cloned())
}
