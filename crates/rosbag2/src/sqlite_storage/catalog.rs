//! What a sqlite3 bag file holds, whichever version of the layout it has.

use std::collections::BTreeMap;
use std::io::Read;

use rusqlite::{Connection, OptionalExtension};

use super::database::{Database, bytes, columns, text, unreadable};
use super::walk::walk_rows;
use crate::error::{Error, Result};
use crate::loss::{LossItem, Place};
use crate::storage::{Counting, FileCatalog};
use crate::stored_file::{StoredFile, page_bytes};
use crate::topic::{Schema, TopicInfo};

/// MCAP can tell no more apart; a forged table could list them without end.
const MOST_TOPICS: usize = 65536;

/// The contents of one sqlite3 file.
pub(crate) struct SqliteCatalog {
    pub file: FileCatalog,
    pub(super) damage: Vec<LossItem>,
    /// An index gives the messages in the order of their times.
    pub(super) has_time_index: bool,
}

impl SqliteCatalog {
    /// Errors: [`Error::BagFormat`] if the file has no readable tables of a bag.
    pub(crate) fn read(file: &StoredFile, counting: Counting) -> Result<Self> {
        let database = Database::open(file)?;
        let failed = |error| unreadable(file, &error);
        for (table, needed) in [
            ("topics", &["id", "name", "type"][..]),
            ("messages", &["id", "topic_id", "timestamp", "data"][..]),
        ] {
            let found = columns(&database, table).map_err(failed)?;
            if let Some(missing) = needed
                .iter()
                .find(|name| !found.iter().any(|it| it == *name))
            {
                return Err(Error::BagFormat {
                    path: file.source.clone(),
                    message: format!(
                        "the sqlite3 database is no rosbag2 bag: it has no table '{table}' with a \
                         column '{missing}'"
                    ),
                });
            }
        }
        let mut catalog = Self {
            file: FileCatalog {
                topics: topics(&database).map_err(failed)?,
                ..FileCatalog::default()
            },
            damage: cut(file)?.into_iter().collect(),
            has_time_index: has_time_index(&database).unwrap_or(false),
        };
        if counting == Counting::ByTopic || catalog.read_bounds(&database).is_err() {
            catalog.count_messages(&database);
        } else if counting == Counting::All {
            // A damaged index gives no number: then none is held against the metadata.
            let rows = database.query_row("SELECT count(*) FROM messages", [], |row| {
                row.get::<_, i64>(0)
            });
            catalog.file.found_count = rows.ok().and_then(|rows| rows.try_into().ok());
        }
        if let Err(error) = catalog.read_recorder(&database) {
            tracing::debug!(file = %file.source.display(), %error, "nothing about the recorder");
        }
        Ok(catalog)
    }

    /// First and last log time, at once if there is an index on it.
    fn read_bounds(&mut self, database: &Connection) -> rusqlite::Result<()> {
        if !self.has_time_index {
            return Err(rusqlite::Error::QueryReturnedNoRows);
        }
        let bound = |order: &str| {
            let query = format!(
                "SELECT timestamp FROM messages WHERE timestamp BETWEEN ?1 AND ?2 \
                 ORDER BY timestamp {order} LIMIT 1"
            );
            let row = database.query_row(&query, [i64::MIN, i64::MAX], |row| row.get(0));
            row.optional()
        };
        self.file.start_nanos = bound("ASC")?;
        self.file.end_nanos = bound("DESC")?;
        Ok(())
    }

    /// Counts what can be reached; the damage is noted when the messages are read.
    fn count_messages(&mut self, database: &Database) {
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        let mut times: Option<(i64, i64)> = None;
        let _damage = walk_rows(database, |row| {
            *counts.entry(row.topic_id).or_default() += 1;
            let (start, end) = times.unwrap_or((row.time, row.time));
            times = Some((start.min(row.time), end.max(row.time)));
        });
        for (id, topic) in &mut self.file.topics {
            topic.message_count = Some(counts.get(id).copied().unwrap_or(0));
        }
        self.file.found_count = Some(counts.values().sum());
        self.file.start_nanos = times.map(|(start, _)| start);
        self.file.end_nanos = times.map(|(_, end)| end);
    }

