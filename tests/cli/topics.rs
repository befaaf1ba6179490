//! Which topics are taken: found by type and name, or named.

use crate::fixtures::*;

fn chosen(folder: &std::path::Path, role: &str) -> String {
    let ended = run(folder, &["inspect", "pick.mcap", "--json"]).expect_code(0);
    ended.json()["roles"][role]["topic"]
        .as_str()
        .unwrap_or("none")
        .to_owned()
}

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
fn of_two_cameras_the_one_with_depth_is_taken_and_the_other_is_mentioned() {
    // Given a wrist camera without depth whose name sorts first
    let mut recording = approach(3);
    for index in 0..9 {
        let data = raw_image(START + index, "rgb8", 4, 4, &[0; 48]);
        recording.push(
            "/a_wrist/color/image_raw",
            "sensor_msgs/msg/Image",
            START + index,
            data,
        );
    }
    let (_guard, folder) = folder_with(&recording);

    assert_eq!(chosen(&folder, "image"), IMAGE);

    let others = run(&folder, &["inspect", "pick.mcap", "--json"]).json();
    assert_eq!(
        others["roles"]["image"]["others"][0],
        "/a_wrist/color/image_raw"
    );
    run(&folder, &["label", "pick.mcap"]).expect_code(0);
}

#[test]
fn of_two_equal_cameras_it_is_asked_which_one_is_meant() {
    // given a second camera with all that the first has, and boxes whose frame is that of both or of neither
    for frame in [b"camera", b"wrist1"] {
        let recording = (approach(3).with_second_camera("/other_camera", frame))
            .in_frame(FINGERTIP, b"robot1")
            .in_frame(TARGET, b"robot1");
        let (_guard, folder) = folder_with(&recording);
        // when it is labelled, then nobody guesses
        let words = [
            "2 topics of different cameras could be the colour image",
            "/camera/color/image_raw (frame 'camera'), /other_camera/color/image_raw (frame '",
            "--image-topic",
        ];
        run(&folder, &["label", "pick.mcap"]).expect_error(&words);
        let findings = run(&folder, &["inspect", "pick.mcap", "--json"])
            .expect_code(0)
            .json();
        assert_eq!(findings["label"]["possible"], false);
        // and once one is named, depth and intrinsics are of that camera
        for (camera, other) in [("/camera", "/other_camera"), ("/other_camera", "/camera")] {
            let image = format!("{camera}/color/image_raw");
            let arguments = ["inspect", "pick.mcap", "--json", "--image-topic", &image];
            let findings = run(&folder, &arguments).expect_code(0).json();
            for role in ["depth", "camera_info"] {
                let topic = findings["roles"][role]["topic"].as_str().unwrap();
                assert!(topic.starts_with(&format!("{camera}/")), "{topic} {other}");
            }
            assert_eq!(findings["label"]["complete"], 3);
        }
    }
}

#[test]
fn of_two_cameras_it_is_the_one_whose_frame_the_boxes_name() {
    // given a second camera that has more messages, sorts first and is called colour
    let recording = approach(3)
        .renamed(IMAGE, "/camera/image_raw")
        .renamed(CAMERA_INFO, "/camera/camera_info")
        .with_second_camera("/a_color_camera", b"wrist1");
    for (boxes, expected) in [(b"camera", "/camera/"), (b"wrist1", "/a_color_camera/")] {
        let recording = (recording.clone())
            .in_frame(FINGERTIP, boxes)
            .in_frame(TARGET, boxes);
        let (_guard, folder) = folder_with(&recording);
        // then all of it is of that camera
        for role in ["image", "depth", "camera_info"] {
            let topic = chosen(&folder, role);
            assert!(topic.starts_with(expected), "{role}: {topic}");
        }
        run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);
    }
}

#[test]
fn a_camera_s_boxes_are_taken_with_it() {
    // given two cameras with a detector each, and the image of the second named
    let mut recording = approach(3).with_second_camera("/wrist", b"wrist1");
    for (name, own) in [(FINGERTIP, "/wrist/fingertip"), (TARGET, "/wrist/target")] {
        for message in recording.of(name) {
            recording.push(own, DETECTION_TYPE, message.log_time, message.data);
        }
        recording = recording.in_frame(own, b"wrist1");
    }
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap"]).expect_error(&["--image-topic"]);
    let image = ["--image-topic", "/wrist/color/image_raw"];
    let arguments = [&["inspect", "pick.mcap", "--json"][..], &image].concat();
    let findings = run(&folder, &arguments).expect_code(0).json();
    // then the boxes are of that camera too
    for (role, topic) in [
        ("fingertip", "/wrist/fingertip"),
        ("target", "/wrist/target"),
    ] {
        assert_eq!(findings["roles"][role]["topic"], topic);
    }
}

