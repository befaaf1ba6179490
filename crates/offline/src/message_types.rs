//! The names of the ROS message types that topics are told by.

use spatial_reward_core::messages::type_name;
use spatial_reward_rosbag2::TopicInfo;

/// Pixels as they are.
pub(crate) const IMAGE: &str = "sensor_msgs/msg/Image";
/// A picture file.
pub(crate) const COMPRESSED_IMAGE: &str = "sensor_msgs/msg/CompressedImage";
/// A packet of a video.
pub(crate) const COMPRESSED_VIDEO: &str = "foxglove_msgs/msg/CompressedVideo";
/// The same from image_transport.
pub(crate) const FFMPEG_PACKET: &str = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket";
/// A camera's intrinsics.
pub(crate) const CAMERA_INFO: &str = "sensor_msgs/msg/CameraInfo";
/// One box.
pub(crate) const REGION_OF_INTEREST: &str = "sensor_msgs/msg/RegionOfInterest";
/// An accelerometer's reading.
pub(crate) const IMU: &str = "sensor_msgs/msg/Imu";
/// Boxes with class ids.
pub(crate) const DETECTIONS: &str = "vision_msgs/msg/Detection2DArray";
/// The same of YOLO, with tracks and masks.
pub(crate) const YOLO: &str = "yolo_msgs/msg/DetectionArray";
/// The same of a camera that computes them, with places in space.
pub(crate) const SPATIAL_DETECTIONS: &str = "depthai_ros_msgs/msg/SpatialDetectionArray";
/// Boxes in space with class ids.
pub(crate) const DETECTIONS_3D: &str = "vision_msgs/msg/Detection3DArray";
/// A stereo camera's objects, boxed in its picture or in space.
pub(crate) const ZED_OBJECTS: &str = "zed_msgs/msg/ObjectsStamped";
/// Markers, by their corners in the picture.
pub(crate) const APRIL_TAGS: &str = "apriltag_msgs/msg/AprilTagDetectionArray";
/// Markers, by their poses.
pub(crate) const ARUCO: &str = "aruco_opencv_msgs/msg/ArucoDetection";
/// A place in a coordinate frame.
pub(crate) const POINT_STAMPED: &str = "geometry_msgs/msg/PointStamped";
/// Where frames are in others.
pub(crate) const TRANSFORMS: &str = "tf2_msgs/msg/TFMessage";
/// Where one camera of a device is in another one's coordinates.
pub(crate) const EXTRINSICS: &str = "realsense2_camera_msgs/msg/Extrinsics";
/// A number.
pub(crate) const FLOAT64: &str = "std_msgs/msg/Float64";
/// A text.
pub(crate) const STRING: &str = "std_msgs/msg/String";

/// Whether a topic has the type, however its recorder has spelled it.
pub(crate) fn is_of_type(topic: &TopicInfo, wanted: &str) -> bool {
    topic.type_name == wanted || type_name(&topic.type_name) == wanted
}

/// Whether all that the topic holds of objects is in metres, so that the camera's intrinsics make boxes of it.
pub(crate) fn is_in_space(topic: &TopicInfo) -> bool {
    [DETECTIONS_3D, ARUCO]
        .iter()
        .any(|wanted| is_of_type(topic, wanted))
}

/// Whether something the topic holds may be in metres.
pub(crate) fn may_be_in_space(topic: &TopicInfo) -> bool {
    is_in_space(topic) || is_of_type(topic, ZED_OBJECTS)
}

/// Whether the topic holds markers, whose numbers are no kinds of things.
pub(crate) fn holds_markers(topic: &TopicInfo) -> bool {
    [APRIL_TAGS, ARUCO]
        .iter()
        .any(|wanted| is_of_type(topic, wanted))
}

/// Whether the topic's messages are serialised as those of ROS 2 are.
pub(crate) fn is_cdr(topic: &TopicInfo) -> bool {
    matches!(topic.serialization_format.as_str(), "cdr" | "") && !topic.is_of_ros1()
}
