//! Opening a bag: which files it has, and whether each of them can be read.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::loss::{LossItem, Place};
use crate::metadata::{FileEntry, Metadata};
use crate::picture::{MissingFile, OpenedBag, Picture};

pub(crate) fn open(path: &Path) -> Result<OpenedBag> {
    let kind = std::fs::metadata(path).map_err(Error::io("open", path))?;
    if kind.is_dir() {
        let metadata = read_metadata(path)?;
        let entries = match &metadata {
            Some(metadata) if !metadata.files.is_empty() => metadata.files.clone(),
            _ => bag_files_in(path)?,
        };
        open_files(path, path, &entries, metadata)
    } else {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let entry = FileEntry {
            name: name.into_owned(),
            message_count: None,
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        open_files(path, folder, &[entry], None)
    }
}

/// `None`, with a warning, if there is none or it is damaged: the files say nearly all of it.
fn read_metadata(folder: &Path) -> Result<Option<Metadata>> {
    let path = folder.join("metadata.yaml");
    let text = match std::fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tracing::warn!(folder = %folder.display(), "the bag has no metadata.yaml, its files are read without");
            return Ok(None);
        }
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    match Metadata::parse(&text) {
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
        Ok(metadata) => Ok(Some(metadata)),
        Err(reason) => {
            tracing::warn!(path = %path.display(), reason, "metadata.yaml is damaged, the files are read without");
            Ok(None)
        }
    }
}

/// The files with a bag's extensions in a folder, by name.
fn bag_files_in(folder: &Path) -> Result<Vec<FileEntry>> {
    const EXTENSIONS: [&str; 4] = [".mcap", ".db3", ".mcap.zstd", ".db3.zstd"];
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if EXTENSIONS.iter().any(|extension| name.ends_with(extension)) {
            files.push(FileEntry {
                name,
                message_count: None,
            });
        }
    }
    if files.is_empty() {
        return Err(Error::NotABag {
            path: folder.to_owned(),
            found: "a folder with neither a metadata.yaml nor an .mcap or .db3 file".to_owned(),
        });
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn open_files(
    path: &Path,
    folder: &Path,
    entries: &[FileEntry],
    metadata: Option<Metadata>,
) -> Result<OpenedBag> {
    let mut picture = Picture::new(path, metadata);
    let mut missing = Vec::new();
    let mut first_error = None;
    for entry in entries {
        let source = existing(folder, &entry.name);
        match picture.add_file(&source, entry, entries.len() == 1) {
            Ok(()) => {}
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

/// The file of that name, or the one that differs by compression: some recorders list the one and
/// keep the other.
fn existing(folder: &Path, name: &str) -> PathBuf {
    let listed = folder.join(name);
    let other = match name.strip_suffix(".zstd") {
        Some(unpacked) => folder.join(unpacked),
        None => folder.join(format!("{name}.zstd")),
    };
    if !listed.exists() && other.exists() {
        other
    } else {
        listed
    }
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
