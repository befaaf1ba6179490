//! A new MCAP file, record behind record: it knows where each of them begins, sums up what the index
//! at its end tells of them, and keeps the checksums.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use binrw::BinWrite;
use mcap::records::{
    AttachmentHeader, AttachmentIndex, Channel, ChunkHeader, ChunkIndex, DataEnd, Footer, Header,
    MessageIndex, MessageIndexEntry, Metadata, MetadataIndex, SchemaHeader, Statistics,
    SummaryOffset, op,
};

use super::segment::RECORD_HEAD_BYTES;
use crate::error::{Error, Result};
use crate::topic::Schema;

/// The file's records so far, and what its end tells of them.
pub(super) struct McapFile {
    path: PathBuf,
    file: BufWriter<File>,
    position: u64,
    /// Of what was written since the file's begin, or since the summary's.
    checksum: crc32fast::Hasher,
    schemas: BTreeMap<u16, Schema>,
    channels: BTreeMap<u16, Channel>,
    chunks: Vec<ChunkIndex>,
    attachments: Vec<AttachmentIndex>,
    metadata: Vec<MetadataIndex>,
    message_counts: BTreeMap<u16, u64>,
    /// First and last log time.
    times: Option<(u64, u64)>,
}

impl McapFile {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| Error::output(path, error))?;
        let mut file = Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 16, file),
            position: 0,
            checksum: crc32fast::Hasher::new(),
            schemas: BTreeMap::new(),
            channels: BTreeMap::new(),
            chunks: Vec::new(),
            attachments: Vec::new(),
            metadata: Vec::new(),
            message_counts: BTreeMap::new(),
            times: None,
        };
        file.bytes(mcap::MAGIC)?;
        let header = Header {
            profile: "ros2".to_owned(),
            library: concat!("spatial_reward ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        file.record(op::HEADER, &header)?;
        Ok(file)
    }

    pub(super) fn schemas(&self) -> &BTreeMap<u16, Schema> {
        &self.schemas
    }

    pub(super) fn channels(&self) -> &BTreeMap<u16, Channel> {
        &self.channels
    }

    /// Defines a schema, outside any chunk.
    pub(super) fn add_schema(&mut self, id: u16, schema: Schema) -> Result<()> {
        self.schema(id, &schema)?;
        self.schemas.insert(id, schema);
        Ok(())
    }

    /// Defines a channel, outside any chunk.
    pub(super) fn add_channel(&mut self, channel: Channel) -> Result<()> {
        self.record(op::CHANNEL, &channel)?;
        self.channels.insert(channel.id, channel);
        Ok(())
    }

    /// A chunk with the index of its messages: times and offsets (in the unpacked chunk) by channel.
    pub(super) fn add_chunk(
        &mut self,
        header: &ChunkHeader,
        compressed: &[u8],
        index: &BTreeMap<u16, Vec<MessageIndexEntry>>,
    ) -> Result<()> {
        let head = self.fields(header)?;
        let chunk_start_offset = self.position;
        let body_bytes = head.len() + compressed.len();
        self.record_head(op::CHUNK, body_bytes as u64)?;
        self.bytes(&head)?;
        self.bytes(compressed)?;
        let index_start = self.position;
        let mut message_index_offsets = BTreeMap::new();
        for (&channel_id, entries) in index {
            message_index_offsets.insert(channel_id, self.position);
            *self.message_counts.entry(channel_id).or_default() += entries.len() as u64;
            let records = entries.clone();
            self.record(
                op::MESSAGE_INDEX,
                &MessageIndex {
                    channel_id,
                    records,
                },
            )?;
        }
        for time in index.values().flatten().map(|entry| entry.log_time) {
            let (start, end) = self.times.unwrap_or((time, time));
            self.times = Some((start.min(time), end.max(time)));
        }
        self.chunks.push(ChunkIndex {
            message_start_time: header.message_start_time,
            message_end_time: header.message_end_time,
            chunk_start_offset,
            chunk_length: index_start - chunk_start_offset,
            message_index_offsets,
            message_index_length: self.position - index_start,
            compression: header.compression.clone(),
            compressed_size: header.compressed_size,
            uncompressed_size: header.uncompressed_size,
        });
        Ok(())
    }

    pub(super) fn add_metadata(&mut self, metadata: &Metadata) -> Result<()> {
        let offset = self.position;
        self.record(op::METADATA, metadata)?;
        self.metadata.push(MetadataIndex {
            offset,
            length: self.position - offset,
            name: metadata.name.clone(),
        });
        Ok(())
    }

    /// `data` gives exactly `data_bytes` bytes; it is not held in memory.
    pub(super) fn add_attachment(
        &mut self,
        header: AttachmentHeader,
        data_bytes: u64,
        mut data: impl Read,
    ) -> Result<()> {
        const BLOCK_BYTES: u64 = 1 << 20;
        const CHECKSUM_BYTES: u64 = 4;
        let mut head = self.fields(&header)?;
        head.extend(data_bytes.to_le_bytes());
        let offset = self.position;
        let body_bytes = head.len() as u64 + data_bytes + CHECKSUM_BYTES;
        self.record_head(op::ATTACHMENT, body_bytes)?;
        self.bytes(&head)?;
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&head);
        let mut block = Vec::new();
        loop {
            block.clear();
            data.by_ref()
                .take(BLOCK_BYTES)
                .read_to_end(&mut block)
                .map_err(|error| Error::output(&self.path, error))?;
            if block.is_empty() {
                break;
            }
            checksum.update(&block);
            self.bytes(&block)?;
        }
        self.bytes(&checksum.finalize().to_le_bytes())?;
        let length = self.position - offset;
        if length != RECORD_HEAD_BYTES + body_bytes {
            let what = format!("the attachment {} ends before its time", header.name);
            return Err(Error::output(&self.path, what));
        }
        self.attachments.push(AttachmentIndex {
            offset,
            length,
            log_time: header.log_time,
            create_time: header.create_time,
            data_size: data_bytes,
            name: header.name,
            media_type: header.media_type,
        });
        Ok(())
    }

    /// Writes summary and footer, and waits until everything is on the disk.
    pub(super) fn finish(mut self) -> Result<()> {
        let data_section_crc = self.take_checksum();
        self.record(op::DATA_END, &DataEnd { data_section_crc })?;
        self.take_checksum();
        let summary_start = self.position;
        let groups = self.summary()?;
        let summary_offset_start = self.position;
        for group in groups.iter().filter(|group| group.group_length > 0) {
            self.record(op::SUMMARY_OFFSET, group)?;
        }
        let footer = Footer {
            summary_start,
            summary_offset_start,
            summary_crc: 0,
        };
        // The checksum covers the footer up to itself.
        let mut body = self.fields(&footer)?;
        body.truncate(16);
        self.record_head(op::FOOTER, body.len() as u64 + 4)?;
        self.bytes(&body)?;
        let summary_crc = self.take_checksum();
        self.bytes(&summary_crc.to_le_bytes())?;
        self.bytes(mcap::MAGIC)?;
        let file = self.file.into_inner();
        file.map_err(std::io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .map_err(|error| Error::output(&self.path, error))
    }

    /// The records of the summary, in groups, and where each group stands.
    fn summary(&mut self) -> Result<Vec<SummaryOffset>> {
        let schemas = std::mem::take(&mut self.schemas);
        let channels = std::mem::take(&mut self.channels);
        let statistics = self.statistics(schemas.len() as u16, channels.len() as u32);
        let chunks = std::mem::take(&mut self.chunks);
        let attachments = std::mem::take(&mut self.attachments);
        let metadata = std::mem::take(&mut self.metadata);
        let start = self.position;
        for (id, schema) in &schemas {
            self.schema(*id, schema)?;
        }
        Ok(vec![
            self.group_since(op::SCHEMA, start),
            self.group(op::CHANNEL, channels.values())?,
            self.group(op::STATISTICS, [&statistics])?,
            self.group(op::CHUNK_INDEX, &chunks)?,
            self.group(op::ATTACHMENT_INDEX, &attachments)?,
            self.group(op::METADATA_INDEX, &metadata)?,
        ])
    }

    fn statistics(&self, schema_count: u16, channel_count: u32) -> Statistics {
        let (message_start_time, message_end_time) = self.times.unwrap_or((0, 0));
        Statistics {
            message_count: self.message_counts.values().sum(),
            schema_count,
            channel_count,
            attachment_count: self.attachments.len() as u32,
            metadata_count: self.metadata.len() as u32,
            chunk_count: self.chunks.len() as u32,
            message_start_time,
            message_end_time,
            channel_message_counts: self.message_counts.clone(),
        }
    }

    fn group<'a, T>(
        &mut self,
        group_opcode: u8,
        records: impl IntoIterator<Item = &'a T>,
    ) -> Result<SummaryOffset>
    where
        T: for<'b> BinWrite<Args<'b> = ()> + 'a,
    {
        let start = self.position;
        for record in records {
            self.record(group_opcode, record)?;
        }
        Ok(self.group_since(group_opcode, start))
    }

    fn group_since(&self, group_opcode: u8, group_start: u64) -> SummaryOffset {
        SummaryOffset {
            group_opcode,
            group_start,
            group_length: self.position - group_start,
        }
    }

    fn schema(&mut self, id: u16, schema: &Schema) -> Result<()> {
        let mut body = self.fields(&SchemaHeader {
            id,
            name: schema.name.clone(),
            encoding: schema.encoding.clone(),
        })?;
        body.extend((schema.data.len() as u32).to_le_bytes());
        body.extend(&schema.data);
        self.record_head(op::SCHEMA, body.len() as u64)?;
        self.bytes(&body)
    }

    fn record<T>(&mut self, opcode: u8, record: &T) -> Result<()>
    where
        T: for<'a> BinWrite<Args<'a> = ()>,
    {
        let body = self.fields(record)?;
        self.record_head(opcode, body.len() as u64)?;
        self.bytes(&body)
    }

    fn fields<T>(&self, record: &T) -> Result<Vec<u8>>
    where
        T: for<'a> BinWrite<Args<'a> = ()>,
    {
        fields(record).map_err(|error| Error::output(&self.path, error))
    }

    fn record_head(&mut self, opcode: u8, body_bytes: u64) -> Result<()> {
        self.bytes(&[opcode])?;
        self.bytes(&body_bytes.to_le_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|error| Error::output(&self.path, error))?;
        self.checksum.update(bytes);
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn take_checksum(&mut self) -> u32 {
        std::mem::take(&mut self.checksum).finalize()
    }
}

/// A record's fields as they stand in a file.
pub(super) fn fields<T>(record: &T) -> binrw::BinResult<Vec<u8>>
where
    T: for<'a> BinWrite<Args<'a> = ()>,
{
    let mut bytes = Cursor::new(Vec::new());
    record.write_le(&mut bytes)?;
    Ok(bytes.into_inner())
}
