//! The record of one message.

use bytes::Bytes;
use mcap::records::{Record, op};

use super::record;
use super::segment::read_u64;
use crate::storage::StoredMessage;

/// `None` for a record that is no message.
pub(super) fn stored_message(
    opcode: u8,
    body: &[u8],
) -> std::result::Result<Option<StoredMessage>, String> {
    if opcode != op::MESSAGE {
        return Ok(None);
    }
    let (header, data) = match record::parse(opcode, body) {
        Ok(Record::Message { header, data }) => (header, data),
        Ok(_) => return Ok(None),
        Err(error) => return Err(format!("a message cannot be read ({error})")),
    };
    let log_time_nanos = i64::try_from(header.log_time)
        .map_err(|_| format!("a message's log time of {} ns is no time", header.log_time))?;
    Ok(Some(StoredMessage {
        channel: header.channel_id.into(),
        log_time_nanos,
        // Some recorders write an unknown time as all ones: the bits are kept as they are.
        publish_time_nanos: header.publish_time.cast_signed(),
        sequence: header.sequence,
        data: Bytes::copy_from_slice(data.as_ref()),
        chunk: None,
    }))
}

/// The log time in a message record's body, 0 if that is cut.
pub(super) fn log_time(body: &[u8]) -> u64 {
    let field = body.get(6..14);
    field
        .and_then(|mut bytes| read_u64(&mut bytes).ok())
        .unwrap_or(0)
}
