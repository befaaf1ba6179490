//! What stays the same while a bag is labelled.

use super::request::LabelRequest;
use super::roles::Roles;
use super::task::Readings;
use crate::report::film_strip::StripPlan;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::registration::Registration;
use spatial_reward_rosbag2::BagInfo;

/// What stays the same from the first message to the last.
pub(super) struct Job<'a> {
    /// What is asked.
    pub request: &'a LabelRequest<'a>,
    /// The source.
    pub info: &'a BagInfo,
    /// Its topics.
    pub roles: &'a Roles,
    /// Who measures.
    pub estimator: &'a dyn Estimator,
    /// What the depth of all frames is registered with.
    pub registration: Option<&'a Registration>,
    /// What was measured beside each step's own distance; `None` without a task.
    pub task: Option<&'a Readings>,
    /// Which frames the film strip may show.
    pub strip: StripPlan,
}
