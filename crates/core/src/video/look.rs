//! What is read off a packet's first bytes, whatever the codec.

/// What a packet is, as far as its headers and the sender's count tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// It holds one, or part of one.
    pub has_picture: bool,
    /// Decoding can begin with it.
    pub is_keyframe: bool,
    /// One before it is missing.
    pub is_gap: bool,
    /// Why it is nothing of its codec's.
    pub is_other: Option<&'static str>,
}
