//! Regions followed through a whole bag, in both directions of time.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::thread;

use super::bag::Bag;
use super::course::Course;
use super::mask_course::MaskCourse;
use super::seek::{FoundRegion, Seeker};
use super::way::{Due, Seen, Way, due};
use crate::error::Result;
use crate::label::request::Work;
use crate::label::roles::Roles;
use spatial_reward_core::following::{Both, InTurn, Sight};
use spatial_reward_core::mask_following::{Runs, Segmenter};
use spatial_reward_core::pipeline::FrameInfo;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::settings::{Region, Regions};
use spatial_reward_rosbag2::BagInfo;

/// Where both regions are in each frame of a bag.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// By stamp and log time: a clock that was set back gives a stamp twice.
    sights: BTreeMap<(i64, i64), Known>,
    /// The boxes that were found by words or by an example.
    pub found: Vec<FoundRegion>,
}

/// What is known of both regions in a frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Where they are.
    pub sights: Both<Sight>,
    /// Their pixels, of those that are followed by masks.
    pub masks: Both<Runs>,
}

impl Followed {
    /// What is known of a frame's regions.
    pub(crate) fn of(&self, frame: &FrameInfo) -> Known {
        self.sights.get(&key(frame)).cloned().unwrap_or_default()
    }
}

/// What a frame is known by.
pub(crate) fn key(frame: &FrameInfo) -> (i64, i64) {
    (frame.stamp_nanos, frame.log_time_nanos)
}

/// Follow the regions of a bag that were drawn, or that are to be found.
///
/// # Errors
/// Those of the bag and the networks; `Error::DrawnTooLate` and `Error::NotFollowed` for a box that no picture holds;
/// `Error::Unfound`; `Error::Interrupted`.
pub(crate) fn follow(
    info: &BagInfo,
    roles: &Roles,
    request: Work<'_>,
    measurer: &Measurer<'_>,
) -> Result<Followed> {
    let bag = Bag::survey(info, roles, request, measurer)?;
    let networks = request.networks;
    let mut regions = request.settings.regions.clone();
    let segmenter = networks.segmenter.as_deref();
    let finder = networks.finder.as_ref();
    let Some(finder) = finder.and_then(|finder| finder.of(&regions)) else {
        let ways = both_ways(&bag, &regions, segmenter)?;
        return Ok(followed(&bag, ways, Vec::new()));
    };
    let mut seeker = Seeker::new(&bag, &finder);
    seeker.begin(&mut regions)?;
    let ways = loop {
        let ways = both_ways(&bag, &regions, segmenter)?;
        if !seeker.again(ways.each_ref(), &mut regions)? {
            break ways;
        }
    };
    Ok(followed(&bag, ways, seeker.found))
}

fn followed(bag: &Bag<'_>, [fingertip, target]: [Way; 2], found: Vec<FoundRegion>) -> Followed {
    let known = bag.frames.iter().enumerate().map(|(index, frame)| {
        let seen = [fingertip.get(&index), target.get(&index)];
        let known = Known {
            sights: seen.map(|seen| seen.map(|seen| seen.sight)),
            masks: seen.map(|seen| seen.and_then(|seen| seen.mask.clone())),
        };
        (key(&frame.info), known)
    });
    Followed {
        sights: known.collect(),
        found,
    }
}

/// The fingertip's way through a bag and the target's.
fn both_ways(
    bag: &Bag<'_>,
    regions: &Regions,
    segmenter: Option<&dyn Segmenter>,
) -> Result<[Way; 2]> {
    let due = due(&bag.frames, regions)?;
    let by_masks = [&regions.fingertip, &regions.target].map(Region::is_followed_by_masks);
    let nowhere = Due::new();
    let part = |of_masks: bool| {
        [0, 1].map(|region| {
            if by_masks[region] == of_masks {
                &due[region]
            } else {
                &nowhere
            }
        })
    };
    let of_masks = match segmenter {
        Some(segmenter) => masks(bag, part(true), segmenter)?,
        None => [Way::new(), Way::new()],
    };
    let in_turn = InTurn::of(regions);
    let [first_due, other_due] = in_turn.sorted(part(false));
    let first = one_way(bag, first_due, None)?;
    let other = one_way(bag, other_due, Some(&first))?;
    let ways = in_turn.sorted([first, other]);
    let mut ways = ways.into_iter().zip(of_masks).zip(by_masks);
    let mut next = || {
        ways.next()
            .map(|((own, of_masks), by_masks)| if by_masks { of_masks } else { own })
    };
    Ok([next().unwrap_or_default(), next().unwrap_or_default()])
}

/// Both ways from where a region was drawn.
fn one_way(bag: &Bag<'_>, due: &Due, other: Option<&Way>) -> Result<Way> {
    let Some((first, last)) = ends(due) else {
        return Ok(Way::new());
    };
    let (forwards, backwards) = thread::scope(|scope| {
        let backwards = scope.spawn(|| {
            let mut course = Course::new(due, other);
            bag.backwards(last, &mut course).map(|()| course.way)
        });
        let mut course = Course::new(due, other);
        let forwards = bag.forwards(first, &mut course).map(|()| course.way);
        let backwards = backwards
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic));
        (forwards, backwards)
    });
    Ok(joined(bag, forwards?, backwards?))
}

/// The same of both regions at once, by masks. A network has the processor for itself: one way after the other.
fn masks(bag: &Bag<'_>, due: [&Due; 2], segmenter: &dyn Segmenter) -> Result<[Way; 2]> {
    let ends = due.map(ends);
    let firsts = ends.into_iter().flatten().map(|(first, _)| first);
    let lasts = ends.into_iter().flatten().map(|(_, last)| last);
    let (Some(first), Some(last)) = (firsts.min(), lasts.max()) else {
        return Ok([Way::new(), Way::new()]);
    };
    let mut ahead = MaskCourse::new(due, segmenter);
    bag.forwards(first, &mut ahead)?;
    let mut back = MaskCourse::new(due, segmenter);
    // There is nothing before the first picture.
    if last > 0 {
        bag.backwards(last, &mut back)?;
    }
    let [fingertip, target] = ahead.ways;
    let [fingertip_back, target_back] = back.ways;
    Ok([
        joined(bag, fingertip, fingertip_back),
        joined(bag, target, target_back),
    ])
}

/// The first and the last frame in which a region was drawn.
fn ends(due: &Due) -> Option<(usize, usize)> {
    let first = due.iter().position(Option::is_some)?;
    Some((first, due.iter().rposition(Option::is_some)?))
}

fn joined(bag: &Bag<'_>, mut forwards: Way, mut backwards: Way) -> Way {
    let joined = (0..bag.frames.len()).filter_map(|index| {
        let seen = Seen::joined(forwards.remove(&index), backwards.remove(&index))?;
        Some((index, seen))
    });
    joined.collect()
}
