//! What stays the same while a bag is labelled.

use super::request::LabelRequest;
use super::roles::Roles;
use crate::error::Error;
use crate::report::film_strip::StripPlan;
use crate::role::Role;
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
    /// Which frames the film strip may show.
    pub strip: StripPlan,
}

/// The error about a bag without images.
pub(super) fn no_steps(info: &BagInfo, roles: &Roles) -> Error {
    let topic = roles.name(info, Role::Image).unwrap_or("the image topic");
    Error::NothingToDo {
        path: info.path.clone(),
        message: format!("there is not one image on {topic}, so there is nothing to label"),
    }
}
