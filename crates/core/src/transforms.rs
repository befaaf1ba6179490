//! The frames of a robot over time, as TF tells them: from the samples that /tf and /tf_static carry to the transform
//! between any two frames at a stamp, with tf2's rules. Pure: who reads the messages inserts them here.

mod chain;
mod error;
mod link;
mod sent;
#[cfg(test)]
mod tests;
mod tree;

pub use error::TransformError;
pub use sent::Refused;
pub use tree::{Looked, TransformTree, transform_of};
