//! What is known of an estimator before it is loaded.

use crate::frame::DistanceKind;
use crate::settings::{DepthScale, RelativeDepth};

/// What settings have to know of an estimator that they name.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// As `estimator.kind` names it.
    pub name: &'static str,
    /// What is rewarded where the settings do not say.
    pub distance: DistanceKind,
    /// Whether a frame without depth cannot be measured, by where the settings take relative depth from.
    pub needs_depth: fn(RelativeDepth) -> bool,
    /// Whether nothing can be measured without the camera's intrinsics.
    pub needs_camera_info: bool,
    /// Whether what it says of a frame depends on those before, by what the settings take for black and white.
    pub is_ordered: fn(DepthScale) -> bool,
    /// Frames that may wait for it in a live node, where the settings do not say: a few where measuring takes
    /// milliseconds and messages come in bursts, one where each would add the better part of a second to the next
    /// one's age.
    pub queue_frames: usize,
}

impl Profile {
    /// Of measuring in the depth image.
    pub const GEOMETRY: Self = Self {
        name: "geometry",
        distance: DistanceKind::Surface,
        needs_depth: |_| true,
        needs_camera_info: true,
        is_ordered: |_| false,
        queue_frames: 4,
    };
}
