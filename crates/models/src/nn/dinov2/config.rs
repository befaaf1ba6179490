//! DINOv2's part of a `config.json`: read, and checked at the door, so that the network can rely on every number. What
//! it lists only for training is not read.

use serde::{Deserialize, Deserializer};

/// More than any size in a published checkpoint, little enough that products of them stay far from overflow.
pub const LARGEST_SIZE: i64 = 1 << 20;

/// `backbone_config`, or another part of a file that names such a network.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Dinov2Config {
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
    /// What keeps this program from running such a network, if anything: key, value and remedy.
    pub fn problem(&self) -> Option<String> {
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
        None
    }

    /// The same where tokens of several stages are wanted.
    pub fn problem_as_backbone(&self) -> Option<String> {
        if self.reshape_hidden_states {
            return Some("reshape_hidden_states is true, but must be false".into());
        }
        self.problem().or_else(|| self.stages().err())
    }

    /// After how many layers the tokens are taken, ascending: 0 is the embeddings, one entry an output.
    ///
    /// # Errors
    /// A sentence that names the key, if the stages do not exist, repeat, descend or contradict.
    pub fn stages(&self) -> std::result::Result<Vec<i64>, String> {
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

/// Whether a number can be a size.
pub fn is_size(value: i64) -> bool {
    (1..=LARGEST_SIZE).contains(&value)
}
