//! Bags built in code, in every layout that recorders have used.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use mcap::records::MessageHeader;
use mcap::{Compression, WriteOptions, Writer};
use rusqlite::{Connection, params};
use spatial_reward_rosbag2::{BagMessage, BagReader};
use spatial_reward_rosbag2::{Error, Result};

pub(crate) const DEFINITION: &str = "string data\n";
pub(crate) const TYPE_HASH: &str =
    "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18";
pub(crate) const QOS: &str = "- history: keep_last\n  depth: 10";
pub(crate) const START: i64 = 1_760_000_000_000_000_000;

/// What a message is known by in these tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub topic: &'static str,
    pub time: i64,
    pub data: Vec<u8>,
}

/// Messages on two topics, a step of 10 ms apart, with bytes that hardly compress.
pub(crate) fn messages(count: i64, data_bytes: usize) -> Vec<Sent> {
    let data = |seed: i64| {
        let mut state = seed.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let noise = std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        });
        let header = [0, 1, 0, 0];
        header.into_iter().chain(noise.take(data_bytes)).collect()
    };
    (0..count)
        .map(|i| Sent {
            topic: if i % 3 == 0 { "/chatter" } else { "/image" },
            time: START + i * 10_000_000,
            data: data(i),
        })
        .collect()
}

pub(crate) fn mcap_options() -> WriteOptions {
    WriteOptions::new()
        .profile("ros2")
        .compression(Some(Compression::Zstd))
        .compression_threads(0)
        .chunk_size(Some(4096))
}

/// An MCAP writer with the channels 1 `/chatter` and 2 `/image`.
pub(crate) fn mcap_writer(options: WriteOptions) -> Writer<Cursor<Vec<u8>>> {
    let mut writer = options.create(Cursor::new(Vec::new())).unwrap();
    let metadata = BTreeMap::from([
        ("offered_qos_profiles".to_owned(), QOS.to_owned()),
        ("topic_type_hash".to_owned(), TYPE_HASH.to_owned()),
        ("site".to_owned(), "kitchen".to_owned()),
    ]);
    for topic in ["/chatter", "/image"] {
        let schema = writer
            .add_schema("std_msgs/msg/String", "ros2msg", DEFINITION.as_bytes())
            .unwrap();
        writer.add_channel(schema, topic, "cdr", &metadata).unwrap();
    }
    writer
}

pub(crate) fn write_mcap_message(writer: &mut Writer<Cursor<Vec<u8>>>, sent: &Sent, sequence: u32) {
    let header = MessageHeader {
        channel_id: if sent.topic == "/chatter" { 1 } else { 2 },
        sequence,
        log_time: sent.time.cast_unsigned(),
        publish_time: sent.time.cast_unsigned() - 5,
    };
    writer.write_to_known_channel(&header, &sent.data).unwrap();
}

pub(crate) fn finish_mcap(mut writer: Writer<Cursor<Vec<u8>>>) -> Vec<u8> {
    writer.finish().unwrap();
    writer.into_inner().into_inner()
}

pub(crate) fn mcap_bytes(options: WriteOptions, messages: &[Sent]) -> Vec<u8> {
    let mut writer = mcap_writer(options);
    for (sent, sequence) in messages.iter().zip(0..) {
        write_mcap_message(&mut writer, sent, sequence);
    }
    finish_mcap(writer)
}

/// An MCAP file that breaks off before its first message: header, schemas and channels.
pub(crate) fn mcap_start() -> Vec<u8> {
    const DATA_END_BYTES: u64 = 1 + 8 + 4;
    let mut bytes = mcap_bytes(mcap_options().use_chunks(false), &[]);
    let footer = mcap::read::footer(&bytes).unwrap();
    bytes.truncate((footer.summary_start - DATA_END_BYTES) as usize);
    bytes
}

/// The layouts of sqlite3 bags over the years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// No index on the time, no QoS.
    Dashing,
    Humble,
    Jazzy,
}

pub(crate) fn write_db3(path: &Path, layout: Layout, messages: &[Sent]) {
    let database = Connection::open(path).unwrap();
    fill_db3(&database, layout, messages);
    database.close().unwrap();
}

