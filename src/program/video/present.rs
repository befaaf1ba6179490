//! The door to video (feature `video`).

pub(crate) use spatial_reward_video::decoders;
