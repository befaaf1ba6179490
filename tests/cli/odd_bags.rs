//! Bags as people keep them: renamed, counted wrong, of ROS 1, or no bag at all; and that every command means the same
//! by a bag.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mcap::WriteOptions;
use mcap::records::MessageHeader;
use spatial_reward::bag::{BagInfo, BagReader, BagWriter, Storage};

use crate::fixtures::*;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/fetch_approach")
}

/// A copy of the sample, as a folder of that name.
fn copy_of_sample(at: &Path, name: &str) -> PathBuf {
    let folder = at.join(name);
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(sample()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    folder
}

/// What the steps of a labelled bag say of distances, in order. Every one is valid.
#[track_caller]
fn distances(bag: &Path) -> Vec<f64> {
    let rewards = rewards(bag);
    assert!(rewards.iter().all(|(_, reward)| reward.valid));
    rewards
        .iter()
        .map(|(_, reward)| reward.distance_m)
        .collect()
}

/// The distances of the sample as it is.
fn expected() -> Vec<f64> {
    let folder = tempfile::tempdir().unwrap();
    let sample = sample();
    let arguments = ["label", sample.to_str().unwrap(), "-o", "out"];
    run(folder.path(), &arguments).expect_code(0);
    let distances = distances(&folder.path().join("out"));
    assert_eq!(distances.len(), 80);
    distances
}

/// It is labelled as the sample is; the counts of its metadata.yaml are true; inspect says the same of it, and what
/// is odd.
#[track_caller]
fn assert_labelled_as_the_sample(at: &Path, bag: &str, odd: &str) {
    let ended = run(at, &["label", bag, "-o", "out"]).expect_code(0);
    assert_eq!(distances(&at.join("out")), expected(), "{ended}");
    let reader = BagReader::open(&at.join("out")).unwrap();
    assert!(reader.info().oddities.is_empty());
    assert_eq!(
        reader.info().message_count,
        Some(messages(&at.join("out")).len() as u64)
    );
    let findings = run(at, &["inspect", bag, "--json"]).expect_code(0);
    let label = &findings.json()["label"];
    assert_eq!(
        (&label["possible"], &label["complete"]),
        (&true.into(), &80.into())
    );
    assert!(ended.stderr.contains(odd), "'{odd}' is not said\n{ended}");
    // once, as often as the bag is read
    let told = ended.stderr.matches("is read, though it is odd").count();
    assert_eq!(told, usize::from(!odd.is_empty()), "{ended}");
    let remarks = label["remarks"].to_string();
    assert!(remarks.contains(odd) || odd.is_empty(), "{remarks}");
}

#[test]
fn a_bag_whose_file_was_renamed_is_labelled() {
    let folder = tempfile::tempdir().unwrap();
    let bag = copy_of_sample(folder.path(), "pick");
    fs::rename(
        bag.join("fetch_approach_mcap.mcap"),
        bag.join("my_run.mcap"),
    )
    .unwrap();
    assert_labelled_as_the_sample(
        folder.path(),
        "pick",
        "metadata.yaml lists fetch_approach_mcap.mcap, which is not there: my_run.mcap is read in its place",
    );
}

#[test]
fn a_bag_that_counts_no_messages_is_labelled() {
    let folder = tempfile::tempdir().unwrap();
    for storage in [Storage::Mcap, Storage::Sqlite3] {
        // given the sample in either storage, with a metadata.yaml in which every count is 0
        let bag = folder.path().join("pick");
        let mut reader = BagReader::open(&sample()).unwrap();
        let mut writer = BagWriter::create(&bag, "pick", storage, reader.info(), &[]).unwrap();
        while let Some(message) = reader.next_message().unwrap() {
            writer.write_message(&message).unwrap();
        }
        writer.finish().unwrap();
        let path = bag.join("metadata.yaml");
        let text = fs::read_to_string(&path).unwrap();
        let zeros: String = (text.lines())
            .map(|line| match line.split_once("message_count: ") {
                Some((before, _)) => format!("{before}message_count: 0\n"),
                None => format!("{line}\n"),
            })
            .collect();
        fs::write(&path, zeros).unwrap();
        assert_labelled_as_the_sample(folder.path(), "pick", "counts no messages");
        fs::remove_dir_all(&bag).unwrap();
        fs::remove_dir_all(folder.path().join("out")).unwrap();
    }
}

#[test]
fn a_bag_without_metadata_is_labelled() {
    // given a folder that is called as its file, which is how some recorders call them
    let folder = tempfile::tempdir().unwrap();
    let bag = copy_of_sample(folder.path(), "fetch_approach_mcap");
    fs::remove_file(bag.join("metadata.yaml")).unwrap();
    assert_labelled_as_the_sample(folder.path(), "fetch_approach_mcap", "no metadata.yaml");
}

/// The sample as a bare MCAP file, with other names of types and encodings.
fn rewritten(type_name: impl Fn(&str) -> String, schema: &str, encoding: &str) -> Vec<u8> {
    let mut reader = BagReader::open(&sample()).unwrap();
    let mut writer = (WriteOptions::new().profile("ros2"))
        .create(std::io::Cursor::new(Vec::new()))
        .unwrap();
    let mut channels = Vec::new();
    for topic in &reader.info().topics {
        let definition = topic.ros2msg().unwrap();
        let schema = writer
            .add_schema(&type_name(&topic.type_name), schema, definition.as_bytes())
            .unwrap();
        let channel = writer.add_channel(schema, &topic.name, encoding, &BTreeMap::new());
        channels.push(channel.unwrap());
    }
    while let Some(message) = reader.next_message().unwrap() {
        let header = MessageHeader {
            channel_id: channels[message.topic],
            sequence: message.sequence,
            log_time: message.log_time_nanos.cast_unsigned(),
            publish_time: message.publish_time_nanos.cast_unsigned(),
        };
        // ROS 1 has no encapsulation.
        let begin = if encoding == "ros1" { 4 } else { 0 };
        writer
            .write_to_known_channel(&header, &message.data[begin..])
            .unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().into_inner()
}

#[test]
fn short_names_of_types_with_their_definitions_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = rewritten(|name| name.replace("/msg/", "/"), "ros2msg", "cdr");
    fs::write(folder.path().join("pick.mcap"), file).unwrap();
    assert_labelled_as_the_sample(folder.path(), "pick.mcap", "");
}

const COMMANDS: [&[&str]; 4] = [
    &["label", "-o", "out"],
    &["inspect"],
    &["evaluate"],
    &["dataset", "-o", "out"],
];

#[test]
fn every_command_refuses_ros_1_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let short = |name: &str| name.replace("/msg/", "/");
    fs::write(at.join("pick.mcap"), rewritten(short, "ros1msg", "ros1")).unwrap();
    fs::create_dir(at.join("recordings")).unwrap();
    for name in ["pick.bag", "recordings/place.bag"] {
        fs::write(at.join(name), b"#ROSBAG V2.0\nand so on").unwrap();
    }
    for bag in ["pick.mcap", "pick.bag", "recordings"] {
        for command in COMMANDS {
            let words = [bag, "ROS 1", "rosbags-convert"];
            run(at, &[command, &[bag]].concat()).expect_error(&words);
        }
    }
    assert_eq!(names_in(at), ["pick.bag", "pick.mcap", "recordings"]);
    // Beside bags of ROS 2 they are passed over
    approach(3).save(&at.join("recordings/reach.mcap"));
    let ended = run(at, &["label", "recordings", "-o", "out"]).expect_code(0);
    assert!(ended.stderr.contains("place.bag"), "{ended}");
    assert_eq!(names_in(&at.join("out")), ["reach_labelled"]);
}

