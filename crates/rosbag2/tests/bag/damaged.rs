//! Damaged bags are read as far as they go, and say what they lost.

use std::path::{Path, PathBuf};

use mcap::Compression;
use spatial_reward_rosbag2::{BagReader, Place};

use crate::fixtures::*;

/// Reads a cut or damaged bag: what comes out must be of the original, in order and only once.
fn recovered(path: &Path, original: &[Sent]) -> (Vec<Sent>, BagReader) {
    let (read, reader) = read_bag(path);
    let mut rest = original.iter();
    for message in &read {
        assert!(
            rest.any(|it| it == message),
            "not of the original, or out of order"
        );
    }
    (read, reader)
}

fn lost(reader: &BagReader) -> Option<u64> {
    reader.loss().expect("something was lost").messages_lost
}

fn db3_bytes(folder: &Path, layout: Layout, sent: &[Sent]) -> Vec<u8> {
    let path: PathBuf = folder.join("whole.db3");
    write_db3(&path, layout, sent);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    bytes
}

#[test]
fn mcap_cut_inside_a_chunk_gives_the_records_before_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(300, 4000);
    // One chunk of 1.2 MB: only reading into it recovers anything.
    for compression in [None, Some(Compression::Zstd), Some(Compression::Lz4)] {
        let options = mcap_options().compression(compression).chunk_size(None);
        let bytes = mcap_bytes(options, &sent);
        let bag = folder.path().join("bag");
        write_folder(
            &bag,
            "mcap",
            &[("bag_0.mcap", &bytes[..bytes.len() / 2], 300)],
        );

        let (read, reader) = recovered(&bag, &sent);

        assert!(read.len() > 80, "{compression:?}: {} messages", read.len());
        assert_eq!(reader.info().topics.len(), 2);
        assert_eq!(lost(&reader), Some(300 - read.len() as u64));
        let item = &reader.loss().unwrap().items[0];
        assert!(matches!(item.place, Place::Byte(_)));
        assert!(item.what.contains("cut"), "{item}");
    }
}

#[test]
fn mcap_cut_anywhere_gives_what_lies_before_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(60, 300);
    for options in [mcap_options(), mcap_options().use_chunks(false)] {
        let bytes = mcap_bytes(options, &sent);
        let mut least = 0;
        for length in (8..bytes.len()).step_by(41) {
            let path = write_file(folder.path(), "bag.mcap", &bytes[..length]);

            let (read, reader) = recovered(&path, &sent);

            assert!(read.len() >= least, "cut later, but less was read");
            least = read.len();
            if read.len() < sent.len() {
                assert_eq!(
                    lost(&reader),
                    None,
                    "a bare file does not say how many there were"
                );
            }
        }
        assert_eq!(least, sent.len());
    }
}

#[test]
fn mcap_cut_behind_its_last_message_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(60, 300);
    let bytes = mcap_bytes(mcap_options(), &sent);
    let path = write_file(folder.path(), "bag.mcap", &bytes[..bytes.len() - 20]);

    let (read, reader) = recovered(&path, &sent);

    assert_eq!(read.len(), 60);
    assert_eq!(reader.loss(), None);
}

#[test]
fn mcap_chunk_with_a_wrong_checksum_is_read_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(60, 300);
    let mut bytes = mcap_bytes(mcap_options().compression(None), &sent);
    let middle = bytes.len() / 2;
    let data = &sent[25].data;
    let at = bytes.windows(data.len()).position(|it| it == data).unwrap();
    bytes[at + 100] ^= 1;
    let path = write_file(folder.path(), "bag.mcap", &bytes);

    let (read, reader) = read_bag(&path);

    let different = read.iter().zip(&sent).filter(|(a, b)| a != b).count();
    assert_eq!((read.len(), different), (60, 1));
    assert_eq!(lost(&reader), Some(0));
    let item = &reader.loss().unwrap().items[0];
    assert!(item.what.contains("checksum"), "{item}");
    assert!(matches!(item.place, Place::Byte(offset) if offset.abs_diff(middle as u64) < 8000));
}

