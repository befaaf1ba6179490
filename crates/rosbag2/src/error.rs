//! What can go wrong with a bag, each with the values that a reader needs.

use std::path::PathBuf;

/// What a fallible function of this crate gives.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// The verb of the operation.
        action: &'static str,
        /// What it was to be done to.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },

    /// The path given is neither a bag folder nor a bag file.
    #[error("{path} is no bag: {found}. Give a rosbag2 folder (with metadata.yaml), an .mcap or a .db3 file", path = path.display())]
    NotABag {
        /// As it was given.
        path: PathBuf,
        /// What is there.
        found: String,
    },

    /// A recording of ROS 1, whose messages are serialised otherwise.
    #[error(
        "{path} is a ROS 1 recording ({found}), and only ROS 2 is read. Convert the ROS 1 bag with `rosbags-convert \
         --src IN.bag --dst OUT` (of the Python package rosbags), and give OUT",
        path = path.display()
    )]
    Ros1 {
        /// As it was given.
        path: PathBuf,
        /// What shows it.
        found: String,
    },

    /// The bag's container is broken in a way that nothing can be read from it.
    #[error("{path}: {message}", path = path.display())]
    BagFormat {
        /// The bag, or the file of it.
        path: PathBuf,
        /// What is broken.
        message: String,
    },

    /// The bag could not be written.
    #[error("cannot write {path}: {message}", path = path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        message: String,
    },
}

impl Error {
    /// Shorthand for file operations: `.map_err(Error::io("open", &path))`.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Shorthand for a file that cannot be written.
    pub(crate) fn output(path: impl Into<PathBuf>, message: impl ToString) -> Self {
        Self::Output {
            path: path.into(),
            message: message.to_string(),
        }
    }
}
