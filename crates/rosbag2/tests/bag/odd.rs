//! Folders that disagree with their metadata.yaml: what is there is read, and what is odd is said.

use std::path::Path;

use rusqlite::{Connection, params};
use spatial_reward_rosbag2::{BagReader, Error};

use crate::fixtures::*;

/// Two files of a split bag, with their messages.
fn parts(folder: &Path, names: [&str; 2]) -> Vec<Sent> {
    let sent = messages(40, 100);
    let files = [&sent[..20], &sent[20..]].map(|part| mcap_bytes(mcap_options(), part));
    write_folder(
        folder,
        "mcap",
        &[(names[0], &files[0], 20), (names[1], &files[1], 20)],
    );
    sent
}

fn rename(folder: &Path, from: &str, to: &str) {
    std::fs::rename(folder.join(from), folder.join(to)).unwrap();
}

/// It reads all of it, loses nothing, and says these words about what is odd.
#[track_caller]
fn assert_reads_odd(path: &Path, expected: &[Sent], words: &[&str]) -> BagReader {
    let (read, reader) = read_bag(path);
    assert!(read == expected, "{} of {}", read.len(), expected.len());
    assert_eq!(reader.loss(), None);
    let odd = reader.info().oddities.join("; ");
    for word in words {
        assert!(odd.contains(word), "'{word}' is not said: {odd}");
    }
    assert_eq!(words.is_empty(), odd.is_empty(), "{odd}");
    reader
}

/// A metadata.yaml that lists topics with counts.
fn write_topics(folder: &Path, file: &str, all: usize, topics: &[(&str, usize)]) {
    let topics: String = topics
        .iter()
        .map(|(name, count)| {
            format!(
                "    - topic_metadata: {{name: {name}, type: std_msgs/msg/String, serialization_format: cdr}}\n      \
                 message_count: {count}\n"
            )
        })
        .collect();
    let text = format!(
        "rosbag2_bagfile_information:\n  version: 5\n  storage_identifier: sqlite3\n  message_count: {all}\n  \
         topics_with_message_count:\n{topics}  relative_file_paths: [{file}]\n"
    );
    std::fs::write(folder.join("metadata.yaml"), text).unwrap();
}

fn counts(reader: &BagReader) -> Vec<Option<u64>> {
    let topics = reader.info().topics.iter();
    topics.map(|topic| topic.message_count).collect()
}

#[test]
fn a_renamed_file_is_read_in_the_place_of_the_one_that_is_listed() {
    for storage in ["mcap", "db3"] {
        // given a bag of one file, which was renamed
        let folder = tempfile::tempdir().unwrap();
        let sent = messages(20, 100);
        let name = format!("bag_0.{storage}");
        let path = folder.path().join(&name);
        match storage {
            "mcap" => std::fs::write(&path, mcap_bytes(mcap_options(), &sent)).unwrap(),
            _ => write_db3(&path, Layout::Jazzy, &sent),
        }
        write_metadata(folder.path(), storage, "", &[(&name, &[], 20)]);
        let new_name = format!("my run.{storage}");
        rename(folder.path(), &name, &new_name);
        // when it is read, then it is whole, and the names are told
        let reader = assert_reads_odd(folder.path(), &sent, &[&name, &new_name, "in its place"]);
        assert_eq!(reader.info().message_count, Some(20));
        assert_eq!(counts(&reader), [Some(7), Some(13)]);
    }
}

#[test]
fn files_of_a_split_bag_that_were_renamed_are_found() {
    for renamed in [&["bag_0.mcap"][..], &["bag_0.mcap", "bag_1.mcap"][..]] {
        let folder = tempfile::tempdir().unwrap();
        let sent = parts(folder.path(), ["bag_0.mcap", "bag_1.mcap"]);
        for name in renamed {
            rename(folder.path(), name, &format!("run{name}"));
        }
        assert_reads_odd(folder.path(), &sent, &["bag_0.mcap", "runbag_0.mcap"]);
    }
}

#[test]
fn a_part_that_is_not_listed_is_read_and_is_no_stand_in_for_one_that_is_missing() {
    // given a bag whose recorder was killed before it listed the last file
    let folder = tempfile::tempdir().unwrap();
    let sent = parts(folder.path(), ["bag_0.mcap", "bag_1.mcap"]);
    let listed = [("bag_0.mcap", &[][..], 20)];
    write_metadata(folder.path(), "mcap", "", &listed);
    let reader = assert_reads_odd(folder.path(), &sent, &["bag_1.mcap", "read too"]);
    assert_eq!(reader.info().message_count, Some(40));
    // and one that has lost its first file
    std::fs::remove_file(folder.path().join("bag_0.mcap")).unwrap();
    let (read, reader) = read_bag(folder.path());
    assert!(read == sent[20..]);
    assert_eq!(reader.loss().unwrap().messages_lost, Some(20));
}

