//! Whole bags come out as they were recorded, whatever their form.

use std::path::Path;

use mcap::Compression;
use rusqlite::Connection;
use spatial_reward_rosbag2::Error;
use spatial_reward_rosbag2::{BagReader, Compression as BagCompression, Storage};

use crate::fixtures::*;

fn assert_reads(path: &Path, expected: &[Sent]) -> BagReader {
    let (read, reader) = read_bag(path);
    assert!(
        read == expected,
        "{} of {} messages",
        read.len(),
        expected.len()
    );
    assert_eq!(reader.loss(), None);
    reader
}

#[test]
fn mcap_with_each_chunk_compression() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(50, 500);
    for compression in [None, Some(Compression::Zstd), Some(Compression::Lz4)] {
        let bytes = mcap_bytes(mcap_options().compression(compression), &sent);
        let path = write_file(folder.path(), "bag.mcap", &bytes);

        let reader = assert_reads(&path, &sent);

        let info = reader.info();
        assert_eq!((info.name.as_str(), info.storage), ("bag", Storage::Mcap));
        assert_eq!(info.message_count, Some(50));
        assert_eq!(info.start_nanos, Some(START));
        assert_eq!(info.end_nanos, Some(START + 49 * 10_000_000));
        let topic = &info.topics[0];
        assert_eq!(topic.name, "/chatter");
        assert_eq!(topic.message_count, Some(17));
        assert_eq!(topic.offered_qos_profiles, QOS);
        assert_eq!(topic.type_hash, TYPE_HASH);
        assert_eq!(topic.ros2msg(), Some(DEFINITION));
    }
}

#[test]
fn mcap_messages_recorded_out_of_order_come_in_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(60, 300);
    let mut shuffled = sent.clone();
    shuffled.sort_by_key(|message| (message.time / 10_000_000 * 37) % 61);
    let options = [
        mcap_options(),
        mcap_options().emit_chunk_indexes(false),
        mcap_options().use_chunks(false),
        mcap_options().use_chunks(false).emit_summary_records(false),
    ];
    for options in options {
        let path = write_file(folder.path(), "bag.mcap", &mcap_bytes(options, &shuffled));

        assert_reads(&path, &sent);
    }
}

#[test]
fn messages_of_the_same_time_keep_the_order_of_recording() {
    let folder = tempfile::tempdir().unwrap();
    let mut sent = messages(40, 300);
    sent.iter_mut().for_each(|message| message.time = START);
    let mcap = write_file(
        folder.path(),
        "bag.mcap",
        &mcap_bytes(mcap_options(), &sent),
    );
    let db3 = folder.path().join("bag.db3");
    write_db3(&db3, Layout::Jazzy, &sent);

    assert_reads(&mcap, &sent);
    assert_reads(&db3, &sent);
}

#[test]
fn mcap_keeps_publish_time_and_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = mcap_bytes(mcap_options(), &messages(3, 10));
    let path = write_file(folder.path(), "bag.mcap", &bytes);

    let read = read_all(&mut BagReader::open(&path).unwrap());

    assert_eq!(read[2].publish_time_nanos, read[2].log_time_nanos - 5);
    assert_eq!(read[2].sequence, 2);
}

#[test]
fn sqlite_in_each_layout() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(50, 500);
    let mut shuffled = sent.clone();
    shuffled.reverse();
    for (layout, distro, hash, definition) in [
        (Layout::Dashing, "unknown", "", None),
        (Layout::Humble, "humble", "", None),
        (Layout::Jazzy, "jazzy", "RIHS01_00", Some(DEFINITION)),
    ] {
        let path = folder.path().join(format!("{layout:?}.db3"));
        write_db3(&path, layout, &shuffled);

        let reader = assert_reads(&path, &sent);

        let info = reader.info();
        assert_eq!(
            (info.storage, &*info.ros_distro),
            (Storage::Sqlite3, distro)
        );
        assert_eq!(info.message_count, Some(50));
        assert_eq!(info.start_nanos, Some(START));
        assert_eq!(info.topics[0].message_count, Some(17));
        assert_eq!(info.topics[0].type_hash, hash);
        assert_eq!(info.topics[0].ros2msg(), definition);
    }
}

#[test]
fn sqlite_under_a_path_that_means_something_in_a_uri() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("100% ünï?mode=rwc#code");
    std::fs::create_dir(&odd).unwrap();
    let sent = messages(3, 10);
    write_db3(&odd.join("a?b.db3"), Layout::Humble, &sent);

    assert_reads(&odd.join("a?b.db3"), &sent);
    assert_reads(&odd, &sent);
}

#[test]
fn sqlite_messages_in_the_log_of_a_killed_recorder_are_read_and_the_source_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording.db3");
    let recorder = Connection::open(&recording).unwrap();
    recorder
        .query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
        .unwrap();
    let sent = messages(20, 100);
    fill_db3(&recorder, Layout::Humble, &sent);
    let killed = folder.path().join("killed");
    std::fs::create_dir(&killed).unwrap();
    for name in ["recording.db3", "recording.db3-wal"] {
        std::fs::copy(folder.path().join(name), killed.join(name)).unwrap();
    }

    assert_reads(&killed, &sent);

    let mut left: Vec<_> = std::fs::read_dir(&killed)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["recording.db3", "recording.db3-wal"]);
    assert_eq!(
        std::fs::read(killed.join("recording.db3-wal")).unwrap(),
        std::fs::read(folder.path().join("recording.db3-wal")).unwrap()
    );
}

