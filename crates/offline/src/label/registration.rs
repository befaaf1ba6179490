//! Depth of a camera of its own: whether a bag's is, and what it is registered with. The coordinate frames of the headers
//! decide: of one frame, the depth is taken to be registered; of two, it is registered here, or refused, for what is measured
//! otherwise is wrong without looking wrong.

use std::sync::atomic::AtomicBool;

use nalgebra::Isometry3;

use super::calibration::Calibration;
use super::decoders::decoder_of;
use super::extrinsics;
use super::roles::Roles;
use crate::error::{Error, Result};
use crate::role::Role;
use spatial_reward_core::registration::{DepthCamera, Registration};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::transforms::TransformTree;
use spatial_reward_rosbag2::BagInfo;

/// What a bag's depth is registered with; `None` where it is registered already. The bag is not read for transforms that are
/// `known`.
///
/// # Errors
/// `Error::NotRegistered` where something is missing for it; those of the bag.
pub(crate) fn of_bag(
    info: &BagInfo,
    roles: &Roles,
    settings: &Settings,
    known: Option<&TransformTree>,
    stop: &AtomicBool,
) -> Result<Option<Registration>> {
    if !roles.registers_depth(settings) {
        return Ok(None);
    }
    let refuse = |missing: String| not_registered(info, roles, missing);
    let depth_info = roles.name(info, Role::DepthCameraInfo).unwrap_or_default();
    let decoder = decoder_of(info, roles, Role::DepthCameraInfo, settings)?;
    let (Some(topic), Some(decoder)) = (roles.topic(Role::DepthCameraInfo), decoder) else {
        return Err(refuse("the bag has no camera info of the depth".to_owned()));
    };
    let found = Calibration::find(&info.path, topic, &decoder, stop)?;
    let Some(Calibration { first, why_not }) = found else {
        return Ok(None);
    };
    let Some((intrinsics, _)) = first else {
        let why = why_not.unwrap_or_default();
        return Err(refuse(format!(
            "no message on {depth_info} gives intrinsics ({why})"
        )));
    };
    let (color_from_depth, source) = match settings.depth.extrinsics {
        Some(extrinsics) => (extrinsics.0, "depth.extrinsics".to_owned()),
        None => told(info, roles, settings, known, stop)?,
    };
    let camera = DepthCamera::new(intrinsics, color_from_depth)
        .ok_or_else(|| refuse(format!("{depth_info} does not say the size of its picture")))?;
    let [x, y, z] = color_from_depth.translation.vector.into();
    tracing::info!(
        "the depth on {} is registered to the colour image: its camera is {:.0}, {:.0}, {:.0} mm from the colour camera, says {source}",
        roles.name(info, Role::Depth).unwrap_or_default(),
        1e3 * x,
        1e3 * y,
        1e3 * z
    );
    // A model looks at all of the depth.
    let whole = settings.estimator().name != spatial_reward_core::geometry::GeometryEstimator::NAME;
    Ok(Some(Registration { camera, whole }))
}

/// Where the depth camera is, and who says so: /tf_static, or else the message of a driver.
///
/// # Errors
/// As [`of_bag`].
fn told(
    info: &BagInfo,
    roles: &Roles,
    settings: &Settings,
    known: Option<&TransformTree>,
    stop: &AtomicBool,
) -> Result<(Isometry3<f64>, String)> {
    let [color, depth] =
        [Role::Image, Role::Depth].map(|role| roles.frame(role).unwrap_or_default());
    // What moves would have to be asked for each image.
    let fixed = match known {
        Some(known) => known.fixed(),
        None => extrinsics::fixed(info, settings, stop)?.fixed(),
    };
    let untold = match fixed.lookup(color, depth, 0) {
        Ok(pose) => return Ok((pose, "/tf_static".to_owned())),
        Err(error) => format!("/tf_static does not tell where it is: {error}"),
    };
    // The live node hears no such message.
    let sent = match settings.matching.as_live {
        true => None,
        false => extrinsics::sent(info, roles, stop)?,
    };
    match sent {
        Some(Ok((topic, pose))) => Ok((pose, topic)),
        Some(Err(why)) => Err(not_registered(info, roles, format!("{untold}, and {why}"))),
        None => Err(not_registered(info, roles, untold)),
    }
}

fn not_registered(info: &BagInfo, roles: &Roles, missing: String) -> Error {
    let name = |role| roles.name(info, role).unwrap_or_default().to_owned();
    let frame = |role| roles.frame(role).unwrap_or_default().to_owned();
    Error::NotRegistered {
        depth: name(Role::Depth),
        depth_frame: frame(Role::Depth),
        image: name(Role::Image),
        image_frame: frame(Role::Image),
        missing,
    }
}
