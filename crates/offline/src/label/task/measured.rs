//! All frames of a recording, measured as labelling measures them, with nothing written.

use std::thread;

use crate::by_stamp::ByStamp;
use crate::error::Result;
use crate::label::calibration::leave_out_if_uncalibrated;
use crate::label::follow::Placed;
use crate::label::intake::{Intake, matcher};
use crate::label::measurer::measurer;
use crate::label::request::LabelRequest;
use crate::label::roles::{Roles, TruthTopics};
use crate::label::workers::{Finished, Workers};
use crate::label::{registration, transforms};
use crate::report::film_strip::StripPlan;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::frame::{Measurement, Reason};
use spatial_reward_core::pipeline::MatchedFrame;
use spatial_reward_core::pipeline::measure::{Measured, Measurer};
use spatial_reward_rosbag2::{BagMessage, BagReader};

/// What was measured in one frame.
pub(super) struct Reading {
    /// `header.stamp` of its image.
    pub stamp_nanos: i64,
    /// The distances, or why there are none.
    pub measured: std::result::Result<Measurement, Reason>,
}

/// Every frame, in the order of the recording.
///
/// # Errors
/// As labelling, but for what is written.
pub(super) fn measured(
    request: &LabelRequest<'_>,
    estimator: &dyn Estimator,
) -> Result<Vec<Reading>> {
    let reader = BagReader::open(request.source)?;
    let info = reader.info().clone();
    let (settings, stop) = (request.settings, request.stop);
    let mut roles = Roles::find(&reader, settings, &TruthTopics::default())?;
    roles.require(&info, settings)?;
    leave_out_if_uncalibrated(&info, &mut roles, settings, stop)?;
    let transforms = transforms::read(&info, request.work())?;
    let registration = registration::of_bag(&info, &roles, settings, transforms.as_ref(), stop)?;
    let mut measurer = measurer(&info, &roles, settings, estimator)?;
    if !settings.matching.as_live {
        measurer.transforms = transforms.as_ref();
        measurer.registration = registration;
    }
    let placed = Placed::new(&info, &roles, request.work(), &measurer)?;
    let intake = || Intake::new(&info, &roles, settings, request.video, stop);
    let mut readings = Vec::new();
    let work = Pass {
        request,
        measurer: &measurer,
        placed: &placed,
    };
    let mut matcher = matcher(&roles, settings);
    let is_whole = work.each(&mut readings, |submit| {
        let mut intake = intake()?;
        let mut reader = reader;
        while let Some(message) = reader.next_message()? {
            request.stop_if_asked()?;
            intake.take(&message, &mut |input| {
                matcher.push(message.log_time_nanos, input);
            })?;
            if matcher.has_missed() {
                return Ok(false);
            }
            while let Some(frame) = matcher.next_frame() {
                submit(frame)?;
            }
        }
        matcher.flush();
        while let Some(frame) = matcher.next_frame() {
            submit(frame)?;
        }
        Ok(!matcher.has_missed())
    })?;
    if is_whole {
        return Ok(readings);
    }
    // Something was recorded late: stamps alone decide.
    readings.clear();
    let mut intake = intake()?;
    let mut each = |_: &BagMessage| request.stop_if_asked();
    let mut frames = ByStamp::survey(&info, &roles, settings, &mut intake, &mut each)?;
    work.each(&mut readings, |submit| {
        while let Some(frame) = frames.next_frame()? {
            request.stop_if_asked()?;
            submit(frame)?;
        }
        Ok(true)
    })?;
    Ok(readings)
}

/// One passage through the frames.
struct Pass<'a> {
    request: &'a LabelRequest<'a>,
    measurer: &'a Measurer<'a>,
    placed: &'a Placed,
}

impl Pass<'_> {
    /// Measure what `frames` submits; whether that was all of it is what it says.
    fn each(
        &self,
        readings: &mut Vec<Reading>,
        frames: impl FnOnce(&mut dyn FnMut(MatchedFrame) -> Result<()>) -> Result<bool>,
    ) -> Result<bool> {
        let mut placing = self.placed.placing(self.measurer);
        let mut sink = |finished: Finished| {
            readings.push(Reading::of(finished.measured));
            Ok(())
        };
        // Nobody draws these frames; the first is kept, as of every recording.
        let strip = StripPlan::new(1, Some(u64::MAX));
        thread::scope(|scope| {
            let mut workers = Workers::start(scope, self.request.jobs, self.measurer, strip);
            let is_whole = frames(&mut |mut frame| {
                let look = placing.place(&mut frame)?;
                workers.submit(frame, look, &mut sink)
            })?;
            workers.finish(&mut sink)?;
            Ok(is_whole)
        })
    }
}

impl Reading {
    fn of(measured: Measured) -> Self {
        Self {
            stamp_nanos: measured.info.stamp_nanos,
            // As `Rewarder` ranks them: what is known of the frame outranks what was measured in it.
            measured: match measured.info.reason {
                Some(reason) => Err(reason),
                None => measured.measurement,
            },
        }
    }
}
