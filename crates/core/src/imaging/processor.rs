//! From a camera's picture to the vision tower's input: the aspect mode of the checkpoint, then the
//! steps of its own image processor (resize, crop, rescale, normalise), to the bit as the original
//! gets them from Pillow and NumPy. Masks take the same way, without the last two steps.

use std::path::Path;

use super::normalize::Normalizer;
use super::pixels::Pixels;
use super::processor_config::{ProcessorConfig, ProcessorSize};
use super::resize::Kernel;
use super::{GrayImage, Mask};
use crate::frame::ColorImage;
use crate::{Error, Result};

/// What happens to a picture's shape before the image processor's own steps: `image_aspect_ratio`
/// of the checkpoint's config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AspectMode {
    /// Stretched to the processor's square, always by the bicubic kernel.
    Resize,
    /// Expanded to a square with the mean colour.
    Pad,
    /// Nothing: the processor decides alone. CLIP's crops, SigLIP's stretches.
    Processor,
}

impl AspectMode {
    /// From the config's value. As in the original, any but two names leaves it to the processor.
    pub fn from_name(name: Option<&str>) -> Self {
        match name {
            Some("resize") => Self::Resize,
            Some("pad") => Self::Pad,
            _ => Self::Processor,
        }
    }
}

/// An image processor of SigLIP or CLIP with the checkpoint's aspect mode.
#[derive(Debug, Clone)]
pub struct ImageProcessor {
    config: ProcessorConfig,
    aspect: AspectMode,
    normalizer: Normalizer,
}

impl ImageProcessor {
    /// From the file `preprocessor_config.json`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Preprocessor`] naming a field whose value is
    /// not supported.
    pub fn load(path: &Path, aspect: AspectMode) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::from_json(&text, path, aspect)
    }

    /// From the file's text; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::Preprocessor`] naming a field whose value is not supported.
    pub fn from_json(text: &str, path: &Path, aspect: AspectMode) -> Result<Self> {
        let config = ProcessorConfig::parse(text, path)?;
        let normalizer = Normalizer::new(config.rescale_factor, config.mean, config.std);
        Ok(Self {
            config,
            aspect,
            normalizer,
        })
    }

    /// The same processor for pictures of `side` x `side` pixels: where a checkpoint raises the
    /// resolution of its vision tower (`vision_resolution`).
    pub fn with_side(mut self, side: u32) -> Self {
        let square = Some((side, side));
        self.config.size = match self.config.size {
            ProcessorSize::ShortestEdge(_) => ProcessorSize::ShortestEdge(side),
            ProcessorSize::Exact(..) => ProcessorSize::Exact(side, side),
        };
        self.config.center_crop = self.config.center_crop.and(square);
        self.config.crop_size = self.config.crop_size.and(square);
        self
    }

    /// Width and height in pixels of everything it returns.
    pub fn side(&self) -> u32 {
        self.config.output().0
    }

    /// The network's input, shape [3, side, side], row-major.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`], or [`Error::PixelCount`] if the bytes do not match the size.
    pub fn process(&self, picture: &ColorImage) -> Result<Vec<f32>> {
        Ok(self.normalizer.planes(&self.process_u8(picture)?))
    }

    /// The bytes before rescaling and normalising, shape [side, side, 3], row-major.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`], or [`Error::PixelCount`] if the bytes do not match the size.
    pub fn process_u8(&self, picture: &ColorImage) -> Result<Vec<u8>> {
        let picture = Pixels::<3>::new(&picture.rgb, picture.width, picture.height)?;
        let shaped = match self.aspect {
            AspectMode::Resize => picture.resized(self.stretched_size(), Kernel::Bicubic)?,
            AspectMode::Pad => picture.squared(self.background()),
            AspectMode::Processor => picture,
        };
        Ok(self.own_steps(shaped)?.bytes.into_owned())
    }

    /// The network's input for a picture with three equal channels, such as relative depth;
    /// faster, and the same as [`process`](Self::process) gives.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`], or [`Error::PixelCount`] if the bytes do not match the size.
    pub fn process_gray(&self, picture: &GrayImage) -> Result<Vec<f32>> {
        let [red, green, blue] = self.background();
        if self.aspect == AspectMode::Pad && (red != green || green != blue) {
            return self.process(&picture.to_color());
        }
        let picture = Pixels::<1>::new(&picture.values, picture.width, picture.height)?;
        let shaped = match self.aspect {
            AspectMode::Resize => picture.resized(self.stretched_size(), Kernel::Bicubic)?,
            AspectMode::Pad => picture.squared([red]),
            AspectMode::Processor => picture,
        };
        Ok(self.normalizer.gray_planes(&self.own_steps(shaped)?.bytes))
    }

    /// A region's mask as the model gets it, side x side: where pictures are stretched, by OpenCV's
    /// nearest neighbour; otherwise padded as they are and resized by Pillow.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`], or [`Error::PixelCount`] if the bytes do not match the size.
    pub fn mask(&self, mask: &Mask) -> Result<Mask> {
        if self.aspect != AspectMode::Resize {
            return self.mask_resampled(mask);
        }
        let (width, height) = self.stretched_size();
        let stretched = mask.resize_nearest(width, height)?;
        self.own_steps_of_mask(Pixels::new(&stretched.data, width, height)?)
    }

    /// A region's mask as the original's benchmark script makes it: never by nearest neighbour.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`], or [`Error::PixelCount`] if the bytes do not match the size.
    pub fn mask_resampled(&self, mask: &Mask) -> Result<Mask> {
        let pixels = Pixels::<1>::new(&mask.data, mask.width, mask.height)?;
        let shaped = match self.aspect {
            AspectMode::Pad => pixels.squared([0]),
            AspectMode::Resize | AspectMode::Processor => pixels,
        };
        self.own_steps_of_mask(shaped)
    }

    fn own_steps_of_mask(&self, mask: Pixels<1>) -> Result<Mask> {
        let done = self.own_steps(mask)?;
        Ok(Mask {
            width: done.width,
            height: done.height,
            data: done.bytes.into_owned(),
        })
    }

    /// The mean colour as the original rounds it: down.
    fn background(&self) -> [u8; 3] {
        self.config.background.map(|mean| (mean * 255.0) as u8)
    }

    fn stretched_size(&self) -> (u32, u32) {
        self.config.crop_size.unwrap_or(self.config.output())
    }

    /// The processor's resize and crop.
    fn own_steps<'a, const CHANNELS: usize>(
        &self,
        picture: Pixels<'a, CHANNELS>,
    ) -> Result<Pixels<'a, CHANNELS>> {
        let size = match self.config.size {
            ProcessorSize::Exact(width, height) => (width, height),
            ProcessorSize::ShortestEdge(side) => {
                shortest_edge_size(picture.width, picture.height, side)
            }
        };
        let resized = picture.resized(size, self.config.kernel)?;
        Ok(match self.config.center_crop {
            Some((width, height)) => resized.center_cropped(width, height),
            None => resized,
        })
    }
}

/// The shorter side becomes `side`, the longer one keeps the shape, rounded down.
fn shortest_edge_size(width: u32, height: u32, side: u32) -> (u32, u32) {
    let (short, long) = (width.min(height), width.max(height));
    let product = u64::from(side) * u64::from(long);
    let scaled = (product as f64 / f64::from(short.max(1))) as u32;
    if width <= height {
        (side, scaled)
    } else {
        (scaled, side)
    }
}
