//! Regions at TF frames: a recording without one detection, in which /tf says where fingertip and target are.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use spatial_reward::bag::BagReader;
use spatial_reward::messages::{PointStamped, StepReward, TransformStamped, Transforms};

use crate::fixtures::*;

pub(crate) const TF: &str = "/tf";
const TF_STATIC: &str = "/tf_static";
pub(crate) const TF_TYPE: &str = "tf2_msgs/msg/TFMessage";
pub(crate) const FRAMES: [&str; 4] = ["--fingertip-frame", "tip", "--target-frame", "cup"];
pub(crate) const IDENTITY: [f64; 4] = [0.0, 0.0, 0.0, 1.0];
/// A quarter turn about z.
const QUARTER: [f64; 4] = [
    0.0,
    0.0,
    std::f64::consts::FRAC_1_SQRT_2,
    std::f64::consts::FRAC_1_SQRT_2,
];

pub(crate) fn transform(
    stamp: i64,
    parent: &str,
    child: &str,
    at: [f64; 3],
    rotation: [f64; 4],
) -> Vec<u8> {
    let mut header = header(stamp);
    header.frame_id = parent.to_owned();
    cdr(&Transforms {
        transforms: vec![TransformStamped {
            header,
            child_frame_id: child.to_owned(),
            translation: at,
            rotation,
        }],
    })
}

/// A bag as a recording that can be changed.
pub(crate) fn recording_of(bag: &Path) -> Recording {
    let mut recording = Recording::default();
    let reader = BagReader::open(bag).unwrap();
    let types: Vec<(String, String)> = (reader.info().topics.iter())
        .map(|topic| (topic.name.clone(), topic.type_name.clone()))
        .collect();
    for (topic, message) in messages(bag) {
        let type_name = &types.iter().find(|(name, _)| *name == topic).unwrap().1;
        recording.push(
            &topic,
            type_name,
            message.log_time_nanos,
            message.data.to_vec(),
        );
    }
    recording
}

/// The sample without detections, in whose TF tree both true points are frames. The camera hangs turned on a mast of the
/// world, the cup stands in the world, and the tip is at the end of an arm. Transforms come long after their images.
pub(crate) fn sample_with_tf() -> Recording {
    let bag = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/fetch_approach");
    let mut recording = recording_of(&bag).without(FINGERTIP).without(TARGET);
    let points = |topic: &str| -> Vec<(i64, PointStamped)> {
        let of = recording.of(topic).into_iter();
        of.map(|message| (message.log_time, from_cdr(&message.data)))
            .collect()
    };
    // world_from_camera: a quarter turn about z, then a shift. The base is two metres above the world.
    let in_world = |[x, y, z]: [f64; 3]| [-y + 0.3, x - 0.2, z + 1.0];
    let in_base = |point: [f64; 3]| {
        let [x, y, z] = in_world(point);
        [x, y, z - 2.0]
    };
    let [tips, cups] = [
        points("/ground_truth/fingertip"),
        points("/ground_truth/target"),
    ];
    let camera = tips[0].1.header.frame_id.clone();
    let late = 3_000_000_000;
    for (log_time, point) in tips {
        let stamp = point.header.stamp_nanos();
        let data = transform(stamp, "base", "tip", in_base(point.point), QUARTER);
        recording.push(TF, TF_TYPE, log_time + late, data);
    }
    for (log_time, point) in cups {
        let stamp = point.header.stamp_nanos();
        let data = transform(stamp, "world", "cup", in_world(point.point), IDENTITY);
        recording.push("/other/tf", TF_TYPE, log_time + late, data);
    }
    let begin = recording.all()[0].log_time;
    let mast = transform(0, "world", &camera, [0.3, -0.2, 1.0], QUARTER);
    recording.push(TF_STATIC, TF_TYPE, begin + late, mast);
    let base = transform(0, "world", "base", [0.0, 0.0, 2.0], IDENTITY);
    recording.push(TF_STATIC, TF_TYPE, begin, base);
    recording
}

