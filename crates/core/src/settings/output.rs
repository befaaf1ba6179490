//! What `label` writes; annotations are a live node's too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// The file format of a bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Storage {
    /// rosbag2's newer one.
    #[default]
    Mcap,
    /// rosbag2's older one, a database.
    Sqlite3,
}

/// What `label` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// Storage of the labelled bag.
    #[schemars(extend("x-node" = false))]
    pub storage: Storage,
    /// Topic of the reward messages that are added to the bag.
    #[default(String::from("/spatial_reward/step_reward"))]
    #[schemars(extend("x-node" = false))]
    pub reward_topic: String,
    /// Topic of the messages about the whole task, where one is given.
    #[default(String::from("/spatial_reward/task_reward"))]
    #[schemars(extend("x-node" = false))]
    pub task_topic: String,
    /// Whether the bag gets, and a node publishes, what Foxglove draws over each camera's pictures:
    /// foxglove_msgs/ImageAnnotations with the regions' boxes and names, distances and phase, on the image's topic with
    /// /annotations behind it.
    pub annotations: bool,
    /// Annotated frames in the report's film strip.
    #[default = 8]
    #[schemars(extend("x-unit" = "frames", "minimum" = 2, "maximum" = 60, "x-node" = false))]
    pub film_strip_frames: u32,
}
