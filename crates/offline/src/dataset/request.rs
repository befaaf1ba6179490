//! What is asked of the making of a data set.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::extras::ExtraTopics;
use super::options::Options;
use crate::label::request::Work;
use spatial_reward_core::estimator::RegionNetworks;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::VideoDecoders;

/// What to make of which bags.
#[derive(Debug, Clone, Copy)]
pub struct DatasetRequest<'a> {
    /// Bag folders or files, in the order of their rows.
    pub sources: &'a [PathBuf],
    /// The folder to make.
    pub target: &'a Path,
    /// Replace it where it is there already.
    pub overwrite: bool,
    /// The settings in force.
    pub settings: &'a Settings,
    /// Topics beyond the labeller's that the user names.
    pub topics: &'a ExtraTopics,
    /// Who decodes video.
    pub video: &'a VideoDecoders,
    /// Who finds and follows regions, where the settings ask for it.
    pub networks: &'a RegionNetworks,
    /// How much is asked.
    pub options: Options,
    /// Threads; at least one.
    pub jobs: usize,
    /// The command line, for the record.
    pub command: &'a str,
    /// Set from elsewhere to stop: what was begun is removed.
    pub stop: &'a AtomicBool,
}

impl DatasetRequest<'_> {
    /// What of it every work on a bag has.
    pub(crate) fn work(&self) -> Work<'_> {
        Work {
            settings: self.settings,
            video: self.video,
            networks: self.networks,
            stop: self.stop,
            target: self.target,
        }
    }
}
