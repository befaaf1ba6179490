//! Plain data that one step of the pipeline looks at: pixels, depth, the camera and two boxes.
//! No behaviour beyond what follows from the fields; everything above speaks in these types.

use std::fmt;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A rectangle in pixels of the full-resolution colour image, `[x_min, x_max) x [y_min, y_max)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// The left edge, in pixels; inside.
    pub x_min: f64,
    /// The upper edge, in pixels; inside.
    pub y_min: f64,
    /// The right edge, in pixels; outside.
    pub x_max: f64,
    /// The lower edge, in pixels; outside.
    pub y_max: f64,
}

impl BoundingBox {
    /// From its edges in pixels, as they are: a box may be empty or not finite.
    pub fn new(x_min: f64, y_min: f64, x_max: f64, y_max: f64) -> Self {
        Self {
            x_min,
            y_min,
            x_max,
            y_max,
        }
    }

    /// From its centre and its sides, in pixels.
    pub fn from_center(center_x: f64, center_y: f64, width: f64, height: f64) -> Self {
        Self::new(
            center_x - width / 2.0,
            center_y - height / 2.0,
            center_x + width / 2.0,
            center_y + height / 2.0,
        )
    }

    /// In pixels; negative where the edges are swapped.
    pub fn width(&self) -> f64 {
        self.x_max - self.x_min
    }

    /// In pixels; negative where the edges are swapped.
    pub fn height(&self) -> f64 {
        self.y_max - self.y_min
    }

    /// x and y in pixels.
    pub fn center(&self) -> [f64; 2] {
        [
            (self.x_min + self.x_max) / 2.0,
            (self.y_min + self.y_max) / 2.0,
        ]
    }

    /// The box on the straight way from this one to another, of which `share` is gone.
    pub fn mixed(&self, other: &Self, share: f64) -> Self {
        let mix = |from: f64, to: f64| from + (to - from) * share;
        Self::new(
            mix(self.x_min, other.x_min),
            mix(self.y_min, other.y_min),
            mix(self.x_max, other.x_max),
            mix(self.y_max, other.y_max),
        )
    }

    /// Finite and of positive area.
    pub fn is_proper(&self) -> bool {
        [self.x_min, self.y_min, self.x_max, self.y_max]
            .iter()
            .all(|v| v.is_finite())
            && self.width() > 0.0
            && self.height() > 0.0
    }

    /// The part inside an image of that size, or `None` if nothing of it is.
    pub fn clipped(&self, width: u32, height: u32) -> Option<Self> {
        if !self.is_proper() {
            return None;
        }
        let inside = Self::new(
            self.x_min.max(0.0),
            self.y_min.max(0.0),
            self.x_max.min(f64::from(width)),
            self.y_max.min(f64::from(height)),
        );
        inside.is_proper().then_some(inside)
    }

    /// The same box after the image was scaled by these factors.
    pub fn scaled(&self, x: f64, y: f64) -> Self {
        Self::new(
            self.x_min * x,
            self.y_min * y,
            self.x_max * x,
            self.y_max * y,
        )
    }
}

/// What a detector says about one object in one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// As the detector names it; empty where the message has no class (RegionOfInterest).
    pub class_id: String,
    /// Higher is surer; 1 where the message has none.
    pub score: f64,
    /// Where it is in the image.
    pub bbox: BoundingBox,
}

/// Where a frame's box comes from. The names are a public interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxOrigin {
    /// The detector looked at this image.
    Seen,
    /// It lies between two detections around the image.
    Interpolated,
    /// It is where the detections before the image were heading.
    Extrapolated,
    /// It is the last detection before the image, as it was.
    Reused,
    /// The detector saw nothing, and the tracker stands in.
    Bridged,
}

impl BoxOrigin {
    /// As messages and tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Interpolated => "interpolated",
            Self::Extrapolated => "extrapolated",
            Self::Reused => "reused",
            Self::Bridged => "bridged",
        }
    }
}

/// Where a frame's box comes from, and how old it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxSource {
    /// How it came about.
    pub origin: BoxOrigin,
    /// Between the image and the detection that it comes from, the nearer one of two, in seconds.
    pub age_s: f64,
}

impl BoxSource {
    /// Of the image itself.
    pub const SEEN: Self = Self {
        origin: BoxOrigin::Seen,
        age_s: 0.0,
    };
}

/// The lens model of `sensor_msgs/CameraInfo`, with OpenCV's coefficient order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distortion {
    /// A lens without distortion, or an image that is rectified already.
    None,
    /// `plumb_bob` and `rational_polynomial`: k1 k2 p1 p2 k3 k4 k5 k6 (the last three 0 for plumb_bob).
    BrownConrady([f64; 8]),
    /// `equidistant` (fisheye): k1 k2 k3 k4.
    Equidistant([f64; 4]),
}

/// A pinhole camera: pixel = K * ray, lens distortion apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intrinsics {
    /// Of the image that the rest is for, in pixels.
    pub width: u32,
    /// Of the image that the rest is for, in pixels.
    pub height: u32,
    /// Focal length along x, in pixels.
    pub fx: f64,
    /// Focal length along y, in pixels.
    pub fy: f64,
    /// Principal point along x, in pixels.
    pub cx: f64,
    /// Principal point along y, in pixels.
    pub cy: f64,
    /// What the lens does to a ray before the focal lengths scale it.
    pub distortion: Distortion,
}

impl Intrinsics {
    /// The same camera's intrinsics for its image resized to `width` x `height`.
    pub fn resized(&self, width: u32, height: u32) -> Self {
        let (x, y) = (
            f64::from(width) / f64::from(self.width),
            f64::from(height) / f64::from(self.height),
        );
        Self {
            width,
            height,
            fx: self.fx * x,
            fy: self.fy * y,
            cx: self.cx * x,
            cy: self.cy * y,
            distortion: self.distortion,
        }
    }
}

/// Row-major 8-bit RGB pixels, `rgb.len() == width * height * 3`.
#[derive(Debug, Clone, PartialEq)]
pub struct ColorImage {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Red, green and blue of each pixel, row by row from the top left.
    pub rgb: Vec<u8>,
}

/// A colour image of which only the size is known until somebody asks for its pixels: decoding takes
/// longer than most measurements, and few of them look at colour.
#[derive(Clone)]
pub struct LazyColorImage {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    pixels: Arc<LazyLock<Result<ColorImage>, Decode>>,
}

type Decode = Box<dyn FnOnce() -> Result<ColorImage> + Send>;

impl LazyColorImage {
    /// `decode` gives an image of `width` x `height` pixels; it is called at most once.
    pub fn new(
        width: u32,
        height: u32,
        decode: impl FnOnce() -> Result<ColorImage> + Send + 'static,
    ) -> Self {
        Self {
            width,
            height,
            pixels: Arc::new(LazyLock::new(Box::new(decode))),
        }
    }

    /// The decoded image.
    ///
    /// # Errors
    /// Why it does not decode, each time anew.
    pub fn pixels(&self) -> std::result::Result<&ColorImage, &Error> {
        LazyLock::force(&self.pixels).as_ref()
    }
}

impl From<ColorImage> for LazyColorImage {
    fn from(image: ColorImage) -> Self {
        Self::new(image.width, image.height, || Ok(image))
    }
}

impl fmt::Debug for LazyColorImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LazyColorImage({}x{})", self.width, self.height)
    }
}

/// Row-major depth along the optical axis in metres; NaN where the sensor has no measurement. A camera's
/// 16-bit image stays as it was sent: who measures two boxes reads a part of it.
#[derive(Debug, Clone)]
pub struct DepthImage {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    pixels: DepthPixels,
}

#[derive(Debug, Clone)]
enum DepthPixels {
    Metres(Vec<f32>),
    /// Little-endian 16-bit millimetres, 0 for none; rows begin `step` bytes apart.
    Millimetres {
        bytes: Bytes,
        step: usize,
    },
}

const MILLIMETRES_PER_METRE: f32 = 1000.0;

/// Depth of a 16-bit pixel; 0 is no measurement (REP 118).
pub(crate) fn metres_of(depth_mm: u16) -> f32 {
    if depth_mm == 0 {
        f32::NAN
    } else {
        f32::from(depth_mm) / MILLIMETRES_PER_METRE
    }
}

impl DepthImage {
    /// Depth in metres, row by row.
    pub fn new(width: u32, height: u32, depth_m: Vec<f32>) -> Self {
        Self {
            width,
            height,
            pixels: DepthPixels::Metres(depth_m),
        }
    }

    /// Depth as little-endian 16-bit millimetres in rows of `step` bytes, all within `bytes`.
    pub(crate) fn from_millimetres(width: u32, height: u32, bytes: Bytes, step: usize) -> Self {
        Self {
            width,
            height,
            pixels: DepthPixels::Millimetres { bytes, step },
        }
    }

    /// Depth in metres of the pixels from `column` on in a row, as many as `out` takes. Beyond the image
    /// it is NaN.
    pub fn read_row(&self, row: usize, column: usize, out: &mut [f32]) {
        out.fill(f32::NAN);
        let width = (self.width as usize).saturating_sub(column);
        let length = if row < self.height as usize {
            width.min(out.len())
        } else {
            0
        };
        let out = &mut out[..length];
        match &self.pixels {
            DepthPixels::Metres(depth_m) => {
                let begin = row * self.width as usize + column;
                for (out, depth_m) in out.iter_mut().zip(depth_m.iter().skip(begin)) {
                    *out = *depth_m;
                }
            }
            DepthPixels::Millimetres { bytes, step } => {
                let row = bytes.get(row * step + 2 * column..).unwrap_or_default();
                for (out, depth_mm) in out.iter_mut().zip(row.as_chunks::<2>().0) {
                    *out = metres_of(u16::from_le_bytes(*depth_mm));
                }
            }
        }
    }

    /// All of it in metres, row by row.
    pub fn to_metres(&self) -> Vec<f32> {
        match &self.pixels {
            DepthPixels::Metres(depth_m) => depth_m.clone(),
            DepthPixels::Millimetres { .. } => {
                let width = self.width as usize;
                let mut depth_m = vec![f32::NAN; width * self.height as usize];
                for (row, out) in depth_m.chunks_exact_mut(width.max(1)).enumerate() {
                    self.read_row(row, 0, out);
                }
                depth_m
            }
        }
    }
}

/// What the camera saw at one instant.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The stretch of the recording that it belongs to, counted from 0.
    pub episode: u64,
    /// `header.stamp` of the colour image, in nanoseconds.
    pub stamp_nanos: i64,
    /// The picture; decoded when somebody looks at it.
    pub color: LazyColorImage,
    /// Depth registered to the colour image; it may have another resolution.
    pub depth: Option<DepthImage>,
    /// Intrinsics of the colour image.
    pub intrinsics: Option<Intrinsics>,
}

/// The two regions whose distance is asked for, in pixels of the colour image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regions {
    /// What the robot reaches with.
    pub fingertip: BoundingBox,
    /// What it reaches for.
    pub target: BoundingBox,
}

/// Which of the three definitions of distance a number is; never compare across kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DistanceKind {
    /// Between the 3-D centres of the two objects.
    Center,
    /// The robust smallest gap between the two surfaces; 0 at contact.
    #[default]
    Surface,
    /// Mean of nearest-neighbour distances of both clouds, both ways (the Open Spatial Dataset's distance).
    Cloud,
}

impl DistanceKind {
    /// As settings and messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Center => "center",
            Self::Surface => "surface",
            Self::Cloud => "cloud",
        }
    }
}

/// What an estimator says about one frame. Distances that it did not measure are `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measurement {
    /// [`DistanceKind::Center`], in metres.
    pub center_m: Option<f64>,
    /// [`DistanceKind::Surface`], in metres.
    pub surface_m: Option<f64>,
    /// [`DistanceKind::Cloud`], in metres.
    pub cloud_m: Option<f64>,
    /// 0 (no evidence) to 1.
    pub confidence: f32,
    /// What a language model answered, whose distance then counts; the distances above were measured
    /// beside it. `None` for geometry.
    pub answer: Option<Answer>,
}

