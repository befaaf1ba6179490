//! Memory for what is read over and over.

use bytemuck::{cast_slice, cast_slice_mut};
use memmap2::MmapMut;

use super::sixteen::STEP;

/// Bytes in large pages where the system has them, which read a fifth faster.
#[derive(Debug)]
pub(super) enum Memory {
    Large(MmapMut),
    /// Where it maps none, or it is not worth it.
    Own(Vec<u64>),
}

impl Memory {
    /// So many bytes, all zero.
    pub(super) fn zeros(bytes: usize) -> Self {
        let Ok(memory) = MmapMut::map_anon(bytes.max(1)) else {
            return Self::Own(vec![0; bytes.div_ceil(8)]);
        };
        #[cfg(target_os = "linux")]
        // Small pages do as well.
        let _ = memory.advise(memmap2::Advice::HugePage);
        Self::Large(memory)
    }

    /// The same for what is soon let go.
    pub(super) fn for_a_while(bytes: usize) -> Self {
        Self::Own(vec![0; bytes.div_ceil(8)])
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Large(memory) => memory,
            Self::Own(words) => cast_slice(words),
        }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Large(memory) => memory,
            Self::Own(words) => cast_slice_mut(words),
        }
    }

    pub(super) fn steps(&self) -> &[[u8; STEP]] {
        self.bytes().as_chunks().0
    }
}
