//! What is asked for of photos, and what is told of the data set that came of them.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use spatial_reward_core::settings::Settings;

use super::networks::Networks;
use crate::dataset::rephrase::{Rephrase, Rephrased};
use crate::dataset::tally::Tally;

/// What to make of which photos.
#[derive(Debug, Clone, Copy)]
pub struct PhotosRequest<'a> {
    /// Photos, and folders of photos, in the order of their rows.
    pub sources: &'a [PathBuf],
    /// The folder to make.
    pub target: &'a Path,
    /// Replace it where it is there already, and begin anew where a run was ended.
    pub overwrite: bool,
    /// Go on where a run was ended.
    pub resume: bool,
    /// Of so many parts of the photos the part (from 1) to take.
    pub shard: Option<(usize, usize)>,
    /// The settings in force.
    pub settings: &'a Settings,
    /// A text of words to look for, where the user has one.
    pub vocabulary: Option<&'a str>,
    /// Asked where a file is not there.
    pub networks: Networks<'a>,
    /// What its depth is of, beside the settings: rows of two networks are not mixed.
    pub depth_model: Option<&'a str>,
    /// Who gives other words for what is asked, if anybody.
    pub rephrase: Option<Rephrase<'a>>,
    /// Every so manieth photo; at least 1.
    pub every: u64,
    /// What chance begins with: the same seed gives the same data set.
    pub seed: u64,
    /// Threads; at least one.
    pub jobs: usize,
    /// The command line, for the record.
    pub command: &'a str,
    /// Set from elsewhere to stop: what is done is kept.
    pub stop: &'a AtomicBool,
}

/// What came of it all; `dataset.json` is this.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PhotosReport {
    /// Of the program that made it.
    pub crate_version: String,
    /// The command line.
    pub command: String,
    /// Every so manieth photo.
    pub every: u64,
    /// What chance began with.
    pub seed: u64,
    /// The part, and of how many.
    pub shard: Option<(usize, usize)>,
    /// The settings of photos.
    pub photos: Value,
    /// Digest of the settings in force.
    pub config_digest: String,
    /// Digest of all that the rows follow from: settings, words, depth's network, seed and the photos' names. Only the same run
    /// takes a finished folder as its own.
    #[serde(default)]
    pub identity: String,
    /// Over all photos; a photo is a frame.
    pub counts: Tally,
    /// Photos that are rows of `errors.jsonl`.
    pub errors: u64,
    /// What rephrasing gave and cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rephrased: Option<Rephrased>,
}
