//! Regions that somebody drew: a recording without one detection, in which a box around the fingertip and one around the
//! target are followed.

use std::path::{Path, PathBuf};

use serde_json::Value;
use spatial_reward::messages::StepReward;

use crate::fixtures::*;
use crate::frames::recording_of;

const STEPS: usize = 80;
/// The gripper of the sample has its opening of the approach in these steps; then it closes.
const OPEN: std::ops::RangeInclusive<usize> = 4..=50;

pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/fetch_approach")
}

/// The sample without detections as `pick.mcap`, and its steps as they are with them.
fn sample_without_boxes() -> (tempfile::TempDir, PathBuf, Vec<StepReward>) {
    let recording = recording_of(&sample()).without(FINGERTIP).without(TARGET);
    let (guard, folder) = folder_with(&recording);
    let source = sample().display().to_string();
    run(&folder, &["label", &source, "-o", "detected"]).expect_code(0);
    let detected = steps(&folder.join("detected"));
    assert_eq!(detected.len(), STEPS);
    (guard, folder, detected)
}

fn steps(labelled: &Path) -> Vec<StepReward> {
    rewards(labelled)
        .into_iter()
        .map(|(_, step)| step)
        .collect()
}

fn stamp_s(step: &StepReward) -> f64 {
    f64::from(step.header.stamp.sec) + f64::from(step.header.stamp.nanosec) * 1e-9
}

/// What draws a step's box: a region's, as somebody would type it.
fn typed(region: &str, detected: &[StepReward], index: usize) -> [String; 2] {
    let step = &detected[index];
    let [x0, y0, x1, y1] = match region {
        "fingertip" => step.fingertip_box,
        _ => step.target_box,
    };
    let at_s = stamp_s(step) - stamp_s(&detected[0]);
    [
        format!("--{region}-box"),
        format!("{x0:.0},{y0:.0},{x1:.0},{y1:.0}@{at_s:.2}"),
    ]
}

fn label(folder: &Path, drawn: &[[String; 2]], more: &[&str]) -> Ended {
    let drawn = drawn.iter().flatten().map(String::as_str);
    let arguments: Vec<&str> = ["label", "pick.mcap", "-o", "out", "--overwrite"]
        .into_iter()
        .chain(drawn)
        .chain(more.iter().copied())
        .collect();
    run(folder, &arguments)
}

#[test]
fn a_box_that_was_drawn_once_is_followed_both_ways() {
    // given boxes drawn in the middle of the approach and in the first picture
    let (_guard, folder, detected) = sample_without_boxes();
    let drawn = [
        typed("fingertip", &detected, 30),
        typed("target", &detected, 0),
    ];
    // when the recording is labelled from them
    label(&folder, &drawn, &[]).expect_code(0);
    // then nearly every step of the approach is valid, with the distances that detections give
    let followed = steps(&folder.join("out"));
    assert_eq!(followed.len(), STEPS);
    let valid: Vec<usize> = (0..STEPS).filter(|&index| followed[index].valid).collect();
    let open = valid.iter().filter(|index| OPEN.contains(index)).count();
    assert!(
        open * 10 >= OPEN.count() * 9,
        "{open} of {} are valid",
        OPEN.count()
    );
    let off_m = |index: &usize| (followed[*index].surface_m - detected[*index].surface_m).abs();
    let mut off: Vec<f64> = valid.iter().map(off_m).collect();
    off.sort_by(f64::total_cmp);
    assert!(off[off.len() / 2] < 0.003, "{}", off[off.len() / 2]);
    // and what is no longer as it was drawn is lost, not guessed at
    assert!(off[off.len() - 1] < 0.012, "{}", off[off.len() - 1]);
    for step in &followed {
        match step.valid {
            true => assert_eq!(step.fingertip_origin, "followed"),
            false => assert_eq!(
                (step.reason.as_str(), step.fingertip_origin.as_str()),
                ("lost_box", "")
            ),
        }
        assert_eq!(step.fingertip_box[0].is_nan(), !step.valid);
    }
    // and a box is as old as the time from or to its drawing
    assert_eq!(followed[30].fingertip_age_s, 0.0);
    let away_s = stamp_s(&followed[30]) - stamp_s(&followed[20]);
    assert!((followed[20].fingertip_age_s - away_s).abs() < 1e-6);
}

