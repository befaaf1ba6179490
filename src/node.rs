//! The door to the live node (feature `ros`), which drives the same pipeline from ROS 2 topics.

use crate::config::Config;
use crate::error::{Error, Result};

/// Runs the node until it is shut down.
///
/// # Errors
/// `Error::NotInThisBuild`: this version has the door but not yet the node behind it.
pub fn run(_config: &Config) -> Result<()> {
    Err(Error::NotInThisBuild {
        what: "the live node",
        remedy: if cfg!(feature = "ros") {
            "the feature `ros` is on, but this version does not have the node yet. Record a bag and use \
             `spatial-reward label`, or a later version"
        } else {
            "this version does not have it yet; a version that has it needs to be built with --features \
             ros. Record a bag and use `spatial-reward label`"
        },
    })
}
