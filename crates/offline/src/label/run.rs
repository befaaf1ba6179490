//! The driver: carries a bag's messages through the pipeline into the new bag, in one pass.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use super::calibration::leave_out_if_uncalibrated;
use super::decoders::decoder_of;
use super::intake::{Intake, matcher};
use super::job::{Job, no_steps};
use super::labelled::Labelled;
use super::output::{check_apart, name_of};
use super::progress::progress_of;
use super::recording::Recording;
use super::request::{LabelRequest, Note};
use super::roles::Roles;
use super::workers::Workers;
use crate::error::{Error, Result};
use crate::report::film_strip::StripPlan;
use crate::role::Role;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::pipeline::Matcher;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::whole_folder::WholeFolder;
use spatial_reward_rosbag2::{BagInfo, BagReader};

/// Label one bag. The configuration is taken as valid and the target as free or to be replaced
/// (see [`check_target`](super::output::check_target)).
///
/// Every message of the source is copied as it is; each step's reward is written with its image's
/// log time, a little later in the file than the image itself.
///
/// # Errors
/// What the source, its topics or the target make impossible; nothing is left under the target's
/// name then, and an older output is untouched.
pub fn label(
    request: &LabelRequest<'_>,
    estimator: &dyn Estimator,
    progress: OnProgress<'_>,
) -> Result<Labelled> {
    let begin = Instant::now();
    let mut reader = BagReader::open(request.source)?;
    let info = reader.info().clone();
    let mut roles = Roles::find(&info, request.settings, request.truth)?;
    roles.require(&info, request.settings)?;
    leave_out_if_uncalibrated(&info, &mut roles, request.settings, request.stop)?;
    note_choices(&info, &roles, request.note);
    let measurer = measurer(&info, &roles, request.settings, estimator)?;
    let intake = Intake::new(&info, &roles, request.settings, request.stop)?;
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
    let intake = stream(
        &job,
        &mut reader,
        intake,
        &mut recording,
        &measurer,
        progress,
    )?;
    let loss = reader.loss().cloned();
    let mut labelled = recording.finish(&job, &folder, &name, intake)?;
    stop_if_asked(request)?;
    folder.finish()?;
    labelled.loss = loss;
    labelled.seconds = begin.elapsed().as_secs_f64();
    Ok(labelled)
}

/// Carry every message through the pipeline.
fn stream<'a>(
    job: &Job<'a>,
    reader: &mut BagReader,
    mut intake: Intake<'a>,
    recording: &mut Recording<'_>,
    measurer: &Measurer<'_>,
    progress: OnProgress<'_>,
) -> Result<Intake<'a>> {
    let mut matcher = matcher(job.roles, job.request.settings);
    thread::scope(|scope| {
        let mut workers = Workers::start(scope, job.request.jobs, measurer, job.strip);
        let mut messages_read = 0;
        while let Some(message) = reader.next_message()? {
            stop_if_asked(job.request)?;
            recording.writer.write_message(&message)?;
            intake.take(&message, &mut matcher)?;
            submit_ready(&mut matcher, &mut workers, recording)?;
            messages_read += 1;
            progress(progress_of(messages_read, job.info, recording.steps.len()));
        }
        matcher.flush();
        submit_ready(&mut matcher, &mut workers, recording)?;
        workers.finish(&mut |finished| recording.push(finished))
    })?;
    Ok(intake)
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

fn stop_if_asked(request: &LabelRequest<'_>) -> Result<()> {
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
    settings: &Settings,
    estimator: &'a dyn Estimator,
) -> Result<Measurer<'a>> {
    let decoder_of = |role| decoder_of(info, roles, role, settings);
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