#[test]
fn mcap_chunk_that_does_not_unpack_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(60, 300);
    let mut bytes = mcap_bytes(mcap_options(), &sent);
    let summary = mcap::Summary::read(&bytes).unwrap().unwrap();
    let chunk = &summary.chunk_indexes[1];
    let at = chunk.compressed_data_offset().unwrap() as usize;
    bytes[at..at + 64].fill(0xAA);
    let path = write_file(folder.path(), "bag.mcap", &bytes);

    let (read, reader) = recovered(&path, &sent);

    assert!(read.len() > 30 && read.len() < 60, "{}", read.len());
    assert_eq!(lost(&reader), Some(60 - read.len() as u64));
    assert_eq!(
        reader.loss().unwrap().items[0].place,
        Place::Byte(chunk.chunk_start_offset)
    );
}

#[test]
fn db3_cut_anywhere_gives_what_lies_before_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(120, 1500);
    for layout in [Layout::Dashing, Layout::Humble, Layout::Jazzy] {
        let bytes = db3_bytes(folder.path(), layout, &sent);
        let mut most = 0;
        for length in (16..bytes.len() - 1).step_by(3001) {
            let path = write_file(folder.path(), "bag.db3", &bytes[..length]);

            let Ok(mut reader) = BagReader::open(&path) else {
                assert!(length < 10 * 4096, "the tables' descriptions are there");
                continue;
            };
            drop(read_all(&mut reader));
            let (read, reader) = recovered(&path, &sent);

            assert!(reader.loss().is_some());
            most = most.max(read.len());
        }
        assert!(most > 100, "{layout:?}: {most} messages at best");
    }
}

#[test]
fn db3_cut_in_half_counts_what_is_missing_by_its_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(200, 3000);
    let bytes = db3_bytes(folder.path(), Layout::Jazzy, &sent);
    let half = &bytes[..bytes.len() / 2];
    write_folder(folder.path(), "sqlite3", &[("bag_0.db3", half, 200)]);

    let (read, reader) = recovered(folder.path(), &sent);

    assert!(read.len() > 80, "{}", read.len());
    assert_eq!(lost(&reader), Some(200 - read.len() as u64));
}

#[test]
fn db3_with_overwritten_pages_gives_the_rows_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(200, 3000);
    let mut bytes = db3_bytes(folder.path(), Layout::Jazzy, &sent);
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4 * 4096].fill(0xEE);
    let path = write_file(folder.path(), "bag.db3", &bytes);

    let (read, reader) = recovered(&path, &sent);

    assert!(read.len() > 150 && read.len() < 200, "{}", read.len());
    assert!(read.contains(&sent[0]) && read.contains(&sent[199]));
    assert!(reader.loss().is_some());
}

#[test]
fn db3_row_that_a_search_by_its_id_does_not_find_is_reported_and_no_other_comes_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(60, 20);
    let mut bytes = db3_bytes(folder.path(), Layout::Dashing, &sent);
    // Given a second row 30 with the earliest time, where row 10 was
    let time = sent[9].time.to_be_bytes();
    let at = bytes.windows(8).position(|it| it == time).unwrap();
    // In front of the time: the row's id and five bytes about the types of its columns.
    assert_eq!(bytes[at - 6], 10);
    bytes[at - 6] = 30;
    bytes[at..at + 8].copy_from_slice(&(START - 1).to_be_bytes());
    let path = write_file(folder.path(), "bag.db3", &bytes);

    let (read, reader) = recovered(&path, &sent);

    assert!(read.len() > 30, "{}", read.len());
    let loss = reader.loss().unwrap().to_string();
    assert!(loss.contains("at row 30: is another row"), "{loss}");
}

#[test]
fn missing_file_of_a_split_bag_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(90, 300);
    let parts: Vec<_> = sent
        .chunks(30)
        .map(|part| mcap_bytes(mcap_options(), part))
        .collect();
    let files = [
        ("bag_0.mcap", &*parts[0], 30),
        ("bag_1.mcap", &*parts[1], 30),
        ("bag_2.mcap", &*parts[2], 30),
    ];
    write_folder(folder.path(), "mcap", &files);
    std::fs::remove_file(folder.path().join("bag_1.mcap")).unwrap();

    let (read, reader) = recovered(folder.path(), &sent);

    assert_eq!((read.len(), lost(&reader)), (60, Some(30)));
    assert_eq!(reader.info().message_count, Some(90));
    let item = &reader.loss().unwrap().items[0];
    assert!(item.file.ends_with("bag_1.mcap"), "{item}");

    write_file(folder.path(), "bag_1.mcap", b"");
    let (read, reader) = recovered(folder.path(), &sent);
    assert_eq!((read.len(), lost(&reader)), (60, Some(30)));
}

