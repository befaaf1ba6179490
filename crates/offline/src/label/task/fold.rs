//! The task over a recording's steps, in their order: what each step sees, and what the machine makes of it.

use super::readings::Readings;
use spatial_reward_core::frame::{Measurement, Reason};
use spatial_reward_core::settings::RewardKind;
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_core::step::Step;
use spatial_reward_core::task::{Machine, Observer, Outcome, Seen, TaskStep};

/// Carries a task through steps.
pub(crate) struct Fold<'a> {
    readings: &'a Readings,
    observer: Observer,
    /// `None` where only pairs are measured.
    machine: Option<Machine>,
    tolerance_nanos: i64,
    /// The rewarder's episode of the last step.
    source_episode: Option<u64>,
    /// How many episodes the machine's ends have added.
    added: u64,
    /// Where the present episode began, in the rewarder's count of frames.
    first_frame: u64,
    is_over: bool,
}

impl<'a> Fold<'a> {
    /// Over a recording that begins.
    pub(crate) fn new(readings: &'a Readings) -> Self {
        let settings = &readings.own().settings;
        let is_task = settings.reward.kind == RewardKind::Task;
        Self {
            readings,
            observer: Observer::new(settings),
            machine: is_task.then(|| Machine::new(settings)),
            tolerance_nanos: nanos_from_seconds(settings.matching.tolerance_s),
            source_episode: None,
            added: 0,
            first_frame: 0,
            is_over: false,
        }
    }

    /// Write into a step what it says of the task; where there are phases, reward and success too. `own` is what was measured
    /// between the regions of the step's own distance.
    pub(crate) fn fold(&mut self, step: &mut Step, own: Result<Measurement, Reason>) {
        self.begin_episode_if_due(step);
        step.episode += self.added;
        step.frame -= self.first_frame.min(step.frame);
        let plan = self.readings.own();
        let own = Seen {
            camera: plan.camera.clone(),
            pair: plan.pair.clone(),
            measured: own,
        };
        let stamp_nanos = step.stamp_nanos;
        let seen = self.readings.seen(own, stamp_nanos, self.tolerance_nanos);
        let opening_m = self.readings.opening_m(stamp_nanos);
        let observed = self.observer.observe(&seen, opening_m);
        let outcome = (self.machine.as_mut()).map(|machine| machine.push(stamp_nanos, &observed));
        if let Some(outcome) = &outcome {
            self.reward(step, outcome);
        }
        step.task = Some(Box::new(TaskStep::new(&observed, outcome.as_ref())));
    }

    fn reward(&mut self, step: &mut Step, outcome: &Outcome) {
        let ends_episodes = self.machine.as_ref().is_some_and(Machine::ends_episodes);
        step.reward = outcome.reward;
        step.shaped_reward = outcome.reward;
        step.potential = outcome.potential;
        // A wild stamp is no moment of the recording, whatever was seen in its picture.
        step.reason = match step.reason {
            Some(Reason::WildStamp) => Some(Reason::WildStamp),
            _ => outcome.progress.err(),
        };
        step.success = outcome.success;
        step.terminated = outcome.entered_end && ends_episodes;
        self.is_over = step.terminated;
        if !step.is_valid() {
            (step.reward, step.shaped_reward, step.potential) = (f64::NAN, f64::NAN, f64::NAN);
        }
    }

    /// Another episode of the recording begins, or the task ended with the step before.
    fn begin_episode_if_due(&mut self, step: &Step) {
        let is_same = self.source_episode == Some(step.episode);
        if is_same && !self.is_over {
            return;
        }
        if is_same {
            self.added += 1;
            self.first_frame = step.frame;
        } else {
            self.first_frame = 0;
        }
        self.source_episode = Some(step.episode);
        self.is_over = false;
        self.observer.begin_episode();
        if let Some(machine) = &mut self.machine {
            machine.begin_episode();
        }
    }
}
