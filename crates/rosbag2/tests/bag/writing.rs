//! A copy has everything of its source, and the topics that were added.

use std::collections::BTreeMap;
use std::path::Path;

use mcap::records::Metadata;
use rusqlite::Connection;
use spatial_reward_rosbag2::Error;
use spatial_reward_rosbag2::{BagInfo, BagReader, BagWriter, Storage, TopicInfo};

use crate::fixtures::*;

fn copy(source: &Path, target: &Path, storage: Storage) {
    let mut reader = BagReader::open(source).unwrap();
    let mut writer = BagWriter::create(target, "copy", storage, reader.info(), &[]).unwrap();
    while let Some(message) = reader.next_message().unwrap() {
        writer.write_message(&message).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(reader.loss(), None);
}

fn mcap_summary(path: &Path) -> (Vec<u8>, mcap::Summary) {
    let bytes = std::fs::read(path).unwrap();
    let summary = mcap::Summary::read(&bytes).unwrap().unwrap();
    (bytes, summary)
}

#[test]
fn every_message_and_topic_survives_each_change_of_storage() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(50, 700);
    let source = write_file(
        folder.path(),
        "bag.mcap",
        &mcap_bytes(mcap_options(), &sent),
    );
    let [once, twice] = ["once", "twice"].map(|name| folder.path().join(name));

    copy(&source, &once, Storage::Sqlite3);
    copy(&once, &twice, Storage::Mcap);

    let (read, reader) = read_bag(&twice);
    assert!(read == sent);
    assert_eq!(reader.info().metadata_version, 9);
    let (_, original) = read_bag(&source);
    for (copied, original) in reader.info().topics.iter().zip(&original.info().topics) {
        let expected = TopicInfo {
            channel_metadata: BTreeMap::new(),
            ..original.clone()
        };
        assert_eq!(*copied, expected);
    }
}

#[test]
fn mcap_copy_keeps_times_sequences_and_channel_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = mcap_writer(mcap_options());
    let header = mcap::records::MessageHeader {
        channel_id: 1,
        sequence: 77,
        log_time: START.cast_unsigned(),
        publish_time: u64::MAX,
    };
    writer
        .write_to_known_channel(&header, &[0, 1, 0, 0, 9])
        .unwrap();
    let source = write_file(folder.path(), "bag.mcap", &finish_mcap(writer));

    copy(&source, &folder.path().join("copy"), Storage::Mcap);

    let (bytes, summary) = mcap_summary(&folder.path().join("copy/copy_0.mcap"));
    let copied = mcap::MessageStream::new(&bytes)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!((copied.sequence, copied.log_time), (77, header.log_time));
    assert_eq!(copied.publish_time, u64::MAX);
    assert_eq!(copied.channel.metadata["site"], "kitchen");
    assert_eq!(copied.channel.metadata["offered_qos_profiles"], QOS);
    assert_eq!(summary.stats.unwrap().message_count, 1);
}

#[test]
fn mcap_copy_is_laid_out_as_rosbag2_expects() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(3000, 700);
    let source = write_file(
        folder.path(),
        "bag.mcap",
        &mcap_bytes(mcap_options(), &sent),
    );

    copy(&source, &folder.path().join("copy"), Storage::Mcap);

    let (bytes, summary) = mcap_summary(&folder.path().join("copy/copy_0.mcap"));
    assert!(bytes.windows(4).take(40).any(|window| window == b"ros2"));
    assert!(summary.chunk_indexes.len() > 1);
    assert!(
        summary
            .chunk_indexes
            .iter()
            .all(|chunk| chunk.compression == "zstd")
    );
    assert!(
        summary
            .chunk_indexes
            .iter()
            .all(|chunk| !chunk.message_index_offsets.is_empty())
    );
    assert!(
        summary
            .channels
            .values()
            .all(|channel| channel.schema.is_some())
    );
    assert!(mcap::read::footer(&bytes).unwrap().summary_offset_start > 0);
}

/// The compressed records of each chunk.
fn compressed_chunks(bytes: &[u8], summary: &mcap::Summary) -> Vec<Vec<u8>> {
    let chunk = |index: &mcap::records::ChunkIndex| {
        let at = index.compressed_data_offset().unwrap() as usize;
        bytes[at..at + index.compressed_size as usize].to_vec()
    };
    summary.chunk_indexes.iter().map(chunk).collect()
}

