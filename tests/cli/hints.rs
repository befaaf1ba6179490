//! What is said of a bag whose steps cannot be measured: the reason, what is behind it in this bag, and the setting that
//! mends it. And what it means for the exit code.

use serde_json::Value;

use crate::fixtures::*;

const FRAMES: i64 = 12;
const MS: i64 = 1_000_000;
const LABEL: [&str; 5] = ["label", "pick.mcap", "-o", "out", "--json"];

/// Label a recording of which nothing can be measured: what is said, and the bag's JSON.
#[track_caller]
fn said_of(recording: &Recording, reason: &str) -> (String, Value) {
    let (_guard, folder) = folder_with(recording);
    let ended = run(&folder, &LABEL).expect_code(1);
    let bag = ended.json()["bags"][0].clone();
    assert_eq!(bag["status"], "no_valid_step", "{ended}");
    assert_eq!(bag["invalid"][reason], FRAMES, "{ended}");
    assert_eq!(bag["advice"]["reason"], reason, "{ended}");
    assert!(
        ended
            .stderr
            .contains(&format!("not one of {FRAMES} steps is valid")),
        "{ended}"
    );
    // The output is written all the same.
    assert_eq!(rewards(&folder.join("out")).len(), FRAMES as usize);
    (ended.stderr, bag["advice"].clone())
}

#[track_caller]
fn expect_words(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "'{word}' is not said: {said}");
    }
    if !words.iter().any(|word| word.contains("class")) {
        assert!(!said.contains("class"), "it speaks of classes: {said}");
    }
}

/// An approach whose depth lies this much beside its images.
fn depth_apart(nanos: impl Fn(i64) -> i64) -> Recording {
    approach(FRAMES).with_data(DEPTH, "sensor_msgs/msg/Image", |index| {
        let stamp = START + index * PERIOD + nanos(index);
        depth_image(stamp, &instant(index, FRAMES).depth_m)
    })
}

/// An approach whose boxes of one topic are changed, and stamped later.
fn boxes(topic: &str, nanos: i64, change: impl Fn(Pixels) -> Pixels) -> Recording {
    approach(FRAMES).with_data(topic, DETECTION_TYPE, |index| {
        let instant = instant(index, FRAMES);
        let (class, bbox) = match topic {
            FINGERTIP => ("fingertip", instant.fingertip),
            _ => ("target", instant.target),
        };
        detections(instant.stamp + nanos, &[(class, change(bbox.unwrap()))])
    })
}

#[test]
fn depth_in_millimetres_of_floats_was_told_to_be_a_matter_of_classes() {
    let recording = approach_with(FRAMES, |_, instant| {
        instant
            .depth_m
            .iter_mut()
            .for_each(|depth| *depth *= 1000.0);
    });
    let (said, advice) = said_of(&recording, "depth_invalid");
    expect_words(
        &said,
        &["depth_invalid 12", "millimetres", "topics.depth_unit_m"],
    );
    assert_eq!(advice["causes"][0]["cause"], "depth_unit");
    assert_eq!(advice["causes"][0]["settings"][0], "topics.depth_unit_m");
    let median = advice["causes"][0]["range_m"][1].as_f64().unwrap();
    assert!((800.0..=1000.0).contains(&median), "{advice}");
}

#[test]
fn depth_beyond_what_is_measured_is_told_with_its_range() {
    let recording = approach_with(FRAMES, |_, instant| {
        instant.depth_m.iter_mut().for_each(|depth| *depth *= 30.0);
    });
    let (said, advice) = said_of(&recording, "depth_invalid");
    expect_words(&said, &["24.00 to 30.00 m", "geometry.max_depth_m"]);
    assert_eq!(advice["causes"][0]["cause"], "depth_range");
}

#[test]
fn depth_full_of_holes_is_told_with_their_share() {
    let recording = approach_with(FRAMES, |_, instant| instant.depth_m.fill(f32::NAN));
    let (said, _) = said_of(&recording, "depth_invalid");
    expect_words(&said, &["Only 0 % of the depth image has a measurement"]);
}

#[test]
fn depth_stamped_beside_its_images_is_told_with_the_offset_and_the_tolerance() {
    let (said, advice) = said_of(&depth_apart(|_| 25 * MS), "no_depth");
    expect_words(&said, &["25 ms after", "20 ms", "matching.tolerance_s"]);
    let offset = advice["causes"][0]["median_s"].as_f64().unwrap();
    assert!((offset - 0.025).abs() < 1e-6, "{advice}");
    // and before them, here and there
    let (said, _) = said_of(&depth_apart(|index| -(25 + index % 2 * 5) * MS), "no_depth");
    expect_words(&said, &["before the nearest image", "matching.tolerance_s"]);
}

