//! The network's shape as all files together give it.

use std::path::PathBuf;

use super::files::{
    LlamaConfig, ProjectorKind, QuantizationConfig, TopConfig, VisionConfig, VisionFamily,
    unsupported,
};
use crate::error::Error;

/// The whole checkpoint's configuration.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Where it was read.
    pub folder: PathBuf,
    /// `config.json`.
    pub top: TopConfig,
    /// `llm/config.json`.
    pub llm: LlamaConfig,
    /// `vision_tower/config.json`.
    pub vision_tower: VisionConfig,
    /// Its `model_type`.
    pub vision_family: VisionFamily,
    /// `mm_projector/config.json`.
    pub mm_projector: ProjectorKind,
    /// Stop tokens that `llm/generation_config.json` names; `llm/config.json`'s otherwise.
    pub eos_token_ids: Vec<i64>,
}

impl ModelConfig {
    /// A value that this program does not implement.
    pub(crate) fn unsupported(
        &self,
        file: &str,
        field: &str,
        found: &str,
        supported: &str,
    ) -> Error {
        unsupported(&self.folder, file, field, found, supported)
    }

    /// The parts whose weights are stored in few bits.
    pub fn stored_in_bits(&self) -> impl Iterator<Item = (&'static str, &QuantizationConfig)> {
        let parts = [
            ("llm", &self.llm.quantization_config),
            ("vision_tower", &self.vision_tower.quantization_config),
        ];
        let stored = parts.map(|(part, stored)| Some((part, stored.as_ref()?)));
        stored.into_iter().flatten()
    }

    /// Whether regions of a depth picture are looked at beside those of the colour picture.
    pub fn takes_depth(&self) -> bool {
        self.top.enable_region && self.top.enable_depth
    }

    /// The input size that the stored position embeddings are for, if they must be stretched.
    pub fn resized_from(&self) -> Option<i64> {
        let stored = self.vision_tower.image_size;
        (![-1, stored].contains(&self.top.vision_resolution)).then_some(stored)
    }

    /// Side of the square picture that the vision tower looks at, in pixels.
    pub fn image_size(&self) -> i64 {
        match self.resized_from() {
            Some(_) => self.top.vision_resolution,
            None => self.vision_tower.image_size,
        }
    }

    /// Patches along one side of that picture.
    pub fn grid(&self) -> i64 {
        self.image_size() / self.vision_tower.patch_size
    }

    /// How many layers of the tower come before the features that are taken from it.
    /// `hidden_states[0]` is the embeddings, so entry -2 of N layers is what layer N-1 leaves.
    pub(super) fn layers_to_run(&self) -> Option<i64> {
        let entries = self.vision_tower.num_hidden_layers + 1;
        let layer = self.top.mm_vision_select_layer;
        let index = if layer < 0 { entries + layer } else { layer };
        (index >= 0).then_some(index)
    }

    /// How many layers come before the features that are taken, once that is checked.
    pub fn vision_layers(&self) -> i64 {
        self.layers_to_run().unwrap_or_default()
    }
}
