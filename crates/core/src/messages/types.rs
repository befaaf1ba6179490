//! The ROS 2 messages this program reads, field by field in wire order. Pixels and encoding names
//! are borrowed from the message's bytes.

use crate::stamp::NANOS_PER_SECOND;
use serde::{Deserialize, Serialize};

/// `builtin_interfaces/msg/Time`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Time {
    /// Whole seconds since 1970, negative before.
    pub sec: i32,
    /// Nanoseconds from there on, below 10^9.
    pub nanosec: u32,
}

impl Time {
    /// Nanoseconds since 1970.
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
    /// When it was measured; 0 where nobody said.
    pub stamp: Time,
    /// The coordinate frame's name.
    pub frame_id: String,
}

impl Header {
    /// The stamp in nanoseconds since 1970.
    pub fn stamp_nanos(&self) -> i64 {
        self.stamp.nanos()
    }
}

/// `sensor_msgs/msg/Image`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image<'a> {
    /// Of the exposure, in the camera's optical frame.
    pub header: Header,
    /// In pixels.
    pub height: u32,
    /// In pixels.
    pub width: u32,
    /// What a pixel's bytes mean, such as `rgb8` or `16UC1`.
    pub encoding: &'a str,
    /// Not 0: values of several bytes have the highest one first.
    pub is_bigendian: u8,
    /// Bytes from one row's begin to the next one's.
    pub step: u32,
    /// `height * step` bytes.
    #[serde(borrow, with = "serde_bytes")]
    pub data: &'a [u8],
}

/// `sensor_msgs/msg/CompressedImage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CompressedImage<'a> {
    /// Of the exposure, in the camera's optical frame.
    pub header: Header,
    /// The codec, and what else the transport plugin says.
    pub format: &'a str,
    /// The encoded picture.
    #[serde(borrow, with = "serde_bytes")]
    pub data: &'a [u8],
}

/// `sensor_msgs/msg/RegionOfInterest`: pixels of the full-resolution image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RegionOfInterest {
    /// Of the left edge, in pixels.
    pub x_offset: u32,
    /// Of the upper edge, in pixels.
    pub y_offset: u32,
    /// In pixels.
    pub height: u32,
    /// In pixels.
    pub width: u32,
    /// The region is to be rectified by itself.
    pub do_rectify: bool,
}

/// `sensor_msgs/msg/CameraInfo`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraInfo {
    /// Of the image that it belongs to.
    pub header: Header,
    /// Of the full-resolution image, in pixels.
    pub height: u32,
    /// Of the full-resolution image, in pixels.
    pub width: u32,
    /// Such as `plumb_bob`.
    pub distortion_model: String,
    /// The model's coefficients, in OpenCV's order.
    pub d: Vec<f64>,
    /// The 3x3 matrix of the raw image, row by row: fx 0 cx, 0 fy cy, 0 0 1, in pixels.
    pub k: [f64; 9],
    /// The 3x3 rotation that rectifies, row by row.
    pub r: [f64; 9],
    /// The 3x4 projection of the rectified image, row by row, in pixels.
    pub p: [f64; 12],
    /// Full-resolution columns in one of the image; 0 means 1.
    pub binning_x: u32,
    /// Full-resolution rows in one of the image; 0 means 1.
    pub binning_y: u32,
    /// The part of the full resolution that the image shows; all zeros mean all of it.
    pub roi: RegionOfInterest,
}

/// `geometry_msgs/msg/PointStamped`: metres in `header.frame_id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointStamped {
    /// When the point was there, and in which frame.
    pub header: Header,
    /// x, y, z.
    pub point: [f64; 3],
}

/// `geometry_msgs/msg/TransformStamped`: where the frame `child_frame_id` is in `header.frame_id`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransformStamped {
    /// When it was there, and in which frame.
    pub header: Header,
    /// The frame that is placed.
    pub child_frame_id: String,
    /// x, y, z in metres.
    pub translation: [f64; 3],
    /// A quaternion x, y, z, w, as it was sent.
    pub rotation: [f64; 4],
}

/// `tf2_msgs/msg/TFMessage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transforms {
    /// Each of another frame.
    pub transforms: Vec<TransformStamped>,
}

/// `std_msgs/msg/Float64`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Float64 {
    /// The number.
    pub data: f64,
}

/// `std_msgs/msg/String`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StringMessage {
    /// The text.
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
