//! How far the reading of a bag is, for the progress bar.

use spatial_reward_core::progress::{Progress, Unit};
use spatial_reward_rosbag2::BagInfo;

/// How far the reading of a bag is.
pub(crate) fn progress_of(messages_read: u64, info: &BagInfo, steps: usize) -> Progress<'static> {
    Progress {
        subject: "",
        done: messages_read as f64,
        total: info.message_count.map(|messages| messages as f64),
        unit: Unit::Messages,
        figure: Some(("steps", steps as f64)),
    }
}
