//! Both regions on their way through a bag, in one direction of time, followed by masks.

use super::bag::Walk;
use super::course::check_seen;
use super::way::{Due, Seen, Way};
use crate::error::Result;
use spatial_reward_core::following::Sight;
use spatial_reward_core::mask_following::{MaskVideo, Segmenter};
use spatial_reward_core::pipeline::{FrameInfo, Look};

/// Both regions on their way through a bag; one that is followed otherwise is due nowhere.
pub(crate) struct MaskCourse<'a> {
    due: [&'a Due; 2],
    video: Box<dyn MaskVideo>,
    drawn_nanos: [Option<i64>; 2],
    /// What was seen of each so far.
    pub ways: [Way; 2],
}

impl<'a> MaskCourse<'a> {
    pub(crate) fn new(due: [&'a Due; 2], segmenter: &dyn Segmenter) -> Self {
        Self {
            due,
            video: segmenter.video(),
            drawn_nanos: [None; 2],
            ways: [Way::new(), Way::new()],
        }
    }
}

impl Walk for MaskCourse<'_> {
    fn see(&mut self, index: usize, info: &FrameInfo, look: Option<&Look>) -> Result<()> {
        let at_nanos = info.timeline_nanos;
        let due = self.due.map(|due| due.get(index).copied().flatten());
        for (due, drawn_nanos) in due.iter().zip(&mut self.drawn_nanos) {
            check_seen(*due, info, look)?;
            *drawn_nanos = due.map(|_| at_nanos).or(*drawn_nanos);
        }
        let seen = match look {
            None => [None, None],
            Some(look) => {
                let boxes = due.map(|due| due.map(|drawing| drawing.bbox));
                self.video.see(look.color(), boxes)?
            }
        };
        for ((seen, drawn_nanos), way) in seen.into_iter().zip(self.drawn_nanos).zip(&mut self.ways)
        {
            let Some(drawn_nanos) = drawn_nanos else {
                continue;
            };
            let away_nanos = at_nanos.saturating_sub(drawn_nanos).saturating_abs();
            let sight = seen
                .as_ref()
                .map_or(Sight::Unseen, |seen| seen.sight(away_nanos));
            let seen = Seen {
                sight,
                cover: None,
                mask: seen.and_then(|seen| seen.mask),
            };
            way.insert(index, seen);
        }
        Ok(())
    }
}
