//! The process that something was made in. A forked one has a copy without the threads of the first: what a thread was at
//! work on stays locked there for ever, and a model behind a pipe would answer two at once.

use std::process;

use pyo3::PyResult;

use crate::error::Failure;

/// The process that made something.
pub(crate) struct Made(u32);

impl Made {
    pub(crate) fn here() -> Self {
        Self(process::id())
    }

    /// # Errors
    /// This process was forked of the one; `what` was made there, and `remedy` makes it here.
    pub(crate) fn check(&self, what: &str, remedy: &str) -> PyResult<()> {
        if self.0 == process::id() {
            return Ok(());
        }
        let words = format!("{what} made in the process that this one was forked of");
        Err(Failure::of("fork", words).remedy(remedy).into())
    }
}
