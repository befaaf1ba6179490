//! Training data from RGB-D bags: frames with regions, and questions and answers about where they are,
//! the idea of the Open Spatial Dataset (arXiv 2406.01584) for frames whose depth is measured or known.
//!
//! A bag is read and matched as the labeller does (`source`, `extras`). Each frame is worked on by any
//! thread (`frame_work`): boxes become regions with clouds (`regions`, `rle`), clouds level
//! boxes (`shape`) and a scene graph (`scene`), that questions and answers (`questions`, `templates`,
//! `wording`), which are written as a line (`row`) beside its pictures (`pictures`).

mod extras;
mod frame_work;
mod gravity;
mod pictures;
mod questions;
mod regions;
mod rle;
mod row;
mod run;
mod scene;
mod shape;
mod source;
mod stream;
mod tally;
mod templates;
mod wire;
mod wording;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread;

use serde::Serialize;

use self::frame_work::Workshop;
use self::run::{Reading, Writing};
use crate::error::{Error, Result};
use crate::label::output::check_apart;
use crate::ordered::Ordered;
use spatial_reward_core::geometry::GeometryEstimator;
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::whole_folder::WholeFolder;

pub use self::extras::{ExtraTopics, INSTANCES, TRUTH_DEPTH};
pub use self::tally::Tally;

/// The files that tell a data set.
const ROWS: &str = "dataset.jsonl";
const PROVENANCE: &str = "dataset.json";

/// How much is asked, and of which frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Options {
    /// Every so manieth frame of a bag; at least 1.
    pub every: u64,
    /// Questions a frame, at most.
    pub questions: usize,
    /// The share of direct distances among them, from 0 to 1.
    pub direct: f64,
    /// The share of direct distances that are asked in the words in which bags are labelled.
    pub default_wording: f64,
    pub seed: u64,
}

/// What to make of which bags.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Bag folders or files, in the order of their rows.
    pub sources: &'a [PathBuf],
    /// The folder to make.
    pub target: &'a Path,
    pub settings: &'a Settings,
    pub topics: &'a ExtraTopics,
    pub options: Options,
    /// Threads; at least one.
    pub jobs: usize,
    /// The command line, for the record.
    pub command: &'a str,
    /// Set from elsewhere to stop: what was begun is removed.
    pub stop: &'a AtomicBool,
}

/// What became of a bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BagStatus {
    Used,
    /// Something of it could not be read; its other frames are used.
    Damaged,
    /// Nothing of it could be read.
    Unreadable,
    /// It lacks what a data set needs.
    Unusable,
}

/// One bag's part in the data set.
#[derive(Debug, Clone, Serialize)]
pub struct BagReport {
    /// What its rows call it.
    pub bag: String,
    pub path: String,
    #[serde(rename = "lot")]
    pub status: BagStatus,
    /// Why it is not used, or what was lost.
    pub why: Option<String>,
    /// Role to topic.
    pub topics: BTreeMap<String, String>,
    /// Messages that could not be read though the bag could.
    pub unreadable_messages: u64,
    #[serde(flatten)]
    pub tally: Tally,
}

/// What came of it all; `dataset.json` is this.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub crate_version: &'static str,
    pub command: String,
    pub options: Options,
    /// Points of a region's cloud that take part in a measurement, at most.
    pub cloud_points: usize,
    pub config_digest: String,
    pub counts: Tally,
    pub bags: Vec<BagReport>,
}

impl Report {
    /// Whether some bag had lost something.
    pub fn has_loss(&self) -> bool {
        let lost =
            |bag: &BagReport| matches!(bag.status, BagStatus::Damaged | BagStatus::Unreadable);
        self.bags.iter().any(lost)
    }

    /// How many bags have that status.
    pub fn bags_of(&self, status: BagStatus) -> usize {
        self.bags.iter().filter(|bag| bag.status == status).count()
    }
}

/// Whether the folder is free for a data set, or may be replaced by one.
///
/// # Errors
/// `Error::OutputExists` or `Error::Output` if not.
pub fn check_target(target: &Path, overwrite: bool) -> Result<()> {
    let refuse = |what: &str| Err(Error::output(target, what));
    if target.file_name().is_none() {
        return refuse("this is no name for a new folder: name another output");
    }
    if fs::symlink_metadata(target).is_err() {
        return Ok(());
    }
    let is_empty = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
    let is_data_set = target.join(ROWS).is_file() && target.join(PROVENANCE).is_file();
    match overwrite {
        false => Err(Error::OutputExists {
            path: target.into(),
            can_resume: false,
        }),
        true if is_empty || is_data_set => Ok(()),
        true => refuse(
            "it exists and is no data set of this program, so it is never replaced: remove it yourself or \
             name another output",
        ),
    }
}

/// Make a data set. The target is taken as free or to be replaced (see [`check_target`]). A bag that
/// cannot be used is told of, and the others go on.
///
/// # Errors
/// A target that cannot be written, no row at all, or a stop; nothing is left under the target's name
/// then, and an older data set is untouched.
pub fn build(request: &Request<'_>, progress: OnProgress<'_>) -> Result<Report> {
    for source in request.sources {
        check_apart(request.target, source)?;
    }
    let folder = WholeFolder::create(request.target)?;
    let mut writing = Writing::begin(request, folder.path())?;
    let mut reading = Reading::new(request);
    let workshop = Workshop {
        folder: folder.path(),
        options: &request.options,
        geometry: GeometryEstimator::new(&request.settings.geometry),
    };
    thread::scope(|scope| {
        let mut ordered = Ordered::start(scope, request.jobs, |piece| workshop.work(piece));
        let mut sink = |finished| writing.take(finished, progress);
        reading.all(&mut |stamp, piece| ordered.submit(stamp, piece, &mut sink))?;
        ordered.finish(&mut sink)
    })?;
    let report = writing.finish(reading.bags)?;
    folder.finish()?;
    Ok(report)
}
