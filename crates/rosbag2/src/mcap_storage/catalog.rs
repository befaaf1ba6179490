//! What an MCAP file holds, put together from the records that tell of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mcap::McapError;
use mcap::records::{self, Record, Statistics, op};

use super::record;
use super::segment::Segment;
use super::{QOS_KEY, ROSBAG2_RECORD, SERIALIZED_METADATA, TYPE_HASH_KEY};
use crate::kept::{Definitions, Extra, ExtraKind};
use crate::loss::LossItem;
use crate::storage::FileCatalog;
use crate::stored_file::StoredFile;
use crate::topic::{Schema, TopicInfo};

/// The contents of one MCAP file.
#[derive(Default)]
pub(crate) struct McapCatalog {
    pub(super) segments: Vec<Segment>,
    pub(super) damage: Vec<LossItem>,
    pub(super) definitions: Definitions,
    /// Messages by channel; `None` where the file's statistics leave them out, as they may.
    pub(super) counts: Option<BTreeMap<u16, u64>>,
    /// First and last log time.
    pub(super) times: Option<(u64, u64)>,
    pub(super) statistics: Option<Statistics>,
    /// Kind, offset, length.
    pub(super) extras: Vec<(ExtraKind, u64, u64)>,
}

impl McapCatalog {
    pub(crate) fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// Takes what a record of the summary, or of the data section, says about the file.
    pub(super) fn add(&mut self, opcode: u8, body: &[u8]) -> std::result::Result<(), McapError> {
        let known = matches!(
            opcode,
            op::SCHEMA
                | op::CHANNEL
                | op::STATISTICS
                | op::CHUNK_INDEX
                | op::ATTACHMENT_INDEX
                | op::METADATA_INDEX
        );
        if !known {
            return Ok(());
        }
        match record::parse(opcode, body)? {
            Record::Schema { header, data } => {
                let schema = Schema {
                    name: header.name,
                    encoding: header.encoding,
                    data: data.into_owned(),
                };
                self.definitions.schemas.insert(header.id, schema);
            }
            Record::Channel(channel) => {
                self.definitions.channels.insert(channel.id, channel);
            }
            Record::Statistics(statistics) => self.statistics = Some(statistics),
            Record::ChunkIndex(index) => self.segments.push(Segment {
                is_chunk: true,
                offset: index.chunk_start_offset,
                length: index.chunk_length,
                start_time: index.message_start_time,
            }),
            Record::AttachmentIndex(index) => {
                self.extras
                    .push((ExtraKind::Attachment, index.offset, index.length));
            }
            Record::MetadataIndex(index) => {
                self.extras
                    .push((ExtraKind::Metadata, index.offset, index.length));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn count_message(&mut self, body: &[u8]) {
        let field = |at: std::ops::Range<usize>| body.get(at);
        let channel = field(0..2).and_then(|bytes| bytes.try_into().ok());
        let log_time = field(6..14).and_then(|bytes| bytes.try_into().ok());
        let (Some(channel), Some(log_time)) = (channel, log_time) else {
            return;
        };
        let log_time = u64::from_le_bytes(log_time);
        let counts = self.counts.get_or_insert_default();
        *counts.entry(u16::from_le_bytes(channel)).or_default() += 1;
        let (start, end) = self.times.unwrap_or((log_time, log_time));
        self.times = Some((start.min(log_time), end.max(log_time)));
    }

    /// The same in the words that both storages share.
    pub(crate) fn to_file_catalog(&self, file: &Arc<StoredFile>) -> FileCatalog {
        let extras: Vec<Extra> = self
            .extras
            .iter()
            .map(|&(kind, offset, length)| Extra {
                kind,
                file: Arc::clone(file),
                offset,
                length,
            })
            .collect();
        let mut catalog = FileCatalog {
            topics: self.topics(),
            stated_count: self.statistics.as_ref().map(|it| it.message_count),
            start_nanos: self.times.and_then(|(start, _)| start.try_into().ok()),
            end_nanos: self.times.and_then(|(_, end)| end.try_into().ok()),
            ..FileCatalog::default()
        };
        for extra in extras {
            let own_record = (extra.kind == ExtraKind::Metadata)
                .then(|| extra.metadata().ok())
                .flatten()
                .filter(|record| record.name == ROSBAG2_RECORD);
            match own_record {
                Some(record) => {
                    let value = |key| record.metadata.get(key).cloned();
                    catalog.embedded_metadata =
                        value(SERIALIZED_METADATA).or(catalog.embedded_metadata);
                    catalog.ros_distro = value("ROS_DISTRO").or(catalog.ros_distro);
                }
                None => catalog.extras.push(extra),
            }
        }
        catalog
    }

    fn topics(&self) -> BTreeMap<i64, TopicInfo> {
        let topic = |channel: &records::Channel| {
            let schema = self.definitions.schemas.get(&channel.schema_id).cloned();
            let mut metadata = channel.metadata.clone();
            TopicInfo {
                name: channel.topic.clone(),
                type_name: schema
                    .as_ref()
                    .map(|schema| schema.name.clone())
                    .unwrap_or_default(),
                message_count: (self.counts.as_ref())
                    .map(|counts| counts.get(&channel.id).copied().unwrap_or(0)),
                serialization_format: channel.message_encoding.clone(),
                offered_qos_profiles: metadata.remove(QOS_KEY).unwrap_or_default(),
                type_hash: metadata.remove(TYPE_HASH_KEY).unwrap_or_default(),
                schema,
                channel_metadata: metadata,
            }
        };
        self.definitions
            .channels
            .iter()
            .map(|(id, channel)| (i64::from(*id), topic(channel)))
            .collect()
    }
}
