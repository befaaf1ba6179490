//! The memory encoder: a frame's map and the mask that was found in it, as what later frames attend to.
//!
//! In transformers 5.24.0: models/sam2_video/modeling_sam2_video.py, 1062-1221 and 2628-2708.

use tch::{Kind, Tensor};

use super::config::{Activation, MemoryConfig};
use super::layers::{ChannelNorm, resize, resize_smoothly};
use crate::error::Result;
use crate::nn::images::{Conv2d, Window};
use crate::nn::layers::Linear;
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

/// What its norms add to the variance.
const EPS: f64 = 1e-6;

/// `memory_encoder`, and how a mask is prepared for it.
#[derive(Debug)]
pub(super) struct MemoryEncoder {
    mask_downsampler: Vec<DownsamplerLayer>,
    final_conv: Conv2d,
    feature_projection: Conv2d,
    memory_fuser: Vec<FuserBlock>,
    projection: Conv2d,
    /// (1, WIDTH), added to memories of frames in which the object is not seen.
    occlusion: Option<Tensor>,
    image_size: i64,
    mask_side: i64,
    scale: f64,
    bias: f64,
}

impl MemoryEncoder {
    /// Reads the encoder of the model at `root`, for pictures and masks of these sides.
    pub(super) fn load(
        root: &Scope<'_>,
        config: &MemoryConfig,
        hidden: i64,
        [image_size, mask_side]: [i64; 2],
    ) -> Result<Self> {
        let scope = root.sub("memory_encoder");
        let downsampler = scope.sub("mask_downsampler");
        let growth = config.mask_downsampler_stride * config.mask_downsampler_stride;
        let mut channels = 1;
        let mut layers = Vec::new();
        for index in 0..config.mask_steps() {
            let scope = downsampler.sub("layers").sub(index);
            layers.push(DownsamplerLayer::load(&scope, config, channels)?);
            channels *= growth;
        }
        let blocks = 0..config.memory_fuser_num_layers;
        let blocks = blocks.map(|index| {
            FuserBlock::load(
                &scope.sub("memory_fuser").sub("layers").sub(index),
                config,
                hidden,
            )
        });
        let occlusion = (config.enable_occlusion_spatial_embedding).then(|| {
            root.get(
                "occlusion_spatial_embedding_parameter",
                &[1, MemoryConfig::WIDTH],
            )
        });
        Ok(Self {
            mask_downsampler: layers,
            final_conv: Conv2d::new(
                &downsampler.sub("final_conv"),
                channels,
                hidden,
                Window::POINT,
            )?,
            feature_projection: Conv2d::new(
                &scope.sub("feature_projection"),
                hidden,
                hidden,
                Window::POINT,
            )?,
            memory_fuser: blocks.collect::<Result<_>>()?,
            projection: Conv2d::new(
                &scope.sub("projection"),
                hidden,
                MemoryConfig::WIDTH,
                Window::POINT,
            )?,
            occlusion: occlusion.transpose()?,
            image_size,
            mask_side,
            scale: config.sigmoid_scale_for_mem_enc,
            bias: config.sigmoid_bias_for_mem_enc,
        })
    }

    /// A frame's map (1, C, grid, grid), the mask's logits (1, 1, side, side), whether a person pointed at something in this
    /// frame, and whether the object is seen in it -> (1, grid^2, WIDTH), rounded to bfloat16.
    pub(super) fn forward(
        &self,
        map: &Tensor,
        logits: &Tensor,
        is_prompted: bool,
        is_seen: bool,
    ) -> TchResult<Tensor> {
        let mut logits = resize(logits, [self.image_size; 2])?;
        if self.mask_side != self.image_size {
            logits = resize_smoothly(&logits, self.mask_side)?;
        }
        let inside = match is_prompted {
            true => logits.f_gt(0.0)?.f_to_kind(map.kind())?,
            false => logits.f_sigmoid()?,
        };
        let mut mask = inside.f_mul_scalar(self.scale)?.f_add_scalar(self.bias)?;
        for layer in &self.mask_downsampler {
            mask = layer.forward(&mask)?;
        }
        let mask = self.final_conv.forward(&mask)?; // (1, C, grid, grid)
        let mut x = self.feature_projection.forward(map)?.f_add(&mask)?;
        for block in &self.memory_fuser {
            x = block.forward(&x)?;
        }
        let memory = self.projection.forward(&x)?; // (1, WIDTH, grid, grid)
        let memory = memory.f_flatten(2, 3)?.f_transpose(1, 2)?; // (1, grid^2, WIDTH)
        let memory = match &self.occlusion {
            Some(occlusion) if !is_seen => memory.f_add(occlusion)?,
            _ => memory,
        };
        memory.f_to_kind(Kind::BFloat16)?.f_contiguous()
    }
}