#[test]
fn boxes_stamped_with_a_steady_delay_are_told_with_the_delay() {
    let late = boxes(TARGET, 30 * MS, |bbox| bbox);
    // Only the nearest image's box counts, so that a box of the image before is none.
    let recording = late;
    let (_guard, folder) = folder_with(&recording);
    std::fs::write(folder.join("rig.yaml"), "matching: {box_max_age_s: 0.0}\n").unwrap();
    let ended = run(&folder, &[&LABEL[..], &["--config", "rig.yaml"]].concat()).expect_code(1);
    expect_words(
        &ended.stderr,
        &[
            "target boxes",
            "30 ms after",
            "regions.target.delay_s",
            "0.030",
        ],
    );
}

/// Label an approach whose target boxes are stamped and logged so much later, the first and last of them left out; the
/// delays that the summary tells, and the log.
fn delays(nanos: i64, log_nanos: i64, cut: i64, config: &str) -> (Value, String) {
    let all = boxes(TARGET, nanos, |bbox| bbox).logged_later(TARGET, log_nanos);
    let of_whole_images = |index: i64| (cut..FRAMES - cut).contains(&index);
    let recording = all.only(TARGET, of_whole_images);
    let (_guard, folder) = folder_with(&recording);
    std::fs::write(folder.join("rig.yaml"), config).unwrap();
    let ended = run(&folder, &[&LABEL[..], &["--config", "rig.yaml"]].concat()).expect_code(0);
    (ended.json()["bags"][0]["delays"].clone(), ended.stderr)
}

#[test]
fn a_steady_delay_of_boxes_was_not_told_while_steps_are_valid() {
    let period_s = PERIOD as f64 / 1e9;
    // given boxes that are stamped so much later than their images; whole periods too
    for nanos in [20 * MS, PERIOD, PERIOD * 3 / 2, 230 * MS] {
        // when they are labelled
        let (delays, said) = delays(nanos, nanos, 0, "{}");
        // then the delay is told, with the setting that takes it off, for they begin and end so much later
        let delay_s = nanos as f64 / 1e9;
        let told = delays[0]["delay_s"].as_f64().unwrap();
        assert!((told - delay_s).abs() < 1e-6, "{delays} for {delay_s}");
        // (within a period, a recording that went on before and after would begin and end alike)
        assert_eq!(delays[0]["is_certain"], nanos >= PERIOD, "{delays}");
        assert_eq!(delays[0]["settings"][0], "regions.target.delay_s");
        assert_eq!(delays.as_array().unwrap().len(), 1, "{delays}");
        let setting = format!("regions.target.delay_s to {delay_s:.3}");
        expect_words(&said, &["The target boxes are stamped", &setting]);
        // and with the setting there is nothing to tell
        let set = format!("regions: {{target: {{delay_s: {told}}}}}\n");
        let (delays, said) = self::delays(nanos, nanos, 0, &set);
        assert_eq!(delays, Value::Array(Vec::new()), "{said}");
    }
    // Where they begin late and end early, stamps tell the delay but for whole periods; and so it says.
    let (delays, said) = delays(PERIOD + 20 * MS, PERIOD + 20 * MS, 3, "{}");
    let told = delays[0]["delay_s"].as_f64().unwrap();
    assert!((told - 0.02).abs() < 1e-6, "{delays}");
    assert_eq!(delays[0]["is_certain"], false, "{delays}");
    let period = format!("or {:.0} ms later", 1e3 * period_s);
    expect_words(&said, &[&period, "more by"]);
    // Stamps that lie beyond what was logged tell the least that it can be.
    let (delays, _) = self::delays(PERIOD + 20 * MS, 0, 3, "{}");
    let told = delays[0]["delay_s"].as_f64().unwrap();
    assert!((told - 0.02 - period_s).abs() < 1e-6, "{delays}");
}

