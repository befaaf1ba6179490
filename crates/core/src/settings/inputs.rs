//! Which messages are looked at, how they become steps, and where episodes end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// Topic names. Without a name, a topic is found by its message type and name (`inspect` says which one would be
/// chosen, and why).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// sensor_msgs/Image or sensor_msgs/CompressedImage; in recordings also video.
    pub image: Option<String>,
    /// sensor_msgs/Image (16UC1 mm, 32FC1 m) or CompressedImage (compressedDepth), registered to the image or
    /// to be so (section depth).
    pub depth: Option<String>,
    /// sensor_msgs/CameraInfo of the image.
    pub camera_info: Option<String>,
    /// sensor_msgs/CameraInfo of the depth image, where that is of a camera of its own.
    pub depth_camera_info: Option<String>,
    /// vision_msgs/Detection2DArray or sensor_msgs/RegionOfInterest; of recordings also yolo_msgs/DetectionArray,
    /// vision_msgs/Detection3DArray, zed_msgs/ObjectsStamped, depthai_ros_msgs/SpatialDetectionArray,
    /// apriltag_msgs/AprilTagDetectionArray and aruco_opencv_msgs/ArucoDetection.
    pub fingertip: Option<String>,
    /// The same for the target; may be the fingertip's topic too.
    pub target: Option<String>,
    /// Class ids that count as the fingertip: a detector's names or numbers, or a marker's, such as `tag36h11:3`. Empty: any class, or `fingertip` where both share a topic.
    pub fingertip_class: Vec<String>,
    /// Class ids that count as the target. Empty: any class, or `target` where both share a topic.
    pub target_class: Vec<String>,
    /// std_msgs/String with the task's words.
    pub task_prompt: Option<String>,
    /// Whether the image is rectified, and so measured with the camera info's P and without distortion.
    pub rectification: Rectification,
    /// What a depth value counts, where it is not REP 118's: none is 0.001 for 16UC1 and 1 for 32FC1.
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "maximum" = 1.0))]
    pub depth_unit_m: Option<f64>,
}

/// Which of the camera info's two cameras the image is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rectification {
    /// rectified if the topic of the image or of the depth is called so (`image_rect_color`, `rect/image`), else raw
    #[default]
    Auto,
    /// as the lens made it: K and D
    Raw,
    /// P, and no distortion
    Rectified,
}

/// How messages of several streams become one step, by their header stamps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Matching {
    /// Depth and boxes this near to the image belong to it.
    #[default = 0.02]
    #[schemars(extend("x-unit" = "s", "exclusiveMinimum" = 0.0, "maximum" = 10.0))]
    pub tolerance_s: f64,
    /// Without a box within the tolerance, the newest earlier one may be this old, else stale_box. Between two
    /// detections no older than this a recording's box is interpolated; live it is extrapolated.
    #[default = 0.1]
    #[schemars(extend("x-unit" = "s", "minimum" = 0.0, "maximum" = 60.0))]
    pub box_max_age_s: f64,
    /// How long, in log time, a step waits for inputs that may still come. A recording's inputs belong to their images
    /// by their stamps, however late they were recorded.
    #[default = 0.5]
    #[schemars(extend("x-unit" = "s", "exclusiveMinimum" = 0.0, "maximum" = 60.0))]
    pub wait_s: f64,
    /// Detections below this score are ignored.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub min_score: f64,
    /// Read a recording as the node would have had it: what was recorded later than the wait is missed, and a box
    /// between two detections comes from the earlier ones alone.
    #[schemars(extend("x-node" = false))]
    pub as_live: bool,
}

/// Where one episode ends and the next begins. By default a bag is one episode; a clock that is set back by a
/// second or more begins a new one always.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Episodes {
    /// Each message on this topic (of any type) begins a new episode.
    pub split_topic: Option<String>,
    /// So does a pause between two images longer than this.
    #[schemars(extend("x-unit" = "s", "exclusiveMinimum" = 0.0))]
    pub split_gap_s: Option<f64>,
    /// A success ends the episode: a true terminal, where the shaping potential is 0. The next frame begins a new
    /// one, in which the same touch does not count again.
    pub end_on_success: bool,
}

/// Constant-velocity Kalman filter on each box. It predicts boxes that the detector missed and marks such steps
/// `bridged`; boxes that were detected pass through unchanged. Where a box is between two detections, with or without
/// this, is told by the same filter (matching.box_max_age_s).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Tracker {
    /// Predict boxes that the detector missed.
    pub enabled: bool,
    /// Missing frames in a row that may be bridged.
    #[default = 5]
    #[schemars(extend("minimum" = 1, "maximum" = 1000))]
    pub max_bridged_frames: u32,
    /// Standard deviation of the box's unmodelled acceleration.
    #[default = 500.0]
    #[schemars(extend("x-unit" = "px/s^2", "exclusiveMinimum" = 0.0))]
    pub acceleration_px_s2: f64,
    /// Standard deviation of a detected box edge.
    #[default = 2.0]
    #[schemars(extend("x-unit" = "px", "exclusiveMinimum" = 0.0))]
    pub measurement_px: f64,
}
