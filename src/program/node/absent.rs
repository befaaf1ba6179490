//! Stands in for the live node in a build without the feature `ros`: whoever asks for it learns how to
//! get it.

use std::sync::atomic::AtomicBool;

use anyhow::bail;
use spatial_reward_core::estimator::Estimators;
use spatial_reward_core::progress::BoxedProgress;
use spatial_reward_core::settings::Config;

/// Runs the node until it is told to stop.
///
/// # Errors
/// That it is not there, always.
pub(crate) fn run(
    _config: Config,
    _estimators: Estimators,
    _stop: &AtomicBool,
    _progress: BoxedProgress,
    _explain: fn(&anyhow::Error) -> String,
) -> anyhow::Result<()> {
    bail!(
        "the live node is not in this build: source ROS 2 (or get it with scripts/setup --ros and . scripts/env.sh), \
         then build with --features ros. Bags need no ROS: use spatial-reward label"
    )
}

/// Where log lines go besides stderr: nowhere, without ROS.
pub(crate) fn log_layer() -> tracing_subscriber::layer::Identity {
    tracing_subscriber::layer::Identity::new()
}
