//! Any bytes as a message of any type, decoded in every role, pictures and depth included.
//!
//! An input is: which type (1 byte), which definition the bag has of it (1 byte: none, the right
//! one, or the input's own), the own definition if so (length as u16, text), and the message.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use spatial_reward::geometry::camera;
use spatial_reward::messages::{Decoder, Projection, step_reward};
use spatial_reward::pipeline::measure::fitted_to;
use spatial_reward_fuzz::let_decoders_panic;

macro_rules! definition {
    ($name:literal) => {
        include_str!(concat!("../../tests/fixtures/cdr/", $name, ".msg"))
    };
}

const ARRAY: &str = "vision_msgs/msg/Detection2DArray";

/// `seed.py` counts on this order.
const TYPES: [(&str, &str); 21] = [
    ("sensor_msgs/msg/Image", definition!("Image")),
    (
        "sensor_msgs/msg/CompressedImage",
        definition!("CompressedImage"),
    ),
    ("sensor_msgs/msg/CameraInfo", definition!("CameraInfo")),
    (
        "sensor_msgs/msg/RegionOfInterest",
        definition!("RegionOfInterest"),
    ),
    ("std_msgs/msg/String", definition!("String")),
    ("std_msgs/msg/Float64", definition!("Float64")),
    (
        "geometry_msgs/msg/PointStamped",
        definition!("PointStamped"),
    ),
    (step_reward::TYPE_NAME, definition!("StepReward")),
    ("tf2_msgs/msg/TFMessage", definition!("TFMessage")),
    (ARRAY, definition!("vision0")),
    (ARRAY, definition!("vision1")),
    (ARRAY, definition!("vision2")),
    (ARRAY, definition!("vision3")),
    (ARRAY, definition!("vision4")),
    (ARRAY, definition!("vision_fork")),
    ("yolo_msgs/msg/DetectionArray", definition!("objects_yolo")),
    (
        "vision_msgs/msg/Detection3DArray",
        definition!("objects_boxes_3d"),
    ),
    ("zed_msgs/msg/ObjectsStamped", definition!("objects_zed")),
    (
        "depthai_ros_msgs/msg/SpatialDetectionArray",
        definition!("objects_spatial"),
    ),
    (
        "apriltag_msgs/msg/AprilTagDetectionArray",
        definition!("objects_april_tags"),
    ),
    (
        "aruco_opencv_msgs/msg/ArucoDetection",
        definition!("objects_aruco"),
    ),
];

fuzz_target!(init: let_decoders_panic(), |input: &[u8]| {
    let [type_index, definition_index, rest @ ..] = input else {
        return;
    };
    let (type_name, right_definition) = TYPES[usize::from(*type_index) % TYPES.len()];
    let (own_definition, message);
    let definition = match definition_index % 3 {
        0 => {
            message = rest;
            None
        }
        1 => {
            message = rest;
            Some(right_definition)
        }
        _ => {
            let Some((own, rest)) = split_own_definition(rest) else {
                return;
            };
            message = rest;
            own_definition = String::from_utf8_lossy(own);
            Some(&*own_definition)
        }
    };
    if let Ok(decoder) = Decoder::for_channel(type_name, definition) {
        // The projections and units there are, by the same byte.
        let projections = [
            Projection::Unsaid,
            Projection::Raw,
            Projection::Rectified,
            Projection::RectifiedDepth,
        ];
        let turn = usize::from(definition_index / 3);
        let decoder = decoder
            .with_projection(projections[turn % projections.len()])
            .with_depth_unit_m([None, Some(0.001), Some(0.0001)][turn % 3]);
        decode_in_every_role(&decoder, message);
    }
});

fn split_own_definition(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

fn decode_in_every_role(decoder: &Decoder, message: &[u8]) {
    let _ = decoder.image_header(message);
    let _ = decoder.string(message);
    let _ = decoder.point(message);
    let _ = decoder.float64(message);
    let _ = decoder.step_reward(message);
    let _ = decoder.detections(message);
    let _ = decoder.camera_info_header(message);
    if let Ok((_, intrinsics)) = decoder.camera_info(message) {
        assert!(intrinsics.fx > 0.0 && intrinsics.fy > 0.0, "{intrinsics:?}");
        let _ = decoder.camera_info_doubt(message);
        if let Some(fitted) = fitted_to(&intrinsics, (64, 48)) {
            assert!(fitted.fx > 0.0 && fitted.fy > 0.0, "{fitted:?}");
            let _ = camera::ray(&fitted, 3.0, 47.0);
        }
    }
    if let Ok(color) = decoder.color(message) {
        let pixels = color.width as usize * color.height as usize;
        assert_eq!(color.rgb.len(), pixels * 3);
    }
    let bytes = Bytes::copy_from_slice(message);
    if let Ok(lazy) = decoder.lazy_color(&bytes)
        && let Ok(color) = lazy.pixels()
    {
        assert_eq!((color.width, color.height), (lazy.width, lazy.height));
    }
    if let Ok(depth) = decoder.depth(&bytes) {
        let depth_m = depth.to_metres();
        let pixels = depth.width as usize * depth.height as usize;
        assert_eq!(depth_m.len(), pixels);
        let is_depth = |value: &f32| value.is_nan() || (value.is_finite() && *value > 0.0);
        assert!(depth_m.iter().all(is_depth), "a depth is no distance");
        let _ = decoder.depth_doubt(message, &depth, 0.05..=20.0);
    }
}
