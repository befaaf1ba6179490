//! What is measured beside the step's own distance, before the first step is written.

use super::beside::beside;
use super::gripper::Openings;
use super::measured::{Passage, Reading, measured};
use crate::error::Result;
use crate::label::request::LabelRequest;
use crate::report::film_strip::StripFrame;
use spatial_reward_core::estimator::{Estimator, RegionNetworks};
use spatial_reward_core::settings::Plan;
use spatial_reward_core::task::{Beside, Seen, When};

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
    pub readings: Beside<Reading>,
    /// The topic of its pictures.
    pub image_topic: String,
    /// Pictures for a film strip, with when they were taken: of the first pair of each camera beside the first.
    pub frames: Vec<(When, StripFrame)>,
}

impl Readings {
    /// Of a recording, with the networks of all pairs; `None` without a task.
    ///
    /// # Errors
    /// What keeps a camera's pictures or a pair's regions from being read; `Error::Interrupted`.
    pub(crate) fn read(
        request: &LabelRequest<'_>,
        networks: &RegionNetworks,
        plans: Vec<Plan>,
        estimator: &dyn Estimator,
    ) -> Result<Option<Self>> {
        let mut plans = plans.into_iter();
        let Some(own) = plans.next() else {
            return Ok(None);
        };
        let mut drawn = vec![own.camera.clone()];
        let of = |(at, plan): (usize, Plan)| {
            let networks = networks.of_pair(at);
            tracing::info!(camera = plan.camera, "measuring {}", plan.pair);
            let is_drawn = !drawn.contains(&plan.camera);
            if is_drawn {
                drawn.push(plan.camera.clone());
            }
            let request = LabelRequest {
                settings: &plan.settings,
                networks,
                ..*request
            };
            let Passage {
                readings: measured,
                image_topic,
                frames,
            } = measured(&request, estimator, is_drawn)?;
            let mut readings = beside(&plan.settings, plan.settings.matching.tolerance_s);
            for reading in measured {
                readings.hear(reading.log_time_nanos);
                readings.push(reading.when(), reading.is_wild(), reading);
            }
            Ok(Course {
                plan,
                readings,
                image_topic,
                frames: if is_drawn { frames } else { Vec::new() },
            })
        };
        Ok(Some(Self {
            own,
            others: (1..).zip(plans).map(of).collect::<Result<_>>()?,
            openings: Openings::read(request)?,
        }))
    }

    /// All that is seen at a moment, the step's own first.
    pub(super) fn seen(&self, own: Seen, step: When, begun_nanos: i64) -> Vec<Seen> {
        let others = self.others.iter().filter_map(|of| {
            Some(Seen {
                camera: of.plan.camera.clone(),
                pair: of.plan.pair.clone(),
                measured: of.readings.nearest(step, begun_nanos)?.measured.clone(),
            })
        });
        std::iter::once(own).chain(others).collect()
    }

    /// The pair of the step's own distance.
    pub(crate) fn own(&self) -> &Plan {
        &self.own
    }

    /// How wide the gripper is open at a moment, in metres.
    pub(super) fn opening_m(&self, step: When, begun_nanos: i64) -> Option<f64> {
        self.openings.at(step, begun_nanos)
    }
}
