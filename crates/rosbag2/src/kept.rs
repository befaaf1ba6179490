//! What a copy can keep of an MCAP source as it is: the numbers of its topics, its compressed chunks,
//! its attachments and metadata records. Plain data; `mcap_storage` fills, reads and writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mcap::records::{Channel, ChunkHeader, MessageIndexEntry};

use crate::stored_file::StoredFile;
use crate::topic::Schema;

/// The channels and schemas of an MCAP file, by their numbers in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Definitions {
    pub channels: BTreeMap<u16, Channel>,
    pub schemas: BTreeMap<u16, Schema>,
}

/// How an MCAP file numbers its topics.
#[derive(Debug, Clone)]
pub(crate) struct Numbering {
    pub definitions: Arc<Definitions>,
    /// Channels of the topics, by place in the bag's list of topics.
    pub channels: BTreeMap<usize, u16>,
}

/// A chunk as it lies in its file. All its messages can be read, and what it says of channels and
/// schemas is what the file says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WholeChunk {
    /// In its file.
    pub offset: u64,
    pub header: ChunkHeader,
    pub compressed: Vec<u8>,
    /// Times and offsets (in the unpacked chunk) of the messages of each channel.
    pub index: BTreeMap<u16, Vec<MessageIndexEntry>>,
    /// Channels and schemas that the chunk defines or uses.
    pub channels: BTreeSet<u16>,
    pub schemas: BTreeSet<u16>,
}

/// What an MCAP file can hold beside messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExtraKind {
    Attachment,
    Metadata,
}

/// Where an attachment or a metadata record lies.
#[derive(Debug, Clone)]
pub(crate) struct Extra {
    pub kind: ExtraKind,
    pub file: Arc<StoredFile>,
    pub offset: u64,
    /// Of the whole record, with opcode and length.
    pub length: u64,
}
