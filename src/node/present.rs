//! The door to the live node (feature `ros`).

pub(crate) use spatial_reward_node::{log_layer, run};
