//! How wide the gripper was open, as its joints' messages tell.

use crate::error::{Error, Result};
use crate::label::request::LabelRequest;
use spatial_reward_core::messages::joint_state;
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_rosbag2::BagReader;

/// Openings over time.
#[derive(Debug, Default)]
pub(super) struct Openings {
    /// Stamps and metres, by stamp.
    at: Vec<(i64, f64)>,
    /// One older than this says nothing.
    most_nanos: u64,
}

impl Openings {
    /// Of the task's gripper; none where phases speak of no gripper.
    ///
    /// # Errors
    /// `Error::NoGripper` for a topic that is not there or of another type, unless phases do without; a message that does not
    /// decode.
    pub(super) fn read(request: &LabelRequest<'_>) -> Result<Self> {
        let settings = request.settings;
        let Some(wanted) = &settings.task.gripper_topic else {
            return Ok(Self::default());
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
                return Ok(Self::default());
            }
            return Err(Error::NoGripper {
                path: info.path.clone(),
                topic: wanted.clone(),
            });
        };
        let mut at = Vec::new();
        while let Some(message) = reader.next_message()? {
            request.stop_if_asked()?;
            if message.topic != topic {
                continue;
            }
            let state = joint_state::decode(&message.data)?;
            let stamp_nanos = match state.header.stamp_nanos() {
                0 => message.log_time_nanos,
                stamp_nanos => stamp_nanos,
            };
            at.extend(
                state
                    .sum(&settings.task.gripper_joints)
                    .map(|opening_m| (stamp_nanos, opening_m)),
            );
        }
        at.sort_by_key(|(stamp_nanos, _)| *stamp_nanos);
        if at.is_empty() {
            tracing::warn!(
                "no message of {wanted} has the positions of the gripper's joints (task.gripper_joints)"
            );
        }
        Ok(Self {
            at,
            most_nanos: nanos_from_seconds(settings.matching.box_max_age_s).unsigned_abs(),
        })
    }

    /// The nearest one in time, in metres.
    pub(super) fn at(&self, stamp_nanos: i64) -> Option<f64> {
        let after = self.at.partition_point(|(at, _)| *at < stamp_nanos);
        let around = [after.checked_sub(1), Some(after)].into_iter().flatten();
        let around = around.filter_map(|at| self.at.get(at));
        let nearest = around.min_by_key(|(at, _)| at.abs_diff(stamp_nanos))?;
        (nearest.0.abs_diff(stamp_nanos) <= self.most_nanos).then_some(nearest.1)
    }
}
