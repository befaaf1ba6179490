//! One stream in several forms, and depth, boxes and types told by what is in them rather than by names.

use crate::fixtures::*;

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
fn what_begins_late_is_found_by_its_name() {
    // given more messages of something else than anybody looks at
    let mut recording = approach(3);
    for index in 0..20_100 {
        let log_time = START - 1_000_000_000 + index;
        recording.push("/chatter", "std_msgs/msg/String", log_time, cdr(&"hello"));
    }
    let (_guard, folder) = folder_with(&recording);
    assert_eq!(chosen(&folder, "depth"), DEPTH);
    assert_eq!(distances(&recording), distances(&approach(3)));
}

#[test]
fn grey_of_16_bits_from_another_camera_is_no_depth() {
    // given a thermal camera whose name does not say so, and no depth
    let recording = (approach(3).renamed(DEPTH, "/boson/image_raw"))
        .with_data(
            "/boson/image_raw",
            "sensor_msgs/msg/Image",
            depth_as(3, |stamp, depth_m| {
                depth_millimetres(stamp, "mono16", depth_m)
            }),
        )
        .in_frame("/boson/image_raw", b"boson1");
    let (_guard, folder) = folder_with(&recording);
    run(&folder, &["label", "pick.mcap"]).expect_error(&["no topic for the depth image"]);
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
