//! The two storages behind one face.

use std::sync::Arc;

use crate::error::Result;
use crate::mcap_storage::{McapCatalog, McapReader, read_catalog};
use crate::sqlite_storage::{SqliteCatalog, SqliteReader};
use crate::storage::{Counting, FileCatalog, StorageReader};
use crate::stored_file::StoredFile;
use crate::topic::Storage;

/// What a file holds, as far as it is known before its messages are read.
pub(crate) enum Catalog {
    Mcap(McapCatalog),
    Sqlite(SqliteCatalog),
}

impl Catalog {
    /// A file that does not state how many messages it has is asked for as much of it as `counting` says.
    pub(crate) fn read(file: &StoredFile, counting: Counting) -> Result<Self> {
        Ok(match file.storage {
            Storage::Mcap => Self::Mcap(read_catalog(file)?),
            Storage::Sqlite3 => Self::Sqlite(SqliteCatalog::read(file, counting)?),
        })
    }

    pub(crate) fn to_file_catalog(&self, file: &Arc<StoredFile>) -> FileCatalog {
        match self {
            Self::Mcap(catalog) => catalog.to_file_catalog(file),
            Self::Sqlite(catalog) => catalog.file.clone(),
        }
    }
    /// The messages of the file that this is the catalog of.
    pub(crate) fn reader(&self, file: Arc<StoredFile>) -> Result<Box<dyn StorageReader>> {
        Ok(match self {
            Self::Mcap(catalog) => Box::new(McapReader::new(file, catalog)?),
            Self::Sqlite(catalog) => Box::new(SqliteReader::new(file, catalog)?),
        })
    }
}
