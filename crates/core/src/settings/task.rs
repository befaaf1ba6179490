//! Whole tasks, as they are typed: named regions beside fingertip and target, pairs of regions that are measured, cameras,
//! and the phases of a task with what leads from one to the next.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smart_default::SmartDefault;

use super::regions::NamedRegion;
use crate::frame::DistanceKind;

/// One camera of several: its topics, and where it sees the regions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Camera {
    /// As topics.image.
    pub image: Option<String>,
    /// As topics.depth.
    pub depth: Option<String>,
    /// As topics.camera_info.
    pub camera_info: Option<String>,
    /// As topics.depth_camera_info.
    pub depth_camera_info: Option<String>,
    /// Where this camera sees a region, by the region's name, in the place of what is said for all cameras. One that neither
    /// has is not measured by this camera.
    pub regions: BTreeMap<String, NamedRegion>,
}

/// Two regions with a distance between them, written `cube-goal`, or `cube-goal:center` for another kind than
/// estimator.distance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// The first region's name. It is measured as a fingertip is.
    pub first: String,
    /// The second region's name. It is measured as a target is.
    pub second: String,
    /// Which distance; none is estimator.distance.
    pub kind: Option<DistanceKind>,
}

impl Pair {
    /// Both regions' names, `cube-goal`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.first, self.second)
    }
}

/// Whether a region, a camera or a phase may be called so: it becomes part of columns and of pairs' names.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

impl fmt::Display for Pair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.first, self.second)?;
        match self.kind {
            Some(kind) => write!(formatter, ":{}", kind.name()),
            None => Ok(()),
        }
    }
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (names, kind) = match text.split_once(':') {
            Some((names, kind)) => (names, Some(kind)),
            None => (text, None),
        };
        let names = names.split_once('-');
        let names = names.filter(|(first, second)| is_name(first) && is_name(second));
        let (first, second) = names.ok_or_else(|| {
            format!("'{text}' is no pair: two regions' names with - between them, such as cube-goal or cube-goal:center")
        })?;
        if first == second {
            return Err(format!("'{text}' is one region, and not two"));
        }
        let kinds = [
            DistanceKind::Center,
            DistanceKind::Surface,
            DistanceKind::Cloud,
        ];
        let kind = kind.map(|name| {
            let found = kinds.into_iter().find(|kind| kind.name() == name);
            found.ok_or_else(|| format!("'{text}': a distance is center, surface or cloud"))
        });
        Ok(Self {
            first: first.to_owned(),
            second: second.to_owned(),
            kind: kind.transpose()?,
        })
    }
}

impl Serialize for Pair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Pair {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Pair".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[a-z][a-z0-9_]*-[a-z][a-z0-9_]*(:(center|surface|cloud))?$"
        })
    }
}

/// A whole task: pairs of regions, and phases that lead from one to the next. Its reward is `reward.kind: task`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Task {
    /// Pairs of regions that are measured, each A-B or A-B:KIND, beside those that phases speak of. The first pair of all is
    /// the one of the step's own distance.
    #[schemars(extend("x-node" = false))]
    pub pairs: Vec<Pair>,
    /// sensor_msgs/JointState with the gripper's joints, for conditions on its opening.
    #[schemars(extend("x-node" = false))]
    pub gripper_topic: Option<String>,
    /// The joints whose positions add up to the opening. Empty: all of that topic.
    #[schemars(extend("x-node" = false))]
    pub gripper_joints: Vec<String>,
    /// The phases in their order; the first is the one that an episode begins in.
    #[schemars(extend("x-node" = false))]
    pub phases: Vec<Phase>,
    /// What leads out of every phase, asked before the phase's own.
    #[schemars(extend("x-node" = false))]
    pub anywhere: Vec<Transition>,
    /// What the step is worth that solves the task, beside the shaping: more than the shaping's kappa, which is what progress is
    /// worth that ends with the task.
    #[default = 2.0]
    #[schemars(extend("x-node" = false))]
    pub success_reward: f64,
    /// What the step is worth with which the task has failed, beside the shaping.
    #[schemars(extend("x-node" = false))]
    pub failure_reward: f64,
}

/// One phase of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name, as outputs have it.
    pub name: String,
    /// What progress within the phase is measured by; none: there is none.
    #[serde(default)]
    pub potential: Option<Potential>,
    /// What leads out of it, the first that holds.
    pub next: Vec<Transition>,
}

/// How far a phase is done: 1 where the quantity is at its goal, 0 from so far away on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Potential {
    /// Which quantity.
    #[serde(flatten)]
    pub of: Quantity,
    /// The quantity's value when the phase is done.
    #[serde(default)]
    pub goal: f64,
    /// How far from the goal progress begins. With a distance in metres, about the way to go.
    pub from: f64,
}

/// From one phase to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// A phase's name, or `success` or `failure`.
    pub to: String,
    /// All of these hold.
    pub when: Vec<Condition>,
}

/// What is measured: one of these.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// The distance of a pair, in metres.
    Distance(Pair),
    /// How high a region's lowest visible part is above the plane that it stood on when the episode began, in metres. Needs
    /// depth, and a camera that stands still.
    Height(String),
    /// How far a region's centre is from where it was when the episode began, in metres. As height.
    Moved(String),
    /// How far a region leans from how it stood or lay when the episode began, in radians: its longest direction, or the z axis
    /// of the TF frame that it is at. As height, and it is longer than wide.
    Tilt(String),
    /// How far the centres of a pair are apart seen from above, in metres. As height.
    Beside(Pair),
    /// How wide the gripper is open, in metres: the sum of its joints. The value is `gripper`.
    Opening(Gripper),
    /// 1 where the first region of a pair rests on the second, else 0: it touches it, and is above it.
    RestsOn(Pair),
    /// 1 where the first region of a pair is inside the second, else 0: between its sides, and lower than its top.
    Inside(Pair),
    /// 1 where the surfaces of a pair touch, as far as their distance's standard deviation can tell, else 0.
    Contact(Pair),
}

/// The one gripper that there is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Gripper {
    /// That of task.gripper_topic.
    Gripper,
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distance(pair) => write!(formatter, "distance {pair}"),
            Self::Height(region) => write!(formatter, "height {region}"),
            Self::Moved(region) => write!(formatter, "moved {region}"),
            Self::Tilt(region) => write!(formatter, "tilt {region}"),
            Self::Beside(pair) => write!(formatter, "beside {pair}"),
            Self::Opening(_) => formatter.write_str("opening gripper"),
            Self::RestsOn(pair) => write!(formatter, "rests_on {pair}"),
            Self::Inside(pair) => write!(formatter, "inside {pair}"),
            Self::Contact(pair) => write!(formatter, "contact {pair}"),
        }
    }
}

/// A quantity and when it is taken to hold: at once where it does by two standard deviations, else after it did for the hold
/// time. Written as {distance: cube-goal, below: 0.03}, {inside: cube-bowl}, {rests_on: cube-plate, is: false}.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Which quantity.
    #[serde(flatten)]
    pub of: Quantity,
    /// It holds at this value or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// It holds at this value or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// Of what holds or not (rests_on, inside, contact): which of both is meant. None: that it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<bool>,
    /// How long it must hold where its standard deviation leaves a doubt, in seconds. None: 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_s: Option<f64>,
    /// How long it must hold in any case, in seconds. None: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_s: Option<f64>,
    /// Whether it is asked only in episodes in which its value is known at all, as that of a gripper that not every robot
    /// tells of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub if_known: bool,
    /// By how much the value must go back before it no longer holds. None: a fifth of the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hysteresis: Option<f64>,
}
