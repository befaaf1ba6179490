//! The ROS 2 messages this program reads, field by field in wire order. Pixels and encoding names
//! are borrowed from the message's bytes.

use crate::stamp::NANOS_PER_SECOND;
use serde::{Deserialize, Serialize};

/// `builtin_interfaces/msg/Time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Time {
    pub sec: i32,
    pub nanosec: u32,
}

impl Time {
    pub fn nanos(self) -> i64 {
        i64::from(self.sec) * NANOS_PER_SECOND + i64::from(self.nanosec)
    }

    /// The message holds 32-bit seconds: a time outside the years 1901 to 2038 becomes the nearest end.
    pub fn from_nanos(nanos: i64) -> Self {
        let seconds = nanos.div_euclid(NANOS_PER_SECOND);
        match i32::try_from(seconds) {
            Ok(sec) => Self {
                sec,
                // A remainder below 10^9 fits.
                nanosec: nanos.rem_euclid(NANOS_PER_SECOND) as u32,
            },
            Err(_) => Self {
                sec: if seconds < 0 { i32::MIN } else { i32::MAX },
                nanosec: 0,
            },
        }
    }
}

/// `std_msgs/msg/Header`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Header {
    pub stamp: Time,
    pub frame_id: String,
}

impl Header {
    pub fn stamp_nanos(&self) -> i64 {
        self.stamp.nanos()
    }
}

/// `sensor_msgs/msg/Image`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image<'a> {
    pub header: Header,
    pub height: u32,
    pub width: u32,
    pub encoding: &'a str,
    pub is_bigendian: u8,
    /// Bytes from one row's begin to the next one's.
    pub step: u32,
    #[serde(borrow, with = "serde_bytes")]
    pub data: &'a [u8],
}

/// `sensor_msgs/msg/CompressedImage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompressedImage<'a> {
    pub header: Header,
    pub format: &'a str,
    #[serde(borrow, with = "serde_bytes")]
    pub data: &'a [u8],
}

/// `sensor_msgs/msg/RegionOfInterest`: pixels of the full-resolution image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RegionOfInterest {
    pub x_offset: u32,
    pub y_offset: u32,
    pub height: u32,
    pub width: u32,
    pub do_rectify: bool,
}

/// `sensor_msgs/msg/CameraInfo`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraInfo {
    pub header: Header,
    pub height: u32,
    pub width: u32,
    pub distortion_model: String,
    pub d: Vec<f64>,
    pub k: [f64; 9],
    pub r: [f64; 9],
    pub p: [f64; 12],
    pub binning_x: u32,
    pub binning_y: u32,
    pub roi: RegionOfInterest,
}

/// `geometry_msgs/msg/PointStamped`: metres in `header.frame_id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointStamped {
    pub header: Header,
    /// x, y, z.
    pub point: [f64; 3],
}

/// `std_msgs/msg/Float64`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Float64 {
    pub data: f64,
}

/// `std_msgs/msg/String`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StringMessage {
    pub data: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_keeps_its_nanoseconds_positive() {
        let time = Time::from_nanos(-1);
        assert_eq!((time.sec, time.nanosec), (-1, 999_999_999));
        assert_eq!(time.nanos(), -1);
    }

    #[test]
    fn a_time_beyond_the_message_s_range_saturates() {
        assert_eq!(Time::from_nanos(i64::MAX).sec, i32::MAX);
        assert_eq!(Time::from_nanos(i64::MIN).sec, i32::MIN);
    }
}
