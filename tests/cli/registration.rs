//! Depth of a camera of its own: registered by what the bag or the settings say of the cameras, or refused.

use std::path::Path;

use serde::Serialize;
use spatial_reward::messages::{CameraInfo, Extrinsics, Header, RegionOfInterest};

use crate::fixtures::*;

/// As many letters as in the frame of all other headers.
const DEPTH_FRAME: &[u8; 6] = b"camdep";
const EXTRINSICS: &str = "realsense2_camera_msgs/msg/Extrinsics";
const DEPTH_TO_COLOR: &str = "/camera/extrinsics/depth_to_color";
const DEPTH_INFO: &str = "/camera/depth/camera_info";
/// The depth camera stands so far to the colour camera's right.
pub(crate) const ASIDE_M: f64 = 0.04;
/// Another picture than the colour image's, of another shape.
const SIZE: (u32, u32) = (212, 120);
pub(crate) const FRAMES: i64 = 12;

#[derive(Serialize)]
struct Transforms {
    transforms: Vec<(Header, String, [f64; 3], [f64; 4])>,
}

/// The transforms of /tf_static: parent, child, and where along x the child is.
pub(crate) fn transforms(of: &[(&str, &str, f64)]) -> Vec<u8> {
    let placed = |(parent, child, x): &(&str, &str, f64)| {
        let mut header = header(START);
        header.frame_id = (*parent).to_owned();
        (
            header,
            (*child).to_owned(),
            [*x, 0.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        )
    };
    cdr(&Transforms {
        transforms: of.iter().map(placed).collect(),
    })
}

/// What the depth camera aside sees of an instant.
fn depth_aside(index: i64) -> Vec<f32> {
    let Instant {
        fingertip, target, ..
    } = instant(index, FRAMES);
    let (width, height) = SIZE;
    let focal_px = FOCAL_PX * f64::from(width) / f64::from(WIDTH);
    let seen = |pixel: u32| {
        let (u, v) = (f64::from(pixel % width), f64::from(pixel / width));
        let ray = [
            (u - f64::from(width) / 2.0) / focal_px,
            (v - f64::from(height) / 2.0) / focal_px,
        ];
        // Where the colour image shows the point that the ray leads to at the objects' depth.
        let x = (ray[0] * OBJECTS_M + ASIDE_M) / OBJECTS_M * FOCAL_PX + f64::from(WIDTH) / 2.0;
        let y = ray[1] * FOCAL_PX + f64::from(HEIGHT) / 2.0;
        let hits = |b: Pixels| {
            (b[0] - 0.5..b[2] - 0.5).contains(&x) && (b[1] - 0.5..b[3] - 0.5).contains(&y)
        };
        let is_object = [fingertip, target].into_iter().flatten().any(hits);
        if is_object { OBJECTS_M } else { WALL_M }
    };
    (0..width * height)
        .map(|pixel| seen(pixel) as f32)
        .collect()
}

/// The approach with the depth of the camera aside, and without any transform.
pub(crate) fn aside() -> Recording {
    let mut recording = approach(FRAMES).without(DEPTH);
    for index in 0..FRAMES {
        let Instant {
            stamp, log_time, ..
        } = instant(index, FRAMES);
        let (width, height) = SIZE;
        let metres: Vec<u8> = (depth_aside(index).iter())
            .flat_map(|metres| metres.to_le_bytes())
            .collect();
        let depth = raw_image(stamp, "32FC1", width, height, &metres);
        recording.push(DEPTH, "sensor_msgs/msg/Image", log_time, depth);
        let info = camera_info(stamp, width, height);
        recording.push(DEPTH_INFO, "sensor_msgs/msg/CameraInfo", log_time, info);
    }
    (recording.in_frame(DEPTH, DEPTH_FRAME)).in_frame(DEPTH_INFO, DEPTH_FRAME)
}

/// The message of a RealSense's driver, whose depth camera stands aside and is turned by so much about y.
fn with_extrinsics(mut recording: Recording, topic: &str, turn: f64) -> Recording {
    let (sin, cos) = turn.sin_cos();
    // Column by column.
    let rotation = [cos, 0.0, -sin, 0.0, 1.0, 0.0, sin, 0.0, cos];
    let data = cdr(&Extrinsics {
        rotation,
        translation: [ASIDE_M, 0.0, 0.0],
    });
    recording.push(topic, EXTRINSICS, START, data);
    recording
}

pub(crate) fn with_transforms(mut recording: Recording, of: &[(&str, &str, f64)]) -> Recording {
    let data = transforms(of);
    recording.push("/tf_static", "tf2_msgs/msg/TFMessage", START, data);
    recording
}

fn label(folder: &Path, arguments: &[&str]) -> Ended {
    let begin = ["label", "pick.mcap", "-o", "out", "--overwrite"];
    run(folder, &[&begin, arguments].concat())
}

/// Reason and distance of each step.
fn labels(recording: &Recording, arguments: &[&str], settings: &str) -> Vec<(String, f64)> {
    let (_guard, folder) = folder_with(recording);
    std::fs::write(folder.join("settings.yaml"), settings).unwrap();
    let arguments = [&["--config", "settings.yaml"], arguments].concat();
    label(&folder, &arguments).expect_code(0);
    let steps = rewards(&folder.join("out")).into_iter();
    steps
        .map(|(_, step)| (step.reason, step.distance_m))
        .collect()
}

#[test]
fn depth_of_a_camera_aside_was_measured_as_if_it_were_registered() {
    // given depth of another size, from 4 cm aside, and where its camera is on /tf_static, by way of a third frame
    let chain = [
        ("mount", "camera", 0.01),
        ("mount", "camdep", 0.01 + ASIDE_M),
    ];
    let recording = with_transforms(aside(), &chain);
    // when it is labelled, then the distances are those of the gap, within what a pixel is wide
    let labels = labels(&recording, &[], "");
    assert_eq!(labels.len(), FRAMES as usize);
    for (index, (reason, distance_m)) in labels.iter().enumerate() {
        let gap_m = gap_m(index as i64, FRAMES);
        assert_eq!(reason, "");
        assert!((distance_m - gap_m).abs() < 0.006, "{gap_m} {distance_m}");
    }
}

#[test]
fn extrinsics_of_the_settings_are_as_good_as_those_of_the_bag() {
    let by_bag = labels(
        &with_transforms(aside(), &[("camera", "camdep", ASIDE_M)]),
        &[],
        "",
    );
    let settings = format!("depth: {{extrinsics: '{ASIDE_M} 0 0 0 0 0 1'}}");
    assert_eq!(labels(&aside(), &[], &settings), by_bag);
}

#[test]
fn a_driver_s_extrinsics_were_no_source_of_where_the_depth_camera_is() {
    // given no static transform, and the driver's message instead
    let recording = with_extrinsics(aside(), DEPTH_TO_COLOR, 0.01);
    let (_guard, folder) = folder_with(&recording);
    // when it is labelled, then the log says whose word it is
    let ended = label(&folder, &[]).expect_code(0);
    let words = format!("40, 0, 0 mm from the colour camera, says {DEPTH_TO_COLOR}");
    assert!(ended.stderr.contains(&words), "{}", ended.stderr);
    // and labels are those of the same pose in the settings, the turn included
    let [qy, qw] = [(0.005_f64).sin(), (0.005_f64).cos()];
    let settings = format!("depth: {{extrinsics: '{ASIDE_M} 0 0 0 {qy} 0 {qw}'}}");
    let [by_message, by_settings] = [
        labels(&recording, &[], ""),
        labels(&aside(), &[], &settings),
    ];
    assert!(by_message.iter().all(|(reason, _)| reason.is_empty()));
    for ((_, message_m), (_, settings_m)) in by_message.iter().zip(&by_settings) {
        assert!(
            (message_m - settings_m).abs() < 1e-6,
            "{message_m} {settings_m}"
        );
    }
}

#[test]
fn the_setting_counts_before_tf_static_and_that_before_the_driver() {
    let chain = [("camera", "camdep", ASIDE_M)];
    let by_tf = labels(&with_transforms(aside(), &chain), &[], "");
    // given a driver's message that is 0.3 rad off beside the transform
    let off = with_extrinsics(with_transforms(aside(), &chain), DEPTH_TO_COLOR, 0.3);
    assert_eq!(labels(&off, &[], ""), by_tf);
    // and given a transform that is off as well, beside the setting
    let broken = [("camera", "camdep", 5.0)];
    let off = with_extrinsics(with_transforms(aside(), &broken), DEPTH_TO_COLOR, 0.3);
    let settings = format!("depth: {{extrinsics: '{ASIDE_M} 0 0 0 0 0 1'}}");
    assert_eq!(labels(&off, &[], &settings), by_tf);
}

#[test]
fn extrinsics_of_another_camera_or_the_other_way_place_nothing() {
    for topic in [
        "/wrist/extrinsics/depth_to_color",
        "/camera/extrinsics/color_to_depth",
        "/camera/extrinsics/depth_to_infra1",
        "/cam/extrinsics/depth_to_color",
    ] {
        let (_guard, folder) = folder_with(&with_extrinsics(aside(), topic, 0.0));
        (label(&folder, &[]).expect_code(1)).expect_error(&["/tf_static does not tell"]);
    }
    // nor does a replay of the live node take what the node does not hear
    let recording = with_extrinsics(aside(), DEPTH_TO_COLOR, 0.0);
    let (_guard, folder) = folder_with(&recording);
    (label(&folder, &["--as-live"]).expect_code(1)).expect_error(&["/tf_static does not tell"]);
}

#[test]
fn a_driver_s_message_that_is_no_rotation_is_refused_by_name() {
    for (rotation, words) in [
        ([0.0; 9], "its matrix is no rotation"),
        (
            [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0],
            "its matrix is no rotation",
        ),
        ([f64::NAN; 9], "not finite"),
    ] {
        let mut recording = aside();
        let data = cdr(&Extrinsics {
            rotation,
            translation: [ASIDE_M, 0.0, 0.0],
        });
        recording.push(DEPTH_TO_COLOR, EXTRINSICS, START, data);
        let (_guard, folder) = folder_with(&recording);
        let words = [DEPTH_TO_COLOR, words, "depth.extrinsics"];
        label(&folder, &[]).expect_code(1).expect_error(&words);
        assert!(!folder.join("out").exists());
    }
}

#[test]
fn as_live_registers_as_the_recording_is_and_misses_what_comes_late() {
    // given what registers from the beginning, then the node's labels are the recording's
    let chain = [("camera", "camdep", ASIDE_M)];
    let recording = with_transforms(aside(), &chain);
    let as_live = labels(&recording, &["--as-live"], "");
    assert_eq!(as_live, labels(&recording, &[], ""));
    assert!(as_live.iter().all(|(reason, _)| reason.is_empty()));
    // and given a static transform that comes 0.7 s after the first image, that one has missed it
    let mut late = aside();
    let log_time = instant(0, FRAMES).log_time + 700_000_000;
    late.push(
        "/tf_static",
        "tf2_msgs/msg/TFMessage",
        log_time,
        transforms(&chain),
    );
    let as_live = labels(&late, &["--as-live"], "");
    assert_eq!(as_live[0].0, "no_depth");
    assert_eq!(as_live[FRAMES as usize - 1].0, "");
    assert!(
        labels(&late, &[], "")
            .iter()
            .all(|(reason, _)| reason.is_empty())
    );
}

#[test]
fn depth_was_registered_by_the_first_static_transform_and_frames_placed_by_the_last() {
    // given a recording that corrects where its depth camera is, with one transform that is none
    let mut recording = with_transforms(aside(), &[("camera", "camdep", 0.0)]);
    for (after, x) in [(1, f64::NAN), (2, ASIDE_M)] {
        let data = transforms(&[("camera", "camdep", x)]);
        recording.push("/tf_static", "tf2_msgs/msg/TFMessage", START + after, data);
    }
    let (_guard, folder) = folder_with(&recording);
    // when it is labelled
    let ended = label(&folder, &[]);
    // then the last one counts, and both are told
    for words in [
        "static transforms of camdep change",
        "transforms are left out",
        "not finite",
    ] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    let expected = with_transforms(aside(), &[("camera", "camdep", ASIDE_M)]);
    assert_eq!(labels(&recording, &[], ""), labels(&expected, &[], ""));
}

#[test]
fn depth_of_another_frame_is_refused_with_what_is_missing() {
    let broken = [("mount", "camera", 0.0), ("stand", "camdep", 0.0)];
    for (recording, words) in [
        (
            aside(),
            vec![
                "'camdep'",
                "/tf_static does not tell where it is",
                "--depth-registered",
            ],
        ),
        (
            with_transforms(aside(), &broken),
            vec!["stand", "mount", "depth.extrinsics"],
        ),
        (
            with_transforms(aside(), &[("camera", "camdep", ASIDE_M)]).without(DEPTH_INFO),
            vec!["no camera info of the depth", "topics.depth_camera_info"],
        ),
    ] {
        let (_guard, folder) = folder_with(&recording);
        label(&folder, &[]).expect_code(1).expect_error(&words);
        assert!(!folder.join("out").exists());
    }
}

#[test]
fn cameras_that_move_against_each_other_were_taken_to_stand_still() {
    // given the depth camera's place on /tf alone
    let mut moving = aside();
    let data = transforms(&[("camera", "camdep", ASIDE_M)]);
    moving.push("/tf", "tf2_msgs/msg/TFMessage", START, data);
    let (_guard, folder) = folder_with(&moving);
    label(&folder, &[])
        .expect_code(1)
        .expect_error(&["/tf_static does not tell", "depth.extrinsics"]);
}

#[test]
fn the_name_of_another_camera_s_depth_made_the_colour_image_rectified() {
    // given depth on a topic that is named as rectified, and a colour camera whose P is another than its K
    let mut recording = with_transforms(aside(), &[("camera", "camdep", ASIDE_M)])
        .renamed(DEPTH, "/camera/depth/image_rect_raw")
        .without(CAMERA_INFO);
    for index in 0..FRAMES {
        let Instant {
            stamp, log_time, ..
        } = instant(index, FRAMES);
        let (cx, cy) = (f64::from(WIDTH) / 2.0, f64::from(HEIGHT) / 2.0);
        let focal_px = 0.85 * FOCAL_PX;
        let info = cdr(&CameraInfo {
            header: header(stamp),
            height: HEIGHT,
            width: WIDTH,
            distortion_model: "plumb_bob".to_owned(),
            d: vec![0.0; 5],
            k: [FOCAL_PX, 0.0, cx, 0.0, FOCAL_PX, cy, 0.0, 0.0, 1.0],
            r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
            p: [
                focal_px, 0.0, cx, 0.0, 0.0, focal_px, cy, 0.0, 0.0, 0.0, 1.0, 0.0,
            ],
            binning_x: 0,
            binning_y: 0,
            roi: RegionOfInterest::default(),
        });
        recording.push(CAMERA_INFO, "sensor_msgs/msg/CameraInfo", log_time, info);
    }
    // when it is labelled, then the distances are those of K
    for (index, (_, distance_m)) in (0..).zip(labels(&recording, &[], "")) {
        let gap_m = gap_m(index, FRAMES);
        assert!((distance_m - gap_m).abs() < 0.006, "{gap_m} {distance_m}");
    }
}

#[test]
fn who_says_that_depth_is_registered_is_believed() {
    // given depth that is registered, though its headers name another frame
    let other = approach(FRAMES).in_frame(DEPTH, DEPTH_FRAME);
    let as_it_is = labels(&approach(FRAMES), &[], "");
    // when somebody says so, then it is measured as it is
    assert_eq!(labels(&other, &["--depth-registered"], ""), as_it_is);
    assert_eq!(labels(&other, &[], "depth: {registered: true}"), as_it_is);
}

#[test]
fn a_depth_camera_that_sees_another_place_measures_nothing() {
    let elsewhere = with_transforms(aside(), &[("camera", "camdep", 5.0)]);
    let (_guard, folder) = folder_with(&elsewhere);
    let ended = label(&folder, &[]).expect_code(1);
    let steps = rewards(&folder.join("out"));
    assert_eq!(steps.len(), FRAMES as usize);
    for (_, step) in steps {
        assert_eq!(step.reason, "depth_invalid");
        assert!(step.distance_m.is_nan());
    }
    // and the advice was that nothing explains it
    for words in [
        "Nothing that the depth camera sees falls into the image",
        "5000, 0, 0 mm",
        "depth.extrinsics",
    ] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[test]
fn depth_of_another_size_than_its_camera_s_was_refused_step_by_step() {
    // given depth that was halved after the camera
    let good = || with_transforms(aside(), &[("camera", "camdep", ASIDE_M)]);
    let (width, height) = (SIZE.0 / 2, SIZE.1 / 2);
    let halved = good().with_data(DEPTH, "sensor_msgs/msg/Image", |index| {
        let metres = vec![0; 4 * width as usize * height as usize];
        raw_image(
            instant(index, FRAMES).stamp,
            "32FC1",
            width,
            height,
            &metres,
        )
    });
    let (_guard, folder) = folder_with(&halved.in_frame(DEPTH, DEPTH_FRAME));
    // when it is labelled, then it is refused as a whole, with both topics
    let words = [
        DEPTH,
        "106x60",
        DEPTH_INFO,
        "212x120",
        "--depth-topic and topics.depth_camera_info",
    ];
    label(&folder, &[]).expect_code(1).expect_error(&words);
    assert!(!folder.join("out").exists());
    // and so is a data set of it, and an inspection says so
    run(&folder, &["dataset", "pick.mcap", "-o", "data"]).expect_error(&words);
    let inspected = run(&folder, &["inspect", "pick.mcap"]).expect_code(0);
    for words in ["not possible: ", "106x60", "212x120"] {
        assert!(inspected.stdout.contains(words), "{inspected}");
    }
    // and so is depth whose camera does not say its size
    let sizeless = good().with_data(DEPTH_INFO, "sensor_msgs/msg/CameraInfo", |index| {
        let (width, height) = SIZE;
        let info = camera_info(instant(index, FRAMES).stamp, width, height);
        cdr(&CameraInfo {
            width: 0,
            height: 0,
            ..from_cdr(&info)
        })
    });
    sizeless
        .in_frame(DEPTH_INFO, DEPTH_FRAME)
        .save(&folder.join("pick.mcap"));
    label(&folder, &[])
        .expect_code(1)
        .expect_error(&[DEPTH_INFO, "size of its picture"]);
}

#[test]
fn transforms_that_are_left_out_were_told_by_inspect_alone() {
    // given a static transform without a rotation before the good one
    let broken = cdr(&Transforms {
        transforms: vec![(header(START), "camdep".to_owned(), [0.0; 3], [0.0; 4])],
    });
    let mut recording = aside();
    recording.push("/tf_static", "tf2_msgs/msg/TFMessage", START, broken);
    let recording = with_transforms(recording, &[("camera", "camdep", ASIDE_M)]);
    let (_guard, folder) = folder_with(&recording);
    let ended = label(&folder, &[]).expect_code(0);
    let words = "transforms are left out: the transform of 'camdep' in 'camera' has a quaternion of length 0";
    assert!(ended.stderr.contains(words), "{ended}");
}
