//! The types of objects' messages: which fields of each are needed, and which definitions are known.

use super::object_definitions::{
    APRIL_TAGS, ARUCO, DETECTIONS_3D, DETECTIONS_3D_2, SPATIAL_DETECTIONS, YOLO, ZED,
};

/// A message type, by what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Yolo,
    Detections3D,
    Zed,
    SpatialDetections,
    AprilTags,
    Aruco,
}

impl Source {
    pub(super) fn by_name(short_type_name: &str) -> Option<Self> {
        Some(match short_type_name {
            "yolo_msgs/DetectionArray" => Self::Yolo,
            "vision_msgs/Detection3DArray" => Self::Detections3D,
            "zed_msgs/ObjectsStamped" => Self::Zed,
            "depthai_ros_msgs/SpatialDetectionArray" => Self::SpatialDetections,
            "apriltag_msgs/AprilTagDetectionArray" => Self::AprilTags,
            "aruco_opencv_msgs/ArucoDetection" => Self::Aruco,
            _ => return None,
        })
    }

    /// The fields without which nothing can be read; of several in one place one is enough.
    pub(super) fn needed(self) -> &'static [&'static [&'static str]] {
        const HYPOTHESES: [&[&str]; 2] = [
            &[
                "detections.results.hypothesis.class_id",
                "detections.results.class_id",
                "detections.results.id",
            ],
            &[
                "detections.results.hypothesis.score",
                "detections.results.score",
            ],
        ];
        match self {
            Self::Yolo => &[
                &["detections.class_id", "detections.class_name"],
                &["detections.score"],
                &["detections.bbox.center.position.x"],
                &["detections.bbox.center.position.y"],
                &["detections.bbox.size.x"],
                &["detections.bbox.size.y"],
            ],
            Self::Detections3D => &[
                HYPOTHESES[0],
                HYPOTHESES[1],
                &["detections.bbox.center.position.z"],
                &["detections.bbox.center.orientation.w"],
                &["detections.bbox.size.z"],
            ],
            Self::Zed => &[
                &["objects.label"],
                &["objects.confidence"],
                &["objects.position"],
                &["objects.bounding_box_2d.corners.kp"],
                &["objects.bounding_box_3d.corners.kp"],
            ],
            Self::SpatialDetections => &[
                HYPOTHESES[0],
                HYPOTHESES[1],
                &[
                    "detections.bbox.center.position.x",
                    "detections.bbox.center.x",
                ],
                &["detections.bbox.size_x"],
                &["detections.bbox.size_y"],
            ],
            Self::AprilTags => &[&["detections.id"], &["detections.corners"]],
            Self::Aruco => &[
                &["markers.marker_id"],
                &["markers.pose.position.z"],
                &["markers.pose.orientation.w"],
            ],
        }
    }

    /// What is read in bags without definitions, in the order in which it is tried.
    pub(super) fn known_definitions(self) -> Vec<String> {
        match self {
            Self::Yolo => vec![YOLO.to_owned()],
            Self::Detections3D => vec![DETECTIONS_3D.to_owned(), DETECTIONS_3D_2.to_owned()],
            Self::Zed => vec![ZED.to_owned()],
            Self::SpatialDetections => vec![SPATIAL_DETECTIONS.to_owned()],
            Self::AprilTags => vec![APRIL_TAGS.to_owned()],
            Self::Aruco => vec![ARUCO.to_owned()],
        }
    }
}
