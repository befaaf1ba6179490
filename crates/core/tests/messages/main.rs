//! Messages as the independent library rosbags serialized them (tests/fixtures/make_cdr.py) must
//! decode to what numpy and Pillow computed, and unfit ones to an error that says what is wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it does not expect ends with it"
)]

mod fixtures;
mod hostile;
mod objects;
mod opencv;

use fixtures::{ARRAY, IMAGE, cases, decoder, fixture};
use spatial_reward_core::frame::{
    BoundingBox, BoxOrigin, BoxSource, DistanceKind, Distortion, Doubt,
};
use spatial_reward_core::messages::step_reward::{self, StepMeta};
use spatial_reward_core::messages::{Decoder, Detection, Header, Time};
use spatial_reward_core::step::{Latency, Step};

fn definition(name: &str) -> String {
    String::from_utf8(fixture(&format!("{name}.msg"))).unwrap()
}

fn header() -> Header {
    Header {
        stamp: Time {
            sec: 1_760_000_000,
            nanosec: 123_456_789,
        },
        frame_id: "camera".to_owned(),
    }
}

#[test]
fn every_colour_encoding_decodes_to_the_expected_pixels() {
    for case in cases().color {
        let decoder = decoder(&case.type_name);
        let bytes = fixture(&format!("{}.cdr", case.name));

        let color = decoder.color(&bytes).unwrap();

        assert_eq!(
            (color.width, color.height),
            (case.width, case.height),
            "{}",
            case.name
        );
        let expected = fixture(&format!("{}.rgb", case.name));
        assert_eq!(color.rgb.len(), expected.len(), "{}", case.name);
        let worst = color
            .rgb
            .iter()
            .zip(&expected)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(
            worst <= Some(case.tolerance),
            "{}: off by {worst:?}",
            case.name
        );
        assert_eq!(
            decoder.image_header(&bytes).unwrap(),
            header(),
            "{}",
            case.name
        );
    }
}

#[test]
fn every_depth_encoding_decodes_to_the_expected_metres() {
    for case in cases().depth {
        let decoder = decoder(&case.type_name);
        let bytes = fixture(&format!("{}.cdr", case.name)).into();

        let depth = decoder.depth(&bytes).unwrap();

        assert_eq!(
            (depth.width, depth.height),
            (case.width, case.height),
            "{}",
            case.name
        );
        let expected: Vec<f32> = fixture(&format!("{}.f32", case.name))
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        assert!(
            expected.iter().any(|metres| metres.is_nan()),
            "{}",
            case.name
        );
        let depth_m = depth.to_metres();
        assert_eq!(depth_m.len(), expected.len(), "{}", case.name);
        for (got, wanted) in depth_m.iter().zip(&expected) {
            let same = got == wanted || (got.is_nan() && wanted.is_nan());
            assert!(same, "{}: {got} instead of {wanted}", case.name);
        }
    }
}

#[test]
fn a_colour_picture_is_no_depth_and_depth_is_no_colour_picture() {
    for (name, type_name, expected) in [
        ("rgb8", IMAGE, "'rgb8' cannot be read as a depth image"),
        (
            "jpeg",
            "sensor_msgs/msg/CompressedImage",
            "'bgr8; jpeg compressed bgr8' cannot be read as a depth image",
        ),
        (
            "png",
            "sensor_msgs/msg/CompressedImage",
            "depth needs a grey PNG of 16 bits",
        ),
    ] {
        let error = decoder(type_name)
            .depth(&fixture(&format!("{name}.cdr")).into())
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    for (name, type_name) in [
        ("depth_16UC1", IMAGE),
        ("depth_16UC1_rvl", "sensor_msgs/msg/CompressedImage"),
    ] {
        let error = decoder(type_name)
            .color(&fixture(&format!("{name}.cdr")))
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("cannot be read as a colour image; supported: rgb8"),
            "{text}"
        );
    }
}

#[test]
fn camera_info_gives_the_published_image_s_intrinsics() {
    for name in ["camera_info", "camera_info_big_endian_cdr"] {
        let decoder = Decoder::for_channel(
            "sensor_msgs/msg/CameraInfo",
            Some(&definition("CameraInfo")),
        )
        .unwrap();

        let (got, camera) = decoder
            .camera_info(&fixture(&format!("{name}.cdr")))
            .unwrap();

        // The fixture's region of interest begins at 16, 8; its binning is 2 x 1.
        assert_eq!(got, header());
        assert_eq!((camera.width, camera.height), (300, 400));
        assert_eq!((camera.fx, camera.fy), (300.25, 601.5));
        assert_eq!((camera.cx, camera.cy), (151.75, 231.5));
        assert_eq!(
            camera.distortion,
            Distortion::BrownConrady([0.1, -0.2, 0.001, -0.002, 0.05, 0.0, 0.0, 0.0])
        );
    }
}

