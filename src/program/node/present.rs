//! The door to the live node (feature `ros`).

use std::sync::atomic::AtomicBool;

use spatial_reward_core::estimator::Estimators;
use spatial_reward_core::progress::BoxedProgress;
use spatial_reward_core::settings::Config;

pub(crate) use spatial_reward_node::log_layer;

/// Runs the node until it is told to stop. `explain` words what a managed node goes on after.
///
/// # Errors
/// What the node cannot go on after.
pub(crate) fn run(
    config: Config,
    estimators: Estimators,
    stop: &AtomicBool,
    progress: BoxedProgress,
    explain: fn(&anyhow::Error) -> String,
) -> anyhow::Result<()> {
    let explain = Box::new(move |error: spatial_reward_node::Error| explain(&error.into()));
    spatial_reward_node::run(config, estimators, stop, progress, explain)?;
    Ok(())
}
