//! `dataset`: bags in, one training set out, under one progress bar.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use spatial_reward_core::Error;
use spatial_reward_core::settings::Settings;
use spatial_reward_offline::dataset::{
    self, BagStatus, DatasetRequest, ExtraTopics, Options, Report,
};

use super::dataset_photos;
use super::discover;
use super::output::{check_free, command_line, print, print_json};
use super::settings::{config_file, estimators, processors, ready, tell_of_idle_segmenter};
use super::signals::end_on_signal;
use crate::program::cli::Dataset;
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;
use crate::program::video;

pub(super) fn run(options: Dataset, terminal: &Terminal) -> anyhow::Result<Outcome> {
    check_free(&options.output)?;
    for bag in &options.bags {
        // A typing error is no damaged recording.
        fs::metadata(bag).map_err(Error::io("find", bag))?;
    }
    let photos = options.bags.iter().filter(|path| is_photos(path)).count();
    if photos == options.bags.len() {
        return dataset_photos::run(&options, terminal);
    }
    anyhow::ensure!(
        photos == 0,
        "bags and photos do not go into one data set: make two, and give both to train"
    );
    anyhow::ensure!(
        !options.resume
            && options.shard.is_none()
            && options.vocabulary.is_none()
            && options.depth_model.is_none()
            && options.rephrasing.rephrase.is_none(),
        "--resume, --shard, --vocabulary, --depth-model and --rephrase are for photos, and these are bags"
    );
    dataset::check_target(&options.output, options.overwrite)?;
    let sources = discover::sources(&options.bags)?;
    let settings = settings(&options)?;
    tell_of_idle_segmenter(options.regions.segmenter.is_some(), &settings);
    let bar = terminal.download_bar();
    let networks =
        estimators().open_networks(&settings, &mut |progress| Terminal::show(&bar, progress));
    bar.finish_and_clear();
    let networks = networks?;
    let stop = end_on_signal(terminal, "")?;
    let request = DatasetRequest {
        sources: &sources,
        target: &options.output,
        overwrite: options.overwrite,
        settings: &settings,
        topics: &ExtraTopics {
            truth_depth: options.truth_depth_topic,
            instances: options.instances_topic,
            imu: options.imu_topic,
        },
        video: &video::decoders(),
        networks: &networks,
        options: Options {
            every: options.every,
            questions: options.questions.into(),
            direct: options.direct,
            default_wording: options.default_wording,
            seed: options.seed,
        },
        jobs: options.jobs.map_or_else(processors, usize::from),
        command: &command_line(),
        stop: &stop,
    };
    let bar = terminal.bar("dataset");
    let built = dataset::build(&request, &mut |progress| Terminal::show(&bar, progress));
    bar.finish_and_clear();
    let report = built.context("no data set is made")?;
    if options.json {
        print_json(&report)?;
    } else {
        print(&in_words(&report, &request))?;
    }
    Ok(if report.has_loss() {
        Outcome::DataLoss
    } else {
        Outcome::Fine
    })
}

/// A photo, or a folder that holds photos and no bag.
fn is_photos(path: &Path) -> bool {
    let is_bag = path.is_dir() && discover::sources(&[path.to_owned()]).is_ok();
    !is_bag && dataset::photos::has_photos(path)
}

fn settings(options: &Dataset) -> spatial_reward_core::Result<Settings> {
    let mut config = config_file(options.config.as_deref())?;
    options.topics.clone().set(&mut config);
    options.regions.clone().set(&mut config);
    ready(config)
}

/// The summary for people.
fn in_words(report: &Report, request: &DatasetRequest<'_>) -> String {
    let counts = &report.counts;
    let reasons = |counts: &BTreeMap<String, u64>| {
        let items = counts
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"));
        items.collect::<Vec<_>>().join(", ")
    };
    let questions: u64 = counts.questions.values().sum();
    let mut lines = vec![
        format!("{}", request.target.display()),
        format!(
            "  {} rows of {} frames, {} regions, {questions} questions",
            counts.rows, counts.frames, counts.regions
        ),
        format!("  questions: {}", reasons(&counts.questions)),
    ];
    for (what, left_out) in [
        ("frames", &counts.skipped_frames),
        ("regions", &counts.skipped_regions),
    ] {
        if !left_out.is_empty() {
            lines.push(format!("  {what} left out: {}", reasons(left_out)));
        }
    }
    for (status, what) in [
        (BagStatus::Damaged, "damaged, used as far as they go"),
        (BagStatus::Unreadable, "unreadable"),
        (BagStatus::Unusable, "left out"),
    ] {
        let bags = report.bags_of(status);
        if bags > 0 {
            lines.push(format!("  {bags} of {} bags {what}", report.bags.len()));
        }
    }
    lines.join("\n")
}
