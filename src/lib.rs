//! Dense, trustworthy rewards for robot learning, measured from a camera.

pub mod bag;
pub mod config;
pub mod error;
pub mod estimator;
pub mod frame;
pub mod geometry;
pub mod messages;
pub mod pipeline;
pub mod report;
pub mod reward;
pub mod step;

pub use error::{Error, Result};
