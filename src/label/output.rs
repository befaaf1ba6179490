//! The output folder, there whole or not at all: written under a temporary name beside the final
//! one, renamed at the end. What killed processes left is removed by the next one.

use std::fs::{self, File, TryLockError};
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
fn table_of(target: &Path) -> PathBuf {
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
        return Err(Error::output(
            target,
            "this is no name for a new folder: give another -o",
        ));
    }
    if fs::symlink_metadata(target).is_err() {
        return Ok(false);
    }
    let is_empty = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
    match if_exists {
        IfExists::Fail => Err(Error::OutputExists {
            path: target.into(),
        }),
        _ if is_empty => Ok(false),
        _ if !is_labelled_bag(target) => Err(Error::output(
            target,
            "it exists and is no bag that this program labelled, so it is never replaced: remove it \
             yourself or give another -o",
        )),
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
    Err(Error::output(
        target,
        format!("{what}, which is never written to: give another -o"),
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

/// A folder that becomes the target when it is finished, and vanishes if it is not.
pub struct PartialFolder {
    target: PathBuf,
    path: PathBuf,
    /// Locked as long as this process lives: so another tells a stale folder from one at work.
    _lock: Option<File>,
    kept: bool,
}

impl PartialFolder {
    /// Begin beside the target, removing what a killed process left there.
    ///
    /// # Errors
    /// `Error::Output` if the folder cannot be made or another process is at work on it.
    pub fn create(target: &Path) -> Result<Self> {
        let path = hidden_sibling(target, "partial");
        remove_stale(target, &path)?;
        restore_replaced(target)?;
        fs::create_dir_all(parent_of(target))
            .and_then(|()| fs::create_dir(&path))
            .map_err(|error| {
                let what = format!("its folder cannot be made ({error}): give another -o");
                Error::output(target, what)
            })?;
        let lock = File::open(&path).ok();
        // A file system without locks has no protection against two processes at once.
        if let Some(lock) = &lock {
            let _ = lock.try_lock();
        }
        Ok(Self {
            target: target.to_owned(),
            path,
            _lock: lock,
            kept: false,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Wait until everything is on the disk, then give the folder its final name. An older output
    /// is removed only once the new one is in its place.
    ///
    /// # Errors
    /// `Error::Output`; an older output is then still there.
    pub fn finish(mut self) -> Result<()> {
        sync_files(&self.path)?;
        let replaced = hidden_sibling(&self.target, "replaced");
        let rename =
            |from: &Path, to: &Path| fs::rename(from, to).map_err(|error| Error::output(to, error));
        let is_there = fs::symlink_metadata(&self.target).is_ok();
        if is_there {
            rename(&self.target, &replaced)?;
        }
        if let Err(error) = rename(&self.path, &self.target) {
            if is_there {
                rename(&replaced, &self.target)?;
            }
            return Err(error);
        }
        self.kept = true;
        if is_there {
            fs::remove_dir_all(&replaced).map_err(|error| Error::output(&replaced, error))?;
        }
        let parent = parent_of(&self.target);
        let synced = File::open(parent).and_then(|folder| folder.sync_all());
        synced.map_err(|error| Error::output(parent, error))
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(
                "the unfinished {} cannot be removed: {error}",
                self.path.display()
            );
        }
    }
}

fn parent_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// `.NAME.ENDING` beside the target: no tool takes a hidden folder for a bag.
fn hidden_sibling(target: &Path, ending: &str) -> PathBuf {
    target.with_file_name(format!(".{}.{ending}", name_of(target)))
}

fn remove_stale(target: &Path, partial: &Path) -> Result<()> {
    let Ok(folder) = File::open(partial) else {
        return Ok(());
    };
    if let Err(TryLockError::WouldBlock) = folder.try_lock() {
        return Err(Error::output(
            target,
            format!(
                "another process is writing it now (in {}): wait until that is done",
                partial.display()
            ),
        ));
    }
    tracing::info!(
        "removing {}, which a process that was stopped left behind",
        partial.display()
    );
    fs::remove_dir_all(partial).map_err(|error| Error::output(partial, error))
}

/// A process that was killed while it replaced an output may have left the old one aside.
fn restore_replaced(target: &Path) -> Result<()> {
    let replaced = hidden_sibling(target, "replaced");
    if fs::symlink_metadata(&replaced).is_err() {
        return Ok(());
    }
    let restored = if fs::symlink_metadata(target).is_err() {
        fs::rename(&replaced, target)
    } else {
        fs::remove_dir_all(&replaced)
    };
    restored.map_err(|error| Error::output(replaced, error))
}

fn sync_files(folder: &Path) -> Result<()> {
    let failed = |error| Error::output(folder, error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let synced = File::open(&path).and_then(|file| file.sync_all());
        synced.map_err(|error| Error::output(&path, error))?;
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed)
}
