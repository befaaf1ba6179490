//! Stands in for the live node in a build without the feature `ros`: whoever asks for it learns how to
//! get it.

use std::sync::atomic::AtomicBool;

use crate::config::Config;
use crate::error::{Error, Result};

/// Runs the node until it is told to stop.
///
/// # Errors
/// `Error::NotInThisBuild`, always.
pub fn run(_config: Config, _stop: &AtomicBool, _bar: indicatif::ProgressBar) -> Result<()> {
    Err(Error::NotInThisBuild {
        what: "the live node",
        remedy: "source ROS 2 (or get it with scripts/setup --ros and . scripts/env.sh), then build with \
                 --features ros. Bags need no ROS: use spatial-reward label",
    })
}

/// Where log lines go besides stderr: nowhere, without ROS.
pub fn log_layer() -> tracing_subscriber::layer::Identity {
    tracing_subscriber::layer::Identity::new()
}
