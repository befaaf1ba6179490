//! What came of a labelling.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::advice::Advice;
use super::delay::BoxDelay;
use super::follow::FoundRegion;
use super::intake::Unreadable;
use super::reach::OutOfReach;
use crate::report;
use crate::report::metrics::Metrics;
use crate::role::Role;
use spatial_reward_core::frame::{DistanceKind, Reason};
use spatial_reward_rosbag2::Loss;

/// What came of a labelling.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// The new bag's folder.
    pub folder: PathBuf,
    /// The table, picture and page in it.
    pub files: report::Files,
    /// Steps in it, with and without a reward.
    pub steps: u64,
    /// Steps without a reward, by their reason.
    pub invalid: BTreeMap<Reason, u64>,
    /// Why so many are, where they are many.
    pub advice: Option<Advice>,
    /// By how much boxes are stamped later than their images, where they are.
    pub delays: Vec<BoxDelay>,
    /// Why success could not have come, where it could not.
    pub out_of_reach: Option<OutOfReach>,
    /// `reward.max_std_m` is set, and the estimator told no standard deviation that it could limit.
    pub limit_without_effect: bool,
    /// What its distances are.
    pub distance_kind: DistanceKind,
    /// The boxes that regions were begun from, of those that are named by words or by an example.
    pub found: Vec<FoundRegion>,
    /// Role to topic.
    pub topics: BTreeMap<String, String>,
    /// Messages that could not be read though the bag's container could, by role.
    pub unreadable: BTreeMap<Role, Unreadable>,
    /// What the source had lost.
    pub loss: Option<Loss>,
    /// Against ground truth, where the bag has it.
    pub metrics: Option<Metrics>,
    /// How long it took.
    pub seconds: f64,
}
