//! Writing one MCAP file as rosbag2 expects it: a schema for each channel, chunks with checksums,
//! indexes, statistics. Chunks of the source that can stay as they are are taken over whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcap::records::{Channel, ChunkHeader, MessageHeader, MessageIndexEntry, Metadata, op};

use super::file::{McapFile, fields};
use super::{QOS_KEY, ROSBAG2_RECORD, SERIALIZED_METADATA, TYPE_HASH_KEY};
use crate::error::{Error, Result};
use crate::kept::{Definitions, Extra, ExtraKind, WholeChunk};
use crate::topic::{Schema, TopicInfo};

/// A chunk is closed once its records have this many bytes, compressed or not.
const CHUNK_BYTES: usize = 768 << 10;

pub(crate) struct McapSink {
    path: PathBuf,
    file: McapFile,
    chunk: OpenChunk,
    compressor: zstd::bulk::Compressor<'static>,
    /// Channel ids, in the order in which topics were added.
    channels: Vec<u16>,
    /// Those of the source.
    source: Arc<Definitions>,
    /// The source's chunks that were taken over, by their place in its file.
    taken_over: BTreeSet<u64>,
}

/// The records of a chunk that is not compressed yet.
#[derive(Default)]
struct OpenChunk {
    records: Vec<u8>,
    index: BTreeMap<u16, Vec<MessageIndexEntry>>,
}

impl McapSink {
    /// With the source's `definitions` its topics keep their numbers, without they get new ones.
    pub(crate) fn create(path: &Path, definitions: Option<&Arc<Definitions>>) -> Result<Self> {
        // Images are compressed already and depth hardly compresses better at higher levels.
        const COMPRESSION_LEVEL: i32 = 1;
        let compressor = zstd::bulk::Compressor::new(COMPRESSION_LEVEL);
        Ok(Self {
            path: path.to_owned(),
            file: McapFile::create(path)?,
            chunk: OpenChunk::default(),
            compressor: compressor.map_err(|error| Error::output(path, error))?,
            channels: Vec::new(),
            source: definitions.cloned().unwrap_or_default(),
            taken_over: BTreeSet::new(),
        })
    }

    /// `channel_id` is the topic's number in the source, if the source has just one.
    pub(crate) fn add_topic(&mut self, topic: &TopicInfo, channel_id: Option<u16>) -> Result<()> {
        let known = channel_id.and_then(|id| self.source.channels.get(&id).cloned());
        let channel = match known.filter(|known| can_stay(known, topic)) {
            Some(channel) => {
                self.keep_schema(channel.schema_id)?;
                channel
            }
            None => self.new_channel(topic)?,
        };
        self.channels.push(channel.id);
        self.file.add_channel(channel)
    }

    /// A schema of the source under its own number.
    fn keep_schema(&mut self, id: u16) -> Result<()> {
        match self.source.schemas.get(&id).cloned() {
            Some(schema) if !self.file.schemas().contains_key(&id) => {
                self.file.add_schema(id, schema)
            }
            _ => Ok(()),
        }
    }

    /// A channel whose number neither this file nor the source uses.
    fn new_channel(&mut self, topic: &TopicInfo) -> Result<Channel> {
        let schema = topic.schema.clone().unwrap_or_else(|| {
            tracing::warn!(
                topic = topic.name,
                type_name = topic.type_name,
                "the source has no definition of this type, the copy's is empty"
            );
            Schema {
                name: topic.type_name.clone(),
                ..Schema::default()
            }
        });
        let same = self
            .file
            .schemas()
            .iter()
            .find(|(_, known)| **known == schema);
        let schema_id = match same {
            Some((&id, _)) => id,
            None => {
                let used = self.file.schemas().keys().chain(self.source.schemas.keys());
                let id = self.next_id(used.max())?;
                self.file.add_schema(id, schema)?;
                id
            }
        };
        let used = self
            .file
            .channels()
            .keys()
            .chain(self.source.channels.keys());
        let mut metadata = topic.channel_metadata.clone();
        metadata.insert(QOS_KEY.to_owned(), topic.offered_qos_profiles.clone());
        metadata.insert(TYPE_HASH_KEY.to_owned(), topic.type_hash.clone());
        Ok(Channel {
            id: self.next_id(used.max())?,
            schema_id,
            topic: topic.name.clone(),
            message_encoding: topic.serialization_format.clone(),
            metadata,
        })
    }

    /// Numbers begin at 1, for a schema's number 0 means none.
    fn next_id(&self, largest: Option<&u16>) -> Result<u16> {
        let next = largest.copied().unwrap_or(0).checked_add(1);
        next.ok_or_else(|| Error::output(&self.path, "MCAP has no more numbers for topics"))
    }

