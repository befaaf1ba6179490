//! The layouts this program knows, in ROS's own notation, and the check of a bag's definition
//! against them.

use std::sync::Arc;

use super::objects;
use super::schema::{Layout, short_name};
use super::step_reward;
use crate::error::{Error, Result};

/// A message type this program reads, with the layout of its fields where a type has had several.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Image,
    CompressedImage,
    CompressedVideo(Option<Foxglove>),
    FfmpegPacket,
    /// No message: what stands in the place of a video's packet once it is decoded.
    VideoPicture,
    CameraInfo,
    RegionOfInterest,
    Detections(Option<VisionMsgs>),
    /// Of the other types that hold objects.
    Objects(Arc<objects::Reader>),
    PointStamped,
    Transforms,
    Extrinsics,
    Float64,
    String,
    StepReward(Option<StepRewards>),
}

/// The layouts that `vision_msgs/Detection2DArray` has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VisionMsgs {
    /// 3.x (Galactic) and 4.x (Humble and later), which name the box's centre differently but
    /// place it alike.
    V3,
    /// 2.x (Foxy).
    V2,
    /// 1.x (Crystal to Eloquent).
    V1,
    /// ROS 1's 0.0.x, in a bag that was converted to ROS 2.
    V0,
}

/// The layouts that `foxglove_msgs/CompressedVideo` has had, which differ behind what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foxglove {
    /// With an id and where the message comes from.
    WithLineage,
    /// The first.
    Plain,
}

/// The layouts that `spatial_reward/StepReward` has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepRewards {
    /// This version's.
    Newest,
    /// Before there was a distance between TF frames.
    WithoutTf,
    /// Before distances had standard deviations.
    WithoutStd,
}

const COMMON: &str = "\
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
MSG: std_msgs/Float64
float64 data
MSG: std_msgs/String
string data
MSG: geometry_msgs/Point
float64 x
float64 y
float64 z
MSG: geometry_msgs/PointStamped
std_msgs/Header header
Point point
MSG: geometry_msgs/Quaternion
float64 x
float64 y
float64 z
float64 w
MSG: geometry_msgs/Pose
Point position
Quaternion orientation
MSG: geometry_msgs/Vector3
float64 x
float64 y
float64 z
MSG: geometry_msgs/Transform
Vector3 translation
Quaternion rotation
MSG: geometry_msgs/TransformStamped
std_msgs/Header header
string child_frame_id
Transform transform
MSG: tf2_msgs/TFMessage
geometry_msgs/TransformStamped[] transforms
MSG: realsense2_camera_msgs/Extrinsics
float64[9] rotation
float64[3] translation
MSG: geometry_msgs/PoseWithCovariance
Pose pose
float64[36] covariance
MSG: geometry_msgs/Pose2D
float64 x
float64 y
float64 theta
MSG: sensor_msgs/Image
std_msgs/Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data
MSG: sensor_msgs/CompressedImage
std_msgs/Header header
string format
uint8[] data
MSG: ffmpeg_image_transport_msgs/FFMPEGPacket
std_msgs/Header header
int32 width
int32 height
string encoding
uint64 pts
uint8 flags
bool is_bigendian
uint8[] data
MSG: sensor_msgs/RegionOfInterest
uint32 x_offset
uint32 y_offset
uint32 height
uint32 width
bool do_rectify
MSG: sensor_msgs/CameraInfo
std_msgs/Header header
uint32 height
uint32 width
string distortion_model
float64[] d
float64[9] k
float64[9] r
float64[12] p
uint32 binning_x
uint32 binning_y
RegionOfInterest roi
MSG: vision_msgs/Detection2DArray
std_msgs/Header header
Detection2D[] detections
";

const VISION_MSGS_4: &str = "\
MSG: vision_msgs/Detection2D
std_msgs/Header header
ObjectHypothesisWithPose[] results
BoundingBox2D bbox
string id
MSG: vision_msgs/ObjectHypothesisWithPose
ObjectHypothesis hypothesis
geometry_msgs/PoseWithCovariance pose
MSG: vision_msgs/ObjectHypothesis
string class_id
float64 score
MSG: vision_msgs/BoundingBox2D
Pose2D center
float64 size_x
float64 size_y
MSG: vision_msgs/Pose2D
Point2D position
float64 theta
MSG: vision_msgs/Point2D
float64 x
float64 y
";

