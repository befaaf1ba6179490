//! What is measured beside the step's own distance, before the first step is written.

use super::gripper::Openings;
use super::measured::{Passage, Reading, measured};
use crate::error::Result;
use crate::label::request::LabelRequest;
use crate::report::film_strip::StripFrame;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::settings::{Pair, Settings};
use spatial_reward_core::task::Seen;

/// A pair as one camera sees it, with the settings that measure it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The camera's name; empty where there is but one.
    pub camera: String,
    /// Both regions.
    pub pair: Pair,
    /// With the first region in the fingertip's place, and the second in the target's.
    pub settings: Settings,
}

/// All pairs of a task, the one of the step's own distance first; none without a task.
///
/// # Errors
/// `Error::ConfigValue` for a pair that no settings measure.
pub(crate) fn plans(settings: &Settings) -> Result<Vec<Plan>> {
    let planned = settings.planned().into_iter();
    let plans = planned.map(|planned| {
        Ok(Plan {
            camera: planned.camera,
            pair: planned.pair,
            settings: settings.of_pair(planned.config)?,
        })
    });
    plans.collect()
}

/// What was measured beside.
pub(crate) struct Readings {
    /// The pair of the step's own distance.
    own: Plan,
    pub(super) others: Vec<Course>,
    openings: Openings,
}

/// One pair by one camera over time.
pub(super) struct Course {
    pub plan: Plan,
    /// By their stamps.
    pub readings: Vec<Reading>,
    /// The topic of its pictures.
    pub image_topic: String,
    /// Pictures for a film strip, with their stamps: of the first pair of each camera beside the first.
    pub frames: Vec<(i64, StripFrame)>,
}

impl Readings {
    /// Of a recording; `None` without a task.
    ///
    /// # Errors
    /// What keeps a camera's pictures or a pair's regions from being read; `Error::Interrupted`.
    pub(crate) fn read(
        request: &LabelRequest<'_>,
        plans: Vec<Plan>,
        estimator: &dyn Estimator,
    ) -> Result<Option<Self>> {
        let mut plans = plans.into_iter();
        let Some(own) = plans.next() else {
            return Ok(None);
        };
        let mut drawn = vec![own.camera.clone()];
        let of = |plan: Plan| {
            tracing::info!(camera = plan.camera, "measuring {}", plan.pair);
            let is_drawn = !drawn.contains(&plan.camera);
            if is_drawn {
                drawn.push(plan.camera.clone());
            }
            let request = LabelRequest {
                settings: &plan.settings,
                ..*request
            };
            let Passage {
                mut readings,
                image_topic,
                frames,
            } = measured(&request, estimator, is_drawn)?;
            readings.sort_by_key(|reading| reading.stamp_nanos);
            Ok(Course {
                plan,
                readings,
                image_topic,
                frames: if is_drawn { frames } else { Vec::new() },
            })
        };
        Ok(Some(Self {
            own,
            others: plans.map(of).collect::<Result<_>>()?,
            openings: Openings::read(request)?,
        }))
    }

    /// All that is seen at a moment, the step's own first.
    pub(super) fn seen(&self, own: Seen, stamp_nanos: i64, tolerance_nanos: i64) -> Vec<Seen> {
        let others = self.others.iter().filter_map(|of| {
            let reading = nearest(&of.readings, stamp_nanos, tolerance_nanos)?;
            Some(Seen {
                camera: of.plan.camera.clone(),
                pair: of.plan.pair.clone(),
                measured: reading.measured.clone(),
            })
        });
        std::iter::once(own).chain(others).collect()
    }

    /// The pair of the step's own distance.
    pub(crate) fn own(&self) -> &Plan {
        &self.own
    }

    /// How wide the gripper is open at a moment, in metres.
    pub(super) fn opening_m(&self, stamp_nanos: i64) -> Option<f64> {
        self.openings.at(stamp_nanos)
    }
}

/// The reading nearest in time, if it is near enough.
fn nearest(readings: &[Reading], stamp_nanos: i64, tolerance_nanos: i64) -> Option<&Reading> {
    let after = readings.partition_point(|reading| reading.stamp_nanos < stamp_nanos);
    let around = [after.checked_sub(1), Some(after)].into_iter().flatten();
    let around = around.filter_map(|at| readings.get(at));
    let apart = |reading: &&Reading| reading.stamp_nanos.abs_diff(stamp_nanos);
    let nearest = around.min_by_key(apart)?;
    (apart(&nearest) <= tolerance_nanos.unsigned_abs()).then_some(nearest)
}