    /// Distribution and embedded metadata, in the layouts that have them.
    fn read_recorder(&mut self, database: &Connection) -> rusqlite::Result<()> {
        if has_columns(database, "schema", &["ros_distro"])? {
            let distro =
                database.query_row("SELECT ros_distro FROM schema", [], |row| text(row, 0));
            self.file.ros_distro = distro.ok().filter(|distro| !distro.is_empty());
        }
        if has_columns(database, "metadata", &["id", "metadata"])? {
            let newest = "SELECT metadata FROM metadata ORDER BY id DESC LIMIT 1";
            self.file.embedded_metadata = database.query_row(newest, [], |row| text(row, 0)).ok();
        }
        Ok(())
    }
}

fn has_columns(database: &Connection, table: &str, needed: &[&str]) -> rusqlite::Result<bool> {
    let found = columns(database, table)?;
    Ok(needed.iter().all(|name| found.iter().any(|it| it == name)))
}

fn topics(database: &Connection) -> rusqlite::Result<BTreeMap<i64, TopicInfo>> {
    let definitions = definitions(database).unwrap_or_default();
    let found = columns(database, "topics")?;
    // Columns that came with later versions read as empty before them.
    let column = |name: &'static str| match found.iter().any(|it| it == name) {
        true => name,
        false => "''",
    };
    let mut statement = database.prepare(&format!(
        "SELECT id, name, type, {}, {}, {} FROM topics ORDER BY id",
        column("serialization_format"),
        column("offered_qos_profiles"),
        column("type_description_hash")
    ))?;
    let mut rows = statement.query([])?;
    let mut topics = BTreeMap::new();
    while let Some(row) = rows.next()?.filter(|_| topics.len() < MOST_TOPICS) {
        let type_name = text(row, 2)?;
        let format = text(row, 3)?;
        let topic = TopicInfo {
            name: text(row, 1)?,
            schema: definitions.get(&type_name).cloned(),
            type_name,
            message_count: None,
            serialization_format: if format.is_empty() {
                "cdr".to_owned()
            } else {
                format
            },
            offered_qos_profiles: text(row, 4)?,
            type_hash: text(row, 5)?,
            channel_metadata: BTreeMap::new(),
        };
        topics.insert(row.get(0)?, topic);
    }
    Ok(topics)
}

/// Message definitions by type, which bags have since ROS 2 Iron.
fn definitions(database: &Connection) -> rusqlite::Result<BTreeMap<String, Schema>> {
    let needed = ["topic_type", "encoding", "encoded_message_definition"];
    let mut definitions = BTreeMap::new();
    if !has_columns(database, "message_definitions", &needed)? {
        return Ok(definitions);
    }
    let mut statement = database.prepare(
        "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()?.filter(|_| definitions.len() < MOST_TOPICS) {
        let name = text(row, 0)?;
        let schema = Schema {
            name: name.clone(),
            encoding: text(row, 1)?,
            data: bytes(row, 2)?.to_vec(),
        };
        definitions.entry(name).or_insert(schema);
    }
    Ok(definitions)
}

/// Whether an index on the time alone exists (it then orders by time and id).
fn has_time_index(database: &Connection) -> rusqlite::Result<bool> {
    let indexes: i64 = database.query_row(
        "SELECT count(*) FROM pragma_index_list('messages') AS list \
         WHERE list.partial = 0 AND (SELECT group_concat(name) FROM pragma_index_info(list.name)) \
         = 'timestamp'",
        [],
        |row| row.get(0),
    )?;
    Ok(indexes > 0)
}

/// Compares the size that the header states with the file's.
fn cut(file: &StoredFile) -> Result<Option<LossItem>> {
    let mut header = Vec::new();
    file.reader()?
        .take(100)
        .read_to_end(&mut header)
        .map_err(Error::io("read", &file.source))?;
    let pages = header
        .get(28..32)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_be_bytes);
    let stated = page_bytes(&header) * u64::from(pages);
    let length = file.len()?;
    Ok((length < stated).then(|| {
        let what = format!("the file ends here, as if cut: it should have {stated} bytes");
        LossItem::new(&file.source, Place::Byte(length), what)
    }))
}
