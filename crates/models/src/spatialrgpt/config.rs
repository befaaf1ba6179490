//! What a checkpoint's JSON files say about the network's shape. The names are those of the files:
//! the top `config.json`, and a `config.json` in each of the folders `llm/`, `vision_tower/`,
//! `mm_projector/` and `region_extractor/`. What this program does not implement is refused by name.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// The whole checkpoint's configuration.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// Where it was read.
    pub folder: PathBuf,
    pub top: TopConfig,
    pub llm: LlamaConfig,
    pub vision_tower: VisionConfig,
    pub vision_family: VisionFamily,
    pub mm_projector: ProjectorKind,
    /// Stop tokens that `llm/generation_config.json` names; `llm/config.json`'s otherwise.
    pub eos_token_ids: Vec<i64>,
}

/// The top `config.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct TopConfig {
    #[serde(default)]
    pub enable_region: bool,
    #[serde(default)]
    pub enable_depth: bool,
    /// How a picture is made square: `resize`, `pad`, or left to the processor.
    #[serde(default)]
    pub image_aspect_ratio: Option<String>,
    #[serde(default = "patch")]
    pub mm_vision_select_feature: String,
    #[serde(default = "last_but_one")]
    pub mm_vision_select_layer: i64,
    #[serde(default)]
    pub mm_use_im_start_end: bool,
    #[serde(default)]
    pub mm_use_im_patch_token: bool,
    /// The input size that the tower's position embeddings are stretched to; -1 leaves them.
    #[serde(default = "unchanged")]
    pub vision_resolution: i64,
    #[serde(default)]
    pub interpolate_mode: Option<String>,
    /// Several scales of the picture side by side, which this program does not implement.
    #[serde(default)]
    pub s2: bool,
}

fn patch() -> String {
    "patch".into()
}

fn last_but_one() -> i64 {
    -2
}

fn unchanged() -> i64 {
    -1
}

/// `llm/config.json` of a LLaMA 1, 2 or 3.
#[derive(Debug, Clone, Deserialize)]
pub struct LlamaConfig {
    pub model_type: String,
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    #[serde(default)]
    pub num_key_value_heads: Option<i64>,
    #[serde(default)]
    pub head_dim: Option<i64>,
    #[serde(default = "silu")]
    pub hidden_act: String,
    #[serde(default = "rms_norm_eps")]
    pub rms_norm_eps: f64,
    #[serde(default = "rope_theta")]
    pub rope_theta: f64,
    #[serde(default)]
    pub rope_scaling: Option<RopeScaling>,
    #[serde(default)]
    pub attention_bias: bool,
    #[serde(default)]
    pub tie_word_embeddings: bool,
    #[serde(default = "max_position_embeddings")]
    pub max_position_embeddings: i64,
    /// Embeddings beyond this many are cut off on the right.
    #[serde(default)]
    pub tokenizer_model_max_length: Option<i64>,
    #[serde(default)]
    pub eos_token_id: Option<OneOrMany>,
}

fn silu() -> String {
    "silu".into()
}

fn rms_norm_eps() -> f64 {
    1e-6
}

fn rope_theta() -> f64 {
    10_000.0
}

fn max_position_embeddings() -> i64 {
    2048
}

impl LlamaConfig {
    pub fn key_value_heads(&self) -> i64 {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    pub fn head_dim(&self) -> i64 {
        self.head_dim
            .unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// How many embeddings a prompt may have.
    pub fn max_prompt(&self) -> i64 {
        self.tokenizer_model_max_length
            .unwrap_or(self.max_position_embeddings)
            .min(self.max_positions())
    }

    /// How many positions the rotary embedding was trained for, its stretching included.
    pub fn max_positions(&self) -> i64 {
        let stretched = self.max_position_embeddings as f64 * self.rope_factor();
        stretched as i64
    }

    /// By how much positions are divided before they are rotated (linear scaling; 1 is none).
    pub fn rope_factor(&self) -> f64 {
        self.rope_scaling.as_ref().map_or(1.0, |s| s.factor)
    }
}

/// `rope_scaling`: only the linear kind is known.
#[derive(Debug, Clone, Deserialize)]
pub struct RopeScaling {
    #[serde(rename = "type", alias = "rope_type")]
    pub kind: String,
    pub factor: f64,
}

/// Token ids are written as one number or as a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    One(i64),
    Many(Vec<i64>),
}

impl OneOrMany {
    fn to_vec(&self) -> Vec<i64> {
        match self {
            Self::One(id) => vec![*id],
            Self::Many(ids) => ids.clone(),
        }
    }
}

/// `vision_tower/config.json` of a SigLIP or CLIP vision model.
#[derive(Debug, Clone, Deserialize)]
pub struct VisionConfig {
    pub model_type: String,
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    #[serde(default = "three")]
    pub num_channels: i64,
    pub image_size: i64,
    pub patch_size: i64,
    #[serde(default)]
    pub hidden_act: Option<String>,
    #[serde(default)]
    pub layer_norm_eps: Option<f64>,
}

fn three() -> i64 {
    3
}

/// Which family of vision transformers a tower belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisionFamily {
    Siglip,
    Clip,
}

