//! Every setting in one place: default, unit and bounds. `Config` is what was typed (YAML, unknown
//! keys refused with their line); `validate()` is the door after which the values are trusted.

mod live;
mod model;

use std::path::Path;

pub use live::{BoxType, ImageTransport, Live, Reliability};
pub use model::{DepthScale, DeviceChoice, Dtype, Model, RelativeDepth};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::frame::DistanceKind;
use crate::hex::hex;

/// The whole configuration. Every section may be left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub topics: Topics,
    pub matching: Matching,
    pub episodes: Episodes,
    pub tracker: Tracker,
    pub estimator: Estimator,
    pub geometry: Geometry,
    pub model: Model,
    pub reward: Reward,
    pub filter: Filter,
    pub success: Success,
    pub output: Output,
    pub live: Live,
}

/// Topic names. One that is left out is found by message type and name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// sensor_msgs/Image or sensor_msgs/CompressedImage.
    pub image: Option<String>,
    /// sensor_msgs/Image (16UC1, 32FC1) or CompressedImage (compressedDepth), registered to the image.
    pub depth: Option<String>,
    /// sensor_msgs/CameraInfo of the image.
    pub camera_info: Option<String>,
    /// vision_msgs/Detection2DArray or sensor_msgs/RegionOfInterest. May be the target's topic too.
    pub fingertip: Option<String>,
    pub target: Option<String>,
    /// Class ids that count as the fingertip; empty: any class, or `fingertip` where both share a topic.
    pub fingertip_class: Vec<String>,
    /// Class ids that count as the target; empty: any class, or `target` where both share a topic.
    pub target_class: Vec<String>,
    /// std_msgs/String with the task's words.
    pub task_prompt: Option<String>,
}

/// How messages of several streams become one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matching {
    /// Depth and boxes within this time of the image belong to it. Seconds, (0, 10].
    pub tolerance_s: f64,
    /// Without a box within the tolerance, the newest earlier one may be this old. Seconds, [0, 60].
    pub box_max_age_s: f64,
    /// How long, in log time, a step waits for inputs that may still arrive. Seconds, (0, 60].
    pub wait_s: f64,
    /// Detections with a lower score are ignored. [0, 1].
    pub min_score: f64,
}

impl Default for Matching {
    fn default() -> Self {
        Self {
            tolerance_s: 0.02,
            box_max_age_s: 0.1,
            wait_s: 0.5,
            min_score: 0.0,
        }
    }
}

/// Where one episode ends and the next begins. By default a bag is one episode.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Episodes {
    /// Each message on this topic (any type) begins a new episode.
    pub split_topic: Option<String>,
    /// A pause between two images longer than this begins a new episode. Seconds, > 0.
    pub split_gap_s: Option<f64>,
    /// A success ends the episode (a true terminal, where the shaping potential is 0).
    pub end_on_success: bool,
}

/// Constant-velocity Kalman filter on each box; bridges frames without a detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tracker {
    pub enabled: bool,
    /// Missing frames in a row that may be bridged. [1, 1000].
    pub max_bridged_frames: u32,
    /// Standard deviation of the box's unmodelled acceleration. Pixels per second squared, > 0.
    pub acceleration_px_s2: f64,
    /// Standard deviation of a detected box edge. Pixels, > 0.
    pub measurement_px: f64,
}

impl Default for Tracker {
    fn default() -> Self {
        Self {
            enabled: false,
            max_bridged_frames: 5,
            acceleration_px_s2: 500.0,
            measurement_px: 2.0,
        }
    }
}

/// Who measures the distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum EstimatorKind {
    /// From the depth image, no model.
    #[default]
    Geometry,
    /// The vision-language model (feature `torch`).
    Spatialrgpt,
}

impl EstimatorKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Geometry => "geometry",
            Self::Spatialrgpt => "spatialrgpt",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Estimator {
    pub kind: EstimatorKind,
    /// Which distance the reward is computed from; none: `surface` for geometry, and `cloud` for the
    /// model, which was trained to answer that one.
    pub distance: Option<DistanceKind>,
    /// A measured distance above this is `implausible_distance`. Metres, > 0.
    pub max_distance_m: f64,
}

impl Default for Estimator {
    fn default() -> Self {
        Self {
            kind: EstimatorKind::Geometry,
            distance: None,
            max_distance_m: 5.0,
        }
    }
}