const VISION_MSGS_3: &str = "\
MSG: vision_msgs/Detection2D
std_msgs/Header header
ObjectHypothesisWithPose[] results
BoundingBox2D bbox
string id
MSG: vision_msgs/ObjectHypothesisWithPose
ObjectHypothesis hypothesis
geometry_msgs/PoseWithCovariance pose
MSG: vision_msgs/ObjectHypothesis
string class_id
float64 score
MSG: vision_msgs/BoundingBox2D
geometry_msgs/Pose2D center
float64 size_x
float64 size_y
";

const VISION_MSGS_2: &str = "\
MSG: vision_msgs/Detection2D
std_msgs/Header header
ObjectHypothesisWithPose[] results
BoundingBox2D bbox
sensor_msgs/Image source_img
bool is_tracking
string tracking_id
MSG: vision_msgs/ObjectHypothesisWithPose
string id
float64 score
geometry_msgs/PoseWithCovariance pose
MSG: vision_msgs/BoundingBox2D
geometry_msgs/Pose2D center
float64 size_x
float64 size_y
";

const VISION_MSGS_1: &str = "\
MSG: vision_msgs/Detection2D
std_msgs/Header header
ObjectHypothesisWithPose[] results
BoundingBox2D bbox
sensor_msgs/Image source_img
MSG: vision_msgs/ObjectHypothesisWithPose
int64 id
float64 score
geometry_msgs/Pose pose
MSG: vision_msgs/BoundingBox2D
geometry_msgs/Pose2D center
float64 size_x
float64 size_y
";

const VISION_MSGS_0: &str = "\
MSG: vision_msgs/Detection2D
std_msgs/Header header
ObjectHypothesisWithPose[] results
BoundingBox2D bbox
sensor_msgs/Image source_img
MSG: vision_msgs/ObjectHypothesisWithPose
int64 id
float64 score
geometry_msgs/PoseWithCovariance pose
MSG: vision_msgs/BoundingBox2D
geometry_msgs/Pose2D center
float64 size_x
float64 size_y
";

const COMPRESSED_VIDEO: &str = "\
MSG: foxglove_msgs/CompressedVideo
builtin_interfaces/Time timestamp
string frame_id
uint8[] data
string format
";

const COMPRESSED_VIDEO_WITH_LINEAGE: &str = "\
MSG: foxglove_msgs/CompressedVideo
builtin_interfaces/Time timestamp
string frame_id
uint8[] data
string format
string uuid
LineageInfo lineage
MSG: foxglove_msgs/LineageInfo
InputReference[] inputs
string processing_node
StateReference state
MSG: foxglove_msgs/InputReference
string topic
string uuid
MSG: foxglove_msgs/StateReference
string topic
string uuid
";

const STEP_REWARD_WITHOUT_STD: &str = "\
MSG: spatial_reward/StepReward
std_msgs/Header header
int64 episode_id
int64 step
float64 distance_m
string distance_kind
float64 center_m
float64 surface_m
float64 cloud_m
float64 reward
string reward_kind
float64 shaped_reward
float64 potential
float32 confidence
bool valid
string reason
bool bridged
bool success
bool terminated
string answer
string estimator
float64[4] fingertip_box
float64[4] target_box
string fingertip_origin
string target_origin
float64 fingertip_age_s
float64 target_age_s
float64 latency_decode_s
float64 latency_estimate_s
float64 latency_total_s
";

const STEP_REWARD_WITHOUT_TF: &str = "\
MSG: spatial_reward/StepReward
std_msgs/Header header
int64 episode_id
int64 step
float64 distance_m
float64 distance_std_m
string distance_kind
float64 center_m
float64 center_std_m
float64 surface_m
float64 surface_std_m
float64 cloud_m
float64 cloud_std_m
float64 reward
string reward_kind
float64 shaped_reward
float64 potential
float32 confidence
bool valid
string reason
bool bridged
bool success
bool terminated
string answer
string estimator
float64[4] fingertip_box
float64[4] target_box
string fingertip_origin
string target_origin
float64 fingertip_age_s
float64 target_age_s
float64 latency_decode_s
float64 latency_estimate_s
float64 latency_total_s
";

