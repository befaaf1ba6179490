//! What measures the frames of a bag.

use super::decoders::picture_decoder_of;
use super::roles::Roles;
use crate::error::{Error, Result};
use crate::role::Role;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::settings::Settings;
use spatial_reward_rosbag2::BagInfo;

/// What measures a bag's frames, but for what joins its cameras.
///
/// # Errors
/// `Error::NothingToDo` for a bag without pictures; `Error::UnknownLayout`.
pub(crate) fn measurer<'a>(
    info: &BagInfo,
    roles: &Roles,
    settings: &Settings,
    estimator: &'a dyn Estimator,
) -> Result<Measurer<'a>> {
    let decoder_of = |role| picture_decoder_of(info, roles, role, settings);
    Ok(Measurer {
        estimator,
        image: decoder_of(Role::Image)?.ok_or_else(|| no_steps(info, roles))?,
        depth: decoder_of(Role::Depth)?,
        registration: None,
        regions: settings.regions.clone(),
        transforms: None,
    })
}

/// The error about a bag without images.
pub(super) fn no_steps(info: &BagInfo, roles: &Roles) -> Error {
    let topic = roles.name(info, Role::Image).unwrap_or("the image topic");
    Error::NothingToDo {
        path: info.path.clone(),
        message: format!("there is not one image on {topic}, so there is nothing to label"),
    }
}
