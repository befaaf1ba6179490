//! Depth Pro (arXiv 2410.02073): metres of every pixel and the camera's field of view from one picture, from checkpoints in
//! the Hugging Face layout.
//!
//! A picture becomes a square of 1536 pixels. A vision transformer sees it at three scales in patches of 384, which overlap;
//! a second one sees all of it at once. What both saw is merged into maps (`encoder`), brought to one width (`neck`), and
//! fused from coarse to fine into inverse depth (`fusion`). A third transformer tells the field of view (`field_of_view`), by
//! which inverse depth becomes metres.

mod config;
mod encoder;
mod field_of_view;
mod fusion;
mod maps;
mod neck;
mod network;

pub use network::{DepthPro, MetricDepth, Trace};