/// The depth estimator's limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Geometry {
    /// Depth outside this range is no measurement. Metres, 0 <= min < max.
    pub min_depth_m: f64,
    pub max_depth_m: f64,
    /// A region with fewer usable depth pixels than this is `depth_invalid`. [1, 10000].
    pub min_pixels: u32,
}

impl Default for Geometry {
    fn default() -> Self {
        Self {
            min_depth_m: 0.05,
            max_depth_m: 20.0,
            min_pixels: 6,
        }
    }
}

/// The reward's form, a pure function of the distance series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
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
}

impl RewardKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Sparse => "sparse",
            Self::Tanh => "tanh",
            Self::Exp => "exp",
            Self::Progress => "progress",
            Self::Shaped => "shaped",
        }
    }
}

/// To which row of a table of steps a frame's reward belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Alignment {
    /// Row t is the frame that the action of step t led to: its own distance, its own reward.
    #[default]
    Frame,
    /// Row t holds observation t, so its reward comes from frame t+1 (LeRobot's reading).
    NextFrame,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reward {
    pub kind: RewardKind,
    /// `sparse`: success distance. Metres, > 0.
    pub threshold_m: f64,
    /// `tanh`: steepness. 1/metre, > 0.
    pub k_per_m: f64,
    /// `exp`: length scale. Metres, > 0.
    pub sigma_m: f64,
    /// `shaped`: the reward that the shaping is added to; any kind but `shaped`.
    pub base: RewardKind,
    /// `shaped`: weight of the shaping term. > 0.
    pub kappa: f64,
    /// `shaped`: the learner's discount. (0, 1].
    pub gamma: f64,
    /// Rows of the Parquet table only; bag messages always carry the stamp of their own frame.
    pub alignment: Alignment,
}

impl Default for Reward {
    fn default() -> Self {
        Self {
            kind: RewardKind::Dense,
            threshold_m: 0.05,
            k_per_m: 10.0,
            sigma_m: 0.1,
            base: RewardKind::Sparse,
            kappa: 1.0,
            gamma: 0.99,
            alignment: Alignment::Frame,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterKind {
    #[default]
    None,
    Median,
    Exponential,
    /// Constant-velocity Kalman filter on the distance.
    Kalman,
}

/// Smooths the distance before the reward is computed; the raw distance is published beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    pub kind: FilterKind,
    /// `median`: past valid steps looked at, this one included. Odd, [1, 101].
    pub window: u32,
    /// `exponential`: weight of the newest distance. (0, 1].
    pub alpha: f64,
    /// `kalman`: standard deviation of one measured distance. Metres, > 0.
    pub measurement_m: f64,
    /// `kalman`: standard deviation of the unmodelled acceleration. Metres per second squared, > 0.
    pub acceleration_m_s2: f64,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            kind: FilterKind::None,
            window: 5,
            alpha: 0.5,
            measurement_m: 0.005,
            acceleration_m_s2: 2.0,
        }
    }
}

/// N of the last M valid steps must be inside the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Votes {
    /// [1, of].
    pub needed: u32,
    /// [1, 1000].
    pub of: u32,
}

/// When the task counts as solved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Success {
    /// At or below this distance the hold time starts. Metres, >= 0.
    pub enter_m: f64,
    /// Above this distance success is lost again (hysteresis). Metres, >= enter_m.
    pub exit_m: f64,
    /// How long the distance must stay inside before it is a success. Seconds, >= 0.
    pub hold_s: f64,
    /// Vote over the last steps instead of asking every one of them to be inside.
    pub votes: Option<Votes>,
}

impl Default for Success {
    fn default() -> Self {
        Self {
            enter_m: 0.01,
            exit_m: 0.03,
            hold_s: 0.2,
            votes: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    #[default]
    Mcap,
    Sqlite3,
}

/// What `label` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// Storage of the labelled bag.
    pub storage: Storage,
    /// Topic of the reward messages that are added to the bag.
    pub reward_topic: String,
    /// Annotated frames in the report's film strip. [2, 60].
    pub film_strip_frames: u32,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            storage: Storage::Mcap,
            reward_topic: "/spatial_reward/step_reward".into(),
            film_strip_frames: 8,
        }
    }
}

