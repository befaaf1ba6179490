//! A bag's database opened so that nothing in it can do harm: read-only, untouched by locks and
//! logs, its schema not trusted; and a cut file opened as far as it goes.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use crate::error::{Error, Result};
use crate::stored_file::StoredFile;

/// A read-only connection that gives up on a query which computes without end.
pub(super) struct Database {
    connection: Connection,
    idle_ticks: Arc<AtomicU32>,
}

impl Database {
    pub(super) fn open(file: &StoredFile) -> Result<Self> {
        Self::open_immutable(&file.path).map_err(|error| unreadable(file, &error))
    }

    fn open_immutable(path: &Path) -> rusqlite::Result<Self> {
        // A forged tree of pages can make sqlite visit the same rows for ever without returning
        // one. A tick is a hundred thousand of its instructions; these are some seconds' worth.
        const TICK_INSTRUCTIONS: i32 = 100_000;
        const MOST_IDLE_TICKS: u32 = 10_000;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(immutable_uri(path), flags)?;
        let idle_ticks = Arc::new(AtomicU32::new(0));
        let ticks = Arc::clone(&idle_ticks);
        let give_up = move || ticks.fetch_add(1, Ordering::Relaxed) > MOST_IDLE_TICKS;
        connection.progress_handler(TICK_INSTRUCTIONS, Some(give_up))?;
        // A writable schema makes sqlite open a file that is shorter than its header says; being
        // read-only, nothing can be written all the same.
        connection.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA writable_schema = ON;")?;
        Ok(Self {
            connection,
            idle_ticks,
        })
    }

    /// To be called for each row that came out: the query is getting somewhere.
    pub(super) fn progressed(&self) {
        self.idle_ticks.store(0, Ordering::Relaxed);
    }
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

pub(super) fn unreadable(file: &StoredFile, error: &rusqlite::Error) -> Error {
    Error::BagFormat {
        path: file.source.clone(),
        message: format!(
            "the database cannot be read ({error}). Try `sqlite3 FILE .recover`, or record anew"
        ),
    }
}

/// Immutable: no lock and no log is looked for, so that bags in read-only folders open.
fn immutable_uri(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = "file:".to_owned();
    for &byte in absolute.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?mode=ro&immutable=1");
    uri
}

/// The names of a real table's columns; empty if there is none of that name. Views and virtual
/// tables are none: a hostile one could compute forever.
pub(super) fn columns(database: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let tables: i64 = database.query_row(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name = ?1",
        [table],
        |row| row.get(0),
    )?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    let mut statement = database.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}

/// A column as bytes, whatever its type is; empty if it has none.
pub(super) fn bytes<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<&'a [u8]> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        _ => &[],
    })
}

/// A column as text, whatever its type is.
pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(String::from_utf8_lossy(bytes(row, column)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_change_the_meaning_of_the_uri() {
        let uri = immutable_uri(Path::new("/bags/50%?mode=rwc#1/ü.db3"));

        assert_eq!(
            uri,
            "file:/bags/50%25%3Fmode%3Drwc%231/%C3%BC.db3?mode=ro&immutable=1"
        );
    }
}
