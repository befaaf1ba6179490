//! The output of one bag as it grows, and its end: the bag on disk, the steps and the film strip in
//! memory, then the report beside the bag.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use super::annotations::{self, Annotations};
use super::corner;
use super::delay::BoxDelay;
use super::diagnosis::Case;
use super::intake::{Intake, Unreadable};
use super::job::Job;
use super::labelled::Labelled;
use super::measurer::no_steps;
use super::reach::OutOfReach;
use super::task::{Fold, Readings};
use super::workers::Finished;
use crate::error::Result;
use crate::report::film_strip::{CameraStrip, FilmStrip, StripFrame};
use crate::report::metrics::{Metrics, Sample};
use crate::report::provenance::Provenance;
use crate::report::{self, Report};
use crate::truth::StepTime;
use spatial_reward_core::frame::{DistanceKind, Reason};
use spatial_reward_core::messages::step_reward::{self, StepMeta};
use spatial_reward_core::messages::task_reward;
use spatial_reward_core::pipeline::Rewarder;
use spatial_reward_core::settings::{self, Settings};
use spatial_reward_core::shown::ShownRegion;
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_core::step::Step;
use spatial_reward_core::task::When;
use spatial_reward_core::whole_folder::WholeFolder;
use spatial_reward_rosbag2::{BagWriter, Storage, TopicInfo};

/// The output as it grows: the bag on disk, the steps and the film strip in memory.
pub(super) struct Recording<'a> {
    /// The new bag.
    pub writer: BagWriter,
    reward_topic: usize,
    meta: StepMeta<'a>,
    rewarder: Rewarder,
    /// With the topic of its messages, where there is a task.
    task: Option<(usize, Fold<'a>)>,
    readings: Option<&'a Readings>,
    /// Where they are asked for.
    annotations: Option<Annotations<'a>>,
    /// The steps so far.
    pub steps: Vec<Step>,
    strip: FilmStrip,
    /// Pictures that could not be used, by what they are.
    broken: BTreeMap<&'static str, Unreadable>,
}

impl<'a> Recording<'a> {
    /// Begin the output in a folder, as a bag of that name.
    pub(crate) fn begin(job: &Job<'a>, folder: &WholeFolder, name: &str) -> Result<Self> {
        let settings = job.request.settings;
        let reward = TopicInfo::cdr(
            &settings.output.reward_topic,
            step_reward::TYPE_NAME,
            step_reward::DEFINITION,
            step_reward::TYPE_HASH,
        );
        let mut topics = vec![reward];
        if job.task.is_some() {
            topics.push(TopicInfo::cdr(
                &settings.output.task_topic,
                task_reward::TYPE_NAME,
                task_reward::DEFINITION,
                task_reward::TYPE_HASH,
            ));
        }
        let annotated = job.info.topics.len() + topics.len();
        if settings.output.annotations {
            topics.extend(annotations::topics(job));
        }
        let storage = match settings.output.storage {
            settings::Storage::Mcap => Storage::Mcap,
            settings::Storage::Sqlite3 => Storage::Sqlite3,
        };
        Ok(Self {
            writer: BagWriter::create(folder.path(), name, storage, job.info, &topics)?,
            reward_topic: job.info.topics.len(),
            meta: StepMeta {
                reward_kind: settings.reward.kind.name(),
                estimator: job.estimator.name(),
            },
            rewarder: Rewarder::new(settings),
            task: (job.task).map(|task| (job.info.topics.len() + 1, Fold::new(task))),
            readings: job.task,
            annotations: (settings.output.annotations).then(|| Annotations::new(job, annotated)),
            steps: Vec::new(),
            strip: FilmStrip::of_plan(settings.output.film_strip_frames, job.strip),
            broken: BTreeMap::new(),
        })
    }