#[test]
fn boxes_that_jitter_or_come_at_their_own_pace_have_no_delay() {
    for jitter in [[0, 0, 0], [4, -4, 0], [-8, 3, 8]] {
        let recording = approach(FRAMES).with_data(TARGET, DETECTION_TYPE, |index| {
            let instant = instant(index, FRAMES);
            let stamp = instant.stamp + jitter[index as usize % 3] * MS;
            detections(stamp, &[("target", instant.target.unwrap())])
        });
        let (_guard, folder) = folder_with(&recording);
        let ended = run(&folder, &LABEL).expect_code(0);
        let delays = &ended.json()["bags"][0]["delays"];
        assert_eq!(*delays, Value::Array(Vec::new()), "{jitter:?}");
    }
}

#[test]
fn boxes_in_shares_of_the_picture_are_told_to_be_so() {
    let normal = |[left, top, right, bottom]: Pixels| {
        let (width, height) = (f64::from(WIDTH), f64::from(HEIGHT));
        [left / width, top / height, right / width, bottom / height]
    };
    let (_guard, folder) = folder_with(&boxes(TARGET, 0, normal));
    let ended = run(&folder, &LABEL).expect_code(1);
    expect_words(
        &ended.stderr,
        &[
            "100 % of the target boxes",
            "within 0 to 1",
            "regions.target.picture_size",
        ],
    );
}

#[test]
fn boxes_of_a_larger_picture_are_told_with_their_reach() {
    let far = |bbox: Pixels| bbox.map(|edge| edge + 400.0);
    let (said, _) = said_of(&boxes(FINGERTIP, 0, far), "box_outside_image");
    expect_words(
        &said,
        &[
            "100 % of the fingertip boxes",
            "160x120",
            "regions.fingertip.picture_size",
        ],
    );
}

#[test]
fn boxes_that_are_no_numbers_were_told_to_be_of_another_picture() {
    for (corner, name) in [(f64::NAN, "NaN"), (f64::INFINITY, "infinite")] {
        let nowhere = |bbox: Pixels| [bbox[0], bbox[1], corner, bbox[3]];
        let (said, _) = said_of(&boxes(FINGERTIP, 0, nowhere), "box_outside_image");
        expect_words(
            &said,
            &["100 % of the fingertip boxes", name, "the detector"],
        );
        assert!(!said.contains("picture_size"), "{said}");
    }
}

#[test]
fn boxes_of_another_class_are_told_with_both() {
    let (_guard, folder) = folder_with(&approach(FRAMES));
    let ended = run(
        &folder,
        &[&LABEL[..], &["--fingertip-class", "gripper"]].concat(),
    );
    expect_words(
        &ended.expect_code(1).stderr,
        &["classes [fingertip], and [gripper]", "--fingertip-class"],
    );
}

#[test]
fn boxes_below_the_least_score_are_told_with_the_best() {
    let (_guard, folder) = folder_with(&approach(FRAMES));
    std::fs::write(folder.join("rig.yaml"), "matching: {min_score: 0.95}\n").unwrap();
    let ended = run(&folder, &[&LABEL[..], &["--config", "rig.yaml"]].concat());
    expect_words(
        &ended.expect_code(1).stderr,
        &["score below 0.95", "the best is 0.90", "matching.min_score"],
    );
}

#[test]
fn a_detector_that_saw_nothing_is_told_to_have() {
    let recording = approach_with(FRAMES, |_, instant| instant.target = None);
    let (said, _) = said_of(&recording, "no_target_box");
    expect_words(
        &said,
        &["nothing in 12 of 12 messages with the target boxes"],
    );
}

/// What is said of a recording of which some steps cannot be measured.
#[track_caller]
fn said_of_some(recording: &Recording, words: &[&str]) {
    let (_guard, folder) = folder_with(recording);
    let ended = run(&folder, &LABEL).expect_code(0);
    expect_words(&ended.stderr, &["of 24 steps are invalid, most with"]);
    expect_words(&ended.stderr, words);
    assert!(!ended.stderr.contains("Nothing that"), "{ended}");
}

#[test]
fn what_fails_here_and_there_was_not_explained() {
    let frames = 24;
    // a detector that sees nothing in a third of its messages, too many in a row to lie between two boxes
    let recording = approach_with(frames, |index, instant| {
        if index >= 2 * frames / 3 {
            instant.target = None;
        }
    });
    said_of_some(
        &recording,
        &[
            "no_target_box",
            "nothing in 8 of 24 messages with the target boxes",
        ],
    );
    // depth at a third of the images' rate
    let recording = approach(frames).only(DEPTH, |index| index % 3 == 0);
    said_of_some(
        &recording,
        &[
            "no_depth",
            "depth images come every 0.200 s and the images every 0.067 s",
        ],
    );
    // a clock that leaps for single images
    let leaps = |index, stamp| stamp - 5_000 * MS * i64::from(index % 6 == 5);
    let recording = approach(frames).with_image_stamps(leaps);
    said_of_some(&recording, &["wild_stamp", "more than a second off"]);
}

