//! Whether a part's tensors fit into the memory that is free, asked before the first is read: Linux
//! hands out memory it does not have and then kills the process, which could say nothing any more.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// # Errors
/// `Error::NoMemory` if this machine says that fewer than `needed_bytes` are free.
pub(super) fn check(folder: &Path, needed_bytes: u64) -> Result<()> {
    // A system without this file is left to its allocator's own answer.
    let available = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available_bytes(&text));
    match available {
        Some(free_bytes) if free_bytes < needed_bytes => Err(Error::NoMemory {
            path: folder.into(),
            needed_bytes,
            free_bytes,
        }),
        _ => Ok(()),
    }
}

/// Memory and swap that could be had, from the text of `/proc/meminfo`.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let kibibytes = |key: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let memory = kibibytes("MemAvailable:")?;
    let swap = kibibytes("SwapFree:").unwrap_or(0);
    memory.checked_add(swap)?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::available_bytes;

    #[test]
    fn free_swap_counts_as_memory() {
        let text = "MemTotal: 900 kB\nMemAvailable:     100 kB\nSwapFree:  20 kB\n";
        assert_eq!(available_bytes(text), Some(120 * 1024));
    }

    #[test]
    fn a_system_that_does_not_say_is_not_guessed_at() {
        assert_eq!(available_bytes("MemTotal: 900 kB\n"), None);
        assert_eq!(available_bytes("MemAvailable: many kB\n"), None);
    }
}
