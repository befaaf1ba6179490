//! What each camera's pictures show: where its regions are, and the pictures of the other cameras that a report has.

use super::measured::Reading;
use super::readings::{Course, Readings};
use crate::report::film_strip::{BesideFrame, CameraStrip};
use spatial_reward_core::shown::ShownRegion;
use spatial_reward_core::stamp::seconds_between;
use spatial_reward_core::task::When;

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

    /// When each of its pictures was taken, by their stamps.
    pub(crate) fn pictures(self) -> impl Iterator<Item = When> {
        self.0.readings.values().map(Reading::when)
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

    /// The picture of a camera beside the first that belongs to a step.
    pub(crate) fn picture(&self, camera: &str, step: When, begun_nanos: i64) -> Option<When> {
        let mut of_camera = self.of_camera(camera);
        let nearest = of_camera.find_map(|course| course.readings.nearest(step, begun_nanos));
        nearest.map(Reading::when)
    }

    fn of_camera(&self, camera: &str) -> impl Iterator<Item = &Course> {
        let is_it = move |course: &&Course| course.plan.camera == camera;
        self.others.iter().filter(is_it)
    }

    /// Add the regions that a camera's picture of then shows, and that are not there yet.
    pub(crate) fn add_regions(&self, camera: &str, picture: When, regions: &mut Vec<ShownRegion>) {
        for course in self.of_camera(camera) {
            let Some(reading) = course.readings.at(picture) else {
                continue;
            };
            let pair = &course.plan.pair;
            for (name, seen) in [&pair.first, &pair.second].into_iter().zip(reading.boxes) {
                ShownRegion::add(regions, name, seen);
            }
        }
    }

    /// Film strips of the other cameras: of each the pictures nearest in time to those of the steps with these indices.
    pub(crate) fn strips(&self, beside: &[(u64, When)]) -> Vec<CameraStrip> {
        let strip = |other: Other<'_>| {
            let frames = beside.iter().filter_map(|(step_index, step)| {
                let frames = other.0.frames.iter();
                let (seen, nearest) = frames.min_by_key(|(at, _)| at.off(*step))?;
                let mut frame = nearest.clone();
                frame.step_index = *step_index;
                self.add_regions(other.camera(), *seen, &mut frame.regions);
                Some(BesideFrame {
                    frame,
                    later_s: seconds_between(step.stamp_nanos, seen.stamp_nanos),
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