impl Kind {
    /// What a type's name says alone: of a Detection2DArray or a StepReward not which layout it has.
    fn by_name(short_type_name: &str) -> Option<Self> {
        Some(match short_type_name {
            "sensor_msgs/Image" => Self::Image,
            "sensor_msgs/CompressedImage" => Self::CompressedImage,
            "foxglove_msgs/CompressedVideo" => Self::CompressedVideo(None),
            "ffmpeg_image_transport_msgs/FFMPEGPacket" => Self::FfmpegPacket,
            "sensor_msgs/CameraInfo" => Self::CameraInfo,
            "sensor_msgs/RegionOfInterest" => Self::RegionOfInterest,
            "vision_msgs/Detection2DArray" => Self::Detections(None),
            "geometry_msgs/PointStamped" => Self::PointStamped,
            "tf2_msgs/TFMessage" => Self::Transforms,
            "realsense2_camera_msgs/Extrinsics" => Self::Extrinsics,
            "std_msgs/Float64" => Self::Float64,
            "std_msgs/String" => Self::String,
            "spatial_reward/StepReward" => Self::StepReward(None),
            _ => return None,
        })
    }
}

/// One layout of a type: what to call it, its definition beyond `COMMON`, and how it is read.
type Variant = (&'static str, &'static str, Kind);

fn variants(kind: &Kind) -> Vec<Variant> {
    let vision = |layout| Kind::Detections(Some(layout));
    let step = |layout| Kind::StepReward(Some(layout));
    match kind {
        Kind::Detections(_) => vec![
            ("vision_msgs 4", VISION_MSGS_4, vision(VisionMsgs::V3)),
            ("vision_msgs 3", VISION_MSGS_3, vision(VisionMsgs::V3)),
            ("vision_msgs 2", VISION_MSGS_2, vision(VisionMsgs::V2)),
            ("vision_msgs 1", VISION_MSGS_1, vision(VisionMsgs::V1)),
            (
                "vision_msgs 0 (ROS 1)",
                VISION_MSGS_0,
                vision(VisionMsgs::V0),
            ),
        ],
        Kind::CompressedVideo(_) => {
            let video = |layout| Kind::CompressedVideo(Some(layout));
            vec![
                (
                    "foxglove_msgs with lineage",
                    COMPRESSED_VIDEO_WITH_LINEAGE,
                    video(Foxglove::WithLineage),
                ),
                ("foxglove_msgs", COMPRESSED_VIDEO, video(Foxglove::Plain)),
            ]
        }
        Kind::StepReward(_) => vec![
            (
                "this version's",
                step_reward::DEFINITION,
                step(StepRewards::Newest),
            ),
            (
                "that without TF frames",
                STEP_REWARD_WITHOUT_TF,
                step(StepRewards::WithoutTf),
            ),
            (
                "that without standard deviations",
                STEP_REWARD_WITHOUT_STD,
                step(StepRewards::WithoutStd),
            ),
        ],
        _ => vec![("the standard definition", "", kind.clone())],
    }
}

