//! Where a bag's intrinsics begin: the first camera info that gives some, however many before it are empty, as a driver
//! sends them until it has read its calibration. Intrinsics hold for the whole recording, so that one stands for them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::decoders::decoder_of;
use super::roles::Roles;
use crate::error::Result;
use crate::role::Role;
use spatial_reward_core::frame::Intrinsics;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::settings::Settings;
use spatial_reward_rosbag2::{BagInfo, BagReader};

/// What a bag's camera infos say.
pub(crate) struct Calibration {
    /// The first intrinsics there are, with what speaks against them.
    pub first: Option<(Intrinsics, Option<String>)>,
    /// What is wrong with the first message, where it gives none.
    pub why_not: Option<String>,
}

impl Calibration {
    /// Read a bag up to its first intrinsics; `None` once `stop` is set. Only worth its time where the first message
    /// gives none.
    ///
    /// # Errors
    /// Those of the bag.
    pub(crate) fn find(
        path: &Path,
        topic: usize,
        decoder: &Decoder,
        stop: &AtomicBool,
    ) -> Result<Option<Self>> {
        let mut reader = BagReader::open(path)?;
        let mut why_not = None;
        while let Some(message) = reader.next_message()? {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if message.topic != topic {
                continue;
            }
            match decoder.camera_info(&message.data) {
                Ok((_, intrinsics)) => {
                    let doubt = decoder.camera_info_doubt(&message.data)?;
                    let first = Some((intrinsics, doubt));
                    return Ok(Some(Self { first, why_not }));
                }
                Err(error) => {
                    why_not.get_or_insert_with(|| error.to_string());
                }
            }
        }
        Ok(Some(Self {
            first: None,
            why_not,
        }))
    }
}

/// Leave the camera info out where the estimator needs none and the bag's gives no intrinsics: an uncalibrated webcam's
/// is then as good as not recorded.
///
/// # Errors
/// Those of the bag and its definitions.
pub(crate) fn leave_out_if_uncalibrated(
    info: &BagInfo,
    roles: &mut Roles,
    settings: &Settings,
    stop: &AtomicBool,
) -> Result<()> {
    if settings.estimator().needs_camera_info
        || settings.regions.have_frames()
        || roles.may_be_in_space(info)
    {
        return Ok(());
    }
    let decoder = decoder_of(info, roles, Role::CameraInfo, settings)?;
    let (Some(topic), Some(decoder)) = (roles.topic(Role::CameraInfo), decoder) else {
        return Ok(());
    };
    let found = Calibration::find(&info.path, topic, &decoder, stop)?;
    if let Some(Calibration {
        first: None,
        why_not: Some(why),
    }) = found
    {
        let name = roles.name(info, Role::CameraInfo).unwrap_or_default();
        tracing::warn!("{name} is left out, for no message on it gives intrinsics: {why}");
        roles.leave_out(Role::CameraInfo);
    }
    Ok(())
}
