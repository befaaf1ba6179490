//! A compressed chunk read in one piece. Where everything in it is as it should be, a copy of the bag
//! can take the chunk over without compressing it again; every other chunk is read record by record.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use binrw::BinRead;
use mcap::records::{ChunkHeader, MessageIndexEntry, Record, op};

use super::message::stored_message;
use super::record;
use super::segment::{RECORD_HEAD_BYTES, Segment};
use crate::compression::ZSTD_MAGIC;
use crate::kept::{Definitions, WholeChunk};
use crate::storage::StoredMessage;

/// Larger chunks are read record by record, so that only their messages are held in memory.
const LARGEST_BYTES: u64 = 16 << 20;

/// Unpacks chunks, with working memory that serves them all.
pub(super) struct ChunkReader {
    decompressor: zstd::bulk::Decompressor<'static>,
    unpacked: Vec<u8>,
}

impl ChunkReader {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            decompressor: zstd::bulk::Decompressor::new()?,
            unpacked: Vec::new(),
        })
    }

    /// The messages of a chunk in the order of the file, each with the chunk that it comes from.
    /// `None` for a chunk that is damaged, large, not compressed with zstd, or else not fit to be
    /// taken over by a copy: it is to be read record by record.
    pub(super) fn read(
        &mut self,
        file: &mut File,
        segment: &Segment,
        definitions: &Definitions,
    ) -> Option<Vec<StoredMessage>> {
        if !segment.is_chunk || segment.length > LARGEST_BYTES {
            return None;
        }
        file.seek(SeekFrom::Start(segment.offset)).ok()?;
        let mut bytes = vec![0; usize::try_from(segment.length).ok()?];
        file.read_exact(&mut bytes).ok()?;
        let (head, body) = bytes.split_at_checked(RECORD_HEAD_BYTES as usize)?;
        let body_bytes = (body.len() as u64).to_le_bytes();
        if head.split_first() != Some((&op::CHUNK, &body_bytes)) {
            return None;
        }
        let (header, compressed) = split_chunk(body)?;
        if header.compression != "zstd" || header.uncompressed_size > LARGEST_BYTES {
            return None;
        }
        self.unpacked.clear();
        self.unpacked
            .reserve(usize::try_from(header.uncompressed_size).ok()?);
        let unpacked = self
            .decompressor
            .decompress_to_buffer(compressed, &mut self.unpacked);
        if unpacked.ok()? as u64 != header.uncompressed_size {
            return None;
        }
        // A checksum of 0 says that there is none.
        let has_checksum = header.uncompressed_crc != 0;
        if has_checksum && crc32fast::hash(&self.unpacked) != header.uncompressed_crc {
            return None;
        }
        let mut chunk = WholeChunk {
            offset: segment.offset,
            header,
            compressed: compressed.to_vec(),
            index: BTreeMap::new(),
            channels: BTreeSet::new(),
            schemas: BTreeSet::new(),
        };
        let mut messages = chunk.take_records(&self.unpacked, definitions)?;
        let chunk = Arc::new(chunk);
        for message in &mut messages {
            message.chunk = Some(Arc::clone(&chunk));
        }
        Some(messages)
    }
}

impl WholeChunk {
    /// `None` if a record is damaged, contradicts the file's definitions, or is of another kind.
    fn take_records(
        &mut self,
        unpacked: &[u8],
        definitions: &Definitions,
    ) -> Option<Vec<StoredMessage>> {
        let mut messages = Vec::new();
        let mut rest = unpacked;
        while !rest.is_empty() {
            let offset = (unpacked.len() - rest.len()) as u64;
            let (&opcode, behind) = rest.split_first()?;
            let (&length, behind) = behind.split_first_chunk()?;
            let length = usize::try_from(u64::from_le_bytes(length)).ok()?;
            let (body, behind) = behind.split_at_checked(length)?;
            rest = behind;
            if opcode != op::MESSAGE {
                self.take_definition(opcode, body, definitions)?;
                continue;
            }
            let message = stored_message(opcode, body).ok()??;
            let channel_id = u16::try_from(message.channel).ok()?;
            let channel = definitions.channels.get(&channel_id)?;
            // Message compression: it comes out unpacked, and so it goes into the copy.
            if message.data.starts_with(&ZSTD_MAGIC) {
                return None;
            }
            self.channels.insert(channel_id);
            self.schemas.insert(channel.schema_id);
            self.index
                .entry(channel_id)
                .or_default()
                .push(MessageIndexEntry {
                    log_time: u64::try_from(message.log_time_nanos).ok()?,
                    offset,
                });
            messages.push(message);
        }
        Some(messages)
    }

    fn take_definition(
        &mut self,
        opcode: u8,
        body: &[u8],
        definitions: &Definitions,
    ) -> Option<()> {
        match record::parse(opcode, body).ok()? {
            Record::Channel(channel) => {
                self.channels.insert(channel.id);
                (definitions.channels.get(&channel.id)? == &channel).then_some(())
            }
            Record::Schema { header, data } => {
                self.schemas.insert(header.id);
                let known = definitions.schemas.get(&header.id)?;
                let is_same = known.name == header.name
                    && known.encoding == header.encoding
                    && known.data == *data;
                is_same.then_some(())
            }
            _ => None,
        }
    }
}

/// The header of a chunk record's body and its compressed records, if their lengths agree.
fn split_chunk(body: &[u8]) -> Option<(ChunkHeader, &[u8])> {
    // The name of the compression is the only text; it stands behind three times and a checksum.
    const NAME_AT: usize = 8 + 8 + 8 + 4;
    const LONGEST_NAME: u32 = 64;
    let name_bytes = body.get(NAME_AT..)?.first_chunk().copied();
    if name_bytes.map(u32::from_le_bytes)? > LONGEST_NAME {
        return None;
    }
    let mut reader = std::io::Cursor::new(body);
    let header = ChunkHeader::read_le(&mut reader).ok()?;
    let compressed = body.get(usize::try_from(reader.position()).ok()?..)?;
    (compressed.len() as u64 == header.compressed_size).then_some((header, compressed))
}
