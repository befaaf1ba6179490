//! `pick`: a page on which somebody draws the boxes of one bag after the other, into a file that `label` takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use spatial_reward_core::progress::Progress;
use spatial_reward_offline::Error as OfflineError;
use spatial_reward_pick::{End, Error, Outcome as Picked, Request};

use super::discover;
use super::output::{print, quoted};
use super::settings::{estimators, processors, ready, tell_of_idle_segmenter};
use super::signals::end_on_signal;
use crate::program::cli::Pick;
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;
use crate::program::video;

/// What stands in the folder of the bags where no other file is named.
const REGIONS_FILE: &str = "regions.yaml";

pub(super) fn run(options: Pick, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let bags = discover::sources(&options.bags)?;
    let regions = match &options.settings.regions.regions {
        Some(file) => file.clone(),
        None => beside(&bags).join(REGIONS_FILE),
    };
    let has_segmenter = options.settings.regions.segmenter.is_some();
    let settings = ready(options.settings.into_config()?)?;
    tell_of_idle_segmenter(has_segmenter, &settings);
    let bar = terminal.download_bar();
    let progress = &mut |progress: Progress<'_>| Terminal::show(&bar, progress);
    let estimator = estimators().open(&settings, progress);
    let finder = estimators().open_finder(&settings, progress);
    bar.finish_and_clear();
    let (estimator, finder) = (estimator?, finder?);
    let stop = end_on_signal(terminal, "what was drawn is in the file of the boxes")?;
    let command = label_command(&options.bags, &regions);
    let picked = spatial_reward_pick::pick(&Request {
        bags,
        settings: &settings,
        estimator: estimator.as_ref(),
        video: &video::decoders(),
        finder: finder.as_ref(),
        regions: regions.clone(),
        port: options.port,
        idle: Duration::from_secs(options.idle),
        threads: processors(),
        stop: &stop,
        command: command.clone(),
        explain: &|error| explained(error),
        ready: &|address| tell(address, !options.no_browser),
    });
    let picked = picked.map_err(with_way_out)?;
    report(&picked, &regions, &command)?;
    Ok(Outcome::Fine)
}

/// The folder that holds all bags.
fn beside(bags: &[PathBuf]) -> PathBuf {
    let folders = bags.iter().map(|bag| {
        let whole = bag.canonicalize().unwrap_or_else(|_| bag.clone());
        // What stands in the folder of a bag is taken for a part of it.
        whole.parent().map(Path::to_owned).unwrap_or_default()
    });
    let shared = folders.reduce(|shared, folder| {
        let parts = shared.components().zip(folder.components());
        let parts = parts.take_while(|(first, second)| first == second);
        parts.map(|(part, _)| part).collect()
    });
    let shared = shared.unwrap_or_default();
    // As short as it was typed.
    let here = std::env::current_dir().unwrap_or_default();
    match shared.strip_prefix(here) {
        Ok(below) => below.to_owned(),
        Err(_) => shared,
    }
}

fn label_command(bags: &[PathBuf], regions: &Path) -> String {
    let bags = bags.iter().map(|bag| quoted(&bag.to_string_lossy()));
    let bags: Vec<String> = bags.collect();
    let regions = quoted(&regions.to_string_lossy());
    format!(
        "spatial-reward label {} --regions {regions}",
        bags.join(" ")
    )
}

fn explained(error: &OfflineError) -> String {
    let words = error.to_string();
    match error.remedy() {
        Some(remedy) => format!("{words}: {}", crate::program::remedies::of_offline(&remedy)),
        None => words,
    }
}

/// Where the boxes of others lie, the way out is not to draw them once more.
fn with_way_out(error: Error) -> anyhow::Error {
    let is_of_others = matches!(error, Error::Offline(OfflineError::OtherBag { .. }));
    match error {
        Error::Offline(error) if is_of_others => {
            anyhow::anyhow!("{error}: name another file with --regions")
        }
        Error::Offline(error) => error.into(),
        Error::Listen { port, .. } if port != 0 => {
            anyhow::Error::new(error).context("give another --port, or none for any that is free")
        }
        error => error.into(),
    }
}

/// Results go to stdout: the address is one.
fn tell(address: &str, opens: bool) {
    if print(address).is_err() {
        tracing::warn!("the page is at {address}");
    }
    if opens && let Err(why) = open_browser(address) {
        tracing::info!("no browser could be opened ({why}): open the address above yourself");
    }
}

fn open_browser(address: &str) -> std::io::Result<()> {
    use std::process::{Command, Stdio};
    let mut opener = Command::new("xdg-open");
    opener
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut opener = opener.spawn()?;
    // Else it stays as a zombie until the page is done with.
    std::thread::spawn(move || opener.wait());
    Ok(())
}

fn report(picked: &Picked, regions: &Path, command: &str) -> anyhow::Result<()> {
    if picked.end == End::Idle {
        tracing::info!("the page was closed, or nobody asked for anything any more");
    }
    let left = picked.left.iter().map(|bag| bag.display().to_string());
    let left: Vec<String> = left.collect();
    if !left.is_empty() {
        tracing::warn!("without boxes: {}", left.join(", "));
    }
    if picked.done.is_empty() {
        return Ok(());
    }
    let count = picked.done.len();
    let plural = if count == 1 { "" } else { "s" };
    print(&format!(
        "{} has the boxes of {count} bag{plural}\n  next: {command}",
        regions.display()
    ))
}
