//! rosbag2's own compression, and how far what is stored may be trusted to unpack.

/// rosbag2's own compression, apart from the compression that MCAP has inside its chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// As MCAP or sqlite3 has it.
    #[default]
    None,
    /// Each file was compressed as a whole after recording.
    File,
    /// Each message was compressed on its own.
    Message,
}

/// What everything that zstd packed begins with.
pub(crate) const ZSTD_MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// The most that something stored in `stored_bytes` may reasonably unpack to. It bounds what a
/// forged length can make the reader allocate: 64 times its size, within 64 MiB and 1 GiB.
pub(crate) fn plausible_size(stored_bytes: u64) -> usize {
    const MIB: u64 = 1 << 20;
    let bytes = stored_bytes.saturating_mul(64).clamp(64 * MIB, 1024 * MIB);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
