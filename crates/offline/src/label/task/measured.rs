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
use crate::report::film_strip::{FilmStrip, StripFrame, StripPlan};
use crate::role::Role;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::frame::{Measurement, Reason, SeenBox};
use spatial_reward_core::pipeline::MatchedFrame;
use spatial_reward_core::pipeline::measure::{Measured, Measurer};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::task::When;
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader};

/// What was measured in one frame.
pub(super) struct Reading {
    /// `header.stamp` of its image.
    pub stamp_nanos: i64,
    /// When its image was logged.
    pub log_time_nanos: i64,
    /// Of the pair's first region and of its second.
    pub boxes: [Option<SeenBox>; 2],
    /// The distances, or why there are none.
    pub measured: std::result::Result<Measurement, Reason>,
}

/// What was measured in a recording.
pub(super) struct Passage {
    /// Every frame, in the order of the recording.
    pub readings: Vec<Reading>,
    /// The topic of the pictures.
    pub image_topic: String,
    /// Pictures that a film strip may show, with when they were taken.
    pub frames: Vec<(When, StripFrame)>,
}

/// Measure every frame, and keep pictures for a film strip where it `is_drawn`.
///
/// # Errors
/// As labelling, but for what is written.
pub(super) fn measured(
    request: &LabelRequest<'_>,
    estimator: &dyn Estimator,
    is_drawn: bool,
) -> Result<Passage> {
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
    let mut sight = Sight::default();
    let work = Pass {
        request,
        measurer: &measurer,
        placed: &placed,
        strip: strip(&info, &roles, settings, is_drawn),
    };
    let image_topic = roles
        .name(&info, Role::Image)
        .unwrap_or_default()
        .to_owned();
    let mut matcher = matcher(&roles, settings);
    let is_whole = work.each(&mut sight, |submit| {
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
        return Ok(sight.passage(image_topic));
    }
    // Something was recorded late: stamps alone decide.
    sight = Sight::default();
    let mut intake = intake()?;
    let mut each = |_: &BagMessage| request.stop_if_asked();
    let mut frames = ByStamp::survey(&info, &roles, settings, &mut intake, &mut each)?;
    work.each(&mut sight, |submit| {
        while let Some(frame) = frames.next_frame()? {
            request.stop_if_asked()?;
            submit(frame)?;
        }
        Ok(true)
    })?;
    Ok(sight.passage(image_topic))
}

/// Which pictures are kept: the first alone of a camera that nobody draws, as of every recording.
fn strip(info: &BagInfo, roles: &Roles, settings: &Settings, is_drawn: bool) -> StripPlan {
    let images = roles
        .topic(Role::Image)
        .and_then(|topic| info.topics.get(topic));
    match is_drawn {
        true => StripPlan::beside(
            settings.output.film_strip_frames,
            images.and_then(|topic| topic.message_count),
        ),
        false => StripPlan::new(1, Some(u64::MAX)),
    }
}

/// What comes of a passage.
#[derive(Default)]
struct Sight {
    readings: Vec<Reading>,
    strip: Option<FilmStrip>,
}

impl Sight {
    fn passage(self, image_topic: String) -> Passage {
        let frames = self.strip.map_or_else(Vec::new, FilmStrip::into_candidates);
        let stamped = frames.into_iter().filter_map(|frame| {
            let at = usize::try_from(frame.step_index).ok()?;
            Some((self.readings.get(at)?.when(), frame))
        });
        Passage {
            frames: stamped.collect(),
            readings: self.readings,
            image_topic,
        }
    }
}

/// One passage through the frames.
struct Pass<'a> {
    request: &'a LabelRequest<'a>,
    measurer: &'a Measurer<'a>,
    placed: &'a Placed,
    strip: StripPlan,
}

impl Pass<'_> {
    /// Measure what `frames` submits; whether that was all of it is what it says.
    fn each(
        &self,
        sight: &mut Sight,
        frames: impl FnOnce(&mut dyn FnMut(MatchedFrame) -> Result<()>) -> Result<bool>,
    ) -> Result<bool> {
        let mut placing = self.placed.placing(self.measurer);
        let mut strip = FilmStrip::of_plan(0, self.strip);
        let readings = &mut sight.readings;
        let mut sink = |finished: Finished| {
            readings.push(Reading::of(finished.measured));
            if let Some(frame) = finished.strip {
                strip.push(frame);
            }
            Ok(())
        };
        let is_whole = thread::scope(|scope| {
            let mut workers = Workers::start(scope, self.request.jobs, self.measurer, self.strip);
            let is_whole = frames(&mut |mut frame| {
                let look = placing.place(&mut frame)?;
                workers.submit(frame, look, &mut sink)
            })?;
            workers.finish(&mut sink)?;
            Ok(is_whole)
        });
        sight.strip = Some(strip);
        is_whole
    }
}

impl Reading {
    fn of(measured: Measured) -> Self {
        Self {
            stamp_nanos: measured.info.stamp_nanos,
            log_time_nanos: measured.info.log_time_nanos,
            boxes: measured.info.seen(),
            measured: measured.reading(),
        }
    }

    pub(super) fn when(&self) -> When {
        When {
            stamp_nanos: self.stamp_nanos,
            log_time_nanos: self.log_time_nanos,
        }
    }

    pub(super) fn is_wild(&self) -> bool {
        self.measured == Err(Reason::WildStamp)
    }
}