#[test]
fn of_a_stereo_pair_it_is_the_picture_that_depth_is_registered_to() {
    // given boxes that say nothing about their frame
    let mut recording = (approach(3).renamed(IMAGE, "/zed/right/image_rect"))
        .renamed(DEPTH, "/zed/depth/depth_registered")
        .renamed(CAMERA_INFO, "/zed/right/camera_info")
        .in_frame(FINGERTIP, b"robot1")
        .in_frame(TARGET, b"robot1");
    for (name, other) in [("image_rect", "Image"), ("camera_info", "CameraInfo")] {
        let left = format!("/zed/left/{name}");
        for message in recording.of(&format!("/zed/right/{name}")) {
            let type_name = format!("sensor_msgs/msg/{other}");
            recording.push(&left, &type_name, message.log_time, message.data);
        }
        recording = recording.in_frame(&left, b"left_1");
    }
    let (_guard, folder) = folder_with(&recording);
    assert_eq!(chosen(&folder, "image"), "/zed/right/image_rect");
    assert_eq!(chosen(&folder, "camera_info"), "/zed/right/camera_info");
}

#[test]
fn what_another_detector_sees_elsewhere_names_no_camera() {
    // given a second camera with a detector of people, and a drawing beside the first one's detector
    let mut recording = approach(3).with_second_camera("/head", b"head_1");
    for message in recording.of(TARGET) {
        recording.push(
            "/head/people",
            DETECTION_TYPE,
            message.log_time,
            message.data,
        );
    }
    for message in recording.of(IMAGE) {
        let type_name = "sensor_msgs/msg/Image";
        recording.push("/target/image", type_name, message.log_time, message.data);
    }
    let recording = recording.in_frame("/head/people", b"head_1");
    let (_guard, folder) = folder_with(&recording);
    assert_eq!(chosen(&folder, "image"), IMAGE);
    assert_eq!(chosen(&folder, "target"), TARGET);
    run(&folder, &["label", "pick.mcap"]).expect_code(0);
}

#[test]
fn of_two_detectors_it_is_the_one_with_the_classes_that_count() {
    // given two detectors whose names say nothing, the other of which has seen more and sorts first
    let count = 3;
    let mut recording = approach(count).without(FINGERTIP).without(TARGET);
    for index in 0..2 * count {
        let seen = instant(index / 2, count);
        let (stamp, log_time) = (seen.stamp + index % 2, seen.log_time);
        let people = detections(stamp, &[("person", seen.target.unwrap())]);
        recording.push("/a/boxes", DETECTION_TYPE, log_time, people);
        if index % 2 == 0 {
            let both = [
                ("gripper", seen.fingertip.unwrap()),
                ("mug", seen.target.unwrap()),
            ];
            recording.push(
                "/b/boxes",
                DETECTION_TYPE,
                log_time,
                detections(stamp, &both),
            );
        }
    }
    let (_guard, folder) = folder_with(&recording);
    let classes = ["--fingertip-class", "gripper", "--target-class", "mug"];
    let ended = run(
        &folder,
        &[&["label", "pick.mcap", "--json"], &classes[..]].concat(),
    );
    assert_eq!(ended.expect_code(0).json()["bags"][0]["valid"], 3);
}

#[test]
fn two_forms_of_one_camera_s_image_are_no_two_cameras() {
    // given the picture as it came and rectified
    let mut recording = approach(3);
    for message in recording.of(IMAGE) {
        recording.push(
            "/camera/color/image_rect_color",
            "sensor_msgs/msg/Image",
            message.log_time,
            message.data,
        );
    }
    let (_guard, folder) = folder_with(&recording);
    // then one is taken, and the other is mentioned
    let ended = run(&folder, &["label", "pick.mcap"]).expect_code(0);
    assert!(
        ended.stderr.contains("image_rect_color would fit too"),
        "{ended}"
    );
}

/// The depth of each frame, in a form.
fn depth_as(count: i64, encode: impl Fn(i64, &[f32]) -> Vec<u8>) -> impl Fn(i64) -> Vec<u8> {
    move |index| encode(START + index * PERIOD, &instant(index, count).depth_m)
}

/// An approach with whole millimetres in its depth.
fn in_millimetres(count: i64) -> Recording {
    approach(count).with_data(
        DEPTH,
        "sensor_msgs/msg/Image",
        depth_as(count, |stamp, depth_m| {
            depth_millimetres(stamp, "16UC1", depth_m)
        }),
    )
}

/// The distances of a labelled recording; every step is valid.
#[track_caller]
fn distances(recording: &Recording) -> Vec<f64> {
    let (_guard, folder) = folder_with(recording);
    run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);
    let rewards = rewards(&folder.join("out"));
    assert!(rewards.iter().all(|(_, reward)| reward.valid));
    rewards
        .iter()
        .map(|(_, reward)| reward.distance_m)
        .collect()
}