#[test]
fn compressed_chunks_are_taken_over_as_they_are() {
    // Given a bag in several chunks, compressed harder than ours would be
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(3000, 700);
    let options = mcap_options()
        .compression(Some(mcap::Compression::Zstd))
        .compression_level(9);
    let source = write_file(folder.path(), "bag.mcap", &mcap_bytes(options, &sent));

    // When it is copied with a message of an added topic after every tenth
    let target = folder.path().join("copy");
    copy_with_an_added_message_after_every_tenth(&source, &target);

    // Then each of its chunks is in the copy, and everything is found by the index
    let (source_bytes, source_summary) = mcap_summary(&source);
    let (bytes, summary) = mcap_summary(&target.join("copy_0.mcap"));
    let original = compressed_chunks(&source_bytes, &source_summary);
    let copied = compressed_chunks(&bytes, &summary);
    assert!(original.len() > 1);
    assert!(original.iter().all(|chunk| copied.contains(chunk)));
    let mut reader = BagReader::open(&target).unwrap();
    let (of_added, of_source): (Vec<_>, Vec<_>) = read_all(&mut reader)
        .into_iter()
        .partition(|message| reader.info().topics[message.topic].name == "/added");
    assert_eq!(reader.loss(), None);
    assert_eq!(of_added.len(), 300);
    assert!(
        of_source
            .iter()
            .map(|message| (message.log_time_nanos, &*message.data))
            .eq(sent.iter().map(|message| (message.time, &*message.data)))
    );
    let statistics = summary.stats.as_ref().unwrap();
    assert_eq!(statistics.message_count, 3300);
    assert_the_index_finds_every_message(&bytes, &summary);
}

fn copy_with_an_added_message_after_every_tenth(source: &Path, target: &Path) {
    let mut reader = BagReader::open(source).unwrap();
    let added = [TopicInfo::cdr(
        "/added",
        "std_msgs/msg/String",
        "string data",
        "",
    )];
    let mut writer =
        BagWriter::create(target, "copy", Storage::Mcap, reader.info(), &added).unwrap();
    let added_topic = reader.info().topics.len();
    let mut count = 0;
    while let Some(message) = reader.next_message().unwrap() {
        writer.write_message(&message).unwrap();
        if count % 10 == 0 {
            let time = message.log_time_nanos;
            writer
                .write(added_topic, time, time, 0, &[0, 1, 0, 0])
                .unwrap();
        }
        count += 1;
    }
    writer.finish().unwrap();
}

fn assert_the_index_finds_every_message(bytes: &[u8], summary: &mcap::Summary) {
    for index in &summary.chunk_indexes {
        for (channel, entries) in summary.read_message_indexes(bytes, index).unwrap() {
            for entry in entries {
                let message = summary.seek_message(bytes, index, &entry).unwrap();
                assert_eq!(message.channel.id, channel.id);
                assert_eq!(message.log_time, entry.log_time);
            }
        }
    }
}

#[test]
fn chunks_with_a_replaced_topic_are_not_taken_over() {
    // Given a bag one topic of which a new one replaces
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(200, 700);
    let options = mcap_options().compression(Some(mcap::Compression::Zstd));
    let source = write_file(folder.path(), "bag.mcap", &mcap_bytes(options, &sent));
    let mut reader = BagReader::open(&source).unwrap();
    let replaced = reader.info().topics[0].name.clone();
    let added = [TopicInfo::cdr(
        &replaced,
        "std_msgs/msg/String",
        "string data",
        "",
    )];

    // When it is copied
    let target = folder.path().join("copy");
    let mut writer =
        BagWriter::create(&target, "copy", Storage::Mcap, reader.info(), &added).unwrap();
    while let Some(message) = reader.next_message().unwrap() {
        writer.write_message(&message).unwrap();
    }
    writer.finish().unwrap();

    // Then the old topic's messages are gone, and only those
    let (read, _) = read_bag(&target);
    let rest = sent.into_iter().filter(|message| message.topic != replaced);
    assert!(read == rest.collect::<Vec<_>>());
}

