//! What this process has begun and not finished, so that whoever must end it at once can clear it away first. It is one
//! list for the whole process, because a signal is for the whole process.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::sleep;
use std::time::Duration;

static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// How often, and how far apart, something is tried that another thread may be in the way of.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// The list. While it is held, nothing becomes finished or unfinished.
pub(super) fn list() -> MutexGuard<'static, Vec<PathBuf>> {
    // A list of paths is whole between any two of its changes.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a path that is to go if the process ends now.
pub(super) fn note(path: &Path) {
    list().push(path.to_owned());
}

/// Strikes it out again.
pub(super) fn strike(path: &Path) {
    list().retain(|noted| noted != path);
}

/// Clears away what this process has unfinished, because it ends now: gives what was removed. From here on nothing is
/// finished in this process any more; a thread that tries waits, for the end that is coming.
pub fn abandon() -> Vec<PathBuf> {
    let Some(unfinished) = list_soon() else {
        return Vec::new();
    };
    let removed = unfinished.iter().filter(|path| remove(path)).cloned();
    let removed = removed.collect();
    // Kept for ever: what the process's other threads would still finish or remove is gone.
    std::mem::forget(unfinished);
    removed
}

/// The list, unless a thread that hangs in the file system holds it.
fn list_soon() -> Option<MutexGuard<'static, Vec<PathBuf>>> {
    for _ in 0..ATTEMPTS {
        match UNFINISHED.try_lock() {
            Ok(list) => return Some(list),
            Err(TryLockError::Poisoned(list)) => return Some(list.into_inner()),
            Err(TryLockError::WouldBlock) => sleep(PAUSE),
        }
    }
    None
}

/// Whether it was there and is gone.
fn remove(path: &Path) -> bool {
    for _ in 0..ATTEMPTS {
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
        match removed {
            Ok(()) => return true,
            Err(error) if error.kind() == ErrorKind::NotFound => return false,
            // Another thread still writes into it.
            Err(_) => sleep(PAUSE),
        }
    }
    false
}