    /// Take the next step's measurement.
    pub(crate) fn push(&mut self, finished: Finished) -> Result<()> {
        let Finished {
            mut measured,
            strip,
        } = finished;
        if let Some(broken) = measured.broken.take() {
            let noted = self.broken.entry(broken.what).or_insert_with(|| {
                let stamp_nanos = measured.info.stamp_nanos;
                tracing::warn!(
                    stamp_nanos,
                    "{} cannot be used: {}",
                    broken.with_article(),
                    broken.why
                );
                Unreadable {
                    count: 0,
                    first: broken.why,
                }
            });
            noted.count += 1;
        }
        let own = self.task.is_some().then(|| measured.reading());
        let mut step = self
            .rewarder
            .push(measured.info, measured.measurement, measured.latency);
        if let (Some((topic, task)), Some(own)) = (&mut self.task, own) {
            task.fold(&mut step, own);
            if let Some(task) = &step.task {
                let (data, time) = (task_reward::encode(&step, task)?, step.log_time_nanos);
                let sequence = u32::try_from(step.index).unwrap_or(u32::MAX);
                self.writer.write(*topic, time, time, sequence, &data)?;
            }
        }
        let data = step_reward::encode(&step, &self.meta)?;
        let sequence = u32::try_from(step.index).unwrap_or(u32::MAX);
        let time = step.log_time_nanos;
        self.writer
            .write(self.reward_topic, time, time, sequence, &data)?;
        let regions = match self.readings.is_some() || self.annotations.is_some() {
            true => self.regions(&step),
            false => Vec::new(),
        };
        if let Some(annotations) = &mut self.annotations {
            if let Some(frame) = &strip {
                annotations.note_size((frame.full_width, frame.full_height));
            }
            annotations.push(&mut self.writer, &step, &regions)?;
        }
        if let Some(mut frame) = strip {
            if self.readings.is_some() {
                frame.regions = regions;
            }
            self.strip.push(frame);
        }
        self.steps.push(step);
        Ok(())
    }

    /// What the step's picture shows: the regions of its own distance, and those of the task's other pairs.
    fn regions(&self, step: &Step) -> Vec<ShownRegion> {
        let own = self.readings.map(Readings::own);
        let names = own.map_or(["fingertip", "target"], |own| {
            [own.pair.first.as_str(), own.pair.second.as_str()]
        });
        let mut regions = ShownRegion::of_step(step, names);
        if let (Some(readings), Some(own)) = (self.readings, own) {
            readings.add_regions(&own.camera, When::of(step), &mut regions);
        }
        regions
    }

    /// The other cameras' pictures beside those of the first one's strip.
    fn strips(&self, frames: &[StripFrame]) -> Vec<CameraStrip> {
        let Some(readings) = self.readings else {
            return Vec::new();
        };
        let beside = frames.iter().filter_map(|frame| {
            let at = usize::try_from(frame.step_index).ok()?;
            let step = self.steps.get(at)?;
            let when = When {
                stamp_nanos: step.timeline_nanos,
                ..When::of(step)
            };
            Some((frame.step_index, when))
        });
        readings.strips(&beside.collect::<Vec<_>>())
    }

    /// Write into the bag where its rewards come from, and tell what was broken.
    fn annotate(&mut self, job: &Job<'_>, topics: BTreeMap<String, String>) -> Result<Provenance> {
        let provenance = Provenance::new(
            job.request.settings,
            job.estimator.name(),
            job.estimator.origin()?,
            &job.info.name,
            topics,
        )?;
        // The settings in full are in the table and the page; the bag has their digest.
        let made_by = provenance.key_values().into_iter();
        let made_by = made_by.filter(|(key, _)| key != "spatial_reward.config");
        self.writer.annotate("spatial_reward", made_by.collect())?;
        let broken = self.broken.iter().map(|(what, noted)| (what, noted.count));
        for (what, count) in broken.filter(|(_, count)| *count > 1) {
            tracing::warn!(count, "{what}s that cannot be used, by the end of the bag");
        }
        Ok(provenance)
    }

