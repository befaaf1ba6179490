//! The checkpoint's JSON files as they are written; fields are named as their keys.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::trained::Trained;
use crate::error::{Error, Result};
use crate::nn::panels::Bits;

/// The top `config.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct TopConfig {
    /// Whether the model knows regions.
    #[serde(default)]
    pub enable_region: bool,
    /// Whether it takes relative depth.
    #[serde(default)]
    pub enable_depth: bool,
    /// How a picture is made square: `resize`, `pad`, or left to the processor.
    #[serde(default)]
    pub image_aspect_ratio: Option<String>,
    /// `patch` drops the tower's class token, `cls_patch` keeps all.
    #[serde(default = "patch")]
    pub mm_vision_select_feature: String,
    /// Whose output is taken; negative ones count from the end.
    #[serde(default = "last_but_one")]
    pub mm_vision_select_layer: i64,
    /// Tokens around the image, which this program does not implement.
    #[serde(default)]
    pub mm_use_im_start_end: bool,
    /// Tokens of patches, which this program does not implement.
    #[serde(default)]
    pub mm_use_im_patch_token: bool,
    /// The input size that the tower's position embeddings are stretched to; -1 leaves them.
    #[serde(default = "unchanged")]
    pub vision_resolution: i64,
    /// How they are stretched.
    #[serde(default)]
    pub interpolate_mode: Option<String>,
    /// Several scales of the picture side by side, which this program does not implement.
    #[serde(default)]
    pub s2: bool,
    /// What it was trained to answer: this program's own key, which other checkpoints lack.
    #[serde(default)]
    pub spatial_reward: Trained,
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

/// In how many bits a part's weights are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuantizationConfig {
    /// Whose format it is.
    pub quant_method: String,
    /// Bits of a weight.
    pub bits: u32,
    /// Weights that share a scale.
    pub group_size: usize,
}

impl QuantizationConfig {
    /// What this program writes.
    pub fn of(bits: Bits) -> Self {
        Self {
            quant_method: "spatial_reward".into(),
            bits: bits.count(),
            group_size: bits.group(),
        }
    }
}

/// `llm/config.json` of a LLaMA 1, 2 or 3.
#[derive(Debug, Clone, Deserialize)]
pub struct LlamaConfig {
    /// `None` where they are stored in a type of numbers.
    #[serde(default)]
    pub quantization_config: Option<QuantizationConfig>,
    /// `llama`.
    pub model_type: String,
    /// Rows of the embedding table.
    pub vocab_size: i64,
    /// Channels of an embedding.
    pub hidden_size: i64,
    /// Channels inside an MLP.
    pub intermediate_size: i64,
    /// Decoder layers.
    pub num_hidden_layers: i64,
    /// Heads of queries in a layer.
    pub num_attention_heads: i64,
    /// Heads of keys and values; as many as queries where it is not said.
    #[serde(default)]
    pub num_key_value_heads: Option<i64>,
    /// Channels of a head; `hidden_size` shared out where it is not said.
    #[serde(default)]
    pub head_dim: Option<i64>,
    /// An MLP's activation.
    #[serde(default = "silu")]
    pub hidden_act: String,
    /// What the norms add to the mean square.
    #[serde(default = "rms_norm_eps")]
    pub rms_norm_eps: f64,
    /// The base of the rotary frequencies.
    #[serde(default = "rope_theta")]
    pub rope_theta: f64,
    /// How positions are stretched, if they are.
    #[serde(default)]
    pub rope_scaling: Option<RopeScaling>,
    /// Whether attention's layers have biases.
    #[serde(default)]
    pub attention_bias: bool,
    /// Whether the head is the embedding table.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Positions that the rotary embedding was trained for.
    #[serde(default = "max_position_embeddings")]
    pub max_position_embeddings: i64,
    /// Embeddings beyond this many are cut off on the right.
    #[serde(default)]
    pub tokenizer_model_max_length: Option<i64>,
    /// Tokens after which nothing follows.
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
    /// Heads of keys and values.
    pub fn key_value_heads(&self) -> i64 {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    /// Channels of a head.
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
    /// `linear`.
    #[serde(rename = "type", alias = "rope_type")]
    pub kind: String,
    /// What positions are divided by.
    pub factor: f64,
}

/// Token ids are written as one number or as a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A number.
    One(i64),
    /// A list.
    Many(Vec<i64>),
}