/// How to read messages of a type, judged by the bag's definition if it has one.
///
/// # Errors
/// `Error::Decode` for a type that this program has no use for, `Error::UnknownLayout` for a
/// definition that differs from every known one, naming the first difference from the nearest, or that lacks a field
/// where fields are found by name.
pub(super) fn kind_of(type_name: &str, definition: Option<&str>) -> Result<Kind> {
    let definition = definition.filter(|text| describes_layout(text));
    if let Some(reader) = objects::Reader::of(type_name, definition, COMMON)? {
        return Ok(Kind::Objects(Arc::new(reader)));
    }
    let kind = Kind::by_name(&short_name(type_name)).ok_or_else(|| {
        Error::decode(
            type_name,
            "messages of this type are not read by this program",
        )
    })?;
    let Some(definition) = definition else {
        return Ok(kind);
    };
    let unknown = |detail: String| Error::UnknownLayout {
        type_name: type_name.to_owned(),
        detail,
    };
    let layout = Layout::parse(type_name, definition, COMMON).map_err(unknown)?;
    let mut nearest: Option<(usize, String)> = None;
    for (label, known, kind) in variants(&kind) {
        let known = Layout::parse(type_name, known, COMMON).map_err(unknown)?;
        match layout.difference(&known) {
            None => return Ok(kind),
            Some((agreeing, words))
                if nearest.as_ref().is_none_or(|(most, _)| agreeing > *most) =>
            {
                nearest = Some((agreeing, format!("compared with {label}, {words}")));
            }
            Some(_) => {}
        }
    }
    Err(unknown(nearest.map(|(_, words)| words).unwrap_or_default()))
}

/// Whether a definition is there and in `ros2msg` notation. Of an OMG IDL definition (`ros2idl`)
/// the type's name is all that is used, as of a bag without definitions.
fn describes_layout(definition: &str) -> bool {
    let mut lines = definition
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    match lines.find(|line| !line.bytes().all(|byte| byte == b'=')) {
        None => false,
        Some(first) => !first.starts_with("IDL:") && !lines.any(|line| line.starts_with("module ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "sensor_msgs/msg/Image";
    const ARRAY: &str = "vision_msgs/msg/Detection2DArray";

    #[test]
    fn every_known_definition_is_found_again() {
        for name in [
            "sensor_msgs/msg/Image",
            "sensor_msgs/msg/CompressedImage",
            "foxglove_msgs/msg/CompressedVideo",
            "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
            "sensor_msgs/msg/CameraInfo",
            "sensor_msgs/msg/RegionOfInterest",
            "geometry_msgs/msg/PointStamped",
            "tf2_msgs/msg/TFMessage",
            "realsense2_camera_msgs/msg/Extrinsics",
            "std_msgs/msg/Float64",
            "std_msgs/msg/String",
            "spatial_reward/msg/StepReward",
            "vision_msgs/msg/Detection2DArray",
        ] {
            for (label, definition, kind) in variants(&Kind::by_name(&short_name(name)).unwrap()) {
                let text = format!("{definition}\n{COMMON}");
                assert_eq!(kind_of(name, Some(&text)).unwrap(), kind, "{name} {label}");
            }
        }
    }

    #[test]
    fn a_changed_definition_is_refused_with_the_difference() {
        let definition = "Header header\nuint32 height\nuint32 width\nstring encoding\n\
             uint8 is_bigendian\nuint32 step\nfloat32 exposure\nuint8[] data\n";
        let text = kind_of(IMAGE, Some(definition)).unwrap_err().to_string();
        assert!(
            text.contains(IMAGE) && text.contains("'float32 exposure' where 'uint8 data[]'"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_vision_msgs_is_compared_with_the_nearest_one() {
        let definition = VISION_MSGS_2.replace("bool is_tracking", "uint8 is_tracking");
        let text = kind_of(ARRAY, Some(&definition)).unwrap_err().to_string();
        assert!(
            text.contains("compared with vision_msgs 2, it has 'uint8 detections[].is_tracking'"),
            "{text}"
        );
    }

    #[test]
    fn without_a_definition_the_type_s_name_decides() {
        let idl = "====\nIDL: sensor_msgs/msg/Image\nmodule sensor_msgs {\n";
        for definition in [None, Some(""), Some("\n===\n"), Some(idl)] {
            assert_eq!(kind_of(IMAGE, definition).unwrap(), Kind::Image);
            assert_eq!(kind_of(ARRAY, definition).unwrap(), Kind::Detections(None));
        }
    }

    #[test]
    fn a_type_of_no_use_is_refused() {
        let text = kind_of("nav_msgs/msg/Odometry", None)
            .unwrap_err()
            .to_string();
        assert!(text.contains("not read"), "{text}");
    }
}
