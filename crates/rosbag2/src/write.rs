//! Writing a bag: everything of the source, added topics, and a metadata.yaml in the version that
//! the source has, so that whatever reads the source reads the copy.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use mcap::records::Metadata;

use crate::error::{Error, Result};
use crate::info::{BagInfo, BagMessage};
use crate::mcap_storage::McapSink;
use crate::metadata::{NEWEST, OLDEST_WRITTEN, Summary};
use crate::sqlite_storage::SqliteSink;
use crate::topic::{Storage, TopicInfo};

/// Writes one bag of one file into a folder. Until [`BagWriter::finish`] has returned, the folder
/// holds no bag: write into a temporary one and rename it.
pub struct BagWriter {
    folder: PathBuf,
    file_name: String,
    storage: Storage,
    sink: Sink,
    /// Of the source, then the added ones.
    topics: Vec<WrittenTopic>,
    /// First and last log time.
    times: Option<(i64, i64)>,
    version: u32,
    custom_data: serde_yaml::Value,
    ros_distro: String,
    embeds_metadata: bool,
}

struct WrittenTopic {
    info: TopicInfo,
    /// Its number in the sink; `None` if an added topic took its place.
    place: Option<usize>,
    message_count: u64,
}

enum Sink {
    Mcap(Box<McapSink>),
    Sqlite(SqliteSink),
}

impl Sink {
    fn add_topic(&mut self, topic: &TopicInfo, channel_id: Option<u16>) -> Result<()> {
        match self {
            Self::Mcap(sink) => sink.add_topic(topic, channel_id),
            Self::Sqlite(sink) => sink.add_topic(topic),
        }
    }
}