#[test]
fn a_recording_without_detections_is_labelled_from_tf() {
    // given the sample, once with its detections and once without them and with TF
    let (_guard, folder) = folder_with(&sample_with_tf());
    // A gripper is as wide as both fingers; a cube of 5 cm is seen over its corner.
    let sizes = ["--fingertip-size", "0.11", "--target-size", "0.065"];
    // when it is labelled from its frames
    let arguments = [&["label", "pick.mcap", "-o", "out"][..], &FRAMES, &sizes].concat();
    run(&folder, &arguments).expect_code(0);
    // then the distance between the frames is the true one, and what is measured is near it
    let truth = true_distances(&folder.join("pick.mcap"));
    let steps = rewards(&folder.join("out"));
    assert_eq!(steps.len(), truth.len());
    let mut off_m = Vec::new();
    for ((_, step), (center_m, surface_m)) in steps.iter().zip(&truth) {
        assert!(
            (step.tf_m - center_m).abs() < 1e-4,
            "{} {center_m}",
            step.tf_m
        );
        if step.valid {
            off_m.push((step.surface_m - surface_m).abs());
            assert_eq!(step.fingertip_origin, "frame");
            assert_eq!(step.target_age_s, 0.0);
        }
    }
    assert!(
        off_m.len() * 10 >= steps.len() * 9,
        "{} of {} steps are valid",
        off_m.len(),
        steps.len()
    );
    off_m.sort_by(f64::total_cmp);
    let median_m = off_m[off_m.len() / 2];
    assert!(median_m < 0.002, "{median_m}");
    // and the table has it too, beside what was measured
    let table = table_of(&folder.join("out"));
    assert!(table.contains("reward.spatial.tf_m"), "{table}");
}

/// The names of a table's columns.
fn table_of(labelled: &Path) -> String {
    let path = labelled.join("out_reward.parquet");
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr();
    let names = schema
        .columns()
        .iter()
        .map(|column| column.name().to_owned());
    names.collect::<Vec<_>>().join(" ")
}

/// The approach without detections; its bar is at a frame in the world, its block at one of the camera's mast.
pub(crate) fn approach_with_tf(count: i64) -> Recording {
    let mut recording = approach(count).without(FINGERTIP).without(TARGET);
    let at = |pixels: [f64; 4]| {
        let middle = [(pixels[0] + pixels[2]) / 2.0, (pixels[1] + pixels[3]) / 2.0];
        let from_axis = [middle[0] - 80.5, middle[1] - 60.5];
        // Both stand 0.8 m before the camera, in which a pixel is 1/150 m wide at 1 m.
        [from_axis[0] * 0.8 / 150.0, from_axis[1] * 0.8 / 150.0, 0.8]
    };
    for index in 0..count {
        let instant = instant(index, count);
        let tip = at(instant.fingertip.unwrap());
        let data = transform(instant.stamp, "world", "tip", tip, IDENTITY);
        recording.push(TF, TF_TYPE, instant.log_time, data);
    }
    let cup = at(instant(0, count).target.unwrap());
    for (child, place) in [("camera", [0.0; 3]), ("cup", cup)] {
        let data = transform(0, "world", child, place, IDENTITY);
        recording.push(TF_STATIC, TF_TYPE, START, data);
    }
    recording
}

/// Label it from its frames: how the run ended.
fn label(folder: &Path, more: &[&str]) -> Ended {
    let sizes = ["--fingertip-size", "0.1", "--target-size", "0.15"];
    let arguments = [
        &["label", "pick.mcap", "-o", "out", "--overwrite"],
        &FRAMES[..],
        &sizes,
        more,
    ];
    run(folder, &arguments.concat())
}

/// Why steps are invalid, and how many for each reason.
fn reasons(folder: &Path, more: &[&str]) -> Value {
    label(folder, &[&["--json"], more].concat()).json()["bags"][0]["invalid"].clone()
}

#[test]
fn two_frames_say_how_far_they_are_apart_and_are_truth_where_there_is_none() {
    let (_guard, folder) = folder_with(&approach_with_tf(8));
    label(&folder, &["--distance", "center"]).expect_code(0);
    for (index, (_, step)) in (0..).zip(rewards(&folder.join("out"))) {
        let between = gap_m(index, 8) + 30.0 * 0.8 / 150.0;
        assert!(
            (step.tf_m - between).abs() < 1e-9,
            "{} {between}",
            step.tf_m
        );
        assert_eq!(step.distance_kind, "center");
    }
    // given no ground truth, then what is measured is held against TF, and that is said
    let ended = run(&folder, &["evaluate", "out"]).expect_code(0);
    assert!(
        ended.stderr.contains("between the two TF frames"),
        "{ended}"
    );
    assert!(
        ended.stdout.contains("8 of 8 steps have ground truth"),
        "{ended}"
    );
    // but a surface is no distance between frames
    label(&folder, &["--distance", "surface"]).expect_code(0);
    let ended = run(&folder, &["evaluate", "out"]).expect_code(0);
    assert!(
        ended.stdout.contains("0 of 8 steps have ground truth"),
        "{ended}"
    );
}