impl OneOrMany {
    /// All of them.
    pub(super) fn to_vec(&self) -> Vec<i64> {
        match self {
            Self::One(id) => vec![*id],
            Self::Many(ids) => ids.clone(),
        }
    }
}

/// `vision_tower/config.json` of a SigLIP or CLIP vision model.
#[derive(Debug, Clone, Deserialize)]
pub struct VisionConfig {
    /// As of the language model.
    #[serde(default)]
    pub quantization_config: Option<QuantizationConfig>,
    /// `siglip_vision_model` or `clip_vision_model`.
    pub model_type: String,
    /// Channels of a feature.
    pub hidden_size: i64,
    /// Channels inside an MLP.
    pub intermediate_size: i64,
    /// Encoder layers.
    pub num_hidden_layers: i64,
    /// Attention heads of a layer.
    pub num_attention_heads: i64,
    /// Channels of a picture.
    #[serde(default = "three")]
    pub num_channels: i64,
    /// Side of the square picture that the position embeddings belong to, pixels.
    pub image_size: i64,
    /// Side of a patch, pixels.
    pub patch_size: i64,
    /// An MLP's activation; the family's where it is not said.
    #[serde(default)]
    pub hidden_act: Option<String>,
    /// What the norms add to the variance; the family's where it is not said.
    #[serde(default)]
    pub layer_norm_eps: Option<f64>,
}

fn three() -> i64 {
    3
}

/// Which family of vision transformers a tower belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisionFamily {
    /// No class token, GELU by tanh.
    Siglip,
    /// A class token, a norm before the layers, quick GELU.
    Clip,
}

impl VisionFamily {
    /// From `model_type`.
    ///
    /// # Errors
    /// `Error::Checkpoint` with the types there are.
    pub(super) fn parse(folder: &Path, model_type: &str) -> Result<Self> {
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
    /// They are embeddings.
    Identity,
    /// One linear layer.
    Linear,
    /// `mlpNx_gelu`: N linear layers with GELU between them.
    Mlp(i64),
    /// `mlp_downsample`: 2x2 patches joined, normalised, two linear layers.
    MlpDownsample,
}

impl ProjectorKind {
    /// From `mm_projector_type`.
    ///
    /// # Errors
    /// `Error::Checkpoint` with the types there are.
    pub(super) fn parse(folder: &Path, name: &str) -> Result<Self> {
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

/// `mm_projector/config.json`.
#[derive(Deserialize)]
pub(super) struct ProjectorFile {
    /// As [`ProjectorKind`] reads it.
    pub mm_projector_type: String,
}

/// `region_extractor/config.json`.
#[derive(Deserialize)]
pub(super) struct RegionExtractorFile {
    /// `regiongpt`.
    pub region_extractor_type: String,
}

/// `llm/generation_config.json`.
#[derive(Deserialize)]
pub(super) struct GenerationFile {
    /// Tokens after which nothing follows.
    #[serde(default)]
    pub eos_token_id: Option<OneOrMany>,
}

/// A value that this program does not implement.
pub(super) fn unsupported(
    folder: &Path,
    file: &str,
    field: &str,
    found: &str,
    supported: &str,
) -> Error {
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
pub(in crate::spatialrgpt) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|error| {
        Error::checkpoint(
            path,
            error.to_string(),
            "The file is damaged, or belongs to a model that this program does not know",
        )
    })
}

/// Writes JSON as this program's checkpoints have it.
///
/// # Errors
/// What the operating system refuses.
pub(in crate::spatialrgpt) fn write_json(path: &Path, value: &Value) -> Result<()> {
    std::fs::write(path, format!("{value:#}\n")).map_err(Error::io("write", path))
}
