//! `label`: one bag after the other, each with its progress bar; one that fails does not stop the
//! others.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use spatial_reward_core::detection::Detection;
use spatial_reward_core::estimator::{Estimator, RegionNetworks};
use spatial_reward_core::finding::Finding;
use spatial_reward_core::frame::BoundingBox;
use spatial_reward_core::progress::Progress;
use spatial_reward_core::settings::Settings;
use spatial_reward_figures::detections;
use spatial_reward_offline::Error as OfflineError;
use spatial_reward_offline::label::output::{IfExists, check_target, name_of};
use spatial_reward_offline::label::roles::TruthTopics;
use spatial_reward_offline::label::{
    self, Advice, BoxDelay, Cause, FoundRegion, LabelRequest, Labelled, Note, OutOfReach,
};
use spatial_reward_offline::regions_file::{BagRegions, RegionsFile};
use spatial_reward_rosbag2::Loss;

use super::discover::{self, Job};
use super::output::{check_free, command_line, print, print_json, write_whole};
use super::settings::{estimators, processors, ready, set, tell_of_idle_segmenter};
use super::signals::end_on_signal;
use crate::program::advice;
use crate::program::cli::Label;
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;
use crate::program::remedies::{in_words, option};
use crate::program::video;

/// What all bags of a run share.
struct Run<'a> {
    truth: &'a TruthTopics,
    estimator: &'a dyn Estimator,
    networks: &'a RegionNetworks,
    jobs: usize,
    command: &'a str,
    stop: &'a AtomicBool,
    terminal: &'a Terminal,
}

/// What became of one bag.
enum BagOutcome {
    Skipped,
    Labelled(Box<Labelled>),
    Failed(anyhow::Error),
}

pub(super) fn run(options: Label, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let if_exists = match (options.resume, options.overwrite) {
        (true, _) => IfExists::Resume,
        (_, true) => IfExists::Overwrite,
        _ => IfExists::Fail,
    };
    let regions = options.settings.regions.regions.as_deref();
    let regions = regions.map(RegionsFile::read).transpose()?;
    let settings = settings_of(&options, None)?;
    tell_of_idle_segmenter(options.settings.regions.segmenter.is_some(), &settings);
    let mut jobs = discover::jobs(&options.bags, options.output.as_deref())?;
    if let Some(shard) = options.shard {
        jobs = discover::part_of(jobs, shard);
    }
    if if_exists == IfExists::Fail {
        check_targets(&jobs)?;
    }
    let bar = terminal.download_bar();
    let progress = &mut |progress: Progress<'_>| Terminal::show(&bar, progress);
    let estimator = estimators().open(&settings, progress);
    let networks = estimators().open_networks(&settings, progress);
    bar.finish_and_clear();
    let (estimator, networks) = (estimator?, networks?);
    if !estimator.is_calibrated() {
        tracing::warn!("{}", advice::NOT_CALIBRATED);
    }
    let stop = end_on_signal(terminal, "")?;
    let run = Run {
        truth: &options.truth.clone().into(),
        estimator: estimator.as_ref(),
        networks: &networks,
        jobs: options.jobs.map_or_else(processors, usize::from),
        command: &command_line(),
        stop: &stop,
        terminal,
    };
    let mut report = RunReport::default();
    let mut limit_told = false;
    for job in &jobs {
        // Each bag has its own boxes.
        let drawn = regions.as_ref().map(|regions| {
            let drawn = regions.of(&job.source)?;
            settings_of(&options, Some(drawn))
        });
        let (became, settings) = match drawn.transpose() {
            Ok(drawn) => {
                let settings = drawn.unwrap_or_else(|| settings.clone());
                (run.bag(job, if_exists, &settings), settings)
            }
            Err(error) => {
                let what = format!("{} is not labelled", job.source.display());
                (BagOutcome::Failed(error.context(what)), settings.clone())
            }
        };
        if let BagOutcome::Failed(error) = &became {
            terminal.report_error(&in_words(error));
        }
        if let BagOutcome::Labelled(labelled) = &became {
            warn_of(labelled, job.target.display());
            limit_told = warn_of_limit(labelled, &settings, limit_told);
        }
        let bag = BagReport::new(job, &became, &settings);
        if !options.json
            && let Some(text) = bag.to_text(&became)
        {
            print(&text)?;
        }
        report.bags.push(bag);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    let outcome = report.close(jobs.len());
    if options.json {
        print_json(&report)?;
    }
    Ok(outcome)
}

/// The settings of all bags, or of one in which somebody drew boxes.
fn settings_of(options: &Label, drawn: Option<&BagRegions>) -> anyhow::Result<Settings> {
    let mut config = options.settings.clone().into_config_of(drawn)?;
    set(&mut config.reward.alignment, options.alignment);
    set(&mut config.output.storage, options.storage);
    config.matching.as_live |= options.as_live;
    Ok(ready(config)?)
}

/// Nothing is begun that could not be finished.
fn check_targets(jobs: &[Job]) -> anyhow::Result<()> {
    for job in jobs {
        check_free(&job.target)?;
        check_target(&job.target, IfExists::Fail, "")?;
    }
    Ok(())
}

impl Run<'_> {
    fn bag(&self, job: &Job, if_exists: IfExists, settings: &Settings) -> BagOutcome {
        let skipped = || {
            tracing::info!("{} is finished already", job.target.display());
            BagOutcome::Skipped
        };
        if let Err(error) = check_free(&job.target) {
            return BagOutcome::Failed(error.into());
        }
        let digest = match settings.digest() {
            Ok(digest) => digest,
            Err(error) => return BagOutcome::Failed(error.into()),
        };
        match check_target(&job.target, if_exists, &digest) {
            Ok(false) => {}
            Ok(true) => return skipped(),
            Err(error) => return BagOutcome::Failed(error.into()),
        }
        match self.label(job, if_exists, settings) {
            Ok(labelled) => BagOutcome::Labelled(Box::new(labelled)),
            Err(OfflineError::FinishedMeanwhile { .. }) => skipped(),
            Err(error) => {
                let what = format!("{} is not labelled", job.source.display());
                let shown = show_question(&error, &job.target);
                let error = anyhow::Error::new(error).context(what);
                BagOutcome::Failed(match shown {
                    Some(picture) => error.context(format!("{} shows both", picture.display())),
                    None => error,
                })
            }
        }
    }

    fn label(
        &self,
        job: &Job,
        if_exists: IfExists,
        settings: &Settings,
    ) -> Result<Labelled, OfflineError> {
        let request = LabelRequest {
            source: &job.source,
            target: &job.target,
            if_exists,
            settings,
            truth: self.truth,
            video: &video::decoders(),
            networks: self.networks,
            jobs: self.jobs,
            command: self.command,
            stop: self.stop,
            note: &tell,
        };
        tracing::info!("labelling {}", job.source.display());
        let bar = self.terminal.bar(&job.source.display().to_string());
        let labelled = label::label(&request, self.estimator, &mut |progress| {
            Terminal::show(&bar, progress);
        });
        bar.finish_and_clear();
        labelled
    }
}

