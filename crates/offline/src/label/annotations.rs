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
use spatial_reward_core::shown::{Shown, ShownRegion};
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_core::step::Step;
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
    tolerance_nanos: i64,
    /// The step before.
    last: Option<Step>,
}

/// A camera beside the first.
struct Beside<'a> {
    camera: Other<'a>,
    topic: usize,
    /// Stamp and log time of its pictures, by their stamps.
    pictures: Vec<(i64, i64)>,
    written: Vec<bool>,
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
    let beside = format!("{image}/annotations");
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
                .map(|(camera, topic)| Beside {
                    pictures: camera.pictures().collect(),
                    written: vec![false; camera.pictures().len()],
                    camera,
                    topic,
                })
                .collect(),
            tolerance_nanos: nanos_from_seconds(settings.matching.tolerance_s),
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
        // A wild stamp is no moment of the other cameras.
        if self.others.is_empty() || step.reason == Some(Reason::WildStamp) {
            return Ok(());
        }
        let begin = step.stamp_nanos.saturating_sub(self.tolerance_nanos);
        let end = step.stamp_nanos.saturating_add(self.tolerance_nanos);
        let last = self.last.replace(step.clone());
        // Behind a clock that was set back, pictures before belong to other steps.
        let before = last.filter(|last| last.stamp_nanos <= step.stamp_nanos);
        let from = match (&before, step.index) {
            (Some(before), _) => before.stamp_nanos.saturating_sub(self.tolerance_nanos),
            (None, 0) => i64::MIN,
            (None, _) => begin,
        };
        self.write_others(writer, from, begin, before.as_ref().unwrap_or(step))?;
        self.write_others(writer, begin, end.saturating_add(1), step)
    }

    /// Write what is left of the other cameras.
    pub(super) fn finish(&mut self, writer: &mut BagWriter) -> Result<()> {
        match self.last.take() {
            Some(last) => self.write_others(writer, i64::MIN, i64::MAX, &last),
            None => Ok(()),
        }
    }

    /// Write what the other cameras' pictures show whose stamps are in that range, as far as it is not written.
    fn write_others(
        &mut self,
        writer: &mut BagWriter,
        from_nanos: i64,
        to_nanos: i64,
        step: &Step,
    ) -> Result<()> {
        let Some(task) = self.task else {
            return Ok(());
        };
        for other in &mut self.others {
            let first = other
                .pictures
                .partition_point(|(stamp, _)| *stamp < from_nanos);
            let pictures = other.pictures.iter().zip(&mut other.written).enumerate();
            let pictures = pictures.skip(first);
            for (at, ((stamp_nanos, time), written)) in
                pictures.take_while(|(_, ((stamp, _), _))| *stamp < to_nanos)
            {
                if std::mem::replace(written, true) {
                    continue;
                }
                let mut regions = Vec::new();
                task.add_regions(other.camera.camera(), *stamp_nanos, &mut regions);
                let shown = Shown {
                    stamp_nanos: *stamp_nanos,
                    size: other.camera.size(),
                    camera: other.camera.camera(),
                    regions: &regions,
                    step,
                    colors: &self.colors,
                };
                let data = shown.annotations().encode()?;
                let sequence = u32::try_from(at).unwrap_or(u32::MAX);
                writer.write(other.topic, *time, *time, sequence, &data)?;
            }
        }
        Ok(())
    }
}
