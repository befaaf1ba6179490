//! What an MCAP file holds: taken from its summary if that is whole and believable, else found by
//! walking through the file once without keeping messages.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use mcap::McapError;
use mcap::records::{self, Record, Statistics, op};

use super::chunk::Definitions;
use super::extra::{Extra, ExtraKind};
use super::record;
use super::segment::{RECORD_HEAD_BYTES, Segment, SegmentRecords, read_u64};
use super::walk::Walk;
use super::{QOS_KEY, ROSBAG2_RECORD, SERIALIZED_METADATA, TYPE_HASH_KEY};
use crate::error::Result;
use crate::info::{FileCatalog, Schema, TopicInfo};
use crate::loss::LossItem;
use crate::stored_file::StoredFile;

pub(super) const MAGIC_BYTES: u64 = mcap::MAGIC.len() as u64;

/// The contents of one MCAP file.
#[derive(Default)]
pub(crate) struct McapCatalog {
    pub(super) segments: Vec<Segment>,
    pub(super) damage: Vec<LossItem>,
    definitions: Definitions,
    counts: BTreeMap<u16, u64>,
    /// First and last log time.
    times: Option<(u64, u64)>,
    statistics: Option<Statistics>,
    /// Kind, offset, length.
    pub(super) extras: Vec<(ExtraKind, u64, u64)>,
}

impl McapCatalog {
    /// Damage is no error: it is noted, and what can be found stands in the catalog.
    pub fn read(file: &StoredFile) -> Result<Self> {
        let length = file.len()?;
        match Self::from_summary(file, length)? {
            Ok(catalog) => Ok(catalog),
            Err(reason) => {
                tracing::debug!(file = %file.source.display(), reason, "walking through the file");
                Ok(Walk::new(file, length)?.run())
            }
        }
    }

    /// The inner error says why the summary cannot be used.
    fn from_summary(file: &StoredFile, length: u64) -> Result<std::result::Result<Self, String>> {
        let offset = match summary_offset(file.reader()?, length) {
            Ok(Some(offset)) => offset,
            Ok(None) => return Ok(Err("it has no summary".to_owned())),
            Err(error) => return Ok(Err(format!("its footer cannot be read ({error})"))),
        };
        let mut catalog = Self::default();
        let mut records = match SegmentRecords::open_summary(file.reader()?, offset, length) {
            Ok(records) => records,
            Err(error) => return Ok(Err(error.to_string())),
        };
        while let Some(record) = records.next(|opcode, body| catalog.add(opcode, body)) {
            if let Err(error) | Ok(Err(error)) = record {
                return Ok(Err(format!("its summary is damaged ({error})")));
            }
        }
        Ok(catalog.believable(offset).map(|()| catalog))
    }

    pub fn definitions(&self) -> &Definitions {
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

    /// Checks that a summary which ends the data section at `end` can stand for the whole file.
    fn believable(&mut self, end: u64) -> std::result::Result<(), String> {
        let statistics = self.statistics.as_ref().ok_or("it has no statistics")?;
        if self.definitions.channels.len() as u64 != u64::from(statistics.channel_count)
            || self.definitions.channels.values().any(|channel| {
                channel.schema_id != 0 && !self.definitions.schemas.contains_key(&channel.schema_id)
            })
        {
            return Err("its summary does not repeat the channels and schemas".to_owned());
        }
        if self.segments.len() as u64 != u64::from(statistics.chunk_count)
            || (self.segments.is_empty() && statistics.message_count > 0)
        {
            return Err("its summary has no index of the messages".to_owned());
        }
        self.segments.sort_by_key(|segment| segment.offset);
        let mut free_from = MAGIC_BYTES;
        for segment in &self.segments {
            let segment_end = segment.offset.checked_add(segment.length);
            if segment.offset < free_from || segment_end.is_none_or(|segment_end| segment_end > end)
            {
                return Err("its index points outside the file or twice at one place".to_owned());
            }
            free_from = segment.offset + segment.length;
        }
        self.counts = statistics.channel_message_counts.clone();
        self.times = (statistics.message_count > 0)
            .then_some((statistics.message_start_time, statistics.message_end_time));
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
        *self.counts.entry(u16::from_le_bytes(channel)).or_default() += 1;
        let (start, end) = self.times.unwrap_or((log_time, log_time));
        self.times = Some((start.min(log_time), end.max(log_time)));
    }

    /// The same in the words that both storages share.
    pub fn to_file_catalog(&self, file: &Arc<StoredFile>) -> FileCatalog {
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
                message_count: Some(self.counts.get(&channel.id).copied().unwrap_or(0)),
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

/// Where the record that ends the data section begins; the summary follows it. `None` if the file
/// was finished without a summary.
fn summary_offset(mut file: std::fs::File, length: u64) -> io::Result<Option<u64>> {
    const FOOTER_BYTES: u64 = RECORD_HEAD_BYTES + 8 + 8 + 4;
    const DATA_END_BYTES: u64 = RECORD_HEAD_BYTES + 4;
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let footer_offset = length
        .checked_sub(FOOTER_BYTES + MAGIC_BYTES)
        .ok_or_else(|| invalid("the file is too short"))?;
    file.seek(SeekFrom::Start(footer_offset))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    if !end.ends_with(mcap::MAGIC) || end.first() != Some(&op::FOOTER) {
        return Err(invalid("the file does not end as MCAP does"));
    }
    let body = end.get(RECORD_HEAD_BYTES as usize..).unwrap_or_default();
    let summary_start = read_u64(&mut &*body)?;
    if summary_start == 0 {
        return Ok(None);
    }
    match summary_start.checked_sub(DATA_END_BYTES) {
        Some(offset) if offset >= MAGIC_BYTES && summary_start <= footer_offset => Ok(Some(offset)),
        _ => Err(invalid("the footer points outside the file")),
    }
}
