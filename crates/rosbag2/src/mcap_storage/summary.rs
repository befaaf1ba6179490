//! What an MCAP file says about itself in the summary at its end, if that is whole and believable;
//! else the file is walked through.

use std::io::{self, Read, Seek, SeekFrom};

use mcap::records::op;

use super::catalog::McapCatalog;
use super::segment::{MAGIC_BYTES, RECORD_HEAD_BYTES, SegmentRecords, read_u64};
use super::walk::Walk;
use crate::error::Result;
use crate::stored_file::StoredFile;

/// The catalog of a file. Damage is no error: it is noted, and what can be found stands in the catalog.
pub(crate) fn read_catalog(file: &StoredFile) -> Result<McapCatalog> {
    let length = file.len()?;
    match from_summary(file, length)? {
        Ok(catalog) => Ok(catalog),
        Err(reason) => {
            tracing::debug!(file = %file.source.display(), reason, "walking through the file");
            Walk::new(file, length)?.run()
        }
    }
}

/// The inner error says why the summary cannot be used.
fn from_summary(
    file: &StoredFile,
    length: u64,
) -> Result<std::result::Result<McapCatalog, String>> {
    let offset = match summary_offset(file.reader()?, length) {
        Ok(Some(offset)) => offset,
        Ok(None) => return Ok(Err("it has no summary".to_owned())),
        Err(error) => return Ok(Err(format!("its footer cannot be read ({error})"))),
    };
    let mut catalog = McapCatalog::default();
    let mut records = match SegmentRecords::open_summary(file.reader()?, offset, length) {
        Ok(records) => records,
        Err(error) => return Ok(Err(error.to_string())),
    };
    while let Some(record) = records.next(|opcode, body| catalog.add(opcode, body)) {
        if let Err(error) | Ok(Err(error)) = record {
            return Ok(Err(format!("its summary is damaged ({error})")));
        }
    }
    Ok(believe(&mut catalog, offset).map(|()| catalog))
}

/// Checks that a summary which ends the data section at `end` can stand for the whole file, and takes
/// the numbers of messages from it.
fn believe(catalog: &mut McapCatalog, end: u64) -> std::result::Result<(), String> {
    let statistics = catalog.statistics.as_ref().ok_or("it has no statistics")?;
    if catalog.definitions.channels.len() as u64 != u64::from(statistics.channel_count)
        || catalog.definitions.channels.values().any(|channel| {
            channel.schema_id != 0 && !catalog.definitions.schemas.contains_key(&channel.schema_id)
        })
    {
        return Err("its summary does not repeat the channels and schemas".to_owned());
    }
    if catalog.segments.len() as u64 != u64::from(statistics.chunk_count)
        || (catalog.segments.is_empty() && statistics.message_count > 0)
    {
        return Err("its summary has no index of the messages".to_owned());
    }
    if statistics.message_count == 0 && !catalog.segments.is_empty() {
        return Err("its statistics count no message, though it has chunks".to_owned());
    }
    catalog.segments.sort_by_key(|segment| segment.offset);
    let mut free_from = MAGIC_BYTES;
    for segment in &catalog.segments {
        let segment_end = segment.offset.checked_add(segment.length);
        if segment.offset < free_from || segment_end.is_none_or(|segment_end| segment_end > end) {
            return Err("its index points outside the file or twice at one place".to_owned());
        }
        free_from = segment.offset + segment.length;
    }
    let counts = &statistics.channel_message_counts;
    let counted = counts
        .values()
        .try_fold(0_u64, |sum, count| sum.checked_add(*count));
    catalog.counts = (counted == Some(statistics.message_count)).then(|| counts.clone());
    catalog.times = (statistics.message_count > 0)
        .then_some((statistics.message_start_time, statistics.message_end_time));
    Ok(())
}

/// Where the record that ends the data section begins; the summary follows it. `None` if the file
/// was finished without a summary.
fn summary_offset(mut file: std::fs::File, length: u64) -> io::Result<Option<u64>> {
    const FOOTER_BYTES: u64 = RECORD_HEAD_BYTES + 8 + 8 + 4;
    const DATA_END_BYTES: u64 = RECORD_HEAD_BYTES + 4;
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let footer_offset = length
        .checked_sub(FOOTER_BYTES + MAGIC_BYTES)
        .ok_or_else(|| invalid("the file is too short"))?;
    file.seek(SeekFrom::Start(footer_offset))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    if !end.ends_with(mcap::MAGIC) || end.first() != Some(&op::FOOTER) {
        return Err(invalid("the file does not end as MCAP does"));
    }
    let body = end.get(RECORD_HEAD_BYTES as usize..).unwrap_or_default();
    let summary_start = read_u64(&mut &*body)?;
    if summary_start == 0 {
        return Ok(None);
    }
    match summary_start.checked_sub(DATA_END_BYTES) {
        Some(offset) if offset >= MAGIC_BYTES && summary_start <= footer_offset => Ok(Some(offset)),
        _ => Err(invalid("the footer points outside the file")),
    }
}
