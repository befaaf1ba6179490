//! The networks of spatial_reward, through libtorch: SpatialRGPT (arXiv 2406.01584), which answers questions about
//! regions of a picture; Depth Anything, which estimates relative depth for it, or metres; Depth Pro, which estimates
//! metres and the field of view; OWLv2, which finds what is named or shown; and SAM 2.1, which tells an object's pixels and follows them.
//!
//! Networks stand beside each other on one foundation, [`nn`]; none knows another. What they take and give is the core's
//! plain data: no tensor leaves this crate.
//!
//! The process is the host's: rayon's global pool is left alone, and libtorch's number of threads is what it was after
//! each answer ([`nn::threads`]).

#![warn(missing_docs)]

pub mod depth_anything;
pub mod depth_pro;
mod error;
pub mod metric_depth;
pub mod nn;
pub mod owlv2;
pub mod sam2;
pub mod spatialrgpt;

pub use error::{Error, Remedy, Result};
