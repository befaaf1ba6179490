//! Whether an output may be written: what is there already, and what it must not touch.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::report::provenance;

/// What to do about an output that exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfExists {
    /// Refuse.
    #[default]
    Fail,
    /// Keep it if it was made with the same settings, refuse otherwise.
    Resume,
    /// Replace it once the new one is finished.
    Overwrite,
}

/// The file that tells a labelled bag: it is there whenever the folder is.
pub(crate) fn table_of(target: &Path) -> PathBuf {
    target.join(format!("{}_reward.parquet", name_of(target)))
}

/// The folder's own name, after which its files are named.
pub fn name_of(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether the folder is a labelled bag of this program.
pub fn is_labelled_bag(folder: &Path) -> bool {
    table_of(folder).is_file() && folder.join("metadata.yaml").is_file()
}

/// Whether the target is finished already, so that there is nothing to do.
///
/// # Errors
/// `Error::OutputExists` or `Error::OtherSettings` if it is there and must stay as it is;
/// `Error::Output` if it is something that is never replaced, or cannot be a folder's name.
pub fn check_target(target: &Path, if_exists: IfExists, config_digest: &str) -> Result<bool> {
    if target.file_name().is_none() {
        return Err(Error::output_refused(
            target,
            "this is no name for a new folder",
        ));
    }
    if fs::symlink_metadata(target).is_err() {
        return Ok(false);
    }
    let is_empty = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
    match if_exists {
        _ if !is_empty && !is_labelled_bag(target) => Err(Error::output_refused(
            target,
            "it exists and is no bag that this program labelled, so it is never replaced: remove it \
             yourself",
        )),
        IfExists::Fail => Err(Error::OutputExists {
            path: target.into(),
            can_resume: true,
        }),
        _ if is_empty => Ok(false),
        IfExists::Overwrite => Ok(false),
        IfExists::Resume => {
            let found = provenance::read_config_digest(&table_of(target))?;
            if found == config_digest {
                return Ok(true);
            }
            Err(Error::OtherSettings {
                path: target.into(),
                found: short(&found),
                expected: short(config_digest),
            })
        }
    }
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// Make sure that writing the target cannot touch the source.
///
/// # Errors
/// `Error::Output` if one lies in the other, or both are one.
pub fn check_apart(target: &Path, source: &Path) -> Result<()> {
    let (Ok(source_path), Some(target_path)) = (source.canonicalize(), resolved(target)) else {
        return Ok(());
    };
    let what = if target_path == source_path {
        "it is the source bag itself"
    } else if source_path.is_dir() && target_path.starts_with(&source_path) {
        "it lies inside the source bag"
    } else if source_path.starts_with(&target_path) {
        "the source bag lies inside it"
    } else {
        return Ok(());
    };
    Err(Error::output_refused(
        target,
        format!("{what}, which is never written to"),
    ))
}

/// Where a path that may not exist yet will be.
fn resolved(path: &Path) -> Option<PathBuf> {
    if let Ok(path) = path.canonicalize() {
        return Some(path);
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    Some(resolved(parent)?.join(path.file_name()?))
}
