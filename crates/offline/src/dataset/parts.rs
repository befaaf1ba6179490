//! Fingertip and target in the pixels of a frame's picture, whatever says where they are: a detector, in its own picture
//! perhaps, TF frames, somebody who drew them, or the settings. What two of these say of one thing counts once.

use super::regions::{Detected, Part, View};
use spatial_reward_core::frame::Reason;
use spatial_reward_core::pipeline::at_frames::{Ball, Place, Places};
use spatial_reward_core::pipeline::in_image;
use spatial_reward_core::settings::{Region, Regions};

/// Boxes that overlap by so much (intersection over union) are of one thing.
const ONE_THING: f64 = 0.5;

/// What says where fingertip and target of a frame are, but for boxes.
pub(crate) struct Sources<'a> {
    /// What each region's boxes mean.
    pub regions: &'a Regions,
    /// Where those at TF frames are; `None` where none is at one.
    pub places: Option<Places>,
}

/// Why a region has no box.
pub(crate) struct Unplaced {
    /// As a step has it.
    pub reason: Reason,
    /// In words, where there is more to say.
    pub why: Option<String>,
}

impl Sources<'_> {
    /// All boxes of a frame in pixels of its picture, the fingertip's and the target's first; and what has none.
    pub(crate) fn boxes(
        &self,
        detected: &[Detected],
        view: &View<'_>,
    ) -> (Vec<Detected>, Vec<Unplaced>) {
        let (mut boxes, mut unplaced) = (detected.to_vec(), Vec::new());
        let (width, height) = (view.color.width, view.color.height);
        let [fingertip, target] = match &self.places {
            Some(places) => [&places.fingertip, &places.target],
            None => [&None, &None],
        };
        let Regions {
            fingertip: tip,
            target: object,
            ..
        } = self.regions;
        for (part, name, region, place) in [
            (Part::Fingertip, "fingertip", tip, fingertip),
            (Part::Target, "target", object, target),
        ] {
            for seen in boxes.iter_mut().filter(|seen| seen.part == part) {
                seen.bbox = in_image(&seen.bbox, region, width, height);
            }
            match place.as_ref().map(|place| ball(region, place, view)) {
                None => {}
                Some(Ok(ball)) => boxes.push(Detected {
                    part,
                    name: name.to_owned(),
                    bbox: ball.bbox,
                    instance: None,
                }),
                Some(Err(why)) => unplaced.push(why),
            }
            if !region.is_detected()
                && let Some(own) = boxes.iter().find(|seen| seen.part == part)
            {
                // A detector that was not asked for it may have seen it all the same.
                let own = own.bbox;
                let is_same = |seen: &Detected| seen.bbox.overlap(&own) >= ONE_THING;
                boxes.retain(|seen| seen.part != Part::Other || !is_same(seen));
            }
        }
        boxes.sort_by_key(|seen| seen.part);
        (boxes, unplaced)
    }
}

/// What the camera sees of a region at a TF frame.
fn ball(region: &Region, place: &Result<Place, String>, view: &View<'_>) -> Result<Ball, Unplaced> {
    let place = place.as_ref().map_err(|why| Unplaced {
        reason: Reason::NoTransform,
        why: Some(why.clone()),
    })?;
    let ball = Ball::seen(place.point, region.size_m, view.intrinsics)
        .ok_or(Unplaced::of(Reason::BoxOutsideImage))?;
    let picture = (view.color.width, view.color.height);
    ball.check(view.depth, picture, view.intrinsics)
        .map_err(Unplaced::of)?;
    Ok(ball)
}

impl Unplaced {
    fn of(reason: Reason) -> Self {
        Self { reason, why: None }
    }
}