impl VisionFamily {
    fn parse(folder: &Path, model_type: &str) -> Result<Self> {
        match model_type {
            "siglip_vision_model" => Ok(Self::Siglip),
            "clip_vision_model" => Ok(Self::Clip),
            other => Err(unsupported(
                folder,
                "vision_tower/config.json",
                "model_type",
                other,
                "siglip_vision_model, clip_vision_model",
            )),
        }
    }
}

impl VisionConfig {
    /// Patches along one side of the picture.
    pub fn grid(&self) -> i64 {
        self.image_size / self.patch_size.max(1)
    }
}

/// How visual features become token embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectorKind {
    Identity,
    Linear,
    /// `mlpNx_gelu`: N linear layers with GELU between them.
    Mlp(i64),
    /// `mlp_downsample`: 2x2 patches joined, normalised, two linear layers.
    MlpDownsample,
}

impl ProjectorKind {
    fn parse(folder: &Path, name: &str) -> Result<Self> {
        let depth = || {
            let digits = name.strip_prefix("mlp")?.strip_suffix("x_gelu")?;
            digits.parse().ok().filter(|depth| (1..=64).contains(depth))
        };
        match name {
            "identity" => Ok(Self::Identity),
            "linear" => Ok(Self::Linear),
            "mlp_downsample" => Ok(Self::MlpDownsample),
            _ => depth().map(Self::Mlp).ok_or_else(|| {
                unsupported(
                    folder,
                    "mm_projector/config.json",
                    "mm_projector_type",
                    name,
                    "identity, linear, mlpNx_gelu, mlp_downsample",
                )
            }),
        }
    }
}

#[derive(Deserialize)]
struct ProjectorFile {
    mm_projector_type: String,
}

#[derive(Deserialize)]
struct RegionExtractorFile {
    region_extractor_type: String,
}

