//! The two encoders of Depth Pro (paper, section 3.1): one sees patches of the picture at several scales, one the whole of
//! it. What both give are maps, coarse to fine.
//!
//! In transformers 5.24.0: models/depth_pro/modeling_depth_pro.py, 72-345 (patches), 348-390 (the whole), 393-445 (both).

use tch::{Device, Tensor};

use super::config::DepthProConfig;
use super::maps::{maps_of, merged, resized};
use crate::error::Result;
use crate::nn::dinov2::Dinov2;
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

/// Patches that run through the encoder together on a processor: what is made of one stays near it, and of all would be
/// gigabytes.
const PATCHES_AT_ONCE: usize = 1;

/// `depth_pro.encoder.patch_encoder`
#[derive(Debug)]
struct PatchEncoder {
    model: Dinov2,
    /// Layers in all.
    layers: i64,
    /// After how many layers the hooks' tokens are taken.
    hooks: Vec<i64>,
    scales: Vec<Scale>,
    patch_size: i64,
    merge_padding: i64,
    grid_side: i64,
}

/// One size in which the picture is seen.
#[derive(Debug)]
struct Scale {
    ratio: f64,
    stride: i64,
}

impl PatchEncoder {
    fn new(scope: &Scope<'_>, config: &DepthProConfig) -> Result<Self> {
        let model = config.patch_model();
        let overlaps = config.scaled_images_overlap_ratios.iter();
        let scales = config.scaled_images_ratios.iter().zip(overlaps);
        Ok(Self {
            layers: model.num_hidden_layers,
            model: Dinov2::new(&scope.sub("model"), &model)?,
            hooks: config.hooks().unwrap_or_default(),
            scales: scales
                .map(|(&ratio, &overlap)| Scale {
                    ratio,
                    stride: config.stride(overlap),
                })
                .collect(),
            patch_size: config.patch_size,
            merge_padding: config.merge_padding_value,
            grid_side: config.grid_side(),
        })
    }

    /// (1, 3, S, S) -> a map a scale, coarse to fine, then one a hook, all of the finest scale.
    fn forward(&self, pixel_values: &Tensor) -> TchResult<Vec<Tensor>> {
        let side = pixel_values.size4()?.3;
        let mut patches = Vec::new();
        let mut counts = Vec::new();
        for scale in self.scales.iter().rev() {
            let seen = self.patches(&scaled(pixel_values, scale.ratio)?, scale.stride)?;
            counts.push(seen.len());
            patches.extend(seen); // fine to coarse
        }
        let (last, hooked) = self.encode(&patches)?;
        let base = base_side(side, self.grid_side);
        let padding = |scale: &Scale| (self.merge_padding as f64 * (1.0 / scale.ratio)) as i64;

        let mut maps = Vec::new();
        let mut end = last.len();
        for (level, (scale, count)) in self.scales.iter().zip(counts.into_iter().rev()).enumerate()
        {
            let of_scale = last.get(end - count..end).unwrap_or_default();
            end -= count;
            maps.push(resized(&merged(of_scale, padding(scale))?, base << level)?);
        }
        let finest = base << (self.scales.len().saturating_sub(1));
        let padding = self.scales.last().map_or(0, padding);
        for of_hook in &hooked {
            // As many as fill a square of all scales' patches: the finest come first, and the coarser are left out.
            maps.push(resized(&merged(of_hook, padding)?, finest)?);
        }
        Ok(maps)
    }

    /// The patches of a picture (1, 3, S, S), row by row, each (1, 3, p, p); what is left over at the right and below is not
    /// seen.
    fn patches(&self, picture: &Tensor, stride: i64) -> TchResult<Vec<Tensor>> {
        let (_, _, height, width) = picture.size4()?;
        let patch = self.patch_size;
        let mut patches = Vec::new();
        for top in (0..=height - patch).step_by(stride as usize) {
            for left in (0..=width - patch).step_by(stride as usize) {
                let rows = picture.f_narrow(2, top, patch)?;
                patches.push(rows.f_narrow(3, left, patch)?);
            }
        }
        Ok(patches)
    }

