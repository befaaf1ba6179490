//! Training (`spatial-reward train`): the network of this module with gradients. It begins from nothing
//! (`fresh`) or from a checkpoint, reads datasets (`rows`, `maker`), and writes the model in the
//! original's layout beside everything that is needed to go on after an interruption (`saved`).

mod augmentation;
mod batches;
mod example;
mod fresh;
mod geometry;
mod held_out;
mod history;
mod loss;
mod maker;
mod optimizer;
pub mod options;
mod parameters;
mod rows;
mod run;
mod saved;
mod trainer;
mod workers;

pub use options::{Begin, Options, Shape, Summary, part_named};
pub use trainer::train;
