//! Messages that were recorded late, stamps that are wild or double, and detectors with pixels and clocks of their own.

use crate::fixtures::*;

const COUNT: i64 = 20;
const SECOND: i64 = 1_000_000_000;

/// Distance and reason of each step, by their stamps.
fn labels(recording: &Recording, options: &[&str]) -> (Vec<(f64, String)>, Ended) {
    let (_guard, folder) = folder_with(recording);
    let mut arguments = vec!["label", "pick.mcap", "-o", "out", "--overwrite"];
    arguments.extend(options);
    let ended = run(&folder, &arguments);
    let steps = rewards(&folder.join("out"));
    let of = |(_, step): &(i64, spatial_reward::messages::StepReward)| {
        (step.distance_m, step.reason.clone())
    };
    (steps.iter().map(of).collect(), ended)
}

fn late(topics: &[&str], by_nanos: i64) -> Recording {
    let mut recording = approach(COUNT);
    for topic in topics {
        recording = recording.logged_later(topic, by_nanos);
    }
    recording
}

#[test]
fn what_was_recorded_late_was_labelled_as_if_it_were_missing() {
    let (expected, _) = labels(&approach(COUNT), &[]);
    assert!(
        expected
            .iter()
            .all(|(distance_m, _)| distance_m.is_finite())
    );
    let boxes: &[&str] = &[FINGERTIP, TARGET];
    for (topics, by_nanos) in [
        (boxes, 6 * SECOND / 10),
        (boxes, 10 * SECOND),
        (boxes, 86_400 * SECOND),
        (&[TARGET], 86_400 * SECOND),
        (&[DEPTH], 2 * SECOND),
        (&[DEPTH], 86_400 * SECOND),
        (&[CAMERA_INFO], 86_400 * SECOND),
        (&[FINGERTIP, TARGET, DEPTH, CAMERA_INFO], 3_600 * SECOND),
        // The image is what comes late, and all else early.
        (&[IMAGE], 30 * SECOND),
    ] {
        // given a bag in which these were recorded long after their image
        let recording = late(topics, by_nanos);
        // when it is labelled, then its stamps decide
        let (got, ended) = labels(&recording, &[]);
        assert_eq!(got, expected, "{topics:?} {by_nanos}\n{ended}");
        // and it is said that a node would have missed them
        if !topics.contains(&IMAGE) {
            assert!(
                ended.stderr.contains("matching.as_live"),
                "{topics:?}: {ended}"
            );
        }
        ended.expect_code(0);
    }
}

#[test]
fn as_live_labels_what_the_node_would_have_had() {
    let (steps, _) = labels(&late(&[TARGET], 10 * SECOND), &["--as-live"]);
    assert_eq!(steps.len(), COUNT as usize);
    assert!(
        steps.iter().all(|(_, reason)| reason == "no_target_box"),
        "{steps:?}"
    );
}

#[test]
fn inspect_and_label_agree_on_what_is_late() {
    let (_guard, folder) = folder_with(&late(&[FINGERTIP, TARGET], 86_400 * SECOND));
    let json = run(&folder, &["inspect", "pick.mcap", "--json"])
        .expect_code(0)
        .json();
    let text = json.to_string();
    assert!(
        !text.contains("no_fingertip_box") && !text.contains("stale_box"),
        "{text}"
    );
}

#[test]
fn one_wild_stamp_ended_an_episode() {
    let (expected, _) = labels(&approach(COUNT), &["--reward", "progress"]);
    for off in [10 * SECOND, -10 * SECOND] {
        // given a picture whose stamp lies far off, and everything else as it was
        let recording = approach(COUNT).with_image_stamps(|index, stamp| match index {
            7 => stamp + off,
            _ => stamp,
        });
        // when it is labelled
        let (got, ended) = labels(&recording, &["--reward", "progress"]);
        ended.expect_code(0);
        // then one step is invalid and the others are what they were
        let mut expected = expected.clone();
        expected[7] = (f64::NAN, "wild_stamp".to_owned());
        assert_eq!(format!("{got:?}"), format!("{expected:?}"));
    }
}

#[test]
fn images_of_one_stamp_were_several_steps() {
    let recording = approach(COUNT).with_image_stamps(|index, stamp| match index {
        7 => stamp - PERIOD,
        _ => stamp,
    });
    let (got, ended) = labels(&recording, &[]);
    assert_eq!(got.len(), COUNT as usize - 1);
    assert!(
        ended.stderr.contains("1 images have the stamp of another"),
        "{ended}"
    );
}

