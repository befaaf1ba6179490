//! The settings of the live node: how its messages travel, and how much may wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// What only the live node has to know. It takes the other settings as ROS parameters too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// Whether the node is a managed one (lifecycle): it loads its model and hears its topics only when it is told to,
    /// by `ros2 lifecycle`, launch or nav2.
    pub managed: bool,
    /// The type of the image topic.
    pub image_transport: ImageTransport,
    /// The type of the depth topic; compressed is compressedDepth.
    pub depth_transport: ImageTransport,
    /// The type of both box topics.
    pub box_type: BoxType,
    /// What is asked of the publishers of image, depth and camera info.
    pub image_reliability: Reliability,
    /// What is asked of the publishers of boxes.
    pub box_reliability: Reliability,
    /// Messages of each input that ROS keeps until the node takes them; the newest stay. 0: 10 of a best-effort
    /// input, 1000 of a reliable one.
    #[schemars(extend("x-unit" = "messages", "minimum" = 0, "maximum" = 100000))]
    pub history: u32,
    /// Frames that may wait for the estimator; the newest stay. 0: 4 for geometry, 1 for the model.
    #[schemars(extend("x-unit" = "frames", "minimum" = 0, "maximum" = 1000))]
    pub queue_frames: u32,
    /// The debug view's pictures per second, while somebody subscribes; 0: none.
    #[default = 5.0]
    #[schemars(extend("x-unit" = "Hz", "minimum" = 0.0, "maximum" = 60.0, "x-live" = true))]
    pub debug_rate_hz: f64,
    /// AnnotateStep calls that may wait for the estimator; more are told BUSY.
    #[default = 8]
    #[schemars(extend("minimum" = 1, "maximum" = 1000))]
    pub calls_waiting: u32,
    /// How long an AnnotateStep call waits that names no deadline.
    #[default = 1.0]
    #[schemars(extend("x-unit" = "s", "exclusiveMinimum" = 0.0, "maximum" = 3600.0))]
    pub call_deadline_s: f64,
}

/// How pictures are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageTransport {
    /// sensor_msgs/Image
    #[default]
    Raw,
    /// sensor_msgs/CompressedImage
    Compressed,
}

/// How boxes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoxType {
    /// vision_msgs/Detection2DArray
    #[default]
    Detections,
    /// sensor_msgs/RegionOfInterest
    RegionOfInterest,
}

/// What a subscription asks of its publishers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reliability {
    /// Every publisher is heard, and a message may be lost.
    #[default]
    BestEffort,
    /// Nothing is lost, but best-effort publishers are not heard.
    Reliable,
}