#[test]
fn a_file_of_another_name_beside_the_bag_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let sent = parts(folder.path(), ["bag_0.mcap", "bag_1.mcap"]);
    let other = mcap_bytes(mcap_options(), &messages(3, 10));
    write_file(folder.path(), "before.mcap", &other);
    assert_reads_odd(folder.path(), &sent, &["before.mcap", "is not read"]);
}

#[test]
fn a_metadata_whose_files_are_all_gone_is_refused_with_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    parts(folder.path(), ["bag_0.mcap", "bag_1.mcap"]);
    for name in ["bag_0.mcap", "bag_1.mcap"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    let error = open_error(folder.path()).to_string();
    assert!(
        error.contains("bag_0.mcap, bag_1.mcap") && error.contains("holds no .mcap"),
        "{error}"
    );
    // Several bags that are not one
    for name in ["monday.mcap", "tuesday.mcap", "wednesday.mcap"] {
        write_file(
            folder.path(),
            name,
            &mcap_bytes(mcap_options(), &messages(3, 10)),
        );
    }
    let error = open_error(folder.path()).to_string();
    assert!(
        error.contains("monday.mcap") && error.contains("give one"),
        "{error}"
    );
}

#[test]
fn a_file_and_its_compressed_copy_are_read_once() {
    let sent = messages(10, 30);
    let bytes = mcap_bytes(mcap_options(), &sent);
    for listed in [None, Some("bag_0.mcap.zstd"), Some("bag_0.mcap")] {
        let folder = tempfile::tempdir().unwrap();
        write_file(folder.path(), "bag_0.mcap", &bytes);
        write_file(folder.path(), "bag_0.mcap.zstd", &zstd(&bytes));
        let odd: &[&str] = match listed {
            Some(name) => {
                write_metadata(folder.path(), "mcap", "", &[(name, &[], 10)]);
                &[]
            }
            None => &["no metadata.yaml"],
        };
        assert_reads_odd(folder.path(), &sent, odd);
    }
}

#[test]
fn counts_of_zero_are_counted_anew() {
    // given bags with messages whose metadata.yaml counts none
    let sent = messages(30, 50);
    for storage in ["bag_0.mcap", "bag_0.db3"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(storage);
        match storage {
            "bag_0.mcap" => std::fs::write(&path, mcap_bytes(mcap_options(), &sent)).unwrap(),
            _ => write_db3(&path, Layout::Humble, &sent),
        }
        for (all, chatter, image) in [(0, 0, 0), (30, 0, 0), (30, 30, 20)] {
            write_topics(
                folder.path(),
                storage,
                all,
                &[("/chatter", chatter), ("/image", image)],
            );
            // when they are opened, then the messages themselves count
            let reader = assert_reads_odd(folder.path(), &sent, &["counts"]);
            assert_eq!(counts(&reader), [Some(10), Some(20)], "{storage} {all}");
            assert_eq!(reader.info().message_count, Some(30));
        }
    }
}

#[test]
fn a_topic_that_is_called_silent_may_have_messages_where_the_bag_has_more_than_listed() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(30, 50);
    write_db3(&folder.path().join("bag_0.db3"), Layout::Humble, &sent);
    // given counts that agree with each other and leave a topic out
    write_topics(
        folder.path(),
        "bag_0.db3",
        10,
        &[("/chatter", 10), ("/image", 0)],
    );
    let reader = assert_reads_odd(folder.path(), &sent, &["10 messages where there are 30"]);
    assert_eq!(counts(&reader), [Some(10), None]);
    assert_eq!(reader.info().message_count, Some(30));
}

#[test]
fn a_silent_topic_stays_silent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag_0.db3");
    let sent: Vec<Sent> = messages(30, 50)
        .into_iter()
        .filter(|message| message.topic == "/chatter")
        .collect();
    write_db3(&path, Layout::Jazzy, &sent);
    write_topics(
        folder.path(),
        "bag_0.db3",
        10,
        &[("/chatter", 10), ("/image", 0)],
    );
    let reader = assert_reads_odd(folder.path(), &sent, &[]);
    assert_eq!(counts(&reader), [Some(10), Some(0)]);
}

