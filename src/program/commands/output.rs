//! Results go to stdout, and nothing else does; files that are whole or not there; and whether another process makes the
//! same now.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

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

/// The whole file, or none: it is made under a hidden name beside its own.
///
/// # Errors
/// `ErrorKind::AlreadyExists` where it is there and is not to be replaced; what else the operating system refuses.
pub(crate) fn write_whole(file: &Path, bytes: &[u8], overwrite: bool) -> io::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = file.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = filled(&unfinished, bytes).and_then(|()| {
        // Unlike a rename, it fails where somebody made the file meanwhile; but not every file system has it.
        match fs::hard_link(&unfinished, file) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && !overwrite => Err(error),
            Err(_) => fs::rename(&unfinished, file),
            Ok(()) => Ok(()),
        }
    });
    // Renamed away, it is not there any more.
    let _ = fs::remove_file(&unfinished);
    written
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