#[test]
fn small_messages_decode() {
    let string = decoder("std_msgs/msg/String").string(&fixture("string.cdr"));
    assert_eq!(string.unwrap(), "öffne die Schublade");
    let number = decoder("std_msgs/msg/Float64").float64(&fixture("float64.cdr"));
    assert_eq!(number.unwrap(), -0.125);
    let point = decoder("geometry_msgs/msg/PointStamped")
        .point(&fixture("point.cdr"))
        .unwrap();
    assert_eq!((point.header, point.point), (header(), [0.1, -0.2, 0.75]));
    let region = decoder("sensor_msgs/msg/RegionOfInterest")
        .detections(&fixture("region_of_interest.cdr"))
        .unwrap();
    assert_eq!(
        region.boxes[0].bbox,
        BoundingBox::new(10.0, 20.0, 40.0, 60.0)
    );
}

#[test]
fn every_release_of_vision_msgs_decodes_with_and_without_its_definition() {
    for (version, classes) in [
        ("vision4", ["fingertip", "hand", "track 1"]),
        ("vision3", ["fingertip", "hand", "track 1"]),
        ("vision2", ["fingertip", "hand", ""]),
        ("vision1", ["3", "4", ""]),
        ("vision0", ["3", "4", ""]),
    ] {
        for definition in [None, Some(definition(version))] {
            for byte_order in ["", "_big_endian_cdr"] {
                let decoder = Decoder::for_channel(ARRAY, definition.as_deref()).unwrap();

                let got = decoder
                    .detections(&fixture(&format!("{version}{byte_order}.cdr")))
                    .unwrap();

                assert_eq!(got.stamp_nanos, header().stamp_nanos());
                assert_eq!(got.frame_id, "camera");
                let wide = BoundingBox::new(90.0, 45.0, 110.0, 55.0);
                let expected = [
                    (classes[0], 0.75, wide),
                    (classes[1], 0.25, wide),
                    // A detection without a hypothesis is certain, and its class is its id if it has one.
                    (classes[2], 1.0, BoundingBox::new(8.0, 17.0, 12.0, 23.0)),
                ]
                .map(|(class_id, score, bbox)| Detection {
                    class_id: class_id.to_owned(),
                    score,
                    bbox,
                    track_id: None,
                    mask: None,
                });
                assert_eq!(got.boxes, expected, "{version} {definition:?}");
            }
        }
    }
}

#[test]
fn an_unknown_vision_msgs_is_refused_by_name() {
    // Given a detector's fork with scores in single precision
    let text = Decoder::for_channel(ARRAY, Some(&definition("vision_fork")))
        .unwrap_err()
        .to_string();
    // Then its definition tells what differs
    assert!(
        text.contains(ARRAY)
            && text.contains("'float32 detections[].results[].hypothesis.score' where 'float64 "),
        "{text}"
    );
    // And without it the bytes do
    let text = decoder(ARRAY)
        .detections(&fixture("vision_fork.cdr"))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains(ARRAY) && text.contains("fits none of vision_msgs 0 to 4"),
        "{text}"
    );
}

#[test]
fn a_definition_chooses_the_layout_even_if_the_bytes_disagree() {
    let decoder = Decoder::for_channel(ARRAY, Some(&definition("vision4"))).unwrap();
    assert!(decoder.detections(&fixture("vision2.cdr")).is_err());
}

#[test]
fn definitions_written_by_others_are_recognised() {
    for (type_name, name) in [
        (IMAGE, "Image"),
        ("sensor_msgs/Image", "Image"),
        ("sensor_msgs/msg/CompressedImage", "CompressedImage"),
        ("sensor_msgs/msg/CameraInfo", "CameraInfo"),
        ("sensor_msgs/msg/RegionOfInterest", "RegionOfInterest"),
        ("geometry_msgs/msg/PointStamped", "PointStamped"),
        ("std_msgs/msg/Float64", "Float64"),
        ("std_msgs/msg/String", "String"),
        (step_reward::TYPE_NAME, "StepReward"),
    ] {
        Decoder::for_channel(type_name, Some(&definition(name))).unwrap();
        // And a field too much is refused by name
        let more = definition(name).replacen("===", "bool unheard_of\n===", 1);
        let more = if more.contains("unheard_of") {
            more
        } else {
            more + "bool unheard_of\n"
        };
        let text = Decoder::for_channel(type_name, Some(&more))
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(type_name) && text.contains("bool unheard_of"),
            "{text}"
        );
    }
}

