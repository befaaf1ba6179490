//! Depth from one colour image, for a camera that measures none: Depth Anything, V1 and V2, from checkpoints in the
//! Hugging Face layout.
//!
//! The path from a photo to the 8-bit relative depth that the vision-language model reads has three
//! parts. Only the middle one is here; the others are about pixels and need no network:
//! 1. resize and normalise by the checkpoint's preprocessor_config.json,
//! 2. [`DepthAnything::estimate`],
//! 3. resize [`DepthMap`] back to the photo, turn metres into disparity if
//!    [`DepthAnything::depth_estimation_type`] says so, and scale to 8 bits.
//!
//! [`MetricDepthAnything`] goes from a picture to metres at its size.

mod config;
mod dpt;
mod metric;
mod network;

pub use config::DepthEstimationType;
pub use metric::MetricDepthAnything;
pub use network::{DepthAnything, DepthMap, Trace};
