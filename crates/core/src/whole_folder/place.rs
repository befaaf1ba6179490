//! Where the files about an output lie: beside it, hidden.

use std::path::{Path, PathBuf};

/// The folder that the output stands in.
pub(super) fn parent_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// `.NAME.ENDING` beside the target: no tool takes a hidden file or folder for a bag.
pub(super) fn hidden_sibling(target: &Path, ending: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{ending}"))
}