#[test]
fn a_lost_region_says_when_and_how_it_is_drawn_again() {
    // given a gripper that is drawn while it is closed, and opens
    let (_guard, folder, detected) = sample_without_boxes();
    let drawn = [
        typed("fingertip", &detected, 0),
        typed("target", &detected, 0),
    ];
    // when it is labelled
    let ended = label(&folder, &drawn, &["--json"]);
    // then it says from when on it is lost, of which region, and what mends it
    let told = ended.json();
    let cause = &told["bags"][0]["advice"]["causes"][0];
    assert_eq!(cause["role"], "fingertip", "{told}");
    let words = [
        "is not seen as it was drawn",
        "--fingertip-box X0,Y0,X1,Y1@SECONDS",
    ];
    assert!(
        words.iter().all(|words| ended.stderr.contains(words)),
        "{ended}"
    );
    // and it does not suspect a detector that there is not
    assert!(!ended.stderr.contains("detector answers"), "{ended}");
    // and a second drawing makes the approach valid
    let again = [
        typed("fingertip", &detected, 0),
        typed("fingertip", &detected, 10),
        typed("target", &detected, 0),
    ];
    label(&folder, &again, &[]).expect_code(0);
    let valid = steps(&folder.join("out"))
        .iter()
        .filter(|step| step.valid)
        .count();
    assert!(valid >= 45, "{valid}");
}

#[test]
fn as_live_a_region_is_followed_from_its_drawing_on() {
    // given a fingertip drawn in the tenth picture, and a target that is in one place for all of the approach
    let (_guard, folder, detected) = sample_without_boxes();
    let [x0, y0, x1, y1] = detected[0].target_box;
    let fixed = format!("{x0},{y0},{x1},{y1}");
    let drawn = [typed("fingertip", &detected, 10)];
    // when it is labelled as a node would
    label(&folder, &drawn, &["--as-live", "--target-fixed", &fixed]).expect_code(0);
    // then nothing is known before, and the same as from the whole recording after
    let live = steps(&folder.join("out"));
    assert!(
        live[..10]
            .iter()
            .all(|step| step.reason == "no_fingertip_box")
    );
    assert!(live[10..50].iter().all(|step| step.valid));
    assert!(
        live.iter()
            .all(|step| step.target_origin == "fixed" && step.target_box == [x0, y0, x1, y1])
    );
    label(&folder, &drawn, &["--target-fixed", &fixed]).expect_code(0);
    let recorded = steps(&folder.join("out"));
    for (live, recorded) in live[10..].iter().zip(&recorded[10..]) {
        assert_eq!(
            live.fingertip_box.map(f64::to_bits),
            recorded.fingertip_box.map(f64::to_bits)
        );
        assert_eq!(live.surface_m.to_bits(), recorded.surface_m.to_bits());
    }
    assert!(recorded[5..10].iter().all(|step| step.valid));
}

#[test]
fn one_region_may_be_drawn_and_the_other_detected() {
    // given a recording with detections, in which only the fingertip is drawn
    let (_guard, folder) = folder_with(&recording_of(&sample()));
    let source = sample().display().to_string();
    run(&folder, &["label", &source, "-o", "detected"]).expect_code(0);
    let detected = steps(&folder.join("detected"));
    label(&folder, &[typed("fingertip", &detected, 30)], &[]).expect_code(0);
    // then the target's boxes are the detector's
    let step = &steps(&folder.join("out"))[30];
    assert_eq!(
        (step.fingertip_origin.as_str(), step.target_origin.as_str()),
        ("followed", "seen")
    );
    assert_eq!(step.target_box, detected[30].target_box);
}

#[test]
fn boxes_that_no_picture_holds_are_refused_before_anything_is_written() {
    let (_guard, folder, detected) = sample_without_boxes();
    let target = typed("target", &detected, 0);
    for (drawn, words) in [
        (
            "700,10,720,30",
            &["700", "within the picture of 640x480"][..],
        ),
        (
            "10,10,20,20@60",
            &[
                "fingertip",
                "10,10,20,20@60",
                "after the end of the recording",
                "5.27 s",
            ],
        ),
    ] {
        let drawn = ["--fingertip-box".to_owned(), drawn.to_owned()];
        label(&folder, &[drawn, target.clone()], &[]).expect_error(words);
        assert!(!folder.join("out").exists());
    }
    // and one box around both regions is around neither
    let twice = ["--fingertip-box".to_owned(), target[1].clone()];
    label(&folder, &[twice, target.clone()], &[])
        .expect_error(&["regions.target.box", "another thing"]);
    for (arguments, words) in [
        (&["--fingertip-box", "10,10,10,30"][..], "no area"),
        (&["--fingertip-box", "10,10,20"], "is no box"),
        (
            &["--fingertip-box", "1,2,3,4", "--fingertip-fixed", "1,2,3,4"],
            "cannot be used with",
        ),
        (
            &["--target-box", "1,2,3,4", "--target-topic", "/boxes"],
            "cannot be used with",
        ),
    ] {
        let ended = run(&folder, &[&["label", "pick.mcap"], arguments].concat());
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.stderr.contains(words), "{ended}");
    }
}

