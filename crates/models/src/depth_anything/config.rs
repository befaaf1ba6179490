//! `config.json` of Depth Anything in the Hugging Face layout: read, and checked at the door, so that
//! the network can rely on every number. What it lists only for training is not read.

use std::path::Path;

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};

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
        if let Some(problem) = backbone.problem() {
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

/// More than any size in a published checkpoint, little enough that products of them stay far from overflow.
const LARGEST_SIZE: i64 = 1 << 20;

/// `backbone_config`
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Dinov2Config {
    /// `dinov2`.
    pub model_type: String,
    /// Channels of a token.
    pub hidden_size: i64,
    /// Transformer layers.
    pub num_hidden_layers: i64,
    /// Attention heads of a layer.
    pub num_attention_heads: i64,
    /// How many times wider an MLP is inside.
    pub mlp_ratio: i64,
    /// An MLP's activation.
    pub hidden_act: String,
    /// What the norms add to the variance.
    pub layer_norm_eps: f64,
    /// Side of the square images that the position embeddings belong to, pixels.
    #[serde(deserialize_with = "square_side")]
    pub image_size: i64,
    /// Side of a patch, pixels.
    #[serde(deserialize_with = "square_side")]
    pub patch_size: i64,
    /// Channels of a picture.
    pub num_channels: i64,
    /// Whether queries, keys and values have biases.
    pub qkv_bias: bool,
    /// Whether MLPs are gated, as in the giant model.
    pub use_swiglu_ffn: bool,
    /// Whether stages go through the last norm.
    pub apply_layernorm: bool,
    /// Whether stages are given as maps.
    pub reshape_hidden_states: bool,
    /// The stages by their names.
    pub out_features: Option<Vec<String>>,
    /// The stages by their numbers.
    pub out_indices: Option<Vec<i64>>,
}

/// What Hugging Face's `Dinov2Config` fills in for absent keys.
impl Default for Dinov2Config {
    fn default() -> Self {
        Self {
            model_type: "dinov2".into(),
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            mlp_ratio: 4,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-6,
            image_size: 224,
            patch_size: 14,
            num_channels: 3,
            qkv_bias: true,
            use_swiglu_ffn: false,
            apply_layernorm: true,
            reshape_hidden_states: true,
            out_features: None,
            out_indices: None,
        }
    }
}

/// A side in pixels, written as one number or as two equal ones.
fn square_side<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Side {
        Square(i64),
        HeightAndWidth(i64, i64),
    }
    match Side::deserialize(deserializer)? {
        Side::Square(side) => Ok(side),
        Side::HeightAndWidth(height, width) if height == width => Ok(height),
        Side::HeightAndWidth(height, width) => Err(serde::de::Error::custom(format!(
            "{height} by {width} is no square, which DINOv2's position embeddings are made for"
        ))),
    }
}

impl Dinov2Config {
    /// What keeps this program from running such a backbone, if anything: key, value and remedy.
    pub(super) fn problem(&self) -> Option<String> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("mlp_ratio", self.mlp_ratio),
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
        ];
        if let Some((key, value)) = sizes.iter().find(|(_, value)| !is_size(*value)) {
            return Some(format!("{key} is {value}, but must be 1 to {LARGEST_SIZE}"));
        }
        let checks = [
            ("model_type", &self.model_type, "dinov2"),
            ("hidden_act", &self.hidden_act, "gelu"),
        ];
        if let Some((key, value, expected)) = checks.iter().find(|(_, value, must)| value != must) {
            return Some(format!("{key} is '{value}', but must be '{expected}'"));
        }
        if self.use_swiglu_ffn {
            return Some("use_swiglu_ffn is true, as in the giant model, which is left out".into());
        }
        if self.num_channels != 3 {
            let channels = self.num_channels;
            return Some(format!("num_channels is {channels}, but must be 3"));
        }
        if self.reshape_hidden_states {
            return Some("reshape_hidden_states is true, but must be false".into());
        }
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if hidden % heads != 0 {
            return Some(format!(
                "hidden_size is {hidden}, but must be a multiple of num_attention_heads, {heads}"
            ));
        }
        let (image, patch) = (self.image_size, self.patch_size);
        if image < patch {
            return Some(format!(
                "image_size is {image}, but must be at least patch_size, {patch}"
            ));
        }
        self.stages().err()
    }

    /// After how many layers the tokens are taken, ascending: 0 is the embeddings, one entry an output.
    ///
    /// # Errors
    /// A sentence that names the key, if the stages do not exist, repeat, descend or contradict.
    pub(super) fn stages(&self) -> std::result::Result<Vec<i64>, String> {
        let last = self.num_hidden_layers;
        let named = self.out_features.as_ref().map(|names| {
            let stages = names.iter().map(|name| stage_number(name));
            stages.collect::<std::result::Result<Vec<i64>, String>>()
        });
        // A negative index counts from the end, -1 being the last layer's tokens.
        let from_end = |index: &i64| match *index {
            index if index < 0 => index.saturating_add(last + 1),
            index => index,
        };
        let indices = self.out_indices.as_ref();
        let numbered: Option<Vec<i64>> = indices.map(|all| all.iter().map(from_end).collect());
        let stages = match (numbered, named.transpose()?) {
            (Some(numbered), Some(named)) if numbered != named => {
                return Err("out_indices and out_features name different stages".into());
            }
            (Some(stages), _) | (None, Some(stages)) => stages,
            (None, None) => vec![last],
        };
        let exist = stages.iter().all(|stage| (0..=last).contains(stage));
        if !exist || !stages.is_sorted_by(|earlier, later| earlier < later) {
            return Err(format!(
                "out_indices (or out_features) names the stages {stages:?}, but they must ascend \
                 within 0 to {last}"
            ));
        }
        Ok(stages)
    }
}

/// The number in a stage's name: `stem` is 0, `stage3` is 3.
fn stage_number(name: &str) -> std::result::Result<i64, String> {
    let number = match name {
        "stem" => Some(0),
        name => name
            .strip_prefix("stage")
            .and_then(|number| number.parse().ok())
            .filter(|number| *number >= 1),
    };
    number.ok_or_else(|| format!("out_features has '{name}', but stages are 'stem', 'stage1' …"))
}

fn is_size(value: i64) -> bool {
    (1..=LARGEST_SIZE).contains(&value)
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
