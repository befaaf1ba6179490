//! What can go wrong with a picture.

use std::path::PathBuf;

/// What a fallible function of this crate gives.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The frame to draw on is none.
    #[error(transparent)]
    Core(#[from] spatial_reward_core::Error),

    /// The renderer refused; the message is its own.
    #[error("the picture cannot be drawn: {message}")]
    Render {
        /// The renderer's own words.
        message: String,
    },

    /// The file could not be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
}