#[test]
fn cut_compressed_file_is_unpacked_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(300, 4000);
    let packed = zstd(&mcap_bytes(mcap_options(), &sent));
    let half = &packed[..packed.len() / 2];
    write_folder(folder.path(), "mcap", &[("bag_0.mcap.zstd", half, 300)]);

    let (read, reader) = recovered(folder.path(), &sent);

    assert!(read.len() > 80, "{}", read.len());
    assert_eq!(lost(&reader), Some(300 - read.len() as u64));
    assert!(reader.loss().unwrap().items[0].what.contains("zstd"));
}

#[test]
fn a_compressed_message_that_does_not_unpack_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(20, 300);
    let mut packed = sent.clone();
    for message in &mut packed {
        message.data = zstd(&message.data);
    }
    packed[7].data.truncate(50);
    let path = write_file(
        folder.path(),
        "bag.mcap",
        &mcap_bytes(mcap_options(), &packed),
    );

    let (read, reader) = recovered(&path, &sent);

    assert_eq!((read.len(), lost(&reader)), (19, Some(1)));
    assert!(
        reader
            .loss()
            .unwrap()
            .to_string()
            .starts_with("1 message was lost")
    );
}

#[test]
fn mcap_that_states_more_messages_than_it_has_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(20, 300);
    write_db3(&folder.path().join("bag_0.db3"), Layout::Humble, &sent);
    write_metadata(folder.path(), "sqlite3", "", &[("bag_0.db3", &[], 25)]);

    let (read, reader) = recovered(folder.path(), &sent);

    assert_eq!((read.len(), lost(&reader)), (20, Some(5)));
}

#[test]
fn a_crash_whose_metadata_was_made_of_what_it_left_has_lost_an_unknown_number() {
    let sent = messages(300, 4000);
    for storage in ["bag_0.mcap", "bag_0.db3"] {
        // given a bag that was cut, and a metadata.yaml that `ros2 bag reindex` has made of the rest
        let folder = tempfile::tempdir().unwrap();
        let whole = match storage {
            "bag_0.mcap" => mcap_bytes(mcap_options(), &sent),
            _ => db3_bytes(folder.path(), Layout::Jazzy, &sent),
        };
        let path = write_file(folder.path(), storage, &whole[..whole.len() / 2]);
        let left = read_bag(&path).0.len();
        assert!((80..300).contains(&left), "{left}");
        // Tools that reach less than we do, or count nothing, tell no more
        for counted in [left, left - 3, 0] {
            write_metadata(folder.path(), "", "", &[(storage, &[], counted)]);
            // when it is read
            let (read, reader) = recovered(folder.path(), &sent);
            // then nobody says that nothing is missing
            assert_eq!(
                (read.len(), lost(&reader)),
                (left, None),
                "{storage} {counted}"
            );
            let words = reader.loss().unwrap().to_string();
            assert!(
                words.starts_with("an unknown number of messages was lost"),
                "{words}"
            );
        }
        // But a recorder's own count, made before the file was cut, does tell
        write_metadata(folder.path(), "", "", &[(storage, &[], 300)]);
        let (read, reader) = recovered(folder.path(), &sent);
        assert_eq!(lost(&reader), Some(300 - read.len() as u64));
    }
}

#[test]
fn a_missing_file_of_which_nothing_is_counted_has_lost_an_unknown_number() {
    let folder = tempfile::tempdir().unwrap();
    let sent = messages(20, 100);
    let bytes = mcap_bytes(mcap_options(), &sent);
    write_folder(
        folder.path(),
        "mcap",
        &[("bag_0.mcap", &bytes, 0), ("bag_1.mcap", &[], 0)],
    );
    std::fs::remove_file(folder.path().join("bag_1.mcap")).unwrap();

    let (read, reader) = recovered(folder.path(), &sent);

    assert_eq!((read.len(), lost(&reader)), (20, None));
}
