//! `dataset` from every source of regions and depth that `label` takes: drawn boxes, fixed ones, TF frames, a detector's own
//! picture, and depth of a camera of its own.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};
use spatial_reward::dataset::{DatasetRequest, ExtraTopics, Options, build};
use spatial_reward::estimator::{Estimators, RegionNetworks};
use spatial_reward::messages::StepReward;
use spatial_reward::settings::Config;
use spatial_reward::video::VideoDecoders;
use spatial_reward_offline::Error;

use crate::dataset::{BALL, OBJECTS, first_answer_m, provenance, rows, simulated};
use crate::drawn::sample;
use crate::fixtures::*;
use crate::frames::{self, recording_of};
use crate::registration::{self, ASIDE_M, aside, with_transforms};

/// Distances in the words of `label`, so that the first answer of each row can be read.
const DISTANCES: [&str; 4] = ["--direct", "1", "--default-wording", "1"];

/// Make a data set of `pick.mcap`: how that ended.
fn make(folder: &Path, output: &str, more: &[&str]) -> Ended {
    let begin = ["dataset", "pick.mcap", "-o", output];
    run(folder, &[&begin, &DISTANCES[..], more].concat())
}

/// The rows of a data set of `pick.mcap`.
fn made(folder: &Path, output: &str, more: &[&str]) -> Vec<Value> {
    make(folder, output, more).expect_code(0);
    rows(&folder.join(output))
}

/// The sample as `pick.mcap` without detections, and the rows that come of it with them.
fn sample_without_boxes() -> (tempfile::TempDir, std::path::PathBuf, Vec<Value>) {
    let (guard, folder) = folder_with(&recording_of(&sample()));
    let detected = made(&folder, "detected", &[]);
    let bare = recording_of(&sample()).without(FINGERTIP).without(TARGET);
    bare.save(&folder.join("pick.mcap"));
    (guard, folder, detected)
}

fn bbox(row: &Value, region: usize) -> [f64; 4] {
    serde_json::from_value(row["bbox"][region].clone()).unwrap()
}

/// What draws a region as a row has it.
fn drawn(rows: &[Value], region: usize, index: usize) -> String {
    let [x0, y0, x1, y1] = bbox(&rows[index], region);
    let stamp = |row: &Value| row["stamp_nanos"].as_i64().unwrap();
    let at_s = (stamp(&rows[index]) - stamp(&rows[0])) as f64 * 1e-9;
    format!("{x0},{y0},{x1},{y1}@{at_s:.2}")
}

/// The median and the largest of the differences that `of` finds between the rows of one stamp.
fn differences(rows: &[Value], others: &[Value], of: impl Fn(&Value, &Value) -> f64) -> [f64; 2] {
    let same = |row: &Value| {
        let other = others
            .iter()
            .find(|other| other["stamp_nanos"] == row["stamp_nanos"]);
        of(row, other.unwrap())
    };
    let mut found: Vec<f64> = rows.iter().map(same).collect();
    found.sort_by(f64::total_cmp);
    [found[found.len() / 2], found[found.len() - 1]]
}

fn sides_off_px(row: &Value, other: &Value) -> f64 {
    let sides = (0..2).flat_map(|region| {
        let sides = bbox(row, region).into_iter().zip(bbox(other, region));
        sides.map(|(a, b)| (a - b).abs())
    });
    sides.fold(0.0, f64::max)
}

fn answers_off_m(row: &Value, other: &Value) -> f64 {
    (first_answer_m(row) - first_answer_m(other)).abs()
}

/// What `label` makes of the same recording from the same regions.
fn labelled(folder: &Path, regions: &[&str]) -> Vec<StepReward> {
    let begin = ["label", "pick.mcap", "-o", "labelled", "--overwrite"];
    run(folder, &[&begin, regions].concat()).expect_code(0);
    let steps = rewards(&folder.join("labelled")).into_iter();
    steps.map(|(_, step)| step).collect()
}

/// Each row's boxes are those of its step, as far as they lie in the picture.
fn are_of_steps(rows: &[Value], steps: &[StepReward]) {
    for row in rows {
        let stamp = row["stamp_nanos"].as_i64().unwrap();
        let step = steps
            .iter()
            .find(|step| step.header.stamp_nanos() == stamp)
            .unwrap();
        for (region, expected) in [step.fingertip_box, step.target_box].iter().enumerate() {
            for (found, expected) in bbox(row, region).iter().zip(expected) {
                assert!((found - expected).abs() < 0.006, "{row} {step:?}");
            }
        }
    }
}

