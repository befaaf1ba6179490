//! What could not be read of a damaged bag: where, why, and how many messages that cost.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where in a file something could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// An offset in bytes (in the unpacked file, if it was compressed as a whole).
    Byte(u64),
    /// A row id of a sqlite3 bag's `messages` table.
    Row(i64),
}

/// One thing that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LossItem {
    /// The bag's file, as the user knows it.
    pub file: PathBuf,
    /// Where in it.
    pub place: Place,
    /// What could not be read there and why, as half a sentence.
    pub what: String,
}

impl LossItem {
    pub(crate) fn new(file: &Path, place: Place, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place,
            what: what.into(),
        }
    }
}

impl fmt::Display for LossItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.place {
            Place::File => {}
            Place::Byte(offset) => write!(f, " at byte {offset}")?,
            Place::Row(row) => write!(f, " at row {row}")?,
        }
        write!(f, ": {}", self.what)
    }
}

/// What a bag lost. There is one only if something was lost or may be damaged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loss {
    /// The first [`Loss::MAX_ITEMS`] findings.
    pub items: Vec<LossItem>,
    /// How many more there were.
    pub further_items: u64,
    /// How many messages are missing; `None` where nothing in the bag says how many there were,
    /// and until the end of the bag is reached.
    pub messages_lost: Option<u64>,
}

impl Loss {
    /// A badly damaged file could fill the memory with findings.
    pub const MAX_ITEMS: usize = 100;

    pub(crate) fn add(&mut self, item: LossItem) {
        tracing::warn!("{item}");
        if self.items.len() < Self::MAX_ITEMS {
            self.items.push(item);
        } else {
            self.further_items += 1;
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.messages_lost {
            Some(0) => write!(f, "no message is missing, but some may be damaged")?,
            Some(1) => write!(f, "1 message was lost")?,
            Some(count) => write!(f, "{count} messages were lost")?,
            None => write!(f, "an unknown number of messages was lost")?,
        }
        for item in &self.items {
            write!(f, "\n  {item}")?;
        }
        if self.further_items > 0 {
            write!(f, "\n  and {} more like these", self.further_items)?;
        }
        Ok(())
    }
}
