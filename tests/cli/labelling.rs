//! `label` on recordings that are as they should be.

use std::fs;

use crate::fixtures::*;

#[test]
fn an_approach_becomes_a_bag_a_table_a_picture_and_a_page() {
    let (_guard, folder) = folder_with(&approach(8));

    run(&folder, &["label", "pick.mcap"]).expect_code(0);

    assert_eq!(names_in(&folder), ["pick.mcap", "pick_labelled"]);
    assert_eq!(
        names_in(&folder.join("pick_labelled")),
        [
            "metadata.yaml",
            "pick_labelled_0.mcap",
            "pick_labelled_reward.html",
            "pick_labelled_reward.parquet",
            "pick_labelled_reward.png",
        ]
    );
}

#[test]
fn the_reward_grows_as_the_fingertip_comes_closer() {
    let (_guard, folder) = folder_with(&approach(8));

    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);

    let rewards = rewards(&folder.join("out"));
    assert_eq!(rewards.len(), 8);
    for (index, (log_time, reward)) in (0..).zip(&rewards) {
        assert!(reward.valid, "{index}: {}", reward.reason);
        assert_eq!(reward.step, index);
        // The reward is found at the image's own stamp and log time.
        assert_eq!(reward.header.stamp_nanos(), START + index * PERIOD);
        assert_eq!(reward.header.frame_id, "camera");
        assert_eq!(*log_time, START + index * PERIOD + 2_000_000);
        let error_m = reward.distance_m - gap_m(index, 8);
        assert!(error_m.abs() < 0.03, "{index}: off by {error_m} m");
        assert_eq!(reward.reward, -reward.distance_m);
    }
    assert!(
        rewards
            .windows(2)
            .all(|pair| pair[1].1.reward > pair[0].1.reward)
    );
}

#[test]
fn every_other_message_stays_byte_for_byte() {
    let recording = approach(6).with_truth(6);
    for storage in ["mcap", "sqlite3"] {
        let (_guard, folder) = folder_with(&recording);
        run(
            &folder,
            &["label", "pick.mcap", "-o", "out", "--storage", storage],
        )
        .expect_code(0);

        let copied = messages(&folder.join("out"));
        let copied: Vec<_> = copied
            .into_iter()
            .filter(|(topic, _)| topic != REWARDS)
            .collect();
        let original = messages(&folder.join("pick.mcap"));
        assert_eq!(copied.len(), original.len());
        for ((topic, message), (source_topic, source)) in copied.iter().zip(&original) {
            assert_eq!(topic, source_topic);
            assert_eq!(message.log_time_nanos, source.log_time_nanos);
            assert_eq!(message.data, source.data);
        }
    }
}

#[test]
fn the_source_is_not_touched() {
    let (_guard, folder) = folder_with(&approach(4));
    let before = fs::read(folder.join("pick.mcap")).unwrap();
    run(&folder, &["label", "pick.mcap"]).expect_code(0);
    assert_eq!(fs::read(folder.join("pick.mcap")).unwrap(), before);
}

#[test]
fn labelling_twice_gives_the_same_table_whatever_the_number_of_threads() {
    let (_guard, folder) = folder_with(&approach(12));
    let table = |jobs: &str| {
        run(
            &folder,
            &[
                "label",
                "pick.mcap",
                "-o",
                "out",
                "--overwrite",
                "--jobs",
                jobs,
            ],
        )
        .expect_code(0);
        fs::read(folder.join("out/out_reward.parquet")).unwrap()
    };
    let first = table("1");
    assert!(table("1") == first && table("5") == first);
}

#[test]
fn jpeg_pictures_and_a_shared_detector_and_a_region_of_interest_do_as_well() {
    // Given the same approach with JPEG, one topic for both boxes, or regions of interest
    let jpegs = approach(4).renamed(IMAGE, COMPRESSED).with_data(
        COMPRESSED,
        "sensor_msgs/msg/CompressedImage",
        |index| jpeg_message(START + index * PERIOD, &jpeg(&instant(index, 4).color)),
    );
    let shared = approach(4)
        .without(FINGERTIP)
        .renamed(TARGET, "/detections")
        .with_data("/detections", DETECTION_TYPE, |index| {
            let now = instant(index, 4);
            let boxes = [
                ("fingertip", now.fingertip.unwrap()),
                ("target", now.target.unwrap()),
            ];
            detections(now.stamp, &boxes)
        });
    let region = |pixels: [f64; 4]| {
        cdr(&spatial_reward::messages::RegionOfInterest {
            x_offset: pixels[0] as u32,
            y_offset: pixels[1] as u32,
            width: (pixels[2] - pixels[0]) as u32,
            height: (pixels[3] - pixels[1]) as u32,
            do_rectify: false,
        })
    };
    let region_type = "sensor_msgs/msg/RegionOfInterest";
    let regions = approach(4)
        .with_data(FINGERTIP, region_type, |i| {
            region(instant(i, 4).fingertip.unwrap())
        })
        .with_data(TARGET, region_type, |i| {
            region(instant(i, 4).target.unwrap())
        });

    for recording in [jpegs, shared, regions] {
        let (_guard, folder) = folder_with(&recording);
        let ended = run(&folder, &["label", "pick.mcap", "-o", "out", "--json"]).expect_code(0);
        assert_eq!(ended.json()["bags"][0]["valid"], 4, "{ended}");
    }
}

