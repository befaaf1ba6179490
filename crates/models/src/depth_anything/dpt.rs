//! The dense prediction transformer's (arXiv 2103.13413) neck and head as Depth Anything uses them:
//! tokens of four stages in, fused from coarse to fine, one depth a pixel out.
//!
//! In transformers 5.23.0: models/depth_anything/modeling_depth_anything.py, 31-93 (reassembling), 96-203 (fusion),
//! 217-262 (the neck), 265-308 (the head).

use tch::Tensor;

use super::config::{DepthEstimationType, DptConfig, Resize};
use crate::error::Result;
use crate::nn::images::{BlockUpsample, Conv2d, Window, resize_between_corners};
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

/// `neck.reassemble_stage.layers.*`
#[derive(Debug)]
struct ReassembleLayer {
    projection: Conv2d,
    resize: Resizer,
}

/// `resize`, of which there are three kinds; keeping the size needs no weights.
#[derive(Debug)]
enum Resizer {
    Enlarge(BlockUpsample),
    Keep,
    Reduce(Conv2d),
}

impl ReassembleLayer {
    fn new(scope: &Scope<'_>, inputs: i64, channels: i64, resize: Resize) -> Result<Self> {
        let below = scope.sub("resize");
        let resize = match resize {
            Resize::Enlarge(factor) => Resizer::Enlarge(BlockUpsample::new(
                &below, channels, channels, factor, true,
            )?),
            Resize::Keep => Resizer::Keep,
            Resize::Reduce { stride } => {
                let window = Window::padded(3, stride, 1);
                Resizer::Reduce(Conv2d::new(&below, channels, channels, window)?)
            }
        };
        let projection = Conv2d::new(&scope.sub("projection"), inputs, channels, Window::POINT)?;
        Ok(Self { projection, resize })
    }

    /// (B, 1 + h w, C) -> (B, channels, factor h, factor w)
    fn forward(&self, tokens: &Tensor, grid: (i64, i64)) -> TchResult<Tensor> {
        let (batch, count, hidden) = tokens.size3()?;
        // Tokens are pixels with their channels side by side, so this copies nothing.
        let image = tokens
            .f_narrow(1, 1, count - 1)? // (B, h w, C): the class token has no place in an image
            .f_reshape([batch, grid.0, grid.1, hidden])? // (B, h, w, C)
            .f_permute([0, 3, 1, 2])?; // (B, C, h, w)
        let image = self.projection.forward(&image)?; // (B, channels, h, w)
        match &self.resize {
            Resizer::Enlarge(upsample) => upsample.forward(&image),
            Resizer::Keep => Ok(image),
            Resizer::Reduce(convolution) => convolution.forward(&image),
        }
    }
}

/// `residual_layer*`: activation before each of two convolutions, the input added at the end.
#[derive(Debug)]
struct ResidualLayer {
    convolution1: Conv2d,
    convolution2: Conv2d,
}

impl ResidualLayer {
    fn new(scope: &Scope<'_>, channels: i64) -> Result<Self> {
        let read = |name| Conv2d::new(&scope.sub(name), channels, channels, Window::NEIGHBOURS);
        Ok(Self {
            convolution1: read("convolution1")?,
            convolution2: read("convolution2")?,
        })
    }

    /// (B, C, H, W) -> (B, C, H, W)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let changed = self.convolution1.forward(&x.f_relu()?)?;
        self.convolution2.forward(&changed.f_relu()?)?.f_add(x)
    }
}

/// `neck.fusion_stage.layers.*`
#[derive(Debug)]
struct FusionLayer {
    projection: Conv2d,
    residual_layer1: ResidualLayer,
    residual_layer2: ResidualLayer,
}

impl FusionLayer {
    fn new(scope: &Scope<'_>, channels: i64) -> Result<Self> {
        Ok(Self {
            projection: Conv2d::new(&scope.sub("projection"), channels, channels, Window::POINT)?,
            // The coarsest layer has nothing to add to, and keeps unused weights all the same.
            residual_layer1: ResidualLayer::new(&scope.sub("residual_layer1"), channels)?,
            residual_layer2: ResidualLayer::new(&scope.sub("residual_layer2"), channels)?,
        })
    }

    /// `feature` (B, C, H, W), and what coarser layers gave in the same shape -> (B, C, size)
    fn forward(
        &self,
        coarser: Option<&Tensor>,
        feature: &Tensor,
        size: (i64, i64),
    ) -> TchResult<Tensor> {
        let fused = match coarser {
            Some(coarser) => self.residual_layer1.forward(feature)?.f_add(coarser)?,
            None => feature.shallow_clone(),
        };
        let fused = self.residual_layer2.forward(&fused)?;
        // A 1 x 1 convolution and a resize commute, but not to the last bit: this is the original's order.
        self.projection
            .forward(&resize_between_corners(&fused, size)?)
    }
}

/// `neck`
#[derive(Debug)]
pub(super) struct Neck {
    reassemble: Vec<ReassembleLayer>,
    convs: Vec<Conv2d>,
    fusion: Vec<FusionLayer>,
}

