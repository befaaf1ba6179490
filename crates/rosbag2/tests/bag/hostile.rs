//! Forged and scrambled bags never make the reader panic, hang, or allocate what they claim.

use std::path::Path;

use mcap::Compression;
use rusqlite::{Connection, params};
use spatial_reward_rosbag2::BagReader;

use crate::fixtures::*;

/// Reads to the end, whatever comes; the number of messages.
fn survive(path: &Path) -> usize {
    match BagReader::open(path) {
        Ok(mut reader) => read_all(&mut reader).len(),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            0
        }
    }
}

#[test]
fn mcap_with_any_byte_flipped() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(12, 60);
    for options in [
        mcap_options().compression(None).chunk_size(Some(300)),
        mcap_options().chunk_size(Some(300)),
        mcap_options().compression(Some(Compression::Lz4)),
        mcap_options().use_chunks(false),
    ] {
        let whole = mcap_bytes(options, &sent);
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= [0x01, 0x80, 0xFF, 0x10][at % 4];
            let path = write_file(folder.path(), "bag.mcap", &bytes);

            assert!(survive(&path) <= 2 * sent.len());
        }
    }
}

#[test]
fn db3_with_many_bytes_flipped() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(12, 900);
    for layout in [Layout::Dashing, Layout::Jazzy] {
        let path = folder.path().join("whole.db3");
        write_db3(&path, layout, &sent);
        let whole = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        // The page headers matter most: every byte of them, and a sample of the rest.
        let places = (0..whole.len()).filter(|at| at % 4096 < 60 || at % 23 == 0);
        for at in places {
            let mut bytes = whole.clone();
            bytes[at] ^= [0x01, 0x80, 0xFF, 0x10][at % 4];
            let path = write_file(folder.path(), "bag.db3", &bytes);

            assert!(survive(&path) <= 2 * sent.len());
        }
    }
}

#[test]
fn mcap_record_that_claims_four_gigabytes() {
    let folder = tempfile::tempdir().unwrap();
    for opcode in [0x03, 0x05, 0x06, 0x09, 0x0C, 0x77] {
        let mut bytes = mcap_start();
        bytes.push(opcode);
        bytes.extend(0xFFFF_FFFF_u64.to_le_bytes());
        bytes.extend([0; 64]);
        let path = write_file(folder.path(), "bag.mcap", &bytes);

        let mut reader = BagReader::open(&path).unwrap();
        drop(read_all(&mut reader));
        assert!(reader.loss().is_some());
    }
}

/// A chunk whose parts are given as they stand in the file.
fn chunk(uncompressed_size: u64, compression: &str, compressed_size: u64, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(START.to_le_bytes());
    body.extend(START.to_le_bytes());
    body.extend(uncompressed_size.to_le_bytes());
    body.extend(0_u32.to_le_bytes());
    body.extend((compression.len() as u32).to_le_bytes());
    body.extend(compression.as_bytes());
    body.extend(compressed_size.to_le_bytes());
    body.extend(data);
    let mut record = vec![0x06];
    record.extend((body.len() as u64).to_le_bytes());
    record.extend(body);
    record
}

fn message_record(length: u64, data: &[u8]) -> Vec<u8> {
    let mut record = vec![0x05];
    record.extend(length.to_le_bytes());
    record.extend(1_u16.to_le_bytes());
    record.extend(0_u32.to_le_bytes());
    record.extend(START.to_le_bytes());
    record.extend(START.to_le_bytes());
    record.extend(data);
    record
}

