//! Where one camera of a bag is in another one's coordinate frame, by its transforms.

use std::sync::atomic::{AtomicBool, Ordering};

use nalgebra::Isometry3;

use super::transforms::TransformIntake;
use crate::error::Result;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::transforms::TransformError;
use spatial_reward_rosbag2::{BagInfo, BagReader};

/// Where `from` is in `into`, by static transforms. Reads the bag until that is known, which a recording's first transforms tell, as a rule: two
/// cameras of one housing do not move.
///
/// # Errors
/// Those of the bag; the inner one says what is missing by its end, or once `stop` is set.
pub(crate) fn extrinsics(
    info: &BagInfo,
    settings: &Settings,
    into: &str,
    from: &str,
    stop: &AtomicBool,
) -> Result<Result<Isometry3<f64>, TransformError>> {
    let mut intake = TransformIntake::new(info, settings);
    let mut newest = 0;
    let mut reader = BagReader::open(&info.path)?;
    while intake.has_static()
        && let Some(message) = reader.next_message()?
        && !stop.load(Ordering::Relaxed)
    {
        // What moves would have to be asked for each image.
        if !intake.is_static(message.topic) {
            continue;
        }
        intake.take(&message);
        newest = message.log_time_nanos;
        if intake.tree().lookup(into, from, newest).is_ok() {
            break;
        }
    }
    let found = intake.tree().lookup(into, from, newest);
    let (_, refused) = intake.finish();
    for why in refused {
        tracing::warn!("transforms are left out: {why}");
    }
    Ok(found)
}
