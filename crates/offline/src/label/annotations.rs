//! Foxglove's annotations in the labelled bag, where they are asked for: a message for each picture of each camera, on a topic
//! beside the pictures'.

use super::job::Job;
use super::task::{Other, Readings};
use crate::error::Result;
use crate::label::roles::reward_topic;
use crate::role::Role;
use spatial_reward_core::colors::Colors;
use spatial_reward_core::frame::Reason;
use spatial_reward_core::messages::image_annotations;
use spatial_reward_core::shown::{self, Shown, ShownRegion};
use spatial_reward_core::stamp::NANOS_PER_SECOND;
use spatial_reward_core::step::Step;
use spatial_reward_core::task::When;
use spatial_reward_rosbag2::{BagInfo, BagWriter, TopicInfo};

/// Writes them.
pub(super) struct Annotations<'a> {
    colors: Colors,
    task: Option<&'a Readings>,
    /// The first camera's topic.
    topic: usize,
    /// Of its pictures, once one was seen.
    size: Option<(u32, u32)>,
    others: Vec<Beside<'a>>,
    /// When the first step's picture was logged.
    begun_nanos: Option<i64>,
    /// The step before.
    last: Option<Step>,
}

/// A camera beside the first.
struct Beside<'a> {
    camera: Other<'a>,
    topic: usize,
    /// By their stamps, with whether they are written.
    pictures: Vec<(When, bool)>,
    /// Whether its clock was set back, so that the same stamps may come again.
    is_reset: bool,
}

/// The topics that are added: the first camera's, then those of the others.
pub(super) fn topics(job: &Job<'_>) -> Vec<TopicInfo> {
    let of_image = |image: &str| {
        TopicInfo::cdr(
            &topic_beside(image, job.info),
            image_annotations::TYPE_NAME,
            image_annotations::DEFINITION,
            image_annotations::TYPE_HASH,
        )
    };
    let first = job.roles.name(job.info, Role::Image).unwrap_or_default();
    let others = cameras(job).into_iter().map(Other::image_topic);
    std::iter::once(first).chain(others).map(of_image).collect()
}

/// The cameras whose pictures are others than the first one's.
fn cameras<'a>(job: &Job<'a>) -> Vec<Other<'a>> {
    let mut topics = vec![job.roles.name(job.info, Role::Image).unwrap_or_default()];
    let mut cameras = job.task.map_or_else(Vec::new, Readings::cameras);
    cameras.retain(|camera| {
        let is_new = !topics.contains(&camera.image_topic());
        topics.push(camera.image_topic());
        is_new
    });
    cameras
}

/// Behind the image's. A topic that the source has there is another's, unless the bag is a labelled one that has ours there.
fn topic_beside(image: &str, info: &BagInfo) -> String {
    let beside = shown::topic_beside(image);
    let ours = format!("{beside}/spatial_reward");
    let has = |name: &str| info.topics.iter().any(|topic| topic.name == name);
    match has(&ours) || (has(&beside) && reward_topic(info).is_err()) {
        true => ours,
        false => beside,
    }
}

impl<'a> Annotations<'a> {
    /// With its topics from number `first_topic` on.
    pub(super) fn new(job: &Job<'a>, first_topic: usize) -> Self {
        let settings = job.request.settings;
        let others = cameras(job).into_iter().zip(first_topic + 1..);
        Self {
            colors: Colors::of(settings),
            task: job.task,
            topic: first_topic,
            size: None,
            others: others
                .map(|(camera, topic)| Beside::new(camera, topic))
                .collect(),
            begun_nanos: None,
            last: None,
        }
    }

    /// The size of the first camera's pictures.
    pub(super) fn note_size(&mut self, size: (u32, u32)) {
        self.size = Some(size);
    }

