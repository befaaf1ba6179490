//! MCAP files: what they hold, their messages in log-time order, attachments, and writing them.
//!
//! The records, and reading them from files of any kind, are the `mcap` crate's; this module adds what
//! a bag needs on top: recovery of damaged files, log-time order without an index, bounded memory, and
//! copies that take over compressed chunks as they are, which the crate's own writer cannot.

mod catalog;
mod chunk;
mod extra;
mod file;
mod message;
mod read;
mod record;
mod segment;
mod summary;
mod walk;
mod write;

pub(super) use catalog::McapCatalog;
pub(super) use read::McapReader;
pub(super) use summary::read_catalog;
pub(super) use write::McapSink;

/// The name of the metadata record in which rosbag2 keeps a copy of metadata.yaml.
pub(super) const ROSBAG2_RECORD: &str = "rosbag2";
pub(super) const SERIALIZED_METADATA: &str = "serialized_metadata";
pub(super) const QOS_KEY: &str = "offered_qos_profiles";
pub(super) const TYPE_HASH_KEY: &str = "topic_type_hash";