/// Draw the two things between which words do not decide, beside the output that is not made.
fn show_question(error: &OfflineError, target: &Path) -> Option<PathBuf> {
    let OfflineError::Unfound(region) = error else {
        return None;
    };
    let (picture, unfound) = (region.picture.as_ref()?, &region.unfound);
    let Finding::Ambiguous(both) = unfound.finding else {
        return None;
    };
    let drawn = both.map(|candidate| Detection {
        query: 0,
        bbox: candidate.bbox,
        score: candidate.score,
    });
    let name = format!("{}_which_{}.png", name_of(target), region.role.key());
    let file = target.with_file_name(name);
    let png = detections::png(picture, &drawn, std::slice::from_ref(&unfound.sought)).ok()?;
    match write_whole(&file, &png, true) {
        Ok(()) => Some(file),
        Err(error) => {
            tracing::warn!("cannot write {}: {error}", file.display());
            None
        }
    }
}

/// What the user may have meant otherwise.
fn tell(note: &Note) {
    match note {
        Note::Ambiguous {
            role,
            chosen,
            why,
            others,
        } => tracing::warn!(
            "{}: {chosen} is taken, because it {why}; {} would fit too, {} chooses",
            role.name(),
            others.join(", "),
            option(*role),
        ),
    }
}

/// What the user would want to know of a bag that is labelled.
fn warn_of(labelled: &Labelled, output: impl Display) {
    if let Some(advice) = &labelled.advice {
        tracing::warn!("{output}: {}", advice::in_words(advice));
    }
    for delay in news(labelled) {
        tracing::warn!("{output}: {}", advice::delayed(delay));
    }
    if let Some(out_of_reach) = &labelled.out_of_reach {
        let kind = labelled.distance_kind;
        tracing::warn!(
            "{output}: success cannot occur: {}",
            advice::out_of_reach(out_of_reach, kind)
        );
    }
}