#[test]
fn files_compressed_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(50, 500);
    write_db3(&folder.path().join("plain"), Layout::Humble, &sent);
    let db3 = std::fs::read(folder.path().join("plain")).unwrap();
    for (name, bytes) in [
        ("bag.mcap.zstd", mcap_bytes(mcap_options(), &sent)),
        ("bag.db3.zstd", db3),
    ] {
        let path = write_file(folder.path(), name, &zstd(&bytes));

        let reader = assert_reads(&path, &sent);

        assert_eq!(reader.info().name, "bag");
        assert_eq!(reader.info().compression, BagCompression::File);
    }
}

#[test]
fn messages_compressed_one_by_one_with_metadata_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(50, 500);
    let mut packed = sent.clone();
    for message in &mut packed {
        message.data = zstd(&message.data);
    }
    let bytes = mcap_bytes(mcap_options(), &packed);
    let files = [("bag_0.mcap", &*bytes, 50)];
    let bag = folder.path().join("bag");
    write_folder(&bag, "mcap", &files);
    write_metadata(&bag, "mcap", "MESSAGE", &files);

    let reader = assert_reads(&bag, &sent);
    assert_eq!(reader.info().compression, BagCompression::Message);
    assert_reads(&bag.join("bag_0.mcap"), &sent);
}

#[test]
fn split_bag_in_order_of_time_whatever_the_order_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(90, 300);
    let parts: Vec<_> = sent
        .chunks(30)
        .map(|part| mcap_bytes(mcap_options(), part))
        .collect();
    write_folder(
        folder.path(),
        "mcap",
        &[
            ("bag_10.mcap", &parts[2], 30),
            ("bag_2.mcap", &parts[1], 30),
            ("bag_0.mcap", &parts[0], 30),
        ],
    );

    let reader = assert_reads(folder.path(), &sent);

    let info = reader.info();
    assert_eq!(info.topics.len(), 2);
    assert_eq!(info.topics[0].message_count, Some(30));
    assert!(info.files[2].ends_with("bag_10.mcap"));
    assert_eq!(info.metadata_version, 5);
}

#[test]
fn split_files_that_overlap_in_time_are_interleaved() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(60, 300);
    let (odd, even): (Vec<_>, Vec<_>) = sent
        .iter()
        .cloned()
        .partition(|message| message.time / 10_000_000 % 2 == 1);
    let (odd, even) = (
        mcap_bytes(mcap_options(), &odd),
        mcap_bytes(mcap_options(), &even),
    );
    let (odd, even) = (zstd(&odd), zstd(&even));
    write_folder(
        folder.path(),
        "mcap",
        &[("a.mcap.zstd", &odd, 30), ("b.mcap.zstd", &even, 30)],
    );

    assert_reads(folder.path(), &sent);
}

#[test]
fn folder_without_metadata_or_with_a_damaged_one() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(10, 30);
    write_file(
        folder.path(),
        "x_0.mcap",
        &mcap_bytes(mcap_options(), &sent),
    );
    assert_reads(folder.path(), &sent);

    write_file(
        folder.path(),
        "metadata.yaml",
        b"rosbag2_bagfile_information: {",
    );
    assert_reads(folder.path(), &sent);
}

#[test]
fn metadata_that_lists_the_file_without_its_compression() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(10, 30);
    let bytes = mcap_bytes(mcap_options(), &sent);
    write_folder(folder.path(), "mcap", &[("x_0.mcap", &bytes, 10)]);
    std::fs::remove_file(folder.path().join("x_0.mcap")).unwrap();
    write_file(folder.path(), "x_0.mcap.zstd", &zstd(&bytes));

    assert_reads(folder.path(), &sent);
}

#[test]
fn bag_without_messages() {
    let folder = tempfile::tempdir().unwrap();
    let mcap = write_file(folder.path(), "bag.mcap", &mcap_bytes(mcap_options(), &[]));
    let db3 = folder.path().join("bag.db3");
    write_db3(&db3, Layout::Jazzy, &[]);
    for path in [mcap, db3] {
        let reader = assert_reads(&path, &[]);

        assert_eq!(reader.info().message_count, Some(0));
        assert_eq!(reader.info().start_nanos, None);
        assert_eq!(reader.info().topics.len(), 2);
    }
}

#[test]
fn what_is_no_bag_is_refused_with_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let empty = write_file(root, "empty.mcap", b"");
    let text = write_file(root, "text.mcap", b"Dear diary, today I recorded a bag.");
    let packed = write_file(root, "text.db3.zstd", &zstd(b"Dear diary"));
    let nothing = root.join("nothing");
    std::fs::create_dir(&nothing).unwrap();

    for (path, found) in [
        (&empty, "0 bytes"),
        (&text, "Dear diary"),
        (&packed, "Dear diary"),
        (&nothing, "neither a metadata.yaml nor"),
    ] {
        let error = open_error(path);
        assert!(matches!(error, Error::NotABag { .. }), "{error:?}");
        assert!(error.to_string().contains(found), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()));
    }
    let error = open_error(&root.join("absent"));
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("absent"), "{error}");
}

#[test]
fn another_database_is_refused_with_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("songs.db3");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE songs(title TEXT)")
        .unwrap();

    let error = open_error(&path);

    assert!(matches!(error, Error::BagFormat { .. }), "{error:?}");
    assert!(error.to_string().contains("'topics'"), "{error}");
}

#[test]
fn foreign_compression_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = mcap_bytes(mcap_options(), &messages(3, 10));
    let files = [("bag_0.mcap", &*bytes, 3)];
    write_folder(folder.path(), "mcap", &files);
    write_metadata(folder.path(), "mcap", "FILE", &files);
    let path = folder.path().join("metadata.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("'zstd'", "'bz2'")).unwrap();

    let error = open_error(folder.path());

    assert!(error.to_string().contains("'bz2'"), "{error}");
}
