//! The neck of Depth Pro: every map is enlarged, the coarsest two become one, and all get the fusion's width.
//!
//! In transformers 5.24.0: models/depth_pro/modeling_depth_pro.py, 448-607.

use tch::Tensor;

use super::config::DepthProConfig;
use crate::error::Result;
use crate::nn::images::{BlockUpsample, Conv2d, Window};
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

/// `feature_upsample.*`: a projection of each pixel, then enlargements by two.
#[derive(Debug)]
struct UpsampleBlock {
    projection: Option<Conv2d>,
    enlargements: Vec<BlockUpsample>,
}

impl UpsampleBlock {
    /// The whole picture's: one enlargement, nothing before it.
    fn of_image(scope: &Scope<'_>, inputs: i64, outputs: i64) -> Result<Self> {
        let enlargement =
            BlockUpsample::new(&scope.sub("layers").sub(0), inputs, outputs, 2, true)?;
        Ok(Self {
            projection: None,
            enlargements: vec![enlargement],
        })
    }

    /// Of patches: `inputs` -> `inner` -> `outputs`, `count` enlargements.
    fn of_patches(
        scope: &Scope<'_>,
        (inputs, inner, outputs): (i64, i64, i64),
        count: usize,
    ) -> Result<Self> {
        let layers = scope.sub("layers");
        let mut enlargements = Vec::new();
        for index in 1..=count {
            let inputs = if index == 1 { inner } else { outputs };
            let scope = layers.sub(index);
            enlargements.push(BlockUpsample::new(&scope, inputs, outputs, 2, false)?);
        }
        let projection = Conv2d::without_bias(&layers.sub(0), inputs, inner, Window::POINT)?;
        Ok(Self {
            projection: Some(projection),
            enlargements,
        })
    }

    /// (1, inputs, H, W) -> (1, outputs, 2^count H, 2^count W)
    fn forward(&self, map: &Tensor) -> TchResult<Tensor> {
        let mut map = match &self.projection {
            Some(projection) => projection.forward(map)?,
            None => map.shallow_clone(),
        };
        for enlargement in &self.enlargements {
            map = enlargement.forward(&map)?;
        }
        Ok(map)
    }
}

/// `depth_pro.neck`
#[derive(Debug)]
pub(super) struct Neck {
    /// The whole picture's, those of the scales and those of the hooks.
    feature_upsample: Vec<UpsampleBlock>,
    fuse_image_with_low_res: Conv2d,
    /// `feature_projection.projections`; the last one is not there where the widths are the same.
    projections: Vec<Option<Conv2d>>,
}

impl Neck {
    /// Reads the neck below `scope`.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(scope: &Scope<'_>, config: &DepthProConfig) -> Result<Self> {
        let coarsest = config.scaled_images_feature_dims.first().copied();
        let coarsest = coarsest.unwrap_or_default();
        let fuse = scope.sub("fuse_image_with_low_res");
        Ok(Self {
            feature_upsample: blocks(&scope.sub("feature_upsample"), config, coarsest)?,
            fuse_image_with_low_res: Conv2d::new(&fuse, 2 * coarsest, coarsest, Window::POINT)?,
            projections: projections(&scope.sub("feature_projection").sub("projections"), config)?,
        })
    }

    /// The encoder's maps -> one (1, F, H_i, W_i) a scale and a hook, coarse to fine, each twice as large as the one before.
    ///
    /// # Errors
    /// libtorch's, for want of memory.
    pub(super) fn forward(&self, maps: Vec<Tensor>) -> TchResult<Vec<Tensor>> {
        let count = maps.len();
        let mut enlarged = Vec::new();
        for (map, block) in maps.into_iter().zip(&self.feature_upsample) {
            enlarged.push(block.forward(&map)?);
        }
        let [whole, coarsest, finer @ ..] = enlarged.as_slice() else {
            return Err(tch::TchError::Shape(format!("{count} maps")));
        };
        let both = Tensor::f_cat(&[coarsest, whole], 1)?; // (1, 2 C, H, W)
        let global = self.fuse_image_with_low_res.forward(&both)?;
        let maps = std::iter::once(&global).chain(finer);
        maps.zip(&self.projections)
            .map(|(map, projection)| match projection {
                Some(projection) => projection.forward(map),
                None => Ok(map.shallow_clone()),
            })
            .collect()
    }
}

fn blocks(scope: &Scope<'_>, config: &DepthProConfig, coarsest: i64) -> Result<Vec<UpsampleBlock>> {
    let inputs = config.patch_model().hidden_size;
    let image = config.image_model().hidden_size;
    let mut blocks = vec![UpsampleBlock::of_image(
        &scope.sub("image_block"),
        image,
        coarsest,
    )?];
    for (index, &width) in config.scaled_images_feature_dims.iter().enumerate() {
        let scope = scope.sub("scaled_images").sub(index);
        blocks.push(UpsampleBlock::of_patches(
            &scope,
            (inputs, width, width),
            1,
        )?);
    }
    for (index, &width) in config.intermediate_feature_dims.iter().enumerate() {
        let inner = if index == 0 {
            config.fusion_hidden_size
        } else {
            width
        };
        let scope = scope.sub("intermediate").sub(index);
        let widths = (inputs, inner, width);
        blocks.push(UpsampleBlock::of_patches(&scope, widths, 2 + index)?);
    }
    Ok(blocks)
}

fn projections(scope: &Scope<'_>, config: &DepthProConfig) -> Result<Vec<Option<Conv2d>>> {
    let fused = config.fusion_hidden_size;
    let widths = config.scaled_images_feature_dims.iter();
    let widths: Vec<i64> = widths
        .chain(&config.intermediate_feature_dims)
        .copied()
        .collect();
    let last = widths.len().saturating_sub(1);
    let projection = |(index, width): (usize, i64)| {
        if index == last && width == fused {
            return Ok(None);
        }
        let scope = scope.sub(index);
        Conv2d::without_bias(&scope, width, fused, Window::NEIGHBOURS).map(Some)
    };
    widths.into_iter().enumerate().map(projection).collect()
}