#[cfg(unix)]
#[test]
fn every_command_refuses_what_is_no_regular_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let pipe = std::process::Command::new("mkfifo")
        .arg(at.join("pipe.mcap"))
        .status();
    assert!(pipe.unwrap().success());
    let _listener = std::os::unix::net::UnixListener::bind(at.join("socket.mcap")).unwrap();
    for (bag, what) in [
        ("pipe.mcap", "a named pipe"),
        ("socket.mcap", "a socket"),
        ("/dev/zero", "a device"),
    ] {
        for command in COMMANDS {
            run(at, &[command, &[bag]].concat()).expect_error(&[bag, what]);
        }
    }
    assert_eq!(names_in(at), ["pipe.mcap", "socket.mcap"]);
}

#[test]
fn label_and_inspect_mean_the_same_by_a_bag() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // given a folder with two recordings, which are not the parts of one
    approach(3).save(&at.join("day/pick.mcap"));
    approach(5).save(&at.join("day/place.mcap"));
    run(at, &["label", "day"]).expect_code(0);
    // when it is inspected, then they are not read as one
    run(at, &["inspect", "day"]).expect_error(&["2 bags", "pick.mcap", "place.mcap"]);
    // One recording is told from what was made of it
    fs::remove_file(at.join("day/place.mcap")).unwrap();
    let findings = run(at, &["inspect", "day", "--json"]).expect_code(0).json();
    assert_eq!(findings["label"]["frames"], 3);
    // Where several were labelled, one has to be named
    run(at, &["evaluate", "day"]).expect_error(&["pick_labelled", "place_labelled"]);
    fs::remove_dir_all(at.join("day/place_labelled")).unwrap();
    run(at, &["evaluate", "day"]).expect_code(0);
}

