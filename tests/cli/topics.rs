//! Which topics are taken: found by type and name, or named.

use crate::fixtures::*;

#[test]
fn no_fitting_topics_lists_what_there_is() {
    let mut recording = Recording::default();
    recording.push("/chatter", "std_msgs/msg/String", START, cdr(&"hello"));
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap"]).expect_error(&[
        "pick.mcap",
        "no topic for the colour image",
        "/chatter",
        "std_msgs/msg/String",
        "--image-topic",
    ]);
    assert_eq!(names_in(&folder), ["pick.mcap"]);
}

#[test]
fn each_missing_role_is_named_with_its_option() {
    for (topic, role, option) in [
        (DEPTH, "depth image", "--depth-topic"),
        (CAMERA_INFO, "camera info", "--camera-info-topic"),
        (FINGERTIP, "fingertip boxes", "--fingertip-topic"),
        (TARGET, "target boxes", "--target-topic"),
    ] {
        let (_guard, folder) = folder_with(&approach(3).without(topic));
        run(&folder, &["label", "pick.mcap"]).expect_error(&[role, option, IMAGE]);
        assert_eq!(names_in(&folder), ["pick.mcap"]);
    }
}

#[test]
fn a_named_topic_must_exist_and_have_a_fitting_type() {
    let (_guard, folder) = folder_with(&approach(3));
    run(
        &folder,
        &["label", "pick.mcap", "--depth-topic", "/nowhere"],
    )
    .expect_error(&["no topic '/nowhere'", DEPTH, "--depth-topic"]);
    run(
        &folder,
        &["label", "pick.mcap", "--target-topic", CAMERA_INFO],
    )
    .expect_error(&[
        "'/camera/color/camera_info' is a sensor_msgs/msg/CameraInfo",
        "vision_msgs/msg/Detection2DArray",
    ]);
}

#[test]
fn ground_truth_is_never_measured_with() {
    // Given detections and images that only the simulator knows
    let recording = approach(3)
        .renamed(TARGET, "/ground_truth/target/detections")
        .renamed(DEPTH, "/ground_truth/depth");
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap"]).expect_error(&["no topic for the depth image"]);
    assert_eq!(chosen(&folder, "target"), "none");
}

#[test]
fn two_cameras_of_different_size_mixed_up_are_refused_by_name() {
    let mut recording = approach(3);
    recording.push(
        "/wide/camera_info",
        "sensor_msgs/msg/CameraInfo",
        START,
        camera_info(START, 848, 480),
    );
    let (_guard, folder) = folder_with(&recording);
    let arguments = [
        "label",
        "pick.mcap",
        "--camera-info-topic",
        "/wide/camera_info",
    ];
    run(&folder, &arguments).expect_error(&[
        IMAGE,
        "160x120",
        "/wide/camera_info",
        "848x480",
        "two cameras",
    ]);
    assert_eq!(names_in(&folder), ["pick.mcap"]);
}

#[test]
fn a_picture_resized_after_the_camera_keeps_its_geometry() {
    // Given intrinsics of the camera's full resolution
    let recording = approach(4).with_data(CAMERA_INFO, "sensor_msgs/msg/CameraInfo", |index| {
        camera_info(START + index * PERIOD, 4 * WIDTH, 4 * HEIGHT)
    });
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);
    let (plain_guard, plain) = folder_with(&approach(4));
    run(&plain, &["label", "pick.mcap", "-o", "out"]).expect_code(0);
    let distances = |folder: &std::path::Path| -> Vec<f64> {
        rewards(&folder.join("out"))
            .iter()
            .map(|(_, reward)| reward.distance_m)
            .collect()
    };
    for (resized, plain) in distances(&folder).iter().zip(distances(&plain)) {
        assert!((resized - plain).abs() < 1e-6, "{resized} {plain}");
    }
    drop(plain_guard);
}

#[test]
fn depth_of_another_shape_than_the_colour_is_refused_by_name() {
    let recording = approach(3).with_data(DEPTH, "sensor_msgs/msg/Image", |index| {
        raw_image(START + index * PERIOD, "16UC1", 100, 100, &[1; 20_000])
    });
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap"]).expect_error(&[DEPTH, "100x100", IMAGE, "160x120"]);
}

#[test]
fn classes_choose_boxes_and_a_wrong_one_says_which_there_are() {
    let (_guard, folder) = folder_with(&approach(3));

    let right = run(
        &folder,
        &[
            "label",
            "pick.mcap",
            "-o",
            "a",
            "--target-class",
            "mug,target",
            "--json",
        ],
    );
    assert_eq!(right.expect_code(0).json()["bags"][0]["valid"], 3);

    let wrong = run(
        &folder,
        &[
            "label",
            "pick.mcap",
            "-o",
            "b",
            "--target-class",
            "mug",
            "--json",
        ],
    )
    .expect_code(1);
    assert_eq!(wrong.json()["bags"][0]["invalid"]["no_target_box"], 3);
    assert!(
        wrong.stderr.contains("not one of 3 steps is valid"),
        "{wrong}"
    );
    assert!(
        wrong.stderr.contains("classes [target], and [mug]")
            && wrong.stderr.contains("--target-class"),
        "{wrong}"
    );
}

#[test]
fn an_uncalibrated_camera_is_refused() {
    let recording = approach(3).with_data(CAMERA_INFO, "sensor_msgs/msg/CameraInfo", |index| {
        let mut info: spatial_reward::messages::CameraInfo = spatial_reward::messages::cdr::decode(
            "",
            &camera_info(START + index * PERIOD, WIDTH, HEIGHT),
        )
        .unwrap();
        info.k = [0.0; 9];
        cdr(&info)
    });
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap"]).expect_error(&[
        CAMERA_INFO,
        "not calibrated",
        "--camera-info-topic",
    ]);
}
