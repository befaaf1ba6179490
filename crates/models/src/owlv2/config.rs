//! `config.json` of OWLv2 in the Hugging Face layout: read, and checked at the door, so that the network can rely on every
//! number. What it lists only for training is not read.
//!
//! In transformers 5.24.0: models/owlv2/configuration_owlv2.py, 24-126.

use std::path::Path;

use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result};

/// The way out of every problem with a configuration.
const SUPPORTED: &str = "Give a folder with OWLv2, base or large, in the Hugging Face layout";

/// More than any size in a published checkpoint, little enough that products of them stay far from overflow.
const LARGEST_SIZE: i64 = 1 << 20;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Owlv2Config {
    /// Of phrases.
    #[serde(default, deserialize_with = "or_default")]
    pub text_config: TextConfig,
    /// Of pictures.
    #[serde(default, deserialize_with = "or_default")]
    pub vision_config: VisionConfig,
    /// Channels of the space in which phrases and patches meet.
    #[serde(default = "projection_dim")]
    pub projection_dim: i64,
}

fn projection_dim() -> i64 {
    512
}

/// Null counts as absent.
fn or_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What an MLP's inner channels go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(super) enum Activation {
    /// x sigmoid(1.702 x)
    #[default]
    #[serde(rename = "quick_gelu")]
    QuickGelu,
    /// The exact one.
    #[serde(rename = "gelu")]
    Gelu,
    /// By a hyperbolic tangent.
    #[serde(rename = "gelu_pytorch_tanh", alias = "gelu_new")]
    GeluTanh,
}

/// What both towers have: a transformer whose layers are alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct EncoderConfig {
    /// Channels of a token.
    pub hidden_size: i64,
    /// Channels inside an MLP.
    pub intermediate_size: i64,
    /// Layers.
    pub num_hidden_layers: i64,
    /// Attention heads of a layer.
    pub num_attention_heads: i64,
    /// An MLP's activation.
    pub hidden_act: Activation,
    /// What the norms add to the variance.
    pub layer_norm_eps: f64,
}

/// `text_config`
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(super) struct TextConfig {
    /// Rows of the embedding table.
    pub vocab_size: i64,
    hidden_size: i64,
    intermediate_size: i64,
    num_hidden_layers: i64,
    num_attention_heads: i64,
    /// The longest phrase in tokens.
    pub max_position_embeddings: i64,
    hidden_act: Activation,
    layer_norm_eps: f64,
}

/// What Hugging Face's `Owlv2TextConfig` fills in for absent keys.
impl Default for TextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 16,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }
}

/// `vision_config`
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(super) struct VisionConfig {
    hidden_size: i64,
    intermediate_size: i64,
    num_hidden_layers: i64,
    num_attention_heads: i64,
    num_channels: i64,
    /// Side of the square pictures, pixels.
    pub image_size: i64,
    /// Side of a patch, pixels.
    pub patch_size: i64,
    hidden_act: Activation,
    layer_norm_eps: f64,
}

/// What Hugging Face's `Owlv2VisionConfig` fills in for absent keys.
impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 768,
            patch_size: 16,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }
}

impl TextConfig {
    /// Its layers.
    pub(super) fn encoder(&self) -> EncoderConfig {
        EncoderConfig {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            hidden_act: self.hidden_act,
            layer_norm_eps: self.layer_norm_eps,
        }
    }
}

impl VisionConfig {
    /// Its layers.
    pub(super) fn encoder(&self) -> EncoderConfig {
        EncoderConfig {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            hidden_act: self.hidden_act,
            layer_norm_eps: self.layer_norm_eps,
        }
    }

    /// Whole patches along a side.
    pub(super) fn grid_side(&self) -> i64 {
        self.image_size / self.patch_size
    }
}

impl EncoderConfig {
    /// What keeps this program from running such layers, if anything: key, value and remedy.
    fn problem(&self) -> Option<String> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
        ];
        if let Some(problem) = size_problem(&sizes) {
            return Some(problem);
        }
        let (hidden, heads) = (self.hidden_size, self.num_attention_heads);
        if hidden % heads != 0 {
            return Some(format!(
                "hidden_size is {hidden}, but must be a multiple of num_attention_heads, {heads}"
            ));
        }
        let eps = self.layer_norm_eps;
        (!eps.is_finite() || eps < 0.0)
            .then(|| format!("layer_norm_eps is {eps}, but must be 0 or more"))
    }
}

fn size_problem(sizes: &[(&str, i64)]) -> Option<String> {
    let wrong = sizes
        .iter()
        .find(|(_, value)| !(1..=LARGEST_SIZE).contains(value));
    wrong.map(|(key, value)| format!("{key} is {value}, but must be 1 to {LARGEST_SIZE}"))
}

impl Owlv2Config {
    /// Reads and checks `folder`'s configuration.
    ///
    /// # Errors
    /// A file that cannot be read or parsed; a key whose value this program does not support.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let problem = |what: String| Error::checkpoint(&path, what, SUPPORTED);
        let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
        // The type first: of another model not even the kinds of values have to fit.
        let named: Named = parse(&text).map_err(problem)?;
        if named.model_type != "owlv2" {
            let what = format!("model_type is '{}', but must be 'owlv2'", named.model_type);
            return Err(problem(what));
        }
        let config: Self = parse(&text).map_err(problem)?;
        match config.problem() {
            Some(what) => Err(problem(what)),
            None => Ok(config),
        }
    }

    /// What keeps this program from running such a model, if anything.
    fn problem(&self) -> Option<String> {
        let (text, vision) = (&self.text_config, &self.vision_config);
        let in_text = |problem| format!("text_config: {problem}");
        let in_vision = |problem| format!("vision_config: {problem}");
        let text_sizes = [
            ("vocab_size", text.vocab_size),
            ("max_position_embeddings", text.max_position_embeddings),
        ];
        let vision_sizes = [
            ("image_size", vision.image_size),
            ("patch_size", vision.patch_size),
        ];
        let of_parts = (text.encoder().problem().map(in_text))
            .or_else(|| size_problem(&text_sizes).map(in_text))
            .or_else(|| vision.encoder().problem().map(in_vision))
            .or_else(|| size_problem(&vision_sizes).map(in_vision));
        if of_parts.is_some() {
            return of_parts;
        }
        if vision.num_channels != 3 {
            let channels = vision.num_channels;
            return Some(in_vision(format!(
                "num_channels is {channels}, but must be 3"
            )));
        }
        let (image, patch) = (vision.image_size, vision.patch_size);
        if image < patch {
            let what = format!("image_size is {image}, but must be at least patch_size, {patch}");
            return Some(in_vision(what));
        }
        let (projection, hidden) = (self.projection_dim, text.hidden_size);
        (projection != hidden).then(|| {
            format!(
                "projection_dim is {projection}, but must be text_config's hidden_size, {hidden}, for the class head's \
                 vectors have that width"
            )
        })
    }
}

/// What tells whose configuration it is.
#[derive(Deserialize)]
struct Named {
    model_type: String,
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> std::result::Result<T, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}
