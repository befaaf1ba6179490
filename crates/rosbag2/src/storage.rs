//! The two storages behind one face: what a file holds, and its messages in log-time order.

use std::sync::Arc;

use super::info::{FileCatalog, Storage, StoredMessage};
use super::loss::LossItem;
use super::mcap_storage::{McapCatalog, McapReader};
use super::sqlite_storage::{SqliteCatalog, SqliteReader};
use super::stored_file::StoredFile;
use crate::error::Result;

pub(super) enum Catalog {
    Mcap(McapCatalog),
    Sqlite(SqliteCatalog),
}

impl Catalog {
    /// `count` asks for the number of messages even where finding it reads the whole file.
    pub fn read(file: &StoredFile, count: bool) -> Result<Self> {
        Ok(match file.storage {
            Storage::Mcap => Self::Mcap(McapCatalog::read(file)?),
            Storage::Sqlite3 => Self::Sqlite(SqliteCatalog::read(file, count)?),
        })
    }

    pub fn to_file_catalog(&self, file: &Arc<StoredFile>) -> FileCatalog {
        match self {
            Self::Mcap(catalog) => catalog.to_file_catalog(file),
            Self::Sqlite(catalog) => catalog.file.clone(),
        }
    }
}

/// The messages of one file. Damage ends or interrupts them but is no error: it is noted.
pub(super) trait StorageReader: Send {
    /// The next message; `None` at the end of what can be read.
    fn next(&mut self) -> Option<StoredMessage>;

    /// What was found damaged since the last call.
    fn take_damage(&mut self) -> Vec<LossItem>;
}

pub(super) fn reader(file: Arc<StoredFile>, catalog: &Catalog) -> Result<Box<dyn StorageReader>> {
    Ok(match catalog {
        Catalog::Mcap(catalog) => Box::new(McapReader::new(file, catalog)?),
        Catalog::Sqlite(catalog) => Box::new(SqliteReader::new(file, catalog)?),
    })
}
