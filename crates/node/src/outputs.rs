//! The node's publishers. Steps are published by the thread that made them, so that no other delays them.

use std::sync::{Arc, Mutex, MutexGuard};

use r2r::sensor_msgs::msg::CompressedImage;
use r2r::std_msgs::msg::{Bool, Float64};
use r2r::{PublisherUntyped, QosProfile};

use crate::error::Result;
use crate::error::{poisoned, ros};
use crate::outgoing::{Outlet, sendable_step};
use spatial_reward_core::messages::step_reward::{self, StepMeta};
use spatial_reward_core::messages::task_reward;
use spatial_reward_core::settings::{Output, Settings};
use spatial_reward_core::step::Step;

/// Messages kept for a subscriber that is slow for a moment: a second at 60 Hz.
pub(crate) const HISTORY: usize = 60;

/// The topics of `~/step_reward`, `~/task_reward` and beside them.
#[derive(Clone)]
pub(crate) struct Rewards {
    step_reward: PublisherUntyped,
    /// Where a task is followed.
    task_reward: Option<PublisherUntyped>,
    reward: Outlet<Float64>,
    done: Outlet<Bool>,
    truncated: Outlet<Bool>,
    /// Held while the messages of one event go out: an episode's end does not overtake its last step.
    order: Arc<Mutex<Gate>>,
}

/// Which steps go out: those of this episode and of later ones; `None` while the node is to be silent.
#[derive(Debug, Default)]
struct Gate {
    first_episode: Option<u64>,
}

impl Gate {
    fn lets_pass(&self, episode: u64) -> bool {
        self.first_episode.is_some_and(|first| episode >= first)
    }
}

impl Rewards {
    /// # Errors
    /// A topic name that ROS refuses.
    pub(crate) fn new(node: &mut r2r::Node, settings: &Settings) -> Result<Self> {
        let qos = || QosProfile::default().keep_last(HISTORY);
        let task_reward = settings.task.is_given().then(|| {
            let topic = task_topic(settings);
            node.create_publisher_untyped(topic, task_reward::TYPE_NAME, qos())
                .map_err(ros(format!("publish {topic}")))
        });
        Ok(Self {
            task_reward: task_reward.transpose()?,
            step_reward: node
                .create_publisher_untyped("~/step_reward", step_reward::TYPE_NAME, qos())
                .map_err(ros("publish ~/step_reward"))?,
            reward: Outlet::new(node, "/reward", qos())?,
            done: Outlet::new(node, "/episode_done", qos())?,
            truncated: Outlet::new(node, "/episode_truncated", qos())?,
            order: Arc::default(),
        })
    }

    /// Let the steps of an episode and of those after it out.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn open(&self, first_episode: u64) -> Result<()> {
        self.lock()?.first_episode = Some(first_episode);
        Ok(())
    }

    /// Publish no step any more, also none that is being measured.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn close(&self) -> Result<()> {
        self.lock()?.first_episode = None;
        Ok(())
    }

    /// Publish a step on all its topics; an invalid one's reward is NaN there too. A topic that nobody
    /// hears costs nothing. False if the node is to be silent about it.
    ///
    /// # Errors
    /// ROS refuses a message.
    pub(crate) fn publish(&self, step: &Step, meta: &StepMeta<'_>) -> Result<bool> {
        let gate = self.lock()?;
        if !gate.lets_pass(step.episode) {
            return Ok(false);
        }
        let subscribers = self.step_reward.get_inter_process_subscription_count();
        if is_heard(subscribers.ok()) {
            let bytes = step_reward::encode(&sendable_step(step), meta)?;
            (self.step_reward.publish_raw(&bytes)).map_err(ros("publish a step"))?;
        }
        self.publish_task(step)?;
        if is_heard(self.reward.subscribers()) {
            self.reward.publish(Float64 { data: step.reward })?;
        }
        if is_heard(self.done.subscribers()) {
            let data = step.terminated;
            self.done.publish(Bool { data })?;
        }
        self.publish_flag(false)?;
        Ok(true)
    }

    /// Publish what goes with a step, unless the node is to be silent about it.
    ///
    /// # Errors
    /// Those of `publish`.
    pub(crate) fn publish_beside(
        &self,
        step: &Step,
        publish: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let gate = self.lock()?;
        match gate.lets_pass(step.episode) {
            true => publish(),
            false => Ok(()),
        }
    }

    fn publish_task(&self, step: &Step) -> Result<()> {
        let (Some(publisher), Some(task)) = (&self.task_reward, &step.task) else {
            return Ok(());
        };
        let subscribers = publisher.get_inter_process_subscription_count();
        if is_heard(subscribers.ok()) {
            let bytes = task_reward::encode(&sendable_step(step), task)?;
            (publisher.publish_raw(&bytes)).map_err(ros("publish a step's task"))?;
        }
        Ok(())
    }

    /// The episode was cut off, by somebody's order.
    ///
    /// # Errors
    /// ROS refuses the message.
    pub(crate) fn publish_truncated(&self) -> Result<()> {
        let _order = self.lock()?;
        self.publish_flag(true)
    }

    fn lock(&self) -> Result<MutexGuard<'_, Gate>> {
        self.order.lock().map_err(|_| poisoned("publishers"))
    }

    fn publish_flag(&self, truncated: bool) -> Result<()> {
        if !is_heard(self.truncated.subscribers()) {
            return Ok(());
        }
        self.truncated.publish(Bool { data: truncated })
    }
}

/// As it is set; else beside the node's other topics, whatever it is called.
fn task_topic(settings: &Settings) -> &str {
    let set = settings.output.task_topic.as_str();
    match set == Output::default().task_topic {
        true => "~/task_reward",
        false => set,
    }
}

/// A count that ROS does not tell is no reason to be silent.
pub(crate) fn is_heard(subscribers: Option<usize>) -> bool {
    subscribers.is_none_or(|count| count > 0)
}

/// The topic of the debug view.
#[derive(Clone)]
pub(crate) struct DebugView {
    outlet: Outlet<CompressedImage>,
}

impl DebugView {
    /// # Errors
    /// A topic name that ROS refuses.
    pub(crate) fn new(node: &mut r2r::Node) -> Result<Self> {
        let qos = QosProfile::default().keep_last(1);
        Ok(Self {
            outlet: Outlet::new(node, "~/debug_image/compressed", qos)?,
        })
    }

    /// Whether anybody looks.
    pub(crate) fn is_watched(&self) -> bool {
        self.outlet.subscribers().is_some_and(|count| count > 0)
    }

    /// # Errors
    /// ROS refuses the message.
    pub(crate) fn publish(&self, message: CompressedImage) -> Result<()> {
        self.outlet.publish(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_before_a_silence_never_goes_out_after_it() {
        let mut gate = Gate::default();
        assert!(!gate.lets_pass(0));
        gate.first_episode = Some(3);
        assert!(!gate.lets_pass(2) && gate.lets_pass(3) && gate.lets_pass(4));
    }
}