#[test]
fn a_bag_without_topics_known_here_is_no_empty_bag() {
    let mut reader = BagReader::open(&sample()).unwrap();
    let empty = BagInfo::empty();
    let folder = tempfile::tempdir().unwrap();
    // given topics whose messages are JSON, of the right types
    let topics: Vec<_> = (reader.info().topics.iter().cloned())
        .map(|mut topic| {
            topic.serialization_format = "json".to_owned();
            topic
        })
        .collect();
    let mut writer = BagWriter::create(
        &folder.path().join("pick"),
        "pick",
        Storage::Mcap,
        &empty,
        &topics,
    )
    .unwrap();
    let message = reader.next_message().unwrap().unwrap();
    for topic in 0..topics.len() {
        let time = message.log_time_nanos;
        writer.write(topic, time, time, 0, b"{}").unwrap();
    }
    writer.finish().unwrap();
    // when they are searched or named, then it is said that they cannot be read
    run(folder.path(), &["label", "pick"]).expect_error(&["CDR", "(json)"]);
    let image = "/camera/color/image_raw/compressed";
    run(folder.path(), &["label", "pick", "--image-topic", image])
        .expect_error(&[image, "'json'", "CDR"]);
}

#[test]
fn after_a_crash_nobody_says_that_nothing_is_missing() {
    // given a recording that was cut, and a metadata.yaml made of what was left, as `ros2 bag reindex` makes it
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let whole = approach(12).mcap();
    fs::create_dir(at.join("pick")).unwrap();
    fs::write(at.join("pick/pick_0.mcap"), &whole[..whole.len() / 2]).unwrap();
    let left = messages(&at.join("pick")).len();
    let metadata = format!(
        "rosbag2_bagfile_information:\n  version: 9\n  message_count: {left}\n  relative_file_paths: [pick_0.mcap]\n"
    );
    fs::write(at.join("pick/metadata.yaml"), metadata).unwrap();
    // when it is labelled and inspected
    let labelled = run(at, &["label", "pick", "-o", "out"]).expect_code(3);
    let reported = run(at, &["label", "pick", "-o", "out_json", "--json"]).expect_code(3);
    let inspected = run(at, &["inspect", "pick"]).expect_code(3);
    // then the number is unknown
    for ended in [&labelled, &inspected] {
        let unknown = "an unknown number of messages was lost";
        assert!(ended.stdout.contains(unknown), "{ended}");
        assert!(!ended.stdout.contains("no message is missing"), "{ended}");
    }
    assert!(
        reported.json()["bags"][0]["loss"]["messages"].is_null(),
        "{reported}"
    );
}
