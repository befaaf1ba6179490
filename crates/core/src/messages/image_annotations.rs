//! `foxglove_msgs/msg/ImageAnnotations`, what Foxglove draws over a picture: its definition as of foxglove_msgs 3.4, its type
//! hash, and the message to and from CDR. What stands in it is `shown`'s.

use serde::{Deserialize, Serialize};

use super::cdr;
use super::types::Time;
use crate::colors::Rgb;
use crate::error::Result;

/// The message's name.
pub const TYPE_NAME: &str = "foxglove_msgs/msg/ImageAnnotations";

/// The definition with those it depends on, as MCAP and rosbag2 store it (`ros2msg`).
pub const DEFINITION: &str = "\
builtin_interfaces/Time timestamp
foxglove_msgs/CircleAnnotation[] circles
foxglove_msgs/PointsAnnotation[] points
foxglove_msgs/TextAnnotation[] texts
foxglove_msgs/KeyValuePair[] metadata
================================================================================
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
================================================================================
MSG: foxglove_msgs/CircleAnnotation
builtin_interfaces/Time timestamp
foxglove_msgs/Point2 position
float64 diameter
float64 thickness
foxglove_msgs/Color fill_color
foxglove_msgs/Color outline_color
foxglove_msgs/KeyValuePair[] metadata
================================================================================
MSG: foxglove_msgs/PointsAnnotation
builtin_interfaces/Time timestamp
uint8 UNKNOWN=0
uint8 POINTS=1
uint8 LINE_LOOP=2
uint8 LINE_STRIP=3
uint8 LINE_LIST=4
uint8 type
foxglove_msgs/Point2[] points
foxglove_msgs/Color outline_color
foxglove_msgs/Color[] outline_colors
foxglove_msgs/Color fill_color
float64 thickness
foxglove_msgs/KeyValuePair[] metadata
================================================================================
MSG: foxglove_msgs/TextAnnotation
builtin_interfaces/Time timestamp
foxglove_msgs/Point2 position
string text
float64 font_size
foxglove_msgs/Color text_color
foxglove_msgs/Color background_color
foxglove_msgs/KeyValuePair[] metadata
================================================================================
MSG: foxglove_msgs/Point2
float64 x
float64 y
================================================================================
MSG: foxglove_msgs/Color
float64 r
float64 g
float64 b
float64 a
================================================================================
MSG: foxglove_msgs/KeyValuePair
string key
string value
";

/// REP 2011's hash of the definition. tests/python/test_step_reward_hash.py computes it anew.
pub const TYPE_HASH: &str =
    "RIHS01_bc4e578b1ef80953415d6f966a4cab305c8a44c8b64fc405312b6f06a08fc45e";

/// Points that are joined and go back to the first.
pub const LINE_LOOP: u8 = 2;
/// Points that are joined.
pub const LINE_STRIP: u8 = 3;

/// All that is drawn over one picture.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ImageAnnotations {
    /// The picture's stamp.
    pub timestamp: Time,
    /// None of ours.
    pub circles: Vec<CircleAnnotation>,
    /// Boxes and lines.
    pub points: Vec<PointsAnnotation>,
    /// Words.
    pub texts: Vec<TextAnnotation>,
    /// What programs may want of it.
    pub metadata: Vec<KeyValuePair>,
}

/// A circle.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CircleAnnotation {
    /// The picture's stamp.
    pub timestamp: Time,
    /// Its middle.
    pub position: Point2,
    /// In pixels.
    pub diameter: f64,
    /// Of its line, in pixels.
    pub thickness: f64,
    /// Inside.
    pub fill_color: Color,
    /// Of its line.
    pub outline_color: Color,
    /// What programs may want of it.
    pub metadata: Vec<KeyValuePair>,
}

/// Points, or lines between them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PointsAnnotation {
    /// The picture's stamp.
    pub timestamp: Time,
    /// How they are joined, such as [`LINE_LOOP`].
    #[serde(rename = "type")]
    pub kind: u8,
    /// In pixels.
    pub points: Vec<Point2>,
    /// Of all lines.
    pub outline_color: Color,
    /// Of each line, where they differ.
    pub outline_colors: Vec<Color>,
    /// Inside.
    pub fill_color: Color,
    /// Of lines, in pixels.
    pub thickness: f64,
    /// What programs may want of it.
    pub metadata: Vec<KeyValuePair>,
}

/// One line of words.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextAnnotation {
    /// The picture's stamp.
    pub timestamp: Time,
    /// Its lower left corner.
    pub position: Point2,
    /// The words.
    pub text: String,
    /// In pixels.
    pub font_size: f64,
    /// Of the words.
    pub text_color: Color,
    /// Behind them.
    pub background_color: Color,
    /// What programs may want of it.
    pub metadata: Vec<KeyValuePair>,
}

/// A place in a picture, in pixels; the first pixel's upper left corner is 0, 0.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Point2 {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// A colour; each part 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Color {
    /// Red.
    pub r: f64,
    /// Green.
    pub g: f64,
    /// Blue.
    pub b: f64,
    /// 0 is not seen, 1 hides what is behind.
    pub a: f64,
}

impl Color {
    /// A colour that hides as much as `opacity` says.
    pub fn new([red, green, blue]: Rgb, opacity: f64) -> Self {
        let part = |byte: u8| f64::from(byte) / 255.0;
        Self {
            r: part(red),
            g: part(green),
            b: part(blue),
            a: opacity,
        }
    }
}

/// A fact in words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyValuePair {
    /// What.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl ImageAnnotations {
    /// As little-endian CDR with its encapsulation header.
    ///
    /// # Errors
    /// A text or list longer than the format has room for.
    pub fn encode(&self) -> Result<Vec<u8>> {
        cdr::encode(TYPE_NAME, self)
    }

    /// The inverse of `encode`, for either byte order.
    ///
    /// # Errors
    /// Bytes that are no such message.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        cdr::decode(TYPE_NAME, bytes)
    }
}
