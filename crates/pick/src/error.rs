//! What can go wrong with the page itself; what is wrong with a bag is shown on it.

/// What a fallible function of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file of the boxes.
    #[error(transparent)]
    Offline(#[from] spatial_reward_offline::Error),

    /// The page cannot be offered.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port, 0 for any.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },

    /// The page's address cannot be made.
    #[error(transparent)]
    Door(#[from] spatial_reward_serve::Error),
}