    /// `topic` counts the topics in the order in which they were added.
    pub(crate) fn write(
        &mut self,
        topic: usize,
        times: (i64, i64),
        sequence: u32,
        data: &[u8],
    ) -> Result<()> {
        let Some(&channel_id) = self.channels.get(topic) else {
            return Err(Error::output(
                &self.path,
                format!("there is no topic {topic}"),
            ));
        };
        let (log_time, publish_time) = times;
        let log_time = u64::try_from(log_time).map_err(|_| {
            Error::output(
                &self.path,
                format!("a log time of {log_time} ns does not fit MCAP"),
            )
        })?;
        if self.chunk.records.len() > CHUNK_BYTES {
            self.close_chunk()?;
        }
        let header = MessageHeader {
            channel_id,
            sequence,
            log_time,
            publish_time: publish_time.cast_unsigned(),
        };
        let header = fields(&header).map_err(|error| Error::output(&self.path, error))?;
        let OpenChunk { records, index } = &mut self.chunk;
        let offset = records.len() as u64;
        let body_bytes = (header.len() + data.len()) as u64;
        records.push(op::MESSAGE);
        records.extend(body_bytes.to_le_bytes());
        records.extend(header);
        records.extend(data);
        let entry = MessageIndexEntry { log_time, offset };
        index.entry(channel_id).or_default().push(entry);
        Ok(())
    }

    /// Takes over the chunk that a message of the source comes from, unless it has been already.
    /// False if its messages have to be written one by one, because it has other topics or
    /// definitions than this file.
    pub(crate) fn take_over(&mut self, chunk: &WholeChunk) -> Result<bool> {
        if self.taken_over.contains(&chunk.offset) {
            return Ok(true);
        }
        let is_kept = |id: &u16| {
            let kept = self.file.channels().get(id);
            kept.is_some() && kept == self.source.channels.get(id)
        };
        let has_schema = |id: &u16| *id == 0 || self.file.schemas().contains_key(id);
        if !chunk.channels.iter().all(is_kept) || !chunk.schemas.iter().all(has_schema) {
            return Ok(false);
        }
        // What came before stands before it.
        self.close_chunk()?;
        self.file
            .add_chunk(&chunk.header, &chunk.compressed, &chunk.index)?;
        self.taken_over.insert(chunk.offset);
        Ok(true)
    }

    fn close_chunk(&mut self) -> Result<()> {
        let OpenChunk { records, index } = &mut self.chunk;
        let times = || index.values().flatten().map(|entry| entry.log_time);
        let (Some(message_start_time), Some(message_end_time)) = (times().min(), times().max())
        else {
            return Ok(());
        };
        let compressed = self.compressor.compress(records);
        let compressed = compressed.map_err(|error| Error::output(&self.path, error))?;
        let header = ChunkHeader {
            message_start_time,
            message_end_time,
            uncompressed_size: records.len() as u64,
            uncompressed_crc: crc32fast::hash(records),
            compression: "zstd".to_owned(),
            compressed_size: compressed.len() as u64,
        };
        self.file.add_chunk(&header, &compressed, index)?;
        records.clear();
        index.clear();
        Ok(())
    }

    /// Copies an attachment or a metadata record. One that is damaged in its source is left out
    /// and returned as the reason.
    pub(crate) fn copy_extra(
        &mut self,
        extra: &Extra,
    ) -> Result<std::result::Result<(), std::io::Error>> {
        match extra.kind {
            ExtraKind::Metadata => match extra.metadata() {
                Ok(record) => self.write_metadata(&record).map(Ok),
                Err(error) => Ok(Err(error)),
            },
            ExtraKind::Attachment => match extra.attachment() {
                Ok(it) => self
                    .file
                    .add_attachment(it.header, it.data_bytes, it.data)
                    .map(Ok),
                Err(error) => Ok(Err(error)),
            },
        }
    }

    /// rosbag2's copy of metadata.yaml.
    pub(crate) fn embed_metadata(&mut self, text: String) -> Result<()> {
        self.write_metadata(&Metadata {
            name: ROSBAG2_RECORD.to_owned(),
            metadata: BTreeMap::from([(SERIALIZED_METADATA.to_owned(), text)]),
        })
    }

    pub(crate) fn write_metadata(&mut self, record: &Metadata) -> Result<()> {
        self.close_chunk()?;
        self.file.add_metadata(record)
    }

    /// Writes index and footer, and waits until everything is on the disk.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.close_chunk()?;
        self.file.finish()
    }
}

/// Whether a channel of the source can stay as it is. What it leaves to metadata.yaml, the copy leaves
/// to its metadata.yaml too.
fn can_stay(channel: &Channel, topic: &TopicInfo) -> bool {
    let mut metadata = channel.metadata.clone();
    let mut agrees = |key, value: &String| {
        let said = metadata.remove(key).unwrap_or_default();
        said.is_empty() || said == *value
    };
    let agrees =
        agrees(QOS_KEY, &topic.offered_qos_profiles) && agrees(TYPE_HASH_KEY, &topic.type_hash);
    channel.schema_id != 0
        && channel.topic == topic.name
        && channel.message_encoding == topic.serialization_format
        && agrees
        && metadata == topic.channel_metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let written = McapSink::create(Path::new("/dev/full"), None).and_then(|mut sink| {
            sink.add_topic(
                &TopicInfo::cdr("/chatter", "std_msgs/msg/String", "", ""),
                None,
            )?;
            sink.write(0, (1, 1), 0, &[7; 100])?;
            sink.finish()
        });

        let error = written.unwrap_err().to_string();
        assert!(error.contains("/dev/full"), "{error}");
        assert!(error.contains("No space left"), "{error}");
    }
}
