//! The frames of a recording as whoever labels it sees them: joined by their stamps, pictures decoded, depth registered,
//! regions where they are; and measured as labelling measures them, where that is asked for.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;

use crate::by_stamp::{self, ByStamp};
use crate::error::{Error, Result};
use crate::label::calibration::leave_out_if_uncalibrated;
use crate::label::follow::{Placed, Placing};
use crate::label::intake::{Intake, streams};
use crate::label::request::Work;
use crate::label::roles::{Roles, TruthTopics};
use crate::label::{measurer_of, registration, transforms};
use crate::ordered::{Ordered, Sink};
use spatial_reward_core::estimator::{Estimator, Order, RegionNetworks};
use spatial_reward_core::geometry::GeometryEstimator;
use spatial_reward_core::pipeline::measure::{Measured, Measurer, Task, Viewed};
use spatial_reward_core::pipeline::{Look, MatchedFrame, Matcher};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_rosbag2::{BagReader, Loss};

/// What to read, and how.
#[derive(Clone, Copy)]
pub struct FramesRequest<'a> {
    /// A bag folder or a bag file.
    pub source: &'a Path,
    /// The settings in force.
    pub settings: &'a Settings,
    /// Who measures the frames; `None` for nobody.
    pub estimator: Option<&'a dyn Estimator>,
    /// Who decodes video.
    pub video: &'a VideoDecoders,
    /// Who finds and follows regions, where the settings ask for it.
    pub networks: &'a RegionNetworks,
    /// Threads that decode and measure; at least one.
    pub jobs: usize,
    /// Read it in one passage, as it was recorded: half the work, unless something was recorded late.
    pub as_recorded: bool,
    /// Set from elsewhere to stop.
    pub stop: &'a AtomicBool,
}

impl<'a> FramesRequest<'a> {
    fn work(self) -> Work<'a> {
        Work {
            settings: self.settings,
            video: self.video,
            networks: self.networks,
            stop: self.stop,
            target: self.source,
        }
    }
}

/// A frame with its pixels, and what was measured between its regions, if that was asked for.
#[derive(Debug)]
pub struct ReadFrame {
    /// The frame.
    pub viewed: Viewed,
    /// What labelling would measure.
    pub measured: Option<Measured>,
}

/// Hands a recording's frames on, one after the other, until `take` says that it is enough. A recording needs no regions for
/// this; those that it has, or that the settings name, are in their places. What of the recording was lost comes back.
///
/// # Errors
/// What keeps pictures and depth from being read; `Error::NotFollowed` for a box that was drawn outside the picture;
/// `Error::RecordedLate` for a recording that is to be read as it was recorded, and cannot be; `Error::Interrupted` once
/// `stop` is raised.
pub fn each_frame(
    request: FramesRequest<'_>,
    take: &mut dyn FnMut(ReadFrame) -> bool,
) -> Result<Option<Loss>> {
    let work = request.work();
    let (settings, video, stop) = (work.settings, work.video, work.stop);
    let mut reader = BagReader::open(request.source)?;
    let info = reader.info().clone();
    let mut roles = Roles::find(&reader, settings, &TruthTopics::default())?;
    leave_out_if_uncalibrated(&info, &mut roles, settings, stop)?;
    let transforms = transforms::read(&info, work)?;
    let registration = registration::of_bag(&info, &roles, settings, transforms.as_ref(), stop)?;
    let geometry = GeometryEstimator::new(&settings.geometry);
    let estimator = request.estimator.unwrap_or(&geometry);
    let mut measurer = measurer_of(&info, &roles, settings, estimator)?;
    measurer.transforms = transforms.as_ref();
    measurer.registration = registration;
    let placed = Placed::new(&info, &roles, work, &measurer)?;
    let mut intake = Intake::new(&info, &roles, settings, video, stop)?;
    let is_enough = Cell::new(false);
    let mut told = BTreeSet::new();
    let mut hand_on = |read: Vec<ReadFrame>| {
        for frame in read {
            if let Some(measured) = &frame.measured {
                tell_broken(measured, &mut told);
            }
            is_enough.set(is_enough.get() || !take(frame));
        }
        Ok(())
    };
    let worker = Worker {
        measurer: &measurer,
        measures: request.estimator.is_some(),
    };
    thread::scope(|scope| {
        let mut threads = Threads {
            batch: worker.batch(),
            ordered: Ordered::start(scope, worker.threads(request.jobs), |pieces| {
                Ok(worker.read(pieces))
            }),
            pieces: Vec::new(),
            placing: placed.placing(&measurer),
        };
        let mut submit = |frame| {
            threads.submit(frame, &mut hand_on)?;
            Ok(!is_enough.get())
        };
        if request.as_recorded {
            in_one_passage(work, &mut reader, &roles, &mut intake, &mut submit)?;
        } else {
            let mut each = |_: &_| work.stop_if_asked();
            let mut frames = ByStamp::survey(&info, &roles, settings, &mut intake, &mut each)?;
            while let Some(frame) = frames.next_frame()?
                && submit(frame)?
            {
                work.stop_if_asked()?;
            }
        }
        match is_enough.get() {
            true => Ok(()),
            false => threads.finish(&mut hand_on),
        }
    })?;
    Ok(reader.loss().cloned())
}

