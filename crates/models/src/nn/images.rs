//! Layers over images: convolutions, their transposes, resizes.
//! Every call into libtorch is a fallible one, so a failure is a value and not an abort.

use tch::Tensor;

use super::torch::{TchResult, torch_error};
use super::weights::Scope;
use crate::error::Result;

/// The side of a square kernel, its stride and the zeros around the image.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Side of the kernel.
    pub kernel: i64,
    /// How far the kernel moves at a time.
    pub stride: i64,
    /// Zeros on each side of the image.
    pub padding: i64,
}

impl Window {
    /// A pixel alone.
    pub const POINT: Self = Self::padded(1, 1, 0);
    /// Three by three, which keeps the image's size.
    pub const NEIGHBOURS: Self = Self::padded(3, 1, 1);

    /// Any of these.
    pub const fn padded(kernel: i64, stride: i64, padding: i64) -> Self {
        Self {
            kernel,
            stride,
            padding,
        }
    }

    /// Blocks that touch and do not overlap.
    pub const fn blocks(side: i64) -> Self {
        Self::padded(side, side, 0)
    }
}

/// A convolution over an image.
#[derive(Debug)]
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    window: Window,
}

impl Conv2d {
    /// Reads `weight` (outputs, inputs, kernel, kernel) and `bias` (outputs).
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn new(scope: &Scope<'_>, inputs: i64, outputs: i64, window: Window) -> Result<Self> {
        Ok(Self {
            bias: Some(scope.get("bias", &[outputs])?),
            ..Self::without_bias(scope, inputs, outputs, window)?
        })
    }

    /// Reads `weight` only.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn without_bias(
        scope: &Scope<'_>,
        inputs: i64,
        outputs: i64,
        window: Window,
    ) -> Result<Self> {
        let shape = [outputs, inputs, window.kernel, window.kernel];
        Ok(Self {
            weight: channels_last(scope.get("weight", &shape)?)?,
            bias: None,
            window,
        })
    }

    /// (B, inputs, H, W) -> (B, outputs, H', W')
    pub fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let Window {
            stride, padding, ..
        } = self.window;
        let bias = self.bias.as_ref();
        x.f_conv2d(
            &self.weight,
            bias,
            [stride, stride],
            [padding, padding],
            [1, 1],
            1,
        )
    }
}

/// A convolution's transpose whose kernel is its stride: every pixel becomes a block of its own.
#[derive(Debug)]
pub struct BlockUpsample {
    weight: Tensor,
    bias: Option<Tensor>,
    factor: i64,
}

impl BlockUpsample {
    /// Reads `weight` (inputs, outputs, factor, factor) and, if it has one, `bias` (outputs).
    ///
    /// # Errors
    /// A tensor that is missing or has another shape.
    pub fn new(
        scope: &Scope<'_>,
        inputs: i64,
        outputs: i64,
        factor: i64,
        has_bias: bool,
    ) -> Result<Self> {
        let shape = [inputs, outputs, factor, factor];
        let bias = has_bias.then(|| scope.get("bias", &[outputs]));
        Ok(Self {
            weight: channels_last(scope.get("weight", &shape)?)?,
            bias: bias.transpose()?,
            factor,
        })
    }

    /// (B, inputs, H, W) -> (B, outputs, factor H, factor W)
    pub fn forward(&self, x: &Tensor) -> TchResult<Tensor> {
        let stride = [self.factor, self.factor];
        x.f_conv_transpose2d(
            &self.weight,
            self.bias.as_ref(),
            stride,
            [0, 0],
            [0, 0],
            1,
            [1, 1],
        )
    }
}

/// The same tensor with a pixel's channels side by side in memory. libtorch hands that order on from
/// layer to layer, and its convolutions and resizes are faster in it: neck and head by a third in float32
/// and by two thirds in bfloat16.
fn channels_last(weight: Tensor) -> Result<Tensor> {
    let arrange = || {
        weight
            .f_permute([0, 2, 3, 1])? // (O, k, k, I)
            .f_contiguous()?
            .f_permute([0, 3, 1, 2]) // (O, I, k, k)
    };
    arrange().map_err(torch_error("arrange a convolution's weights"))
}

/// Bilinear resize whose corner pixels stay in the corners: (B, C, H, W) -> (B, C, size.0, size.1).
pub fn resize_between_corners(x: &Tensor, size: (i64, i64)) -> TchResult<Tensor> {
    x.f_upsample_bilinear2d([size.0, size.1], true, None, None)
}
