//! Opening a bag: which files it has, and whether each of them can be read.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::folder;
use crate::info::BagInfo;
use crate::loss::{LossItem, Place};
use crate::metadata::{FileEntry, Metadata};
use crate::picture::{MissingFile, OpenedBag, Picture};
use crate::topic::TopicInfo;

pub(crate) fn open(path: &Path) -> Result<OpenedBag> {
    let kind = std::fs::metadata(path).map_err(Error::io("open", path))?;
    let opened = if kind.is_dir() {
        open_folder(path)?
    } else {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let entry = FileEntry {
            name: name.into_owned(),
            message_count: None,
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        open_files(folder, &[entry], Picture::new(path, None))?
    };
    check_ros2(&opened.info)?;
    if !opened.info.oddities.is_empty() {
        let odd = opened.info.oddities.join("; ");
        let words = format!("{} is read, though it is odd: {odd}", path.display());
        if is_news(&words) {
            tracing::warn!("{words}");
        }
    }
    Ok(opened)
}

/// What was said of bags so far: a run reads a bag as often as it takes, and tells once what is odd about it.
static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn is_news(words: &str) -> bool {
    // Whoever panicked had not changed it.
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    said.insert(words.to_owned())
}

fn open_folder(folder: &Path) -> Result<OpenedBag> {
    let mut odd = Vec::new();
    let mut metadata = read_metadata(folder, &mut odd)?;
    let entries = match &mut metadata {
        Some(metadata) if !metadata.files.is_empty() => {
            folder::listed_files(folder, metadata, &mut odd)?
        }
        _ => folder::found_files(folder)?,
    };
    let mut picture = Picture::new(folder, metadata);
    picture.note_oddities(odd);
    open_files(folder, &entries, picture)
}

/// `None` if there is none or it is damaged: the files say nearly all of it.
fn read_metadata(folder: &Path, odd: &mut Vec<String>) -> Result<Option<Metadata>> {
    let path = folder.join("metadata.yaml");
    match std::fs::metadata(&path) {
        Ok(kind) if kind.is_file() => {}
        Ok(_) => {
            odd.push("its metadata.yaml is no file, so its files are read without".to_owned());
            return Ok(None);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            odd.push("it has no metadata.yaml, so its files are read without".to_owned());
            return Ok(None);
        }
        Err(error) => return Err(Error::io("read", path)(error)),
    }
    let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
    match Metadata::parse(&String::from_utf8_lossy(&bytes)) {
        Ok(Metadata {
            foreign_compression: Some(format),
            ..
        }) => Err(Error::BagFormat {
            path,
            message: format!(
                "its compression_format is '{format}', but only zstd can be read: uncompress the \
                 bag with the plugin that compressed it"
            ),
        }),
        Ok(mut metadata) => {
            metadata.are_counts_doubted = !metadata.counts_agree();
            if metadata.are_counts_doubted {
                metadata.forget_counts();
            }
            Ok(Some(metadata))
        }
        Err(reason) => {
            odd.push(format!(
                "its metadata.yaml is damaged ({reason}), so its files are read without"
            ));
            Ok(None)
        }
    }
}

/// A file of ROS 1 messages in a container that ROS 2 uses too is refused by name. Of one with both, the topics
/// of ROS 2 can be read.
fn check_ros2(info: &BagInfo) -> Result<()> {
    let is_of_ros1 = |topic: &&TopicInfo| topic.is_of_ros1();
    let is_cdr = |topic: &TopicInfo| topic.serialization_format == "cdr" && !topic.is_of_ros1();
    match info.topics.iter().find(is_of_ros1) {
        Some(topic) if !info.topics.iter().any(is_cdr) => Err(Error::Ros1 {
            path: info.path.clone(),
            found: format!(
                "the messages on {} are serialised as ROS 1 does",
                topic.name
            ),
        }),
        _ => Ok(()),
    }
}

fn open_files(folder: &Path, entries: &[FileEntry], mut picture: Picture) -> Result<OpenedBag> {
    let mut missing = Vec::new();
    let mut first_error = None;
    for entry in entries {
        let source = folder::existing(folder, &entry.name);
        match picture.add_file(&source, entry, entries.len() == 1) {
            Ok(()) => {}
            Err(error) if is_of_the_machine(&error) => return Err(error),
            Err(error) => {
                missing.push(MissingFile {
                    damage: LossItem::new(&source, Place::File, reason(&error)),
                    expected_count: entry.message_count,
                });
                first_error.get_or_insert(error);
            }
        }
    }
    match (picture.is_empty(), first_error) {
        (true, Some(error)) => Err(error),
        _ => Ok(picture.finish(missing)),
    }
}

/// Not of the bag: another time, or with another limit or right, the file can be read.
fn is_of_the_machine(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() != std::io::ErrorKind::NotFound)
}

/// The error without the path, which stands beside it.
fn reason(error: &Error) -> String {
    match error {
        Error::Io { action, source, .. } => format!("cannot {action} it: {source}"),
        Error::NotABag { found, .. } => format!("it is {found}"),
        Error::BagFormat { message, .. } => message.clone(),
        other => other.to_string(),
    }
}
