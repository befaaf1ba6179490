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
    /// Messages that nobody counted may be missing for it.
    hides_messages: bool,
}

impl LossItem {
    pub(crate) fn new(file: &Path, place: Place, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place,
            what: what.into(),
            hides_messages: true,
        }
    }

    /// The same of damage that costs no message that is not counted: one that is read all the same, or missed alone.
    pub(crate) fn hiding_nothing(self) -> Self {
        Self {
            hides_messages: false,
            ..self
        }
    }

    pub(crate) fn hides_messages(&self) -> bool {
        self.hides_messages
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
    /// How many messages are missing; `None` where nothing in the bag says how many there were, or only what was
    /// counted after the damage, and until the end of the bag is reached.
    pub messages_lost: Option<u64>,
}

impl Loss {
    /// A badly damaged file could fill the memory with findings.
    pub const MAX_ITEMS: usize = 100;

    fn add(&mut self, item: LossItem) {
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

/// The loss as it grows while a bag is read.
pub(crate) struct Account {
    loss: Loss,
    messages_lost: u64,
    lost_unknown: bool,
    /// Each finding is logged at once.
    is_told: bool,
}

impl Account {
    /// Of a reading whose findings are logged.
    pub(crate) fn told() -> Self {
        Self::new(true)
    }

    /// Of a look ahead: the reading that follows tells.
    pub(crate) fn silent() -> Self {
        Self::new(false)
    }

    fn new(is_told: bool) -> Self {
        Self {
            loss: Loss::default(),
            messages_lost: 0,
            lost_unknown: false,
            is_told,
        }
    }

    /// Adds a finding.
    pub(crate) fn add(&mut self, item: LossItem) {
        if self.is_told {
            tracing::warn!("{item}");
        }
        self.loss.add(item);
    }

    /// Adds messages that are missing, `None` if nobody knows how many.
    pub(crate) fn missing(&mut self, messages: Option<u64>) {
        match messages {
            Some(count) => self.messages_lost = self.messages_lost.saturating_add(count),
            None => self.lost_unknown = true,
        }
    }

    /// Nothing more will come.
    pub(crate) fn close(&mut self) {
        self.loss.messages_lost = (!self.lost_unknown).then_some(self.messages_lost);
    }

    /// `None` if nothing was lost.
    pub(crate) fn loss(&self) -> Option<&Loss> {
        (!self.loss.items.is_empty()).then_some(&self.loss)
    }
}
