//! What is asked of a labelling, and what is told before it begins.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::output::IfExists;
use super::roles::TruthTopics;
use crate::error::{Error, Result};
use crate::role::Role;
use spatial_reward_core::estimator::RegionNetworks;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::VideoDecoders;

/// What to label, and how.
#[derive(Clone, Copy)]
pub struct LabelRequest<'a> {
    /// A bag folder or a bag file.
    pub source: &'a Path,
    /// The folder to make; its name becomes the bag's.
    pub target: &'a Path,
    /// What to do where it is there already.
    pub if_exists: IfExists,
    /// The settings in force.
    pub settings: &'a Settings,
    /// The topics of the ground truth that the user names.
    pub truth: &'a TruthTopics,
    /// Who decodes video.
    pub video: &'a VideoDecoders,
    /// Who finds and follows regions, where the settings ask for it.
    pub networks: &'a RegionNetworks,
    /// Threads that decode and measure; at least one.
    pub jobs: usize,
    /// The command line, for the report.
    pub command: &'a str,
    /// Set from elsewhere to stop: what was begun is removed.
    pub stop: &'a AtomicBool,
    /// Told what the user may want otherwise.
    pub note: &'a dyn Fn(&Note),
}

impl LabelRequest<'_> {
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

    /// # Errors
    /// `Error::Interrupted` once somebody asked for it.
    pub(crate) fn stop_if_asked(&self) -> Result<()> {
        stop_if_asked(self.stop, self.target)
    }
}

/// A work on a bag that takes its time.
#[derive(Clone, Copy)]
pub(crate) struct Work<'a> {
    /// The settings in force.
    pub settings: &'a Settings,
    /// Who decodes video.
    pub video: &'a VideoDecoders,
    /// Who finds and follows regions.
    pub networks: &'a RegionNetworks,
    /// Set from elsewhere to stop.
    pub stop: &'a AtomicBool,
    /// What would be made, for who stops it.
    pub target: &'a Path,
}

impl Work<'_> {
    /// # Errors
    /// `Error::Interrupted` once somebody asked for it.
    pub(crate) fn stop_if_asked(&self) -> Result<()> {
        stop_if_asked(self.stop, self.target)
    }
}

/// # Errors
/// `Error::Interrupted`, of the work on `target`, once `stop` is set.
pub(super) fn stop_if_asked(stop: &AtomicBool, target: &Path) -> Result<()> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted {
            path: target.into(),
        }),
        false => Ok(()),
    }
}

/// Something that the user may want otherwise, told before the work begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Another topic would fit a role as well as the one that was taken.
    Ambiguous {
        /// What the topic is for.
        role: Role,
        /// The one that was taken.
        chosen: String,
        /// Why that one, as the end of "it ...".
        why: String,
        /// Those that would fit too.
        others: Vec<String>,
    },
}
