//! `config.json` of SAM 2.1 in the Hugging Face layout: read, and checked at the door, so that the network can rely on
//! every number. What is listed only for training is not read.
//!
//! In transformers 5.24.0: models/sam2/configuration_sam2.py and models/sam2_video/configuration_sam2_video.py.

mod check;
mod file;
mod heads;
mod memory;
mod vision;

pub(super) use check::Activation;
pub(super) use file::Sam2Config;
pub(super) use heads::{MaskDecoderConfig, PromptEncoderConfig};
pub(super) use memory::MemoryConfig;
pub(super) use vision::{BlockConfig, HieraConfig, VisionConfig};
