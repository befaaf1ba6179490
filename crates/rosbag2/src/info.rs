//! What a bag holds, in plain data: topics, schemas, times, and the messages as they come out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::mcap_storage::{Definitions, Extra, WholeChunk};

/// The file format of a bag's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storage {
    Mcap,
    Sqlite3,
}

impl Storage {
    /// rosbag2's name of the storage plugin.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mcap => "mcap",
            Self::Sqlite3 => "sqlite3",
        }
    }

    /// The file name's extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mcap => "mcap",
            Self::Sqlite3 => "db3",
        }
    }
}

/// rosbag2's own compression, apart from the compression that MCAP has inside its chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    #[default]
    None,
    /// Each file was compressed as a whole after recording.
    File,
    /// Each message was compressed on its own.
    Message,
}

/// The definition of a message type, as the bag stores it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Schema {
    /// The message type, such as `sensor_msgs/msg/Image`.
    pub name: String,
    /// `ros2msg`, `ros2idl`, or empty where the recorder did not find the definition.
    pub encoding: String,
    pub data: Vec<u8>,
}

impl Schema {
    /// The definition's text, if it is a `ros2msg` one.
    pub fn ros2msg(&self) -> Option<&str> {
        if self.encoding != "ros2msg" {
            return None;
        }
        std::str::from_utf8(&self.data).ok()
    }
}

/// One topic of a bag (a topic that was recorded with two types or QoS lists appears twice).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicInfo {
    pub name: String,
    pub type_name: String,
    /// `None` where only reading the whole bag would tell.
    pub message_count: Option<u64>,
    /// `cdr` for everything that ROS 2 records.
    pub serialization_format: String,
    /// The YAML text as in the input; empty if the bag does not know.
    pub offered_qos_profiles: String,
    /// `RIHS01_...`, empty if the bag does not know.
    pub type_hash: String,
    pub schema: Option<Schema>,
    /// What else an MCAP channel says about itself, kept for the copy.
    pub channel_metadata: BTreeMap<String, String>,
}

impl TopicInfo {
    /// A CDR topic with a `ros2msg` definition, to be added to a copy of a bag.
    pub fn cdr(name: &str, type_name: &str, ros2msg_definition: &str, type_hash: &str) -> Self {
        Self {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            serialization_format: "cdr".to_owned(),
            type_hash: type_hash.to_owned(),
            schema: Some(Schema {
                name: type_name.to_owned(),
                encoding: "ros2msg".to_owned(),
                data: ros2msg_definition.as_bytes().to_vec(),
            }),
            ..Self::default()
        }
    }

    /// The definition's text, if the bag has a `ros2msg` one.
    pub fn ros2msg(&self) -> Option<&str> {
        self.schema.as_ref().and_then(Schema::ros2msg)
    }

    /// Equal in all but the count, as a topic is in each file of a split bag.
    pub(super) fn is_same_topic(&self, other: &Self) -> bool {
        self.name == other.name
            && self.type_name == other.type_name
            && self.serialization_format == other.serialization_format
            && self.offered_qos_profiles == other.offered_qos_profiles
            && self.type_hash == other.type_hash
            && self.schema == other.schema
            && self.channel_metadata == other.channel_metadata
    }
}

/// Everything about a bag but its messages.
#[derive(Debug, Clone)]
pub struct BagInfo {
    /// The folder or file that was opened.
    pub path: PathBuf,
    /// The folder's name, or the file's without its extensions.
    pub name: String,
    /// The bag's files in the order in which they are read; missing files of a split bag are not
    /// among them.
    pub files: Vec<PathBuf>,
    pub storage: Storage,
    pub compression: Compression,
    /// `unknown` if the bag does not say.
    pub ros_distro: String,
    /// The version of metadata.yaml that the bag has, or that fits a bag without one.
    pub metadata_version: u32,
    pub topics: Vec<TopicInfo>,
    /// What the bag says it holds, or, where it does not say, what can be read.
    pub message_count: Option<u64>,
    /// Log time of the first message, in nanoseconds; `None` for a bag without messages.
    pub start_nanos: Option<i64>,
    /// Log time of the last message, in nanoseconds; `None` for a bag without messages.
    pub end_nanos: Option<i64>,
    /// `custom_data` of metadata.yaml, as YAML.
    pub(super) custom_data: serde_yaml::Value,
    /// The files hold a copy of metadata.yaml, so a copy of the bag gets one too.
    pub(super) embeds_metadata: bool,
    /// Attachments and metadata records of MCAP files, where they lie.
    pub(super) extras: Vec<Extra>,
    /// Of a bag that is one MCAP file, whose numbers a copy can keep.
    pub(super) numbering: Option<Numbering>,
}

/// How an MCAP file numbers its topics.
#[derive(Debug, Clone)]
pub(super) struct Numbering {
    pub definitions: Arc<Definitions>,
    /// Channels of the topics, by place in [`BagInfo::topics`].
    pub channels: BTreeMap<usize, u16>,
}

/// One message, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BagMessage {
    /// Index into [`BagInfo::topics`].
    pub topic: usize,
    pub log_time_nanos: i64,
    /// The log time where the storage does not keep a publish time (sqlite3).
    pub publish_time_nanos: i64,
    /// 0 where the storage does not keep a sequence number (sqlite3).
    pub sequence: u32,
    /// The serialised message (for CDR with its 4-byte encapsulation header), not compressed.
    pub data: Bytes,
    /// The chunk that it comes from, if a copy of the bag can take that over as it is.
    pub(super) chunk: Option<Arc<WholeChunk>>,
}

/// A message of one file: `channel` is the file's own number of the topic.
#[derive(Debug)]
pub(super) struct StoredMessage {
    pub channel: i64,
    pub log_time_nanos: i64,
    pub publish_time_nanos: i64,
    pub sequence: u32,
    pub data: Bytes,
    /// See [`BagMessage::chunk`].
    pub chunk: Option<Arc<WholeChunk>>,
}

/// What one file says about itself before its messages are read.
#[derive(Debug, Clone, Default)]
pub(super) struct FileCatalog {
    /// Topics by the file's own numbers for them.
    pub topics: BTreeMap<i64, TopicInfo>,
    /// The number of messages that the file says it holds.
    pub stated_count: Option<u64>,
    pub start_nanos: Option<i64>,
    pub end_nanos: Option<i64>,
    pub ros_distro: Option<String>,
    /// The copy of metadata.yaml that newer recorders keep inside the file.
    pub embedded_metadata: Option<String>,
    pub extras: Vec<Extra>,
}

/// The most that something stored in `stored_bytes` may reasonably unpack to. It bounds what a
/// forged length can make the reader allocate: 64 times its size, within 64 MiB and 1 GiB.
pub(super) fn plausible_size(stored_bytes: u64) -> usize {
    const MIB: u64 = 1 << 20;
    let bytes = stored_bytes.saturating_mul(64).clamp(64 * MIB, 1024 * MIB);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
