//! Digests, as they are written: two digits a byte.

use sha2::{Digest, Sha256};

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The beginning of a digest as a number: the same draw for the same thing, whatever else is drawn.
pub fn seed(digest: &[u8]) -> u64 {
    let first = digest.iter().take(8);
    first.fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// Bytes in words of two digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
