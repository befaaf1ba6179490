//! What is wrong with one photo: a row of the table of errors.

use std::path::{Path, PathBuf};

/// Why a photo cannot be used. The reasons are a public interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// One word for it.
    pub reason: &'static str,
    /// The file that is wrong, or that another one is missing beside.
    pub file: PathBuf,
    /// In words.
    pub why: String,
}

impl Problem {
    /// Of a file.
    pub(super) fn new(reason: &'static str, file: &Path, why: impl ToString) -> Self {
        Self {
            reason,
            file: file.to_owned(),
            why: why.to_string(),
        }
    }
}
