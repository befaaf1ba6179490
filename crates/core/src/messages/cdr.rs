//! From a serialized ROS 2 message to a Rust struct: the encapsulation header in front, the CDR
//! body by `re_cdr`, and a look at what is left over, which betrays another layout.

use re_cdr::{BigEndian, LittleEndian};
use serde::Deserialize;

use crate::error::{Error, Result};

/// Bytes of the encapsulation header: representation id (2, big endian) and options (2).
const ENCAPSULATION_BYTES: usize = 4;

/// Writers pad a message to a multiple of 4 or 8 bytes. As much as one more `float64` is no padding.
const MAX_PADDING_BYTES: usize = 7;

/// Decodes a whole message: encapsulation header, then `T`, then at most some padding.
///
/// Strings and byte sequences of `T` may borrow from `bytes`. Lengths are checked against what is
/// there before anything is allocated, so a hostile length costs no memory.
///
/// # Errors
/// `Error::Decode` for an encapsulation other than plain CDR, a message that ends early, or one
/// that is longer than `T`.
pub fn decode<'a, T: Deserialize<'a>>(type_name: &str, bytes: &'a [u8]) -> Result<T> {
    let (value, left_over) = decode_prefix(type_name, bytes)?;
    if left_over > MAX_PADDING_BYTES {
        return Err(Error::decode(
            type_name,
            format!(
                "{left_over} of {} bytes are left after the last field: \
                 the message has another layout than its type says",
                bytes.len()
            ),
        ));
    }
    Ok(value)
}

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    BigEndian,
    LittleEndian,
}

impl ByteOrder {
    pub(super) const OF_THIS_MACHINE: Self = match cfg!(target_endian = "big") {
        true => Self::BigEndian,
        false => Self::LittleEndian,
    };
}

/// What follows the encapsulation header, and its byte order.
///
/// # Errors
/// `Error::Decode` for an encapsulation other than plain CDR.
pub(super) fn body<'a>(type_name: &str, bytes: &'a [u8]) -> Result<(ByteOrder, &'a [u8])> {
    let (encapsulation, body) =
        bytes
            .split_first_chunk::<ENCAPSULATION_BYTES>()
            .ok_or_else(|| {
                Error::decode(
                    type_name,
                    format!(
                        "the message has {} bytes, too few for the encapsulation header of {ENCAPSULATION_BYTES}",
                        bytes.len()
                    ),
                )
            })?;
    let [high, low, _, _] = *encapsulation;
    match (high, low) {
        (0x00, 0x00) => Ok((ByteOrder::BigEndian, body)),
        (0x00, 0x01) => Ok((ByteOrder::LittleEndian, body)),
        _ => Err(unsupported_encapsulation(type_name, high, low)),
    }
}

/// Decodes the `T` that a message begins with; also says how many bytes follow it.
pub(super) fn decode_prefix<'a, T: Deserialize<'a>>(
    type_name: &str,
    bytes: &'a [u8],
) -> Result<(T, usize)> {
    let (order, body) = body(type_name, bytes)?;
    let decoded = match order {
        ByteOrder::BigEndian => re_cdr::from_bytes::<T, BigEndian>(body),
        ByteOrder::LittleEndian => re_cdr::from_bytes::<T, LittleEndian>(body),
    };
    let (value, consumed) = decoded.map_err(|error| {
        Error::decode(
            type_name,
            format!(
                "{error} in a message of {} bytes: it is cut short or has another layout than its type says",
                bytes.len()
            ),
        )
    })?;
    Ok((value, body.len() - consumed))
}

fn unsupported_encapsulation(type_name: &str, high: u8, low: u8) -> Error {
    let name = match (high, low) {
        (0x00, 0x02) => "PL_CDR_BE",
        (0x00, 0x03) => "PL_CDR_LE",
        (0x00, 0x06) => "CDR2_BE (XCDR2)",
        (0x00, 0x07) => "CDR2_LE (XCDR2)",
        (0x00, 0x08) => "D_CDR2_BE (XCDR2)",
        (0x00, 0x09) => "D_CDR2_LE (XCDR2)",
        (0x00, 0x0a) => "PL_CDR2_BE (XCDR2)",
        (0x00, 0x0b) => "PL_CDR2_LE (XCDR2)",
        _ => "unknown",
    };
    Error::decode(
        type_name,
        format!(
            "its encapsulation is {name} (0x{high:02x}{low:02x}); only CDR_BE (0x0000) and CDR_LE (0x0001) are read"
        ),
    )
}

/// Encodes `value` as little-endian CDR behind its encapsulation header.
pub fn encode<T: serde::Serialize>(type_name: &str, value: &T) -> Result<Vec<u8>> {
    let body = re_cdr::to_vec::<T, LittleEndian>(value)
        .map_err(|error| Error::decode(type_name, format!("cannot be encoded: {error}")))?;
    let mut bytes = Vec::with_capacity(ENCAPSULATION_BYTES + body.len());
    bytes.extend_from_slice(&[0x00, 0x01, 0x00, 0x00]);
    bytes.extend_from_slice(&body);
    Ok(bytes)
}
