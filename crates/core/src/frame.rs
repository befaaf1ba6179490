//! Plain data that one step of the pipeline looks at: pixels, depth, the camera and two boxes.
//! No behaviour beyond what follows from the fields; everything above speaks in these types.

use std::fmt;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use nalgebra::Vector3;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::depth_image::DepthImage;
use crate::error::{Error, Result};
pub use crate::mask::{Mask, Masks};

/// A rectangle in pixels of the full-resolution colour image, `[x_min, x_max) x [y_min, y_max)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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

    /// What both cover, in square pixels.
    pub fn shared_area(&self, other: &Self) -> f64 {
        let side = |low: f64, high: f64| (high - low).max(0.0);
        side(self.x_min.max(other.x_min), self.x_max.min(other.x_max))
            * side(self.y_min.max(other.y_min), self.y_max.min(other.y_max))
    }

    /// The share of what both cover that they have in common (intersection over union), 0 to 1.
    pub fn overlap(&self, other: &Self) -> f64 {
        let common = self.shared_area(other);
        let area = |bbox: &Self| bbox.width() * bbox.height();
        common / (area(self) + area(other) - common)
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
    /// What a tracker calls this very object, as long as it follows it; `None` where nobody tracks.
    pub track_id: Option<String>,
    /// Which pixels in the box are its, where the detector says so.
    pub mask: Option<Mask>,
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
    /// It is no detector's: a TF frame says where the object is.
    Frame,
    /// It was drawn in this picture or another, and followed from there.
    Followed,
    /// It is the same in every picture.
    Fixed,
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
            Self::Frame => "frame",
            Self::Followed => "followed",
            Self::Fixed => "fixed",
        }
    }
}

/// Where a frame's box comes from, and how old it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoxSource {
    /// How it came about.
    pub origin: BoxOrigin,
    /// Between the image and the detection that it comes from, the nearer one of two, in seconds; of a TF frame the
    /// nearest sample, of that transform of its chain for which it is farthest; of a followed box the time from or to
    /// the picture that it was drawn in.
    pub age_s: f64,
    /// What a follower is unsure of.
    pub doubt: Doubt,
}

/// What makes a box doubtful that was followed, in pixels: a share of its smaller side for each reason. How far the distance may
/// be off for it is told by weights that were fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Doubt {
    /// Little of the region is seen as it was drawn: the square of the share that is not.
    pub unseen_px: f64,
    /// Depth speaks against the place: the whole side.
    pub contradicted_px: f64,
}

/// Standard deviations a pixel of doubt: fitted by benchmarks/fit_doubt.py. How far a place stands out of the others
/// tells nothing beside these.
const UNSEEN: f64 = 2.1;
const CONTRADICTED: f64 = 0.65;

impl Doubt {
    /// By how many pixels the box's sides may be off, one standard deviation.
    pub fn std_px(&self) -> f64 {
        UNSEEN * self.unseen_px + CONTRADICTED * self.contradicted_px
    }
}

/// A box with how it came about, where that is known.
pub type SeenBox = (BoundingBox, Option<BoxOrigin>);

impl BoxSource {
    /// A box that comes from there.
    pub fn seen(bbox: Option<BoundingBox>, source: Option<Self>) -> Option<SeenBox> {
        bbox.map(|bbox| (bbox, source.map(|source| source.origin)))
    }

    /// Of the image itself.
    pub const SEEN: Self = Self {
        origin: BoxOrigin::Seen,
        age_s: 0.0,
        doubt: Doubt {
            unseen_px: 0.0,
            contradicted_px: 0.0,
        },
    };

    /// Whether one of a frame's boxes was predicted by the tracker where the detector saw nothing.
    pub fn any_bridged(of_frame: [Option<Self>; 2]) -> bool {
        let mut sources = of_frame.into_iter().flatten();
        sources.any(|source| source.origin == BoxOrigin::Bridged)
    }
}

