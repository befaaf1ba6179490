//! Pictures as the vision-language model sees them: Pillow's and OpenCV's resizes bit for bit,
//! masks from boxes, relative depth, and the image processors of the checkpoints.
//! Bytes and floats only: no tensors, so all of it builds and tests without libtorch.

pub mod depth_anything;
mod depth_file;
pub mod depth_image;
pub mod depth_pro;
pub(crate) mod fence;
mod file;
pub(crate) mod jpeg;
pub mod mask;
mod normalize;
mod pixels;
pub mod processor;
mod processor_config;
pub mod resize;
pub mod rle;

pub use depth_anything::{Backend, DepthAnythingProcessor, NetworkInput};
pub use depth_file::{MillimetrePng, to_millimetre_png, to_npy};
pub use depth_image::{Disparity, DisparityRange};
pub use depth_pro::DepthProProcessor;
pub use file::{
    decode_color, decode_color_on_white, decode_gray, encoded_size, open_color,
    open_color_on_white, open_gray,
};
pub use mask::Mask;
pub use processor::{AspectMode, ImageProcessor};
pub use resize::{FixedPoint, Kernel, Resizer};

/// Row-major bytes of one channel, `values.len() == width * height`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrayImage {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Row by row from the top left, 0 black and 255 white.
    pub values: Vec<u8>,
}

impl GrayImage {
    /// The same picture with three equal channels.
    pub fn to_color(&self) -> crate::frame::ColorImage {
        crate::frame::ColorImage {
            width: self.width,
            height: self.height,
            rgb: self
                .values
                .iter()
                .flat_map(|&value| [value; 3])
                .collect::<Vec<_>>()
                .into(),
        }
    }
}

#[cfg(test)]
mod tests;
