//! What was typed, for whoever tells of it later.

use std::ffi::OsString;
use std::sync::OnceLock;

/// The program's own name first.
static ARGUMENTS: OnceLock<Vec<OsString>> = OnceLock::new();

/// Keeps them. A second time there is nothing to keep: the first ones stay, and come back.
pub(crate) fn keep(arguments: Vec<OsString>) -> &'static [OsString] {
    ARGUMENTS.get_or_init(|| arguments)
}

/// What was typed behind the program's name.
pub(crate) fn typed() -> impl Iterator<Item = OsString> {
    ARGUMENTS.get().into_iter().flatten().skip(1).cloned()
}
