//! The driver: carries a bag's messages through the pipeline into the new bag, in one pass where nothing was recorded
//! too late for its image, else by stamps.

use std::thread;
use std::time::Instant;

use super::calibration::leave_out_if_uncalibrated;
use super::follow::{Placed, Placing};
use super::intake::{Intake, matcher};
use super::job::Job;
use super::labelled::Labelled;
use super::measurer::measurer;
use super::output::{check_apart, check_target, name_of};
use super::progress::progress_of;
use super::recording::Recording;
use super::registration;
use super::request::{LabelRequest, Note};
use super::roles::Roles;
use super::sizes;
use super::task::Readings;
use super::transforms;
use super::workers::Workers;
use crate::by_stamp::ByStamp;
use crate::error::{Error, Result};
use crate::report::film_strip::StripPlan;
use crate::role::Role;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::pipeline::measure::Measurer;
use spatial_reward_core::pipeline::{Matcher, Missed};
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::stamp::seconds_between;
use spatial_reward_core::whole_folder::WholeFolder;
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader, Loss};

/// Label one bag. The configuration is taken as valid; what there is of the target is looked at once nobody else can
/// write it.
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
    // The first pair of a task is the one of the steps' own distance.
    let plans = request.settings.plans()?;
    let own = plans.first().cloned();
    let networks = request.networks;
    let of_own = own.as_ref().map(|own| LabelRequest {
        settings: &own.settings,
        networks: networks.of_pair(0),
        ..*request
    });
    let request = of_own.as_ref().unwrap_or(request);
    let reader = BagReader::open(request.source)?;
    let info = reader.info().clone();
    let mut roles = Roles::find(&reader, request.settings, request.truth)?;
    roles.require(&info, request.settings)?;
    leave_out_if_uncalibrated(&info, &mut roles, request.settings, request.stop)?;
    note_choices(&info, &roles, request.note);
    sizes::tell(&info, &roles, request.settings);
    let transforms = transforms::read(&info, request.work())?;
    let registration = registration::of_bag(
        &info,
        &roles,
        request.settings,
        transforms.as_ref(),
        request.stop,
    )?;
    let mut measurer = measurer(&info, &roles, request.settings, estimator)?;
    // A node learns of both as they come, and so does the matcher that stands for it.
    if !request.settings.matching.as_live {
        measurer.transforms = transforms.as_ref();
        measurer.registration = registration;
    }
    check_apart(request.target, &info.path)?;
    let placed = Placed::new(&info, &roles, request.work(), &measurer)?;

    let task = Readings::read(request, networks, plans, estimator)?;
    let folder = WholeFolder::create(request.target)?;
    check_still_wanted(request)?;
    let name = name_of(request.target);
    let job = Job {
        request,
        info: &info,
        roles: &roles,
        estimator,
        registration: measurer.registration.as_ref(),
        task: task.as_ref(),
        strip: strip(&info, &roles, request.settings),
    };
    let bag = Bag {
        name: &name,
        measurer: &measurer,
        placed: &placed,
        folder: &folder,
    };
    let intake = || Intake::new(&info, &roles, request.settings, request.video, request.stop);
    let (recording, intake, loss) = match bag.in_one_pass(&job, reader, intake()?, progress)? {
        Some(carried) => carried,
        None => {
            tracing::info!(
                "something was recorded late, or the clock was set back: the bag is read again, by its stamps"
            );
            folder.clear()?;
            bag.by_stamp(&job, intake()?, progress)?
        }
    };
    let mut labelled = recording.finish(&job, &folder, &name, intake)?;
    request.stop_if_asked()?;
    folder.finish()?;
    labelled.loss = loss;
    labelled.found = placed.found().to_vec();
    labelled.seconds = begin.elapsed().as_secs_f64();
    Ok(labelled)
}

/// What came of a bag's messages: the output without its end, what was learnt on the way, what was lost.
type Carried<'a> = (Recording<'a>, Intake<'a>, Option<Loss>);

/// A bag on its way to a labelled one.
struct Bag<'a> {
    /// The new bag's.
    name: &'a str,
    measurer: &'a Measurer<'a>,
    placed: &'a Placed,
    folder: &'a WholeFolder,
}

