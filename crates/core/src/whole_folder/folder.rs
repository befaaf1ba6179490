//! The folder as it grows: written under a temporary name beside its final one, synced, renamed at the end. What killed
//! processes left is put right by the next one.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::claim::Claim;
use super::place::{hidden_sibling, parent_of};
use super::unfinished;
use crate::error::{Error, Result};

/// A folder that becomes the target when it is finished, and vanishes if it is not.
pub struct WholeFolder {
    target: PathBuf,
    path: PathBuf,
    kept: bool,
    /// Dropped last: while it is held, nobody else touches what lies here.
    _claim: Claim,
}

impl WholeFolder {
    /// Begins beside the target, removing what a killed process left there. From here on nobody else writes the target,
    /// so what there is of it stays as it is: this is the time to look.
    ///
    /// # Errors
    /// `Error::OutputRefused` if the folder cannot be made, `Error::OutputHeld` if another process is at work on it.
    pub fn create(target: &Path) -> Result<Self> {
        let claim = Claim::take(target)?;
        let path = hidden_sibling(target, "partial");
        remove_stale(&path)?;
        recover(target)?;
        let refused =
            |error| Error::output_refused(target, format!("its folder cannot be made ({error})"));
        fs::create_dir(&path).map_err(refused)?;
        unfinished::note(&path);
        Ok(Self {
            target: target.to_owned(),
            path,
            kept: false,
            _claim: claim,
        })
    }

    /// Where its files are to be written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes everything in it: what was begun is begun anew.
    ///
    /// # Errors
    /// `Error::Output`.
    pub fn clear(&self) -> Result<()> {
        let failed = |error| Error::output(&self.path, error);
        fs::remove_dir_all(&self.path).map_err(failed)?;
        fs::create_dir(&self.path).map_err(failed)
    }

    /// Waits until everything is on the disk, then gives the folder its final name. An older one is removed only once
    /// the new one is in its place.
    ///
    /// # Errors
    /// `Error::Output`; an older folder is then still there.
    pub fn finish(mut self) -> Result<()> {
        put_in_place(&self.path, &self.target)?;
        self.kept = true;
        Ok(())
    }
}

/// Waits until everything in a folder beside `target` is on the disk, then gives it that name. An older one is removed only
/// once the new one is in its place. Whoever calls it has the claim on `target`.
///
/// # Errors
/// `Error::Output`; an older folder is then still there.
pub fn put_in_place(folder: &Path, target: &Path) -> Result<()> {
    sync(folder)?;
    let replaced = hidden_sibling(target, "replaced");
    if renamed(folder, target, &replaced)? {
        fs::remove_dir_all(&replaced).map_err(|error| Error::output(&replaced, error))?;
        unfinished::strike(&replaced);
    }
    let parent = parent_of(target);
    let synced = File::open(parent).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Error::output(parent, error))
}

/// Renames a folder, and an older one out of its way; whether there was one. The process is not ended in between.
fn renamed(folder: &Path, target: &Path, replaced: &Path) -> Result<bool> {
    let mut unfinished = unfinished::list();
    let rename =
        |from: &Path, to: &Path| fs::rename(from, to).map_err(|error| Error::output(to, error));
    let is_there = fs::symlink_metadata(target).is_ok();
    if is_there {
        rename(target, replaced)?;
    }
    if let Err(error) = rename(folder, target) {
        if is_there {
            rename(replaced, target)?;
        }
        return Err(error);
    }
    unfinished.retain(|path| path != folder);
    if is_there {
        unfinished.push(replaced.to_owned());
    }
    Ok(is_there)
}

impl Drop for WholeFolder {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => tracing::warn!(
                "the unfinished {} cannot be removed: {error}",
                self.path.display()
            ),
            _ => {}
        }
        unfinished::strike(&self.path);
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

/// Removes what a killed process left; whoever is still at work has the claim.
fn remove_stale(partial: &Path) -> Result<()> {
    if fs::symlink_metadata(partial).is_err() {
        return Ok(());
    }
    tracing::info!(
        "removing {}, which a process that was stopped left behind",
        partial.display()
    );
    fs::remove_dir_all(partial).map_err(|error| Error::output(partial, error))
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
