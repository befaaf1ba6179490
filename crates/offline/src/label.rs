//! Labels a recorded bag: the driver that carries messages from a file through the pipeline into a
//! new bag with a report beside it, streaming, in one pass, on several threads.

mod first_look;
pub(crate) mod intake;
pub mod output;
mod recording;
pub mod roles;
mod workers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::report;
use crate::report::film_strip::StripPlan;
use crate::report::metrics::Metrics;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::frame::{DistanceKind, Reason};
use spatial_reward_core::pipeline::Matcher;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::progress::{OnProgress, Progress, Unit};
use spatial_reward_core::settings::Settings;
use spatial_reward_rosbag2::{BagInfo, BagReader, Loss};

use self::intake::{Intake, decoder, matcher};
use self::output::{check_apart, name_of};
use self::recording::Recording;
use self::roles::{Role, Roles, TruthTopics};
use self::workers::Workers;
use spatial_reward_core::whole_folder::WholeFolder;

pub use self::intake::Unreadable;

/// What to label, and how.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// A bag folder or a bag file.
    pub source: &'a Path,
    /// The folder to make; its name becomes the bag's.
    pub target: &'a Path,
    pub settings: &'a Settings,
    pub truth: &'a TruthTopics,
    /// Threads that decode and measure; at least one.
    pub jobs: usize,
    /// The command line, for the report.
    pub command: &'a str,
    /// Set from elsewhere to stop: what was begun is removed.
    pub stop: &'a AtomicBool,
    /// Told what the user may want otherwise.
    pub note: &'a dyn Fn(&Note),
}

/// Something that the user may want otherwise, told before the work begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Another topic would fit a role as well as the one that was taken.
    Ambiguous {
        /// What the topic is for.
        role: Role,
        /// The one that was taken.
        chosen: String,
        /// Why that one, as the end of "it ...".
        why: String,
        /// Those that would fit too.
        others: Vec<String>,
    },
}

/// What came of a labelling.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// The new bag's folder.
    pub folder: PathBuf,
    /// The table, picture and page in it.
    pub files: report::Files,
    pub steps: u64,
    /// Steps without a reward, by their reason.
    pub invalid: BTreeMap<Reason, u64>,
    pub distance_kind: DistanceKind,
    /// Role to topic.
    pub topics: BTreeMap<String, String>,
    /// Messages that could not be read though the bag's container could, by role.
    pub unreadable: BTreeMap<Role, Unreadable>,
    /// What the source had lost.
    pub loss: Option<Loss>,
    /// Against ground truth, where the bag has it.
    pub metrics: Option<Metrics>,
    pub seconds: f64,
}

/// Label one bag. The configuration is taken as valid and the target as free or to be replaced
/// (see [`output::check_target`]).
///
/// Every message of the source is copied as it is; each step's reward is written with its image's
/// log time, a little later in the file than the image itself.
///
/// # Errors
/// What the source, its topics or the target make impossible; nothing is left under the target's
/// name then, and an older output is untouched.
pub fn label(
    request: &Request<'_>,
    estimator: &dyn Estimator,
    progress: OnProgress<'_>,
) -> Result<Labelled> {
    let begin = Instant::now();
    let mut reader = BagReader::open(request.source)?;
    let info = reader.info().clone();
    let roles = Roles::find(&info, request.settings, request.truth)?;
    roles.require(&info, request.settings)?;
    note_choices(&info, &roles, request.note);
    let measurer = measurer(&info, &roles, estimator)?;
    let intake = Intake::new(&info, &roles)?;
    check_apart(request.target, &info.path)?;

    let folder = WholeFolder::create(request.target)?;
    let name = name_of(request.target);
    let job = Job {
        request,
        info: &info,
        roles: &roles,
        estimator,
        strip: strip(&info, &roles, request.settings),
    };
    let mut recording = Recording::begin(&job, &folder, &name)?;
    let intake = job.stream(&mut reader, intake, &mut recording, &measurer, progress)?;
    let loss = reader.loss().cloned();
    let mut labelled = recording.finish(&job, &folder, &name, intake)?;
    stop_if_asked(request)?;
    folder.finish()?;
    labelled.loss = loss;
    labelled.seconds = begin.elapsed().as_secs_f64();
    Ok(labelled)
}

