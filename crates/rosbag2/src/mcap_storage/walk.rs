//! Finding what an MCAP file holds without its summary, which a recorder that was killed never
//! wrote: record after record, keeping no message.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek};

use mcap::records::op;

use super::catalog::McapCatalog;
use super::message::log_time;
use super::segment::{
    ChunkHead, MAGIC_BYTES, RECORD_HEAD_BYTES, Segment, SegmentRecords, read_u64,
};
use crate::compression::plausible_size;
use crate::error::{Error, Result};
use crate::kept::ExtraKind;
use crate::loss::{LossItem, Place};
use crate::stored_file::StoredFile;

/// Why a walk does not go on.
enum Stop {
    Damage(String),
    Failed(Error),
}

impl From<String> for Stop {
    fn from(what: String) -> Self {
        Self::Damage(what)
    }
}

/// A walk over the records of a file without a summary that can be used.
pub(super) struct Walk<'a> {
    file: &'a StoredFile,
    length: u64,
    bytes: BufReader<std::fs::File>,
    catalog: McapCatalog,
    /// Records outside chunks that hold messages, not yet closed as a segment.
    run: Option<Segment>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(file: &'a StoredFile, length: u64) -> Result<Self> {
        Ok(Self {
            file,
            length,
            bytes: BufReader::new(file.reader()?),
            catalog: McapCatalog {
                counts: Some(BTreeMap::new()),
                ..McapCatalog::default()
            },
            run: None,
        })
    }

    /// Everything up to the end of the data section, or to where it cannot be read on.
    ///
    /// Errors: the file cannot be opened any more.
    pub(super) fn run(mut self) -> Result<McapCatalog> {
        let mut offset = MAGIC_BYTES;
        loop {
            match self.record(offset) {
                Ok(Some(next)) => offset = next,
                Ok(None) => break,
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Damage(what)) => {
                    let item = LossItem::new(&self.file.source, Place::Byte(offset), what);
                    self.catalog.damage.push(item);
                    break;
                }
            }
        }
        self.close_run();
        Ok(self.catalog)
    }

    /// Looks at the record at `offset` and returns the next one's offset, `None` at the footer.
    fn record(&mut self, offset: u64) -> std::result::Result<Option<u64>, Stop> {
        let readable = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "the file ends without a footer, as if cut".to_owned(),
            _ => error.to_string(),
        };
        self.seek(offset).map_err(readable)?;
        let mut opcode = [0];
        self.bytes.read_exact(&mut opcode).map_err(readable)?;
        let body_bytes = read_u64(&mut self.bytes).map_err(readable)?;
        let body_offset = offset + RECORD_HEAD_BYTES;
        let end = body_offset.checked_add(body_bytes);
        let cut = end.is_none_or(|end| end > self.length);
        let [opcode] = opcode;
        let record = Segment {
            is_chunk: opcode == op::CHUNK,
            offset,
            length: RECORD_HEAD_BYTES.saturating_add(body_bytes),
            start_time: u64::MAX,
        };
        match opcode {
            // Only the summary follows.
            op::DATA_END | op::FOOTER => return Ok(None),
            // What is missing of a cut chunk shows when its messages are read.
            op::CHUNK if cut => return self.chunk(record).map(|()| None),
            _ if cut => {
                let what =
                    format!("the file ends inside a record of {body_bytes} bytes, as if cut");
                return Err(what.into());
            }
            op::CHUNK => self.chunk(record)?,
            op::MESSAGE | op::SCHEMA | op::CHANNEL => self.loose(opcode, record)?,
            op::ATTACHMENT => self.extra(ExtraKind::Attachment, &record),
            op::METADATA => self.extra(ExtraKind::Metadata, &record),
            0 => {
                return Err("there is no record here, as if overwritten"
                    .to_owned()
                    .into());
            }
            _ => self.close_run(),
        }
        Ok(end)
    }

    /// A seek inside the buffer keeps the buffer.
    fn seek(&mut self, offset: u64) -> io::Result<()> {
        let position = self.bytes.stream_position()?;
        let distance = i128::from(offset) - i128::from(position);
        match i64::try_from(distance) {
            Ok(distance) => self.bytes.seek_relative(distance),
            Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn extra(&mut self, kind: ExtraKind, record: &Segment) {
        self.close_run();
        self.catalog
            .extras
            .push((kind, record.offset, record.length));
    }

    fn close_run(&mut self) {
        if let Some(run) = self.run.take() {
            self.catalog.segments.push(run);
        }
    }

    /// A chunk, perhaps cut: its schemas and channels are taken, its messages counted.
    fn chunk(&mut self, mut segment: Segment) -> std::result::Result<(), Stop> {
        self.close_run();
        let head = ChunkHead::read(&mut self.bytes)
            .map_err(|error| format!("the head of a chunk cannot be read ({error})"))?;
        segment.start_time = head.start_time;
        segment.length = segment.length.min(self.length - segment.offset);
        let file = self.file.reader().map_err(Stop::Failed)?;
        let catalog = &mut self.catalog;
        // Whatever ends the chunk early is noted when its messages are read.
        if let Ok(mut records) = SegmentRecords::open(file, &segment, self.length) {
            while let Some(Ok(())) = records.next(|opcode, body| match opcode {
                // The head's time may be wrong, and then the chunk would be read too late.
                op::MESSAGE => {
                    catalog.count_message(body);
                    segment.start_time = segment.start_time.min(log_time(body));
                }
                op::SCHEMA | op::CHANNEL => drop(catalog.add(opcode, body)),
                _ => {}
            }) {}
        }
        self.catalog.segments.push(segment);
        Ok(())
    }

    /// A record outside any chunk. Runs of them are read together, up to a modest size.
    fn loose(&mut self, opcode: u8, record: Segment) -> std::result::Result<(), String> {
        const RUN_BYTES: u64 = 1 << 20;
        const MESSAGE_HEAD_BYTES: u64 = 2 + 4 + 8 + 8;
        let body_bytes = record.length - RECORD_HEAD_BYTES;
        if body_bytes > plausible_size(self.length) as u64 {
            return Err(format!("a record claims {body_bytes} bytes"));
        }
        let wanted = match opcode {
            op::MESSAGE => body_bytes.min(MESSAGE_HEAD_BYTES),
            _ => body_bytes,
        };
        let mut body = Vec::new();
        (&mut self.bytes)
            .take(wanted)
            .read_to_end(&mut body)
            .map_err(|error| error.to_string())?;
        if opcode != op::MESSAGE {
            return self
                .catalog
                .add(opcode, &body)
                .map_err(|error| format!("a channel or schema cannot be read ({error})"));
        }
        self.catalog.count_message(&body);
        let end = record.offset + record.length;
        if self
            .run
            .as_ref()
            .is_some_and(|run| end - run.offset > RUN_BYTES)
        {
            self.close_run();
        }
        let run = self.run.get_or_insert(record);
        run.length = end - run.offset;
        run.start_time = run.start_time.min(log_time(&body));
        Ok(())
    }
}
