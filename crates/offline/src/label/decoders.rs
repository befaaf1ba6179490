//! How a bag's topics are decoded: by their types and definitions, by the settings, and by what the names of the topics
//! say about the pictures.

use super::roles::Roles;
use crate::error::Result;
use crate::role::Role;
use spatial_reward_core::Error as CoreError;
use spatial_reward_core::messages::{Decoder, Projection};
use spatial_reward_core::settings::Settings;
use spatial_reward_rosbag2::BagInfo;

/// The decoder of a role's topic, with what the settings and the topics' names say about it; `None` where there is
/// nothing to decode.
///
/// # Errors
/// `Error::UnknownLayout` for a definition in the bag that this program does not know.
pub(crate) fn decoder_of(
    info: &BagInfo,
    roles: &Roles,
    role: Role,
    settings: &Settings,
) -> Result<Option<Decoder>> {
    let Some(topic) = roles.topic(role) else {
        return Ok(None);
    };
    let decoder = decoder(info, role, topic)?;
    Ok(decoder.map(|decoder| match role {
        Role::Depth => decoder.with_depth_unit_m(settings.topics.depth_unit_m),
        Role::CameraInfo => decoder.with_projection(projection(info, roles, settings)),
        _ => decoder,
    }))
}

/// The same for what the pipeline gets to see: of a video's packets the intake has made pictures.
///
/// # Errors
/// As [`decoder_of`].
pub(crate) fn picture_decoder_of(
    info: &BagInfo,
    roles: &Roles,
    role: Role,
    settings: &Settings,
) -> Result<Option<Decoder>> {
    let decoder = decoder_of(info, roles, role, settings)?;
    Ok(decoder.map(Decoder::of_video_pictures))
}

/// The decoder of a role's topic; `None` for an episode split, whose content does not matter.
pub(crate) fn decoder(info: &BagInfo, role: Role, topic: usize) -> Result<Option<Decoder>> {
    let Some(topic) = info
        .topics
        .get(topic)
        .filter(|_| role != Role::EpisodeSplit)
    else {
        return Ok(None);
    };
    let decoder = Decoder::for_channel(&topic.type_name, topic.ros2msg());
    let decoder = decoder.map_err(|error| match error {
        CoreError::UnknownLayout { type_name, detail } => CoreError::UnknownLayout {
            type_name: format!("topic {}: {type_name}", topic.name),
            detail,
        },
        other => other,
    })?;
    Ok(Some(decoder))
}

/// Which camera of the camera info the bag's pictures are of.
fn projection(info: &BagInfo, roles: &Roles, settings: &Settings) -> Projection {
    let image = roles.name(info, Role::Image).unwrap_or_default();
    // The name of depth of a camera of its own says nothing of the colour image.
    let depth = roles
        .name(info, Role::Depth)
        .filter(|_| !roles.registers_depth(settings));
    Projection::of(settings.topics.rectification, image, depth)
}
