//! Why a packet of a video has no picture: a leaf, because errors carry it and videos make it.

/// Why a packet of a video has no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoVideoPicture {
    /// The pictures that it changes were not recorded.
    #[error("a packet of the video comes before the first keyframe")]
    BeforeKeyframe,
    /// In the decoder's words.
    #[error("a packet of the video is damaged: {0}")]
    Damaged(String),
    /// What it changes is not known.
    #[error(
        "a packet of the video is missing or damaged, and until the next keyframe there is no picture"
    )]
    AfterDamage,
}