#[test]
fn attachments_and_metadata_records_are_kept_and_the_copy_of_metadata_yaml_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = mcap_writer(mcap_options());
    let picture: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 253) as u8).collect();
    writer
        .attach(&mcap::Attachment {
            log_time: 1,
            create_time: 2,
            name: "calibration.bin".to_owned(),
            media_type: "application/octet-stream".to_owned(),
            data: picture.as_slice().into(),
        })
        .unwrap();
    let record = |name: &str, key: &str, value: &str| Metadata {
        name: name.to_owned(),
        metadata: BTreeMap::from([(key.to_owned(), value.to_owned())]),
    };
    let old = "version: 8\nros_distro: iron\ncustom_data: {robot: left}\nmessage_count: 12345\n";
    writer
        .write_metadata(&record("operator", "name", "Ada"))
        .unwrap();
    writer
        .write_metadata(&record("rosbag2", "serialized_metadata", old))
        .unwrap();
    for (sent, sequence) in messages(5, 10).iter().zip(0..) {
        write_mcap_message(&mut writer, sent, sequence);
    }
    let source = write_file(folder.path(), "bag.mcap", &finish_mcap(writer));

    copy(&source, &folder.path().join("copy"), Storage::Mcap);

    let (bytes, summary) = mcap_summary(&folder.path().join("copy/copy_0.mcap"));
    let attachment = mcap::read::attachment(&bytes, &summary.attachment_indexes[0]).unwrap();
    assert_eq!(attachment.name, "calibration.bin");
    assert!(attachment.data == picture);
    let records: Vec<_> = summary
        .metadata_indexes
        .iter()
        .map(|index| mcap::read::metadata(&bytes, index).unwrap())
        .collect();
    assert_eq!(records[0], record("operator", "name", "Ada"));
    let renewed = &records[1].metadata["serialized_metadata"];
    assert_eq!((records.len(), &*records[1].name), (2, "rosbag2"));
    assert!(renewed.contains("message_count: 5"), "{renewed}");
    assert!(renewed.contains("robot: left"), "{renewed}");
    let yaml = std::fs::read_to_string(folder.path().join("copy/metadata.yaml")).unwrap();
    assert!(
        yaml.contains("version: 8") && yaml.contains("ros_distro: iron"),
        "{yaml}"
    );
}

#[test]
fn an_old_sqlite_bag_becomes_mcap_with_empty_schemas_and_its_old_version() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("bag.db3");
    write_db3(&source, Layout::Humble, &messages(5, 10));

    copy(&source, &folder.path().join("copy"), Storage::Mcap);

    let (_, summary) = mcap_summary(&folder.path().join("copy/copy_0.mcap"));
    let channel = summary.channels.values().next().unwrap();
    let schema = channel.schema.as_ref().unwrap();
    assert_eq!(schema.name, "std_msgs/msg/String");
    assert_eq!((&*schema.encoding, schema.data.len()), ("", 0));
    let yaml = std::fs::read_to_string(folder.path().join("copy/metadata.yaml")).unwrap();
    assert!(yaml.contains("version: 5"), "{yaml}");
    assert!(!yaml.contains("custom_data"), "{yaml}");
}

#[test]
fn sqlite_copy_has_the_tables_of_jazzy() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(5, 10);
    let source = write_file(
        folder.path(),
        "bag.mcap",
        &mcap_bytes(mcap_options(), &sent),
    );

    copy(&source, &folder.path().join("copy"), Storage::Sqlite3);

    let database = Connection::open(folder.path().join("copy/copy_0.db3")).unwrap();
    let text = |query: &str| -> String { database.query_row(query, [], |row| row.get(0)).unwrap() };
    let tables =
        "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master ORDER BY name)";
    assert_eq!(
        text(tables),
        "message_definitions messages metadata schema timestamp_idx topics"
    );
    assert_eq!(
        text("SELECT schema_version || ros_distro FROM schema"),
        "4unknown"
    );
    assert_eq!(
        text("SELECT encoded_message_definition FROM message_definitions"),
        DEFINITION
    );
    assert_eq!(text("SELECT offered_qos_profiles FROM topics"), QOS);
    assert_eq!(text("SELECT type_description_hash FROM topics"), TYPE_HASH);
    assert!(text("SELECT metadata FROM metadata").contains("message_count: 5"));
}