#[test]
fn an_empty_bag_that_counts_nothing_is_not_odd() {
    let folder = tempfile::tempdir().unwrap();
    write_db3(&folder.path().join("bag_0.db3"), Layout::Jazzy, &[]);
    write_topics(
        folder.path(),
        "bag_0.db3",
        0,
        &[("/chatter", 0), ("/image", 0)],
    );
    let reader = assert_reads_odd(folder.path(), &[], &[]);
    assert_eq!(reader.info().message_count, Some(0));
}

#[test]
fn mcap_statistics_may_leave_the_topics_out() {
    // given a file whose statistics count its messages, but not those of each channel
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(30, 50);
    let mut bytes = mcap_bytes(mcap_options().calculate_summary_section_crc(false), &sent);
    let counts_of =
        |channel: u16, count: u64| [&channel.to_le_bytes()[..], &count.to_le_bytes()].concat();
    for (channel, count) in [(1, 10), (2, 20)] {
        let written = counts_of(channel, count);
        let at = bytes.windows(10).rposition(|it| it == written).unwrap();
        bytes[at..at + 10].copy_from_slice(&counts_of(channel, 0));
    }
    let path = write_file(folder.path(), "bag.mcap", &bytes);
    // when it is read, then nobody takes its topics for empty
    let reader = assert_reads_odd(&path, &sent, &[]);
    assert_eq!(counts(&reader), [None, None]);
    assert_eq!(reader.info().message_count, Some(30));
}

#[test]
fn mcap_statistics_that_count_nothing_are_not_believed() {
    // given a file with chunks of messages, whose statistics say that there is none
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(30, 50);
    let options = mcap_options().calculate_summary_section_crc(false);
    let mut bytes = mcap_bytes(options, &sent);
    // All numbers of the record are little endian: of messages 8 bytes, of schemas 2, of channels 4.
    let statistics = [&30_u64.to_le_bytes()[..], &[1, 0, 2, 0, 0, 0]].concat();
    let at = bytes.windows(14).rposition(|it| it == statistics).unwrap();
    bytes[at..at + 8].fill(0);
    let path = write_file(folder.path(), "bag.mcap", &bytes);
    // when it is read, then its chunks tell
    let reader = assert_reads_odd(&path, &sent, &[]);
    assert_eq!(counts(&reader), [Some(10), Some(20)]);
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    use std::os::unix::net::UnixListener;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // given what would let its reader wait for ever, or never end
    let pipe = std::process::Command::new("mkfifo")
        .arg(at("pipe.mcap"))
        .status();
    assert!(pipe.unwrap().success());
    let _listener = UnixListener::bind(at("socket.mcap")).unwrap();
    for (path, what) in [
        (at("pipe.mcap"), "a named pipe"),
        (at("socket.mcap"), "a socket"),
        ("/dev/zero".into(), "a device"),
    ] {
        let error = open_error(&path);
        assert!(matches!(error, Error::NotABag { .. }), "{error:?}");
        assert!(error.to_string().contains(what), "{error}");
    }
    // Nor is a folder's file or metadata opened that is none
    std::fs::remove_file(at("socket.mcap")).unwrap();
    std::fs::rename(at("pipe.mcap"), at("metadata.yaml")).unwrap();
    let sent = messages(5, 10);
    write_file(
        folder.path(),
        "bag_0.mcap",
        &mcap_bytes(mcap_options(), &sent),
    );
    assert_reads_odd(folder.path(), &sent, &["metadata.yaml is no file"]);
}

/// An MCAP file with one message on each of these topics: name, encoding of the schema, encoding of the messages.
fn mcap_of(topics: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut writer = mcap_options()
        .create(std::io::Cursor::new(Vec::new()))
        .unwrap();
    for (name, schema, encoding) in topics {
        let schema = writer
            .add_schema("std_msgs/String", schema, b"string data\n")
            .unwrap();
        let channel = writer
            .add_channel(schema, name, encoding, &Default::default())
            .unwrap();
        let header = mcap::records::MessageHeader {
            channel_id: channel,
            sequence: 0,
            log_time: START.cast_unsigned(),
            publish_time: START.cast_unsigned(),
        };
        writer
            .write_to_known_channel(&header, &[0, 1, 0, 0, 1, 0, 0, 0, 0])
            .unwrap();
    }
    finish_mcap(writer)
}

