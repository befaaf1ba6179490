//! Training (`spatial-reward train`): the network of this module with gradients. It begins from nothing
//! ([`fresh`]) or from a checkpoint, reads datasets ([`rows`], [`examples`]), and writes the model in the
//! original's layout beside everything that is needed to go on after an interruption ([`saved`]).

mod batches;
mod examples;
mod fresh;
mod geometry;
mod held_out;
mod history;
mod loss;
mod optimizer;
pub mod options;
mod parameters;
mod rows;
mod saved;
mod trainer;
mod variations;
mod workers;

pub use options::{Begin, Options, Shape, Summary, part_named};
pub use trainer::train;
