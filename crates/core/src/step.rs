//! One labelled step: what a camera frame was worth. Plain data, made by the pipeline and read by
//! the bag writer, the report and the live node.

use serde::{Deserialize, Serialize};

use crate::frame::{BoundingBox, BoxSource, DistanceKind, Reason};
use crate::statistics::interval_90;
use crate::task::TaskStep;

/// Wall time that the stages of one step took, in seconds. Never part of a reproducible output.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Decoding the pictures.
    pub decode_s: f64,
    /// Measuring the distance.
    pub estimate_s: f64,
    /// From the moment the step's inputs were complete to the finished step.
    pub total_s: f64,
}

/// The reward of one frame and everything it was computed from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Position in the whole stream, counted from 0 over all episodes.
    pub index: u64,
    /// Counted from 0, as splits, gaps, clock resets and successes divide the stream.
    pub episode: u64,
    /// Position in the episode, counted from 0.
    pub frame: u64,
    /// `header.stamp` of the colour image.
    pub stamp_nanos: i64,
    /// Where it lies in time: its stamp, but for one that is `wild_stamp`, which lies where its log time puts it.
    pub timeline_nanos: i64,
    /// When the colour image was logged (offline) or received (live).
    pub log_time_nanos: i64,
    /// `header.frame_id` of the colour image.
    pub frame_id: String,
    /// The boxes used, in pixels of the colour image.
    pub fingertip: Option<BoundingBox>,
    /// As `fingertip`.
    pub target: Option<BoundingBox>,
    /// Where the fingertip's box comes from, if there is one.
    pub fingertip_source: Option<BoxSource>,
    /// As `fingertip_source`.
    pub target_source: Option<BoxSource>,
    /// Which of the three distances counts.
    pub distance_kind: DistanceKind,
    /// The raw measured distance of `distance_kind`, before any filter; NaN if the step is invalid.
    pub distance_m: f64,
    /// One standard deviation of `distance_m`, in metres; NaN if the estimator tells none or the step is invalid. Of an
    /// [`Uncertain`](Reason::Uncertain) step the one that was too large, which outputs leave out.
    pub distance_std_m: f64,
    /// Every kind that the estimator measured; NaN for those it did not.
    pub center_m: f64,
    /// One standard deviation of `center_m`, in metres; NaN if the estimator tells none.
    pub center_std_m: f64,
    /// As `center_m`.
    pub surface_m: f64,
    /// As `center_std_m`.
    pub surface_std_m: f64,
    /// As `center_m`.
    pub cloud_m: f64,
    /// As `center_std_m`.
    pub cloud_std_m: f64,
    /// Between the two points, where both regions are at TF frames; NaN else. It is known where nothing was measured, and
    /// never rewarded.
    pub tf_m: f64,
    /// The configured reward; NaN if the step is invalid.
    pub reward: f64,
    /// The potential-based shaped reward; NaN if the step is invalid.
    pub shaped_reward: f64,
    /// Phi of this step; NaN if the step is invalid.
    pub potential: f64,
    /// The estimator's, 0 (no evidence) to 1.
    pub confidence: f32,
    /// `None` for a valid step.
    pub reason: Option<Reason>,
    /// The task was solved in this step.
    pub success: bool,
    /// The episode ended here because the task was solved.
    pub terminated: bool,
    /// What a language model answered; empty for geometry.
    pub answer: String,
    /// Wall time that the step took.
    pub latency: Latency,
    /// What it says of a whole task, where one is given.
    pub task: Option<Box<TaskStep>>,
}

impl Step {
    /// It has a distance, and so a reward.
    pub fn is_valid(&self) -> bool {
        self.reason.is_none()
    }

    /// Where the truth lies in 9 of 10 steps if the estimator is calibrated, in metres, lower end first; `None` if the step
    /// is invalid or its standard deviation not known.
    pub fn interval_90(&self) -> Option<(f64, f64)> {
        let known = interval_90(self.distance_m, self.distance_std_m);
        known.filter(|_| self.is_valid())
    }

    /// A box of this step was predicted by the tracker where the detector saw nothing.
    pub fn is_bridged(&self) -> bool {
        BoxSource::any_bridged([self.fingertip_source, self.target_source])
    }

    /// The public name of the reason, empty for a valid step.
    pub fn reason_name(&self) -> &'static str {
        self.reason.map_or("", Reason::name)
    }
}