/// Hand the frames of a recording on while it is read, as long as `take` wants more.
///
/// # Errors
/// `Error::RecordedLate`; those of the reader, of the intake and of `take`; `Error::Interrupted`.
fn in_one_passage(
    work: Work<'_>,
    reader: &mut BagReader,
    roles: &Roles,
    intake: &mut Intake<'_>,
    take: &mut dyn FnMut(MatchedFrame) -> Result<bool>,
) -> Result<()> {
    let settings = work.settings;
    let mut matcher = Matcher::recorded(settings, streams(roles), settings.needs_depth());
    let mut is_end = false;
    while !is_end {
        work.stop_if_asked()?;
        match reader.next_message()? {
            Some(message) => intake.take(&message, &mut |input| {
                matcher.push(message.log_time_nanos, input);
            })?,
            None => {
                matcher.flush();
                is_end = true;
            }
        }
        if matcher.has_missed() {
            return Err(Error::RecordedLate {
                path: work.target.to_owned(),
            });
        }
        while let Some(frame) = matcher.next_frame() {
            if !take(frame)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The stamps of a recording's first frames, as many as there are up to a count.
///
/// # Errors
/// As [`each_frame`].
pub fn first_stamps(request: FramesRequest<'_>, count: usize) -> Result<Vec<i64>> {
    let work = request.work();
    let mut reader = BagReader::open(request.source)?;
    let info = reader.info().clone();
    let mut roles = Roles::find(&reader, work.settings, &TruthTopics::default())?;
    leave_out_if_uncalibrated(&info, &mut roles, work.settings, work.stop)?;
    let intake = || Intake::new(&info, &roles, work.settings, work.video, work.stop);
    let mut sparing = intake()?;
    sparing.spare_pictures();
    let mut stamps = Vec::new();
    let mut take = |frame: MatchedFrame| {
        stamps.push(frame.info.stamp_nanos);
        Ok(stamps.len() < count)
    };
    match in_one_passage(work, &mut reader, &roles, &mut sparing, &mut take) {
        Err(Error::RecordedLate { .. }) => {
            let mut each = |_: &_| work.stop_if_asked();
            let frames = by_stamp::frames(&info, work.settings, &mut intake()?, &mut each)?;
            stamps = frames.map(|frame| frame.info.stamp_nanos).collect();
        }
        read => read?,
    }
    stamps.truncate(count);
    Ok(stamps)
}

/// A frame on its way to a thread.
type Piece = (MatchedFrame, Option<Look>);

/// The threads that decode and measure, seen from the one that reads.
struct Threads<'a> {
    /// Frames that are worked on together.
    batch: usize,
    ordered: Ordered<Vec<Piece>, Vec<ReadFrame>>,
    pieces: Vec<Piece>,
    placing: Placing<'a>,
}

impl Threads<'_> {
    fn submit(&mut self, mut frame: MatchedFrame, sink: Sink<'_, Vec<ReadFrame>>) -> Result<()> {
        let look = self.placing.place(&mut frame)?;
        self.pieces.push((frame, look));
        match self.pieces.len() < self.batch {
            true => Ok(()),
            false => self.send(sink),
        }
    }

    fn send(&mut self, sink: Sink<'_, Vec<ReadFrame>>) -> Result<()> {
        let pieces = std::mem::take(&mut self.pieces);
        let stamp_nanos = (pieces.first()).map_or(0, |(frame, _)| frame.info.stamp_nanos);
        self.ordered.submit(stamp_nanos, pieces, sink)
    }

    fn finish(mut self, sink: Sink<'_, Vec<ReadFrame>>) -> Result<()> {
        if !self.pieces.is_empty() {
            self.send(sink)?;
        }
        self.ordered.finish(sink)
    }
}

/// Say of each kind of picture once why it is not measured in.
fn tell_broken(measured: &Measured, told: &mut BTreeSet<&'static str>) {
    if let Some(broken) = &measured.broken
        && told.insert(broken.what)
    {
        let stamp_nanos = measured.info.stamp_nanos;
        let what = broken.with_article();
        tracing::warn!(stamp_nanos, "{what} cannot be used: {}", broken.why);
    }
}

/// Decodes frames, and measures them.
#[derive(Clone, Copy)]
struct Worker<'a> {
    measurer: &'a Measurer<'a>,
    measures: bool,
}

impl Worker<'_> {
    /// Frames that are worked on together.
    fn batch(self) -> usize {
        match self.measures {
            true => self.measurer.estimator.batch().max(1),
            false => 1,
        }
    }

    /// As labelling, one thread where an estimator may remember.
    fn threads(self, jobs: usize) -> usize {
        let in_order = self.batch() > 1 || self.measurer.estimator.order() == Order::Recorded;
        match self.measures && in_order {
            true => 1,
            false => jobs,
        }
    }

    fn read(self, pieces: Vec<Piece>) -> Vec<ReadFrame> {
        let looked: Vec<Piece> = pieces
            .into_iter()
            .map(|(frame, look)| {
                let look = look.or_else(|| self.measurer.look(&frame));
                (frame, look)
            })
            .collect();
        let measured = self.measures.then(|| {
            let tasks = looked.iter().cloned().map(|(frame, look)| Task {
                frame,
                look,
                keep_color: false,
            });
            self.measurer.measure(tasks.collect())
        });
        let mut measured = measured.unwrap_or_default().into_iter();
        looked
            .into_iter()
            .map(|(frame, look)| ReadFrame {
                viewed: self.measurer.view(frame, look),
                measured: measured.next(),
            })
            .collect()
    }
}