#[test]
fn two_regions_at_one_place_are_refused() {
    let (_guard, folder) = folder_with(&approach_with_tf(2));
    let same = [
        "label",
        "pick.mcap",
        "-o",
        "out",
        "--fingertip-frame",
        "tip",
        "--target-frame",
        "/tip",
    ];
    run(&folder, &same).expect_error(&["regions.target.frame", "another frame"]);
}

#[test]
fn one_region_may_be_at_a_frame_and_the_other_have_boxes() {
    // given the detections of the target alone, once on a topic of its own, once on one with the fingertip's
    let boxes = |shared: bool| {
        let mut recording = approach_with_tf(6);
        for index in 0..6 {
            let instant = instant(index, 6);
            let target = ("target", instant.target.unwrap());
            let fingertip = ("fingertip", instant.fingertip.unwrap());
            let (topic, boxes) = match shared {
                true => ("/detections", vec![fingertip, target]),
                false => (TARGET, vec![target]),
            };
            let data = detections(instant.stamp, &boxes);
            recording.push(topic, DETECTION_TYPE, instant.log_time, data);
        }
        recording
    };
    for shared in [false, true] {
        let (_guard, folder) = folder_with(&boxes(shared));
        let arguments = [
            "label",
            "pick.mcap",
            "-o",
            "out",
            "--fingertip-frame",
            "tip",
            "--fingertip-size",
            "0.1",
        ];
        run(&folder, &arguments).expect_code(0);
        for (_, step) in rewards(&folder.join("out")) {
            assert!(step.valid, "{}", step.reason);
            let origins = (step.fingertip_origin.as_str(), step.target_origin.as_str());
            assert_eq!(origins, ("frame", "seen"));
            assert_eq!(step.target_box, [100.0, 45.0, 130.0, 75.0]);
            assert!(step.tf_m.is_nan());
        }
    }
}

#[test]
fn a_frame_that_nobody_sends_is_an_error_with_those_that_there_are() {
    let (_guard, folder) = folder_with(&approach_with_tf(3));
    let arguments = [
        "label",
        "pick.mcap",
        "--fingertip-frame",
        "tool0",
        "--target-frame",
        "cup",
    ];
    run(&folder, &arguments).expect_error(&[
        "'tool0'",
        "camera, cup, tip, world",
        "--fingertip-frame",
    ]);
    let (_guard, folder) = folder_with(&approach(3));
    run(&folder, &arguments).expect_error(&["'tool0'", "no transform at all"]);
}

#[test]
fn frames_are_listed_where_a_bag_has_no_detections() {
    let mut recording = approach_with_tf(3);
    let map = transform(0, "map", "odom", [0.0; 3], IDENTITY);
    recording.push(TF_STATIC, TF_TYPE, START, map);
    let (_guard, folder) = folder_with(&recording);
    let ended = run(&folder, &["inspect", "pick.mcap"]).expect_code(0);
    for words in [
        "camera, cup, tip, world",
        "--fingertip-frame",
        "not map: \"map\" and \"camera\" are not connected",
    ] {
        assert!(ended.stdout.contains(words), "{words}\n{ended}");
    }
    // and with the frames named, nothing stands in the way
    let ended = run(
        &folder,
        &[&["inspect", "pick.mcap", "--json"], &FRAMES[..]].concat(),
    );
    let label = &ended.json()["label"];
    assert_eq!(
        (&label["possible"], &label["complete"]),
        (&true.into(), &3.into())
    );
    // and without, the error tells the way out
    run(&folder, &["label", "pick.mcap"]).expect_error(&["--fingertip-topic", "--fingertip-frame"]);
}

