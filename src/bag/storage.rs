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

pub(super) enum StorageReader {
    Mcap(McapReader),
    Sqlite(SqliteReader),
}

impl StorageReader {
    pub fn new(file: Arc<StoredFile>, catalog: &Catalog) -> Result<Self> {
        Ok(match catalog {
            Catalog::Mcap(catalog) => Self::Mcap(McapReader::new(file, catalog)?),
            Catalog::Sqlite(catalog) => Self::Sqlite(SqliteReader::new(file, catalog)?),
        })
    }

    /// The next message; `None` at the end of what can be read.
    pub fn next(&mut self) -> Option<StoredMessage> {
        match self {
            Self::Mcap(reader) => reader.next(),
            Self::Sqlite(reader) => reader.next(),
        }
    }

    /// What was found damaged since the last call.
    pub fn take_damage(&mut self) -> Vec<LossItem> {
        match self {
            Self::Mcap(reader) => reader.take_damage(),
            Self::Sqlite(reader) => reader.take_damage(),
        }
    }
}
