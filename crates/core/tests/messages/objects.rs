//! Objects of other types than Detection2DArray, in messages that rosbags wrote (tests/python/detectors.py says what is in
//! them).

use nalgebra::{Isometry3, Vector3};
use spatial_reward_core::frame::{BoundingBox, Distortion, Intrinsics};
use spatial_reward_core::messages::{Decoder, Detections, Place};
use spatial_reward_core::pipeline::in_space::seen;
use spatial_reward_core::settings::Region;

use crate::fixtures::fixture;

pub(crate) const TYPES: [(&str, &str); 7] = [
    ("yolo", "yolo_msgs/msg/DetectionArray"),
    ("boxes_3d", "vision_msgs/msg/Detection3DArray"),
    ("zed", "zed_msgs/msg/ObjectsStamped"),
    ("zed_pixels", "zed_msgs/msg/ObjectsStamped"),
    ("spatial", "depthai_ros_msgs/msg/SpatialDetectionArray"),
    ("april_tags", "apriltag_msgs/msg/AprilTagDetectionArray"),
    ("aruco", "aruco_opencv_msgs/msg/ArucoDetection"),
];

const CAMERA: Intrinsics = Intrinsics {
    width: 640,
    height: 480,
    fx: 600.0,
    fy: 500.0,
    cx: 320.0,
    cy: 240.0,
    distortion: Distortion::None,
};
const FINGERTIP: BoundingBox = BoundingBox {
    x_min: 200.0,
    y_min: 150.0,
    x_max: 260.0,
    y_max: 210.0,
};
const TARGET: BoundingBox = BoundingBox {
    x_min: 300.0,
    y_min: 200.0,
    x_max: 340.0,
    y_max: 260.0,
};

fn definition(name: &str) -> String {
    String::from_utf8(fixture(&format!("objects_{name}.msg"))).unwrap()
}

fn type_of(name: &str) -> &'static str {
    TYPES.iter().find(|(form, _)| *form == name).unwrap().1
}

/// The message as the bag's definition reads it, as those known read it, and both in the other byte order: all the same.
fn read(name: &str) -> Detections {
    let definition = definition(name);
    let mut all = [None, Some(definition.as_str())]
        .into_iter()
        .flat_map(|definition| {
            let decoder = Decoder::for_channel(type_of(name), definition).unwrap();
            ["", "_big_endian_cdr"].map(|order| {
                let bytes = fixture(&format!("objects_{name}{order}.cdr"));
                decoder.detections(&bytes).unwrap()
            })
        });
    let first = all.next().unwrap();
    assert!(all.all(|other| other == first), "{name}");
    assert_eq!(
        (first.stamp_nanos, first.frame_id.as_str()),
        (1_760_000_000_123_456_789, "camera")
    );
    assert!(first.nowhere.is_empty());
    first
}

/// The boxes by class, with score and track.
fn boxes(detections: &Detections) -> Vec<(&str, f64, Option<&str>, BoundingBox)> {
    let boxes = detections.boxes.iter();
    boxes
        .map(|it| {
            (
                it.class_id.as_str(),
                it.score,
                it.track_id.as_deref(),
                it.bbox,
            )
        })
        .collect()
}

#[test]
fn a_detection_in_pixels_goes_by_its_name_and_its_number() {
    let yolo = read("yolo");
    let (first, second) = (Some("12"), Some("13"));
    assert_eq!(
        boxes(&yolo),
        [
            ("fingertip", 0.75, first, FINGERTIP),
            ("3", 0.75, first, FINGERTIP),
            ("target", 0.25, second, TARGET),
            ("41", 0.25, second, TARGET),
        ]
    );
    let spatial = read("spatial");
    assert_eq!(
        boxes(&spatial),
        [
            ("fingertip", 0.75, first, FINGERTIP),
            ("target", 0.25, second, TARGET),
        ]
    );
    let zed = read("zed_pixels");
    assert_eq!(
        boxes(&zed),
        [
            ("Object", 0.75, first, FINGERTIP),
            ("fingertip", 0.75, first, FINGERTIP),
            ("Object", 0.25, second, TARGET),
            ("target", 0.25, second, TARGET),
        ]
    );
    assert!([yolo, spatial, zed].iter().all(|it| it.in_space.is_empty()));
}