#[test]
fn mcap_chunks_whose_lengths_contradict_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let start = mcap_start();
    let inside = message_record(22 + 4, &[0, 1, 0, 0]);
    let good = chunk(inside.len() as u64, "", inside.len() as u64, &inside);
    let path = write_file(folder.path(), "bag.mcap", &[start.clone(), good].concat());
    assert_eq!(survive(&path), 1);
    let overlong = message_record(22 + 400, &[0; 40]);
    let whole = inside.len() as u64;
    for forged in [
        chunk(whole, "", whole + 1000, &inside),
        chunk(whole, "", 0, &inside),
        chunk(u64::MAX, "", u64::MAX, &inside),
        chunk(whole, "", whole, &overlong),
        chunk(overlong.len() as u64, "", overlong.len() as u64, &overlong),
        chunk(whole, "", 12, &[&overlong[..], &[0; 500]].concat()),
        chunk(u64::MAX, "zstd", u64::MAX, &zstd(&inside)),
        chunk(u64::MAX, "zstd", zstd(&inside).len() as u64, &zstd(&inside)),
        chunk(1, "zstd", zstd(&inside).len() as u64, &zstd(&inside)),
        chunk(whole, "brotli", whole, &inside),
        chunk(whole, &"x".repeat(70), whole, &inside),
    ] {
        let path = write_file(folder.path(), "bag.mcap", &[start.clone(), forged].concat());

        assert!(survive(&path) <= 1);
    }
}

#[test]
fn mcap_message_that_unpacks_to_gigabytes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let start = mcap_start();
    let claimed = 3 << 30;
    let data = zstd(&message_record(22 + claimed, &vec![0; 80 << 20]));
    let forged = chunk(claimed + 31, "zstd", data.len() as u64, &data);
    let path = write_file(folder.path(), "bag.mcap", &[start.clone(), forged].concat());

    let mut reader = BagReader::open(&path).unwrap();

    assert!(read_all(&mut reader).is_empty());
    let loss = reader.loss().unwrap().to_string();
    assert!(loss.contains("exceeds limit"), "{loss}");
}

#[test]
fn compressed_message_that_unpacks_to_gigabytes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut sent = messages(3, 10);
    sent[1].data = zstd(&vec![0; 65 << 20]);
    let path = write_file(
        folder.path(),
        "bag.mcap",
        &mcap_bytes(mcap_options(), &sent),
    );

    let mut reader = BagReader::open(&path).unwrap();

    assert_eq!(read_all(&mut reader).len(), 2);
    assert!(
        reader.loss().unwrap().items[0]
            .what
            .contains("unpacks to more")
    );
}

#[test]
fn mcap_index_that_names_one_chunk_twice_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(40, 300);
    let whole = mcap_bytes(mcap_options().calculate_summary_section_crc(false), &sent);
    let summary = mcap::Summary::read(&whole).unwrap().unwrap();
    let [first, second] = [0, 1].map(|i| summary.chunk_indexes[i].chunk_start_offset.to_le_bytes());
    let mut bytes = whole.clone();
    let at = bytes
        .windows(8)
        .rposition(|window| window == second)
        .unwrap();
    bytes[at..at + 8].copy_from_slice(&first);
    let path = write_file(folder.path(), "bag.mcap", &bytes);

    let (read, reader) = read_bag(&path);

    assert!(read == sent);
    assert_eq!(reader.loss(), None);
}

#[test]
fn mcap_chunk_that_states_a_later_start_than_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(2, 10);
    let [early, late] = [0, 1].map(|i| {
        let mut bytes = message_record(22 + 4, &[0, 1, 0, 0]);
        let time = sent[i].time.to_le_bytes();
        bytes[15..23].copy_from_slice(&time);
        bytes
    });
    // Given a chunk with the later message in front of one whose head states an even later start
    let mut forged = chunk(early.len() as u64, "", early.len() as u64, &early);
    forged[9..17].copy_from_slice(&(sent[1].time + 1).to_le_bytes());
    let front = chunk(late.len() as u64, "", late.len() as u64, &late);
    let bytes = [mcap_start(), front, forged].concat();
    let path = write_file(folder.path(), "bag.mcap", &bytes);

    let mut reader = BagReader::open(&path).unwrap();
    let times: Vec<_> = read_all(&mut reader)
        .iter()
        .map(|message| message.log_time_nanos)
        .collect();

    // Then, there being no index, the messages themselves decide
    assert_eq!(times, [sent[0].time, sent[1].time]);
}

