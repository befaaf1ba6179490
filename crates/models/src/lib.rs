//! The networks of spatial_reward, through libtorch: SpatialRGPT (arXiv 2406.01584), which answers questions about
//! regions of a picture, and Depth Anything, which estimates relative depth for it.
//!
//! Networks stand beside each other on one foundation, [`nn`]; none knows another. What they take and give is the core's
//! plain data: no tensor leaves this crate.
//!
//! The process is the host's: rayon's global pool is left alone, and libtorch's number of threads is what it was after
//! each answer ([`nn::threads`]).

#![warn(missing_docs)]

pub mod depth_anything;
mod error;
pub mod nn;
pub mod sam2;
pub mod spatialrgpt;

pub use error::{Error, Remedy, Result};