    /// Close the bag and write the report beside it.
    pub(crate) fn finish(
        mut self,
        job: &Job<'_>,
        folder: &WholeFolder,
        name: &str,
        mut intake: Intake<'_>,
    ) -> Result<Labelled> {
        let Job {
            request,
            info,
            roles,
            ..
        } = *job;
        if self.steps.is_empty() {
            return Err(no_steps(info, roles));
        }
        if let Some(annotations) = &mut self.annotations {
            annotations.finish(&mut self.writer)?;
        }
        let topics = roles.topic_names(info);
        let provenance = self.annotate(job, topics.clone())?;
        let truth_m = truth_of(&self.steps, &mut intake, request.settings);
        let metrics = metrics_of(&self.steps, &truth_m, request.settings.distance());
        let plan = self.strip.plan();
        let strip = std::mem::replace(&mut self.strip, FilmStrip::of_plan(0, plan));
        let frames = strip.finish();
        let report = Report {
            steps: &self.steps,
            truth_m: &truth_m,
            frames: &frames,
            camera: self.readings.map_or("", |readings| &readings.own().camera),
            others: &self.strips(&frames),
            settings: request.settings,
            provenance: &provenance,
            metrics: metrics.as_ref(),
            command: request.command,
        };
        let written = write_out(self.writer, folder.path(), name, &report)?;
        corner::tell(&intake, request.settings);
        let case = Case {
            steps: &self.steps,
            intake: &intake,
            roles,
            broken: &self.broken,
            registration: job.registration,
            settings: request.settings,
        };
        Ok(Labelled {
            folder: request.target.to_owned(),
            files: moved(&written, request.target),
            steps: self.steps.len() as u64,
            invalid: count_invalid(&self.steps),
            advice: case.advice(),
            delays: BoxDelay::of_all(intake.evidence(), roles, request.settings),
            out_of_reach: OutOfReach::of(&self.steps, request.settings, job.estimator),
            limit_without_effect: is_without_effect(&self.steps, request.settings),
            distance_kind: request.settings.distance(),
            found: Vec::new(),
            topics,
            unreadable: intake.unreadable().clone(),
            loss: None,
            metrics,
            seconds: 0.0,
        })
    }
}

/// Close the bag and write the report: waiting until the bag is on the disk leaves the processor free to draw.
fn write_out(
    writer: BagWriter,
    folder: &Path,
    name: &str,
    report: &Report<'_>,
) -> Result<report::Files> {
    let (finished, written) = thread::scope(|scope| {
        let writer = scope.spawn(|| writer.finish());
        let written = report::write_all(folder, name, report);
        let finished = writer.join().unwrap_or_else(|panic| resume_unwind(panic));
        (finished, written)
    });
    finished?;
    written
}

/// The files as they are called once the folder has its final name.
fn moved(files: &report::Files, target: &Path) -> report::Files {
    let there = |path: &Path| target.join(path.file_name().unwrap_or_default());
    report::Files {
        parquet: there(&files.parquet),
        png: there(&files.png),
        html: there(&files.html),
    }
}

fn truth_of(steps: &[Step], intake: &mut Intake<'_>, settings: &Settings) -> Vec<Option<f64>> {
    let truth = intake.take_truth();
    if truth.is_empty() {
        return Vec::new();
    }
    let times: Vec<StepTime> = steps.iter().map(StepTime::of).collect();
    let tolerance_nanos = nanos_from_seconds(settings.matching.tolerance_s);
    truth.at(settings.distance(), &times, tolerance_nanos)
}

/// `None` without truth: a report of a robot's own recording should not pretend to be an evaluation.
fn metrics_of(steps: &[Step], truth_m: &[Option<f64>], kind: DistanceKind) -> Option<Metrics> {
    truth_m.iter().flatten().next()?;
    let samples = Sample::of_steps(steps, truth_m);
    let latency_s: Vec<f64> = steps.iter().map(|step| step.latency.total_s).collect();
    // Offline no frame is skipped.
    Some(Metrics::new(kind, &samples, None, &latency_s, Some(0)))
}

/// Whether the limit on standard deviations had none to look at, though distances were measured.
fn is_without_effect(steps: &[Step], settings: &Settings) -> bool {
    let has_effect =
        |step: &Step| step.distance_std_m.is_finite() || step.reason == Some(Reason::Uncertain);
    settings.reward.max_std_m.is_some()
        && steps.iter().any(Step::is_valid)
        && !steps.iter().any(has_effect)
}

fn count_invalid(steps: &[Step]) -> BTreeMap<Reason, u64> {
    let mut counts = BTreeMap::new();
    for reason in steps.iter().filter_map(|step| step.reason) {
        *counts.entry(reason).or_default() += 1;
    }
    counts
}
