//! SpatialRGPT-Bench (arXiv 2406.01584): its questions as they are published, answers of any model to them, and a score
//! without a judge: answers are read by [`answer::read`](spatial_reward_core::answer::read), which is itself measured.

pub mod answers;
mod category;
mod columns;
pub mod draw;
mod file;
pub mod html;
mod labelled;
mod literal;
mod published;
pub mod reading;
mod row;
pub mod score;
pub mod table;

pub use category::{Category, Column};
pub use file::{Bench, read};
pub use row::Row;
