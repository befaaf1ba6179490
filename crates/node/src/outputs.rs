//! The node's publishers. Steps are published by the thread that made them, so that no other delays them.

use std::sync::{Arc, Mutex};

use r2r::sensor_msgs::msg::CompressedImage;
use r2r::std_msgs::msg::{Bool, Float64};
use r2r::{PublisherUntyped, QosProfile};

use crate::error::Result;
use crate::error::{poisoned, ros};
use crate::outgoing::{Outlet, sendable_step};
use spatial_reward_core::messages::step_reward::{self, StepMeta};
use spatial_reward_core::step::Step;

/// Messages kept for a subscriber that is slow for a moment: a second at 60 Hz.
const HISTORY: usize = 60;

/// The topics of `~/step_reward` and beside it.
#[derive(Clone)]
pub(crate) struct Rewards {
    step_reward: PublisherUntyped,
    reward: Outlet<Float64>,
    done: Outlet<Bool>,
    truncated: Outlet<Bool>,
    /// Held while the messages of one event go out: an episode's end does not overtake its last step.
    order: Arc<Mutex<()>>,
}

impl Rewards {
    /// # Errors
    /// A topic name that ROS refuses.
    pub(crate) fn new(node: &mut r2r::Node) -> Result<Self> {
        let qos = || QosProfile::default().keep_last(HISTORY);
        Ok(Self {
            step_reward: node
                .create_publisher_untyped("~/step_reward", step_reward::TYPE_NAME, qos())
                .map_err(ros("publish ~/step_reward"))?,
            reward: Outlet::new(node, "/reward", qos())?,
            done: Outlet::new(node, "/episode_done", qos())?,
            truncated: Outlet::new(node, "/episode_truncated", qos())?,
            order: Arc::default(),
        })
    }

    /// Publish a step on all its topics; an invalid one's reward is NaN there too. A topic that nobody
    /// hears costs nothing.
    ///
    /// # Errors
    /// ROS refuses a message.
    pub(crate) fn publish(&self, step: &Step, meta: &StepMeta<'_>) -> Result<()> {
        let _order = self.order.lock().map_err(|_| poisoned("publishers"))?;
        let subscribers = self.step_reward.get_inter_process_subscription_count();
        if is_heard(subscribers.ok()) {
            let bytes = step_reward::encode(&sendable_step(step), meta)?;
            (self.step_reward.publish_raw(&bytes)).map_err(ros("publish a step"))?;
        }
        if is_heard(self.reward.subscribers()) {
            self.reward.publish(Float64 { data: step.reward })?;
        }
        if is_heard(self.done.subscribers()) {
            let data = step.terminated;
            self.done.publish(Bool { data })?;
        }
        self.publish_flag(false)
    }

    /// The episode was cut off, by somebody's order.
    ///
    /// # Errors
    /// ROS refuses the message.
    pub(crate) fn publish_truncated(&self) -> Result<()> {
        let _order = self.order.lock().map_err(|_| poisoned("publishers"))?;
        self.publish_flag(true)
    }

    fn publish_flag(&self, truncated: bool) -> Result<()> {
        if !is_heard(self.truncated.subscribers()) {
            return Ok(());
        }
        self.truncated.publish(Bool { data: truncated })
    }
}

/// A count that ROS does not tell is no reason to be silent.
fn is_heard(subscribers: Option<usize>) -> bool {
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