/// A limit without effect is about the estimator, the same for every bag: it is told once. Whether it has been.
fn warn_of_limit(labelled: &Labelled, settings: &Settings, told: bool) -> bool {
    if labelled.limit_without_effect && !told {
        let estimator = settings.estimator().name;
        tracing::warn!("{}", advice::limit_without_effect(estimator));
    }
    told || labelled.limit_without_effect
}

/// The delays that are not told as what makes steps invalid.
fn news(labelled: &Labelled) -> impl Iterator<Item = &BoxDelay> {
    let is_told = |delay: &BoxDelay| {
        labelled.advice.as_ref().is_some_and(|advice| {
            let mut told = advice.causes.iter().take(advice::shown(advice));
            told.any(|cause| *cause == Cause::Delayed(*delay))
        })
    };
    labelled.delays.iter().filter(move |delay| !is_told(delay))
}

/// What `--json` prints. The keys are a public interface.
#[derive(Debug, Default, Serialize)]
struct RunReport {
    outcome: &'static str,
    bags: Vec<BagReport>,
}

#[derive(Debug, Serialize)]
struct BagReport {
    input: PathBuf,
    output: PathBuf,
    /// labelled, skipped, failed; or no_valid_step, where the output is there and has no reward in it.
    status: &'static str,
    error: Option<String>,
    #[serde(flatten)]
    done: Option<Done>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Done {
    files: Files,
    topics: BTreeMap<String, String>,
    /// Where regions were found that are named by words or by an example.
    found: Vec<FoundReport>,
    distance_kind: &'static str,
    reward_kind: &'static str,
    steps: u64,
    valid: u64,
    /// Reason to count.
    invalid: BTreeMap<&'static str, u64>,
    /// Why so many steps are invalid; null where few are.
    advice: Option<AdviceReport>,
    /// By how much boxes are stamped later than their images, where they are.
    delays: Vec<DelayReport>,
    /// Why success could not have come; null where it could.
    success_out_of_reach: Option<OutOfReachReport>,
    /// Messages of a role that did not decode.
    unreadable: BTreeMap<&'static str, u64>,
    /// What the source had lost; null if nothing.
    loss: Option<LossReport>,
    seconds: f64,
    frames_per_s: f64,
}

#[derive(Debug, Serialize)]
struct Files {
    bag: PathBuf,
    parquet: PathBuf,
    png: PathBuf,
    html: PathBuf,
}

#[derive(Debug, Serialize)]
struct FoundReport {
    region: &'static str,
    /// The words, or the example.
    sought: String,
    /// Left, top, right, bottom in pixels.
    #[serde(rename = "box")]
    bbox: [f64; 4],
    /// After the first picture.
    at_s: f64,
    score: f64,
}

impl FoundReport {
    fn new(found: &FoundRegion) -> Self {
        let BoundingBox {
            x_min,
            y_min,
            x_max,
            y_max,
        } = found.drawn.bbox;
        Self {
            region: found.role.key(),
            sought: found.sought.clone(),
            bbox: [x_min, y_min, x_max, y_max],
            at_s: found.drawn.at_s,
            score: found.score,
        }
    }
}

#[derive(Debug, Serialize)]
struct AdviceReport {
    /// What most of them have.
    reason: &'static str,
    count: u64,
    /// The likeliest first.
    causes: Vec<CauseReport>,
    text: String,
}

#[derive(Debug, Serialize)]
struct CauseReport {
    #[serde(flatten)]
    cause: Cause,
    /// What mends it, by dotted names.
    settings: &'static [&'static str],
}

#[derive(Debug, Serialize)]
struct DelayReport {
    #[serde(flatten)]
    delay: BoxDelay,
    /// What takes it off, by dotted names.
    settings: &'static [&'static str],
    text: String,
}