/// The lens model of `sensor_msgs/CameraInfo`, with OpenCV's coefficient order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distortion {
    /// A lens without distortion, or an image that is rectified already.
    None,
    /// `plumb_bob` and `rational_polynomial`: k1 k2 p1 p2 k3 k4 k5 k6 (the last three 0 for a plumb_bob of five).
    BrownConrady([f64; 8]),
    /// The same with a thin prism and a tilted sensor: k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4 tau_x tau_y, the last two
    /// in radians.
    ThinPrism([f64; 14]),
    /// `equidistant` (fisheye): k1 k2 k3 k4.
    Equidistant([f64; 4]),
}

/// A pinhole camera: pixel = K * ray, lens distortion apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intrinsics {
    /// Of the image that the rest is for, in pixels; 0 where the camera does not say: then it is the picture's own.
    pub width: u32,
    /// Of the image that the rest is for, in pixels; 0 where `width` is.
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
    /// The size of the image that they are for, in pixels; `None` where the camera does not say.
    pub fn size(&self) -> Option<(u32, u32)> {
        (self.width > 0 && self.height > 0).then_some((self.width, self.height))
    }

    /// The same camera's intrinsics for its image resized to `width` x `height`. An image of unknown size is taken to be
    /// as it left the camera.
    pub fn resized(&self, width: u32, height: u32) -> Self {
        let (own_width, own_height) = self.size().unwrap_or((width, height));
        let (x, y) = (
            f64::from(width) / f64::from(own_width),
            f64::from(height) / f64::from(own_height),
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
    /// Red, green and blue of each pixel, row by row from the top left. They may be somebody else's memory
    /// ([`Bytes::from_owner`]).
    pub rgb: Bytes,
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
#[derive(Debug, Clone, PartialEq)]
pub struct Regions {
    /// What the robot reaches with.
    pub fingertip: BoundingBox,
    /// What it reaches for.
    pub target: BoundingBox,
    /// Which pixels are theirs, where the detector has told of this very image.
    pub masks: Masks,
}

impl Regions {
    /// Of which only the boxes are known.
    pub fn of_boxes(fingertip: BoundingBox, target: BoundingBox) -> Self {
        Self {
            fingertip,
            target,
            masks: Masks::default(),
        }
    }
}

/// Which of the three definitions of distance a number is; never compare across kinds.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
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

/// The standard deviation of a distance that is trusted by half.
const HALF_CONFIDENT_STD_M: f64 = 0.01;

/// What an estimator says about one frame. Distances that it did not measure are `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measurement {
    /// [`DistanceKind::Center`], in metres.
    pub center_m: Option<f64>,
    /// [`DistanceKind::Surface`], in metres.
    pub surface_m: Option<f64>,
    /// [`DistanceKind::Cloud`], in metres.
    pub cloud_m: Option<f64>,
    /// One standard deviation of `center_m`, in metres; `None` where the estimator tells none. If it is calibrated, the
    /// truth lies within 1.645 of it each way, cut at 0, in 9 of 10 steps
    /// ([`interval_90`](crate::statistics::interval_90)).
    pub center_std_m: Option<f64>,
    /// As `center_std_m`, of `surface_m`.
    pub surface_std_m: Option<f64>,
    /// As `center_std_m`, of `cloud_m`.
    pub cloud_std_m: Option<f64>,
    /// The estimator's own, 0 (no evidence) to 1. `None`: it follows from the standard deviation
    /// ([`confidence`](Self::confidence)).
    pub own_confidence: Option<f32>,
    /// What a language model answered, whose distance then counts; the distances above were measured
    /// beside it. `None` for geometry.
    pub answer: Option<Answer>,
    /// Where both regions are in space; `None` where nobody asked for it or the estimator does not know.
    pub in_space: Option<Box<RegionsInSpace>>,
}

/// Where the two regions of a measurement are in space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionsInSpace {
    /// The fingertip's, or what stands in its place.
    pub fingertip: RegionInSpace,
    /// The target's, or what stands in its place.
    pub target: RegionInSpace,
}

