//! Several cameras and detectors in one recording: what belongs together is taken together, or it is asked.

use crate::fixtures::*;

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
