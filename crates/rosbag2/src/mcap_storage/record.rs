//! Parsing a record whose texts claim no more bytes than it has. The `mcap` crate takes a text's
//! length at its word and allocates up to 4 GiB for it before it looks at the bytes.

use mcap::records::{Record, op};
use mcap::{McapError, McapResult};

pub(super) fn parse(opcode: u8, body: &[u8]) -> McapResult<Record<'_>> {
    if claims_fit(opcode, body).is_none() {
        return Err(McapError::UnexpectedEof);
    }
    mcap::parse_record(opcode, body)
}

/// `None` if a text or a map in the record would reach beyond its end.
fn claims_fit(opcode: u8, mut body: &[u8]) -> Option<()> {
    let rest = &mut body;
    match opcode {
        op::SCHEMA => {
            skip(rest, 2)?;
            skip_sized(rest)?;
            skip_sized(rest)?;
        }
        op::CHANNEL => {
            skip(rest, 4)?;
            skip_sized(rest)?;
            skip_sized(rest)?;
            skip_map(rest)?;
        }
        op::CHUNK_INDEX => {
            skip(rest, 32)?;
            skip_sized(rest)?;
            skip(rest, 8)?;
            skip_sized(rest)?;
        }
        op::ATTACHMENT_INDEX => {
            skip(rest, 40)?;
            skip_sized(rest)?;
            skip_sized(rest)?;
        }
        op::METADATA_INDEX => {
            skip(rest, 16)?;
            skip_sized(rest)?;
        }
        op::METADATA => {
            skip_sized(rest)?;
            skip_map(rest)?;
        }
        _ => {}
    }
    Some(())
}

fn skip<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (skipped, left) = rest.split_at_checked(bytes)?;
    *rest = left;
    Some(skipped)
}

/// A 32-bit length and as many bytes.
fn skip_sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = skip(rest, 4)?.try_into().ok().map(u32::from_le_bytes)?;
    skip(rest, usize::try_from(length).ok()?)
}

/// A map from text to text.
fn skip_map(rest: &mut &[u8]) -> Option<()> {
    let mut entries = skip_sized(rest)?;
    while !entries.is_empty() {
        skip_sized(&mut entries)?;
        skip_sized(&mut entries)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Vec<u8> {
        let length = (text.len() as u32).to_le_bytes();
        [&length, text.as_bytes()].concat()
    }

    fn sized(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_le_bytes(), bytes].concat()
    }

    #[test]
    fn a_length_of_four_gigabytes_in_any_place_was_allocated() {
        let entries = [text("key"), text("value")].concat();
        let records = [
            (
                op::SCHEMA,
                [&[1, 0][..], &text("a/b"), &text("ros2msg"), &sized(b"x")].concat(),
            ),
            (
                op::CHANNEL,
                [&[0; 4][..], &text("/t"), &text("cdr"), &sized(&entries)].concat(),
            ),
            (
                op::CHUNK_INDEX,
                [
                    &[0; 32][..],
                    &sized(&[0; 10]),
                    &[0; 8],
                    &text("zstd"),
                    &[0; 16],
                ]
                .concat(),
            ),
            (
                op::ATTACHMENT_INDEX,
                [&[0; 40][..], &text("a"), &text("b")].concat(),
            ),
            (op::METADATA_INDEX, [&[0; 16][..], &text("a")].concat()),
            (op::METADATA, [text("a"), sized(&entries)].concat()),
        ];
        for (opcode, body) in records {
            assert!(parse(opcode, &body).is_ok(), "opcode {opcode}");
            let lengths = (0..body.len().saturating_sub(3))
                .filter(|&at| matches!(body[at..at + 4], [1..=40, 0, 0, 0]));
            for at in lengths {
                let mut forged = body.clone();
                forged[at + 3] = 0xFF;
                // The definition of a schema is borrowed from the record, never allocated.
                let is_definition = opcode == op::SCHEMA && at + 5 == body.len();
                assert_eq!(claims_fit(opcode, &forged).is_some(), is_definition, "{at}");
                assert!(parse(opcode, &forged).is_err(), "opcode {opcode}, {at}");
            }
        }
    }
}
