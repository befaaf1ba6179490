//! `label`: one bag after the other, each with its progress bar; one that fails does not stop the
//! others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use serde::Serialize;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::settings::Settings;
use spatial_reward_offline::label::output::{IfExists, check_target};
use spatial_reward_offline::label::roles::TruthTopics;
use spatial_reward_offline::label::{self, LabelRequest, Labelled, Note};

use super::discover::{self, Job};
use super::output::{command_line, print, print_json};
use super::settings::{estimators, processors, ready, set};
use super::signals::stop_on_signal;
use crate::cli::Label;
use crate::logging::Terminal;
use crate::outcome::Outcome;
use crate::remedies::{in_words, option};

/// What all bags of a run share.
struct Run<'a> {
    settings: &'a Settings,
    truth: &'a TruthTopics,
    estimator: &'a dyn Estimator,
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
    let mut config = options.settings.into_config()?;
    set(&mut config.reward.alignment, options.alignment);
    set(&mut config.output.storage, options.storage);
    config.matching.as_live |= options.as_live;
    let settings = ready(config)?;
    let mut jobs = discover::jobs(&options.bags, options.output.as_deref())?;
    if let Some(shard) = options.shard {
        jobs = discover::part_of(jobs, shard);
    }
    if if_exists == IfExists::Fail {
        // Nothing is begun that could not be finished.
        for job in &jobs {
            check_target(&job.target, if_exists, "")?;
        }
    }
    let bar = terminal.download_bar();
    let estimator = estimators().open(&settings, &mut |progress| Terminal::show(&bar, progress));
    bar.finish_and_clear();
    let estimator = estimator?;
    let stop = stop_on_signal()?;
    let run = Run {
        settings: &settings,
        truth: &options.truth.into(),
        estimator: estimator.as_ref(),
        jobs: options.jobs.map_or_else(processors, usize::from),
        command: &command_line(),
        stop: &stop,
        terminal,
    };
    let digest = settings.digest()?;
    let mut report = RunReport::default();
    for job in &jobs {
        let became = run.bag(job, if_exists, &digest);
        if let BagOutcome::Failed(error) = &became {
            terminal.report_error(&in_words(error));
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

impl Run<'_> {
    fn bag(&self, job: &Job, if_exists: IfExists, digest: &str) -> BagOutcome {
        match check_target(&job.target, if_exists, digest) {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("{} is finished already", job.target.display());
                return BagOutcome::Skipped;
            }
            Err(error) => return BagOutcome::Failed(error.into()),
        }
        match self.label(job) {
            Ok(labelled) => BagOutcome::Labelled(Box::new(labelled)),
            Err(error) => BagOutcome::Failed(error),
        }
    }

    fn label(&self, job: &Job) -> anyhow::Result<Labelled> {
        let request = LabelRequest {
            source: &job.source,
            target: &job.target,
            settings: self.settings,
            truth: self.truth,
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
        labelled.with_context(|| format!("{} is not labelled", job.source.display()))
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
    /// labelled, skipped, failed.
    status: &'static str,
    error: Option<String>,
    #[serde(flatten)]
    done: Option<Done>,
}

#[derive(Debug, Serialize)]
struct Done {
    files: Files,
    topics: BTreeMap<String, String>,
    distance_kind: &'static str,
    reward_kind: &'static str,
    steps: u64,
    valid: u64,
    /// Reason to count.
    invalid: BTreeMap<&'static str, u64>,
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
struct LossReport {
    /// null if nobody can tell.
    messages: Option<u64>,
    findings: Vec<String>,
}

impl RunReport {
    /// Settle the outcome of a run that was asked for so many bags.
    fn close(&mut self, asked: usize) -> Outcome {
        let failed = self
            .bags
            .iter()
            .filter(|bag| bag.status == "failed")
            .count();
        let losing = |bag: &&BagReport| bag.done.as_ref().is_some_and(|done| done.loss.is_some());
        let outcome = if failed > 0 || self.bags.len() < asked {
            Outcome::Failed
        } else if self.bags.iter().any(|bag| losing(&bag)) {
            Outcome::DataLoss
        } else {
            Outcome::Fine
        };
        if asked > 1 {
            let skipped = self
                .bags
                .iter()
                .filter(|bag| bag.status == "skipped")
                .count();
            let done = self.bags.len() - failed - skipped;
            tracing::info!(
                "{done} of {asked} bags labelled, {skipped} finished before, {failed} failed"
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
                ("labelled", None, Some(Done::new(labelled, settings)))
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

impl Done {
    fn new(labelled: &Labelled, settings: &Settings) -> Self {
        let invalid: u64 = labelled.invalid.values().sum();
        Self {
            files: Files {
                bag: labelled.folder.clone(),
                parquet: labelled.files.parquet.clone(),
                png: labelled.files.png.clone(),
                html: labelled.files.html.clone(),
            },
            topics: labelled.topics.clone(),
            distance_kind: labelled.distance_kind.name(),
            reward_kind: settings.reward.kind.name(),
            steps: labelled.steps,
            valid: labelled.steps - invalid,
            invalid: labelled
                .invalid
                .iter()
                .map(|(reason, count)| (reason.name(), *count))
                .collect(),
            unreadable: labelled
                .unreadable
                .iter()
                .map(|(role, found)| (role.key(), found.count))
                .collect(),
            loss: labelled.loss.as_ref().map(|loss| LossReport {
                messages: loss.messages_lost,
                findings: loss.items.iter().map(ToString::to_string).collect(),
            }),
            seconds: labelled.seconds,
            frames_per_s: labelled.steps as f64 / labelled.seconds.max(1e-9),
        }
    }
}
