//! What a labelling leaves for people and learners: Parquet, PNG, HTML, metrics.

pub mod metrics;
pub mod parquet;
pub mod provenance;
pub mod statistics;

#[cfg(test)]
mod fixtures;