#[test]
fn of_all_transports_of_depth_one_that_has_lost_nothing_is_taken() {
    let count = 6;
    let expected = distances(&in_millimetres(count));
    let jpeg_of_depth = depth_as(count, |stamp, depth_m| {
        let grey: Vec<u8> = depth_m
            .iter()
            .flat_map(|m| [(m * 100.0) as u8; 3])
            .collect();
        compressed_image(stamp, "16UC1; jpeg compressed ", &jpeg(&grey))
    });
    let png_of_depth = depth_as(count, compressed_depth);
    for raw_begins_at in [None, Some(0), Some(1)] {
        // given every transport that the driver offers, the raw one from some frame on
        let mut recording = in_millimetres(count);
        let raw = recording.of(DEPTH);
        recording = recording.without(DEPTH);
        for (index, message) in (0..).zip(&raw) {
            for (transport, encode) in [
                ("compressed", &jpeg_of_depth as &dyn Fn(i64) -> Vec<u8>),
                ("compressedDepth", &png_of_depth),
            ] {
                let topic = format!("{DEPTH}/{transport}");
                let type_name = "sensor_msgs/msg/CompressedImage";
                recording.push(&topic, type_name, message.log_time, encode(index));
            }
            if raw_begins_at.is_some_and(|begin| index >= begin) {
                let data = message.data.clone();
                recording.push(DEPTH, "sensor_msgs/msg/Image", message.log_time, data);
            }
        }
        // then no step and no distance is lost
        assert_eq!(distances(&recording), expected, "{raw_begins_at:?}");
    }
}

#[test]
fn a_jpeg_of_depth_is_no_depth_and_no_colour() {
    let count = 3;
    let recording = approach(count)
        .without(IMAGE)
        .renamed(DEPTH, "/camera/depth/compressed");
    let recording = recording.with_data(
        "/camera/depth/compressed",
        "sensor_msgs/msg/CompressedImage",
        depth_as(count, |stamp, depth_m| {
            let grey: Vec<u8> = depth_m
                .iter()
                .flat_map(|m| [(m * 100.0) as u8; 3])
                .collect();
            compressed_image(stamp, "16UC1; jpeg compressed ", &jpeg(&grey))
        }),
    );
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap"]).expect_error(&["no topic for the colour image"]);

    let mut recording = recording;
    for message in approach(count).of(IMAGE) {
        recording.push(
            IMAGE,
            "sensor_msgs/msg/Image",
            message.log_time,
            message.data,
        );
    }
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap"]).expect_error(&[
        "16UC1; jpeg compressed",
        "/camera/depth/compressed",
        "compressedDepth",
    ]);
}

#[test]
fn what_cannot_be_read_never_beats_what_can() {
    // given a transport that nobody here reads, with the most messages and the preferred form
    let mut recording = approach(4);
    for index in 0..8 {
        let stamp = START + index * PERIOD / 2;
        let data = compressed_image(stamp, "rgb8; zstd", b"\x28\xb5\x2f\xfd no picture");
        recording.push(
            &format!("{IMAGE}/zstd"),
            "sensor_msgs/msg/CompressedImage",
            stamp,
            data,
        );
        let boxes = [detections(stamp, &[]), vec![7; 32]].concat();
        recording.push("/fingertip/other_boxes", DETECTION_TYPE, stamp, boxes);
    }
    let (_guard, folder) = folder_with(&recording);
    assert_eq!(chosen(&folder, "image"), IMAGE);
    assert_eq!(chosen(&folder, "fingertip"), FINGERTIP);
    assert_eq!(distances(&recording).len(), 4);
}

#[test]
fn depth_is_found_by_its_encoding() {
    let count = 4;
    let expected = distances(&in_millimetres(count));
    for encoding in ["16UC1", "mono16", "32FC1"] {
        // given names that say nothing, beside grey pictures and those of another light
        let stereo = "/oak/stereo/image_raw";
        let mut recording = approach(count)
            .renamed(IMAGE, "/oak/rgb/image_raw")
            .renamed(CAMERA_INFO, "/oak/rgb/camera_info")
            .renamed(DEPTH, stereo);
        if encoding != "32FC1" {
            recording = recording.with_data(
                stereo,
                "sensor_msgs/msg/Image",
                depth_as(count, |stamp, depth_m| {
                    depth_millimetres(stamp, encoding, depth_m)
                }),
            );
        }
        for index in 0..2 * count {
            let stamp = START + index * PERIOD / 2;
            let depth = instant(0, count).depth_m;
            for (topic, data) in [
                (
                    "/oak/left/image_raw",
                    raw_image(stamp, "mono8", 4, 4, &[9; 16]),
                ),
                (
                    "/oak/ir/image_raw",
                    depth_millimetres(stamp, "16UC1", &depth),
                ),
            ] {
                recording.push(topic, "sensor_msgs/msg/Image", stamp, data);
            }
        }
        let (_guard, folder) = folder_with(&recording);
        assert_eq!(chosen(&folder, "depth"), stereo, "{encoding}");
        assert_eq!(chosen(&folder, "image"), "/oak/rgb/image_raw");
        // then its distances are those of depth that is called so
        for (found, expected) in distances(&recording).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-3, "{found} {expected}");
        }
    }
}