fn left_out(data_set: &Path) -> Value {
    provenance(data_set)["counts"]["skipped_regions"].clone()
}

#[test]
fn drawn_boxes_give_the_rows_of_detections() {
    // given the fingertip drawn in the thirtieth picture, and the target in the first
    let (_guard, folder, detected) = sample_without_boxes();
    let [fingertip, target] = [drawn(&detected, 0, 30), drawn(&detected, 1, 0)];
    let drawn = ["--fingertip-box", &fingertip, "--target-box", &target];
    // when a data set is made
    let followed = made(&folder, "followed", &drawn);
    // then there is a row for each step that label finds valid, with its boxes
    let steps = labelled(&folder, &drawn);
    let valid = steps.iter().filter(|step| step.valid).count();
    assert_eq!(followed.len(), valid);
    assert!(valid >= 45, "{valid}");
    are_of_steps(&followed, &steps);
    // and boxes and answers are nearly those of detections
    let [median_px, most_px] = differences(&followed, &detected, sides_off_px);
    assert!(median_px < 2.0 && most_px < 5.0, "{median_px} {most_px}");
    let [median_m, most_m] = differences(&followed, &detected, answers_off_m);
    assert!(median_m < 0.001 && most_m < 0.004, "{median_m} {most_m}");
    // and where it is lost, that is why
    let counts = &provenance(&folder.join("followed"))["counts"];
    assert_eq!(counts["skipped_regions"]["lost_box"], 80 - valid);
    // and frames that are not asked for are followed through all the same
    let some = made(&folder, "some", &[&drawn[..], &["--every", "7"]].concat());
    let nth = |row: &&Value| {
        row["filename"].as_str().unwrap()[12..18]
            .parse::<u64>()
            .unwrap()
            % 7
            == 0
    };
    let expected: Vec<&Value> = followed.iter().filter(nth).collect();
    assert!(expected.len() > 5);
    assert_eq!(some.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn as_live_a_region_is_followed_from_its_drawing_on() {
    // given a fingertip drawn in the tenth picture, and a target that stands in one place
    let (_guard, folder, detected) = sample_without_boxes();
    fs::write(folder.join("live.yaml"), "matching: {as_live: true}").unwrap();
    let fingertip = drawn(&detected, 0, 10);
    let [x0, y0, x1, y1] = bbox(&detected[0], 1);
    let fixed = format!("{x0},{y0},{x1},{y1}");
    let regions = ["--fingertip-box", &fingertip, "--target-fixed", &fixed];
    // when a data set is made of what a node would have
    let live = made(
        &folder,
        "live",
        &[&regions[..], &["--config", "live.yaml"]].concat(),
    );
    // then the pictures before have no fingertip, and the target is where it was said to be
    assert_eq!(left_out(&folder.join("live"))["no_fingertip_box"], 10);
    assert_eq!(live[0]["stamp_nanos"], detected[10]["stamp_nanos"]);
    assert!(live.iter().all(|row| bbox(row, 1) == [x0, y0, x1, y1]));
    // and the rest is as from the whole recording
    let recorded = made(&folder, "recorded", &regions);
    let [_, most_px] = differences(&live, &recorded, sides_off_px);
    assert!(recorded.len() > live.len() && most_px == 0.0, "{most_px}");
}

#[test]
fn fixed_boxes_give_the_rows_of_detections() {
    // given a scene in which nothing moves, with boxes and without
    let (_guard, folder) = folder_with(&approach(1));
    let detected = made(&folder, "detected", &[]);
    let bare = approach(1).without(FINGERTIP).without(TARGET);
    bare.save(&folder.join("pick.mcap"));
    // when the boxes are said to be fixed
    let fixed = [
        "--fingertip-fixed",
        "10,50,40,70",
        "--target-fixed",
        "100,45,130,75",
    ];
    // then the row is the same
    assert_eq!(made(&folder, "fixed", &fixed), detected);
}

#[test]
fn tf_frames_give_the_rows_of_detections() {
    // given the sample with TF in the place of detections
    let (_guard, folder, detected) = sample_without_boxes();
    frames::sample_with_tf().save(&folder.join("pick.mcap"));
    let sizes = ["--fingertip-size", "0.11", "--target-size", "0.065"];
    let regions = [&frames::FRAMES[..], &sizes].concat();
    // when a data set is made, though the transforms come long after their images
    let at_frames = made(&folder, "frames", &regions);
    // then there are as many rows, with the boxes of label's steps
    assert_eq!(at_frames.len(), detected.len());
    are_of_steps(&at_frames, &labelled(&folder, &regions));
    // and their answers are alike: a ball is no tight box, so its cut is another
    let middle_off_px = |row: &Value, other: &Value| {
        let middle = |[x0, y0, x1, y1]: [f64; 4]| [(x0 + x1) / 2.0, (y0 + y1) / 2.0];
        let off = (0..2).map(|region| {
            let ([ax, ay], [bx, by]) = (middle(bbox(row, region)), middle(bbox(other, region)));
            (ax - bx).hypot(ay - by)
        });
        off.fold(0.0, f64::max)
    };
    let [median_px, most_px] = differences(&at_frames, &detected, middle_off_px);
    assert!(median_px < 12.0 && most_px < 22.0, "{median_px} {most_px}");
    let [median_m, most_m] = differences(&at_frames, &detected, answers_off_m);
    assert!(median_m < 0.006 && most_m < 0.025, "{median_m} {most_m}");
}

#[test]
fn a_frame_that_is_not_known_or_hidden_is_left_out_with_its_reason() {
    let sizes = ["--fingertip-size", "0.1", "--target-size", "0.15"];
    let regions = [&frames::FRAMES[..], &sizes].concat();
    // given a tip that is sent from the fourth image on, and a hand that stands before both in the last two images
    let hidden = approach_with(8, |index, instant| {
        if index >= 6 {
            instant.depth_m.fill(0.4);
        }
    });
    let depth: Vec<Vec<u8>> = hidden.of(DEPTH).into_iter().map(|it| it.data).collect();
    let recording = frames::approach_with_tf(8)
        .only(frames::TF, |index| index >= 3)
        .with_data(DEPTH, "sensor_msgs/msg/Image", |index| {
            depth[index as usize].clone()
        });
    let (_guard, folder) = folder_with(&recording);
    // when a data set is made
    let ended = make(&folder, "data", &regions).expect_code(0);
    // then each region says why it has no place, and the log says what is missing
    let left_out = left_out(&folder.join("data"));
    assert_eq!(
        (&left_out["no_transform"], &left_out["occluded"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(rows(&folder.join("data")).len(), 4);
    assert!(
        ended
            .stderr
            .contains("where 'tip' is for the camera 'camera' is not known"),
        "{ended}"
    );
    // and a frame that nobody sends is an error with those that there are
    make(
        &folder,
        "none",
        &["--fingertip-frame", "tool0", "--target-frame", "cup"],
    )
    .expect_error(&["'tool0'", "camera, cup, tip, world", "--fingertip-frame"]);
    assert!(!folder.join("none").exists());
}

#[test]
fn what_tf_contradicts_is_no_row() {
    // given a tip that TF puts behind the wall, more than half a metre from the block, and a size that is far too large: its
    // box shows the bar before the wall, nearer to the block than the two balls allow
    let mut recording = frames::approach_with_tf(3).without(frames::TF);
    let tip = |index: i64| {
        let instant = instant(index, 3);
        let [x0, y0, x1, y1] = instant.fingertip.unwrap();
        let from_axis = [(x0 + x1) / 2.0 - 80.5, (y0 + y1) / 2.0 - 60.5];
        let at_m = 1.35;
        let place = [
            from_axis[0] * at_m / FOCAL_PX,
            from_axis[1] * at_m / FOCAL_PX,
            at_m,
        ];
        frames::transform(instant.stamp, "world", "tip", place, frames::IDENTITY)
    };
    for index in 0..3 {
        recording.push(
            frames::TF,
            frames::TF_TYPE,
            instant(index, 3).log_time,
            tip(index),
        );
    }
    let (_guard, folder) = folder_with(&recording);
    let sizes = ["--fingertip-size", "0.6", "--target-size", "0.15"];
    let regions = [&frames::FRAMES[..], &sizes].concat();
    let ended = make(&folder, "data", &regions).expect_code(1);
    let words = "frames left out: implausible_distance 3; regions left out: )";
    assert!(ended.stderr.contains(words), "{ended}");
}

#[test]
fn depth_of_a_camera_aside_gives_the_rows_of_registered_depth() {
    // given depth of another size from 4 cm aside, and where its camera is
    let (_guard, folder) = folder_with(&approach(registration::FRAMES));
    let registered = made(&folder, "registered", &[]);
    let chain = [("camera", "camdep", ASIDE_M)];
    with_transforms(aside(), &chain).save(&folder.join("pick.mcap"));
    // when a data set is made
    let aside_rows = made(&folder, "aside", &[]);
    // then the answers are alike, within what a pixel is wide, and depth is in the colour image's pixels
    assert_eq!(aside_rows.len(), registered.len());
    let [_, most_m] = differences(&aside_rows, &registered, answers_off_m);
    assert!(most_m < 0.006, "{most_m}");
    let metric = folder
        .join("aside")
        .join(aside_rows[0]["metric"].as_str().unwrap());
    let metric = image::open(metric).unwrap().into_luma16();
    assert_eq!(metric.dimensions(), (WIDTH, HEIGHT));
    assert_eq!(metric.get_pixel(115, 60).0, [800]);
    assert_eq!(metric.get_pixel(80, 20).0, [1000]);
    // and without a word of where the camera is, it is refused
    aside().save(&folder.join("pick.mcap"));
    make(&folder, "none", &[]).expect_error(&["'camdep'", "/tf_static", "--depth-registered"]);
    // but for depth that somebody says is registered
    let named = approach(registration::FRAMES).in_frame(DEPTH, b"camdep");
    named.save(&folder.join("pick.mcap"));
    assert_eq!(made(&folder, "said", &["--depth-registered"]), registered);
}

#[test]
fn as_live_frames_and_depth_are_placed_as_a_node_knows_them() {
    // given a recording whose regions are at frames, and one with depth of a camera aside; a camera's place comes late
    let sizes = ["--fingertip-size", "0.1", "--target-size", "0.15"];
    let regions = [&frames::FRAMES[..], &sizes].concat();
    let chain = [("camera", "camdep", ASIDE_M)];
    let beside = with_transforms(aside(), &chain);
    let late = 4 * PERIOD + PERIOD / 2;
    for (recording, late_topic, regions, reason) in [
        (
            frames::approach_with_tf(12),
            "/tf_static",
            &regions[..],
            "no_transform",
        ),
        (beside, "/tf_static", &[], "no_depth"),
    ] {
        let recording = recording.logged_later(late_topic, late);
        let (_guard, folder) = folder_with(&recording);
        let settings = "matching: {as_live: true, wait_s: 0.05}";
        fs::write(folder.join("live.yaml"), settings).unwrap();
        let recorded = made(&folder, "recorded", regions);
        // when data sets are made of both, of what a node would have
        let live = made(
            &folder,
            "live",
            &[regions, &["--config", "live.yaml"]].concat(),
        );
        // then what a node cannot know yet is left out, and the rest is the same
        let counts = &provenance(&folder.join("live"))["counts"];
        let lost = [
            &counts["skipped_frames"][reason],
            &counts["skipped_regions"][reason],
        ];
        assert!(
            lost.iter().any(|count| count.as_u64() > Some(0)),
            "{counts}"
        );
        assert!(
            live.len() >= 6 && live.len() < recorded.len(),
            "{}",
            live.len()
        );
        assert_eq!(live, recorded[recorded.len() - live.len()..]);
    }
}

#[test]
fn one_thing_that_two_sources_see_is_one_region() {
    // given masks and detections of everything, and a fingertip that somebody said is fixed
    let (_guard, folder) = folder_with(&simulated(1));
    let fixed = ["--fingertip-fixed", "11,51,40,70"];
    // when a data set is made
    let rows = made(&folder, "data", &fixed);
    // then the detection of the fingertip is no further region
    assert_eq!(
        rows[0]["regions"],
        json!(["fingertip", "target", "red ball"])
    );
    assert_eq!(bbox(&rows[0], 0), [11.0, 51.0, 40.0, 70.0]);
}

#[test]
fn what_else_a_detector_of_one_region_sees_was_left_out_where_the_other_was_drawn() {
    // given one topic with boxes of everything, with the numbers of their masks
    let boxes = |index: i64| {
        let instant = instant(index, 2);
        let all = [
            ("fingertip", "1", instant.fingertip.unwrap()),
            ("target", "2", instant.target.unwrap()),
            ("red ball", "3", BALL),
        ];
        identified_detections(instant.stamp, &all)
    };
    let mut recording = simulated(2);
    for topic in [FINGERTIP, TARGET, OBJECTS] {
        recording = recording.without(topic);
    }
    for index in 0..2 {
        let log_time = instant(index, 2).log_time;
        recording.push("/detections", DETECTION_TYPE, log_time, boxes(index));
    }
    let (_guard, folder) = folder_with(&recording);
    // when somebody draws the fingertip
    let rows = made(&folder, "data", &["--fingertip-box", "10,50,40,70"]);
    // then the third thing is there as it is without
    let all = json!(["fingertip", "target", "red ball"]);
    assert_eq!(rows[0]["regions"], all);
    assert_eq!(made(&folder, "detected", &[])[0]["regions"], all);
}

#[test]
fn boxes_in_a_detector_s_own_picture_were_taken_for_the_image_s() {
    // given detections in shares of the picture
    let (_guard, folder) = folder_with(&approach(4));
    let detected = made(&folder, "detected", &[]);
    let mut shares = approach(4).without(FINGERTIP).without(TARGET);
    for index in 0..4 {
        let Instant {
            stamp,
            log_time,
            fingertip,
            target,
            ..
        } = instant(index, 4);
        for (topic, class, [x0, y0, x1, y1]) in [
            (FINGERTIP, "fingertip", fingertip.unwrap()),
            (TARGET, "target", target.unwrap()),
        ] {
            let (width, height) = (f64::from(WIDTH), f64::from(HEIGHT));
            let share = [x0 / width, y0 / height, x1 / width, y1 / height];
            let data = detections(stamp, &[(class, share)]);
            shares.push(topic, DETECTION_TYPE, log_time, data);
        }
    }
    shares.save(&folder.join("pick.mcap"));
    let config = "regions: {fingertip: {picture_size: 1x1}, target: {picture_size: 1x1}}";
    fs::write(folder.join("rig.yaml"), config).unwrap();
    // when a data set is made, then its boxes are in pixels of the image
    assert_eq!(made(&folder, "shares", &["--config", "rig.yaml"]), detected);
}

#[test]
fn regions_that_no_picture_holds_or_nobody_names_are_refused() {
    let (_guard, folder, detected) = sample_without_boxes();
    let target = drawn(&detected, 1, 0);
    for (fingertip, words) in [
        ("700,10,720,30", "within the picture of 640x480"),
        ("10,10,20,20@60", "after the end of the recording"),
    ] {
        let regions = ["--fingertip-box", fingertip, "--target-box", &target];
        make(&folder, "none", &regions).expect_error(&[words]);
        assert!(!folder.join("none").exists());
    }
    // and without any the way out is told
    make(&folder, "none", &[]).expect_error(&[
        "--fingertip-topic",
        "--fingertip-frame",
        "--fingertip-box",
    ]);
    // and a region has one source
    make(
        &folder,
        "none",
        &["--fingertip-box", "1,2,3,4", "--fingertip-topic", "/boxes"],
    )
    .expect_code(2);
}

#[test]
fn a_data_set_that_was_interrupted_while_it_followed_made_the_bag_one_that_is_left_out() {
    // given boxes to follow, and that somebody has asked to stop
    let (_guard, folder, detected) = sample_without_boxes();
    let mut config = Config::default();
    config.regions.fingertip.drawn = vec![drawn(&detected, 0, 30).parse().unwrap()];
    config.regions.target.drawn = vec![drawn(&detected, 1, 0).parse().unwrap()];
    let target = folder.join("data");
    let request = DatasetRequest {
        sources: &[folder.join("pick.mcap")],
        target: &target,
        overwrite: false,
        settings: &Estimators::default().settings(config).unwrap(),
        topics: &ExtraTopics::default(),
        video: &VideoDecoders::none(),
        networks: &RegionNetworks::default(),
        options: Options {
            every: 1,
            questions: 1,
            direct: 1.0,
            default_wording: 1.0,
            seed: 0,
        },
        jobs: 1,
        command: "",
        stop: &AtomicBool::new(true),
    };
    // when it is made
    let built = build(&request, &mut |_| {});
    // then that is what is said, and nothing is left
    assert!(matches!(built, Err(Error::Interrupted { .. })), "{built:?}");
    assert_eq!(names_in(&folder), ["detected", "pick.mcap"]);
}
