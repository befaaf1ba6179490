//! A mask as the commands know it, whether or not this build has a network that finds some.

use spatial_reward_core::imaging::Mask;

/// Which pixels are an object's.
pub(crate) struct FoundMask {
    /// None of them where it is not seen.
    pub mask: Mask,
    /// How well it is expected to fit, 0 to 1.
    pub score: f64,
    /// In a video, above 0 where the object is seen.
    pub object_score: Option<f64>,
}
