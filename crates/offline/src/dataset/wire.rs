//! The parts of messages that only data sets need: which way an accelerometer says is up, and the
//! numbers that detections carry.

use serde::Deserialize;

use spatial_reward_core::Result;
use spatial_reward_core::messages::cdr;
use spatial_reward_core::messages::{CompressedImage, Header};

pub const IMU: &str = "sensor_msgs/msg/Imu";
pub const DETECTIONS: &str = "vision_msgs/msg/Detection2DArray";
pub const COMPRESSED: &str = "sensor_msgs/msg/CompressedImage";

/// `sensor_msgs/msg/Imu`, whose layout has never changed.
#[derive(Debug, Deserialize)]
pub struct Imu {
    pub header: Header,
    _orientation: [f64; 4],
    _orientation_covariance: [f64; 9],
    _angular_velocity: [f64; 3],
    _angular_velocity_covariance: [f64; 9],
    /// Metres per second squared; at rest the reaction to gravity, which points up.
    pub linear_acceleration: [f64; 3],
    _linear_acceleration_covariance: [f64; 9],
}

impl Imu {
    /// # Errors
    /// `Error::Decode` for a message that is none.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let imu: Self = cdr::decode(IMU, bytes)?;
        if imu.linear_acceleration.iter().all(|v| v.is_finite()) {
            return Ok(imu);
        }
        Err(spatial_reward_core::Error::decode(
            IMU,
            "its acceleration is no number",
        ))
    }
}

/// Detection2DArray since vision_msgs 3, as far as the ids matter. Older ones have none.
#[derive(Deserialize)]
struct DetectionsWithIds {
    _header: Header,
    detections: Vec<DetectionWithId>,
}

#[derive(Deserialize)]
struct DetectionWithId {
    _header: Header,
    results: Vec<Hypothesis>,
    _bbox: [f64; 5],
    id: String,
}

/// Class id, score, pose, covariance.
type Hypothesis = (String, f64, [f64; 7], [[f64; 6]; 6]);

/// The detections' ids, one for each hypothesis as the decoder lists boxes; empty where the message's
/// layout has no such ids.
pub fn detection_ids(bytes: &[u8]) -> Vec<String> {
    let Ok(array) = cdr::decode::<DetectionsWithIds>(DETECTIONS, bytes) else {
        return Vec::new();
    };
    let repeated = |detection: DetectionWithId| {
        std::iter::repeat_n(detection.id, detection.results.len().max(1))
    };
    array.detections.into_iter().flat_map(repeated).collect()
}

/// The picture file in a CompressedImage.
///
/// # Errors
/// `Error::Decode` for a message that is none.
pub fn picture_file(bytes: &[u8]) -> Result<&[u8]> {
    let image: CompressedImage<'_> = cdr::decode(COMPRESSED, bytes)?;
    Ok(image.data)
}
