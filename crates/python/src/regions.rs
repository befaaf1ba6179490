//! Where an object is in a picture, as Python says it: a box, what a tracker found, or nothing.

use pyo3::prelude::*;
use spatial_reward_core::frame::BoxSource;
use spatial_reward_core::pipeline::task_annotator::PlacedRegion;
use spatial_reward_core::settings::{Config, DrawnBox, Region};

use crate::arrays;
use crate::boxes::{Else, bbox};
use crate::error::Failure;
use crate::tracker::Tracked;

/// Where a region is, and which pixels are its, where a mask tells; none of what is not seen.
pub(crate) fn region(
    what: &str,
    given: &Bound<'_, PyAny>,
) -> Result<Option<PlacedRegion>, Failure> {
    if given.is_none() {
        return Ok(None);
    }
    if let Ok(tracked) = given.cast::<Tracked>() {
        let place = tracked.get().placed();
        return Ok(Some(PlacedRegion { place, mask: None }));
    }
    let seen = |bbox, mask| PlacedRegion {
        place: Ok((bbox, BoxSource::SEEN)),
        mask,
    };
    if let Some((bbox, mask)) = arrays::mask(what, given)? {
        // A mask without a pixel says that the object is not seen.
        return Ok(bbox.map(|bbox| seen(bbox, mask)));
    }
    Ok(Some(seen(bbox(what, given, Else::Mask)?, None)))
}

/// Where a recording's regions come from, as arguments say.
pub(crate) fn sources(
    config: &mut Config,
    fingertip: Option<&Bound<'_, PyAny>>,
    target: Option<&Bound<'_, PyAny>>,
) -> Result<(), Failure> {
    let (topics, regions) = (&mut config.topics, &mut config.regions);
    source(
        "fingertip",
        fingertip,
        &mut topics.fingertip,
        &mut regions.fingertip,
    )?;
    source("target", target, &mut topics.target, &mut regions.target)
}

/// Where a recording's region comes from: the name of a topic, or a box in the first picture from which it is followed.
fn source(
    what: &str,
    given: Option<&Bound<'_, PyAny>>,
    topic: &mut Option<String>,
    region: &mut Region,
) -> Result<(), Failure> {
    let Some(given) = given else { return Ok(()) };
    region.forget_source();
    if let Ok(name) = given.extract::<String>() {
        *topic = Some(name);
        return Ok(());
    }
    *topic = None;
    let bbox = bbox(what, given, Else::Nothing)?;
    if !bbox.is_proper() {
        let words =
            format!("{what} is a box without area: x_min < x_max and y_min < y_max is needed");
        return Err(Failure::of("region", words));
    }
    region.drawn = vec![DrawnBox { bbox, at_s: 0.0 }];
    Ok(())
}