impl Config {
    /// Read a YAML file and validate it.
    ///
    /// # Errors
    /// Unreadable file, YAML syntax, unknown key (with its line and column), value out of bounds.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::from_yaml(&text).map_err(|error| match error {
            Error::ConfigSyntax { message, .. } => Error::ConfigSyntax {
                path: path.into(),
                message,
            },
            other => other,
        })
    }

    /// Parse and validate YAML text. An empty text is the default configuration.
    pub fn from_yaml(text: &str) -> Result<Self> {
        let config: Option<Self> =
            serde_yaml::from_str(text).map_err(|error| Error::ConfigSyntax {
                path: "(text)".into(),
                message: error.to_string(),
            })?;
        let config = config.unwrap_or_default();
        config.validate()?;
        Ok(config)
    }

    /// Check every bound that the field comments state.
    pub fn validate(&self) -> Result<()> {
        let Self {
            matching,
            episodes,
            tracker,
            estimator,
            geometry,
            model,
            reward,
            filter,
            success,
            output,
            live,
            topics: _,
        } = self;
        real(
            "matching.tolerance_s",
            matching.tolerance_s,
            |v| v > 0.0 && v <= 10.0,
            "in (0, 10] seconds",
        )?;
        real(
            "matching.box_max_age_s",
            matching.box_max_age_s,
            |v| (0.0..=60.0).contains(&v),
            "in [0, 60] seconds",
        )?;
        real(
            "matching.wait_s",
            matching.wait_s,
            |v| v > 0.0 && v <= 60.0,
            "in (0, 60] seconds",
        )?;
        real(
            "matching.min_score",
            matching.min_score,
            |v| (0.0..=1.0).contains(&v),
            "in [0, 1]",
        )?;
        if let Some(gap) = episodes.split_gap_s {
            real(
                "episodes.split_gap_s",
                gap,
                positive,
                "a positive number of seconds",
            )?;
        }
        whole(
            "tracker.max_bridged_frames",
            tracker.max_bridged_frames,
            1..=1000,
            "in [1, 1000]",
        )?;
        real(
            "tracker.acceleration_px_s2",
            tracker.acceleration_px_s2,
            positive,
            "positive",
        )?;
        real(
            "tracker.measurement_px",
            tracker.measurement_px,
            positive,
            "positive",
        )?;
        real(
            "estimator.max_distance_m",
            estimator.max_distance_m,
            positive,
            "a positive number of metres",
        )?;
        real(
            "geometry.min_depth_m",
            geometry.min_depth_m,
            |v| v >= 0.0,
            "0 metres or more",
        )?;
        real(
            "geometry.max_depth_m",
            geometry.max_depth_m,
            |v| v > geometry.min_depth_m,
            "above geometry.min_depth_m",
        )?;
        whole(
            "geometry.min_pixels",
            geometry.min_pixels,
            1..=10_000,
            "in [1, 10000]",
        )?;
        model.validate()?;
        live.validate()?;
        real(
            "reward.threshold_m",
            reward.threshold_m,
            positive,
            "a positive number of metres",
        )?;
        real("reward.k_per_m", reward.k_per_m, positive, "positive")?;
        real(
            "reward.sigma_m",
            reward.sigma_m,
            positive,
            "a positive number of metres",
        )?;
        real("reward.kappa", reward.kappa, positive, "positive")?;
        real(
            "reward.gamma",
            reward.gamma,
            |v| v > 0.0 && v <= 1.0,
            "in (0, 1]",
        )?;
        if reward.base == RewardKind::Shaped {
            return Err(Error::ConfigValue {
                key: "reward.base",
                value: "shaped".into(),
                expected: "another kind than shaped: it is what the shaping is added to",
            });
        }
        whole(
            "filter.window",
            filter.window,
            1..=101,
            "odd and in [1, 101]",
        )?;
        if filter.window % 2 == 0 {
            return Err(Error::ConfigValue {
                key: "filter.window",
                value: filter.window.to_string(),
                expected: "odd and in [1, 101]",
            });
        }
        real(
            "filter.alpha",
            filter.alpha,
            |v| v > 0.0 && v <= 1.0,
            "in (0, 1]",
        )?;
        real(
            "filter.measurement_m",
            filter.measurement_m,
            positive,
            "a positive number of metres",
        )?;
        real(
            "filter.acceleration_m_s2",
            filter.acceleration_m_s2,
            positive,
            "positive",
        )?;
        real(
            "success.enter_m",
            success.enter_m,
            |v| v >= 0.0,
            "0 metres or more",
        )?;
        real(
            "success.exit_m",
            success.exit_m,
            |v| v >= success.enter_m,
            "success.enter_m or more",
        )?;
        real(
            "success.hold_s",
            success.hold_s,
            |v| v >= 0.0,
            "0 seconds or more",
        )?;
        if let Some(votes) = success.votes {
            whole("success.votes.of", votes.of, 1..=1000, "in [1, 1000]")?;
            whole(
                "success.votes.needed",
                votes.needed,
                1..=votes.of,
                "in [1, success.votes.of]",
            )?;
        }
        if !output.reward_topic.starts_with('/') || output.reward_topic.ends_with('/') {
            return Err(Error::ConfigValue {
                key: "output.reward_topic",
                value: output.reward_topic.clone(),
                expected: "an absolute topic name such as /spatial_reward/step_reward",
            });
        }
        whole(
            "output.film_strip_frames",
            output.film_strip_frames,
            2..=60,
            "in [2, 60]",
        )
    }

    /// Which distance the reward is computed from.
    pub fn distance(&self) -> DistanceKind {
        let default = match self.estimator.kind {
            EstimatorKind::Geometry => DistanceKind::Surface,
            EstimatorKind::Spatialrgpt => DistanceKind::Cloud,
        };
        self.estimator.distance.unwrap_or(default)
    }

    /// Whether frames without depth cannot be measured.
    pub fn needs_depth(&self) -> bool {
        match self.estimator.kind {
            EstimatorKind::Geometry => true,
            EstimatorKind::Spatialrgpt => self.model.depth_source() == RelativeDepth::Camera,
        }
    }

    /// SHA-256 of the configuration in force, in hex: the same settings give the same digest,
    /// however they were typed. How a live node gets its messages is no part of it.
    pub fn digest(&self) -> String {
        let settings = Self {
            live: Live::default(),
            ..self.clone()
        };
        let canonical = serde_json::to_vec(&settings).unwrap_or_default();
        hex(&Sha256::digest(&canonical))
    }
}