#[test]
fn many_invalid_steps_among_valid_ones_get_a_word_and_few_get_none() {
    let invalid = |share: i64| {
        let recording = approach_with(FRAMES, |index, instant| {
            if index < FRAMES * share / 100 {
                instant.target = None;
            }
        });
        let (_guard, folder) = folder_with(&recording);
        run(&folder, &LABEL).expect_code(0)
    };
    let many = invalid(50);
    expect_words(
        &many.stderr,
        &["6 of 12 steps are invalid, most with no_target_box (6)"],
    );
    assert_eq!(many.json()["bags"][0]["status"], "labelled");
    let few = invalid(9);
    assert!(!few.stderr.contains("steps are invalid"), "{few}");
    assert_eq!(few.json()["bags"][0]["advice"], Value::Null);
}

#[test]
fn a_bag_without_a_valid_step_was_a_success_and_resume_still_takes_it_as_finished() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    approach(FRAMES).save(&at.join("bags/a.mcap"));
    for name in ["b", "c"] {
        let useless = approach_with(FRAMES, |_, instant| instant.target = None);
        useless.save(&at.join(format!("bags/{name}.mcap")));
    }
    // when a run has bags with and without rewards
    let label = ["label", "bags", "-o", "out", "--json"];
    let ended = run(at, &label).expect_code(1);
    // then each useless one is told of
    assert_eq!(ended.json()["outcome"], "failed");
    for name in ["b_labelled", "c_labelled"] {
        assert!(
            ended
                .stderr
                .contains(&format!("{name}: not one of 12 steps")),
            "{ended}"
        );
    }
    assert!(
        ended
            .stderr
            .contains("3 of 3 bags labelled (2 without one valid step)"),
        "{ended}"
    );
    assert_eq!(
        names_in(&at.join("out")),
        ["a_labelled", "b_labelled", "c_labelled"]
    );
    // and another run has nothing left to do
    let again = run(at, &[&label[..], &["--resume"]].concat()).expect_code(0);
    assert_eq!(again.json()["bags"][1]["status"], "skipped");
}

#[test]
fn a_threshold_of_another_kind_of_distance_is_told_to_be_out_of_reach() {
    // given an approach to contact, labelled by a distance that keeps the clouds' spacing
    let touching = |index: i64, instant: &mut Instant| {
        if index >= FRAMES / 2 {
            let bbox = [70.0, 50.0, 100.0, 70.0];
            *instant = instant_with(bbox, index);
        }
    };
    let (_guard, folder) = folder_with(&approach_with(FRAMES, touching));
    std::fs::write(
        folder.join("rig.yaml"),
        "{estimator: {distance: cloud}, success: {enter_m: 0.002, hold_s: 0.1}}\n",
    )
    .unwrap();
    let ended = run(&folder, &[&LABEL[..], &["--config", "rig.yaml"]].concat()).expect_code(0);
    // then it is said, with the figures
    expect_words(
        &ended.stderr,
        &["success cannot occur", "`cloud`", "0.002 m"],
    );
    let cause = &ended.json()["bags"][0]["success_out_of_reach"];
    assert_eq!(cause["cause"], "above_in_contact", "{ended}");
}

/// An instant with the bar elsewhere.
fn instant_with(fingertip: Pixels, index: i64) -> Instant {
    let mut changed = instant(index, FRAMES);
    let old = changed.fingertip.unwrap();
    let inside = |b: Pixels, x: f64, y: f64| (b[0]..b[2]).contains(&x) && (b[1]..b[3]).contains(&y);
    for pixel in 0..(WIDTH * HEIGHT) as usize {
        let (x, y) = (
            (pixel % WIDTH as usize) as f64,
            (pixel / WIDTH as usize) as f64,
        );
        let (was, is) = (inside(old, x, y), inside(fingertip, x, y));
        if is {
            changed.depth_m[pixel] = 0.8;
            changed.color[3 * pixel..3 * pixel + 3].copy_from_slice(&[40, 40, 60]);
        } else if was {
            changed.depth_m[pixel] = 1.0;
            changed.color[3 * pixel..3 * pixel + 3].copy_from_slice(&[210, 200, 180]);
        }
    }
    changed.fingertip = Some(fingertip);
    changed
}
