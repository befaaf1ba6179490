//! What an annotator does with what is seen: one distance followed, or a whole task.

use std::collections::{BTreeMap, BTreeSet};

use spatial_reward_core::Result;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::frame::Frame;
use spatial_reward_core::pipeline::annotator::Annotator;
use spatial_reward_core::pipeline::measure::Broken;
use spatial_reward_core::pipeline::task_annotator::{Misfit, TaskAnnotator, View};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::step::Step;

/// The regions of who follows one distance.
pub(crate) const BOTH: [&str; 2] = ["fingertip", "target"];

/// One of both.
pub(crate) enum Annotating {
    Distance(Box<Annotator>),
    Task(Box<TaskAnnotator>),
}

impl Annotating {
    /// As the settings ask for.
    ///
    /// # Errors
    /// An estimator that does not measure what several cameras see.
    pub(crate) fn new(settings: &Settings, estimator: Box<dyn Estimator>) -> Result<Self> {
        Ok(match settings.task.is_given() {
            true => Self::Task(Box::new(TaskAnnotator::new(settings, estimator)?)),
            false => Self::Distance(Box::new(Annotator::new(settings, estimator))),
        })
    }

    /// The cameras, of which one alone may have no name, and the regions that are wanted of each.
    pub(crate) fn cameras(&self) -> Vec<(String, BTreeSet<String>)> {
        match self {
            Self::Distance(_) => vec![(String::new(), BOTH.map(str::to_owned).into())],
            Self::Task(task) => {
                let of = |camera: &&str| {
                    let regions = task.regions_of(camera).into_iter();
                    ((*camera).to_owned(), regions.map(str::to_owned).collect())
                };
                task.cameras().iter().map(of).collect()
            }
        }
    }

    /// Whether how wide the gripper is open is wanted.
    pub(crate) fn needs_opening(&self) -> bool {
        match self {
            Self::Distance(_) => false,
            Self::Task(task) => task.needs_opening(),
        }
    }

    /// A new episode begins with the next moment.
    pub(crate) fn reset(&mut self) {
        match self {
            Self::Distance(annotator) => annotator.reset(),
            Self::Task(task) => task.reset(),
        }
    }

    /// The step of a moment.
    ///
    /// # Errors
    /// Depth or a camera of another picture; a moment without a picture.
    pub(crate) fn annotate(
        &mut self,
        stamp_nanos: i64,
        views: &BTreeMap<String, View>,
        opening_m: Option<f64>,
    ) -> Result<Step, Misfit> {
        match self {
            Self::Task(task) => task.annotate(stamp_nanos, views, opening_m),
            Self::Distance(annotator) => {
                let misfit = |broken| Misfit {
                    camera: String::new(),
                    broken,
                };
                let Some(only) = views.values().next() else {
                    let (what, why) = ("picture", "there is none".to_owned());
                    return Err(misfit(Broken { what, why }));
                };
                let [fingertip, target] = BOTH;
                let frame = Frame {
                    stamp_nanos,
                    ..only.frame.clone()
                };
                let step = annotator.annotate(frame, &only.between(fingertip, target));
                step.map_err(misfit)
            }
        }
    }
}
