//! The settings of the live node: how its messages travel, and how much may wait.

use serde::{Deserialize, Serialize};

use super::{real, whole};
use crate::error::Result;

/// What only a live node has to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// The type of the `image` topic.
    pub image_transport: ImageTransport,
    /// The type of the `depth` topic; compressed is compressedDepth.
    pub depth_transport: ImageTransport,
    /// The type of both box topics.
    pub box_type: BoxType,
    /// What is asked of the publishers of image, depth and camera info.
    pub image_reliability: Reliability,
    /// What is asked of the publishers of boxes.
    pub box_reliability: Reliability,
    /// Frames that may wait for the estimator; the newest stay. 0: 4 for geometry, 1 for the model.
    /// [0, 1000].
    pub queue_frames: u32,
    /// The debug view's pictures per second, while somebody subscribes; 0: none. Hertz, [0, 60].
    pub debug_rate_hz: f64,
    /// AnnotateStep calls that may wait for the estimator; more are told that it is busy. [1, 1000].
    pub calls_waiting: u32,
    /// How long an AnnotateStep call waits that names no deadline. Seconds, (0, 3600].
    pub call_deadline_s: f64,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            image_transport: ImageTransport::Raw,
            depth_transport: ImageTransport::Raw,
            box_type: BoxType::Detections,
            image_reliability: Reliability::BestEffort,
            box_reliability: Reliability::BestEffort,
            queue_frames: 0,
            debug_rate_hz: 5.0,
            calls_waiting: 8,
            call_deadline_s: 1.0,
        }
    }
}

/// How pictures are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageTransport {
    /// sensor_msgs/Image
    #[default]
    Raw,
    /// sensor_msgs/CompressedImage
    Compressed,
}

/// How boxes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxType {
    /// vision_msgs/Detection2DArray
    #[default]
    Detections,
    /// sensor_msgs/RegionOfInterest
    RegionOfInterest,
}

/// What a subscription asks of its publishers. One that asks for reliable hears no best-effort publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reliability {
    #[default]
    BestEffort,
    Reliable,
}

impl Live {
    pub(super) fn validate(&self) -> Result<()> {
        whole(
            "live.queue_frames",
            self.queue_frames,
            0..=1000,
            "in [0, 1000]",
        )?;
        real(
            "live.debug_rate_hz",
            self.debug_rate_hz,
            |v| (0.0..=60.0).contains(&v),
            "in [0, 60] hertz",
        )?;
        whole(
            "live.calls_waiting",
            self.calls_waiting,
            1..=1000,
            "in [1, 1000]",
        )?;
        real(
            "live.call_deadline_s",
            self.call_deadline_s,
            |v| v > 0.0 && v <= 3600.0,
            "in (0, 3600] seconds",
        )
    }
}