#[test]
fn a_broken_chain_names_its_ends() {
    // given a camera that nobody calibrated to the robot
    let mut recording = approach_with_tf(4).without(TF_STATIC);
    for (parent, child) in [("mast", "camera"), ("world", "cup")] {
        let data = transform(0, parent, child, [0.0; 3], IDENTITY);
        recording.push(TF_STATIC, TF_TYPE, START, data);
    }
    let (_guard, folder) = folder_with(&recording);
    // when it is labelled, then no step is valid, and the missing link is told
    label(&folder, &[]).expect_code(1);
    let ended = label(&folder, &[]);
    for words in [
        "no_transform 4",
        "ends in \"world\"",
        "that of the other in \"mast\"",
    ] {
        assert!(
            ended.stderr.contains(words) || ended.stdout.contains(words),
            "{words}\n{ended}"
        );
    }
    // and the two frames are still connected with each other
    for (_, step) in rewards(&folder.join("out")) {
        assert!(step.tf_m.is_finite() && !step.valid);
    }
}

#[test]
fn a_frame_that_appears_late_costs_the_steps_before() {
    // given a tip that is sent from the fourth image on; the one before is within the limit of 0.1 s
    let (_guard, folder) = folder_with(&approach_with_tf(8).only(TF, |index| index >= 3));
    assert_eq!(
        reasons(&folder, &[]),
        serde_json::json!({"no_transform": 2})
    );
    let ages: Vec<f64> = (rewards(&folder.join("out")).iter())
        .map(|(_, step)| step.fingertip_age_s)
        .collect();
    assert!(
        ages[1].is_nan() && (ages[2] - 0.066_666_667).abs() < 1e-9 && ages[3] == 0.0,
        "{ages:?}"
    );
}

#[test]
fn frames_in_a_circle_are_named() {
    let mut recording = approach_with_tf(3).without(TF);
    for (parent, child) in [("a", "tip"), ("b", "a"), ("tip", "b")] {
        let data = transform(0, parent, child, [0.0; 3], IDENTITY);
        recording.push(TF_STATIC, TF_TYPE, START, data);
    }
    let (_guard, folder) = folder_with(&recording);
    let ended = label(&folder, &[]).expect_code(1);
    assert!(ended.stderr.contains("tip -> a -> b -> tip"), "{ended}");
}

#[test]
fn two_parents_that_contradict_each_other_are_named() {
    // given a second publisher that hangs the tip on another frame
    let mut recording = approach_with_tf(6);
    for index in 0..6 {
        let instant = instant(index, 6);
        let data = transform(instant.stamp + 1_000_000, "tool", "tip", [0.0; 3], IDENTITY);
        recording.push("/robot/tf", TF_TYPE, instant.log_time, data);
    }
    let (_guard, folder) = folder_with(&recording);
    let ended = label(&folder, &[]).expect_code(1);
    for words in [
        "no_transform 6",
        "\"tip\" has two parents",
        "\"world\"",
        "\"tool\"",
    ] {
        assert!(ended.stderr.contains(words), "{words}\n{ended}");
    }
}

#[test]
fn what_is_no_transform_is_left_out_and_told() {
    // given a quaternion without a length among the good ones
    let mut recording = approach_with_tf(4);
    let broken = transform(START + 1, "world", "tip", [5.0, 5.0, 5.0], [0.0; 4]);
    recording.push(TF, TF_TYPE, START, broken);
    recording.push(TF, TF_TYPE, START, vec![0, 1, 0, 0, 9]);
    let (_guard, folder) = folder_with(&recording);
    let ended = label(&folder, &[]).expect_code(0);
    assert!(
        ended
            .stderr
            .contains("'tip' in 'world' has a quaternion of length 0 (1 messages)"),
        "{ended}"
    );
}

#[test]
fn what_hides_a_frame_is_a_reason() {
    // given a hand that stands before the block in two images
    let recording = approach_with_tf(6);
    let hidden = approach_with(6, |index, instant| {
        if index < 2 {
            instant.depth_m.fill(0.4);
        }
    });
    let depth: Vec<Vec<u8>> = hidden.of(DEPTH).into_iter().map(|it| it.data).collect();
    let recording = recording.with_data(DEPTH, "sensor_msgs/msg/Image", |index| {
        depth[index as usize].clone()
    });
    let (_guard, folder) = folder_with(&recording);
    assert_eq!(reasons(&folder, &[]), serde_json::json!({"occluded": 2}));
}