fn positive(value: f64) -> bool {
    value > 0.0
}

fn real(
    key: &'static str,
    value: f64,
    holds: impl Fn(f64) -> bool,
    expected: &'static str,
) -> Result<()> {
    if value.is_finite() && holds(value) {
        return Ok(());
    }
    Err(Error::ConfigValue {
        key,
        value: value.to_string(),
        expected,
    })
}

fn whole(
    key: &'static str,
    value: u32,
    bounds: std::ops::RangeInclusive<u32>,
    expected: &'static str,
) -> Result<()> {
    if bounds.contains(&value) {
        return Ok(());
    }
    Err(Error::ConfigValue {
        key,
        value: value.to_string(),
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_text_is_the_default() {
        assert_eq!(Config::from_yaml("").unwrap(), Config::default());
        assert_eq!(
            Config::from_yaml("# only a comment\n").unwrap(),
            Config::default()
        );
    }

    #[test]
    fn unknown_key_is_refused_with_its_line() {
        let error = Config::from_yaml("reward:\n  kind: dense\n  kapa: 2\n").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("kapa") && text.contains("line 3"), "{text}");
    }

    #[test]
    fn out_of_bounds_names_key_value_and_bound() {
        let text = Config::from_yaml("reward:\n  gamma: 1.5\n")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("reward.gamma") && text.contains("1.5") && text.contains("(0, 1]"),
            "{text}"
        );
        let text = Config::from_yaml("filter: {window: 4}")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("filter.window") && text.contains("odd"),
            "{text}"
        );
        let text = Config::from_yaml("success: {exit_m: 0.001}")
            .unwrap_err()
            .to_string();
        assert!(text.contains("success.exit_m"), "{text}");
        assert!(Config::from_yaml("reward: {gamma: .nan}").is_err());
    }

    #[test]
    fn digest_depends_on_values_not_on_typing() {
        let a = Config::from_yaml("reward: {kind: tanh}").unwrap();
        let b = Config::from_yaml("reward:\n  k_per_m: 10.0\n  kind: tanh\n").unwrap();
        assert_eq!(a.digest(), b.digest());
        assert_ne!(a.digest(), Config::default().digest());
    }
}
