//! `config.json` of Depth Pro in the Hugging Face layout: read, and checked at the door, so that the network can rely on
//! every number. What it lists only for training is not read.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::nn::dinov2::{Dinov2Config, LARGEST_SIZE, is_size};

/// The way out of every problem with a configuration.
const SUPPORTED: &str =
    "Give a folder with Depth Pro in the Hugging Face layout, such as apple/DepthPro-hf";

/// More scales or hooks than any network has.
const MOST_MAPS: usize = 8;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(super) struct DepthProConfig {
    model_type: String,
    /// Side of the square that each encoder sees, pixels.
    pub patch_size: i64,
    /// Channels of the fused maps.
    pub fusion_hidden_size: i64,
    /// Layers of the patch encoder whose tokens become maps of their own, from 0; -1 is the embeddings.
    pub intermediate_hook_ids: Vec<i64>,
    /// Channels of those maps.
    pub intermediate_feature_dims: Vec<i64>,
    /// The scales at which the patch encoder sees the picture, ascending.
    pub scaled_images_ratios: Vec<f64>,
    /// What of a patch its neighbour sees as well, at each scale.
    pub scaled_images_overlap_ratios: Vec<f64>,
    /// Channels of each scale's map.
    pub scaled_images_feature_dims: Vec<i64>,
    /// What is cut from patches at their seams, in tokens at the finest scale.
    pub merge_padding_value: i64,
    /// Whether the fusion's residual layers normalise.
    pub use_batch_norm_in_fusion_residual: bool,
    /// Whether their convolutions have biases; absent means where they do not normalise.
    pub use_bias_in_fusion_residual: Option<bool>,
    /// Whether the network tells the field of view.
    pub use_fov_model: bool,
    /// Convolutions in its head that halve the map.
    pub num_fov_head_layers: u32,
    image_model_config: Option<Dinov2Config>,
    patch_model_config: Option<Dinov2Config>,
    fov_model_config: Option<Dinov2Config>,
}

/// What Hugging Face's `DepthProConfig` fills in for absent keys.
impl Default for DepthProConfig {
    fn default() -> Self {
        Self {
            model_type: String::new(),
            patch_size: 384,
            fusion_hidden_size: 256,
            intermediate_hook_ids: vec![11, 5],
            intermediate_feature_dims: vec![256, 256],
            scaled_images_ratios: vec![0.25, 0.5, 1.0],
            scaled_images_overlap_ratios: vec![0.0, 0.5, 0.25],
            scaled_images_feature_dims: vec![1024, 1024, 512],
            merge_padding_value: 3,
            use_batch_norm_in_fusion_residual: false,
            use_bias_in_fusion_residual: Some(true),
            use_fov_model: false,
            num_fov_head_layers: 2,
            image_model_config: None,
            patch_model_config: None,
            fov_model_config: None,
        }
    }
}

