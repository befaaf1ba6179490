//! The rewards in a labelled bag.

use crate::error::{Error, Result};
use crate::message_types::is_of_type;
use spatial_reward_core::messages::step_reward;
use spatial_reward_rosbag2::BagInfo;

/// The topic of step rewards in a labelled bag, the one with the most messages first.
///
/// # Errors
/// `Error::NotLabelled` if there is none.
pub fn reward_topic(info: &BagInfo) -> Result<usize> {
    let topics = info.topics.iter().enumerate();
    topics
        .filter(|(_, topic)| is_of_type(topic, step_reward::TYPE_NAME))
        .max_by_key(|(index, topic)| (topic.message_count, usize::MAX - index))
        .map(|(index, _)| index)
        .ok_or_else(|| Error::NotLabelled {
            path: info.path.clone(),
            type_name: step_reward::TYPE_NAME,
        })
}