/// Where a region is, in metres, in the camera's optical frame (x right, y down, z forward).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionInSpace {
    /// Its centre, the hidden half included.
    pub center: [f32; 3],
    /// Some of the points that are seen of it.
    pub points: Vec<[f32; 3]>,
    /// The plane around it that its lowest part is nearest to; `None` where none is seen.
    pub stands_on: Option<StandingPlane>,
    /// The z axis of the TF frame that it is at, of length 1; `None` where it is at none.
    #[serde(default)]
    pub axis: Option<[f64; 3]>,
}

/// A plane that things stand on, above which the camera is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StandingPlane {
    /// Of length 1, away from the plane on the camera's side.
    pub up: [f32; 3],
    /// How high the camera is above it, in metres.
    pub camera_m: f32,
}

impl StandingPlane {
    /// How high a point is above the plane, in metres.
    pub fn height_m(&self, point: &Vector3<f32>) -> f32 {
        Vector3::from(self.up).dot(point) + self.camera_m
    }

    /// How high the lowest of some points is, in metres; NaN of none. The very lowest may be the sensor's, so it follows from
    /// those above: as far below one in twenty as one in ten is above it, for a side is seen evenly.
    pub fn lowest_m<'a>(&self, points: impl IntoIterator<Item = &'a [f32; 3]>) -> f32 {
        let heights = points
            .into_iter()
            .map(|point| self.height_m(&Vector3::from(*point)));
        let mut heights: Vec<f32> = heights.collect();
        heights.sort_by(f32::total_cmp);
        let last = heights.len().saturating_sub(1) as f32;
        let at = |share: f32| {
            heights
                .get((last * share).round() as usize)
                .copied()
                .unwrap_or(f32::NAN)
        };
        2.0 * at(0.05) - at(0.1)
    }
}

/// What a language model said about one frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Its words, as they came.
    pub text: String,
    /// The distance that it states in metres, of the kind that was asked for.
    pub distance_m: Option<f64>,
    /// One standard deviation of `distance_m`, in metres, as [`Measurement::center_std_m`] has it.
    pub distance_std_m: Option<f64>,
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

    /// 0 (no evidence) to 1: the estimator's own, or what follows from one standard deviation `s` of the distance that
    /// counts, 1 / (1 + s / 10 mm): a half where the distance may well be a centimetre off. 0 where nothing tells.
    pub fn confidence(&self, kind: DistanceKind) -> f32 {
        let of_deviation = || {
            self.distance_std_m(kind)
                .map(|std_m| (1.0 / (1.0 + std_m / HALF_CONFIDENT_STD_M)) as f32)
        };
        self.own_confidence.or_else(of_deviation).unwrap_or(0.0)
    }

    /// One standard deviation of the distance that counts, in metres, if the estimator tells it.
    pub fn distance_std_m(&self, kind: DistanceKind) -> Option<f64> {
        if let Some(answer) = &self.answer {
            return answer.distance_std_m;
        }
        match kind {
            DistanceKind::Center => self.center_std_m,
            DistanceKind::Surface => self.surface_std_m,
            DistanceKind::Cloud => self.cloud_std_m,
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
    /// The distance's standard deviation is above `reward.max_std_m`.
    Uncertain,
    /// No chain of transforms leads from a region's frame to the camera at the image's stamp.
    NoTransform,
    /// Something stands before the place of a region's frame.
    Occluded,
    /// A region that was drawn is lost: hidden, out of view, or no longer to be told from something else.
    LostBox,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 16] = [
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
        Self::Uncertain,
        Self::NoTransform,
        Self::Occluded,
        Self::LostBox,
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
            Self::Uncertain => "uncertain",
            Self::NoTransform => "no_transform",
            Self::Occluded => "occluded",
            Self::LostBox => "lost_box",
        }
    }

    /// The reason of a public name; `None` if there is none of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}