pub(crate) fn fill_db3(database: &Connection, layout: Layout, messages: &[Sent]) {
    let tables = match layout {
        Layout::Dashing => {
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
                serialization_format TEXT NOT NULL);"
        }
        Layout::Humble => {
            "CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
             INSERT INTO schema VALUES (3, 'humble');
             CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
                serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);"
        }
        Layout::Jazzy => {
            "CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
             INSERT INTO schema VALUES (4, 'jazzy');
             CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
                serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL,
                type_description_hash TEXT NOT NULL);
             CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL,
                encoding TEXT NOT NULL, encoded_message_definition TEXT NOT NULL,
                type_description_hash TEXT NOT NULL);
             INSERT INTO message_definitions VALUES
                (1, 'std_msgs/msg/String', 'ros2msg', 'string data' || char(10), '');"
        }
    };
    let common = "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
            timestamp INTEGER NOT NULL, data BLOB NOT NULL);";
    let index = match layout {
        Layout::Dashing => "",
        _ => "CREATE INDEX timestamp_idx ON messages (timestamp ASC);",
    };
    database
        .execute_batch(&format!("BEGIN; {tables} {common} {index}"))
        .unwrap();
    for (id, name) in [(1, "/chatter"), (2, "/image")] {
        let columns = match layout {
            Layout::Dashing => "",
            Layout::Humble => ", '- history: 1'",
            Layout::Jazzy => ", '- history: keep_last', 'RIHS01_00'",
        };
        let insert =
            format!("INSERT INTO topics VALUES (?1, ?2, 'std_msgs/msg/String', 'cdr'{columns})");
        database.execute(&insert, params![id, name]).unwrap();
    }
    for sent in messages {
        let topic = if sent.topic == "/chatter" { 1 } else { 2 };
        let insert = "INSERT INTO messages (topic_id, timestamp, data) VALUES (?1, ?2, ?3)";
        database
            .execute(insert, params![topic, sent.time, sent.data])
            .unwrap();
    }
    database.execute_batch("COMMIT").unwrap();
}

/// A folder with these files and a metadata.yaml of version 5 that lists them.
pub(crate) fn write_folder(folder: &Path, storage: &str, files: &[(&str, &[u8], usize)]) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, bytes, _) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    write_metadata(folder, storage, "", files);
}

pub(crate) fn write_metadata(
    folder: &Path,
    storage: &str,
    mode: &str,
    files: &[(&str, &[u8], usize)],
) {
    let total: usize = files.iter().map(|(_, _, count)| count).sum();
    let paths: String = files
        .iter()
        .map(|(name, ..)| format!("    - {name}\n"))
        .collect();
    let counts: String = files
        .iter()
        .map(|(name, _, count)| format!("    - path: {name}\n      message_count: {count}\n"))
        .collect();
    let format = if mode.is_empty() { "" } else { "zstd" };
    let text = format!(
        "rosbag2_bagfile_information:\n  version: 5\n  storage_identifier: {storage}\n  \
         message_count: {total}\n  compression_format: '{format}'\n  compression_mode: '{mode}'\n  \
         topics_with_message_count: []\n  relative_file_paths:\n{paths}  files:\n{counts}"
    );
    std::fs::write(folder.join("metadata.yaml"), text).unwrap();
}

pub(crate) fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Everything that can be read of a bag.
pub(crate) fn read_all(reader: &mut BagReader) -> Vec<BagMessage> {
    std::iter::from_fn(|| reader.next_message().unwrap()).collect()
}

/// The messages of a bag in the words of [`Sent`], and the reader at its end.
pub(crate) fn read_bag(path: &Path) -> (Vec<Sent>, BagReader) {
    let mut reader = BagReader::open(path).unwrap();
    let messages = read_all(&mut reader);
    let sent = messages.into_iter().map(|message| {
        let name = &reader.info().topics[message.topic].name;
        let known = ["/chatter", "/image"].into_iter().find(|it| it == name);
        Sent {
            topic: known.expect("only these topics were written"),
            time: message.log_time_nanos,
            data: message.data.to_vec(),
        }
    });
    (sent.collect(), reader)
}

pub(crate) fn open_error(path: &Path) -> Error {
    let opened: Result<BagReader> = BagReader::open(path);
    opened.err().expect("this must not open")
}