#[test]
fn a_detector_with_a_picture_of_its_own_was_measured_beside_its_objects() {
    let (expected, _) = labels(&approach(COUNT), &[]);
    // given a detector that answers in its network's square input
    let squashed = approach_with(COUNT, |_, instant| {
        for pixels in [&mut instant.fingertip, &mut instant.target]
            .into_iter()
            .flatten()
        {
            let (x, y) = (320.0 / f64::from(WIDTH), 320.0 / f64::from(HEIGHT));
            *pixels = [pixels[0] * x, pixels[1] * y, pixels[2] * x, pixels[3] * y];
        }
    });
    let (_guard, folder) = folder_with(&squashed);
    std::fs::write(
        folder.join("oak.yaml"),
        "regions:\n  fingertip: {picture_size: 320x320}\n  target: {picture_size: [320, 320]}\n",
    )
    .unwrap();
    // when its picture's size is set
    run(
        &folder,
        &["label", "pick.mcap", "-o", "out", "--config", "oak.yaml"],
    )
    .expect_code(0);
    // then the labels are those of boxes in the image's pixels, boxes included
    let steps = rewards(&folder.join("out"));
    let distances: Vec<f64> = steps.iter().map(|(_, step)| step.distance_m).collect();
    let expected: Vec<f64> = expected.iter().map(|(distance_m, _)| *distance_m).collect();
    for (got, expected) in distances.iter().zip(&expected) {
        assert!((got - expected).abs() < 1e-6, "{got} for {expected}");
    }
    let [left, _, right, _] = steps[0].1.target_box;
    assert!((left - 100.0).abs() < 1e-9 && (right - 130.0).abs() < 1e-9);
}

#[test]
fn a_detector_with_a_smaller_picture_is_warned_of() {
    // given boxes in the pixels of half the picture, in an approach that reaches into its right third
    let halved = approach_with(COUNT, |_, instant| {
        for pixels in [&mut instant.fingertip, &mut instant.target] {
            *pixels = pixels.map(|pixels| pixels.map(|edge| edge / 2.0));
        }
    });
    let words = "regions.fingertip.picture_size";
    let (_, ended) = labels(&halved, &[]);
    assert!(ended.stderr.contains(words), "{ended}");
    let (_, ended) = labels(&approach(COUNT), &[]);
    assert!(!ended.stderr.contains(words), "{ended}");
    // and a region that has no boxes of the detector's has no setting for its picture
    let fixed = ["--target-fixed", "50,22,65,38"];
    let without_target = halved.without(TARGET);
    let (_, ended) = labels(&without_target, &fixed);
    assert!(ended.stderr.contains(words), "{ended}");
    assert!(
        !ended.stderr.contains("regions.target.picture_size"),
        "{ended}"
    );
    // nor does anything speak of a detector where boxes are fixed
    let both = [&fixed[..], &["--fingertip-fixed", "5,25,20,35"]].concat();
    let (_, ended) = labels(&without_target.without(FINGERTIP), &both);
    assert!(!ended.stderr.contains("detector answers"), "{ended}");
}

#[test]
fn each_step_says_where_its_boxes_come_from() {
    // given detectors that looked at every second picture only
    let recording = approach(COUNT).only(FINGERTIP, |index| index % 2 == 0);
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);
    run(&folder, &["label", "pick.mcap", "-o", "live", "--as-live"]).expect_code(0);
    let origins = |folder: &std::path::Path| -> Vec<String> {
        let steps = rewards(folder);
        steps
            .into_iter()
            .map(|(_, step)| step.fingertip_origin)
            .collect()
    };
    let between = |origins: Vec<String>| {
        origins[1..COUNT as usize - 1]
            .iter()
            .step_by(2)
            .cloned()
            .collect::<Vec<_>>()
    };
    let offline = between(origins(&folder.join("out")));
    assert!(
        offline.iter().all(|origin| origin == "interpolated"),
        "{offline:?}"
    );
    let live = between(origins(&folder.join("live")));
    assert_eq!(live[0], "reused");
    assert!(
        live[1..].iter().all(|origin| origin == "extrapolated"),
        "{live:?}"
    );
    let steps = rewards(&folder.join("out"));
    assert_eq!(
        (
            steps[0].1.fingertip_origin.as_str(),
            steps[0].1.fingertip_age_s
        ),
        ("seen", 0.0)
    );
    let age_s = steps[1].1.fingertip_age_s;
    assert!((age_s - PERIOD as f64 / 1e9).abs() < 1e-9, "{age_s}");
}
