//! What is known of a region in each frame of a bag: in which it was drawn, and what was seen of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::role::Role;
use spatial_reward_core::following::{Drawing, Elapsed, Schedule, Sight};
use spatial_reward_core::mask_following::Runs;
use spatial_reward_core::pipeline::{MatchedFrame, Ordinal};
use spatial_reward_core::settings::Regions;
use spatial_reward_core::stamp::{nanos_from_seconds, seconds_between};
use spatial_reward_core::tracking::{Cover, check_drawn};

/// What is wrong with the boxes that were drawn, of a recording that lasts so long and has pictures of such a size.
pub(crate) fn amiss(
    regions: &Regions,
    recording_s: f64,
    picture: Option<(u32, u32)>,
) -> Vec<Error> {
    let mut schedule = Schedule::new(regions);
    schedule.due(nanos_from_seconds(recording_s));
    let left = schedule
        .left()
        .into_iter()
        .zip([Role::Fingertip, Role::Target]);
    let too_late = left.filter_map(|(drawn, role)| {
        Some(Error::DrawnTooLate {
            role,
            drawn: drawn?.to_string(),
            recording_s,
        })
    });
    let drawn = regions.fingertip.drawn.iter().chain(&regions.target.drawn);
    let outside = drawn.filter_map(|drawn| {
        check_drawn(&drawn.bbox, picture?)
            .err()
            .map(Error::NotFollowed)
    });
    too_late.chain(outside).collect()
}

/// The boxes of a region that were drawn, by the frame's place.
pub(crate) type Due = Vec<Option<Drawing>>;

/// What was seen of a region, by the frame's place.
pub(crate) type Way = BTreeMap<usize, Seen>;

/// What was seen of a region in a frame.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub sight: Sight,
    pub cover: Option<Arc<Cover>>,
    /// Its pixels, where it is followed by masks.
    pub mask: Option<Runs>,
}

impl Seen {
    /// In two directions of time.
    pub(crate) fn joined(earlier: Option<Self>, later: Option<Self>) -> Option<Self> {
        let (Some(earlier), Some(later)) = (&earlier, &later) else {
            return earlier.or(later);
        };
        // Masks are not mixed: where both see the region, the nearer one counts.
        match (&earlier.mask, &later.mask) {
            (Some(_), None) => return Some(earlier.clone()),
            (None, Some(_)) => return Some(later.clone()),
            (Some(_), Some(_)) => {
                let is_later = later.sight.away_nanos() < earlier.sight.away_nanos();
                return Some(if is_later { later } else { earlier }.clone());
            }
            (None, None) => {}
        }
        let sight = Sight::joined(earlier.sight, later.sight);
        // Of which drawing was nearer.
        let is_later = sight.away_nanos() == later.sight.away_nanos();
        let nearer = match is_later {
            true => later,
            false => earlier,
        };
        Some(Self {
            sight,
            cover: nearer.cover.clone(),
            mask: None,
        })
    }
}

/// How long after the first frame each one was taken.
pub(crate) fn times_nanos(frames: &[MatchedFrame<Ordinal>]) -> Vec<i64> {
    let mut elapsed = Elapsed::default();
    let times = frames
        .iter()
        .map(|frame| elapsed.until(frame.info.timeline_nanos));
    times.collect()
}

/// The boxes of both regions that were drawn in each frame, the fingertip's first.
///
/// # Errors
/// `Error::DrawnTooLate`.
pub(crate) fn due(frames: &[MatchedFrame<Ordinal>], regions: &Regions) -> Result<[Due; 2]> {
    let mut schedule = Schedule::new(regions);
    let times = times_nanos(frames);
    let due = times.iter().map(|time| schedule.due(*time));
    let due: (Due, Due) = due.map(|[fingertip, target]| (fingertip, target)).unzip();
    let longest = times.last().copied();
    let recording_s = seconds_between(0, longest.unwrap_or_default());
    match amiss(regions, recording_s, None).into_iter().next() {
        Some(error) => Err(error),
        None => Ok(due.into()),
    }
}
