//! What can be said about a training, and what came of it: plain data.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use spatial_reward_core::settings::{DeviceChoice, Dtype};

/// What to train, on what, how long.
#[derive(Debug, Clone, Serialize)]
pub struct Options {
    /// Folders that `spatial-reward dataset` wrote.
    pub datasets: Vec<PathBuf>,
    /// The same, never learned from.
    pub held_out: Vec<PathBuf>,
    /// Where to write.
    pub output: PathBuf,
    /// What to begin with.
    pub begin: Begin,
    /// Folders of the checkpoint whose tensors stay as they are.
    pub freeze: Vec<String>,
    /// Steps of the whole run, those before an interruption among them.
    pub steps: u64,
    /// Steps over which the learning rate rises.
    pub warmup_steps: u64,
    /// Steps at the beginning in which two halves learn separately: the language model what to say about oracle
    /// regions, which hold where a region truly is; the tower and the region extractor where regions are.
    pub separate_warmup_steps: u64,
    /// Frames a step.
    pub batch: usize,
    /// Questions a frame.
    pub questions: usize,
    /// The highest one.
    pub learning_rate: f64,
    /// By how much matrices shrink, as a share of the learning rate.
    pub weight_decay: f64,
    /// Longer gradients are shortened to this.
    pub clip_norm: f64,
    /// How much a metre of the heads' error counts beside a nat of the answers'.
    pub geometry_weight: f64,
    /// Steps between two saved states.
    pub save_every: u64,
    /// Steps between two evaluations on held-out frames.
    pub evaluate_every: u64,
    /// Held-out frames that are evaluated.
    pub evaluate_frames: usize,
    /// What order and first values follow from.
    pub seed: u64,
    /// Go on from the state in `output`.
    pub resume: bool,
    /// Where the network runs.
    #[serde(skip)]
    pub device: DeviceChoice,
    /// The type of its numbers.
    #[serde(skip)]
    pub dtype: Dtype,
}

/// What a training begins with.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// Nothing but sizes.
    Shape(Shape),
    /// A checkpoint's folder.
    Checkpoint(PathBuf),
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The checkpoint's folder.
    pub model: PathBuf,
    /// Steps that are done.
    pub step: u64,
    /// Steps that were asked for.
    pub steps: u64,
    /// Broken rows of the datasets, which were left out.
    pub broken_rows: usize,
    /// The first and the last loss that was written down, each a mean.
    pub first_loss: Option<f64>,
    /// The last of them.
    pub last_loss: Option<f64>,
}

/// The sizes of a network that begins. What is not said is as in the model that comes with this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shape {
    /// Side of the square picture in pixels.
    pub image_size: i64,
    /// Side of a patch; the grid is `image_size / patch_size` patches wide.
    pub patch_size: i64,
    /// Channels of the tower's features.
    pub vision_hidden_size: i64,
    /// Channels inside the tower's MLPs.
    pub vision_intermediate_size: i64,
    /// Layers of the tower.
    pub vision_layers: i64,
    /// Attention heads of a layer of the tower.
    pub vision_heads: i64,
    /// Channels of the language model's embeddings.
    pub llm_hidden_size: i64,
    /// Channels inside the language model's MLPs.
    pub llm_intermediate_size: i64,
    /// Layers of the language model.
    pub llm_layers: i64,
    /// Heads of queries in a layer of the language model.
    pub llm_heads: i64,
    /// Heads of keys and values.
    pub llm_key_value_heads: i64,
    /// Tokens learned from the dataset's words, the 256 bytes among them.
    pub vocabulary: usize,
    /// Whether relative depth is looked at beside the picture.
    pub depth: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            image_size: 280,
            patch_size: 14,
            vision_hidden_size: 192,
            vision_intermediate_size: 768,
            vision_layers: 5,
            vision_heads: 6,
            llm_hidden_size: 192,
            llm_intermediate_size: 512,
            llm_layers: 4,
            llm_heads: 6,
            llm_key_value_heads: 6,
            vocabulary: 768,
            depth: true,
        }
    }
}

impl Shape {
    /// From a YAML file.
    ///
    /// # Errors
    /// `Error::Io`, or `Error::ConfigSyntax` with line and column. What no network can have is refused when
    /// the files are read back.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
        serde_yaml::from_str(&text).map_err(|error| {
            let (path, message) = (path.to_path_buf(), error.to_string());
            spatial_reward_core::Error::ConfigSyntax { path, message }.into()
        })
    }
}

/// The checkpoint's folder that a part's short name means.
///
/// # Errors
/// `Error::UnknownPart` with the names there are.
pub fn part_named(name: &str) -> Result<String> {
    let folder = match name {
        "vision" => "vision_tower",
        "regions" => "region_extractor",
        "projector" => "mm_projector",
        "llm" => "llm",
        other => {
            return Err(Error::UnknownPart {
                name: other.to_owned(),
                known: "vision, regions, projector or llm".to_owned(),
            });
        }
    };
    Ok(folder.to_owned())
}
