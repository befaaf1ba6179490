//! The live node (feature `ros`): a thin driver of the pipeline. One thread speaks with ROS, takes every
//! message in at once and joins them to frames; another measures the newest and publishes its reward.

mod annotations;
mod answers;
mod arguments;
mod calls;
mod cameras;
mod clock;
mod debug_view;
mod diagnostics;
mod episodes;
mod error;
mod estimation;
mod graph;
mod inputs;
mod latched;
mod lifecycle;
mod live_node;
mod log;
mod management;
mod outgoing;
mod outputs;
mod pairs;
mod parameter_services;
mod parameters;
mod rig;
mod services;
mod statistics;
mod subscription;
mod task;
mod wanted;
mod wants;
mod workbench;
mod workshop;

pub use error::{Error, Result};
pub use live_node::{Explain, log_layer, run};
pub use log::RosLog;
