//! Stands in for decoding video in a build without the feature `video`: whoever has a recording of it learns how to get
//! it.

use spatial_reward_core::video::VideoDecoders;

/// None, each with the reason.
pub(crate) fn decoders() -> VideoDecoders {
    VideoDecoders::new(|_| {
        Err(
            "video is not in this build: it needs FFmpeg. Run scripts/setup --video, then build with \
             `. scripts/env.sh && cargo build --release --features video`; or name another topic with --image-topic"
                .into(),
        )
    })
}
