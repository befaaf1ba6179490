//! Transforms as messages carry them: each is taken into a tree, or counted with what is wrong with it.

use std::collections::BTreeMap;

use super::tree::{TransformTree, transform_of};
use crate::messages::TransformStamped;

/// Transforms that are refused for different reasons are not listed in full.
const MAX_REFUSED: usize = 20;

/// What was wrong with transforms, and how often.
#[derive(Debug, Clone, Default)]
pub struct Refused {
    counts: BTreeMap<String, u64>,
}

impl Refused {
    /// Count transforms with something wrong; whether that is new.
    pub fn add(&mut self, why: String, count: u64) -> bool {
        let is_new = !self.counts.contains_key(&why);
        let is_listed = !is_new || self.counts.len() < MAX_REFUSED;
        if is_listed {
            *self.counts.entry(why).or_default() += count;
        }
        is_new && is_listed
    }

    /// Each in words, with its count.
    pub fn in_words(&self) -> Vec<String> {
        let words = |(why, count): (&String, &u64)| format!("{why} ({count} messages)");
        self.counts.iter().map(words).collect()
    }
}

impl TransformTree {
    /// Take in a transform as it was sent. One without a stamp has the time when it was received.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn take(
        &mut self,
        sent: &TransformStamped,
        received_nanos: i64,
        is_static: bool,
    ) -> Result<(), String> {
        let (parent, child) = (&sent.header.frame_id, &sent.child_frame_id);
        let stamp_nanos = match sent.header.stamp_nanos() {
            0 => received_nanos,
            stamp_nanos => stamp_nanos,
        };
        let transform = transform_of(sent.translation, sent.rotation)
            .map_err(|what| format!("the transform of '{child}' in '{parent}' has {what}"))?;
        self.insert(parent, child, stamp_nanos, transform, is_static)
            .map_err(|error| error.to_string())
    }
}
