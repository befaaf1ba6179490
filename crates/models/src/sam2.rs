//! SAM 2.1 (arXiv 2408.00714): which pixels are an object's, from a box around it; in a video also in every frame that
//! follows, by what is remembered of those before. From checkpoints in the Hugging Face layout.
//!
//! The way of a frame is that of the paper's Figure 3: image encoder (`hiera`, `neck`), memory attention over what the
//! memory bank (`video`) holds, prompt encoder, mask decoder, and the memory encoder, which fills the bank.

mod config;
mod hiera;
mod layers;
mod mask_decoder;
mod memory_attention;
mod memory_bank;
mod memory_encoder;
mod neck;
mod network;
mod processor;
mod prompt_encoder;
mod segmenter;
mod tracker;
mod video;

pub use mask_decoder::Masks;
pub use network::{ImageTrace, Prompt, Sam2};
pub use segmenter::{Segmented, Segmenter};
pub use tracker::FrameTrace;
pub use video::{Followed, ObjectId, Video};
