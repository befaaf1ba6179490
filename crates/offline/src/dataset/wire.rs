//! The parts of messages that only data sets need: which way an accelerometer says is up, and the
//! numbers that detections carry.

use serde::Deserialize;

use crate::message_types::{COMPRESSED_IMAGE, DETECTIONS, IMU};
use spatial_reward_core::Result;
use spatial_reward_core::messages::cdr;
use spatial_reward_core::messages::{CompressedImage, Header};

/// `sensor_msgs/msg/Imu`, whose layout has never changed.
#[derive(Debug, Deserialize)]
pub(crate) struct Imu {
    /// Its frame is the accelerometer's.
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
    /// Decode a message; its acceleration is finite.
    ///
    /// # Errors
    /// `Error::Decode` for a message that is none.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
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
pub(crate) fn detection_ids(bytes: &[u8]) -> Vec<String> {
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
pub(crate) fn picture_file(bytes: &[u8]) -> Result<&[u8]> {
    let image: CompressedImage<'_> = cdr::decode(COMPRESSED_IMAGE, bytes)?;
    Ok(image.data)
}
