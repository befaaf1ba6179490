//! The region extractor (SpatialRGPT, section 3.2, after RegionGPT): the tower's features are enlarged
//! four times by deconvolution; a region is the mean of the enlarged map under its mask. Regions of the
//! depth picture are taken from the tower's features as they are.
//!
//! In the original (AnjieCheng/SpatialRGPT at 16715d4): llava/model/region_extractor/base_extractor.py, 12-24 (the norm),
//! 27-84 (pooling under masks), 87-101 (the enlarging), 137-173 (features and regions).

use tch::{Kind, Tensor};

use super::config::ModelConfig;
use crate::error::Result;
use crate::nn::layers::{CompactLinear, CompactNorm, LayerNorm, Linear, grid_side};
use crate::nn::team::in_parts;
use crate::nn::torch::{TchResult, filled, torch_error};
use crate::nn::vector::gelu_by_erf;
use crate::nn::weights::{Scope, Weights};

/// Patches along a side of the map that the language model gets, whatever the tower's own grid
/// (a constant of the original).
const POOLED_GRID: i64 = 27;

/// The layers between the tower's features and regions.
#[derive(Debug)]
pub(super) struct RegionExtractor {
    feature_refinement_module: FeatureRefinement,
    rgb_projector: Linear,
    depth_projector: Option<Linear>,
}

/// The enlarged map. Its cells are stored in the order in which the two deconvolutions make them:
/// all sixteen of a patch together, so that nothing of this large tensor has to be moved.
#[derive(Debug)]
pub(super) struct Refined {
    /// (B, G * G * 16, C); index ((((y * G + x) * 2 + a) * 2 + b) * 2 + c) * 2 + d is the cell in row
    /// 4y + 2a + c and column 4x + 2b + d.
    cells: Tensor,
    grid: i64,
}

impl RegionExtractor {
    /// Loads the part.
    ///
    /// # Errors
    /// What is missing, unexpected or of another shape, by name.
    pub(super) fn load(weights: Weights, config: &ModelConfig) -> Result<Self> {
        let scope = weights.scope();
        let (c, hidden) = (config.vision_tower.hidden_size, config.llm.hidden_size);
        let depth = scope.sub("depth_projector");
        // A checkpoint without depth may come with the connector or without it.
        let has_depth = config.top.enable_depth || depth.has("weight");
        let extractor = Self {
            feature_refinement_module: FeatureRefinement::load(
                &scope.sub("feature_refinement_module"),
                c,
            )?,
            rgb_projector: Linear::load(&scope.sub("rgb_projector"), c, hidden, true)?,
            depth_projector: match has_depth {
                true => Some(Linear::load(&depth, c, hidden, true)?),
                false => None,
            },
        };
        drop((scope, depth));
        weights.finish()?;
        Ok(extractor)
    }

    /// Whether its enlargement runs by rows, which a team shares.
    pub(super) fn is_for_rows(&self) -> bool {
        self.feature_refinement_module.rows.is_some()
    }

    /// Tower features (B, G * G, C) -> the enlarged map.
    pub(super) fn refine(&self, tower_features: &Tensor) -> TchResult<Refined> {
        let (_, patches, _) = tower_features.size3()?;
        Ok(Refined {
            cells: self.feature_refinement_module.forward(tower_features)?,
            grid: grid_side(patches),
        })
    }

    /// One embedding a region of the colour picture: masks (M, S, S) of one frame, that frame's cells of
    /// the enlarged map (16 G * G, C), as `Refined::frames` gives them -> (M, hidden).
    pub(super) fn color_regions(&self, cells: &Tensor, masks: &Tensor) -> TchResult<Tensor> {
        let g = grid_side(cells.size2()?.0 / 16);
        let weights = in_cell_order(&resized(masks, 4 * g)?)?; // (M, 16 G * G)
        let pooled = mask_pooling(cells, &weights)?;
        self.rgb_projector.forward(&pooled)
    }

