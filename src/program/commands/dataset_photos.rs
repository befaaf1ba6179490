//! `dataset` of photos: what stands beside them in, or what networks say of them, one training set out.

use std::fs;

use anyhow::Context;
use spatial_reward_core::Error;
use spatial_reward_core::settings::Settings;
use spatial_reward_offline::dataset;
use spatial_reward_offline::dataset::photos::{self, PhotosReport, PhotosRequest};
use spatial_reward_offline::dataset::rephrase::{Rephrase, Rephrased};

use super::chat::Endpoint;
use super::output::{command_line, print, print_json};
use super::photo_networks::PhotoNetworks;
use super::settings::{config_file, processors, ready};
use super::signals::end_on_signal;
use crate::program::cli::Dataset;
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;

/// What is done after a signal.
const GO_ON: &str = "--resume goes on from what is done";

pub(super) fn run(options: &Dataset, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let mut config = config_file(options.config.as_deref())?;
    let regions = &options.regions;
    config.detector.path = regions.detector.clone().or(config.detector.path);
    config.segmenter.path = regions.segmenter.clone().or(config.segmenter.path);
    let settings: Settings = ready(config)?;
    let vocabulary = match &options.vocabulary {
        None => None,
        Some(path) => {
            let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
            anyhow::ensure!(
                !photos::words(&text).is_empty(),
                "{} names nothing to look for: it takes a word or phrase a line, or several with commas between",
                path.display()
            );
            Some(text)
        }
    };
    let endpoint = Endpoint::of(&options.rephrasing)?;
    // Nothing is loaded for what could not be written.
    if !options.resume {
        dataset::check_target(&options.output, options.overwrite)?;
    }
    let networks = PhotoNetworks::open(options.depth_model.as_deref(), &settings, terminal)?;
    let stop = end_on_signal(terminal, GO_ON)?;
    let request = PhotosRequest {
        sources: &options.bags,
        target: &options.output,
        overwrite: options.overwrite,
        resume: options.resume,
        shard: options.shard.map(|shard| (shard.part, shard.of)),
        settings: &settings,
        vocabulary: vocabulary.as_deref(),
        networks: networks.of_photos(),
        depth_model: options.depth_model.as_deref(),
        rephrase: endpoint.as_ref().map(|endpoint| Rephrase {
            chat: endpoint,
            url: endpoint.url(),
            model: endpoint.model(),
            requests: options.rephrasing.rephrase_requests.into(),
        }),
        every: options.every,
        seed: options.seed,
        jobs: options.jobs.map_or_else(processors, usize::from),
        command: &command_line(),
        stop: &stop,
    };
    let bar = terminal.bar("dataset");
    let built = photos::build(&request, &mut |progress| Terminal::show(&bar, progress));
    bar.finish_and_clear();
    let report = built.context("no data set is made")?;
    if options.json {
        print_json(&report)?;
    } else {
        print(&in_words(&report, &request))?;
    }
    Ok(match report.errors {
        0 => Outcome::Fine,
        _ => Outcome::DataLoss,
    })
}

/// The summary for people.
fn in_words(report: &PhotosReport, request: &PhotosRequest<'_>) -> String {
    let counts = &report.counts;
    let questions: u64 = counts.questions.values().sum();
    let mut lines = vec![
        format!("{}", request.target.display()),
        format!(
            "  {} rows of {} photos, {} regions, {questions} questions",
            counts.rows, counts.frames, counts.regions
        ),
    ];
    for (what, counts) in [
        ("questions", &counts.questions),
        ("photos left out", &counts.skipped_frames),
        ("regions left out", &counts.skipped_regions),
    ] {
        if !counts.is_empty() {
            let items = counts
                .iter()
                .map(|(reason, count)| format!("{reason} {count}"));
            lines.push(format!(
                "  {what}: {}",
                items.collect::<Vec<_>>().join(", ")
            ));
        }
    }
    if counts.rows_without_gravity > 0 {
        lines.push(format!(
            "  {} rows ask nothing that needs to know which way is up: it could not be told",
            counts.rows_without_gravity
        ));
    }
    if let Some(rephrased) = &report.rephrased {
        lines.extend(of_rephrasing(rephrased));
    }
    if report.errors > 0 {
        lines.push(format!(
            "  {} photos could not be used: errors.jsonl says why",
            report.errors
        ));
    }
    lines.join("\n")
}

fn of_rephrasing(it: &Rephrased) -> Vec<String> {
    let mut lines = vec![
        format!(
            "  {} more rows by {}: {} questions in other words, {} stand in the templates' alone",
            it.rows, it.model, it.questions, it.left
        ),
        format!(
            "  {} asked about, {} known from before; {} requests, {} + {} tokens",
            it.asked, it.from_cache, it.requests, it.prompt_tokens, it.completion_tokens
        ),
    ];
    if !it.refused.is_empty() {
        let reasons = it.refused.iter();
        let reasons = reasons.map(|(reason, count)| format!("{reason} {count}"));
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        lines.push(format!("  tries that gave nothing: {reasons}"));
    }
    lines
}