/// What stays the same from the first message to the last.
struct Job<'a> {
    request: &'a Request<'a>,
    info: &'a BagInfo,
    roles: &'a Roles,
    estimator: &'a dyn Estimator,
    strip: StripPlan,
}

impl Job<'_> {
    /// Carry every message through the pipeline.
    fn stream(
        &self,
        reader: &mut BagReader,
        mut intake: Intake,
        recording: &mut Recording<'_>,
        measurer: &Measurer<'_>,
        progress: OnProgress<'_>,
    ) -> Result<Intake> {
        let mut matcher = matcher(self.roles, self.request.settings);
        thread::scope(|scope| {
            let mut workers = Workers::start(scope, self.request.jobs, measurer, self.strip);
            let mut messages_read = 0;
            while let Some(message) = reader.next_message()? {
                stop_if_asked(self.request)?;
                recording.writer.write_message(&message)?;
                intake.take(&message, &mut matcher)?;
                submit_ready(&mut matcher, &mut workers, recording)?;
                messages_read += 1;
                progress(progress_of(messages_read, self.info, recording.steps.len()));
            }
            matcher.flush();
            submit_ready(&mut matcher, &mut workers, recording)?;
            workers.finish(&mut |finished| recording.push(finished))
        })?;
        Ok(intake)
    }
}

fn submit_ready(
    matcher: &mut Matcher,
    workers: &mut Workers,
    recording: &mut Recording<'_>,
) -> Result<()> {
    while let Some(frame) = matcher.next_frame() {
        workers.submit(frame, &mut |finished| recording.push(finished))?;
    }
    Ok(())
}

fn stop_if_asked(request: &Request<'_>) -> Result<()> {
    if request.stop.load(Ordering::Relaxed) {
        return Err(Error::Interrupted {
            path: request.target.into(),
        });
    }
    Ok(())
}

fn measurer<'a>(
    info: &BagInfo,
    roles: &Roles,
    estimator: &'a dyn Estimator,
) -> Result<Measurer<'a>> {
    let decoder_of = |role| match roles.topic(role) {
        Some(topic) => decoder(info, role, topic),
        None => Ok(None),
    };
    Ok(Measurer {
        estimator,
        image: decoder_of(Role::Image)?.ok_or_else(|| no_steps(info, roles))?,
        depth: decoder_of(Role::Depth)?,
    })
}

fn strip(info: &BagInfo, roles: &Roles, settings: &Settings) -> StripPlan {
    let images = roles
        .topic(Role::Image)
        .and_then(|topic| info.topics.get(topic));
    let expected = images.and_then(|topic| topic.message_count);
    StripPlan::new(settings.output.film_strip_frames, expected)
}

fn no_steps(info: &BagInfo, roles: &Roles) -> Error {
    let topic = roles
        .topic(Role::Image)
        .and_then(|topic| info.topics.get(topic));
    let topic = topic.map_or("the image topic", |topic| topic.name.as_str());
    Error::NothingToDo {
        path: info.path.clone(),
        message: format!("there is not one image on {topic}, so there is nothing to label"),
    }
}

/// How far the reading of a bag is.
pub(crate) fn progress_of(messages_read: u64, info: &BagInfo, steps: usize) -> Progress<'static> {
    Progress {
        subject: "",
        done: messages_read as f64,
        total: info.message_count.map(|messages| messages as f64),
        unit: Unit::Messages,
        figure: Some(("steps", steps as f64)),
    }
}

/// Say which topics were taken, and where the user may have meant others.
fn note_choices(info: &BagInfo, roles: &Roles, note: &dyn Fn(&Note)) {
    let name = |topic: usize| {
        let topic = info.topics.get(topic);
        topic.map_or(String::new(), |topic| topic.name.clone())
    };
    for (role, choice) in roles.iter() {
        let chosen = name(choice.topic);
        tracing::debug!("{}: {chosen}, it {}", role.name(), choice.why);
        if choice.ambiguous {
            note(&Note::Ambiguous {
                role,
                chosen,
                why: choice.why.clone(),
                others: choice.others.iter().map(|topic| name(*topic)).collect(),
            });
        }
    }
}
