//! Labels a recorded bag: the driver that carries messages from a file through the pipeline into a
//! new bag with a report beside it, streaming, in one pass, on several threads.

pub mod evaluation;
mod first_look;
pub(crate) mod intake;
pub mod output;
mod recording;
pub mod roles;
mod survey;
mod workers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crate::bag::{BagInfo, BagReader, Loss};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::frame::{DistanceKind, Reason};
use crate::measure::Measurer;
use crate::pipeline::Matcher;
use crate::report;
use crate::report::film_strip::StripPlan;
use crate::report::metrics::Metrics;

use self::intake::{Intake, decoder, matcher};
use self::output::{PartialFolder, check_apart, name_of};
use self::recording::Recording;
use self::roles::{Role, Roles, TruthTopics};
use self::workers::Workers;

pub use self::intake::Unreadable;
pub use self::survey::{Survey, survey};

/// What to label, and how.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// A bag folder or a bag file.
    pub source: &'a Path,
    /// The folder to make; its name becomes the bag's.
    pub target: &'a Path,
    pub config: &'a Config,
    pub truth: &'a TruthTopics,
    /// Threads that decode and measure; at least one.
    pub jobs: usize,
    /// The command line, for the report.
    pub command: &'a str,
    /// Set from elsewhere to stop: what was begun is removed.
    pub stop: &'a AtomicBool,
}

/// How far a labelling is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub messages_read: u64,
    /// What the bag says it holds.
    pub messages: Option<u64>,
    pub steps: u64,
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
    progress: &mut dyn FnMut(Progress),
) -> Result<Labelled> {
    let begin = Instant::now();
    let mut reader = BagReader::open(request.source)?;
    let info = reader.info().clone();
    let roles = Roles::find(&info, request.config, request.truth)?;
    roles.require(&info, request.config)?;
    tell_choices(&info, &roles);
    let measurer = measurer(&info, &roles, estimator)?;
    let intake = Intake::new(&info, &roles)?;
    check_apart(request.target, &info.path)?;

    let folder = PartialFolder::create(request.target)?;
    let name = name_of(request.target);
    let job = Job {
        request,
        info: &info,
        roles: &roles,
        estimator,
        strip: strip(&info, &roles, request.config),
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
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Intake> {
        let mut matcher = matcher(self.roles, self.request.config);
        thread::scope(|scope| {
            let mut workers = Workers::start(scope, self.request.jobs, measurer, self.strip);
            let mut messages_read = 0;
            while let Some(message) = reader.next_message()? {
                stop_if_asked(self.request)?;
                recording.writer.write_message(&message)?;
                intake.take(&message, &mut matcher)?;
                submit_ready(&mut matcher, &mut workers, recording)?;
                messages_read += 1;
                progress(Progress {
                    messages_read,
                    messages: self.info.message_count,
                    steps: recording.steps.len() as u64,
                });
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

fn strip(info: &BagInfo, roles: &Roles, config: &Config) -> StripPlan {
    let images = roles
        .topic(Role::Image)
        .and_then(|topic| info.topics.get(topic));
    let expected = images.and_then(|topic| topic.message_count);
    StripPlan::new(config.output.film_strip_frames, expected)
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

/// Say which topics were taken, and where the user may have meant others.
fn tell_choices(info: &BagInfo, roles: &Roles) {
    let name = |topic: usize| {
        info.topics
            .get(topic)
            .map_or("", |topic| topic.name.as_str())
    };
    for (role, choice) in roles.iter() {
        let chosen = name(choice.topic);
        tracing::debug!("{}: {chosen}, it {}", role.name(), choice.why);
        if choice.ambiguous {
            let others: Vec<&str> = choice.others.iter().map(|topic| name(*topic)).collect();
            tracing::warn!(
                "{}: {chosen} is taken, because it {}; {} would fit too, {} chooses",
                role.name(),
                choice.why,
                others.join(", "),
                role.option(),
            );
        }
    }
}