#[test]
fn mcap_index_that_states_later_starts_than_the_chunks_have_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(40, 300);
    let whole = mcap_bytes(mcap_options().calculate_summary_section_crc(false), &sent);
    let summary = mcap::Summary::read(&whole).unwrap().unwrap();
    let first = &summary.chunk_indexes[0];
    // The chunk's own head begins with the same two times; the index stands behind it.
    let at = whole
        .windows(16)
        .rposition(|window| {
            window[..8] == first.message_start_time.to_le_bytes()
                && window[8..] == first.message_end_time.to_le_bytes()
        })
        .unwrap();
    let mut bytes = whole.clone();
    bytes[at..at + 8].copy_from_slice(&(START + 200_000_000).to_le_bytes());
    let path = write_file(folder.path(), "bag.mcap", &bytes);

    let (read, reader) = read_bag(&path);

    assert_eq!(read.len(), sent.len());
    assert!(!read.is_sorted_by_key(|message| message.time));
    let loss = reader.loss().unwrap();
    assert_eq!(loss.messages_lost, Some(0));
    assert_eq!(loss.items.len(), 1);
    assert!(loss.items[0].what.contains("come out late"), "{loss}");
}

#[test]
fn db3_columns_of_other_types() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.db3");
    let sent = messages(10, 20);
    write_db3(&path, Layout::Humble, &sent);
    let database = Connection::open(&path).unwrap();
    let insert = "INSERT INTO messages (topic_id, timestamp, data) VALUES (?1, ?2, ?3)";
    database
        .execute(insert, params![1, "noon", "text"])
        .unwrap();
    database
        .execute(insert, params!["one", START + 1, vec![1_u8]])
        .unwrap();
    database
        .execute(insert, params![99, START + 2, vec![1_u8]])
        .unwrap();
    database
        .execute(insert, params![1, START + 3, "as text"])
        .unwrap();
    database.execute(insert, params![1, START + 4, 5]).unwrap();
    database
        .execute_batch("UPDATE topics SET type = x'FF00FF', offered_qos_profiles = 7 WHERE id = 2")
        .unwrap();
    database.close().unwrap();

    let mut reader = BagReader::open(&path).unwrap();
    let read = read_all(&mut reader);

    assert_eq!(read.len(), 12);
    assert_eq!(&*read[1].data, b"as text");
    assert!(read[2].data.is_empty());
    assert!(reader.loss().is_some());
    assert_eq!(reader.info().topics[1].type_name, "\u{FFFD}\0\u{FFFD}");
}

#[test]
fn db3_with_an_endless_view_for_a_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.db3");
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT, type TEXT);
             CREATE VIEW messages AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)
                SELECT id, 1 AS topic_id, id AS timestamp, x'00' AS data FROM n;",
        )
        .unwrap();

    let error = open_error(&path);

    assert!(error.to_string().contains("'messages'"), "{error}");
}

#[test]
fn counts_that_no_sum_can_hold_overflowed() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(6, 20);
    write_db3(&folder.path().join("bag_0.db3"), Layout::Humble, &sent);
    let topic = |name: &str| {
        format!(
            "  - topic_metadata: {{name: {name}, type: std_msgs/msg/String}}\n    message_count: {}\n",
            u64::MAX
        )
    };
    // Given a bag and files that are not there, all with the largest number there is
    for (all, files) in [("", ""), ("message_count: 18446744073709551615", "x")] {
        let text = format!(
            "rosbag2_bagfile_information:\n  version: 5\n  {all}\n  topics_with_message_count:\n{}{}  \
             relative_file_paths: [bag_0.db3, gone_1{files}.db3, gone_2{files}.db3]\n  files:\n{}",
            topic("/chatter"),
            topic("/image"),
            ["gone_1", "gone_2"]
                .map(|name| format!(
                    "  - {{path: {name}{files}.db3, message_count: {}}}\n",
                    u64::MAX
                ))
                .concat(),
        );
        std::fs::write(folder.path().join("metadata.yaml"), text).unwrap();

        assert_eq!(survive(folder.path()), 6);
    }
}
