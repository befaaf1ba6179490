//! Writing one MCAP file as rosbag2 expects it: a schema for each channel, chunks with checksums,
//! indexes, statistics.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};

use mcap::records::{MessageHeader, Metadata};
use mcap::{Compression, McapError, WriteOptions, Writer};

use super::extra::{Extra, ExtraKind, OpenAttachment};
use super::{QOS_KEY, ROSBAG2_RECORD, SERIALIZED_METADATA, TYPE_HASH_KEY};
use crate::bag::info::TopicInfo;
use crate::error::{Error, Result};

pub(in crate::bag) struct McapSink {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
    /// Channel ids, in the order in which topics were added.
    channels: Vec<u16>,
}

impl McapSink {
    pub fn create(path: &Path) -> Result<Self> {
        // Images are compressed already and depth hardly compresses better at higher levels.
        const COMPRESSION_LEVEL: u32 = 1;
        let file = File::create(path).map_err(|error| Error::output(path, error))?;
        let writer = WriteOptions::new()
            .profile("ros2")
            .library(concat!("spatial_reward ", env!("CARGO_PKG_VERSION")))
            .compression(Some(Compression::Zstd))
            .compression_level(COMPRESSION_LEVEL)
            .compression_threads(0)
            .create(BufWriter::new(file))
            .map_err(|error| mcap_error(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            writer,
            channels: Vec::new(),
        })
    }

    pub fn add_topic(&mut self, topic: &TopicInfo) -> Result<()> {
        let (name, encoding, data) = match &topic.schema {
            Some(schema) => (&schema.name, schema.encoding.as_str(), &*schema.data),
            None => {
                tracing::warn!(
                    topic = topic.name,
                    type_name = topic.type_name,
                    "the source has no definition of this type, the copy's is empty"
                );
                (&topic.type_name, "", &[][..])
            }
        };
        let mut metadata = topic.channel_metadata.clone();
        metadata.insert(QOS_KEY.to_owned(), topic.offered_qos_profiles.clone());
        metadata.insert(TYPE_HASH_KEY.to_owned(), topic.type_hash.clone());
        let channel = self
            .writer
            .add_schema(name, encoding, data)
            .and_then(|schema| {
                let format = &topic.serialization_format;
                self.writer
                    .add_channel(schema, &topic.name, format, &metadata)
            });
        self.channels
            .push(channel.map_err(|error| mcap_error(&self.path, error))?);
        Ok(())
    }

    /// `topic` counts the topics in the order in which they were added.
    pub fn write(
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
        let header = MessageHeader {
            channel_id,
            sequence,
            log_time,
            publish_time: publish_time.cast_unsigned(),
        };
        self.writer
            .write_to_known_channel(&header, data)
            .map_err(|error| mcap_error(&self.path, error))
    }

    /// Copies an attachment or a metadata record. One that is damaged in its source is left out
    /// and returned as the reason.
    pub fn copy_extra(&mut self, extra: &Extra) -> Result<std::result::Result<(), std::io::Error>> {
        match extra.kind {
            ExtraKind::Metadata => match extra.metadata() {
                Ok(record) => self.write_metadata(&record).map(Ok),
                Err(error) => Ok(Err(error)),
            },
            ExtraKind::Attachment => match extra.attachment() {
                Ok(attachment) => self.write_attachment(attachment).map(Ok),
                Err(error) => Ok(Err(error)),
            },
        }
    }

    /// rosbag2's copy of metadata.yaml.
    pub fn embed_metadata(&mut self, text: String) -> Result<()> {
        self.write_metadata(&Metadata {
            name: ROSBAG2_RECORD.to_owned(),
            metadata: BTreeMap::from([(SERIALIZED_METADATA.to_owned(), text)]),
        })
    }

    pub fn write_metadata(&mut self, record: &Metadata) -> Result<()> {
        self.writer
            .write_metadata(record)
            .map_err(|error| mcap_error(&self.path, error))
    }

    fn write_attachment(&mut self, attachment: OpenAttachment) -> Result<()> {
        const BLOCK_BYTES: u64 = 1 << 20;
        let failed = |error| mcap_error(&self.path, error);
        let OpenAttachment {
            header,
            data_bytes,
            mut data,
        } = attachment;
        self.writer
            .start_attachment(data_bytes, header)
            .map_err(failed)?;
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
            self.writer.put_attachment_bytes(&block).map_err(failed)?;
        }
        self.writer.finish_attachment().map_err(failed)
    }

    /// Writes index and footer, and waits until everything is on the disk.
    pub fn finish(mut self) -> Result<()> {
        self.writer
            .finish()
            .map_err(|error| mcap_error(&self.path, error))?;
        let file = self.writer.into_inner().into_inner();
        file.map_err(std::io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .map_err(|error| Error::output(&self.path, error))
    }
}

fn mcap_error(path: &Path, error: McapError) -> Error {
    match error {
        // Its own words do not say what the system said.
        McapError::Io(error) => Error::output(path, error),
        other => Error::output(path, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let written = McapSink::create(Path::new("/dev/full")).and_then(|mut sink| {
            sink.add_topic(&TopicInfo::cdr("/chatter", "std_msgs/msg/String", "", ""))?;
            sink.write(0, (1, 1), 0, &[7; 100])?;
            sink.finish()
        });

        let error = written.unwrap_err().to_string();
        assert!(error.contains("/dev/full"), "{error}");
        assert!(error.contains("No space left"), "{error}");
    }
}
