//! What either storage gives of a file: a catalog of what it holds, and its messages in log-time order.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::kept::{Extra, WholeChunk};
use crate::loss::LossItem;
use crate::topic::TopicInfo;

/// A message of one file: `channel` is the file's own number of the topic.
#[derive(Debug)]
pub(crate) struct StoredMessage {
    pub channel: i64,
    pub log_time_nanos: i64,
    pub publish_time_nanos: i64,
    pub sequence: u32,
    pub data: Bytes,
    /// See [`BagMessage::chunk`](crate::BagMessage).
    pub chunk: Option<Arc<WholeChunk>>,
}

/// How much of what a file does not state about its messages is to be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Nothing: metadata.yaml says it.
    None,
    /// How many there are in all, which an index tells.
    All,
    /// How many each topic has, which reads the whole file.
    ByTopic,
}

/// What one file says about itself before its messages are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileCatalog {
    /// Topics by the file's own numbers for them.
    pub topics: BTreeMap<i64, TopicInfo>,
    /// The number of messages that the file says it holds.
    pub stated_count: Option<u64>,
    /// The number of messages that were found in it, where that was asked for.
    pub found_count: Option<u64>,
    pub start_nanos: Option<i64>,
    pub end_nanos: Option<i64>,
    pub ros_distro: Option<String>,
    /// The copy of metadata.yaml that newer recorders keep inside the file.
    pub embedded_metadata: Option<String>,
    pub extras: Vec<Extra>,
}

/// The messages of one file. Damage ends or interrupts them but is no error: it is noted. That the file cannot be
/// opened any more is one.
pub(crate) trait StorageReader: Send {
    /// The next message; `None` at the end of what can be read.
    fn next(&mut self) -> Result<Option<StoredMessage>>;

    /// What was found damaged since the last call.
    fn take_damage(&mut self) -> Vec<LossItem>;
}
