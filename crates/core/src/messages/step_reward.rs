//! `spatial_reward/msg/StepReward`, the one message of ours: its definition, its type hash, and a
//! finished `Step` to and from CDR.

use serde::{Deserialize, Serialize};

use super::cdr;
use super::types::{Header, Time};
use crate::error::Result;
use crate::frame::{BoundingBox, BoxSource};
use crate::step::Step;

/// The message's name.
pub const TYPE_NAME: &str = "spatial_reward/msg/StepReward";

/// The definition with those it depends on, as MCAP and rosbag2 store it (`ros2msg`).
pub const DEFINITION: &str = concat!(
    include_str!("StepReward.msg"),
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
    "RIHS01_ca6cdbb5353ce621befda5d736b0f92f8d68ad4753df7ff8b52ba9e8c2ee20f7";

/// The message's fields, as in msg/StepReward.msg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReward {
    /// Of the source image: join on its stamp.
    pub header: Header,
    /// Counted from 0.
    pub episode_id: i64,
    /// In its episode, counted from 0.
    pub step: i64,
    /// The raw measured distance in metres; NaN if not valid.
    pub distance_m: f64,
    /// One standard deviation of `distance_m`, in metres; NaN if not valid or not known.
    pub distance_std_m: f64,
    /// Its kind: `center`, `surface` or `cloud`.
    pub distance_kind: String,
    /// Between the centres, in metres; NaN if it was not measured.
    pub center_m: f64,
    /// One standard deviation of `center_m`, in metres; NaN if it is not known.
    pub center_std_m: f64,
    /// Between the surfaces, in metres; NaN if it was not measured.
    pub surface_m: f64,
    /// As `center_std_m`, of `surface_m`.
    pub surface_std_m: f64,
    /// Between the clouds, in metres; NaN if it was not measured.
    pub cloud_m: f64,
    /// As `center_std_m`, of `cloud_m`.
    pub cloud_std_m: f64,
    /// The configured reward; NaN if not valid.
    pub reward: f64,
    /// The configured reward's name, such as `dense`.
    pub reward_kind: String,
    /// The potential-based shaped reward; NaN if not valid.
    pub shaped_reward: f64,
    /// Minus the filtered distance in metres, 0 at a true terminal; NaN if not valid.
    pub potential: f64,
    /// 0 (no evidence) to 1.
    pub confidence: f32,
    /// There is a distance, and so a reward.
    pub valid: bool,
    /// Why not, as [`Reason::name`](crate::frame::Reason::name) has it; empty if valid.
    pub reason: String,
    /// A box of this step was predicted by the tracker where the detector saw nothing.
    pub bridged: bool,
    /// The task was solved in this step.
    pub success: bool,
    /// The episode ended here because the task was solved.
    pub terminated: bool,
    /// What a language model answered; empty for geometry.
    pub answer: String,
    /// The estimator's name, such as `geometry`.
    pub estimator: String,
    /// x_min, y_min, x_max, y_max; NaN if there was none.
    pub fingertip_box: [f64; 4],
    /// As `fingertip_box`.
    pub target_box: [f64; 4],
    /// Where the fingertip's box comes from, as [`BoxOrigin::name`](crate::frame::BoxOrigin::name) has it; empty if there is
    /// none.
    pub fingertip_origin: String,
    /// As `fingertip_origin`.
    pub target_origin: String,
    /// Seconds between the image and the detection that the box comes from; NaN if there is none.
    pub fingertip_age_s: f64,
    /// As `fingertip_age_s`.
    pub target_age_s: f64,
    /// Wall time of decoding, in seconds.
    pub latency_decode_s: f64,
    /// Wall time of measuring, in seconds.
    pub latency_estimate_s: f64,
    /// Wall time from complete inputs to the finished step, in seconds.
    pub latency_total_s: f64,
    /// Between two TF frames in metres, where both boxes come from one; NaN else.
    pub tf_m: f64,
}

/// What every step of a run shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepMeta<'a> {
    /// The configured reward's name, such as `dense`.
    pub reward_kind: &'a str,
    /// The estimator's name, such as `geometry`.
    pub estimator: &'a str,
}

impl StepReward {
    /// The message of a step.
    pub fn new(step: &Step, meta: &StepMeta<'_>) -> Self {
        Self {
            header: Header {
                stamp: Time::from_nanos(step.stamp_nanos),
                frame_id: step.frame_id.clone(),
            },
            episode_id: signed(step.episode),
            step: signed(step.frame),
            distance_m: step.distance_m,
            distance_std_m: match step.is_valid() {
                true => step.distance_std_m,
                false => f64::NAN,
            },
            distance_kind: step.distance_kind.name().to_owned(),
            center_m: step.center_m,
            center_std_m: step.center_std_m,
            surface_m: step.surface_m,
            surface_std_m: step.surface_std_m,
            cloud_m: step.cloud_m,
            cloud_std_m: step.cloud_std_m,
            reward: step.reward,
            reward_kind: meta.reward_kind.to_owned(),
            shaped_reward: step.shaped_reward,
            potential: step.potential,
            confidence: step.confidence,
            valid: step.is_valid(),
            reason: step.reason_name().to_owned(),
            bridged: step.is_bridged(),
            success: step.success,
            terminated: step.terminated,
            answer: step.answer.clone(),
            estimator: meta.estimator.to_owned(),
            fingertip_box: edges(step.fingertip),
            target_box: edges(step.target),
            fingertip_origin: origin(step.fingertip_source),
            target_origin: origin(step.target_source),
            fingertip_age_s: age_s(step.fingertip_source),
            target_age_s: age_s(step.target_source),
            latency_decode_s: step.latency.decode_s,
            latency_estimate_s: step.latency.estimate_s,
            latency_total_s: step.latency.total_s,
            tf_m: step.tf_m,
        }
    }
}

/// Counters start at 0 and never come near 2^63.
fn signed(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}

fn edges(bbox: Option<BoundingBox>) -> [f64; 4] {
    bbox.map_or([f64::NAN; 4], |bbox| {
        [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max]
    })
}

fn origin(source: Option<BoxSource>) -> String {
    source.map_or("", |source| source.origin.name()).to_owned()
}

fn age_s(source: Option<BoxSource>) -> f64 {
    source.map_or(f64::NAN, |source| source.age_s)
}

/// The step as little-endian CDR with its encapsulation header.
pub fn encode(step: &Step, meta: &StepMeta<'_>) -> Result<Vec<u8>> {
    cdr::encode(TYPE_NAME, &StepReward::new(step, meta))
}

/// The inverse of `encode`, for either byte order.
pub fn decode(bytes: &[u8]) -> Result<StepReward> {
    cdr::decode(TYPE_NAME, bytes)
}