#[derive(Debug, Serialize)]
struct OutOfReachReport {
    #[serde(flatten)]
    cause: OutOfReach,
    text: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct LossReport {
    /// null if nobody can tell.
    messages: Option<u64>,
    findings: Vec<String>,
}

impl From<&Loss> for LossReport {
    fn from(loss: &Loss) -> Self {
        Self {
            messages: loss.messages_lost,
            findings: loss.items.iter().map(ToString::to_string).collect(),
        }
    }
}

impl RunReport {
    /// Settle the outcome of a run that was asked for so many bags.
    fn close(&mut self, asked: usize) -> Outcome {
        let count = |status| self.bags.iter().filter(|bag| bag.status == status).count();
        let (failed, useless) = (count("failed"), count("no_valid_step"));
        let losing = |bag: &&BagReport| bag.done.as_ref().is_some_and(|done| done.loss.is_some());
        let outcome = if failed + useless > 0 || self.bags.len() < asked {
            Outcome::Failed
        } else if self.bags.iter().any(|bag| losing(&bag)) {
            Outcome::DataLoss
        } else {
            Outcome::Fine
        };
        if asked > 1 {
            let skipped = count("skipped");
            let done = self.bags.len() - failed - skipped;
            let without = match useless {
                0 => String::new(),
                useless => format!(" ({useless} without one valid step)"),
            };
            tracing::info!(
                "{done} of {asked} bags labelled{without}, {skipped} finished before, {failed} failed"
            );
        }
        self.outcome = outcome.name();
        outcome
    }
}

impl BagReport {
    fn new(job: &Job, became: &BagOutcome, settings: &Settings) -> Self {
        let (status, error, done) = match became {
            BagOutcome::Skipped => ("skipped", None, None),
            BagOutcome::Failed(error) => ("failed", Some(in_words(error)), None),
            BagOutcome::Labelled(labelled) => {
                let useless = (labelled.advice.as_ref()).is_some_and(Advice::none_is_valid);
                let status = if useless { "no_valid_step" } else { "labelled" };
                (status, None, Some(Done::new(labelled, settings)))
            }
        };
        Self {
            input: job.source.clone(),
            output: job.target.clone(),
            status,
            error,
            done,
        }
    }

    /// The summary for people; `None` where everything was said before.
    fn to_text(&self, became: &BagOutcome) -> Option<String> {
        let BagOutcome::Labelled(labelled) = became else {
            return None;
        };
        let done = self.done.as_ref()?;
        let reasons: Vec<String> = done
            .invalid
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let invalid = if reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", reasons.join(", "))
        };
        let mut lines = vec![
            format!("{}", self.output.display()),
            format!(
                "  {} steps, {} valid{invalid}, {} distance, {} reward",
                done.steps, done.valid, done.distance_kind, done.reward_kind
            ),
            format!(
                "  {:.1} s, {:.0} frames a second",
                done.seconds, done.frames_per_s
            ),
            format!("  report  {}", labelled.files.html.display()),
            format!("  table   {}", labelled.files.parquet.display()),
        ];
        if let Some(loss) = &labelled.loss {
            lines.push(format!(
                "  the source is damaged: {}",
                loss.to_string().replace('\n', "\n  ")
            ));
        }
        Some(lines.join("\n"))
    }
}

impl AdviceReport {
    fn new(advice: &Advice) -> Self {
        let causes = advice.causes.iter().map(|cause| CauseReport {
            settings: cause.settings(),
            cause: cause.clone(),
        });
        Self {
            reason: advice.reason.name(),
            count: advice.count,
            causes: causes.collect(),
            text: advice::in_words(advice),
        }
    }
}

impl Done {
    pub(crate) fn new(labelled: &Labelled, settings: &Settings) -> Self {
        let invalid: u64 = labelled.invalid.values().sum();
        Self {
            files: Files {
                bag: labelled.folder.clone(),
                parquet: labelled.files.parquet.clone(),
                png: labelled.files.png.clone(),
                html: labelled.files.html.clone(),
            },
            topics: labelled.topics.clone(),
            found: labelled.found.iter().map(FoundReport::new).collect(),
            distance_kind: labelled.distance_kind.name(),
            reward_kind: settings.reward.kind.name(),
            steps: labelled.steps,
            valid: labelled.steps - invalid,
            invalid: labelled
                .invalid
                .iter()
                .map(|(reason, count)| (reason.name(), *count))
                .collect(),
            advice: labelled.advice.as_ref().map(AdviceReport::new),
            delays: (labelled.delays.iter())
                .map(|delay| DelayReport {
                    delay: *delay,
                    settings: delay.settings(),
                    text: advice::delayed(delay),
                })
                .collect(),
            success_out_of_reach: (labelled.out_of_reach.as_ref()).map(|cause| {
                let text = advice::out_of_reach(cause, labelled.distance_kind);
                let cause = cause.clone();
                OutOfReachReport { cause, text }
            }),
            unreadable: labelled
                .unreadable
                .iter()
                .map(|(role, found)| (role.key(), found.count))
                .collect(),
            loss: labelled.loss.as_ref().map(LossReport::from),
            seconds: labelled.seconds,
            frames_per_s: labelled.steps as f64 / labelled.seconds.max(1e-9),
        }
    }
}
