//! Messages as the independent library rosbags serialized them (tests/fixtures/make_cdr.py) must
//! decode to what numpy and Pillow computed, and broken ones to an error that says what is wrong.

use std::path::PathBuf;

use serde::Deserialize;
use spatial_reward::frame::{BoundingBox, DistanceKind, Distortion};
use spatial_reward::messages::step_reward::{self, StepMeta};
use spatial_reward::messages::{Decoder, Detection, Header, Time};
use spatial_reward::step::{Latency, Step};

const ARRAY: &str = "vision_msgs/msg/Detection2DArray";
const IMAGE: &str = "sensor_msgs/msg/Image";

#[derive(Deserialize)]
struct Cases {
    color: Vec<Case>,
    depth: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    width: u32,
    height: u32,
    /// The largest difference of a sample, in grey levels.
    #[serde(default)]
    tolerance: u8,
}

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/cdr")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn definition(name: &str) -> String {
    String::from_utf8(fixture(&format!("{name}.msg"))).unwrap()
}

fn cases() -> Cases {
    serde_json::from_slice(&fixture("cases.json")).unwrap()
}

fn decoder(type_name: &str) -> Decoder {
    Decoder::for_channel(type_name, None).unwrap()
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
        let bytes = fixture(&format!("{}.cdr", case.name));

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
        assert_eq!(depth.depth_m.len(), expected.len(), "{}", case.name);
        for (got, wanted) in depth.depth_m.iter().zip(&expected) {
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
            .depth(&fixture(&format!("{name}.cdr")))
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
fn a_corrupt_picture_is_an_error() {
    let decoder = decoder("sensor_msgs/msg/CompressedImage");
    for name in ["jpeg", "png", "depth_16UC1_png"] {
        let mut bytes = fixture(&format!("{name}.cdr"));
        // Given a picture whose second half is overwritten
        let half = bytes.len() / 2;
        bytes[half..].fill(0x5a);
        // Then it is neither pixels nor a panic
        let result = if name.starts_with("depth") {
            decoder.depth(&bytes).map(|_| ())
        } else {
            decoder.color(&bytes).map(|_| ())
        };
        let text = result.unwrap_err().to_string();
        assert!(text.contains("is broken"), "{name}: {text}");
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
        ("vision4", ["fingertip", "hand"]),
        ("vision3", ["fingertip", "hand"]),
        ("vision2", ["fingertip", "hand"]),
        ("vision1", ["3", "4"]),
        ("vision0", ["3", "4"]),
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
                    // A detection without a hypothesis is certain and of no class.
                    ("", 1.0, BoundingBox::new(8.0, 17.0, 12.0, 23.0)),
                ]
                .map(|(class_id, score, bbox)| Detection {
                    class_id: class_id.to_owned(),
                    score,
                    bbox,
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
fn a_message_cut_anywhere_is_an_error_but_for_its_padding() {
    for (name, type_name) in every_message() {
        let decoder = decoder(&type_name);
        let bytes = fixture(&name);
        for length in 0..bytes.len().saturating_sub(8) {
            assert!(
                decode_as_anything(&decoder, &bytes[..length]),
                "{name} cut to {length} bytes"
            );
        }
    }
}

#[test]
fn a_message_with_more_than_its_type_has_is_refused() {
    for (name, type_name) in every_message() {
        let mut bytes = fixture(&name);
        bytes.extend_from_slice(&[0; 16]);
        assert!(decode_as_anything(&decoder(&type_name), &bytes), "{name}");
    }
}

#[test]
fn other_encapsulations_are_refused_by_name() {
    for (id, expected) in [
        (0x03, "PL_CDR_LE"),
        (0x07, "XCDR2"),
        (0x0b, "PL_CDR2_LE"),
        (0x77, "unknown"),
    ] {
        let mut bytes = fixture("string.cdr");
        bytes[1] = id;
        let text = decoder("std_msgs/msg/String")
            .string(&bytes)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains(expected) && text.contains("CDR_LE (0x0001)"),
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
        log_time_nanos: 7,
        frame_id: "camera".to_owned(),
        fingertip: Some(BoundingBox::new(1.0, 2.0, 3.0, 4.5)),
        target: None,
        bridged: true,
        distance_kind: DistanceKind::Surface,
        distance_m: 0.125,
        center_m: 0.25,
        surface_m: 0.125,
        cloud_m: f64::NAN,
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
    };
    let meta = StepMeta {
        reward_kind: "dense",
        estimator: "geometry",
    };

    let bytes = step_reward::encode(&step, &meta).unwrap();

    assert_eq!(bytes, fixture("step_reward.cdr"));
    let read = decoder(step_reward::TYPE_NAME).step_reward(&bytes).unwrap();
    assert_eq!((read.episode_id, read.step, read.reward), (2, 41, -0.125));
    assert!(read.valid && read.bridged && read.target_box.iter().all(|edge| edge.is_nan()));
}

#[test]
fn no_mutation_of_a_message_panics() {
    // Given every fixture, mutated by a fixed pseudo-random sequence
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize
    };
    let (mut refused, mut accepted) = (0, 0);
    for (name, type_name) in every_message() {
        let decoder = decoder(&type_name);
        let original = fixture(&name);
        for _ in 0..100 {
            let mut bytes = original.clone();
            for _ in 0..=next() % 4 {
                mutate(&mut bytes, &mut next);
            }
            // When it is decoded in every role, then it gives a value or an error
            match decode_as_anything(&decoder, &bytes) {
                true => refused += 1,
                false => accepted += 1,
            }
        }
    }
    assert!(
        refused > 500 && accepted > 500,
        "{refused} refused, {accepted} accepted"
    );
}

/// Overwrites a byte or a 32-bit length, moves a part, or cuts the end.
fn mutate(bytes: &mut Vec<u8>, next: &mut impl FnMut() -> usize) {
    if bytes.len() < 8 {
        return;
    }
    let at = next() % (bytes.len() - 4);
    match next() % 5 {
        0 => bytes[at] = next() as u8,
        1 => bytes[at] ^= 1 << (next() % 8),
        2 => {
            let lengths = [
                0,
                1,
                0x7fff_ffff,
                0x8000_0000,
                0xffff_ffff,
                100_000_000,
                next() as u32,
            ];
            let length = lengths[next() % lengths.len()];
            let word = at / 4 * 4;
            bytes[word..word + 4].copy_from_slice(&length.to_le_bytes());
        }
        3 => {
            let from = next() % bytes.len();
            bytes.extend_from_within(from..);
        }
        _ => bytes.truncate(at.max(bytes.len() / 2)),
    }
}

/// File name and type of every message of the fixtures.
fn every_message() -> Vec<(String, String)> {
    let cases = cases();
    let mut messages: Vec<(String, String)> = cases
        .color
        .into_iter()
        .chain(cases.depth)
        .map(|case| (format!("{}.cdr", case.name), case.type_name))
        .collect();
    for (name, type_name) in [
        ("camera_info", "sensor_msgs/msg/CameraInfo"),
        ("region_of_interest", "sensor_msgs/msg/RegionOfInterest"),
        ("string", "std_msgs/msg/String"),
        ("float64", "std_msgs/msg/Float64"),
        ("point", "geometry_msgs/msg/PointStamped"),
        ("step_reward", step_reward::TYPE_NAME),
        ("vision4", ARRAY),
        ("vision2", ARRAY),
        ("vision2_big_endian_cdr", ARRAY),
        ("vision1", ARRAY),
        ("vision0", ARRAY),
    ] {
        messages.push((format!("{name}.cdr"), type_name.to_owned()));
    }
    messages
}

/// Decodes in every role; true if all of them refuse the message.
fn decode_as_anything(decoder: &Decoder, bytes: &[u8]) -> bool {
    // The header alone may well decode of a message that is cut behind it.
    let _ = decoder.image_header(bytes);
    decoder.color(bytes).is_err()
        & decoder.depth(bytes).is_err()
        & decoder.camera_info(bytes).is_err()
        & decoder.detections(bytes).is_err()
        & decoder.string(bytes).is_err()
        & decoder.point(bytes).is_err()
        & decoder.float64(bytes).is_err()
        & decoder.step_reward(bytes).is_err()
}
