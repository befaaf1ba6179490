//! The folder of a data set: the files that tell one, and whether it may be written.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// The rows, one a line.
pub(super) const ROWS: &str = "dataset.jsonl";
/// How it was made, and what came of it.
pub(super) const PROVENANCE: &str = "dataset.json";

/// Whether the folder is free for a data set, or may be replaced by one.
///
/// # Errors
/// `Error::OutputExists` or `Error::Output` if not.
pub fn check_target(target: &Path, overwrite: bool) -> Result<()> {
    let refuse = |what: &str| Err(Error::output_refused(target, what));
    if target.file_name().is_none() {
        return refuse("this is no name for a new folder");
    }
    if fs::symlink_metadata(target).is_err() {
        return Ok(());
    }
    let is_empty = fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
    let is_data_set = target.join(ROWS).is_file() && target.join(PROVENANCE).is_file();
    match overwrite {
        _ if !is_empty && !is_data_set => refuse(
            "it exists and is no data set of this program, so it is never replaced: remove it yourself",
        ),
        true => Ok(()),
        false => Err(Error::OutputExists {
            path: target.into(),
            can_resume: false,
        }),
    }
}
