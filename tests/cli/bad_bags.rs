//! Bags as they come from the field: cut, empty, wrong or strange.

use std::fs;

use crate::fixtures::*;

/// The reasons of a labelled recording's steps, empty where valid.
#[track_caller]
fn reasons_of(recording: &Recording) -> Vec<String> {
    let (_guard, folder) = folder_with(recording);
    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);
    let rewards = rewards(&folder.join("out"));
    for (_, reward) in &rewards {
        assert_eq!(reward.valid, reward.reason.is_empty());
        assert_eq!(
            reward.reward.is_nan(),
            !reward.valid,
            "an invalid step is not a zero"
        );
    }
    rewards
        .into_iter()
        .map(|(_, reward)| reward.reason)
        .collect()
}

#[test]
fn a_cut_bag_is_labelled_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = approach(12).mcap();
    fs::write(folder.path().join("pick.mcap"), &whole[..whole.len() / 2]).unwrap();

    let ended = run(
        folder.path(),
        &["label", "pick.mcap", "-o", "out", "--json"],
    )
    .expect_code(3);

    let summary = ended.json();
    assert_eq!(summary["outcome"], "data_loss");
    let steps = summary["bags"][0]["steps"].as_u64().unwrap();
    assert!((1..12).contains(&steps), "{ended}");
    assert!(
        summary["bags"][0]["loss"]["findings"][0]
            .as_str()
            .unwrap()
            .contains("pick.mcap"),
        "{ended}"
    );
    assert_eq!(rewards(&folder.path().join("out")).len() as u64, steps);
}

#[test]
fn an_empty_bag_is_an_error() {
    let (_guard, folder) = folder_with(&Recording::default());
    run(&folder, &["label", "pick.mcap"]).expect_error(&["pick.mcap", "no topics at all"]);
    assert_eq!(names_in(&folder), ["pick.mcap"]);
}

#[test]
fn topics_without_messages_are_as_good_as_none() {
    let mut recording = approach(2).without(IMAGE);
    recording.declare(IMAGE, "sensor_msgs/msg/Image");
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap"])
        .expect_error(&["no topic for the colour image", "0 messages"]);
    // Named all the same, it still has no image.
    run(&folder, &["label", "pick.mcap", "--image-topic", IMAGE])
        .expect_error(&["not one image on", IMAGE]);
    assert_eq!(names_in(&folder), ["pick.mcap"]);
}

#[test]
fn what_is_no_bag_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("empty")).unwrap();
    fs::write(at.join("notes.mcap"), "just some text").unwrap();
    for (argument, words) in [
        ("empty", ["empty is no bag", "no bag to label in it"]),
        ("notes.mcap", ["notes.mcap is no bag", "rosbag2 folder"]),
        ("missing", ["missing", "No such file"]),
    ] {
        run(at, &["label", argument]).expect_error(&words);
    }
    assert_eq!(names_in(at), ["empty", "notes.mcap"]);
}

#[test]
fn a_wrong_encoding_is_refused_with_those_that_are_supported() {
    let image = approach(3).with_data(IMAGE, "sensor_msgs/msg/Image", |index| {
        raw_image(
            START + index * PERIOD,
            "jetson_nv12",
            WIDTH,
            HEIGHT,
            &vec![0; 160 * 120 * 3],
        )
    });
    let depth = approach(3).with_data(DEPTH, "sensor_msgs/msg/Image", |index| {
        raw_image(
            START + index * PERIOD,
            "rgb8",
            WIDTH,
            HEIGHT,
            &vec![0; 160 * 120 * 3],
        )
    });
    for (recording, words) in [
        (image, ["jetson_nv12", IMAGE, "rgb8"]),
        (depth, ["rgb8", DEPTH, "16UC1"]),
    ] {
        let (_guard, folder) = folder_with(&recording);
        run(&folder, &["label", "pick.mcap"]).expect_error(&words);
        assert_eq!(names_in(&folder), ["pick.mcap"]);
    }
}

#[test]
fn nan_and_zero_depth_are_no_measurement() {
    for nothing in [f32::NAN, 0.0, f32::INFINITY, -1.0] {
        let recording = approach_with(3, |index, instant| {
            if index == 1 {
                instant.depth_m.fill(nothing);
            }
        });
        assert_eq!(
            reasons_of(&recording),
            ["", "depth_invalid", ""],
            "{nothing}"
        );
    }
}

