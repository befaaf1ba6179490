//! DINOv2 (arXiv 2304.07193), on which networks that look at pictures stand: Depth Anything's backbone, and the three
//! encoders of Depth Pro.

mod config;
mod network;

pub use config::{Dinov2Config, LARGEST_SIZE, is_size};
pub use network::{Dinov2, Dinov2Backbone};
