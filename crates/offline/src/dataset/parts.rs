//! Fingertip and target in the pixels of a frame's picture, whatever says where they are: a detector, in its own picture
//! perhaps, TF frames, somebody who drew them, or the settings. What two of these say of one thing counts once.

use super::regions::{Detected, Part, View};
use spatial_reward_core::frame::Reason;
use spatial_reward_core::pipeline::at_frames::{Ball, point_in};
use spatial_reward_core::pipeline::{FrameInfo, in_image};
use spatial_reward_core::settings::{Region, Regions};
use spatial_reward_core::transforms::TransformTree;

/// Boxes that overlap by so much (intersection over union) are of one thing.
const ONE_THING: f64 = 0.5;

/// What says where fingertip and target of a frame are.
pub(crate) struct Sources<'a> {
    /// What each region's boxes mean.
    pub regions: &'a Regions,
    /// Where their TF frames are; `None` where none is at one.
    pub transforms: Option<&'a TransformTree>,
    /// The frame, with its boxes that were drawn or are fixed.
    pub frame: &'a FrameInfo,
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
        for (part, name, region) in [
            (Part::Fingertip, "fingertip", &self.regions.fingertip),
            (Part::Target, "target", &self.regions.target),
        ] {
            for seen in boxes.iter_mut().filter(|seen| seen.part == part) {
                seen.bbox = in_image(&seen.bbox, region, width, height);
            }
            match self.ball(region, view) {
                Ok(None) => {}
                Ok(Some(ball)) => boxes.push(Detected {
                    part,
                    name: name.to_owned(),
                    bbox: ball.bbox,
                    instance: None,
                }),
                Err(why) => unplaced.push(why),
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

    /// What the camera sees of a region at a TF frame; `None` of one that is at none.
    fn ball(&self, region: &Region, view: &View<'_>) -> Result<Option<Ball>, Unplaced> {
        let Some(transforms) = self.transforms else {
            return Ok(None);
        };
        let FrameInfo {
            frame_id,
            stamp_nanos,
            ..
        } = self.frame;
        let found = point_in(frame_id, region, transforms, *stamp_nanos);
        let found = found.map_err(|error| {
            let frame = region.frame.as_deref().unwrap_or_default();
            Unplaced {
                reason: Reason::NoTransform,
                why: Some(format!(
                    "where '{frame}' is for the camera '{frame_id}' is not known: {error}"
                )),
            }
        })?;
        let Some((point, _)) = found else {
            return Ok(None);
        };
        let ball = Ball::seen(point, region.size_m, view.intrinsics)
            .ok_or(Unplaced::of(Reason::BoxOutsideImage))?;
        let picture = (view.color.width, view.color.height);
        ball.check(view.depth, picture, view.intrinsics)
            .map_err(Unplaced::of)?;
        Ok(Some(ball))
    }
}

impl Unplaced {
    fn of(reason: Reason) -> Self {
        Self { reason, why: None }
    }
}
