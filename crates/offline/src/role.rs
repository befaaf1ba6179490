//! What a topic of a bag can be for: each role with its name, its key and the message types that fit it.

use spatial_reward_rosbag2::TopicInfo;

use crate::message_types::{
    APRIL_TAGS, ARUCO, CAMERA_INFO, COMPRESSED_IMAGE, COMPRESSED_VIDEO, DETECTIONS, DETECTIONS_3D,
    FFMPEG_PACKET, FLOAT64, IMAGE, IMU, POINT_STAMPED, REGION_OF_INTEREST, SPATIAL_DETECTIONS,
    STRING, TRANSFORMS, YOLO, ZED_OBJECTS, is_of_type,
};

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The colour image, of which each is a step.
    Image,
    /// Depth registered to the colour image.
    Depth,
    /// The colour camera's intrinsics.
    CameraInfo,
    /// The intrinsics of the depth image, where it is of a camera of its own.
    DepthCameraInfo,
    /// Boxes of the fingertip, in pixels of the colour image or in space.
    Fingertip,
    /// Boxes of the target, in pixels of the colour image or in space.
    Target,
    /// What the robot was told to do.
    TaskPrompt,
    /// Each message begins an episode.
    EpisodeSplit,
    /// Where the fingertip truly is.
    TruthFingertip,
    /// Where the target truly is.
    TruthTarget,
    /// The true gap between the surfaces, metres.
    TruthSurface,
    /// The true mean distance between the clouds, metres.
    TruthCloud,
    /// Depth without noise, which a data set is made with.
    TruthDepth,
    /// Each pixel's instance, for a data set.
    Instances,
    /// Which way is up, for a data set.
    Accelerometer,
    /// Where the robot's frames are; of as many topics as have some.
    Transforms,
}

const IMAGES: &[&str] = &[IMAGE, COMPRESSED_IMAGE];
/// Video loses what depth and instances cannot do without.
const COLOR_IMAGES: &[&str] = &[IMAGE, COMPRESSED_IMAGE, COMPRESSED_VIDEO, FFMPEG_PACKET];
const BOXES: &[&str] = &[
    DETECTIONS,
    REGION_OF_INTEREST,
    YOLO,
    SPATIAL_DETECTIONS,
    DETECTIONS_3D,
    ZED_OBJECTS,
    APRIL_TAGS,
    ARUCO,
];

impl Role {
    /// Those that labelling and evaluation search for.
    pub const ALL: [Self; 12] = [
        Self::Image,
        Self::Depth,
        Self::CameraInfo,
        Self::DepthCameraInfo,
        Self::Fingertip,
        Self::Target,
        Self::TaskPrompt,
        Self::EpisodeSplit,
        Self::TruthFingertip,
        Self::TruthTarget,
        Self::TruthSurface,
        Self::TruthCloud,
    ];

    /// In words, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "colour image",
            Self::Depth => "depth image",
            Self::CameraInfo => "camera info",
            Self::DepthCameraInfo => "depth camera info",
            Self::Fingertip => "fingertip boxes",
            Self::Target => "target boxes",
            Self::TaskPrompt => "task prompt",
            Self::EpisodeSplit => "episode split",
            Self::TruthFingertip => "true fingertip",
            Self::TruthTarget => "true target",
            Self::TruthSurface => "true surface distance",
            Self::TruthCloud => "true cloud distance",
            Self::TruthDepth => "true depth image",
            Self::Instances => "instance image",
            Self::Accelerometer => "accelerometer",
            Self::Transforms => "transforms",
        }
    }

    /// As a key of the provenance and of JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Depth => "depth",
            Self::CameraInfo => "camera_info",
            Self::DepthCameraInfo => "depth_camera_info",
            Self::Fingertip => "fingertip",
            Self::Target => "target",
            Self::TaskPrompt => "task_prompt",
            Self::EpisodeSplit => "episode_split",
            Self::TruthFingertip => "truth_fingertip",
            Self::TruthTarget => "truth_target",
            Self::TruthSurface => "truth_surface",
            Self::TruthCloud => "truth_cloud",
            Self::TruthDepth => "truth_depth",
            Self::Instances => "instances",
            Self::Accelerometer => "accelerometer",
            Self::Transforms => "transforms",
        }
    }

    /// The message types that fit; empty where any does.
    pub fn types(self) -> &'static [&'static str] {
        match self {
            Self::Image => COLOR_IMAGES,
            Self::Depth | Self::TruthDepth | Self::Instances => IMAGES,
            Self::Accelerometer => &[IMU],
            Self::Transforms => &[TRANSFORMS],
            Self::CameraInfo | Self::DepthCameraInfo => &[CAMERA_INFO],
            Self::Fingertip | Self::Target => BOXES,
            Self::TaskPrompt => &[STRING],
            Self::EpisodeSplit => &[],
            Self::TruthFingertip | Self::TruthTarget => &[POINT_STAMPED],
            Self::TruthSurface | Self::TruthCloud => &[FLOAT64],
        }
    }

    /// Whether the topic has one of these types.
    pub(crate) fn fits(self, topic: &TopicInfo) -> bool {
        let types = self.types();
        types.is_empty() || types.iter().any(|wanted| is_of_type(topic, wanted))
    }
}

/// A role in JSON, by its key.
pub(crate) fn key<S: serde::Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(role.key())
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::messages::Decoder;

    #[test]
    fn a_role_takes_no_type_that_nothing_reads() {
        // given every role's types, which are told by their names alone
        for role in
            Role::ALL
                .into_iter()
                .chain([Role::TruthDepth, Role::Instances, Role::Transforms])
        {
            for type_name in role.types() {
                // when the messages of a topic of that type are to be read, then they can be
                let decoder = Decoder::for_channel(type_name, None);
                assert!(decoder.is_ok(), "{role:?}: {type_name}");
            }
        }
    }
}
