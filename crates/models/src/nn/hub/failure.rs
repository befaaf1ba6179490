//! Why a download came to nothing, and whether the cache can make it good.

use crate::error::Error;

/// Why a download came to nothing.
pub(super) enum Failure {
    /// The hub may have it, but does not answer: the cache will do instead.
    Unreachable(String),
    /// Nothing that the cache could make good.
    Fatal(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

/// What is wrong with a model that was named by an id, and the way out, each a clause without a full stop.
pub(super) fn hub_error(model: &str, what: &str, remedy: &str) -> Error {
    Error::Hub {
        model: model.to_owned(),
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    }
}
