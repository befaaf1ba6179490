//! Ctrl-C and a polite kill end a command between two pieces of work, so that nothing unfinished is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

/// Raised when somebody asks the program to stop.
pub(crate) fn stop_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    ctrlc::set_handler(move || raised.store(true, Ordering::Relaxed))
        .context("cannot listen for signals")?;
    Ok(stop)
}
