//! The pyramid above Hiera: all stages in as many channels, the coarser ones added to some of the finer.
//!
//! In transformers 5.24.0: models/sam2/modeling_sam2.py, 206-264.

use tch::Tensor;

use super::config::VisionConfig;
use crate::error::Result;
use crate::nn::images::{Conv2d, Window};
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

/// `vision_encoder.neck`
#[derive(Debug)]
pub(super) struct Neck {
    /// The coarsest stage's first.
    convs: Vec<Conv2d>,
    /// By stage, the finest first: whether what is coarser is added.
    is_added: Vec<bool>,
}

impl Neck {
    pub(super) fn load(scope: &Scope<'_>, config: &VisionConfig) -> Result<Self> {
        let kernel = config.fpn_kernel_size;
        let window = Window::padded(kernel, 1, (kernel - 1) / 2);
        let convs = config.backbone_channel_list.iter().enumerate();
        let convs = convs.map(|(index, channels)| {
            Conv2d::new(
                &scope.sub("convs").sub(index),
                *channels,
                config.fpn_hidden_size,
                window,
            )
        });
        let stages = 0..config.backbone_channel_list.len() as i64;
        Ok(Self {
            convs: convs.collect::<Result<_>>()?,
            is_added: stages
                .map(|stage| config.fpn_top_down_levels.contains(&stage))
                .collect(),
        })
    }

    /// The stages' maps (1, h, w, C_i) -> the levels (1, F, h, w), the finest first.
    pub(super) fn forward(&self, stages: &[Tensor]) -> TchResult<Vec<Tensor>> {
        let mut levels: Vec<Tensor> = Vec::new();
        let coarse_to_fine = stages.iter().zip(&self.is_added).rev();
        for ((stage, &is_added), conv) in coarse_to_fine.zip(&self.convs) {
            let lateral = conv.forward(&stage.f_permute([0, 3, 1, 2])?)?; // (1, F, h, w)
            levels.push(match levels.last() {
                Some(coarser) if is_added => {
                    let (_, _, height, width) = lateral.size4()?;
                    let above = coarser.f_upsample_nearest2d([height, width], None, None)?;
                    lateral.f_add(&above)?
                }
                _ => lateral,
            });
        }
        levels.reverse();
        Ok(levels)
    }
}