    /// Patches (1, 3, p, p) -> the maps (1, C, g, g) of the last layer, and those of each hook.
    fn encode(&self, patches: &[Tensor]) -> TchResult<(Vec<Tensor>, Vec<Vec<Tensor>>)> {
        let mut after: Vec<i64> = self.hooks.clone();
        after.push(self.layers);
        after.sort_unstable();
        after.dedup();
        let at_once = match patches.first().map(Tensor::device) {
            Some(Device::Cpu) | None => PATCHES_AT_ONCE,
            Some(_) => patches.len(),
        };
        let mut last = Vec::new();
        let mut hooked: Vec<Vec<Tensor>> = self.hooks.iter().map(|_| Vec::new()).collect();
        for patches in patches.chunks(at_once.max(1)) {
            let patches = Tensor::f_cat(patches, 0)?; // (B, 3, p, p)
            let hidden_states = self.model.hidden_states(&patches, &after)?;
            let of = |wanted: i64| after.iter().position(|after| *after == wanted);
            let of = |wanted: i64| of(wanted).and_then(|index| hidden_states.get(index));
            if let Some(tokens) = of(self.layers) {
                last.extend(maps_of(&self.model.normalised(tokens)?)?);
            }
            for (maps, hook) in hooked.iter_mut().zip(&self.hooks) {
                if let Some(tokens) = of(*hook) {
                    maps.extend(maps_of(tokens)?);
                }
            }
        }
        Ok((last, hooked))
    }
}

/// A picture (1, 3, S, S) at another scale, bilinear, without antialiasing.
fn scaled(picture: &Tensor, ratio: f64) -> TchResult<Tensor> {
    if ratio == 1.0 {
        return Ok(picture.shallow_clone());
    }
    let (_, _, height, width) = picture.size4()?;
    let size = [height, width].map(|side| (side as f64 * ratio).floor() as i64);
    picture.f_upsample_bilinear2d(size, false, ratio, ratio)
}

/// The side of the coarsest map: the picture's, halved as long as it is not under `grid_side`.
pub(super) fn base_side(side: i64, grid_side: i64) -> i64 {
    let halvings = (side as f64 / grid_side as f64).log2() as u32;
    side >> halvings.min(62)
}

/// `depth_pro.encoder`
#[derive(Debug)]
pub(super) struct Encoder {
    patch_encoder: PatchEncoder,
    image_encoder: WholeEncoder,
}

impl Encoder {
    /// Reads both encoders below `scope`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(scope: &Scope<'_>, config: &DepthProConfig) -> Result<Self> {
        let image = scope.sub("image_encoder").sub("model");
        Ok(Self {
            patch_encoder: PatchEncoder::new(&scope.sub("patch_encoder"), config)?,
            image_encoder: WholeEncoder {
                layers: config.image_model().num_hidden_layers,
                model: Dinov2::new(&image, &config.image_model())?,
                side: config.patch_size,
            },
        })
    }

    /// (1, 3, S, S) -> the whole picture's map, those of the scales, coarse to fine, and those of the hooks.
    ///
    /// # Errors
    /// libtorch's, for want of memory.
    pub(super) fn forward(&self, pixel_values: &Tensor) -> TchResult<Vec<Tensor>> {
        let side = pixel_values.size4()?.3;
        let base = base_side(side, self.patch_encoder.grid_side);
        let tokens = self.image_encoder.forward(pixel_values)?;
        let mut maps = vec![resized(&merged(&maps_of(&tokens)?, 0)?, base)?]; // (1, C, base, base)
        maps.extend(self.patch_encoder.forward(pixel_values)?);
        Ok(maps)
    }
}

/// An encoder that sees all of a picture at once, in its own size.
#[derive(Debug)]
pub(super) struct WholeEncoder {
    pub(super) model: Dinov2,
    pub(super) layers: i64,
    /// Of what it sees, pixels.
    pub(super) side: i64,
}

impl WholeEncoder {
    /// (1, 3, S, S) -> tokens (1, 1 + g g, C)
    pub(super) fn forward(&self, pixel_values: &Tensor) -> TchResult<Tensor> {
        let seen = resized(pixel_values, self.side)?;
        let hidden_states = self.model.hidden_states(&seen, &[self.layers])?;
        match hidden_states.first() {
            Some(tokens) => self.model.normalised(tokens),
            None => Err(tch::TchError::Shape("no layers".into())),
        }
    }
}