    /// One embedding a region of the depth picture: masks (M, S, S), the tower's features of that
    /// picture (G * G, C) -> (M, hidden). `None` if the checkpoint has no connector for depth.
    pub(super) fn depth_regions(
        &self,
        features: &Tensor,
        masks: &Tensor,
    ) -> TchResult<Option<Tensor>> {
        let Some(projector) = &self.depth_projector else {
            return Ok(None);
        };
        let g = grid_side(features.size2()?.0);
        let weights = resized(masks, g)?.f_flatten(1, 2)?; // (M, G * G)
        let pooled = mask_pooling(features, &weights)?;
        projector.forward(&pooled).map(Some)
    }
}

impl Refined {
    /// The map at the resolution that the projector takes: (B, 27 * 27, C), row by row.
    pub(super) fn pooled(&self) -> TchResult<Tensor> {
        let (b, _, c) = self.cells.size3()?;
        if self.grid == POOLED_GRID {
            // Each cell of the result is the mean of one patch's sixteen.
            let patches = self.cells.f_view([b, self.grid * self.grid, 16, c])?;
            return patches.f_mean_dim(2, false, None::<Kind>);
        }
        let side = 4 * self.grid;
        self.rows()?
            .f_view([b, side, side, c])?
            .f_permute([0, 3, 1, 2])? // (B, C, 4G, 4G)
            .f_adaptive_avg_pool2d([POOLED_GRID, POOLED_GRID])?
            .f_flatten(2, 3)?
            .f_transpose(1, 2) // (B, 27 * 27, C)
    }

    /// The cells of each frame: B times (16 G * G, C).
    pub(super) fn frames(&self) -> TchResult<Vec<Tensor>> {
        self.cells.f_unbind(0)
    }

    /// The cells of all frames as they are stored: (B, 16 G * G, C), in the order of `in_cell_order`.
    pub(super) fn cells(&self) -> &Tensor {
        &self.cells
    }

    /// The cells row by row: (B, 4G * 4G, C).
    pub(super) fn rows(&self) -> TchResult<Tensor> {
        let (b, _, c) = self.cells.size3()?;
        let g = self.grid;
        self.cells
            .f_reshape([b, g, g, 2, 2, 2, 2, c])? // (B, y, x, a, b, c, d, C)
            .f_permute([0, 1, 3, 5, 2, 4, 6, 7])? // (B, y, a, c, x, b, d, C)
            .f_reshape([b, 16 * g * g, c])
    }
}

/// Maps (M, 4G, 4G) -> (M, 16 G * G) in the order in which the cells of the enlarged map are stored.
pub(super) fn in_cell_order(maps: &Tensor) -> TchResult<Tensor> {
    let (m, side, _) = maps.size3()?;
    let g = side / 4;
    maps.f_reshape([m, g, 2, 2, g, 2, 2])? // (M, y, a, c, x, b, d)
        .f_permute([0, 1, 4, 2, 5, 3, 6])? // (M, y, x, a, b, c, d)
        .f_reshape([m, 16 * g * g])
}

/// `deconv2x`: deconvolution, normalisation over channels, GELU, deconvolution, GELU.
#[derive(Debug)]
struct FeatureRefinement {
    first: Deconvolution,
    norm: LayerNorm,
    second: Deconvolution,
    /// The same for rows; `None` where libtorch runs it.
    rows: Option<RowRefinement>,
}

impl FeatureRefinement {
    fn load(scope: &Scope, channels: i64) -> Result<Self> {
        let mut refinement = Self {
            first: Deconvolution::load(&scope.sub("0"), channels)?,
            norm: LayerNorm::load(&scope.sub("1"), channels, 1e-6)?,
            second: Deconvolution::load(&scope.sub("3"), channels)?,
            rows: None,
        };
        let rows = RowRefinement::of(&refinement);
        refinement.rows = rows.map_err(torch_error("lay out the enlargement"))?;
        Ok(refinement)
    }

