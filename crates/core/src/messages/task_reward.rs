//! `spatial_reward/msg/TaskReward`, what a step says of a whole task: its definition, its type hash, and a finished `Step` to
//! and from CDR.

use serde::{Deserialize, Serialize};

use super::cdr;
use super::types::{Header, Time};
use crate::error::Result;
use crate::frame::Reason;
use crate::step::Step;
use crate::task::{PairStep, TaskStep};

/// The message's name.
pub const TYPE_NAME: &str = "spatial_reward/msg/TaskReward";

/// The definition with those it depends on, as MCAP and rosbag2 store it (`ros2msg`).
pub const DEFINITION: &str = concat!(
    include_str!("TaskReward.msg"),
    "================================================================================\n",
    "MSG: std_msgs/Header\n",
    "builtin_interfaces/Time stamp\n",
    "string frame_id\n",
    "================================================================================\n",
    "MSG: builtin_interfaces/Time\n",
    "int32 sec\n",
    "uint32 nanosec\n",
);

/// REP 2011's hash of the definition. tests/python/test_step_reward_hash.py computes it anew.
pub const TYPE_HASH: &str =
    "RIHS01_323c494f384675cf65fe256b2b1b9e5ed20fcf0c285da988a093663b5e0e09d0";

/// The message's fields, as in msg/TaskReward.msg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskReward {
    /// Of the source image: join on its stamp.
    pub header: Header,
    /// Counted from 0.
    pub episode_id: i64,
    /// In its episode, counted from 0.
    pub step: i64,
    /// The phase's name, or `success` or `failure`; empty where only pairs are measured.
    pub phase: String,
    /// Its place among the phases, counted from 0.
    pub phase_index: i64,
    /// 0 to 1; NaN where it is not known.
    pub progress: f64,
    /// NaN if not valid.
    pub reward: f64,
    /// NaN if not valid.
    pub potential: f64,
    /// The reward is known.
    pub valid: bool,
    /// Why not; empty if valid.
    pub reason: String,
    /// The task is solved.
    pub success: bool,
    /// The task has failed.
    pub failure: bool,
    /// The episode ended here.
    pub terminated: bool,
    /// Such as `cube-goal`.
    pub pair_names: Vec<String>,
    /// `center`, `surface` or `cloud`.
    pub pair_kinds: Vec<String>,
    /// In metres; NaN where it was not measured.
    pub pair_distance_m: Vec<f64>,
    /// In metres; NaN where it is not known.
    pub pair_std_m: Vec<f64>,
    /// Why there is none; empty where there is one.
    pub pair_reasons: Vec<String>,
    /// With commas between.
    pub pair_cameras: Vec<String>,
    /// With commas between.
    pub pair_disagreeing: Vec<String>,
    /// Such as `height cube`.
    pub quantity_names: Vec<String>,
    /// In metres or radians, or 1 and 0.
    pub quantity_values: Vec<f64>,
    /// NaN where it is not known.
    pub quantity_std: Vec<f64>,
}

impl TaskReward {
    /// The message of a step, and of what it says of the task.
    pub fn new(step: &Step, task: &TaskStep) -> Self {
        fn all<T>(pairs: &[PairStep], value: impl Fn(&PairStep) -> T) -> Vec<T> {
            pairs.iter().map(value).collect()
        }
        let (pairs, quantities) = (&task.pairs, &task.quantities);
        Self {
            header: Header {
                stamp: Time::from_nanos(step.stamp_nanos),
                frame_id: step.frame_id.clone(),
            },
            episode_id: i64::try_from(step.episode).unwrap_or(i64::MAX),
            step: i64::try_from(step.frame).unwrap_or(i64::MAX),
            phase: task.phase.clone(),
            phase_index: task.phase_index,
            progress: task.progress,
            reward: step.reward,
            potential: step.potential,
            valid: step.is_valid(),
            reason: step.reason_name().to_owned(),
            success: step.success,
            failure: task.failure,
            terminated: step.terminated,
            pair_names: all(pairs, |pair| pair.name.clone()),
            pair_kinds: all(pairs, |pair| pair.kind.name().to_owned()),
            pair_distance_m: all(pairs, |pair| pair.distance_m),
            pair_std_m: all(pairs, |pair| pair.std_m),
            pair_reasons: all(pairs, |pair| {
                pair.reason.map_or("", Reason::name).to_owned()
            }),
            pair_cameras: all(pairs, |pair| pair.cameras.join(",")),
            pair_disagreeing: all(pairs, |pair| pair.disagreeing.join(",")),
            quantity_names: quantities.iter().map(|one| one.name.clone()).collect(),
            quantity_values: quantities.iter().map(|one| one.value).collect(),
            quantity_std: quantities.iter().map(|one| one.std).collect(),
        }
    }
}

/// The step's task as little-endian CDR with its encapsulation header.
///
/// # Errors
/// A text or list longer than the format has room for.
pub fn encode(step: &Step, task: &TaskStep) -> Result<Vec<u8>> {
    cdr::encode(TYPE_NAME, &TaskReward::new(step, task))
}

/// The inverse of `encode`, for either byte order.
///
/// # Errors
/// Bytes that are no such message.
pub fn decode(bytes: &[u8]) -> Result<TaskReward> {
    cdr::decode(TYPE_NAME, bytes)
}
