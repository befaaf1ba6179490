//! A stretch of an MCAP file that is read as a whole - a chunk, or a run of records between
//! chunks - and the records in it, one at a time, with their chunk unpacked.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take};

use mcap::McapError;
use mcap::records::op;
use mcap::sans_io::linear_reader::{LinearReadEvent, LinearReader, LinearReaderOptions};

use crate::compression::plausible_size;

/// The file's first bytes, in front of its first record.
pub(super) const MAGIC_BYTES: u64 = mcap::MAGIC.len() as u64;

/// Opcode and length in front of each record.
pub(super) const RECORD_HEAD_BYTES: u64 = 9;

/// Where a stretch of whole records lies, and when its messages begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// One chunk, not a run of messages outside of chunks.
    pub is_chunk: bool,
    pub offset: u64,
    pub length: u64,
    /// Log time of its first message.
    pub start_time: u64,
}

/// The records of one segment.
pub(super) struct SegmentRecords {
    reader: LinearReader,
    bytes: Take<BufReader<File>>,
}

impl SegmentRecords {
    /// `file_length` bounds how much a forged length can make this allocate.
    pub(super) fn open(mut file: File, segment: &Segment, file_length: u64) -> io::Result<Self> {
        if segment.is_chunk {
            check_chunk(&mut file, segment, file_length)?;
        }
        let options = LinearReaderOptions::default()
            .with_skip_end_magic(true)
            .with_validate_chunk_crcs(true);
        Self::with_options(file, segment.offset, segment.length, file_length, options)
    }

    /// The summary section, led by the record that ends the data section, with its checksum.
    pub(super) fn open_summary(file: File, offset: u64, file_length: u64) -> io::Result<Self> {
        let options = LinearReaderOptions::default().with_validate_summary_section_crc(true);
        let length = file_length.saturating_sub(offset);
        Self::with_options(file, offset, length, file_length, options)
    }

    fn with_options(
        file: File,
        offset: u64,
        length: u64,
        file_length: u64,
        options: LinearReaderOptions,
    ) -> io::Result<Self> {
        const READ_AHEAD_BYTES: usize = 64 * 1024;
        let mut bytes = BufReader::with_capacity(READ_AHEAD_BYTES, file);
        bytes.seek(SeekFrom::Start(offset))?;
        let options = options
            .with_skip_start_magic(true)
            .with_record_length_limit(plausible_size(file_length));
        Ok(Self {
            reader: LinearReader::new_with_options(options),
            bytes: bytes.take(length),
        })
    }

    /// Shows the next record's opcode and body to `visit`; `None` where the segment ends as it
    /// should. After an error nothing more comes out.
    pub(super) fn next<T>(
        &mut self,
        visit: impl FnOnce(u8, &[u8]) -> T,
    ) -> Option<Result<T, McapError>> {
        loop {
            match self.reader.next_event()? {
                Ok(LinearReadEvent::Record { opcode, data }) => {
                    return Some(Ok(visit(opcode, data)));
                }
                Ok(LinearReadEvent::ReadRequest(wanted)) => {
                    if let Err(error) = feed(&mut self.reader, &mut self.bytes, wanted) {
                        return Some(Err(error.into()));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Checks that the segment is one chunk whose lengths agree. (Records behind the end of an
/// uncompressed chunk's data, in padding that nobody writes, would upset the `mcap` crate.)
fn check_chunk(file: &mut File, segment: &Segment, file_length: u64) -> io::Result<()> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    file.seek(SeekFrom::Start(segment.offset))?;
    let mut head = BufReader::with_capacity(256, file);
    let mut opcode = [0];
    head.read_exact(&mut opcode)?;
    let body_bytes = read_u64(&mut head)?;
    let length = body_bytes.saturating_add(RECORD_HEAD_BYTES);
    let is_cut = segment.offset.saturating_add(length) > file_length;
    if opcode != [op::CHUNK] || (length != segment.length && !is_cut) {
        return Err(invalid(
            "there is no chunk of the size that the index gives",
        ));
    }
    if ChunkHead::read(&mut head)?.body_bytes != body_bytes {
        return Err(invalid("the lengths in the chunk contradict each other"));
    }
    Ok(())
}

/// Meets a request for bytes in blocks: it can be as large as a forged length, and memory is to
/// grow only with bytes that are there. At the end of the bytes the reader is told so.
fn feed(reader: &mut LinearReader, bytes: &mut impl Read, wanted: usize) -> io::Result<()> {
    const BLOCK_BYTES: usize = 1 << 20;
    let block = reader.insert(wanted.min(BLOCK_BYTES));
    let count = loop {
        match bytes.read(block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    reader.notify_read(count);
    Ok(())
}

/// The fields of a chunk record that lie in front of its compressed records.
pub(super) struct ChunkHead {
    pub start_time: u64,
    /// Bytes of the record's body, had it no padding.
    pub body_bytes: u64,
}

impl ChunkHead {
    /// Reads the head from the start of a chunk record's body.
    pub(super) fn read(body: &mut impl Read) -> io::Result<Self> {
        const FIXED_BYTES: u64 = 8 + 8 + 8 + 4 + 4 + 8;
        const LONGEST_NAME: u32 = 64;
        let start_time = read_u64(body)?;
        let _end_time = read_u64(body)?;
        let _uncompressed_size = read_u64(body)?;
        let _uncompressed_crc = read_u32(body)?;
        let name_bytes = read_u32(body)?;
        if name_bytes > LONGEST_NAME {
            return Err(io::ErrorKind::InvalidData.into());
        }
        io::copy(&mut body.take(name_bytes.into()), &mut io::sink())?;
        let compressed_size = read_u64(body)?;
        Ok(Self {
            start_time,
            body_bytes: (FIXED_BYTES + u64::from(name_bytes)).saturating_add(compressed_size),
        })
    }
}

pub(super) fn read_u64(bytes: &mut impl Read) -> io::Result<u64> {
    let mut field = [0; 8];
    bytes.read_exact(&mut field)?;
    Ok(u64::from_le_bytes(field))
}

pub(super) fn read_u32(bytes: &mut impl Read) -> io::Result<u32> {
    let mut field = [0; 4];
    bytes.read_exact(&mut field)?;
    Ok(u32::from_le_bytes(field))
}
