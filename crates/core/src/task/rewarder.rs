//! The task over steps, in their order: what each step sees, and what the machine makes of it. Recordings, the live node and
//! Python carry a task by this alone, so their numbers are equal.

use super::machine::{Machine, Outcome};
use super::observed::Observer;
use super::reading::Seen;
use super::step::TaskStep;
use crate::frame::Reason;
use crate::settings::{RewardKind, Settings};
use crate::step::Step;

/// Carries a task through the steps of a `Rewarder`.
#[derive(Debug, Clone)]
pub struct TaskRewarder {
    observer: Observer,
    /// `None` where only pairs are measured.
    machine: Option<Machine>,
    /// The rewarder's episode of the last step.
    source_episode: Option<u64>,
    /// How many episodes the machine's ends have added.
    added: u64,
    /// Where the present episode began, in the rewarder's count of frames.
    first_frame: u64,
    is_over: bool,
}

impl TaskRewarder {
    /// Before the first step, by the settings as they are written: those that hold the task.
    pub fn new(settings: &Settings) -> Self {
        let is_task = settings.reward.kind == RewardKind::Task;
        Self {
            observer: Observer::new(settings),
            machine: is_task.then(|| Machine::new(settings)),
            source_episode: None,
            added: 0,
            first_frame: 0,
            is_over: false,
        }
    }

    /// Take other settings on for the steps to come, in the middle of an episode: a live node's parameters. The task itself
    /// stays as it is.
    pub fn reconfigure(&mut self, settings: &Settings) {
        self.observer.reconfigure(settings);
        if let Some(machine) = &mut self.machine {
            machine.reconfigure(settings);
        }
    }

    /// Write into a step what it says of the task; where there are phases, reward and success too. `seen` is what every camera
    /// says of every pair, the step's own first; `opening_m` is the gripper's, where it is known.
    pub fn push(&mut self, step: &mut Step, seen: &[Seen], opening_m: Option<f64>) {
        self.begin_episode_if_due(step);
        step.episode += self.added;
        step.frame -= self.first_frame.min(step.frame);
        let stamp_nanos = step.stamp_nanos;
        let (observed, outcome) = match step.reason {
            // A wild stamp is no moment of the recording and a late one none of its episode: they move nothing.
            Some(reason @ (Reason::WildStamp | Reason::Late)) => {
                let machine = self.machine.as_ref();
                let outcome = machine.map(|machine| machine.unmoved(reason));
                (self.observer.unknown(reason), outcome)
            }
            _ => {
                let observed = self.observer.observe(seen, opening_m);
                let machine = self.machine.as_mut();
                let outcome = machine.map(|machine| machine.push(stamp_nanos, &observed));
                (observed, outcome)
            }
        };
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
        step.reason = outcome.progress.err();
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