    /// Write what the step's picture shows, and what the other cameras' show that were seen until then.
    pub(super) fn push(
        &mut self,
        writer: &mut BagWriter,
        step: &Step,
        regions: &[ShownRegion],
    ) -> Result<()> {
        let shown = Shown {
            stamp_nanos: step.stamp_nanos,
            size: self.size,
            camera: self.task.map_or("", |task| &task.own().camera),
            regions,
            step,
            colors: &self.colors,
        };
        let (data, time) = (shown.annotations().encode()?, step.log_time_nanos);
        let sequence = u32::try_from(step.index).unwrap_or(u32::MAX);
        writer.write(self.topic, time, time, sequence, &data)?;
        let begun_nanos = *self.begun_nanos.get_or_insert(step.log_time_nanos);
        // A wild stamp is no moment of the other cameras.
        if self.others.is_empty() || step.reason == Some(Reason::WildStamp) {
            return Ok(());
        }
        let last = self.last.replace(step.clone());
        // Behind a clock that was set back, pictures before belong to other steps.
        let before = last.filter(|last| last.stamp_nanos <= step.stamp_nanos);
        let from_nanos = match (&before, step.index) {
            (Some(before), _) => before.stamp_nanos.saturating_sub(NANOS_PER_SECOND),
            (None, 0) => i64::MIN,
            (None, _) => step.stamp_nanos.saturating_sub(NANOS_PER_SECOND),
        };
        let Some(task) = self.task else {
            return Ok(());
        };
        for other in &mut self.others {
            let (camera, when) = (other.camera.camera(), When::of(step));
            let own = task.picture(camera, when, begun_nanos);
            // What is of no step shows the one before it.
            let passed = before.as_ref().unwrap_or(step);
            for at in other.unwritten(from_nanos, step.stamp_nanos, when) {
                let is_own = other.pictures.get(at).map(|(when, _)| *when) == own;
                let shown = if is_own { step } else { passed };
                other.write(at, task, shown, &self.colors, writer)?;
            }
            if let Some(at) = own.and_then(|own| other.place(own)) {
                other.write(at, task, step, &self.colors, writer)?;
            }
        }
        Ok(())
    }

    /// Write what is left of the other cameras.
    pub(super) fn finish(&mut self, writer: &mut BagWriter) -> Result<()> {
        let (Some(task), Some(last)) = (self.task, self.last.take()) else {
            return Ok(());
        };
        for other in &mut self.others {
            for at in 0..other.pictures.len() {
                other.write(at, task, &last, &self.colors, writer)?;
            }
        }
        Ok(())
    }
}

impl<'a> Beside<'a> {
    fn new(camera: Other<'a>, topic: usize) -> Self {
        let pictures: Vec<When> = camera.pictures().collect();
        let mut as_logged = pictures.clone();
        as_logged.sort_by_key(|picture| picture.log_time_nanos);
        let is_back = |pair: &[When]| match pair {
            [one, next] => one.stamp_nanos.saturating_sub(next.stamp_nanos) >= NANOS_PER_SECOND,
            _ => false,
        };
        Self {
            is_reset: as_logged.windows(2).any(is_back),
            pictures: pictures.into_iter().map(|when| (when, false)).collect(),
            camera,
            topic,
        }
    }

    fn first_at(&self, stamp_nanos: i64) -> usize {
        (self.pictures).partition_point(|(when, _)| when.stamp_nanos < stamp_nanos)
    }

    /// Pictures with stamps in that range that are not written, of the run of a clock that the step is of.
    fn unwritten(&self, from_nanos: i64, to_nanos: i64, step: When) -> Vec<usize> {
        let range = self.first_at(from_nanos)..self.first_at(to_nanos);
        let is_left = |at: &usize| {
            let is_of_another_run = |when: &When| self.is_reset && when.off(step).0;
            let picture = self.pictures.get(*at);
            picture.is_some_and(|(when, written)| !written && !is_of_another_run(when))
        };
        range.filter(is_left).collect()
    }

    /// The place of a picture.
    fn place(&self, picture: When) -> Option<usize> {
        let same = self
            .pictures
            .iter()
            .skip(self.first_at(picture.stamp_nanos));
        let mut same = same.take_while(|(when, _)| when.stamp_nanos == picture.stamp_nanos);
        let at = same.position(|(when, _)| *when == picture)?;
        Some(self.first_at(picture.stamp_nanos) + at)
    }

    /// Write what a picture shows, unless it is written.
    fn write(
        &mut self,
        at: usize,
        task: &Readings,
        step: &Step,
        colors: &Colors,
        writer: &mut BagWriter,
    ) -> Result<()> {
        let Some((when, written @ false)) = self.pictures.get_mut(at) else {
            return Ok(());
        };
        *written = true;
        let mut regions = Vec::new();
        task.add_regions(self.camera.camera(), *when, &mut regions);
        let shown = Shown {
            stamp_nanos: when.stamp_nanos,
            size: self.camera.size(),
            camera: self.camera.camera(),
            regions: &regions,
            step,
            colors,
        };
        let (data, time) = (shown.annotations().encode()?, when.log_time_nanos);
        let sequence = u32::try_from(at).unwrap_or(u32::MAX);
        writer.write(self.topic, time, time, sequence, &data)?;
        Ok(())
    }
}