#[test]
fn the_wrong_message_for_a_role_is_an_error() {
    let text = decoder("std_msgs/msg/String")
        .color(&fixture("string.cdr"))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("std_msgs/msg/String: this type is not an image"),
        "{text}"
    );
}

#[test]
fn a_step_is_encoded_as_rosbags_encodes_it() {
    let step = Step {
        index: 99,
        episode: 2,
        frame: 41,
        stamp_nanos: header().stamp_nanos(),
        timeline_nanos: 8,
        log_time_nanos: 7,
        frame_id: "camera".to_owned(),
        fingertip: Some(BoundingBox::new(1.0, 2.0, 3.0, 4.5)),
        target: None,
        fingertip_source: Some(BoxSource {
            origin: BoxOrigin::Bridged,
            age_s: 0.25,
            doubt: Doubt::default(),
        }),
        target_source: None,
        distance_kind: DistanceKind::Surface,
        distance_m: 0.125,
        distance_std_m: 0.0078125,
        center_m: 0.25,
        center_std_m: 0.03125,
        surface_m: 0.125,
        surface_std_m: 0.0078125,
        cloud_m: f64::NAN,
        cloud_std_m: f64::NAN,
        tf_m: 0.375,
        reward: -0.125,
        shaped_reward: 0.5,
        potential: -0.125,
        confidence: 0.75,
        reason: None,
        success: false,
        terminated: false,
        answer: "12 cm".to_owned(),
        latency: Latency {
            decode_s: 0.001,
            estimate_s: 0.002,
            total_s: 0.004,
        },
        task: None,
    };
    let meta = StepMeta {
        reward_kind: "dense",
        estimator: "geometry",
    };

    let bytes = step_reward::encode(&step, &meta).unwrap();

    assert_eq!(bytes, fixture("step_reward.cdr"));
    let read = decoder(step_reward::TYPE_NAME).step_reward(&bytes).unwrap();
    assert_eq!((read.episode_id, read.step, read.reward), (2, 41, -0.125));
    assert_eq!(read.tf_m, 0.375);
    assert!(read.valid && read.bridged && read.target_box.iter().all(|edge| edge.is_nan()));
    assert_eq!(
        (read.distance_std_m, read.center_std_m),
        (0.0078125, 0.03125)
    );
}

#[test]
fn a_step_from_before_tf_frames_is_read_with_nan_in_that_place() {
    let bytes = fixture("step_reward_before_tf.cdr");
    let by_definition = definition("StepRewardBeforeTf");
    for known in [Some(by_definition.as_str()), None] {
        let decoder = Decoder::for_channel(step_reward::TYPE_NAME, known).unwrap();
        let read = decoder.step_reward(&bytes).unwrap();
        assert!(read.tf_m.is_nan());
        assert_eq!((read.center_std_m, read.latency_total_s), (0.03125, 0.004));
    }
}

#[test]
fn transforms_are_read_as_rosbags_writes_them() {
    let bytes = fixture("transforms.cdr");
    let by_definition = definition("TFMessage");
    for known in [Some(by_definition.as_str()), None] {
        let decoder = Decoder::for_channel("tf2_msgs/msg/TFMessage", known).unwrap();
        let read = decoder.transforms(&bytes).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].header, header());
        assert_eq!(read[1].child_frame_id, "/cup");
        assert_eq!(read[1].translation, [0.5, -0.25, 1.0]);
        assert_eq!(read[1].rotation, [0.0, 0.0, 0.5, 0.75]);
    }
}

#[test]
fn a_step_from_before_standard_deviations_is_read_with_nan_in_their_places() {
    let bytes = fixture("step_reward_before_std.cdr");
    let by_definition = definition("StepRewardBeforeStd");
    // given a bag with the earlier definition, and one that has none
    for known in [Some(by_definition.as_str()), None] {
        let decoder = Decoder::for_channel(step_reward::TYPE_NAME, known).unwrap();

        let read = decoder.step_reward(&bytes).unwrap();

        // then what stands around the missing fields is where it belongs
        assert_eq!((read.distance_m, read.center_m), (0.125, 0.25));
        assert_eq!((read.surface_m, read.reward), (0.125, -0.125));
        assert_eq!(
            (read.answer.as_str(), read.fingertip_origin.as_str()),
            ("12 cm", "bridged")
        );
        assert_eq!(read.latency_total_s, 0.004);
        for std_m in [
            read.distance_std_m,
            read.center_std_m,
            read.surface_std_m,
            read.cloud_std_m,
        ] {
            assert!(std_m.is_nan());
        }
    }
    // and the newest layout is never read as the earlier one
    let newest = fixture("step_reward.cdr");
    let earlier = Decoder::for_channel(step_reward::TYPE_NAME, Some(&by_definition)).unwrap();
    assert!(earlier.step_reward(&newest).is_err());
}
