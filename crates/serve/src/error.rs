//! What can go wrong with the server itself; what is wrong with a request is its answer.

use std::net::SocketAddr;

/// What a fallible function of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },

    /// Others than this machine could ask, and nothing says who may.
    #[error("{address} can be reached from other machines, and no token says who may ask")]
    NoToken {
        /// The address.
        address: SocketAddr,
    },

    /// A token that nobody can send, or anybody guess.
    #[error(
        "the token {what}: it has to be {least} to {most} printable characters of ASCII without spaces"
    )]
    Token {
        /// What is wrong with it.
        what: &'static str,
        /// How many characters it has to have.
        least: usize,
        /// How many it may have.
        most: usize,
    },

    /// The system has no random numbers.
    #[error("a random number is needed, and the system gives none: {0}")]
    Random(String),
}
