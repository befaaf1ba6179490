//! What a checkpoint's JSON files say about the network's shape. The names are those of the files:
//! the top `config.json`, and a `config.json` in each of the folders `llm/`, `vision_tower/`,
//! `mm_projector/` and `region_extractor/`. What this program does not implement is refused by name.

mod check;
mod files;
mod network;
mod read;
mod trained;

pub use files::{
    LlamaConfig, OneOrMany, ProjectorKind, RopeScaling, TopConfig, VisionConfig, VisionFamily,
};
pub use network::ModelConfig;
pub use trained::Trained;

pub(super) use files::{QuantizationConfig, read_json, write_json};
pub(super) use trained::is_same_question;
