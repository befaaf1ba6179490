//! What can go wrong with a live node.

use std::path::PathBuf;

/// What a fallible function of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message, a setting, or the estimator.
    #[error(transparent)]
    Core(#[from] spatial_reward_core::Error),

    /// A picture of the debug view.
    #[error(transparent)]
    Figure(#[from] spatial_reward_figures::Error),

    /// ROS 2 refused an operation; `message` is its own.
    #[error("ROS 2 cannot {action}: {message}")]
    Ros {
        /// As the end of "cannot ...".
        action: String,
        /// ROS's own words.
        message: String,
    },

    /// A parameter that the node was started with.
    #[error("parameters: {message}")]
    Parameters {
        /// What is wrong, by the parameter's name.
        message: String,
    },
}

impl Error {
    /// Shorthand for what the operating system refuses.
    pub(crate) fn io(
        action: &'static str,
        what: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let make = spatial_reward_core::Error::io(action, what);
        move |source| Self::Core(make(source))
    }
}

/// What ROS refused, and at what.
pub(crate) fn ros(action: impl Into<String>) -> impl FnOnce(r2r::Error) -> Error {
    move |error| Error::Ros {
        action: action.into(),
        message: error.to_string(),
    }
}

/// The other thread has panicked while it held something.
pub(crate) fn poisoned(what: &str) -> Error {
    let work = "the node".to_owned();
    let message = format!("a thread ended while it held the {what}");
    Error::Core(spatial_reward_core::Error::Panicked { work, message })
}
