//! Boxes that were drawn and followed, in a frame that is to be measured.

use super::{FrameInfo, MatchedFrame};
use crate::following::{Both, Sight};
use crate::frame::{BoundingBox, BoxOrigin, BoxSource, DepthImage, Frame, Measurement, Reason};
use crate::mask_following::Runs;
use crate::settings::Regions;
use crate::statistics::median;

impl MatchedFrame {
    /// Take over the masks of the regions that are followed by masks.
    pub fn place_masks(&mut self, [fingertip, target]: &Both<Runs>) {
        let placed = |own: &mut Option<_>, mask: &Option<Runs>| {
            if let Some(mask) = mask {
                *own = mask.mask();
            }
        };
        placed(&mut self.masks.fingertip, fingertip);
        placed(&mut self.masks.target, target);
    }
}

impl FrameInfo {
    /// Take over where the regions that are followed are. A frame in which one is lost, or that comes before it was drawn,
    /// cannot be measured.
    pub fn place_followed(&mut self, regions: &Regions, sights: &Both<Sight>) {
        let [fingertip, target] = sights;
        if regions.fingertip.is_followed() {
            let placed = fingertip.and_then(Sight::placed);
            self.fingertip = placed.map(|(bbox, _)| bbox);
            self.fingertip_source = placed.map(|(_, source)| source);
            self.lack(placed.is_none(), *fingertip, Reason::NoFingertipBox);
        }
        if regions.target.is_followed() {
            let placed = target.and_then(Sight::placed);
            self.target = placed.map(|(bbox, _)| bbox);
            self.target_source = placed.map(|(_, source)| source);
            self.lack(placed.is_none(), *target, Reason::NoTargetBox);
        }
    }

    fn lack(&mut self, has_none: bool, sight: Option<Sight>, missing: Reason) {
        let reason = match sight {
            Some(Sight::Unseen) => Reason::NoImage,
            Some(_) => Reason::LostBox,
            None => missing,
        };
        if has_none && self.reason.is_none() {
            self.reason = Some(reason);
        }
    }
}

/// What was measured between boxes that are in doubt is as much less certain.
pub(super) fn doubted(measured: Measurement, info: &FrameInfo, frame: &Frame) -> Measurement {
    let of = |bbox: Option<BoundingBox>, source: Option<BoxSource>| {
        let doubt = source
            .filter(|source| source.origin == BoxOrigin::Followed)?
            .doubt;
        let pixel_m = metres_a_pixel(frame, &bbox?)?;
        Some((doubt, pixel_m))
    };
    let doubts = [
        of(info.fingertip, info.fingertip_source),
        of(info.target, info.target_source),
    ];
    if doubts == [None, None] {
        return measured;
    }
    // What the fit reads.
    tracing::trace!(
        stamp_nanos = info.stamp_nanos,
        terms_m = ?doubts.map(|doubt| doubt.map_or([0.0; 2], |(doubt, pixel_m)| {
            [doubt.unseen_px, doubt.contradicted_px].map(|px| px * pixel_m)
        })),
        std_m = measured.surface_std_m,
        "doubt"
    );
    let stds_m = doubts.into_iter().flatten();
    let stds_m = stds_m.map(|(doubt, pixel_m)| doubt.std_px() * pixel_m);
    let doubt_m = stds_m.reduce(f64::hypot).unwrap_or_default();
    let widened = |std_m: Option<f64>| std_m.map(|std_m| std_m.hypot(doubt_m));
    Measurement {
        center_std_m: widened(measured.center_std_m),
        surface_std_m: widened(measured.surface_std_m),
        cloud_std_m: widened(measured.cloud_std_m),
        ..measured
    }
}

/// How wide a pixel of the colour image is at a box's depth; `None` where that is not known.
fn metres_a_pixel(frame: &Frame, bbox: &BoundingBox) -> Option<f64> {
    let (depth, intrinsics) = (frame.depth.as_ref()?, frame.intrinsics.as_ref()?);
    let color = (f64::from(frame.color.width), f64::from(frame.color.height));
    let scale = [
        f64::from(depth.width) / color.0,
        f64::from(depth.height) / color.1,
    ];
    let inside = bbox
        .scaled(scale[0], scale[1])
        .clipped(depth.width, depth.height)?;
    let depths_m = depths_inside(depth, &inside);
    Some(median(&depths_m)? / intrinsics.fx)
}

fn depths_inside(depth: &DepthImage, inside: &BoundingBox) -> Vec<f64> {
    let mut depths_m = Vec::new();
    super::at_frames::each_pixel(inside, depth, |_, _, depth_m| depths_m.push(depth_m));
    depths_m
}
