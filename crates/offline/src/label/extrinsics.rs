//! Where one camera of a bag is in another one's coordinate frame, by its static transforms.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use super::transforms::{TransformIntake, tell};
use crate::error::Result;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::transforms::TransformTree;
use spatial_reward_rosbag2::{BagInfo, BagReader};

/// What the static transforms of a bag tell. The bag is read up to the last of them, which stands near its beginning, as a
/// rule: two cameras of one housing do not move; to its end where it does not say how many there are.
///
/// # Errors
/// Those of the bag. Once `stop` is set, what was read is what there is.
pub(super) fn fixed(
    info: &BagInfo,
    settings: &Settings,
    stop: &AtomicBool,
) -> Result<TransformTree> {
    let mut intake = TransformIntake::new(info, settings);
    let count = |topic: usize| {
        let topic = info.topics.get(topic);
        topic
            .and_then(|topic| topic.message_count)
            .unwrap_or(u64::MAX)
    };
    let mut left: BTreeMap<usize, u64> = (intake.static_topics())
        .map(|topic| (topic, count(topic)))
        .collect();
    left.retain(|_, left| *left > 0);
    let mut reader = BagReader::open(&info.path)?;
    while !left.is_empty()
        && let Some(message) = reader.next_message()?
        && !stop.load(Ordering::Relaxed)
    {
        if let Some(of_topic) = left.get_mut(&message.topic) {
            *of_topic -= 1;
            intake.take(&message);
            left.retain(|_, left| *left > 0);
        }
    }
    let (tree, refused) = intake.finish();
    tell(&tree, &refused);
    Ok(tree)
}
