//! A region on its way through a bag, in one direction of time, followed by what it looks like.

use std::sync::Arc;

use super::bag::Walk;
use super::way::{Due, Seen, Way};
use crate::error::{Error, Result};
use spatial_reward_core::following::{Drawing, Follower};
use spatial_reward_core::pipeline::{FrameInfo, Look};
use spatial_reward_core::settings::PixelBox;

/// A region on its way through a bag.
pub(crate) struct Course<'a> {
    due: &'a Due,
    /// What is seen of the other region.
    other: Option<&'a Way>,
    follower: Follower,
    /// What was seen so far.
    pub way: Way,
}

impl<'a> Course<'a> {
    pub(crate) fn new(due: &'a Due, other: Option<&'a Way>) -> Self {
        Self {
            due,
            other,
            follower: Follower::default(),
            way: Way::new(),
        }
    }
}

impl Walk for Course<'_> {
    fn see(&mut self, index: usize, info: &FrameInfo, look: Option<&Look>) -> Result<()> {
        let picture = look.map(Look::picture);
        let due = self.due.get(index).copied().flatten();
        check_seen(due, info, look)?;
        let other = self
            .other
            .and_then(|other| other.get(&index)?.cover.as_deref());
        let at_nanos = info.timeline_nanos;
        if let Some(sight) = self.follower.see(due, at_nanos, picture, other)? {
            let cover = self.follower.cover().cloned().map(Arc::new);
            let seen = Seen {
                sight,
                cover,
                mask: None,
            };
            self.way.insert(index, seen);
        }
        Ok(())
    }
}

/// # Errors
/// `Error::DrawnBlind` for a box that was drawn in a picture that cannot be looked at.
pub(crate) fn check_seen(
    due: Option<Drawing>,
    info: &FrameInfo,
    look: Option<&Look>,
) -> Result<()> {
    match due.filter(|_| look.is_none()) {
        None => Ok(()),
        Some(drawn) => Err(Error::DrawnBlind {
            bbox: PixelBox(drawn.bbox).to_string(),
            stamp_nanos: info.stamp_nanos,
        }),
    }
}