#[test]
fn a_header_that_was_never_stamped_has_the_time_of_its_logging() {
    let recording = approach_with(4, |_, instant| instant.stamp = 0);
    let (_guard, folder) = folder_with(&recording);

    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);

    let rewards = rewards(&folder.join("out"));
    assert_eq!(rewards.len(), 4);
    assert!(
        rewards
            .iter()
            .all(|(log_time, reward)| reward.valid && reward.header.stamp_nanos() == *log_time)
    );
}

#[test]
fn json_says_everything_about_a_bag() {
    let (_guard, folder) = folder_with(&approach_with(5, |index, instant| {
        if index == 2 {
            instant.target = None;
        }
    }));

    let ended = run(
        &folder,
        &[
            "label",
            "pick.mcap",
            "-o",
            "out",
            "--json",
            "--reward",
            "tanh",
        ],
    )
    .expect_code(0);

    let summary = ended.json();
    assert_eq!(summary["outcome"], "fine");
    let bag = &summary["bags"][0];
    for (key, expected) in [
        ("status", "labelled"),
        ("input", "pick.mcap"),
        ("output", "out"),
    ] {
        assert_eq!(bag[key], expected, "{ended}");
    }
    assert_eq!(bag["reward_kind"], "tanh");
    assert_eq!((&bag["steps"], &bag["valid"]), (&5.into(), &4.into()));
    assert_eq!(bag["invalid"], serde_json::json!({"no_target_box": 1}));
    assert_eq!(bag["topics"]["image"], IMAGE);
    assert_eq!(bag["loss"], serde_json::Value::Null);
    assert!(bag["frames_per_s"].as_f64().unwrap() > 0.0);
    for kind in ["parquet", "png", "html"] {
        let file = folder.join(bag["files"][kind].as_str().unwrap());
        assert!(file.is_file(), "{}", file.display());
    }
}

#[test]
fn a_labelled_bag_can_be_labelled_anew_and_has_one_reward_topic() {
    let (_guard, folder) = folder_with(&approach(4));
    run(&folder, &["label", "pick.mcap", "-o", "first"]).expect_code(0);

    run(
        &folder,
        &["label", "first", "-o", "second", "--reward", "tanh"],
    )
    .expect_code(0);

    let rewards = rewards(&folder.join("second"));
    assert_eq!(rewards.len(), 4);
    assert!(
        rewards
            .iter()
            .all(|(_, reward)| reward.reward_kind == "tanh")
    );
}

#[test]
fn log_lines_are_json_if_asked_and_stdout_is_left_to_the_result() {
    let (_guard, folder) = folder_with(&approach(3));
    let arguments = [
        "label",
        "pick.mcap",
        "-o",
        "out",
        "--json",
        "--log-format",
        "json",
        "-v",
    ];

    let ended = run(&folder, &arguments).expect_code(0);

    ended.json();
    assert!(ended.stderr.lines().count() > 0);
    for line in ended.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string());
    }
}

#[test]
fn ground_truth_in_the_bag_shows_in_the_report() {
    let (_guard, folder) = folder_with(&approach(6).with_truth(6));
    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);
    let page = fs::read_to_string(folder.join("out/out_reward.html")).unwrap();
    assert!(page.contains("mean absolute error") && page.contains("ground truth"));
}

#[test]
fn the_new_bag_says_how_it_was_made() {
    let (_guard, folder) = folder_with(&approach(3));
    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);

    let file = fs::read(folder.join("out/out_0.mcap")).unwrap();
    let summary = mcap::Summary::read(&file).unwrap().unwrap();
    let index = summary
        .metadata_indexes
        .iter()
        .find(|index| index.name == "spatial_reward");
    let record = mcap::read::metadata(&file, index.unwrap()).unwrap();
    assert_eq!(record.metadata["spatial_reward.source_bag"], "pick");
    assert_eq!(record.metadata["spatial_reward.config_digest"].len(), 64);

    let metadata = fs::read_to_string(folder.join("out/metadata.yaml")).unwrap();
    assert!(metadata.contains(&record.metadata["spatial_reward.config_digest"]));
}