#[test]
fn boxes_outside_the_image_or_without_area_are_their_own_reason() {
    let wrong = [
        [200.0, 10.0, 230.0, 40.0],
        [-50.0, -50.0, -1.0, -1.0],
        [50.0, 50.0, 50.0, 70.0],
        [f64::NAN, 0.0, 10.0, 10.0],
        [f64::NEG_INFINITY, 0.0, f64::INFINITY, 10.0],
    ];
    for pixels in wrong {
        let recording = approach_with(3, |index, instant| {
            if index == 1 {
                instant.target = Some(pixels);
            }
        });
        assert_eq!(
            reasons_of(&recording),
            ["", "box_outside_image", ""],
            "{pixels:?}"
        );
    }
}

#[test]
fn a_corrupt_picture_costs_one_step() {
    let corrupt = |index: i64| -> Vec<u8> {
        let good = jpeg(&instant(index, 4).color);
        match index {
            0 => good[..good.len() / 2].to_vec(),
            2 => b"this is no picture".to_vec(),
            _ => good,
        }
    };
    let recording = approach(4).renamed(IMAGE, COMPRESSED).with_data(
        COMPRESSED,
        "sensor_msgs/msg/CompressedImage",
        |index| jpeg_message(START + index * PERIOD, &corrupt(index)),
    );
    assert_eq!(reasons_of(&recording), ["no_image", "", "no_image", ""]);
}

#[test]
fn corrupt_depth_costs_one_step() {
    let recording = approach(3).with_data(DEPTH, "sensor_msgs/msg/Image", |index| {
        let whole = depth_image(START + index * PERIOD, &instant(index, 3).depth_m);
        if index == 1 {
            whole[..whole.len() / 2].to_vec()
        } else {
            whole
        }
    });
    assert_eq!(reasons_of(&recording), ["", "depth_invalid", ""]);
}

#[test]
fn a_picture_of_another_camera_among_the_others_is_not_measured() {
    let recording = approach(3).with_data(IMAGE, "sensor_msgs/msg/Image", |index| {
        let stamp = START + index * PERIOD;
        match index {
            1 => raw_image(stamp, "mono8", 200, 100, &[90; 20_000]),
            _ => color_image(stamp, &instant(index, 3).color),
        }
    });
    assert_eq!(reasons_of(&recording), ["", "depth_invalid", ""]);
}

#[test]
fn corrupt_boxes_cost_one_step_and_are_counted() {
    let recording = approach(3).with_data(TARGET, DETECTION_TYPE, |index| {
        let whole = detections(
            START + index * PERIOD,
            &[("target", instant(index, 3).target.unwrap())],
        );
        if index == 1 {
            whole[..40].to_vec()
        } else {
            whole
        }
    });
    let (_guard, folder) = folder_with(&recording);
    let ended = run(&folder, &["label", "pick.mcap", "-o", "out", "--json"]).expect_code(0);
    let bag = &ended.json()["bags"][0];
    assert_eq!(bag["unreadable"]["target"], 1, "{ended}");
    assert_eq!(
        (&bag["steps"], &bag["valid"]),
        (&3.into(), &3.into()),
        "the box before is young enough\n{ended}"
    );
}

#[test]
fn stamps_that_go_back_begin_a_new_episode() {
    // Given a clock that is set back by ten seconds in the middle
    let recording = approach_with(6, |index, instant| {
        if index >= 3 {
            instant.stamp -= 10_000_000_000;
        }
    });
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);
    let steps: Vec<(i64, i64, bool)> = rewards(&folder.join("out"))
        .iter()
        .map(|(_, reward)| (reward.episode_id, reward.step, reward.valid))
        .collect();
    let expected = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)];
    assert_eq!(steps, expected.map(|(episode, step)| (episode, step, true)));
}

#[test]
fn an_older_vision_msgs_that_nobody_knows_is_refused_by_name() {
    let recording = approach(3).with_data(TARGET, DETECTION_TYPE, |index| {
        [detections(START + index * PERIOD, &[]), vec![7; 32]].concat()
    });
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap"]).expect_error(&[
        "vision_msgs/msg/Detection2DArray",
        "fits none of vision_msgs",
    ]);
}
