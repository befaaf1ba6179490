//! What a bag holds, as its reader and its writer see it: everything about it, and its messages.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::compression::Compression;
use crate::kept::{Extra, Numbering, WholeChunk};
use crate::metadata::{NEWEST, UNKNOWN_DISTRO};
use crate::topic::{Storage, TopicInfo};

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
    /// The format of its files.
    pub storage: Storage,
    /// Of the whole bag. Messages come out unpacked whatever it is.
    pub compression: Compression,
    /// `unknown` if the bag does not say.
    pub ros_distro: String,
    /// The version of metadata.yaml that the bag has, or that fits a bag without one.
    pub metadata_version: u32,
    /// Messages name their topic by its place in this list.
    pub topics: Vec<TopicInfo>,
    /// What the bag says it holds, or, where it does not say, what can be read.
    pub message_count: Option<u64>,
    /// Log time of the first message, in nanoseconds; `None` for a bag without messages.
    pub start_nanos: Option<i64>,
    /// Log time of the last message, in nanoseconds; `None` for a bag without messages.
    pub end_nanos: Option<i64>,
    /// What is odd about the bag though it can be read, such as a metadata.yaml that lists other files: each
    /// as half a sentence.
    pub oddities: Vec<String>,
    /// `custom_data` of metadata.yaml, as YAML.
    pub(crate) custom_data: serde_yaml::Value,
    /// The files hold a copy of metadata.yaml, so a copy of the bag gets one too.
    pub(crate) embeds_metadata: bool,
    /// Attachments and metadata records of MCAP files, where they lie.
    pub(crate) extras: Vec<Extra>,
    /// Of a bag that is one MCAP file, whose numbers a copy can keep.
    pub(crate) numbering: Option<Numbering>,
}

impl BagInfo {
    /// No bag: the source of one that is written anew. It has no topics and no messages, `unknown` for
    /// a distribution, and the newest version of metadata.yaml; what is public may be set.
    ///
    /// ```
    /// let mut source = spatial_reward_rosbag2::BagInfo::empty();
    /// source.ros_distro = "jazzy".to_owned();
    /// assert_eq!(source.message_count, Some(0));
    /// ```
    pub fn empty() -> Self {
        Self {
            path: PathBuf::new(),
            name: String::new(),
            files: Vec::new(),
            storage: Storage::Mcap,
            compression: Compression::None,
            ros_distro: UNKNOWN_DISTRO.to_owned(),
            metadata_version: NEWEST,
            topics: Vec::new(),
            message_count: Some(0),
            start_nanos: None,
            end_nanos: None,
            oddities: Vec::new(),
            custom_data: serde_yaml::Value::Null,
            // As recorders do since ROS 2 Iron.
            embeds_metadata: true,
            extras: Vec::new(),
            numbering: None,
        }
    }
}

/// One message, as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BagMessage {
    /// Index into [`BagInfo::topics`].
    pub topic: usize,
    /// When it was recorded, in nanoseconds since 1970.
    pub log_time_nanos: i64,
    /// When it was sent, in nanoseconds since 1970; the log time where the storage does not keep a
    /// publish time (sqlite3).
    pub publish_time_nanos: i64,
    /// 0 where the storage does not keep a sequence number (sqlite3).
    pub sequence: u32,
    /// The serialised message (for CDR with its 4-byte encapsulation header), not compressed.
    pub data: Bytes,
    /// The chunk that it comes from, if a copy of the bag can take that over as it is.
    pub(crate) chunk: Option<Arc<WholeChunk>>,
}
