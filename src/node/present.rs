//! The door to the live node (feature `ros`).

use std::sync::atomic::AtomicBool;

use spatial_reward_core::estimator::Estimators;
use spatial_reward_core::progress::BoxedProgress;
use spatial_reward_core::settings::Config;

pub(crate) use spatial_reward_node::log_layer;

use crate::remedies;

/// Runs the node until it is told to stop.
///
/// # Errors
/// What the node cannot go on after.
pub(crate) fn run(
    config: Config,
    estimators: Estimators,
    stop: &AtomicBool,
    progress: BoxedProgress,
) -> anyhow::Result<()> {
    let explain = |error: spatial_reward_node::Error| remedies::in_words(&error.into());
    spatial_reward_node::run(config, estimators, stop, progress, explain)?;
    Ok(())
}
