//! What came of the making of a data set, bag by bag.

use std::collections::BTreeMap;

use serde::Serialize;

use super::options::Options;
use super::tally::Tally;
use crate::error::{Error, Remedy};

/// What became of a bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BagStatus {
    /// All of it was read.
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
    /// Where it is, as it was given.
    pub path: String,
    /// What became of it; users of `dataset.json` know the key.
    #[serde(rename = "lot")]
    pub status: BagStatus,
    /// Why it is not used, or what was lost.
    pub why: Option<String>,
    /// The way out, where it is not used.
    #[serde(skip)]
    pub remedy: Option<Remedy>,
    /// Role to topic.
    pub topics: BTreeMap<String, String>,
    /// Messages that could not be read though the bag could.
    pub unreadable_messages: u64,
    /// Its frames, rows and questions.
    #[serde(flatten)]
    pub tally: Tally,
}

/// What came of it all; `dataset.json` is this.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of the program that made it.
    pub crate_version: &'static str,
    /// The command line.
    pub command: String,
    /// How much was asked.
    pub options: Options,
    /// Points of a region's cloud that take part in a measurement, at most.
    pub cloud_points: usize,
    /// Digest of the settings in force.
    pub config_digest: String,
    /// Over all bags.
    pub counts: Tally,
    /// In the order in which they were given.
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

impl BagReport {
    /// The bag is at its end because of an error.
    pub(super) fn stop(&mut self, error: &Error) {
        let is_damage = match error {
            // Nothing is wrong with it.
            Error::Bag(spatial_reward_rosbag2::Error::Ros1 { .. }) => false,
            Error::Core(spatial_reward_core::Error::Io { .. }) | Error::Bag(_) => true,
            _ => false,
        };
        self.status = if is_damage {
            BagStatus::Unreadable
        } else {
            BagStatus::Unusable
        };
        tracing::warn!("{} is left out: {error}", self.path);
        self.why = Some(error.to_string());
        self.remedy = error.remedy();
    }
}
