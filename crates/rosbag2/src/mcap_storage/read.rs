//! The messages of one MCAP file in log-time order, in bounded memory: segments are opened when
//! their time comes, and a damaged one costs only what is damaged.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use super::catalog::McapCatalog;
use super::chunk::ChunkReader;
use super::message::stored_message;
use super::segment::{Segment, SegmentRecords};
use crate::error::Result;
use crate::kept::Definitions;
use crate::loss::{LossItem, Place};
use crate::storage::{StorageReader, StoredMessage};
use crate::stored_file::StoredFile;

/// Messages waiting for their turn may take this much. Only chunks that overlap in time or are
/// far larger than any recorder makes them reach it; order then yields to memory.
const WAITING_BYTES: usize = 256 << 20;

pub(crate) struct McapReader {
    file: Arc<StoredFile>,
    length: u64,
    /// Not yet opened, by start time.
    segments: VecDeque<Segment>,
    open: Option<(Segment, SegmentRecords)>,
    chunks: Option<ChunkReader>,
    definitions: Definitions,
    waiting: BinaryHeap<Reverse<Waiting>>,
    waiting_bytes: usize,
    /// Messages read so far, which keeps the order of those with the same time.
    read_count: u64,
    damage: Vec<LossItem>,
}

/// A message on its turn: by log time, then by place in the file.
struct Waiting {
    message: StoredMessage,
    segment_offset: u64,
    index: u64,
}

impl Waiting {
    fn turn(&self) -> (i64, u64, u64) {
        (self.message.log_time_nanos, self.segment_offset, self.index)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.turn() == other.turn()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.turn().cmp(&other.turn())
    }
}

impl StorageReader for McapReader {
    fn next(&mut self) -> Result<Option<StoredMessage>> {
        while self.wants_more() {
            if self.open.is_some() {
                self.read_record();
            } else if let Some(segment) = self.segments.pop_front() {
                self.open_segment(segment)?;
            }
        }
        Ok(self.waiting.pop().map(|Reverse(next)| {
            self.waiting_bytes -= next.message.data.len();
            next.message
        }))
    }

    fn take_damage(&mut self) -> Vec<LossItem> {
        std::mem::take(&mut self.damage)
    }
}

impl McapReader {
    pub(crate) fn new(file: Arc<StoredFile>, catalog: &McapCatalog) -> Result<Self> {
        let mut segments = catalog.segments.clone();
        segments.sort_by_key(|segment| (segment.start_time, segment.offset));
        Ok(Self {
            length: file.len()?,
            file,
            segments: segments.into(),
            open: None,
            // Without one, chunks are read record by record.
            chunks: ChunkReader::new().ok(),
            definitions: catalog.definitions().clone(),
            waiting: BinaryHeap::new(),
            waiting_bytes: 0,
            read_count: 0,
            damage: catalog.damage.clone(),
        })
    }

    /// Whether a message that must come out first may still be unread.
    fn wants_more(&self) -> bool {
        let Some(Reverse(first)) = self.waiting.peek() else {
            return self.open.is_some() || !self.segments.is_empty();
        };
        if self.waiting_bytes >= WAITING_BYTES {
            return false;
        }
        let first_time = u64::try_from(first.message.log_time_nanos).unwrap_or(0);
        self.open.is_some()
            || self
                .segments
                .front()
                .is_some_and(|segment| segment.start_time <= first_time)
    }

    /// Reads a segment whole if that is possible, else prepares to read it record by record.
    fn open_segment(&mut self, segment: Segment) -> Result<()> {
        let mut file = self.file.reader()?;
        if let Some(chunks) = &mut self.chunks
            && let Some(messages) = chunks.read(&mut file, &segment, &self.definitions)
        {
            for message in messages {
                self.wait(message, segment.offset);
            }
            return Ok(());
        }
        match SegmentRecords::open(file, &segment, self.length) {
            Ok(records) => self.open = Some((segment, records)),
            Err(error) => self.note(segment.offset, error.to_string()),
        }
        Ok(())
    }

    fn note(&mut self, offset: u64, what: impl Into<String>) {
        let item = LossItem::new(&self.file.source, Place::Byte(offset), what);
        self.damage.push(item);
    }

    fn note_ended(&mut self, offset: u64, error: &mcap::McapError) {
        let item = LossItem::new(&self.file.source, Place::Byte(offset), explain(error));
        self.damage.push(match error {
            mcap::McapError::BadChunkCrc { .. } => item.hiding_nothing(),
            _ => item,
        });
    }

    /// Reads one record of the open segment, or closes it.
    fn read_record(&mut self) {
        let Some((segment, records)) = &mut self.open else {
            return;
        };
        let offset = segment.offset;
        let message = match records.next(stored_message) {
            Some(Ok(Ok(message))) => message,
            Some(Ok(Err(what))) => return self.note(offset, what),
            Some(Err(error)) => {
                self.open = None;
                return self.note_ended(offset, &error);
            }
            None => {
                self.open = None;
                return;
            }
        };
        if let Some(message) = message {
            self.wait(message, offset);
        }
    }

    fn wait(&mut self, message: StoredMessage, segment_offset: u64) {
        self.waiting_bytes += message.data.len();
        self.waiting.push(Reverse(Waiting {
            message,
            segment_offset,
            index: self.read_count,
        }));
        self.read_count += 1;
    }
}

fn explain(error: &mcap::McapError) -> String {
    use mcap::McapError as E;
    match error {
        E::UnexpectedEof => "the file ends inside this chunk, as if cut".to_owned(),
        E::BadChunkCrc { .. } => {
            "this chunk's checksum is wrong: its messages were read, but may be damaged".to_owned()
        }
        other => format!("the rest of this chunk cannot be read ({other})"),
    }
}