/// What a language model said about one frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// Its words, as they came.
    pub text: String,
    /// The distance that it states in metres, of the kind that was asked for.
    pub distance_m: Option<f64>,
}

impl Measurement {
    /// The distance that counts, if there is one.
    pub fn distance_m(&self, kind: DistanceKind) -> Option<f64> {
        if let Some(answer) = &self.answer {
            return answer.distance_m;
        }
        match kind {
            DistanceKind::Center => self.center_m,
            DistanceKind::Surface => self.surface_m,
            DistanceKind::Cloud => self.cloud_m,
        }
    }
}

/// Why a step has no reward. The names are a public interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The colour image does not decode.
    NoImage,
    /// The fingertip was not detected, nor could its box be predicted.
    NoFingertipBox,
    /// The target was not detected, nor could its box be predicted.
    NoTargetBox,
    /// The newest box is older than its limit.
    StaleBox,
    /// A box has no part inside the image.
    BoxOutsideImage,
    /// There is no depth image within the tolerance.
    NoDepth,
    /// The depth image is broken or has too few measurements in a region.
    DepthInvalid,
    /// A language model answered, but not with this distance.
    UnparsedAnswer,
    /// The distance is negative or beyond `estimator.max_distance_m`.
    ImplausibleDistance,
    /// The estimator failed.
    ModelError,
    /// The image came after a later one had been rewarded.
    Late,
    /// The image's stamp lies far from its neighbours and from the log times.
    WildStamp,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::NoImage,
        Self::NoFingertipBox,
        Self::NoTargetBox,
        Self::StaleBox,
        Self::BoxOutsideImage,
        Self::NoDepth,
        Self::DepthInvalid,
        Self::UnparsedAnswer,
        Self::ImplausibleDistance,
        Self::ModelError,
        Self::Late,
        Self::WildStamp,
    ];

    /// The public name, such as `no_depth`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoImage => "no_image",
            Self::NoFingertipBox => "no_fingertip_box",
            Self::NoTargetBox => "no_target_box",
            Self::StaleBox => "stale_box",
            Self::BoxOutsideImage => "box_outside_image",
            Self::NoDepth => "no_depth",
            Self::DepthInvalid => "depth_invalid",
            Self::UnparsedAnswer => "unparsed_answer",
            Self::ImplausibleDistance => "implausible_distance",
            Self::ModelError => "model_error",
            Self::Late => "late",
            Self::WildStamp => "wild_stamp",
        }
    }

    /// The reason of a public name; `None` if there is none of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

#[cfg(test)]
mod depth_tests {
    use super::*;

    #[test]
    fn depth_as_it_was_sent_reads_like_depth_in_metres() {
        // given three by two pixels in rows with padding, and the same in metres
        let bytes: Vec<u8> = [1000_u16, 0, 250, 9999, 1, 2, 65535, 9999]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let sent = DepthImage::from_millimetres(3, 2, bytes.into(), 8);
        let metres = DepthImage::new(3, 2, sent.to_metres());
        // when parts of rows are read, also beyond their end
        for (row, column, length) in [(0, 0, 3), (1, 1, 2), (1, 2, 3), (2, 0, 2), (0, 5, 1)] {
            let read = |image: &DepthImage| {
                let mut out = vec![7.0; length];
                image.read_row(row, column, &mut out);
                out.iter().map(|depth| depth.to_bits()).collect::<Vec<_>>()
            };
            // then both say the same
            assert_eq!(read(&sent), read(&metres), "{row} {column} {length}");
        }
        assert!(sent.to_metres()[1].is_nan());
        assert_eq!(sent.to_metres()[5], 65.535);
    }
}