#[test]
fn words_in_the_namespace_of_a_camera_say_nothing() {
    for camera in [
        "/depth_camera",
        "/color_rig",
        "/infra_rgb_depth",
        "/robot/depth_cam",
    ] {
        let recording = approach(3)
            .renamed(IMAGE, &format!("{camera}/color/image_raw"))
            .renamed(DEPTH, &format!("{camera}/aligned_depth_to_color/image_raw"))
            .renamed(CAMERA_INFO, &format!("{camera}/color/camera_info"));
        let (_guard, folder) = folder_with(&recording);
        assert_eq!(
            chosen(&folder, "image"),
            format!("{camera}/color/image_raw")
        );
        let depth = format!("{camera}/aligned_depth_to_color/image_raw");
        assert_eq!(chosen(&folder, "depth"), depth);
        run(&folder, &["label", "pick.mcap"]).expect_code(0);
    }
    // Nor do they of one camera among several
    let recording = approach(3)
        .renamed(IMAGE, "/depth_camera/rgb/image_raw")
        .renamed(DEPTH, "/depth_camera/stereo/image_raw");
    let mut recording = recording;
    for index in 0..9 {
        let data = raw_image(START + index, "bgr8", 4, 4, &[0; 48]);
        recording.push(
            "/overview/image_raw",
            "sensor_msgs/msg/Image",
            START + index,
            data,
        );
    }
    let recording = recording.in_frame("/overview/image_raw", b"ceilng");
    let (_guard, folder) = folder_with(&recording);
    assert_eq!(chosen(&folder, "image"), "/depth_camera/rgb/image_raw");
    assert_eq!(chosen(&folder, "depth"), "/depth_camera/stereo/image_raw");
}

#[test]
fn a_class_may_be_the_id_of_its_detection_and_a_stamp_that_of_each() {
    // given one detector for both objects, that fills in neither hypotheses nor the array's header
    let count = 4;
    let mut recording = approach(count).without(FINGERTIP).without(TARGET);
    for index in 0..count {
        let seen = instant(index, count);
        let (fingertip, target) = (seen.fingertip.unwrap(), seen.target.unwrap());
        let boxes = [
            ("target", seen.stamp, target),
            ("fingertip", seen.stamp, fingertip),
        ];
        // It answers a quarter of a second late.
        let log_time = seen.log_time + PERIOD * 4;
        recording.push(
            "/detections",
            DETECTION_TYPE,
            log_time,
            bare_detections(&boxes),
        );
    }
    // then each box is of its object and of its image
    assert_eq!(distances(&recording), distances(&approach(count)));
}

#[test]
fn a_type_is_the_same_however_its_name_is_spelled() {
    let count = 3;
    let expected = distances(&approach(count));
    for spell in [
        |name: &str| name.replace("/msg/", "/"),
        |name: &str| name.replace('/', "::"),
        |name: &str| format!("{}_", name.replace("/msg/", "::msg::dds_::")),
    ] {
        // given a recorder with a spelling of its own
        let mut recording = Recording::default();
        for (name, type_name) in approach(count).with_truth(count).types() {
            recording.declare(&name, &spell(&type_name));
        }
        for message in approach(count).with_truth(count).all() {
            recording.push(&message.topic, "", message.log_time, message.data.clone());
        }
        assert_eq!(distances(&recording), expected);
        let (_guard, folder) = folder_with(&recording);
        run(&folder, &["label", "pick.mcap", "-o", "out"]).expect_code(0);
        // then its topics keep their types, and its truth is found
        let reader = spatial_reward::bag::BagReader::open(&folder.join("out")).unwrap();
        let topics = &reader.info().topics;
        let image = topics.iter().find(|topic| topic.name == IMAGE).unwrap();
        assert_eq!(image.type_name, spell("sensor_msgs/msg/Image"));
        let judged = run(&folder, &["evaluate", "out"]).expect_code(0);
        assert!(
            judged.stdout.contains("3 of 3 steps have ground truth"),
            "{judged}"
        );
    }
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
    .expect_code(0);
    assert_eq!(wrong.json()["bags"][0]["invalid"]["no_target_box"], 3);
    assert!(
        wrong.stderr.contains("not one of 3 steps is valid"),
        "{wrong}"
    );
    assert!(
        wrong.stderr.contains("in the target's: [target]"),
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