#[test]
fn a_frame_beside_the_picture_or_behind_the_camera_is_outside() {
    for place in [[3.0, 0.0, 0.8], [0.0, 0.0, -0.8]] {
        let mut recording = approach_with_tf(3).without(TF);
        let data = transform(0, "world", "tip", place, IDENTITY);
        recording.push(TF_STATIC, TF_TYPE, START, data);
        let (_guard, folder) = folder_with(&recording);
        assert_eq!(
            reasons(&folder, &[]),
            serde_json::json!({"box_outside_image": 3})
        );
    }
}

#[test]
fn a_region_has_one_source_on_the_command_line_too() {
    let (_guard, folder) = folder_with(&approach_with_tf(3));
    label(&folder, &["--fingertip-topic", FINGERTIP]).expect_code(2);
    // given a file that names a topic, then the frame that was typed wins
    std::fs::write(folder.join("rig.yaml"), "topics: {fingertip: /nowhere}").unwrap();
    label(&folder, &["--config", "rig.yaml"]).expect_code(0);
    // and a size that says nothing of a detector's boxes is told to be so
    let (_guard, folder) = folder_with(&approach(3));
    let sized = ["label", "pick.mcap", "--fingertip-size", "0.1"];
    let ended = run(&folder, &sized).expect_code(0);
    assert!(ended.stderr.contains("regions.fingertip.size_m"), "{ended}");
}

#[test]
fn as_live_takes_the_transforms_that_the_node_would_have_had() {
    // given transforms that come with their images
    let (_guard, folder) = folder_with(&approach_with_tf(8));
    let labels = |more: &[&str]| {
        label(&folder, more).expect_code(0);
        let steps = rewards(&folder.join("out")).into_iter();
        let told = |step: StepReward| {
            (
                step.reason,
                step.fingertip_age_s,
                step.distance_m,
                step.tf_m,
            )
        };
        steps.map(|(_, step)| told(step)).collect::<Vec<_>>()
    };
    // then the node's labels are those of who reads the bag to its end before
    let as_live = labels(&["--as-live"]);
    assert_eq!(as_live, labels(&[]));
    assert!(as_live.iter().all(|(reason, ..)| reason.is_empty()));
    // and given some that come three seconds late, the node has none of them
    let (_guard, folder) = folder_with(&sample_with_tf());
    assert_eq!(
        reasons(&folder, &["--as-live"]),
        serde_json::json!({"no_transform": 80})
    );
    // and a frame that nobody sends is an error before anything is written
    let (_guard, folder) = folder_with(&approach_with_tf(3));
    let nowhere = [
        "label",
        "pick.mcap",
        "--as-live",
        "--fingertip-frame",
        "tool0",
        "--target-frame",
        "cup",
    ];
    run(&folder, &nowhere).expect_error(&["'tool0'", "camera, cup, tip, world"]);
}

#[test]
fn a_static_transform_that_changes_was_not_told() {
    let mut recording = approach_with_tf(3);
    let moved = transform(0, "world", "cup", [0.1, 0.2, 0.9], IDENTITY);
    recording.push(TF_STATIC, TF_TYPE, START + 1, moved);
    let (_guard, folder) = folder_with(&recording);
    let words = "static transforms of cup change in the recording";
    for command in ["label", "inspect"] {
        let ended = run(&folder, &[&[command, "pick.mcap"], &FRAMES[..]].concat());
        assert!(ended.stderr.contains(words), "{command}: {}", ended.stderr);
    }
}

/// The true distances of the centres and of the surfaces, in metres.
fn true_distances(bag: &Path) -> Vec<(f64, f64)> {
    let recording = recording_of(bag);
    let point = |data: &[u8]| from_cdr::<PointStamped>(data).point;
    let tips = recording.of("/ground_truth/fingertip");
    let cups = recording.of("/ground_truth/target");
    let surfaces = recording.of("/ground_truth/surface_distance");
    let distances = tips.iter().zip(&cups).zip(&surfaces);
    distances
        .map(|((tip, cup), surface)| {
            let squares =
                (point(&tip.data).into_iter().zip(point(&cup.data))).map(|(a, b)| (a - b).powi(2));
            (squares.sum::<f64>().sqrt(), from_cdr::<f64>(&surface.data))
        })
        .collect()
}