impl BagWriter {
    /// Begins a bag in `folder`, which is made if it is not there; its file is `NAME_0.mcap` or
    /// `NAME_0.db3`. Topics, attachments and metadata of the source are taken over at once (the
    /// latter two only into MCAP); an added topic takes the place of one of the same name.
    ///
    /// Errors: [`Error::Output`] if the folder or the file cannot be written.
    pub fn create(
        folder: &Path,
        name: &str,
        storage: Storage,
        source: &BagInfo,
        added: &[TopicInfo],
    ) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::output(folder, error))?;
        let file_name = format!("{name}_0.{}", storage.extension());
        let path = folder.join(&file_name);
        let sink = match storage {
            Storage::Mcap => {
                let definitions = source.numbering.as_ref().map(|it| &it.definitions);
                Sink::Mcap(Box::new(McapSink::create(&path, definitions)?))
            }
            Storage::Sqlite3 => Sink::Sqlite(SqliteSink::create(&path, &source.ros_distro)?),
        };
        let mut writer = Self {
            folder: folder.to_owned(),
            file_name,
            storage,
            sink,
            topics: Vec::new(),
            times: None,
            version: source.metadata_version.clamp(OLDEST_WRITTEN, NEWEST),
            custom_data: source.custom_data.clone(),
            ros_distro: source.ros_distro.clone(),
            embeds_metadata: source.embeds_metadata || storage == Storage::Sqlite3,
        };
        writer.add_topics(source, added)?;
        writer.copy_extras(source)?;
        Ok(writer)
    }

    fn add_topics(&mut self, source: &BagInfo, added: &[TopicInfo]) -> Result<()> {
        let mut places = 0..;
        let count = source.topics.len();
        for (index, topic) in source.topics.iter().chain(added).enumerate() {
            let replaced = index < count && added.iter().any(|it| it.name == topic.name);
            if replaced {
                tracing::warn!(
                    topic = topic.name,
                    "the source's topic is replaced by a new one"
                );
            } else {
                let channels = source.numbering.as_ref().map(|it| &it.channels);
                let channel_id = channels.and_then(|channels| channels.get(&index).copied());
                self.sink.add_topic(topic, channel_id)?;
            }
            self.topics.push(WrittenTopic {
                info: topic.clone(),
                place: if replaced { None } else { places.next() },
                message_count: 0,
            });
        }
        Ok(())
    }

    fn copy_extras(&mut self, source: &BagInfo) -> Result<()> {
        let Sink::Mcap(sink) = &mut self.sink else {
            if !source.extras.is_empty() {
                tracing::warn!(
                    count = source.extras.len(),
                    "sqlite3 cannot keep the source's attachments and metadata records"
                );
            }
            return Ok(());
        };
        for extra in &source.extras {
            if let Err(error) = sink.copy_extra(extra)? {
                tracing::warn!(
                    file = %extra.file.source.display(),
                    offset = extra.offset,
                    %error,
                    "an attachment or metadata record is damaged and left out"
                );
            }
        }
        Ok(())
    }

    /// Writes down how the bag was made: under `custom_data` in metadata.yaml (which has it from
    /// version 6 on) and, in MCAP, as a metadata record with that name.
    ///
    /// Errors: [`Error::Output`] if it cannot be written.
    pub fn annotate(&mut self, name: &str, entries: BTreeMap<String, String>) -> Result<()> {
        if self.custom_data.is_null() {
            self.custom_data = serde_yaml::Value::Mapping(serde_yaml::Mapping::new());
        }
        if let Some(custom_data) = self.custom_data.as_mapping_mut() {
            for (key, value) in &entries {
                custom_data.insert(key.as_str().into(), value.as_str().into());
            }
        }
        match &mut self.sink {
            Sink::Mcap(sink) => sink.write_metadata(&Metadata {
                name: name.to_owned(),
                metadata: entries,
            }),
            Sink::Sqlite(_) => Ok(()),
        }
    }

    /// Writes a message. `topic` is an index into the source's topics, or, from their number on,
    /// into the added ones; a message of a source's topic that an added one replaces is left out.
    /// Times are in nanoseconds; sqlite3 keeps neither the publish time nor the sequence number.
    ///
    /// Errors: [`Error::Output`] if it cannot be written, or if there is no such topic.
    pub fn write(
        &mut self,
        topic: usize,
        log_time_nanos: i64,
        publish_time_nanos: i64,
        sequence: u32,
        data: &[u8],
    ) -> Result<()> {
        let Some(written) = self.topics.get(topic) else {
            let path = self.folder.join(&self.file_name);
            return Err(Error::output(&path, format!("there is no topic {topic}")));
        };
        let Some(place) = written.place else {
            return Ok(());
        };
        match &mut self.sink {
            Sink::Mcap(sink) => {
                sink.write(place, (log_time_nanos, publish_time_nanos), sequence, data)?;
            }
            Sink::Sqlite(sink) => sink.write(place, log_time_nanos, data)?,
        }
        self.note(topic, log_time_nanos);
        Ok(())
    }

    /// Counts a message that was written.
    fn note(&mut self, topic: usize, log_time_nanos: i64) {
        if let Some(written) = self.topics.get_mut(topic) {
            written.message_count += 1;
        }
        let (start, end) = self.times.unwrap_or((log_time_nanos, log_time_nanos));
        self.times = Some((start.min(log_time_nanos), end.max(log_time_nanos)));
    }

    /// Writes a message of the source as it is; at once with all others of its chunk if that is
    /// compressed and can be taken over: they are then expected to follow.
    ///
    /// Errors: as [`Self::write`].
    pub fn write_message(&mut self, message: &BagMessage) -> Result<()> {
        if let (Sink::Mcap(sink), Some(chunk)) = (&mut self.sink, &message.chunk)
            && sink.take_over(chunk)?
        {
            self.note(message.topic, message.log_time_nanos);
            return Ok(());
        }
        self.write(
            message.topic,
            message.log_time_nanos,
            message.publish_time_nanos,
            message.sequence,
            &message.data,
        )
    }

    /// Closes the file, writes metadata.yaml and waits until both are on the disk.
    ///
    /// Errors: [`Error::Output`], naming the file that could not be written.
    pub fn finish(mut self) -> Result<()> {
        let path = self.folder.join("metadata.yaml");
        let failed = |message: String| Error::output(&path, message);
        let summary = self.summary();
        let text = summary.to_file_text().map_err(failed)?;
        let embedded = summary.to_embedded_text().map_err(failed)?;
        match &mut self.sink {
            Sink::Mcap(sink) if self.embeds_metadata => sink.embed_metadata(embedded)?,
            Sink::Sqlite(sink) => sink.embed_metadata(self.version, &embedded)?,
            Sink::Mcap(_) => {}
        }
        match self.sink {
            Sink::Mcap(sink) => sink.finish()?,
            Sink::Sqlite(sink) => sink.finish()?,
        }
        File::create(&path)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .map_err(|error| Error::output(&path, error))?;
        // The names of the files are durable only with their folder.
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| Error::output(&self.folder, error))
    }

    fn summary(&self) -> Summary<'_> {
        let (start, end) = self.times.unwrap_or((0, 0));
        let written = self.topics.iter().filter(|topic| topic.place.is_some());
        let topics: Vec<_> = written
            .map(|topic| (&topic.info, topic.message_count))
            .collect();
        Summary {
            version: self.version,
            storage_identifier: self.storage.name(),
            file_name: self.file_name.clone(),
            start_nanos: start,
            duration_nanos: end.saturating_sub(start),
            message_count: topics.iter().map(|(_, count)| count).sum(),
            topics,
            custom_data: &self.custom_data,
            ros_distro: &self.ros_distro,
        }
    }
}
