//! What each camera's pictures show: where its regions are, and the pictures of the other cameras that a report has.

use super::readings::{Course, Readings};
use crate::report::film_strip::{BesideFrame, CameraStrip};
use spatial_reward_core::frame::{BoundingBox, BoxOrigin};
use spatial_reward_core::shown::ShownRegion;
use spatial_reward_core::stamp::seconds_between;

/// A camera beside the first.
#[derive(Clone, Copy)]
pub(crate) struct Other<'a>(&'a Course);

impl<'a> Other<'a> {
    /// Its name.
    pub(crate) fn camera(self) -> &'a str {
        &self.0.plan.camera
    }

    /// The topic of its pictures.
    pub(crate) fn image_topic(self) -> &'a str {
        &self.0.image_topic
    }

    /// The size of its pictures, if one was seen.
    pub(crate) fn size(self) -> Option<(u32, u32)> {
        let (_, frame) = self.0.frames.first()?;
        Some((frame.full_width, frame.full_height))
    }

    /// Stamp and log time of each of its pictures, by their stamps.
    pub(crate) fn pictures(self) -> impl ExactSizeIterator<Item = (i64, i64)> {
        let readings = self.0.readings.values();
        readings.map(|reading| (reading.stamp_nanos, reading.log_time_nanos))
    }
}

impl Readings {
    /// The cameras beside the first, in their order.
    pub(crate) fn cameras(&self) -> Vec<Other<'_>> {
        let mut cameras: Vec<Other<'_>> = Vec::new();
        for course in &self.others {
            let camera = course.plan.camera.as_str();
            let is_new = cameras.iter().all(|other| other.camera() != camera);
            if camera != self.own().camera && is_new {
                cameras.push(Other(course));
            }
        }
        cameras
    }

    /// Add the regions that a camera's picture of that stamp shows, and that are not there yet.
    pub(crate) fn add_regions(
        &self,
        camera: &str,
        stamp_nanos: i64,
        regions: &mut Vec<ShownRegion>,
    ) {
        for course in self
            .others
            .iter()
            .filter(|course| course.plan.camera == camera)
        {
            let Some(reading) = course.readings.at(stamp_nanos) else {
                continue;
            };
            let pair = &course.plan.pair;
            for (name, seen) in [&pair.first, &pair.second].into_iter().zip(reading.boxes) {
                add_region(regions, name, seen);
            }
        }
    }

    /// Film strips of the other cameras: of each the pictures nearest in time to the steps' with these indices and stamps.
    pub(crate) fn strips(&self, beside: &[(u64, i64)]) -> Vec<CameraStrip> {
        let strip = |other: Other<'_>| {
            let frames = beside.iter().filter_map(|(step_index, stamp_nanos)| {
                let frames = other.0.frames.iter();
                let (seen_nanos, nearest) =
                    frames.min_by_key(|(at, _)| at.abs_diff(*stamp_nanos))?;
                let mut frame = nearest.clone();
                frame.step_index = *step_index;
                self.add_regions(other.camera(), *seen_nanos, &mut frame.regions);
                Some(BesideFrame {
                    frame,
                    later_s: seconds_between(*stamp_nanos, *seen_nanos),
                })
            });
            CameraStrip {
                camera: other.camera().to_owned(),
                frames: frames.collect(),
            }
        };
        let strips = self.cameras().into_iter().map(strip);
        strips.filter(|strip| !strip.frames.is_empty()).collect()
    }
}

/// Add a region that has a box and is not there yet.
pub(crate) fn add_region(
    regions: &mut Vec<ShownRegion>,
    name: &str,
    seen: Option<(BoundingBox, Option<BoxOrigin>)>,
) {
    let is_new = regions.iter().all(|region| region.name != name);
    if let Some((bbox, origin)) = seen.filter(|(bbox, _)| is_new && bbox.is_proper()) {
        regions.push(ShownRegion {
            name: name.to_owned(),
            bbox,
            origin,
        });
    }
}
