//! What a bag has, for the error about a topic that it does not have.

use crate::error::Error;
use crate::role::Role;
use spatial_reward_rosbag2::{BagInfo, TopicInfo};

/// The bag's topics, one a line, for people.
pub fn available(info: &BagInfo) -> String {
    if info.topics.is_empty() {
        return "  (no topics at all)".to_owned();
    }
    let width = |text: fn(&TopicInfo) -> &str| info.topics.iter().map(|t| text(t).len()).max();
    let name_width = width(|topic| &topic.name).unwrap_or(0);
    let type_width = width(|topic| &topic.type_name).unwrap_or(0);
    let mut lines: Vec<String> = (info.topics.iter())
        .map(|topic| {
            let (name, type_name) = (&topic.name, &topic.type_name);
            let count = topic
                .message_count
                .map_or("?".to_owned(), |count| count.to_string());
            // Else nobody would see why a topic of a fitting type is not taken.
            let format = match topic.serialization_format.as_str() {
                "cdr" | "" => String::new(),
                other => format!("  ({other})"),
            };
            format!("  {name:name_width$}  {type_name:type_width$}  {count:>6} messages{format}")
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

/// No topic fits the role, because of `why`.
pub(super) fn no_topic(info: &BagInfo, role: Role, why: String) -> Error {
    Error::NoTopic {
        role,
        why,
        available: available(info),
    }
}
