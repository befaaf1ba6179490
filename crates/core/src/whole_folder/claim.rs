//! One process at a time at an output: whoever comes second is told who holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::holder::Holder;
use super::place::{hidden_sibling, parent_of};
use super::unfinished;
use crate::error::{Error, Result};

/// How often a lock that another has is looked at before it is said who that is: it may be about to write its name, or to
/// go.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// The right to write an output, until it is dropped or the process ends. It is a locked file beside the output,
/// `.NAME.lock`, which says who has it. What a killed process left is taken over. On a file system without locks
/// everybody gets it.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    file: File,
}

impl Claim {
    /// Takes it, and makes the folder that the output stands in.
    ///
    /// # Errors
    /// `Error::OutputHeld` if another has it, `Error::OutputRefused` if nothing can be written there.
    pub fn take(target: &Path) -> Result<Self> {
        let refused =
            |error| Error::output_refused(target, format!("its folder cannot be made ({error})"));
        fs::create_dir_all(parent_of(target)).map_err(refused)?;
        let path = hidden_sibling(target, "lock");
        let mut seen = None;
        for _ in 0..ATTEMPTS {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(refused)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    let holder = named_in(&file);
                    if holder.is_some() && holder == seen {
                        return Err(held(target, holder));
                    }
                    seen = holder;
                    sleep(PAUSE);
                }
                // Whoever had it took the file away: it is no longer the one that others see.
                _ if !is_at(&file, &path) => {}
                // A killed process left it. A new file never names another than its holder.
                _ if file.metadata().is_ok_and(|metadata| metadata.len() > 0) => {
                    fs::remove_file(&path).map_err(refused)?;
                }
                _ => return Self::signed(path, file).map_err(refused),
            }
        }
        Err(held(target, seen))
    }

    fn signed(path: PathBuf, mut file: File) -> std::io::Result<Self> {
        let Holder { process, host } = Holder::this_process();
        file.write_all(format!("{process} {host}\n").as_bytes())?;
        unfinished::note(&path);
        Ok(Self { path, file })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if is_at(&self.file, &self.path) {
            // Where it cannot be removed, the next one does.
            let _ = fs::remove_file(&self.path);
        }
        unfinished::strike(&self.path);
    }
}

/// Who is at work on an output now; `None` if nobody is, or nobody can tell.
pub fn held_by(target: &Path) -> Option<Holder> {
    let path = hidden_sibling(target, "lock");
    let mut seen = None;
    for _ in 0..ATTEMPTS {
        let file = File::open(&path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            _ => return None,
        }
        let holder = named_in(&file);
        if holder.is_some() && holder == seen {
            return holder;
        }
        seen = holder;
        sleep(PAUSE);
    }
    seen
}

fn held(target: &Path, holder: Option<Holder>) -> Error {
    Error::OutputHeld {
        path: target.into(),
        holder,
    }
}

/// Who a lock file names.
fn named_in(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    Holder::parse(&text)
}

/// Whether a path leads to this very file.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(mine), Ok(there)) => (mine.dev(), mine.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_second_is_told_who_was_first() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("out");
        // given one who holds it
        let first = Claim::take(&target).unwrap();
        // when another wants it
        let refused = Claim::take(&target).unwrap_err();
        // then the first is named, and keeps it
        let Error::OutputHeld { holder: named, .. } = &refused else {
            panic!("{refused}");
        };
        assert_eq!(named.as_ref().unwrap().process, std::process::id());
        assert!(
            refused
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{refused}"
        );
        assert_eq!(held_by(&target), *named);
        drop(first);
        // and nothing is left of it
        assert_eq!(held_by(&target), None);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        drop(Claim::take(&target).unwrap());
    }

    #[test]
    fn what_a_killed_process_left_names_nobody_and_is_taken_over() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("out");
        fs::write(place.path().join(".out.lock"), "1 elsewhere\n").unwrap();
        assert_eq!(held_by(&target), None);
        let claim = Claim::take(&target).unwrap();
        assert_eq!(held_by(&target).unwrap().process, std::process::id());
        drop(claim);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn of_many_who_come_together_one_has_it_at_a_time_and_all_others_are_told() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("out");
        let (inside, taken) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        match Claim::take(&target) {
                            Ok(claim) => {
                                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                                taken.fetch_add(1, Ordering::SeqCst);
                                sleep(Duration::from_micros(200));
                                inside.fetch_sub(1, Ordering::SeqCst);
                                drop(claim);
                            }
                            Err(Error::OutputHeld {
                                holder: Some(_), ..
                            }) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
            }
        });
        assert!(taken.into_inner() > 0);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
