//! Any bytes as the messages of a bag that a data set is made of: pictures, depth, boxes, instances and gravity. What
//! comes of it is refused or a data set, each line of which a training can read.
//!
//! An input is a list of messages: which topic (1 byte), when in steps of 10 ms (1 byte), its length (u16), and so many
//! bytes.

#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use libfuzzer_sys::fuzz_target;
use mcap::WriteOptions;
use mcap::records::MessageHeader;
use spatial_reward::dataset::{DatasetRequest, ExtraTopics, Options, build};
use spatial_reward::estimator::RegionNetworks;
use spatial_reward::settings::Settings;
use spatial_reward::training_row::TrainingRow;
use spatial_reward::video::VideoDecoders;
use spatial_reward_fuzz::let_decoders_panic;
use tempfile::TempDir;

/// `seed.py` counts on this order.
const TOPICS: [(&str, &str); 8] = [
    ("/camera/color/image_raw", "sensor_msgs/msg/Image"),
    (
        "/camera/aligned_depth_to_color/image_raw",
        "sensor_msgs/msg/Image",
    ),
    ("/camera/color/camera_info", "sensor_msgs/msg/CameraInfo"),
    ("/fingertip/detections", "vision_msgs/msg/Detection2DArray"),
    ("/target/detections", "vision_msgs/msg/Detection2DArray"),
    ("/ground_truth/depth/image_raw", "sensor_msgs/msg/Image"),
    ("/ground_truth/instances/image_raw", "sensor_msgs/msg/Image"),
    ("/camera/imu", "sensor_msgs/msg/Imu"),
];
const START_NANOS: u64 = 1_760_000_000_000_000_000;
const STEP_NANOS: u64 = 10_000_000;
/// More messages than this only take longer.
const MOST: usize = 64;

static FOLDER: LazyLock<TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a temporary folder can be made"));

fuzz_target!(init: let_decoders_panic(), |input: &[u8]| {
    let (source, target) = (FOLDER.path().join("x.mcap"), FOLDER.path().join("out"));
    fs::write(&source, bag(input)).expect("the temporary folder takes the input");
    let stop = AtomicBool::new(false);
    let made = build(
        &DatasetRequest {
            overwrite: false,
            sources: &[source],
            target: &target,
            settings: &Settings::geometry(),
            topics: &ExtraTopics::default(),
            networks: &RegionNetworks::default(),
            video: &VideoDecoders::none(),
            options: Options {
                every: 1,
                questions: 4,
                direct: 0.5,
                default_wording: 0.5,
                seed: 1,
            },
            jobs: 1,
            command: "fuzz",
            stop: &stop,
        },
        &mut |_| {},
    );
    if made.is_ok() {
        check(&target);
        fs::remove_dir_all(&target).expect("the data set can be removed");
    }
});

/// A bag with the input's messages.
fn bag(input: &[u8]) -> Vec<u8> {
    let options = WriteOptions::new().profile("ros2").compression(None);
    let mut writer = options
        .create(Cursor::new(Vec::new()))
        .expect("memory can be written to");
    let channels = TOPICS.map(|(topic, type_name)| {
        let schema = writer.add_schema(type_name, "", b"");
        let schema = schema.expect("a schema without a definition");
        let channel = writer.add_channel(schema, topic, "cdr", &BTreeMap::new());
        channel.expect("a channel of it")
    });
    let mut rest = input;
    for sequence in 0..MOST as u32 {
        let [topic, when, low, high, behind @ ..] = rest else {
            break;
        };
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
        let (data, behind) = behind.split_at(length);
        rest = behind;
        let time = START_NANOS + u64::from(*when) * STEP_NANOS;
        let header = MessageHeader {
            channel_id: channels[usize::from(*topic) % channels.len()],
            sequence,
            log_time: time,
            publish_time: time,
        };
        let written = writer.write_to_known_channel(&header, data);
        written.expect("memory takes a message");
    }
    writer.finish().expect("memory takes the end");
    writer.into_inner().into_inner()
}

/// What was written can be trained on.
fn check(folder: &Path) {
    let rows = fs::read_to_string(folder.join("dataset.jsonl")).expect("a data set has rows");
    assert!(!rows.is_empty(), "a data set without a row is an error");
    for line in rows.lines() {
        let row = TrainingRow::parse(line).expect("a written row can be read");
        let pictures = [Some(&row.color), row.depth.as_ref(), row.metric.as_ref()];
        for picture in pictures.into_iter().flatten() {
            assert!(folder.join(picture).is_file(), "{picture} is missing");
        }
    }
}