impl Neck {
    /// Reads the neck below `scope`; `config` has no [`DptConfig::problem`].
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(scope: &Scope<'_>, config: &DptConfig) -> Result<Self> {
        let (mut reassemble, mut convs, mut fusion) = (Vec::new(), Vec::new(), Vec::new());
        let stage = scope.sub("reassemble_stage").sub("layers");
        let fusion_stage = scope.sub("fusion_stage").sub("layers");
        let fused = config.fusion_hidden_size;
        let resizes = config
            .reassemble_factors
            .iter()
            .filter_map(|factor| Resize::of(*factor));
        for (index, (&channels, resize)) in config.neck_hidden_sizes.iter().zip(resizes).enumerate()
        {
            let inputs = config.reassemble_hidden_size;
            reassemble.push(ReassembleLayer::new(
                &stage.sub(index),
                inputs,
                channels,
                resize,
            )?);
            let conv = scope.sub("convs").sub(index);
            convs.push(Conv2d::without_bias(
                &conv,
                channels,
                fused,
                Window::NEIGHBOURS,
            )?);
            fusion.push(FusionLayer::new(&fusion_stage.sub(index), fused)?);
        }
        Ok(Self {
            reassemble,
            convs,
            fusion,
        })
    }

    /// One (B, 1 + h w, C) a stage, `grid` = (h, w) -> as many fused maps (B, F, H, W), coarse to fine.
    ///
    /// # Errors
    /// libtorch's, for tokens that do not fill the grid or for want of memory.
    pub(super) fn forward(
        &self,
        feature_maps: &[Tensor],
        grid: (i64, i64),
    ) -> TchResult<Vec<Tensor>> {
        let mut features = Vec::new();
        for ((tokens, layer), conv) in feature_maps.iter().zip(&self.reassemble).zip(&self.convs) {
            features.push(conv.forward(&layer.forward(tokens, grid)?)?); // (B, F, H_i, W_i)
        }
        let mut fused: Vec<Tensor> = Vec::new();
        let mut coarse_to_fine = features.iter().rev().peekable();
        for layer in &self.fusion {
            let Some(feature) = coarse_to_fine.next() else {
                break;
            };
            let size = match coarse_to_fine.peek() {
                Some(finer) => height_and_width(finer)?,
                None => {
                    let (height, width) = height_and_width(feature)?;
                    (2 * height, 2 * width)
                }
            };
            fused.push(layer.forward(fused.last(), feature, size)?); // (B, F, size)
        }
        Ok(fused)
    }
}

fn height_and_width(image: &Tensor) -> TchResult<(i64, i64)> {
    image.size4().map(|(_, _, height, width)| (height, width))
}

/// `head`
#[derive(Debug)]
pub(super) struct Head {
    conv1: Conv2d,
    conv2: Conv2d,
    conv3: Conv2d,
    in_index: usize,
    depth_estimation_type: DepthEstimationType,
    max_depth: f64,
}

impl Head {
    /// Reads the head below `scope`; `config` has no [`DptConfig::problem`].
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub(super) fn new(scope: &Scope<'_>, config: &DptConfig) -> Result<Self> {
        let (wide, narrow) = (config.fusion_hidden_size, config.fusion_hidden_size / 2);
        let hidden = config.head_hidden_size;
        Ok(Self {
            conv1: Conv2d::new(&scope.sub("conv1"), wide, narrow, Window::NEIGHBOURS)?,
            conv2: Conv2d::new(&scope.sub("conv2"), narrow, hidden, Window::NEIGHBOURS)?,
            conv3: Conv2d::new(&scope.sub("conv3"), hidden, 1, Window::POINT)?,
            in_index: config.head_index().unwrap_or_default(),
            depth_estimation_type: config.depth_estimation_type,
            max_depth: config.max_depth.unwrap_or(1.0),
        })
    }

    /// Fused maps (B, F, H', W') -> (B, size.0, size.1)
    ///
    /// # Errors
    /// libtorch's, for too few maps or for want of memory.
    pub(super) fn forward(&self, fused: &[Tensor], size: (i64, i64)) -> TchResult<Tensor> {
        let fused = fused.get(self.in_index).ok_or_else(|| {
            tch::TchError::Shape(format!("no fused map {} of {}", self.in_index, fused.len()))
        })?;
        let depth = resize_between_corners(&self.conv1.forward(fused)?, size)?; // (B, F / 2, H, W)
        let depth = self.conv2.forward(&depth)?.f_relu()?; // (B, hidden, H, W)
        let depth = self.conv3.forward(&depth)?; // (B, 1, H, W)
        let depth = match self.depth_estimation_type {
            DepthEstimationType::Relative => depth.f_relu()?,
            DepthEstimationType::Metric => depth.f_sigmoid()?,
        };
        depth.f_mul_scalar(self.max_depth)?.f_squeeze_dim(1) // (B, H, W)
    }
}
