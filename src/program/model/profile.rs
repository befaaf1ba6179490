//! What the vision-language model is as an estimator; the same in a build that has it and in one that has not.

use spatial_reward_core::estimator::Profile;
use spatial_reward_core::frame::DistanceKind;
use spatial_reward_core::settings::{DepthScale, RelativeDepth};

/// The model's profile.
pub(super) const PROFILE: Profile = Profile {
    name: "spatialrgpt",
    distance: DistanceKind::Cloud,
    needs_depth: |source| source == RelativeDepth::Camera,
    needs_camera_info: false,
    is_ordered: |scale| scale == DepthScale::Episode,
    queue_frames: 1,
};
