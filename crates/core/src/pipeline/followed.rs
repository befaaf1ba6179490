//! Boxes that were drawn and followed, in a frame that is to be measured.

use super::measure::Measurer;
use super::{FrameInfo, MatchedFrame};
use crate::following::{Both, Follower, Schedule, Sight, is_target_first};
use crate::frame::{BoundingBox, DepthImage, Frame, Measurement, Reason};
use crate::settings::Regions;
use crate::statistics::median;
use crate::tracking::StartError;

/// Follows drawn boxes through frames as they come, forwards only: what a live node can do.
#[derive(Debug)]
pub struct LiveFollower {
    fingertip: Follower,
    target: Follower,
    is_target_first: bool,
    schedule: Schedule,
    first_nanos: Option<i64>,
}

impl LiveFollower {
    /// Of regions that were drawn; `None` where none was.
    pub fn new(regions: &Regions) -> Option<Self> {
        regions.are_followed().then(|| Self {
            fingertip: Follower::default(),
            target: Follower::default(),
            is_target_first: is_target_first(regions),
            schedule: Schedule::new(regions),
            first_nanos: None,
        })
    }

    /// Give the next frame the boxes of its regions that are followed. Its seconds count from the first frame. What is seen of
    /// the one that is looked for first is not the other's.
    ///
    /// # Errors
    /// For a drawn box that lies outside the picture; the region is then as if it was not drawn.
    pub fn place(
        &mut self,
        measurer: &Measurer<'_>,
        frame: &mut MatchedFrame,
    ) -> Result<(), StartError> {
        let at_nanos = frame.info.timeline_nanos;
        let first_nanos = *self.first_nanos.get_or_insert(at_nanos);
        let due = self.schedule.due(at_nanos.saturating_sub(first_nanos));
        let looks = self.fingertip.looks(due[0]) || self.target.looks(due[1]);
        let picture = looks.then(|| measurer.look(frame)).flatten();
        let picture = (picture.as_ref()).map(|(image, depth)| (image, depth.as_ref()));
        let Self {
            fingertip, target, ..
        } = self;
        let (fingertip, target) = match self.is_target_first {
            true => {
                let target_seen = target.see(due[1], at_nanos, picture, None);
                (
                    fingertip.see(due[0], at_nanos, picture, target.cover()),
                    target_seen,
                )
            }
            false => {
                let fingertip_seen = fingertip.see(due[0], at_nanos, picture, None);
                let target_seen = target.see(due[1], at_nanos, picture, fingertip.cover());
                (fingertip_seen, target_seen)
            }
        };
        let sights = [fingertip.unwrap_or_default(), target.unwrap_or_default()];
        frame.info.place_followed(&measurer.regions, &sights);
        target.and(fingertip).map(|_| ())
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
            Some(_) => Reason::LostBox,
            None => missing,
        };
        if has_none && self.reason.is_none() {
            self.reason = Some(reason);
        }
    }
}

/// What was measured between boxes whose sides are in doubt is as much less certain.
pub(super) fn doubted(measured: Measurement, info: &FrameInfo, frame: &Frame) -> Measurement {
    let of = |bbox: Option<BoundingBox>, doubt_px: Option<f64>| {
        let doubt_px = doubt_px.filter(|doubt_px| *doubt_px > 0.0)?;
        Some(doubt_px * metres_a_pixel(frame, &bbox?)?)
    };
    let doubts = [
        of(
            info.fingertip,
            info.fingertip_source.map(|source| source.doubt_px),
        ),
        of(
            info.target,
            info.target_source.map(|source| source.doubt_px),
        ),
    ];
    let doubt_m = doubts.into_iter().flatten().reduce(f64::hypot);
    let Some(doubt_m) = doubt_m else {
        return measured;
    };
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
