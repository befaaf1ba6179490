//! Where a model's files are: a folder, or an id on a Hugging Face hub, whose files are then brought into
//! the cache that the hub's own tools use (the layout comes from the crate hf-hub).
//!
//! The transfer is ours, because hf-hub 0.5 checks no checksum, takes whatever answer it gets to a request
//! to resume, waits forever on a silent server, and shows a file in the cache before anyone could look at
//! it. Here a file appears under its name only when it is whole and its SHA-256 is what the hub promises,
//! and a revision only when all its files are there.

mod client;
mod download;
mod failure;
mod model;
mod options;
mod resolve;
mod snapshot;
#[cfg(test)]
mod tests;

pub use options::HubOptions;
pub use resolve::resolve;
