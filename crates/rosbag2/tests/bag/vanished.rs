//! A bag that goes away while it is read is not taken for a damaged one, of which the rest would be missing for good.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use spatial_reward_rosbag2::{BagReader, Error, Result};

use crate::fixtures::*;

/// A bag of many chunks or pages, read until its first message is out.
fn begun(folder: &Path, name: &str) -> (PathBuf, BagReader) {
    let sent = messages(300, 40_000);
    let path = folder.join(name);
    if name.ends_with("mcap") {
        fs::write(&path, mcap_bytes(mcap_options(), &sent)).unwrap();
    } else {
        write_db3(&path, Layout::Jazzy, &sent);
    }
    let mut reader = BagReader::open(&path).unwrap();
    reader.next_message().unwrap().unwrap();
    (path, reader)
}

/// How many messages still come out, or what ends them.
fn rest(reader: &mut BagReader) -> Result<usize> {
    let mut count = 0;
    while reader.next_message()?.is_some() {
        count += 1;
    }
    Ok(count)
}

#[test]
fn a_file_that_is_deleted_while_it_is_read_ends_the_reading_and_is_no_damage() {
    // given
    let folder = tempfile::tempdir().unwrap();
    let (path, mut reader) = begun(folder.path(), "bag.mcap");
    // when
    fs::remove_file(&path).unwrap();
    // then
    let Err(Error::Io {
        path: named,
        source,
        ..
    }) = rest(&mut reader)
    else {
        panic!("the rest of a deleted file was read");
    };
    assert_eq!(named, path);
    assert_eq!(source.kind(), ErrorKind::NotFound);
    assert!(reader.loss().is_none());
}

#[test]
fn a_file_that_is_cut_while_it_is_read_ends_the_reading_and_is_no_damage() {
    for name in ["bag.mcap", "bag.db3"] {
        // given
        let folder = tempfile::tempdir().unwrap();
        let (path, mut reader) = begun(folder.path(), name);
        let bytes = fs::metadata(&path).unwrap().len();
        // when
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(bytes / 2))
            .unwrap();
        // then
        let error = rest(&mut reader).unwrap_err().to_string();
        assert!(
            error.contains(&format!("it had {bytes} bytes when it was opened")),
            "{error}"
        );
        assert!(reader.loss().is_none());
    }
}

#[test]
fn a_file_that_was_cut_before_it_is_opened_is_damaged_all_the_same() {
    // given
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let bytes = mcap_bytes(mcap_options(), &messages(300, 40_000));
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    // when
    let mut reader = BagReader::open(&path).unwrap();
    let count = rest(&mut reader).unwrap();
    // then
    assert!(count > 100, "{count} messages");
    assert!(reader.loss().is_some());
}

/// A database that is open is read to its end, deleted or not, for the system keeps it so long.
#[test]
#[cfg(unix)]
fn a_database_that_is_deleted_while_it_is_read_is_read_to_its_end() {
    // given
    let folder = tempfile::tempdir().unwrap();
    let (path, mut reader) = begun(folder.path(), "bag.db3");
    // when
    fs::remove_file(&path).unwrap();
    // then
    assert_eq!(rest(&mut reader).unwrap(), 299);
    assert!(reader.loss().is_none());
}
