//! A folder that is there whole or not at all: written under a temporary name beside its final one, synced, renamed at
//! the end. What killed processes left is put right by the next one.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A folder that becomes the target when it is finished, and vanishes if it is not.
pub struct WholeFolder {
    target: PathBuf,
    path: PathBuf,
    /// Locked as long as this process lives: so another tells a stale folder from one at work.
    _lock: Option<File>,
    kept: bool,
}

impl WholeFolder {
    /// Begins beside the target, removing what a killed process left there.
    ///
    /// # Errors
    /// `Error::OutputRefused` if the folder cannot be made, `Error::Output` if another process is at work on it.
    pub fn create(target: &Path) -> Result<Self> {
        let path = hidden_sibling(target, "partial");
        remove_stale(target, &path)?;
        recover(target)?;
        let refused =
            |error| Error::output_refused(target, format!("its folder cannot be made ({error})"));
        fs::create_dir_all(parent_of(target)).map_err(refused)?;
        fs::create_dir(&path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => at_work(target, &path),
            _ => refused(error),
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

    /// Where its files are to be written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until everything is on the disk, then gives the folder its final name. An older one is removed only once
    /// the new one is in its place.
    ///
    /// # Errors
    /// `Error::Output`; an older folder is then still there.
    pub fn finish(mut self) -> Result<()> {
        sync(&self.path)?;
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

impl Drop for WholeFolder {
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

/// Puts back what a process had moved aside that was killed while it replaced the folder.
///
/// # Errors
/// `Error::Output` if that cannot be done.
pub fn recover(target: &Path) -> Result<()> {
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

fn parent_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// `.NAME.ENDING` beside the target: no tool takes a hidden folder for a bag.
fn hidden_sibling(target: &Path, ending: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{ending}"))
}

fn remove_stale(target: &Path, partial: &Path) -> Result<()> {
    let Ok(folder) = File::open(partial) else {
        return Ok(());
    };
    if let Err(TryLockError::WouldBlock) = folder.try_lock() {
        return Err(at_work(target, partial));
    }
    tracing::info!(
        "removing {}, which a process that was stopped left behind",
        partial.display()
    );
    fs::remove_dir_all(partial).map_err(|error| Error::output(partial, error))
}

fn at_work(target: &Path, partial: &Path) -> Error {
    Error::output(
        target,
        format!(
            "another process is writing it now (in {}): wait until that is done",
            partial.display()
        ),
    )
}

/// Waits until a folder with everything in it is on the disk.
fn sync(folder: &Path) -> Result<()> {
    let failed = |error| Error::output(folder, error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            sync(&path)?;
            continue;
        }
        let synced = File::open(&path).and_then(|file| file.sync_all());
        synced.map_err(|error| Error::output(&path, error))?;
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_folders_takes_the_place_of_an_older_one() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("model");
        for text in ["old", "new"] {
            let folder = WholeFolder::create(&target).unwrap();
            fs::create_dir(folder.path().join("part")).unwrap();
            fs::write(folder.path().join("part/file"), text).unwrap();
            folder.finish().unwrap();
        }
        assert_eq!(fs::read_to_string(target.join("part/file")).unwrap(), "new");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_that_is_not_finished_leaves_the_older_one_alone() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("model");
        WholeFolder::create(&target).unwrap().finish().unwrap();
        fs::write(target.join("file"), "old").unwrap();
        drop(WholeFolder::create(&target).unwrap());
        assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "old");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_had_moved_aside_comes_back() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("model");
        fs::create_dir(place.path().join(".model.replaced")).unwrap();
        recover(&target).unwrap();
        assert!(target.is_dir());
    }
}