#[derive(Deserialize)]
struct GenerationFile {
    #[serde(default)]
    eos_token_id: Option<OneOrMany>,
}

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
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        self.check_top()?;
        self.check_llm()?;
        self.check_vision()
    }

    fn check_top(&self) -> Result<()> {
        let top = &self.top;
        let file = "config.json";
        if top.s2 {
            return Err(self.unsupported(file, "s2", "true", "false"));
        }
        if top.mm_use_im_start_end {
            return Err(self.unsupported(file, "mm_use_im_start_end", "true", "false"));
        }
        if top.mm_use_im_patch_token {
            return Err(self.unsupported(file, "mm_use_im_patch_token", "true", "false"));
        }
        if !["patch", "cls_patch"].contains(&top.mm_vision_select_feature.as_str()) {
            return Err(self.unsupported(
                file,
                "mm_vision_select_feature",
                &top.mm_vision_select_feature,
                "patch, cls_patch",
            ));
        }
        if self.resized_from().is_some()
            && top.interpolate_mode.as_deref().unwrap_or("linear") != "linear"
        {
            let mode = top.interpolate_mode.as_deref().unwrap_or_default();
            return Err(self.unsupported(file, "interpolate_mode", mode, "linear"));
        }
        Ok(())
    }

    fn check_llm(&self) -> Result<()> {
        let llm = &self.llm;
        let file = "llm/config.json";
        if llm.model_type != "llama" {
            return Err(self.unsupported(file, "model_type", &llm.model_type, "llama"));
        }
        if llm.hidden_act != "silu" {
            return Err(self.unsupported(file, "hidden_act", &llm.hidden_act, "silu"));
        }
        if let Some(scaling) = &llm.rope_scaling
            && (scaling.kind != "linear" || scaling.factor.is_nan() || scaling.factor < 1.0)
        {
            let found = format!("{} by {}", scaling.kind, scaling.factor);
            return Err(self.unsupported(file, "rope_scaling", &found, "linear, by 1 or more"));
        }
        let heads = llm.num_attention_heads;
        let sizes = [
            ("vocab_size", llm.vocab_size),
            ("hidden_size", llm.hidden_size),
            ("intermediate_size", llm.intermediate_size),
            ("num_hidden_layers", llm.num_hidden_layers),
            ("num_attention_heads", heads),
            ("num_key_value_heads", llm.key_value_heads()),
            ("head_dim", llm.head_dim()),
            ("max_position_embeddings", llm.max_position_embeddings),
        ];
        self.check_sizes(file, &sizes)?;
        if heads % llm.key_value_heads() != 0 {
            let found = format!("{} for {heads} heads", llm.key_value_heads());
            return Err(self.unsupported(
                file,
                "num_key_value_heads",
                &found,
                "a divisor of the heads",
            ));
        }
        if llm.head_dim() % 2 != 0 {
            return Err(self.unsupported(
                file,
                "head_dim",
                &llm.head_dim().to_string(),
                "an even number",
            ));
        }
        Ok(())
    }

    fn check_vision(&self) -> Result<()> {
        let vision = &self.vision_tower;
        let file = "vision_tower/config.json";
        let family = self.vision_family;
        let sizes = [
            ("hidden_size", vision.hidden_size),
            ("intermediate_size", vision.intermediate_size),
            ("num_hidden_layers", vision.num_hidden_layers),
            ("num_attention_heads", vision.num_attention_heads),
            ("image_size", vision.image_size),
            ("patch_size", vision.patch_size),
            ("patches along a side", vision.grid()),
        ];
        self.check_sizes(file, &sizes)?;
        if vision.num_channels != 3 {
            let found = vision.num_channels.to_string();
            return Err(self.unsupported(file, "num_channels", &found, "3"));
        }
        if vision.hidden_size % vision.num_attention_heads != 0 {
            let found = vision.num_attention_heads.to_string();
            return Err(self.unsupported(
                file,
                "num_attention_heads",
                &found,
                "a divisor of hidden_size",
            ));
        }
        if !self
            .layers_to_run()
            .is_some_and(|n| (0..=vision.num_hidden_layers).contains(&n))
        {
            let found = self.top.mm_vision_select_layer.to_string();
            return Err(self.unsupported(
                "config.json",
                "mm_vision_select_layer",
                &found,
                "a layer that the tower has",
            ));
        }
        let patches_only = self.top.mm_vision_select_feature == "patch";
        if (family == VisionFamily::Clip) != patches_only {
            // A class token among the features makes no square grid, and SigLIP has none to drop.
            return Err(self.unsupported(
                "config.json",
                "mm_vision_select_feature",
                &self.top.mm_vision_select_feature,
                "patch with CLIP, cls_patch with SigLIP",
            ));
        }
        if family == VisionFamily::Clip && self.resized_from().is_some() {
            let found = self.top.vision_resolution.to_string();
            return Err(self.unsupported(
                "config.json",
                "vision_resolution",
                &found,
                "-1 with CLIP",
            ));
        }
        Ok(())
    }

    fn check_sizes(&self, file: &str, sizes: &[(&str, i64)]) -> Result<()> {
        // No published model comes near; a product of two of them then fits an i64.
        const LARGEST: i64 = 1 << 24;
        match sizes.iter().find(|(_, size)| !(1..=LARGEST).contains(size)) {
            Some((field, size)) => {
                Err(self.unsupported(file, field, &size.to_string(), "a positive size"))
            }
            None => Ok(()),
        }
    }

    /// A value that this program does not implement.
    pub(super) fn unsupported(
        &self,
        file: &str,
        field: &str,
        found: &str,
        supported: &str,
    ) -> Error {
        unsupported(&self.folder, file, field, found, supported)
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
    fn layers_to_run(&self) -> Option<i64> {
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

fn unsupported(folder: &Path, file: &str, field: &str, found: &str, supported: &str) -> Error {
    Error::checkpoint(
        folder.join(file),
        format!("{field} is {found}, which this program does not implement"),
        format!("It knows: {supported}"),
    )
}

/// Reads a JSON file into `T`.
///
/// # Errors
/// It is missing, unreadable or not what `T` expects; the message has line and column.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|error| {
        Error::checkpoint(
            path,
            error.to_string(),
            "The file is damaged, or belongs to a model that this program does not know",
        )
    })
}
