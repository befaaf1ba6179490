//! `config.json` of Depth Anything in the Hugging Face layout: read, and checked at the door, so that
//! the network can rely on every number. What it lists only for training is not read.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::nn::dinov2::{Dinov2Config, LARGEST_SIZE, is_size};

/// The way out of every problem with a configuration.
const SUPPORTED: &str =
    "Give a folder with Depth Anything V1 or V2, small, base or large, in the Hugging Face layout";

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct DepthAnythingConfig {
    model_type: String,
    backbone_config: Option<Dinov2Config>,
    /// Side of a patch, pixels.
    #[serde(default = "fourteen")]
    pub patch_size: i64,
    /// Keys of the same level, read separately: serde's flattening would lose the place of an error.
    #[serde(skip)]
    pub dpt: DptConfig,
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> std::result::Result<T, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

fn fourteen() -> i64 {
    14
}

impl DepthAnythingConfig {
    /// Reads and checks `folder`'s configuration.
    ///
    /// # Errors
    /// A file that cannot be read or parsed; a key whose value this program does not support.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let problem = |what: String| Error::checkpoint(&path, what, SUPPORTED);
        let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let mut config: Self = parse(&text).map_err(problem)?;
        config.dpt = parse(&text).map_err(problem)?;
        match config.problem() {
            Some(what) => Err(problem(what)),
            None => Ok(config),
        }
    }

    /// What keeps this program from running such a model, if anything.
    fn problem(&self) -> Option<String> {
        if self.model_type != "depth_anything" {
            return Some(format!(
                "model_type is '{}', but must be 'depth_anything'",
                self.model_type
            ));
        }
        let backbone = self.backbone();
        if let Some(problem) = backbone.problem_as_backbone() {
            return Some(format!("backbone_config: {problem}"));
        }
        if self.patch_size != backbone.patch_size {
            return Some(format!(
                "patch_size is {}, but backbone_config has {}",
                self.patch_size, backbone.patch_size
            ));
        }
        if self.dpt.reassemble_hidden_size != backbone.hidden_size {
            return Some(format!(
                "reassemble_hidden_size is {}, but backbone_config has hidden_size {}",
                self.dpt.reassemble_hidden_size, backbone.hidden_size
            ));
        }
        self.dpt
            .problem(backbone.stages().map_or(0, |stages| stages.len()))
    }

    /// The backbone's configuration; without one it is the small model's.
    pub(super) fn backbone(&self) -> Dinov2Config {
        self.backbone_config
            .clone()
            .unwrap_or_else(|| Dinov2Config {
                image_size: 518,
                hidden_size: 384,
                num_attention_heads: 6,
                out_indices: Some(vec![9, 10, 11, 12]),
                reshape_hidden_states: false,
                ..Dinov2Config::default()
            })
    }
}

/// What the network's last layer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DepthEstimationType {
    /// Disparity up to an unknown scale and shift: larger is nearer.
    #[default]
    Relative,
    /// Metres: larger is farther.
    Metric,
}

/// The part of the configuration that neck and head read.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(super) struct DptConfig {
    /// Channels of the backbone's tokens.
    pub reassemble_hidden_size: i64,
    /// Enlargement (an integer) or reduction (below 1) of each stage's grid of patches.
    pub reassemble_factors: Vec<f64>,
    /// Channels of each stage's map.
    pub neck_hidden_sizes: Vec<i64>,
    /// Channels of the fused maps.
    pub fusion_hidden_size: i64,
    /// The fused map that the head reads; negative ones count from the end.
    pub head_in_index: i64,
    /// Channels inside the head.
    pub head_hidden_size: i64,
    /// What the head's numbers mean.
    pub depth_estimation_type: DepthEstimationType,
    /// What the last activation is multiplied by, metres where depth is metric; absent means 1.
    pub max_depth: Option<f64>,
}

/// Depth Anything small's.
impl Default for DptConfig {
    fn default() -> Self {
        Self {
            reassemble_hidden_size: 384,
            reassemble_factors: vec![4.0, 2.0, 1.0, 0.5],
            neck_hidden_sizes: vec![48, 96, 192, 384],
            fusion_hidden_size: 64,
            head_in_index: -1,
            head_hidden_size: 32,
            depth_estimation_type: DepthEstimationType::Relative,
            max_depth: None,
        }
    }
}

impl DptConfig {
    /// What keeps this program from running such a head on `stages` stages, if anything.
    pub(super) fn problem(&self, stages: usize) -> Option<String> {
        let sizes = [
            ("reassemble_hidden_size", self.reassemble_hidden_size, 1),
            // The head halves this number of channels.
            ("fusion_hidden_size", self.fusion_hidden_size, 2),
            ("head_hidden_size", self.head_hidden_size, 1),
        ];
        let widths = self
            .neck_hidden_sizes
            .iter()
            .map(|width| ("neck_hidden_sizes", *width, 1));
        for (key, value, least) in sizes.into_iter().chain(widths) {
            if !is_size(value) || value < least {
                return Some(format!(
                    "{key} has {value}, but must be {least} to {LARGEST_SIZE}"
                ));
            }
        }
        let (factors, widths) = (self.reassemble_factors.len(), self.neck_hidden_sizes.len());
        if stages == 0 || factors != stages || widths != stages {
            return Some(format!(
                "the backbone gives {stages} stages, but reassemble_factors has {factors} entries and \
                 neck_hidden_sizes {widths}: they must be as many"
            ));
        }
        if let Some(factor) = self
            .reassemble_factors
            .iter()
            .find(|f| Resize::of(**f).is_none())
        {
            return Some(format!(
                "reassemble_factors has {factor}, but an integer from 1 to 64 or a fraction of at \
                 least 1/64 is needed"
            ));
        }
        if self.head_index().is_none() {
            return Some(format!(
                "head_in_index is {}, but there are {stages} fused maps",
                self.head_in_index
            ));
        }
        match self.max_depth {
            Some(max_depth) if !(max_depth.is_finite() && max_depth > 0.0) => Some(format!(
                "max_depth is {max_depth}, but must be a positive number of metres"
            )),
            _ => None,
        }
    }

    /// Which fused map the head reads; a negative index counts from the end.
    pub(super) fn head_index(&self) -> Option<usize> {
        let maps = i64::try_from(self.neck_hidden_sizes.len()).ok()?;
        let index = match self.head_in_index {
            index if index < 0 => index.checked_add(maps)?,
            index => index,
        };
        usize::try_from(index).ok().filter(|_| index < maps)
    }
}

/// How a stage's grid of patches changes its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Resize {
    /// By this factor.
    Enlarge(i64),
    /// Not at all.
    Keep,
    /// By a convolution that steps so far.
    Reduce { stride: i64 },
}

impl Resize {
    /// `None` for a factor that the layout has no layer for.
    pub(super) fn of(factor: f64) -> Option<Self> {
        const LARGEST: f64 = 64.0;
        match factor {
            1.0 => Some(Self::Keep),
            f if (1.0..=LARGEST).contains(&f) && f.fract() == 0.0 => Some(Self::Enlarge(f as i64)),
            f if (1.0 / LARGEST..1.0).contains(&f) => Some(Self::Reduce {
                stride: (1.0 / f) as i64,
            }),
            _ => None,
        }
    }
}