impl Bag<'_> {
    /// Carry every message through the pipeline as it comes; `None` if one came too late for what is done already.
    fn in_one_pass<'job>(
        &self,
        job: &Job<'job>,
        mut reader: BagReader,
        mut intake: Intake<'job>,
        progress: OnProgress<'_>,
    ) -> Result<Option<Carried<'job>>> {
        let mut recording = Recording::begin(job, self.folder, self.name)?;
        let mut matcher = matcher(job.roles, job.request.settings);
        let mut placing = self.placed.placing(self.measurer);
        thread::scope(|scope| {
            let mut workers = Workers::start(scope, job.request.jobs, self.measurer, job.strip);
            let mut messages_read = 0;
            while let Some(message) = reader.next_message()? {
                job.request.stop_if_asked()?;
                recording.writer.write_message(&message)?;
                let mut sink = |input| matcher.push(message.log_time_nanos, input);
                intake.take(&message, &mut sink)?;
                if matcher.has_missed() {
                    return Ok(());
                }
                submit_ready(&mut matcher, &mut placing, &mut workers, &mut recording)?;
                messages_read += 1;
                progress(progress_of(messages_read, job.info, recording.steps.len()));
            }
            matcher.flush();
            submit_ready(&mut matcher, &mut placing, &mut workers, &mut recording)?;
            workers.finish(&mut |finished| recording.push(finished))
        })?;
        if matcher.has_missed() {
            return Ok(None);
        }
        tell_duplicates(matcher.duplicates());
        Ok(Some((recording, intake, reader.loss().cloned())))
    }

    /// The same where stamps alone decide. A step is written where its image is, as far as frames have the order of
    /// their images.
    fn by_stamp<'job>(
        &self,
        job: &Job<'job>,
        mut intake: Intake<'job>,
        progress: OnProgress<'_>,
    ) -> Result<Carried<'job>> {
        let Job {
            request,
            info,
            roles,
            ..
        } = *job;
        let mut each = |_: &BagMessage| request.stop_if_asked();
        let settings = request.settings;
        let mut frames = ByStamp::survey(info, roles, settings, &mut intake, &mut each)?;
        let mut recording = Recording::begin(job, self.folder, self.name)?;
        let mut reader = BagReader::open(&info.path)?;
        let image_topic = roles.topic(Role::Image);
        let mut placing = self.placed.placing(self.measurer);
        thread::scope(|scope| {
            let mut workers = Workers::start(scope, request.jobs, self.measurer, job.strip);
            let (mut messages_read, mut images_read) = (0, 0);
            while let Some(message) = reader.next_message()? {
                request.stop_if_asked()?;
                recording.writer.write_message(&message)?;
                images_read += u64::from(Some(message.topic) == image_topic);
                messages_read += 1;
                while frames.next_image().is_some_and(|image| image < images_read)
                    && let Some(mut frame) = frames.next_frame()?
                {
                    let look = placing.place(&mut frame)?;
                    workers.submit(frame, look, &mut |finished| recording.push(finished))?;
                }
                progress(progress_of(messages_read, info, recording.steps.len()));
            }
            while let Some(mut frame) = frames.next_frame()? {
                request.stop_if_asked()?;
                let look = placing.place(&mut frame)?;
                workers.submit(frame, look, &mut |finished| recording.push(finished))?;
            }
            workers.finish(&mut |finished| recording.push(finished))
        })?;
        tell_missed(&frames.missed(), request.settings);
        tell_duplicates(frames.duplicates());
        Ok((recording, intake, reader.loss().cloned()))
    }
}

/// Say what a live node would not have had.
fn tell_missed(missed: &Missed, settings: &Settings) {
    let kinds = [
        (missed.boxes, "messages of boxes"),
        (missed.depth, "depth images"),
        (missed.camera_info, "camera infos"),
    ];
    let late: Vec<String> = (kinds.iter())
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !late.is_empty() {
        tracing::warn!(
            "{} were recorded up to {:.1} s after their image: they count by their stamps. A live node waits for {} s \
             (matching.wait_s) and would have missed them; matching.as_live labels as it would have",
            late.join(", "),
            seconds_between(0, missed.latest_nanos),
            settings.matching.wait_s,
        );
    }
}

fn tell_duplicates(duplicates: u64) {
    if duplicates > 0 {
        tracing::warn!(
            "{duplicates} images have the stamp of another one: they are no steps of their own"
        );
    }
}

fn submit_ready(
    matcher: &mut Matcher,
    placing: &mut Placing<'_>,
    workers: &mut Workers,
    recording: &mut Recording<'_>,
) -> Result<()> {
    while let Some(mut frame) = matcher.next_frame() {
        let look = placing.place(&mut frame)?;
        workers.submit(frame, look, &mut |finished| recording.push(finished))?;
    }
    Ok(())
}

/// What another process made since the target was last looked at is not made again, and not replaced unasked.
fn check_still_wanted(request: &LabelRequest<'_>) -> Result<()> {
    let digest = request.settings.digest()?;
    match check_target(request.target, request.if_exists, &digest)? {
        false => Ok(()),
        true => Err(Error::FinishedMeanwhile {
            path: request.target.into(),
        }),
    }
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
