//! How wide the gripper was open, as its joints' messages tell.

use super::beside::beside;
use crate::error::{Error, Result};
use crate::label::request::LabelRequest;
use spatial_reward_core::messages::joint_state;
use spatial_reward_core::pipeline::reading::stamp_or;
use spatial_reward_core::task::{Beside, When};
use spatial_reward_rosbag2::BagReader;

/// Openings over time, in metres.
pub(super) struct Openings(Beside<f64>);

impl Openings {
    /// Of the task's gripper; none where phases speak of no gripper.
    ///
    /// # Errors
    /// `Error::NoGripper` for a topic that is not there or of another type, unless phases do without; a message that does not
    /// decode.
    pub(super) fn read(request: &LabelRequest<'_>) -> Result<Self> {
        let settings = request.settings;
        // One that is older says nothing.
        let mut openings = beside(settings, settings.matching.box_max_age_s);
        let Some(wanted) = &settings.task.gripper_topic else {
            return Ok(Self(openings));
        };
        let mut reader = BagReader::open(request.source)?;
        let info = reader.info().clone();
        let is_it = |name: &str| name.trim_start_matches('/') == wanted.trim_start_matches('/');
        let topics = info.topics.iter();
        let topic = topics
            .zip(0..)
            .find(|(topic, _)| is_it(&topic.name) && topic.type_name == joint_state::TYPE_NAME);
        let Some((_, topic)) = topic else {
            if settings.task.may_lack_gripper() {
                tracing::warn!(
                    "no topic {wanted} of type {} (task.gripper_topic): phases go by what is seen alone",
                    joint_state::TYPE_NAME
                );
                return Ok(Self(openings));
            }
            return Err(Error::NoGripper {
                path: info.path.clone(),
                topic: wanted.clone(),
            });
        };
        while let Some(message) = reader.next_message()? {
            request.stop_if_asked()?;
            if message.topic != topic {
                continue;
            }
            let state = joint_state::decode(&message.data)?;
            let log_time_nanos = message.log_time_nanos;
            let when = When {
                stamp_nanos: stamp_or(log_time_nanos, state.header.stamp_nanos()),
                log_time_nanos,
            };
            if let Some(opening_m) = state.sum(&settings.task.gripper_joints) {
                openings.hear(log_time_nanos);
                openings.push(when, false, opening_m);
            }
        }
        if openings.values().next().is_none() {
            tracing::warn!(
                "no message of {wanted} has the positions of the gripper's joints (task.gripper_joints)"
            );
        }
        Ok(Self(openings))
    }

    /// The nearest one in time, in metres.
    pub(super) fn at(&self, step: When, begun_nanos: i64) -> Option<f64> {
        self.0.nearest(step, begun_nanos).copied()
    }
}
