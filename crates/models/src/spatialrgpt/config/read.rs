//! From a checkpoint's folder to its configuration.

use std::path::Path;

use super::check::check;
use super::files::{
    GenerationFile, LlamaConfig, ProjectorFile, ProjectorKind, RegionExtractorFile, TopConfig,
    VisionConfig, VisionFamily, read_json, unsupported,
};
use super::network::ModelConfig;
use crate::error::{Error, Result};

impl ModelConfig {
    /// Reads and checks the five files of the checkpoint in `folder`.
    ///
    /// # Errors
    /// A file that is missing or does not parse, or a value that this program does not implement:
    /// each names the file, the field and what is supported.
    pub fn read(folder: &Path) -> Result<Self> {
        if !folder.join("config.json").is_file() {
            return Err(Error::checkpoint(
                folder,
                "there is no config.json",
                "Give the folder of a SpatialRGPT checkpoint: it has config.json and the folders llm, \
                 vision_tower, mm_projector and region_extractor",
            ));
        }
        let top: TopConfig = read_json(&folder.join("config.json"))?;
        let llm: LlamaConfig = read_json(&folder.join("llm/config.json"))?;
        let vision_tower: VisionConfig = read_json(&folder.join("vision_tower/config.json"))?;
        let projector: ProjectorFile = read_json(&folder.join("mm_projector/config.json"))?;
        if top.enable_region {
            let file: RegionExtractorFile =
                read_json(&folder.join("region_extractor/config.json"))?;
            if file.region_extractor_type != "regiongpt" {
                return Err(unsupported(
                    folder,
                    "region_extractor/config.json",
                    "region_extractor_type",
                    &file.region_extractor_type,
                    "regiongpt",
                ));
            }
        }
        let generation = folder.join("llm/generation_config.json");
        let eos = if generation.exists() {
            read_json::<GenerationFile>(&generation)?.eos_token_id
        } else {
            None
        };
        let config = Self {
            folder: folder.into(),
            vision_family: VisionFamily::parse(folder, &vision_tower.model_type)?,
            mm_projector: ProjectorKind::parse(folder, &projector.mm_projector_type)?,
            eos_token_ids: eos
                .or_else(|| llm.eos_token_id.clone())
                .map(|ids| ids.to_vec())
                .unwrap_or_default(),
            top,
            llm,
            vision_tower,
        };
        check(&config)?;
        Ok(config)
    }
}
