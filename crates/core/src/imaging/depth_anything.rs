//! A picture as Depth Anything takes it: the rule of its `preprocessor_config.json` (the class
//! DPTImageProcessor) for the size, Pillow's resize, then the network's numbers.
//! Of the class's two backends relative depth is made by the one on Pillow, and metric depth by the one on torchvision
//! ([`Backend`]), which differs by one or two levels of 255 in 0.5 % of the values.

use std::path::Path;

use super::normalize::Normalizer;
use super::pixels::Pixels;
use super::processor_config::Fields;
use super::resize::{FixedPoint, Kernel};
use crate::frame::ColorImage;
use crate::{Error, Result};

/// By which of the original's two backends pixels are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// The one that needs nothing but Pillow.
    #[default]
    Pillow,
    /// The one that transformers takes where torchvision is installed.
    Torchvision,
}

/// The image processor of Depth Anything V1 and V2.
#[derive(Debug, Clone)]
pub struct DepthAnythingProcessor {
    /// (width, height) that the picture should come near.
    target: (u32, u32),
    keeps_aspect_ratio: bool,
    /// Both sides become multiples of the network's patch.
    multiple: u32,
    kernel: Kernel,
    fixed_point: FixedPoint,
    normalizer: Normalizer,
}

/// What a network is fed: shape [3, height, width], row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkInput {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Red, green and blue one after the other, normalised as the network was trained.
    pub values: Vec<f32>,
}

impl DepthAnythingProcessor {
    /// From the file `preprocessor_config.json`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Preprocessor`] naming a field whose value is
    /// not supported.
    pub fn load(path: &Path, backend: Backend) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::from_json(&text, path, backend)
    }

    /// From the file's text; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::Preprocessor`] naming a field whose value is not supported.
    pub fn from_json(text: &str, path: &Path, backend: Backend) -> Result<Self> {
        let fields = Fields::parse(text, path)?;
        if let Some((field, name)) = fields.processor_name()
            && name != "DPT"
        {
            return Err(fields.refused(field, "DPTImageProcessor"));
        }
        if !fields.flag("do_resize", true)? {
            return Err(fields.refused("do_resize", "true"));
        }
        for field in ["do_pad", "do_center_crop", "do_reduce_labels"] {
            if fields.flag(field, false)? {
                return Err(fields.refused(field, "false"));
            }
        }
        let (fixed_point, normalizer) = match backend {
            Backend::Pillow => {
                let normalizes = fields.flag("do_normalize", true)?;
                let mean = fields.channels("image_mean", [0.5; 3], normalizes, 0.0)?;
                let std = fields.channels("image_std", [0.5; 3], normalizes, 1.0)?;
                let normalizer = Normalizer::new(fields.rescale_factor()?, mean, std);
                (FixedPoint::Pillow, normalizer)
            }
            Backend::Torchvision => (FixedPoint::Torchvision, fields.torchvision_normalizer()?),
        };
        Ok(Self {
            target: fields.pair("size")?.unwrap_or((384, 384)),
            keeps_aspect_ratio: fields.flag("keep_aspect_ratio", false)?,
            multiple: fields.length("ensure_multiple_of")?.unwrap_or(1),
            kernel: fields.kernel()?,
            fixed_point,
            normalizer,
        })
    }

    /// (width, height) in pixels to which a picture of that size is brought: with its shape kept,
    /// by whichever of the two scales is nearer to 1, and each side rounded to a multiple (halves
    /// to even), but never to nothing.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`] if a side is zero.
    pub fn network_size(&self, width: u32, height: u32) -> Result<(u32, u32)> {
        if width == 0 || height == 0 {
            return Err(Error::EmptyPicture { width, height });
        }
        let mut scale_x = f64::from(self.target.0) / f64::from(width);
        let mut scale_y = f64::from(self.target.1) / f64::from(height);
        if self.keeps_aspect_ratio {
            let scale = match (1.0 - scale_x).abs() < (1.0 - scale_y).abs() {
                true => scale_x,
                false => scale_y,
            };
            (scale_x, scale_y) = (scale, scale);
        }
        let multiple = f64::from(self.multiple);
        let rounded = |side: u32, scale: f64| {
            let patches = (scale * f64::from(side) / multiple).round_ties_even();
            (patches.max(1.0) * multiple) as u32
        };
        Ok((rounded(width, scale_x), rounded(height, scale_y)))
    }

    /// The network's input for a picture.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`], or [`Error::PixelCount`] if the bytes do not match the size.
    pub fn process(&self, picture: &ColorImage) -> Result<NetworkInput> {
        let (width, height) = self.network_size(picture.width, picture.height)?;
        let pixels = Pixels::<3>::new(&picture.rgb, picture.width, picture.height)?;
        let resized = pixels.resized_with((width, height), self.kernel, self.fixed_point)?;
        Ok(NetworkInput {
            width,
            height,
            values: self.normalizer.planes(&resized.bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{float_bytes, golden_inputs, sha256, table};
    use super::*;

    const SMALL: &str = r#"{"do_normalize": true, "do_pad": false, "do_rescale": true,
        "do_resize": true, "ensure_multiple_of": 14, "image_mean": [0.485, 0.456, 0.406],
        "image_processor_type": "DPTImageProcessor", "image_std": [0.229, 0.224, 0.225],
        "keep_aspect_ratio": true, "resample": 3, "rescale_factor": 0.00392156862745098,
        "size": {"height": 518, "width": 518}, "size_divisor": null}"#;

    fn processor(text: &str) -> Result<DepthAnythingProcessor> {
        DepthAnythingProcessor::from_json(
            text,
            Path::new("preprocessor_config.json"),
            Backend::Pillow,
        )
    }

    #[test]
    fn sizes_are_those_of_the_transformers_library() {
        let processor = processor(SMALL).unwrap();
        let sizes: Vec<[u32; 4]> = table("imaging/depth_anything_sizes.json");
        assert!(sizes.len() > 100);
        for [width, height, network_width, network_height] in sizes {
            let size = processor.network_size(width, height).unwrap();
            assert_eq!(size, (network_width, network_height), "{width}x{height}");
        }
    }

    #[test]
    fn a_sliver_keeps_at_least_one_patch_a_side() {
        let size = processor(SMALL).unwrap().network_size(2, 600).unwrap();
        assert_eq!(size, (14, 518));
    }

    #[test]
    fn pixels_are_those_of_the_transformers_library() {
        let processor = processor(SMALL).unwrap();
        let digests: Vec<String> = table("imaging/depth_anything_pixels.json");
        let inputs = golden_inputs();
        assert_eq!(digests.len(), inputs.len());
        for (case, (input, digest)) in inputs.iter().zip(digests).enumerate() {
            let fed = processor.process(&input.image).unwrap();
            assert_eq!(sha256(&float_bytes(&fed.values)), digest, "case {case}");
        }
    }

    #[test]
    fn another_class_of_processor_is_refused_by_name() {
        let error = processor(r#"{"image_processor_type": "ZoeDepthImageProcessor"}"#).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("image_processor_type"), "{text}");
        assert!(text.contains("ZoeDepthImageProcessor"), "{text}");
    }
}
