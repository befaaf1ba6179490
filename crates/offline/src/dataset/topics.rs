//! Finding the topics that only data sets use.

use crate::error::Error;
use crate::label::roles::available;
use crate::role::Role;
use spatial_reward_rosbag2::{BagInfo, TopicInfo};

/// The first topic that fits, with its index.
pub(super) fn find(
    info: &BagInfo,
    fits: impl Fn(&TopicInfo) -> bool,
) -> Option<(usize, &TopicInfo)> {
    info.topics
        .iter()
        .enumerate()
        .find(|(_, topic)| fits(topic))
}

/// The error about a topic that the user named.
pub(super) fn no_topic(info: &BagInfo, name: &str, role: Role) -> Error {
    Error::NoTopic {
        role,
        why: format!("the bag has no topic '{name}' of a fitting type"),
        available: available(info),
    }
}
