//! What a distance becomes: the reward, the filter before it, and success.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// The reward's form, a pure function of the distance series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RewardKind {
    /// -d
    #[default]
    Dense,
    /// 0 if d <= threshold else -1 (Gymnasium-Robotics Fetch)
    Sparse,
    /// 1 - tanh(k d) (robosuite)
    Tanh,
    /// exp(-d / sigma)
    Exp,
    /// clamp(1 - d / d0, 0, 1), d0 = the episode's first valid distance
    Progress,
    /// base + kappa (gamma Phi' - Phi), Phi = -d (Ng et al. 1999)
    Shaped,
    /// that of the section task: its phases' potential and what success and failure are worth
    Task,
}

impl RewardKind {
    /// As it is written in settings and outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Sparse => "sparse",
            Self::Tanh => "tanh",
            Self::Exp => "exp",
            Self::Progress => "progress",
            Self::Shaped => "shaped",
            Self::Task => "task",
        }
    }
}

/// To which row of a table of steps a frame's reward belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// Row t is the frame that the action of step t led to: its own distance, its own reward.
    #[default]
    Frame,
    /// Row t holds observation t, so its reward comes from frame t+1 (LeRobot's reading).
    NextFrame,
}

/// The reward, a function of the filtered distance d in metres.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Reward {
    /// Its form.
    #[schemars(extend("x-live" = true))]
    pub kind: RewardKind,
    /// `sparse`: success distance. None: that of the kind of distance, 0.05 for `surface` and `center`, 0.08 for
    /// `cloud`.
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "x-live" = true))]
    pub threshold_m: Option<f64>,
    /// `tanh`: steepness.
    #[default = 10.0]
    #[schemars(extend("x-unit" = "1/m", "exclusiveMinimum" = 0.0, "x-live" = true))]
    pub k_per_m: f64,
    /// `exp`: length scale.
    #[default = 0.1]
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "x-live" = true))]
    pub sigma_m: f64,
    /// `shaped`: the reward that the shaping is added to; any kind but `shaped`.
    #[default(RewardKind::Sparse)]
    #[schemars(extend("x-live" = true))]
    pub base: RewardKind,
    /// `shaped`: weight of the shaping term.
    #[default = 1.0]
    #[schemars(extend("exclusiveMinimum" = 0.0, "x-live" = true))]
    pub kappa: f64,
    /// `shaped`: the learner's discount.
    #[default = 0.99]
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 1.0, "x-live" = true))]
    pub gamma: f64,
    /// A distance whose standard deviation is above this is uncertain, and its step invalid. None: none is. Without effect
    /// on distances of which the estimator tells no standard deviation.
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "x-live" = true))]
    pub max_std_m: Option<f64>,
    /// Rows of the Parquet table only; bag messages always carry the stamp of their own frame.
    #[schemars(extend("x-node" = false))]
    pub alignment: Alignment,
}

/// What smooths the distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilterKind {
    /// Nothing.
    #[default]
    None,
    /// The middle one of the last valid distances.
    Median,
    /// An exponential moving average.
    Exponential,
    /// Constant-velocity Kalman filter on the distance.
    Kalman,
}

/// Smooths the distance before the reward is computed. The raw distance is published beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Its form.
    #[schemars(extend("x-live" = true))]
    pub kind: FilterKind,
    /// `median`: past valid steps looked at, the newest included.
    #[default = 5]
    #[schemars(extend("minimum" = 1, "maximum" = 101, "not" = {"multipleOf": 2}, "x-live" = true))]
    pub window: u32,
    /// `exponential`: weight of the newest distance.
    #[default = 0.5]
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 1.0, "x-live" = true))]
    pub alpha: f64,
    /// `kalman`: standard deviation of one measured distance.
    #[default = 0.005]
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "x-live" = true))]
    pub measurement_m: f64,
    /// `kalman`: standard deviation of the distance's unmodelled acceleration.
    #[default = 2.0]
    #[schemars(extend("x-unit" = "m/s^2", "exclusiveMinimum" = 0.0, "x-live" = true))]
    pub acceleration_m_s2: f64,
}

/// N of the last M valid steps decide instead of each one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Votes {
    /// Steps that must be inside; at most success.votes.of.
    #[schemars(extend("minimum" = 1, "maximum" = 1000, "x-live" = true))]
    pub needed: u32,
    /// The last valid steps that vote.
    #[schemars(extend("minimum" = 1, "maximum" = 1000, "x-live" = true))]
    pub of: u32,
}

/// When the task counts as solved, by the filtered distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Success {
    /// At or below this distance the hold time starts. None: that of the kind of distance, 0.01 for `surface`, 0.04 for
    /// `center`, 0.035 for `cloud`.
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "x-live" = true))]
    pub enter_m: Option<f64>,
    /// Above this distance success is lost again (hysteresis); success.enter_m or more. None: 0.02 beyond
    /// success.enter_m.
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "x-live" = true))]
    pub exit_m: Option<f64>,
    /// How long the distance must stay inside before it is a success.
    #[default = 0.2]
    #[schemars(extend("x-unit" = "s", "minimum" = 0.0, "x-live" = true))]
    pub hold_s: f64,
    /// N of the last M valid steps decide instead of each one.
    pub votes: Option<Votes>,
}
