//! Which files of a folder are the bag: what metadata.yaml lists, held against what is there. People rename and copy
//! files, and recorders that are killed leave some unlisted.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::metadata::{FileEntry, Metadata};
use crate::stored_file;

/// What recorders call the files of a bag.
const EXTENSIONS: [&str; 4] = [".mcap", ".db3", ".mcap.zstd", ".db3.zstd"];

/// The bag's files where nothing lists them: all that could be of a bag.
pub(crate) fn found_files(folder: &Path) -> Result<Vec<FileEntry>> {
    let found = bag_files_in(folder)?;
    if found.is_empty() {
        return Err(no_bag_in(folder));
    }
    Ok(found.into_iter().map(uncounted).collect())
}

/// The bag's files where metadata.yaml lists some. What it lists otherwise than the folder has it is `odd`.
pub(crate) fn listed_files(
    folder: &Path,
    metadata: &mut Metadata,
    odd: &mut Vec<String>,
) -> Result<Vec<FileEntry>> {
    let mut listed: Vec<FileEntry> = Vec::new();
    for entry in &metadata.files {
        if !listed.iter().any(|it| it.name == entry.name) {
            listed.push(entry.clone());
        }
    }
    let (present, missing): (Vec<_>, Vec<_>) =
        (listed.iter().cloned()).partition(|it| existing(folder, &it.name).exists());
    let is_listed = |name: &str| listed.iter().any(|it| unpacked(&it.name) == unpacked(name));
    let is_later = |name: &str| listed.iter().any(|it| is_part_with(&it.name, name));
    // A folder that cannot be listed may still have the files.
    let found = bag_files_in(folder).unwrap_or_default().into_iter();
    let (later, others): (Vec<String>, Vec<String>) = found
        .filter(|name| !is_listed(name))
        .partition(|name| is_later(name));

    let lists = format!(
        "metadata.yaml lists {}, which {} not there",
        names_of(&missing),
        are(missing.len())
    );
    let nothing_is_left = present.is_empty() && later.is_empty();
    let renamed = !others.is_empty()
        && (others.len() == missing.len() || nothing_is_left && are_parts(&others));
    let mut files = if renamed { present } else { listed };
    if renamed {
        odd.push(format!(
            "{lists}: {} is read in its place",
            others.join(", ")
        ));
        // Nobody knows whose the counts are.
        metadata.forget_counts();
        files.extend(others.into_iter().map(uncounted));
    } else if nothing_is_left {
        return Err(none_there(folder, &lists, &others));
    } else if !others.is_empty() {
        let (names, are) = (others.join(", "), are(others.len()));
        odd.push(format!(
            "metadata.yaml does not list {names}, which {are} not read"
        ));
    }
    if !later.is_empty() {
        // A recorder that was killed began them, or a tool could not read them.
        let (names, are) = (later.join(", "), are(later.len()));
        odd.push(format!(
            "metadata.yaml does not list {names}, which {are} read too"
        ));
        metadata.forget_sums();
        files.extend(later.into_iter().map(uncounted));
    }
    Ok(files)
}

/// The file of that name, or the one that differs by compression: some recorders list the one and
/// keep the other.
pub(crate) fn existing(folder: &Path, name: &str) -> PathBuf {
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

/// The files with a bag's extensions in a folder, by name. Of a file and its compressed copy, which whoever was
/// stopped at compressing leaves, it is the file.
fn bag_files_in(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // On other systems' disks, `._NAME` is no bag but notes about one.
        let is_of_bag = EXTENSIONS.iter().any(|it| name.ends_with(it)) && !name.starts_with('.');
        if is_of_bag && entry.path().is_file() {
            names.push(name);
        }
    }
    names.sort();
    let all = names.clone();
    names.retain(|name| {
        let is_packed = unpacked(name) != name;
        !is_packed || !all.iter().any(|it| it == unpacked(name))
    });
    Ok(names)
}

fn no_bag_in(folder: &Path) -> Error {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    match paths.find(|path| stored_file::is_ros1_bag(path)) {
        Some(path) => Error::Ros1 {
            path: folder.to_owned(),
            found: format!("it holds {}", path.display()),
        },
        None => Error::NotABag {
            path: folder.to_owned(),
            found: "a folder with neither a metadata.yaml nor an .mcap or .db3 file".to_owned(),
        },
    }
}

fn none_there(folder: &Path, lists: &str, others: &[String]) -> Error {
    let holds = match others {
        [] => "the folder holds no .mcap or .db3 file".to_owned(),
        others => format!(
            "the folder holds {}, which are not parts of one bag: give one of them",
            others.join(", ")
        ),
    };
    Error::BagFormat {
        path: folder.to_owned(),
        message: format!("its {lists}, and {holds}"),
    }
}

fn uncounted(name: String) -> FileEntry {
    FileEntry {
        name,
        message_count: None,
    }
}

fn names_of(files: &[FileEntry]) -> String {
    let names: Vec<&str> = files.iter().map(|it| it.name.as_str()).collect();
    names.join(", ")
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn unpacked(name: &str) -> &str {
    name.strip_suffix(".zstd").unwrap_or(name)
}

/// Name without number, and extension: recorders call the files of one bag `NAME_0.mcap`, `NAME_1.mcap`, ...
fn numbered(name: &str) -> Option<(&str, &str)> {
    let (stem, extension) = unpacked(name).rsplit_once('.')?;
    let (stem, number) = stem.rsplit_once('_')?;
    number.parse::<u32>().is_ok().then_some((stem, extension))
}

fn is_part_with(one: &str, other: &str) -> bool {
    numbered(one).is_some() && numbered(one) == numbered(other)
}

/// A single file is a part of its own.
fn are_parts(names: &[String]) -> bool {
    let mut pairs = names.iter().zip(names.iter().skip(1));
    pairs.all(|(one, next)| is_part_with(one, next))
}