impl DepthProConfig {
    /// Reads and checks `folder`'s configuration.
    ///
    /// # Errors
    /// A file that cannot be read or parsed; a key whose value this program does not support; a network that tells no field
    /// of view.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let config: Self = serde_json::from_slice(&text)
            .map_err(|error| Error::checkpoint(&path, error.to_string(), SUPPORTED))?;
        if let Some(what) = config.problem() {
            return Err(Error::checkpoint(&path, what, SUPPORTED));
        }
        if !config.use_fov_model {
            return Err(Error::checkpoint(
                &path,
                "use_fov_model is false (as where it is not written): this network tells no field of view, and without \
                 one its depth has no metres",
                "Set it to true if the checkpoint has the weights of fov_model, or take one that has them, such as \
                 apple/DepthPro-hf",
            ));
        }
        Ok(config)
    }

    /// What keeps this program from running such a model, if anything.
    fn problem(&self) -> Option<String> {
        if self.model_type != "depth_pro" {
            return Some(format!(
                "model_type is '{}', but must be 'depth_pro'",
                self.model_type
            ));
        }
        for (key, encoder) in [
            ("image_model_config", self.image_model()),
            ("patch_model_config", self.patch_model()),
            ("fov_model_config", self.fov_model()),
        ] {
            if let Some(problem) = encoder.problem() {
                return Some(format!("{key}: {problem}"));
            }
        }
        self.problem_of_sizes()
            .or_else(|| self.problem_of_scales())
            .or_else(|| self.problem_of_hooks())
    }

    fn problem_of_sizes(&self) -> Option<String> {
        let widths = |key: &'static str, all: &[i64]| -> Vec<(&'static str, i64)> {
            all.iter().map(|width| (key, *width)).collect()
        };
        let scaled = widths(
            "scaled_images_feature_dims",
            &self.scaled_images_feature_dims,
        );
        let hooked = widths("intermediate_feature_dims", &self.intermediate_feature_dims);
        let fusion = vec![("fusion_hidden_size", self.fusion_hidden_size)];
        for (key, value) in [scaled, hooked, fusion].concat() {
            if !is_size(value) {
                return Some(format!(
                    "{key} has {value}, but must be 1 to {LARGEST_SIZE}"
                ));
            }
        }
        let (fused, layers) = (self.fusion_hidden_size, self.num_fov_head_layers);
        if fused % 2 != 0 {
            return Some(format!("fusion_hidden_size is {fused}, but must be even"));
        }
        if layers > 20 || fused >> layers == 0 {
            return Some(format!(
                "num_fov_head_layers is {layers}, but fusion_hidden_size, {fused}, cannot be halved so often"
            ));
        }
        if !(0..=LARGEST_SIZE).contains(&self.merge_padding_value) {
            return Some(format!(
                "merge_padding_value is {}, but must be 0 to {LARGEST_SIZE}",
                self.merge_padding_value
            ));
        }
        None
    }

    fn problem_of_scales(&self) -> Option<String> {
        let scales = self.scaled_images_ratios.len();
        let as_many = [
            (
                "scaled_images_overlap_ratios",
                self.scaled_images_overlap_ratios.len(),
            ),
            (
                "scaled_images_feature_dims",
                self.scaled_images_feature_dims.len(),
            ),
        ];
        if !(1..=MOST_MAPS).contains(&scales) {
            return Some(format!(
                "scaled_images_ratios has {scales} entries, but must have 1 to {MOST_MAPS}"
            ));
        }
        if let Some((key, entries)) = as_many.iter().find(|(_, entries)| *entries != scales) {
            return Some(format!(
                "{key} has {entries} entries, but scaled_images_ratios {scales}: they must be as many"
            ));
        }
        let is_scale = |ratio: &f64| (1.0 / 64.0..=1.0).contains(ratio);
        let ratios = &self.scaled_images_ratios;
        if !ratios.iter().all(is_scale) || !ratios.is_sorted() {
            return Some(format!(
                "scaled_images_ratios is {ratios:?}, but must ascend within 1/64 to 1"
            ));
        }
        let stays = |overlap: &&f64| !(0.0..1.0).contains(*overlap) || self.stride(**overlap) < 1;
        self.scaled_images_overlap_ratios
            .iter()
            .find(stays)
            .map(|overlap| {
                format!(
                    "scaled_images_overlap_ratios has {overlap}, but must be at least 0 and under 1"
                )
            })
    }

    fn problem_of_hooks(&self) -> Option<String> {
        let (hooks, widths) = (
            self.intermediate_hook_ids.len(),
            self.intermediate_feature_dims.len(),
        );
        if hooks != widths || hooks > MOST_MAPS {
            return Some(format!(
                "intermediate_hook_ids has {hooks} entries and intermediate_feature_dims {widths}, but they must be as \
                 many, and at most {MOST_MAPS}"
            ));
        }
        self.hooks().err()
    }

    /// After how many layers of the patch encoder the maps of the hooks are taken: 0 is the embeddings.
    ///
    /// # Errors
    /// A sentence that names the key, if there is no such layer.
    pub(super) fn hooks(&self) -> std::result::Result<Vec<i64>, String> {
        let layers = self.patch_model().num_hidden_layers;
        let after = |id: &i64| match id.saturating_add(1) {
            after if (0..=layers).contains(&after) => Ok(after),
            _ => Err(format!(
                "intermediate_hook_ids has {id}, but the patch encoder has the layers 0 to {}",
                layers - 1
            )),
        };
        self.intermediate_hook_ids.iter().map(after).collect()
    }

    /// How far patches of a scale lie apart, pixels.
    pub(super) fn stride(&self, overlap: f64) -> i64 {
        (self.patch_size as f64 * (1.0 - overlap)) as i64
    }

    /// The encoder that sees the whole picture.
    pub(super) fn image_model(&self) -> Dinov2Config {
        self.encoder(self.image_model_config.as_ref())
    }

    /// The one that sees patches.
    pub(super) fn patch_model(&self) -> Dinov2Config {
        self.encoder(self.patch_model_config.as_ref())
    }

    /// The one that tells the field of view.
    pub(super) fn fov_model(&self) -> Dinov2Config {
        self.encoder(self.fov_model_config.as_ref())
    }

    /// All see squares of one size, whatever an encoder's own part says.
    fn encoder(&self, config: Option<&Dinov2Config>) -> Dinov2Config {
        Dinov2Config {
            image_size: self.patch_size,
            ..config.cloned().unwrap_or_default()
        }
    }

    /// Tokens along a side of what the whole picture's encoder gives.
    pub(super) fn grid_side(&self) -> i64 {
        self.patch_size / self.image_model().patch_size
    }

    /// Whether the fusion's convolutions have biases.
    pub(super) fn has_fusion_bias(&self) -> bool {
        self.use_bias_in_fusion_residual
            .unwrap_or(!self.use_batch_norm_in_fusion_residual)
    }

    /// Why a square of this side is no picture for the network, if it is none.
    pub(super) fn problem_of_side(&self, side: i64) -> Option<String> {
        let least = self.scaled_images_ratios.first().copied().unwrap_or(1.0);
        let patch = self.patch_size;
        ((side as f64 * least) < patch as f64).then(|| {
            format!(
                "pictures become {side} pixels high and wide, of which scaled_images_ratios of config.json leaves less \
                 than a patch of {patch} at {least}"
            )
        })
    }
}
