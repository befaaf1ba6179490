//! `prompt_encoder_config` and `mask_decoder_config`.

use serde::Deserialize;

use super::check::{Activation, no_size, square_side, uneven, unknown_activation};

/// `prompt_encoder_config`
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(in crate::sam2) struct PromptEncoderConfig {
    /// Channels of a token.
    pub hidden_size: i64,
    /// Side of the pictures, pixels.
    #[serde(deserialize_with = "square_side")]
    pub image_size: i64,
    #[serde(deserialize_with = "square_side")]
    patch_size: i64,
    /// Channels within the encoder of masks.
    pub mask_input_channels: i64,
    num_point_embeddings: i64,
    hidden_act: String,
    /// What its norms add to the variance.
    pub layer_norm_eps: f64,
}

impl Default for PromptEncoderConfig {
    fn default() -> Self {
        Self {
            hidden_size: 256,
            image_size: 1024,
            patch_size: 16,
            mask_input_channels: 16,
            num_point_embeddings: 4,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-6,
        }
    }
}

impl PromptEncoderConfig {
    /// The kinds of points: outside, inside, and a box's corners.
    pub(in crate::sam2) const POINTS: i64 = 4;

    /// Side of the map that is decoded.
    pub(in crate::sam2) fn grid(&self) -> i64 {
        self.image_size / self.patch_size.max(1)
    }

    /// Which activation the encoder of masks has.
    pub(in crate::sam2) fn activation(&self) -> Activation {
        Activation::named(&self.hidden_act).unwrap_or(Activation::Gelu)
    }

    pub(super) fn problem(&self) -> Option<String> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
        ];
        if let Some(problem) = no_size(&sizes) {
            return Some(problem);
        }
        if self.image_size % self.patch_size != 0 {
            let (image, patch) = (self.image_size, self.patch_size);
            return Some(format!(
                "image_size is {image}, but must be a multiple of patch_size, {patch}"
            ));
        }
        if self.mask_input_channels < 4 || self.mask_input_channels % 4 != 0 {
            let channels = self.mask_input_channels;
            return Some(format!(
                "mask_input_channels is {channels}, but must be a multiple of 4"
            ));
        }
        if self.num_point_embeddings != Self::POINTS {
            let kinds = self.num_point_embeddings;
            return Some(format!(
                "num_point_embeddings is {kinds}, but must be {}",
                Self::POINTS
            ));
        }
        unknown_activation(&[("hidden_act", &self.hidden_act)])
    }
}

/// `mask_decoder_config`. Its hidden_act is never asked: what it would name is fixed.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(in crate::sam2) struct MaskDecoderConfig {
    /// Channels of a token.
    pub hidden_size: i64,
    /// Channels inside the MLPs of the transformer.
    pub mlp_dim: i64,
    /// Layers of the transformer, and of each of its MLPs.
    pub num_hidden_layers: i64,
    pub num_attention_heads: i64,
    /// By how much narrower attention between tokens and picture is.
    pub attention_downsample_rate: i64,
    /// Masks beside the one that stands alone.
    pub num_multimask_outputs: i64,
    /// Layers of the head of scores.
    pub iou_head_depth: i64,
    /// Channels inside that head.
    pub iou_head_hidden_dim: i64,
    /// Whether an unstable single mask is replaced by the best of the others.
    pub dynamic_multimask_via_stability: bool,
    pub dynamic_multimask_stability_delta: f64,
    pub dynamic_multimask_stability_thresh: f64,
}

impl Default for MaskDecoderConfig {
    fn default() -> Self {
        Self {
            hidden_size: 256,
            mlp_dim: 2048,
            num_hidden_layers: 2,
            num_attention_heads: 8,
            attention_downsample_rate: 2,
            num_multimask_outputs: 3,
            iou_head_depth: 3,
            iou_head_hidden_dim: 256,
            dynamic_multimask_via_stability: true,
            dynamic_multimask_stability_delta: 0.05,
            dynamic_multimask_stability_thresh: 0.98,
        }
    }
}

impl MaskDecoderConfig {
    pub(super) fn problem(&self) -> Option<String> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("mlp_dim", self.mlp_dim),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("attention_downsample_rate", self.attention_downsample_rate),
            ("num_multimask_outputs", self.num_multimask_outputs),
            ("iou_head_depth", self.iou_head_depth),
            ("iou_head_hidden_dim", self.iou_head_hidden_dim),
        ];
        no_size(&sizes)
            .or_else(|| {
                uneven(
                    "num_attention_heads",
                    self.num_attention_heads,
                    self.hidden_size,
                )
            })
            .or_else(|| {
                let inner = self.hidden_size / self.attention_downsample_rate;
                uneven("num_attention_heads", self.num_attention_heads, inner)
                    .filter(|_| inner > 0)
                    .or_else(|| {
                        (inner == 0).then(|| "attention_downsample_rate leaves no channels".into())
                    })
            })
    }
}
