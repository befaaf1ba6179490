//! The messages of one sqlite3 file in log-time order, a page at a time. Where the database turns
//! out damaged, every row that can still be reached is collected by its id instead.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, params};

use super::catalog::SqliteCatalog;
use super::database::{self, Database};
use super::walk::walk_rows;
use crate::error::Result;
use crate::loss::{LossItem, Place};
use crate::storage::{StorageReader, StoredMessage};
use crate::stored_file::StoredFile;

pub(crate) struct SqliteReader {
    file: Arc<StoredFile>,
    database: Database,
    page: VecDeque<StoredMessage>,
    position: Position,
    damage: Vec<LossItem>,
}

/// How the next messages are found.
enum Position {
    /// Through the index on the time, behind this time and id.
    Index { time: i64, id: i64 },
    /// From this list of times and ids, which are still to be fetched.
    List(std::vec::IntoIter<(i64, i64)>),
}

impl StorageReader for SqliteReader {
    fn next(&mut self) -> Result<Option<StoredMessage>> {
        if let Some(message) = self.page.pop_front() {
            return Ok(Some(message));
        }
        if let Position::Index { time, id } = self.position {
            match self.read_page(time, id) {
                Ok(()) => return Ok(self.page.pop_front()),
                Err(error) => {
                    self.note(Place::File, format!("its index breaks off ({error})"));
                    self.recover();
                    if let Some(message) = self.page.pop_front() {
                        return Ok(Some(message));
                    }
                }
            }
        }
        Ok(self.next_listed())
    }

    fn take_damage(&mut self) -> Vec<LossItem> {
        std::mem::take(&mut self.damage)
    }
}

impl SqliteReader {
    pub(crate) fn new(file: Arc<StoredFile>, catalog: &SqliteCatalog) -> Result<Self> {
        let database = Database::open(&file)?;
        let mut reader = Self {
            file,
            database,
            page: VecDeque::new(),
            position: Position::Index {
                time: i64::MIN,
                id: i64::MIN,
            },
            damage: catalog.damage.clone(),
        };
        if !catalog.has_time_index {
            reader.collect_rows_after(i64::MIN, i64::MIN);
        }
        Ok(reader)
    }

    /// Goes on behind the last message that was read through the index.
    fn recover(&mut self) {
        if let Position::Index { time, id } = self.position {
            self.collect_rows_after(time, id);
        }
    }

    /// Reads on through the index. After an error, what was read before it is in the page.
    fn read_page(&mut self, time: i64, id: i64) -> rusqlite::Result<()> {
        const PAGE_ROWS: usize = 256;
        const PAGE_BYTES: usize = 4 << 20;
        let mut statement = self.database.prepare_cached(
            "SELECT timestamp, id, topic_id, data FROM messages \
             WHERE (timestamp, id) > (?1, ?2) ORDER BY timestamp, id",
        )?;
        let mut rows = statement.query(params![time, id])?;
        let mut bytes = 0;
        let mut last = (time, id);
        while self.page.len() < PAGE_ROWS && bytes < PAGE_BYTES {
            let Some(row) = rows.next()? else { break };
            self.database.progressed();
            // Times that are no numbers come last: they end the walk, as what they are.
            let message = stored_message(row)?;
            if (message.log_time_nanos, row.get(1)?) <= last {
                return Err(rusqlite::Error::InvalidQuery);
            }
            last = (message.log_time_nanos, row.get(1)?);
            bytes += message.data.len();
            self.position = Position::Index {
                time: message.log_time_nanos,
                id: row.get(1)?,
            };
            self.page.push_back(message);
        }
        Ok(())
    }

    /// Fetches the next row of the list that can be read.
    fn next_listed(&mut self) -> Option<StoredMessage> {
        loop {
            let Position::List(rows) = &mut self.position else {
                return None;
            };
            let (time, id) = rows.next()?;
            self.database.progressed();
            let query = "SELECT timestamp, id, topic_id, data FROM messages WHERE id = ?1";
            let fetched = self
                .database
                .prepare_cached(query)
                .and_then(|mut it| it.query_row([id], stored_message).optional());
            match fetched {
                // In a damaged tree, a search by id can end elsewhere than the walk along the ids.
                Ok(Some(message)) if message.log_time_nanos == time => return Some(message),
                Ok(_) => self.note(
                    Place::Row(id),
                    "is another row or none when it is looked up",
                ),
                Err(error) => self.note(Place::Row(id), format!("cannot be read ({error})")),
            }
        }
    }

    /// Lists every row behind this time and id that can be reached by walking along the ids.
    fn collect_rows_after(&mut self, time: i64, id: i64) {
        let mut rows = Vec::new();
        let damage = walk_rows(&self.database, |row| {
            if (row.time, row.id) > (time, id) {
                rows.push((row.time, row.id));
            }
        });
        for (row, what) in damage {
            self.note(Place::Row(row), what);
        }
        rows.sort_unstable();
        self.position = Position::List(rows.into_iter());
    }

    fn note(&mut self, place: Place, what: impl Into<String>) {
        self.damage
            .push(LossItem::new(&self.file.source, place, what));
    }
}

/// A row of timestamp, id, `topic_id` and data.
fn stored_message(row: &Row<'_>) -> rusqlite::Result<StoredMessage> {
    let log_time_nanos = row.get(0)?;
    Ok(StoredMessage {
        // A topic id of another type is a topic that does not exist.
        channel: row.get(2).unwrap_or(i64::MIN),
        log_time_nanos,
        publish_time_nanos: log_time_nanos,
        sequence: 0,
        data: Bytes::copy_from_slice(database::bytes(row, 3)?),
        chunk: None,
    })
}