#[test]
fn a_sliver_that_label_refused_was_no_obstacle_to_inspect() {
    // given a box of which one column lies within the picture, too little to be followed
    let (_guard, folder, detected) = sample_without_boxes();
    let sliver = ["--fingertip-box".to_owned(), "639,100,660,140".to_owned()];
    let drawn = [sliver, typed("target", &detected, 0)];
    let words =
        "[639, 100, 660, 140] (left, top, right, bottom, in pixels) has not two pixels each way";
    label(&folder, &drawn, &[]).expect_error(&[words]);
    // then inspect says the same
    let options = drawn.iter().flatten().map(String::as_str);
    let arguments: Vec<&str> = ["inspect", "pick.mcap"]
        .into_iter()
        .chain(options)
        .collect();
    let inspected = run(&folder, &arguments);
    assert!(inspected.stdout.contains(words), "{inspected}");
}

#[test]
fn a_fixed_box_outside_the_picture_was_labelled_without_one_valid_step() {
    // given a fixed box beyond the right edge of the picture
    let (_guard, folder, detected) = sample_without_boxes();
    let drawn = [typed("target", &detected, 0)];
    let outside = ["--fingertip-fixed", "700,10,720,30"];
    let words = [
        "the fingertip's fixed box 700,10,720,30",
        "outside the picture of 640x480 pixels",
    ];
    // then it is refused, and inspect says so
    label(&folder, &drawn, &outside).expect_error(&words);
    assert!(!folder.join("out").exists());
    let options = drawn.iter().flatten().map(String::as_str);
    let arguments: Vec<&str> = ["inspect", "pick.mcap"]
        .into_iter()
        .chain(options)
        .chain(outside)
        .collect();
    let inspected = run(&folder, &arguments);
    assert!(
        words.iter().all(|words| inspected.stdout.contains(words)),
        "{inspected}"
    );
}

#[test]
fn nothing_explained_a_fixed_box_of_few_pixels() {
    // given a fixed box of two pixels each way
    let (_guard, folder, detected) = sample_without_boxes();
    let fixed = ["--fingertip-fixed", "370,235,372,237"];
    let ended = label(&folder, &[typed("target", &detected, 0)], &fixed);
    // then the advice names how few that are
    let words = ["The boxes are 2 pixels wide", "geometry.min_pixels"];
    assert!(
        words.iter().all(|words| ended.stderr.contains(words)),
        "{ended}"
    );
}

#[test]
fn a_bag_without_detections_says_that_boxes_may_be_drawn() {
    let (_guard, folder, _) = sample_without_boxes();
    label(&folder, &[], &[]).expect_error(&[
        "--fingertip-topic",
        "--fingertip-frame",
        "--fingertip-box",
    ]);
    // and an inspection with drawn boxes finds nothing amiss
    let drawn = [
        "--fingertip-box",
        "340,220,410,258@0.4",
        "--target-fixed",
        "380,255,424,305",
    ];
    let inspected = run(
        &folder,
        &[&["inspect", "pick.mcap", "--json"], &drawn[..]].concat(),
    );
    let told: Value = inspected.json();
    assert_eq!(told["label"]["possible"], true, "{told}");
    // but for a box that no picture holds
    let late = [
        "--fingertip-box",
        "340,220,410,258@99",
        "--target-fixed",
        "380,255,424,305",
    ];
    let inspected = run(&folder, &[&["inspect", "pick.mcap"], &late[..]].concat());
    assert!(
        inspected.stdout.contains("after the end of the recording"),
        "{inspected}"
    );
}

#[test]
fn a_picture_that_does_not_decode_has_no_image_and_holds_no_drawing() {
    // given a recording in which a few pictures are cut short
    let (_guard, folder, detected) = sample_without_boxes();
    let recording = recording_of(&folder.join("pick.mcap"));
    let broken = 20..25;
    let whole = recording.of(COMPRESSED);
    let cut = recording.with_data(COMPRESSED, "sensor_msgs/msg/CompressedImage", |index| {
        let index = usize::try_from(index).unwrap();
        let data = &whole[index].data;
        match broken.contains(&index) {
            true => data[..data.len() / 2].to_vec(),
            false => data.clone(),
        }
    });
    cut.save(&folder.join("pick.mcap"));
    // when it is labelled, then these steps have no image, and those around them are followed
    let drawn = [
        typed("fingertip", &detected, 30),
        typed("target", &detected, 0),
    ];
    label(&folder, &drawn, &[]).expect_code(0);
    let followed = steps(&folder.join("out"));
    for (index, step) in followed.iter().enumerate().take(40).skip(10) {
        let expected = if broken.contains(&index) {
            "no_image"
        } else {
            ""
        };
        assert_eq!(step.reason, expected, "{index}");
    }
    // and a box that is drawn in one of them is not moved to another
    std::fs::remove_dir_all(folder.join("out")).unwrap();
    let blind = [
        typed("fingertip", &detected, 22),
        typed("target", &detected, 0),
    ];
    label(&folder, &blind, &[]).expect_error(&["cannot be decoded", "draw it in another"]);
    assert!(!folder.join("out").exists());
}
