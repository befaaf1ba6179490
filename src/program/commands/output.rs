//! Results go to stdout, and nothing else does; files that are whole or not there; and whether another process makes the
//! same now.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use spatial_reward_core::Error;
use spatial_reward_core::whole_folder::held_by;

/// Print a result. A reader that has seen enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write the result to stdout"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Nobody else is at work on an output, as far as one can tell before it is begun.
///
/// # Errors
/// `Error::OutputHeld` with who that is.
pub(crate) fn check_free(target: &Path) -> Result<(), Error> {
    match held_by(target) {
        None => Ok(()),
        holder => Err(Error::OutputHeld {
            path: target.into(),
            holder,
        }),
    }
}

/// A file that is there is replaced where that is asked for, and never what was `given`, of which `what` says what it is and
/// begins to say that.
pub(crate) fn check_target<'a>(
    file: &Path,
    overwrite: bool,
    given: impl IntoIterator<Item = &'a PathBuf>,
    what: &str,
) -> anyhow::Result<()> {
    let Ok(found) = fs::symlink_metadata(file) else {
        return Ok(());
    };
    let canonical = file.canonicalize().ok();
    let is_it = |given: &PathBuf| canonical.is_some() && given.canonicalize().ok() == canonical;
    if given.into_iter().any(is_it) {
        bail!(
            "{} is {what} never replaced: give another -o",
            file.display()
        );
    }
    if found.is_dir() {
        bail!("{} is a folder: give another -o", file.display());
    }
    if !overwrite {
        bail!(
            "{} exists already: give --overwrite to replace it, or another -o",
            file.display()
        );
    }
    Ok(())
}

/// The whole file, or none: it is made under a hidden name beside its own.
///
/// # Errors
/// `ErrorKind::AlreadyExists` where it is there and is not to be replaced; what else the operating system refuses.
pub(crate) fn write_whole(file: &Path, bytes: &[u8], overwrite: bool) -> io::Result<()> {
    let mut alone = Together::default();
    alone.add(file, bytes)?;
    alone.put_in_place(overwrite).map_err(|(_, error)| error)
}

/// Files that appear once all of them are made, under hidden names until then. Dropped before, there is none.
#[derive(Debug, Default)]
pub(crate) struct Together {
    /// What is made, and its name.
    made: Vec<(PathBuf, PathBuf)>,
    /// Folders that were not there, innermost first.
    folders: Vec<PathBuf>,
}

impl Together {
    /// # Errors
    /// What the operating system refuses.
    pub(crate) fn add(&mut self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let unfinished = file.with_file_name(format!(".{name}.{}", std::process::id()));
        let missing = file.ancestors().skip(1);
        let missing =
            missing.take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        self.folders.extend(missing.map(Path::to_path_buf));
        self.made.push((unfinished.clone(), file.to_path_buf()));
        filled(&unfinished, bytes)
    }

    /// # Errors
    /// The file, with `ErrorKind::AlreadyExists` where it is there and is not to be replaced, or with what else the operating
    /// system refuses.
    pub(crate) fn put_in_place(mut self, overwrite: bool) -> Result<(), (PathBuf, io::Error)> {
        for (unfinished, file) in &self.made {
            // Unlike a rename, it fails where somebody made the file meanwhile; but not every file system has it.
            let placed = match fs::hard_link(unfinished, file) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists && !overwrite => Err(error),
                Err(_) => fs::rename(unfinished, file),
                Ok(()) => Ok(()),
            };
            placed.map_err(|error| (file.clone(), error))?;
        }
        self.folders.clear();
        Ok(())
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        for (unfinished, _) in &self.made {
            // Renamed away, it is not there any more.
            let _ = fs::remove_file(unfinished);
        }
        for folder in &self.folders {
            // Only one that is empty.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn filled(unfinished: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = unfinished.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create(unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The arguments as they can be typed again.
pub(crate) fn command_line() -> String {
    typed(crate::program::arguments::typed())
}

/// A command line of the program with these arguments, as a shell takes it.
pub(crate) fn typed(arguments: impl IntoIterator<Item = OsString>) -> String {
    let words = arguments.into_iter();
    let words = words.map(|argument| quoted(&argument.to_string_lossy()));
    let program = "spatial-reward".to_owned();
    (std::iter::once(program).chain(words))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
