//! What a labelling leaves for people and learners: Parquet, PNG, HTML, metrics.

pub mod film_strip;
pub mod html;
pub mod metrics;
pub mod parquet;
pub mod plot;
pub mod provenance;
pub mod table;

mod chart;
mod contents;
mod files;
mod summary;
mod timeline;

#[cfg(test)]
pub(crate) mod fixtures;

pub use self::contents::Report;
pub use self::files::{Files, write_all};