    /// (B, N, C) -> (B, 16 N, C)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        if let Some(rows) = &self.rows {
            let (b, n, c) = x.size3()?;
            let flat = Vec::<f32>::try_from(x.f_to_kind(Kind::Float)?.f_reshape([-1])?)?;
            let cells = filled(&[b, 16 * n, c], |cells| rows.forward(&flat, cells))?;
            return cells.f_to_kind(x.kind());
        }
        let x = self.first.forward(x)?; // (B, 4N, C)
        let x = self.norm.forward(&x)?.f_gelu("none")?;
        self.second.forward(&x)?.f_gelu_("none") // (B, 16N, C)
    }
}

/// The enlargement on a processor, some patches at a time: all of their cells stay near a core until they are done.
#[derive(Debug)]
struct RowRefinement {
    first: CompactLinear,
    norm: CompactNorm,
    second: CompactLinear,
}

impl RowRefinement {
    /// `None` where the weights do not stand in panels.
    fn of(refinement: &FeatureRefinement) -> TchResult<Option<Self>> {
        let layers = [&refinement.first.linear, &refinement.second.linear];
        if !layers.iter().all(|layer| layer.is_in_panels()) {
            return Ok(None);
        }
        let [first, second] = layers.map(Linear::compact);
        let (Some(first), Some(second)) = (first?, second?) else {
            return Ok(None);
        };
        Ok(Some(Self {
            first,
            norm: refinement.norm.compact()?,
            second,
        }))
    }

    /// Patches (N, C) -> cells (16 N, C).
    fn forward(&self, x: &[f32], cells: &mut [f32]) {
        const PATCHES: usize = 16;
        let chunk = PATCHES * self.norm.channels();
        let parts = x.chunks(chunk).zip(cells.chunks_mut(16 * chunk));
        in_parts(16 * x.len() * self.norm.channels(), parts, |(x, cells)| {
            let mut between = self.norm.forward(&self.first.forward_alone(x)); // (4 N, C)
            gelu_by_erf(&mut between);
            self.second.forward_into(&between, cells);
            gelu_by_erf(cells);
        });
    }
}

/// A transposed convolution with kernel 2 and stride 2. Its patches do not overlap, so it is a linear
/// layer that makes four cells of one.
#[derive(Debug)]
struct Deconvolution {
    linear: Linear,
}

impl Deconvolution {
    fn load(scope: &Scope, channels: i64) -> Result<Self> {
        let kernel = scope.get("weight", &[channels, channels, 2, 2])?; // (in, out, 2, 2)
        let weight = kernel.permute([2, 3, 1, 0]); // (2, 2, out, in)
        let bias = scope.get("bias", &[channels])?.repeat([4]);
        Ok(Self {
            linear: Linear::with_form(
                weight.reshape([4 * channels, channels]),
                Some(bias),
                scope.form(),
            )?,
        })
    }

    /// (B, N, C) -> (B, 4N, C)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let (b, n, c) = x.size3()?;
        self.linear.forward(x)?.f_view([b, 4 * n, c])
    }
}

/// Masks (M, S, S) brought to a map's size by bilinear interpolation without antialiasing, so that a
/// small region may vanish: it did in training.
fn resized(masks: &Tensor, side: i64) -> TchResult<Tensor> {
    let (_, height, width) = masks.size3()?;
    // The original passes one factor for both sides and lets the interpolation use it as it is.
    let scale = ((side * side) as f64 / (height * width) as f64).sqrt();
    masks
        .f_unsqueeze(0)?
        .f_to_kind(Kind::Float)?
        .f_upsample_bilinear2d([side, side], false, scale, scale)?
        .f_squeeze_dim(0)
}

/// The mean of features (L, C) under soft weights (M, L): (M, C). A mask that vanished gives zeros, so
/// its region's embedding is the connector's bias.
fn mask_pooling(features: &Tensor, weights: &Tensor) -> TchResult<Tensor> {
    let total = weights.f_sum_dim_intlist(1, true, None::<Kind>)?; // (M, 1)
    let weights = weights.f_div(&total.f_add_scalar(1e-8)?)?;
    weights.f_to_kind(features.kind())?.f_matmul(features)
}
