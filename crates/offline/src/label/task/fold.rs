//! The task over a recording's steps: what was measured beside each of them is looked up by its stamp.

use super::readings::Readings;
use spatial_reward_core::frame::{Measurement, Reason};
use spatial_reward_core::step::Step;
use spatial_reward_core::task::{Seen, TaskRewarder, When};

/// Carries a task through steps.
pub(crate) struct Fold<'a> {
    readings: &'a Readings,
    rewarder: TaskRewarder,
    /// When the image of the first step was logged.
    begun_nanos: Option<i64>,
}

impl<'a> Fold<'a> {
    /// Over a recording that begins.
    pub(crate) fn new(readings: &'a Readings) -> Self {
        let settings = &readings.own().settings;
        Self {
            readings,
            rewarder: TaskRewarder::new(settings),
            begun_nanos: None,
        }
    }

    /// Write into a step what it says of the task. `own` is what was measured between the regions of the step's own distance.
    pub(crate) fn fold(&mut self, step: &mut Step, own: Result<Measurement, Reason>) {
        let plan = self.readings.own();
        let own = Seen {
            camera: plan.camera.clone(),
            pair: plan.pair.clone(),
            measured: own,
        };
        let when = When::of(step);
        let begun_nanos = *self.begun_nanos.get_or_insert(when.log_time_nanos);
        let seen = self.readings.seen(own, when, begun_nanos);
        let opening_m = self.readings.opening_m(when, begun_nanos);
        self.rewarder.push(step, &seen, opening_m);
    }
}