#[test]
fn a_recording_of_ros_1_is_refused_with_what_converts_it() {
    let folder = tempfile::tempdir().unwrap();
    let magic = b"#ROSBAG V2.0\nrest of it";
    let nested = folder.path().join("nested");
    std::fs::create_dir(&nested).unwrap();
    write_file(&nested, "run.bag", magic);
    let listed = folder.path().join("listed");
    write_folder(&listed, "rosbag_v2", &[("run.bag", magic, 1)]);
    for path in [
        write_file(folder.path(), "run.bag", magic),
        write_file(folder.path(), "run.bag.zstd", &zstd(magic)),
        nested,
        listed,
        write_file(
            folder.path(),
            "a.mcap",
            &mcap_of(&[("/a", "ros1msg", "ros1")]),
        ),
        write_file(
            folder.path(),
            "b.mcap",
            &mcap_of(&[("/a", "ros1msg", "cdr")]),
        ),
        write_file(
            folder.path(),
            "c.mcap",
            &mcap_of(&[("/a", "", "ros1"), ("/b", "", "json")]),
        ),
    ] {
        let error = open_error(&path);
        assert!(matches!(error, Error::Ros1 { .. }), "{error:?}");
        let text = error.to_string();
        for word in ["ROS 1", "rosbags-convert", &path.display().to_string()] {
            assert!(text.contains(word), "{text}");
        }
    }
    // One that has topics of ROS 2 too is read
    let both = mcap_of(&[("/a", "ros1msg", "ros1"), ("/b", "ros2msg", "cdr")]);
    let path = write_file(folder.path(), "both.mcap", &both);
    assert_eq!(read_all(&mut BagReader::open(&path).unwrap()).len(), 2);
}

#[test]
fn a_look_ahead_begins_at_the_first_message_and_moves_nothing() {
    for storage in ["bag.mcap", "bag.db3", "bag.mcap.zstd"] {
        let folder = tempfile::tempdir().unwrap();
        let sent = messages(60, 300);
        let path = folder.path().join(storage);
        match storage {
            "bag.db3" => write_db3(&path, Layout::Dashing, &sent),
            "bag.mcap" => std::fs::write(&path, mcap_bytes(mcap_options(), &sent)).unwrap(),
            _ => std::fs::write(&path, zstd(&mcap_bytes(mcap_options(), &sent))).unwrap(),
        }
        let mut reader = BagReader::open(&path).unwrap();
        for wanted in [3, 1, 1000] {
            // when somebody looks at some messages
            let mut seen = Vec::new();
            reader
                .look_ahead(&mut |message| {
                    seen.push(message);
                    seen.len() < wanted
                })
                .unwrap();
            // then they are the first ones
            assert_eq!(seen.len(), wanted.min(60));
            assert!(
                seen.iter()
                    .zip(&sent)
                    .all(|(seen, sent)| *seen.data == *sent.data)
            );
        }
        assert_eq!(read_all(&mut reader).len(), 60);
    }
}

#[test]
fn a_look_ahead_at_a_damaged_bag_leaves_the_account_to_the_reading() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = mcap_bytes(mcap_options(), &messages(60, 300));
    let path = write_file(folder.path(), "bag.mcap", &bytes[..bytes.len() / 2]);
    let mut reader = BagReader::open(&path).unwrap();
    reader.look_ahead(&mut |_| true).unwrap();
    assert_eq!(reader.loss(), None);
    drop(read_all(&mut reader));
    assert!(reader.loss().is_some());
}

#[test]
fn a_topic_that_metadata_does_not_list_has_an_unknown_count() {
    // given a database with a topic that metadata.yaml does not list
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag_0.db3");
    let sent = messages(9, 20);
    write_db3(&path, Layout::Humble, &sent);
    let database = Connection::open(&path).unwrap();
    database
        .execute(
            "INSERT INTO topics VALUES (3, '/late', 'std_msgs/msg/String', 'cdr', '')",
            params![],
        )
        .unwrap();
    database.close().unwrap();
    write_topics(
        folder.path(),
        "bag_0.db3",
        9,
        &[("/chatter", 3), ("/image", 6)],
    );
    // then its count is not known, and all else is as listed
    let reader = assert_reads_odd(folder.path(), &sent, &[]);
    assert_eq!(counts(&reader), [Some(3), Some(6), None]);
}