#[test]
fn added_topics_follow_the_source_and_replace_those_of_the_same_name() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(6, 10);
    let source = write_file(
        folder.path(),
        "bag.mcap",
        &mcap_bytes(mcap_options(), &sent),
    );
    let added = [
        TopicInfo::cdr(
            "/reward",
            "std_msgs/msg/Float64",
            "float64 data\n",
            "RIHS01_1",
        ),
        TopicInfo::cdr("/chatter", "std_msgs/msg/Int8", "int8 data\n", "RIHS01_2"),
    ];
    for storage in [Storage::Mcap, Storage::Sqlite3] {
        let target = folder.path().join(storage.name());
        let mut reader = BagReader::open(&source).unwrap();
        let count = reader.info().topics.len();
        let mut writer =
            BagWriter::create(&target, "labelled", storage, reader.info(), &added).unwrap();

        while let Some(message) = reader.next_message().unwrap() {
            writer.write_message(&message).unwrap();
            let time = message.log_time_nanos;
            writer
                .write(count, time, time, 0, b"\0\x01\0\0reward")
                .unwrap();
        }
        writer
            .write(count + 1, START, START, 0, b"\0\x01\0\0\x07")
            .unwrap();
        writer.finish().unwrap();

        let labelled = BagReader::open(&target).unwrap();
        let topics: Vec<_> = labelled
            .info()
            .topics
            .iter()
            .map(|it| (&*it.name, &*it.type_name, it.message_count))
            .collect();
        assert_eq!(
            topics,
            [
                ("/image", "std_msgs/msg/String", Some(4)),
                ("/reward", "std_msgs/msg/Float64", Some(6)),
                ("/chatter", "std_msgs/msg/Int8", Some(1)),
            ]
        );
        assert_eq!(labelled.info().topics[1].ros2msg(), Some("float64 data\n"));
    }
}

#[test]
fn a_bag_without_messages_is_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let source = write_file(folder.path(), "bag.mcap", &mcap_bytes(mcap_options(), &[]));
    for storage in [Storage::Mcap, Storage::Sqlite3] {
        let target = folder.path().join(storage.name());

        copy(&source, &target, storage);

        let (read, reader) = read_bag(&target);
        assert!(read.is_empty());
        assert_eq!(reader.info().topics.len(), 2);
    }
}

#[test]
fn output_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = write_file(folder.path(), "bag.mcap", &mcap_bytes(mcap_options(), &[]));
    let reader = BagReader::open(&source).unwrap();
    let below_a_file = source.join("copy");

    for storage in [Storage::Mcap, Storage::Sqlite3] {
        let created = BagWriter::create(&below_a_file, "copy", storage, reader.info(), &[]);

        let error = created.err().unwrap();
        assert!(matches!(error, Error::Output { .. }), "{error:?}");
        assert!(error.to_string().contains("bag.mcap"), "{error}");
    }
}

#[test]
fn a_writer_that_is_dropped_unfinished_leaves_no_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = mcap_bytes(mcap_options(), &messages(5, 10));
    let source = write_file(folder.path(), "bag.mcap", &bytes);
    let mut reader = BagReader::open(&source).unwrap();
    let message = reader.next_message().unwrap().unwrap();
    for storage in [Storage::Mcap, Storage::Sqlite3] {
        let target = folder.path().join(storage.name());
        let mut writer = BagWriter::create(&target, "copy", storage, reader.info(), &[]).unwrap();
        writer.write_message(&message).unwrap();

        drop(writer);

        assert!(!target.join("metadata.yaml").exists());
    }
}

#[test]
fn a_bag_without_a_source_reads_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for storage in [Storage::Mcap, Storage::Sqlite3] {
        let path = folder.path().join(storage.name());
        let topics = [TopicInfo::cdr(
            "/chatter",
            "std_msgs/msg/String",
            DEFINITION,
            TYPE_HASH,
        )];
        let mut source = BagInfo::empty();
        source.ros_distro = "jazzy".to_owned();

        let mut writer = BagWriter::create(&path, "anew", storage, &source, &topics).unwrap();
        writer.write(0, START, START, 0, &[0, 1, 0, 0, 7]).unwrap();
        writer.finish().unwrap();

        let (read, reader) = read_bag(&path);
        let sent = Sent {
            topic: "/chatter",
            time: START,
            data: vec![0, 1, 0, 0, 7],
        };
        assert_eq!(read, [sent]);
        assert_eq!(reader.loss(), None);
        let info = reader.info();
        assert_eq!((info.storage, info.metadata_version), (storage, 9));
        assert_eq!(info.ros_distro, "jazzy");
        assert_eq!(info.topics[0].ros2msg(), Some(DEFINITION));
        assert_eq!(info.topics[0].type_hash, TYPE_HASH);
    }
}

#[test]
fn a_topic_that_does_not_exist_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let source = write_file(folder.path(), "bag.mcap", &mcap_bytes(mcap_options(), &[]));
    let reader = BagReader::open(&source).unwrap();
    let target = folder.path().join("copy");
    let mut writer = BagWriter::create(&target, "copy", Storage::Mcap, reader.info(), &[]).unwrap();

    let error = writer.write(2, START, START, 0, b"").unwrap_err();

    assert!(error.to_string().contains("no topic 2"), "{error}");
}
