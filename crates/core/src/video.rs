//! Video: pictures that are compressed as changes to those before them. What a packet is (a keyframe, or the one that
//! follows the last) is read off its first bytes here; decoding is somebody else's, who registers.

mod annex_b;
mod av1;
mod bits;
mod decoder;
mod h264;
mod look;
mod sequence;
mod stream;
mod vp9;

pub use crate::messages::{Codec, VideoPacket};
pub use crate::no_video_picture::NoVideoPicture;
pub use decoder::{MAX_PIXELS, VideoDecoder, VideoDecoders};
pub use stream::{Keyframes, VideoStream};