/// A step of `mask_downsampler`: smaller, and with more channels.
#[derive(Debug)]
struct DownsamplerLayer {
    conv: Conv2d,
    layer_norm: ChannelNorm,
    activation: Activation,
}

impl DownsamplerLayer {
    fn load(scope: &Scope<'_>, config: &MemoryConfig, inputs: i64) -> Result<Self> {
        let stride = config.mask_downsampler_stride;
        let window = Window::padded(
            config.mask_downsampler_kernel_size,
            stride,
            config.mask_downsampler_padding,
        );
        let outputs = inputs * stride * stride;
        Ok(Self {
            conv: Conv2d::new(&scope.sub("conv"), inputs, outputs, window)?,
            layer_norm: ChannelNorm::load(&scope.sub("layer_norm"), outputs, EPS)?,
            activation: config.mask_activation(),
        })
    }

    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        self.activation
            .apply(&self.layer_norm.forward(&self.conv.forward(x)?)?)
    }
}

/// A block of ConvNeXt (arXiv 2201.03545), with a scale of its own.
#[derive(Debug)]
struct FuserBlock {
    /// (C, 1, kernel, kernel): each channel has a kernel of its own.
    depthwise: Tensor,
    depthwise_bias: Tensor,
    padding: i64,
    layer_norm: ChannelNorm,
    pointwise_conv1: Linear,
    pointwise_conv2: Linear,
    scale: Tensor,
    activation: Activation,
}

impl FuserBlock {
    fn load(scope: &Scope<'_>, config: &MemoryConfig, hidden: i64) -> Result<Self> {
        let (kernel, inner) = (
            config.memory_fuser_kernel_size,
            config.memory_fuser_intermediate_dim,
        );
        let depthwise = scope.sub("depthwise_conv");
        Ok(Self {
            depthwise: depthwise.get("weight", &[hidden, 1, kernel, kernel])?,
            depthwise_bias: depthwise.get("bias", &[hidden])?,
            padding: config.memory_fuser_padding,
            layer_norm: ChannelNorm::load(&scope.sub("layer_norm"), hidden, EPS)?,
            pointwise_conv1: Linear::load(&scope.sub("pointwise_conv1"), hidden, inner, true)?,
            pointwise_conv2: Linear::load(&scope.sub("pointwise_conv2"), inner, hidden, true)?,
            scale: scope.get("scale", &[hidden])?,
            activation: config.fuser_activation(),
        })
    }

    /// (1, C, h, w) -> (1, C, h, w)
    fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let (_, channels, _, _) = x.size4()?;
        let padding = [self.padding, self.padding];
        let bias = Some(&self.depthwise_bias);
        let inner = x.f_conv2d(&self.depthwise, bias, [1, 1], padding, [1, 1], channels)?;
        let inner = self.layer_norm.forward(&inner)?.f_permute([0, 2, 3, 1])?; // (1, h, w, C)
        let inner = self
            .activation
            .apply(&self.pointwise_conv1.forward(&inner)?)?;
        let inner = self.pointwise_conv2.forward(&inner)?.f_mul(&self.scale)?;
        x.f_add(&inner.f_permute([0, 3, 1, 2])?)
    }
}
