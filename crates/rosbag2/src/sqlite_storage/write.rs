//! Writing one sqlite3 file in the layout of ROS 2 Jazzy.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use crate::error::{Error, Result};
use crate::topic::{Schema, TopicInfo};

/// The layout's version in rosbag2's own count.
const SCHEMA_VERSION: i64 = 4;

const TABLES: &str = "
CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro TEXT NOT NULL);
CREATE TABLE metadata(
    id INTEGER PRIMARY KEY, metadata_version INTEGER NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE topics(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
    serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL,
    type_description_hash TEXT NOT NULL);
CREATE TABLE message_definitions(
    id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL, encoding TEXT NOT NULL,
    encoded_message_definition TEXT NOT NULL, type_description_hash TEXT NOT NULL);
CREATE TABLE messages(
    id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
";

pub(crate) struct SqliteSink {
    path: PathBuf,
    database: Connection,
    /// Row ids, in the order in which topics were added.
    topics: Vec<i64>,
    definitions: Vec<Schema>,
}

impl SqliteSink {
    pub(crate) fn create(path: &Path, ros_distro: &str) -> Result<Self> {
        // The file is worthless until it is finished and then made durable as a whole, so the
        // journal would only cost time.
        const SETTINGS: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;";
        let open = || {
            let database = Connection::open(path)?;
            database.execute_batch(SETTINGS)?;
            database.execute_batch(TABLES)?;
            database.execute(
                "INSERT INTO schema (schema_version, ros_distro) VALUES (?1, ?2)",
                params![SCHEMA_VERSION, ros_distro],
            )?;
            Ok(database)
        };
        Ok(Self {
            path: path.to_owned(),
            database: open().map_err(|error: rusqlite::Error| Error::output(path, error))?,
            topics: Vec::new(),
            definitions: Vec::new(),
        })
    }

    pub(crate) fn add_topic(&mut self, topic: &TopicInfo) -> Result<()> {
        let failed = |error| Error::output(&self.path, error);
        self.database
            .execute(
                "INSERT INTO topics (name, type, serialization_format, offered_qos_profiles, \
                 type_description_hash) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    topic.name,
                    topic.type_name,
                    topic.serialization_format,
                    topic.offered_qos_profiles,
                    topic.type_hash
                ],
            )
            .map_err(failed)?;
        self.topics.push(self.database.last_insert_rowid());
        // A definition without encoding is none: readers take its absence better.
        let schema = topic.schema.as_ref().filter(|it| !it.encoding.is_empty());
        let Some(schema) = schema.filter(|schema| !self.definitions.contains(schema)) else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(&schema.data);
        self.database
            .execute(
                "INSERT INTO message_definitions (topic_type, encoding, \
                 encoded_message_definition, type_description_hash) VALUES (?1, ?2, ?3, ?4)",
                params![schema.name, schema.encoding, text, topic.type_hash],
            )
            .map_err(failed)?;
        self.definitions.push(schema.clone());
        Ok(())
    }

    /// `topic` counts the topics in the order in which they were added.
    pub(crate) fn write(&mut self, topic: usize, log_time_nanos: i64, data: &[u8]) -> Result<()> {
        let Some(topic_id) = self.topics.get(topic) else {
            return Err(Error::output(
                &self.path,
                format!("there is no topic {topic}"),
            ));
        };
        self.database
            .prepare_cached("INSERT INTO messages (timestamp, topic_id, data) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![log_time_nanos, topic_id, data]))
            .map_err(|error| Error::output(&self.path, error))?;
        Ok(())
    }

    /// rosbag2's copy of metadata.yaml.
    pub(crate) fn embed_metadata(&mut self, version: u32, text: &str) -> Result<()> {
        self.database
            .execute(
                "INSERT INTO metadata (metadata_version, metadata) VALUES (?1, ?2)",
                params![version, text],
            )
            .map_err(|error| Error::output(&self.path, error))?;
        Ok(())
    }

    /// Waits until everything is on the disk.
    pub(crate) fn finish(self) -> Result<()> {
        let path = self.path;
        self.database
            .execute_batch("COMMIT")
            .map_err(|error| Error::output(&path, error))?;
        self.database
            .close()
            .map_err(|(_, error)| Error::output(&path, error))?;
        std::fs::File::open(&path)
            .and_then(|file| file.sync_all())
            .map_err(|error| Error::output(&path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bag_0.db3");
        let mut sink = SqliteSink::create(&path, "jazzy").unwrap();
        sink.database
            .query_row("PRAGMA max_page_count = 50", [], |_| Ok(()))
            .unwrap();
        let topic = TopicInfo::cdr("/chatter", "std_msgs/msg/String", "string data", "");
        sink.add_topic(&topic).unwrap();

        let failed = (0..64).try_for_each(|i| sink.write(0, i, &[7; 10_000]));
        let error = failed.and_then(|()| sink.finish()).unwrap_err();

        assert!(error.to_string().contains("bag_0.db3"), "{error}");
        assert!(error.to_string().contains("full"), "{error}");
    }
}
