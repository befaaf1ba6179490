//! A whole task in the live node: the pairs beside the step's own measured, and all of them carried through the task's phases.

use super::pairs::PairAtWork;
use crate::error::Result;
use spatial_reward_core::estimator::{Estimator, RegionNetworks};
use spatial_reward_core::frame::{Measurement, Reason, SeenBox};
use spatial_reward_core::pipeline::MatchedFrame;
use spatial_reward_core::pipeline::measure::{Broken, Pictures, Size};
use spatial_reward_core::settings::{Plan, Settings};
use spatial_reward_core::step::Step;
use spatial_reward_core::task::{Seen, TaskRewarder};

type Reading = std::result::Result<Measurement, Reason>;

/// A task at work.
pub(crate) struct TaskAtWork<'a> {
    own: Plan,
    others: Vec<Other<'a>>,
    rewarder: TaskRewarder,
}

/// A pair beside the step's own.
struct Other<'a> {
    plan: Plan,
    at_work: PairAtWork<'a>,
    /// What was measured last: a frame may be the nearest to two steps.
    last: Option<(Sight, Reading)>,
}

/// Where the regions of a pair beside the step's own were in a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// Which of those pairs.
    pub other: usize,
    /// The picture's stamp.
    pub stamp_nanos: i64,
    /// Its columns and rows, where somebody asked for them.
    pub size: Option<Size>,
    /// Of the first region and of the second.
    pub boxes: [Option<SeenBox>; 2],
}

/// What was seen beside the step's own pair.
pub(crate) struct Beside {
    seen: Vec<Seen>,
    pub sights: Vec<Sight>,
    pub opening_m: Option<f64>,
    /// Pictures that could not be used.
    pub broken: Vec<Broken>,
}

impl<'a> TaskAtWork<'a> {
    /// Of these pairs, the step's own first, with the networks of all; `None` where the settings have no task.
    ///
    /// # Errors
    /// A kind of pictures that this build does not read.
    pub(crate) fn new(
        pairs: Vec<Plan>,
        estimator: &'a dyn Estimator,
        networks: &RegionNetworks,
    ) -> Result<Option<Self>> {
        let mut pairs = pairs.into_iter();
        let Some(own) = pairs.next().filter(|own| own.settings.task.is_given()) else {
            return Ok(None);
        };
        let other = |(plan, at): (Plan, usize)| {
            let networks = networks.of_pair(at);
            Ok(Other {
                at_work: PairAtWork::new(&plan.settings, estimator, networks)?,
                plan,
                last: None,
            })
        };
        Ok(Some(Self {
            others: pairs.zip(1..).map(other).collect::<Result<_>>()?,
            rewarder: TaskRewarder::new(&own.settings),
            own,
        }))
    }

    /// Other settings for the steps to come; the task is the same.
    pub(crate) fn reconfigure(&mut self, settings: &Settings) {
        self.rewarder.reconfigure(settings);
    }

    /// The camera of a pair beside the step's own.
    pub(crate) fn camera(&self, at: usize) -> &str {
        self.others.get(at).map_or("", |other| &other.plan.camera)
    }

    /// Measure the frames of the other pairs, of which those of one camera share their pictures. `asks_size` where sights are
    /// to tell how large those are.
    ///
    /// # Errors
    /// As [`PairAtWork::measure`].
    pub(crate) fn measure(
        &mut self,
        frames: Vec<Option<MatchedFrame>>,
        opening_m: Option<f64>,
        asks_size: bool,
        pictures: &mut Pictures,
    ) -> Result<Beside> {
        let mut beside = Beside {
            seen: Vec::with_capacity(frames.len()),
            sights: Vec::with_capacity(frames.len()),
            opening_m,
            broken: Vec::new(),
        };
        for (at, (other, frame)) in self.others.iter_mut().zip(frames).enumerate() {
            let Some(frame) = frame else { continue };
            let size = match asks_size {
                true => other.at_work.measurer.size_of(&frame, pictures),
                false => None,
            };
            let (sight, measured) = other.measure(at, frame, pictures, &mut beside.broken)?;
            beside.sights.push(Sight { size, ..sight });
            beside.seen.push(seen(&other.plan, measured));
        }
        Ok(beside)
    }

    /// Write into a step what it says of the task.
    pub(crate) fn fold(&mut self, step: &mut Step, own: Reading, beside: Beside) {
        let mut all = vec![seen(&self.own, own)];
        all.extend(beside.seen);
        self.rewarder.push(step, &all, beside.opening_m);
    }
}

impl Other<'_> {
    fn measure(
        &mut self,
        at: usize,
        frame: MatchedFrame,
        pictures: &mut Pictures,
        broken: &mut Vec<Broken>,
    ) -> Result<(Sight, Reading)> {
        let stamp_nanos = frame.info.stamp_nanos;
        if let Some((last, reading)) = &self.last
            && last.stamp_nanos == stamp_nanos
        {
            return Ok((*last, reading.clone()));
        }
        let mut measured = self.at_work.measure(frame, false, pictures)?;
        // A place that is not known is told by who waited for it.
        let is_told = measured.info.reason == Some(Reason::NoTransform);
        broken.extend(measured.broken.take().filter(|_| !is_told));
        let reading = measured.reading();
        let sight = Sight {
            other: at,
            stamp_nanos,
            size: None,
            boxes: measured.info.seen(),
        };
        self.last = Some((sight, reading.clone()));
        Ok((sight, reading))
    }
}

fn seen(plan: &Plan, measured: Reading) -> Seen {
    Seen {
        camera: plan.camera.clone(),
        pair: plan.pair.clone(),
        measured,
    }
}