#[test]
fn a_tag_is_the_box_around_its_corners() {
    assert_eq!(
        boxes(&read("april_tags")),
        [
            ("tag36h11:3", 1.0, None, FINGERTIP),
            ("3", 1.0, None, FINGERTIP),
            ("tag36h11:7", 1.0, None, TARGET),
            ("7", 1.0, None, TARGET),
        ]
    );
}

#[test]
fn a_box_in_space_is_seen_as_the_box_that_it_was_made_of() {
    // given boxes in a frame that is turned and moved against the camera's, as detectors.py does it
    let turn = nalgebra::UnitQuaternion::from_euler_angles(0.1, -0.2, 0.3);
    let from_camera = Isometry3::from_parts(Vector3::new(0.1, 0.2, 0.3).into(), turn);
    for (name, classes) in [("boxes_3d", 1), ("zed", 2)] {
        let read = read(name);
        assert!(read.boxes.is_empty());
        assert_eq!(read.in_space.len(), 2 * classes, "{name}");
        // when the camera sees them
        let seen: Vec<_> = (read.in_space.iter())
            .map(|object| {
                assert_eq!(object.frame_id, "camera");
                seen(object, &Region::default(), &from_camera.inverse(), &CAMERA)
            })
            .collect();
        // then they are the pixels' boxes, with what was said of them
        let last = seen.last().unwrap();
        assert_eq!((last.class_id.as_str(), last.score), ("target", 0.25));
        assert_eq!(last.track_id.as_deref(), Some("13"));
        for (detection, expected) in seen.iter().step_by(classes).zip([FINGERTIP, TARGET]) {
            let off = [
                detection.bbox.x_min - expected.x_min,
                detection.bbox.y_min - expected.y_min,
                detection.bbox.x_max - expected.x_max,
                detection.bbox.y_max - expected.y_max,
            ];
            assert!(off.iter().all(|px| px.abs() < 0.002), "{name}: {off:?}");
        }
    }
}

#[test]
fn a_marker_is_a_pose_without_a_size() {
    let read = read("aruco");
    let ids: Vec<_> = (read.in_space.iter())
        .map(|it| it.class_id.as_str())
        .collect();
    assert_eq!(ids, ["3", "7"]);
    assert!((read.in_space.iter()).all(|it| matches!(it.place, Place::Pose(_))));
}

#[test]
fn a_definition_that_lacks_a_field_is_refused_with_its_name() {
    for (name, field, missing) in [
        ("yolo", "score", "'detections.score'"),
        (
            "boxes_3d",
            "class_id",
            "'detections.results.hypothesis.class_id' or 'detections.results.class_id' or ",
        ),
        ("zed", "confidence", "'objects.confidence'"),
        ("spatial", "size_x", "'detections.bbox.size_x'"),
        ("april_tags", "corners", "'detections.corners'"),
        ("aruco", "marker_id", "'markers.marker_id'"),
    ] {
        // given a definition whose field is called otherwise
        let text = definition(name).replace(&format!(" {field}\n"), " other\n");
        // when it is to be read, then the type and the field are named
        let error = Decoder::for_channel(type_of(name), Some(&text)).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains(missing) && error.contains(type_of(name)),
            "{error}"
        );
    }
}

#[test]
fn a_definition_with_a_wide_string_is_refused() {
    let text = definition("yolo").replace("string class_name", "wstring class_name");
    let error = Decoder::for_channel(type_of("yolo"), Some(&text)).unwrap_err();
    assert!(error.to_string().contains("wide string"), "{error}");
}

#[test]
fn without_a_definition_what_fits_none_that_is_known_is_refused_by_name() {
    for (name, type_name) in TYPES {
        let decoder = Decoder::for_channel(type_name, None).unwrap();
        let mut bytes = fixture(&format!("objects_{name}.cdr"));
        bytes.extend([0; 16]);
        let error = decoder.detections(&bytes).unwrap_err().to_string();
        assert!(
            error.contains(type_name) && error.contains("fits none that is known"),
            "{error}"
        );
    }
}
