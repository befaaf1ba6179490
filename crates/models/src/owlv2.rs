//! Boxes of what is named or shown: OWLv2 (arXiv 2306.09683), from checkpoints in the Hugging Face layout.
//!
//! A vision tower proposes one box for each patch of a picture, and for each box a vector. Words become vectors of the same
//! space by a text tower; so does an example, by the patch whose box is that of the thing. A box whose vector is near a query's
//! is what was asked for.
//! 1. [`Detector::queries_of_words`] or [`Detector::query_of_example`], once,
//! 2. [`Detector::detect`] in each picture.

mod config;
mod detector;
mod encoder;
mod heads;
mod network;
mod processor;
mod text;
mod vision;

pub use detector::{Detector, Queries};
pub use network::{Owlv2, Trace};
pub use processor::Owlv2Processor;
pub use spatial_reward_core::detection::{DetectOptions, Detection};
