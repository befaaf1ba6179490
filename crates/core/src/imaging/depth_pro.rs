//! A picture as Depth Pro takes it: the rule of its `preprocessor_config.json` (the class DepthProImageProcessor). It
//! normalises first and resizes then, so what is made here has the picture's size; the network does the rest.

use std::path::Path;

use super::depth_anything::NetworkInput;
use super::normalize::Normalizer;
use super::pixels::Pixels;
use super::processor_config::Fields;
use super::resize::Kernel;
use crate::frame::ColorImage;
use crate::{Error, Result};

/// The image processor of Depth Pro.
#[derive(Debug, Clone)]
pub struct DepthProProcessor {
    side: u32,
    kernel: Kernel,
    normalizer: Normalizer,
}

impl DepthProProcessor {
    /// From the file `preprocessor_config.json`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Preprocessor`] naming a field whose value is
    /// not supported.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::from_json(&text, path)
    }

    /// From the file's text; `path` is only named in errors.
    ///
    /// # Errors
    /// [`Error::Preprocessor`] naming a field whose value is not supported.
    pub fn from_json(text: &str, path: &Path) -> Result<Self> {
        let fields = Fields::parse(text, path)?;
        if let Some((field, name)) = fields.processor_name()
            && name != "DepthPro"
        {
            return Err(fields.refused(field, "DepthProImageProcessor"));
        }
        if !fields.flag("do_resize", true)? {
            return Err(fields.refused("do_resize", "true"));
        }
        for field in ["do_pad", "do_center_crop"] {
            if fields.flag(field, false)? {
                return Err(fields.refused(field, "false"));
            }
        }
        let (width, height) = fields.pair("size")?.unwrap_or((1536, 1536));
        if width != height {
            return Err(fields.refused("size", "as high as wide, as the network's patches are"));
        }
        let kernel = match fields.get("resample") {
            None => Kernel::Bilinear,
            Some(_) => fields.kernel()?,
        };
        if kernel == Kernel::Lanczos {
            return Err(fields.refused("resample", "2 (bilinear) or 3 (bicubic)"));
        }
        Ok(Self {
            side: width,
            kernel,
            normalizer: fields.torchvision_normalizer()?,
        })
    }

    /// The side of the square that pictures are resized to, whatever their shape, in pixels.
    pub fn side(&self) -> u32 {
        self.side
    }

    /// How pixels are weighed there, without antialiasing, and in the depth that is resized back.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// A picture's normalised pixels, in its own size.
    ///
    /// # Errors
    /// [`Error::EmptyPicture`], or [`Error::PixelCount`] if the bytes do not match the size.
    pub fn process(&self, picture: &ColorImage) -> Result<NetworkInput> {
        let (width, height) = (picture.width, picture.height);
        let pixels = Pixels::<3>::new(&picture.rgb, width, height)?;
        Ok(NetworkInput {
            width,
            height,
            values: self.normalizer.planes(&pixels.bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = r#"{"do_normalize": true, "do_rescale": true, "do_resize": true,
        "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "DepthProImageProcessorFast",
        "image_std": [0.5, 0.5, 0.5], "resample": 2, "rescale_factor": 0.00392156862745098,
        "size": {"height": 1536, "width": 1536}}"#;

    fn processor(text: &str) -> Result<DepthProProcessor> {
        DepthProProcessor::from_json(text, Path::new("preprocessor_config.json"))
    }

    #[test]
    fn the_published_file_is_what_an_empty_one_means() {
        // Given the published settings, and none
        let published = processor(PUBLISHED).unwrap();
        let silent = processor("{}").unwrap();
        let picture = ColorImage {
            width: 2,
            height: 1,
            rgb: vec![0, 51, 255, 102, 153, 204].into(),
        };

        // When a picture is normalised
        let [published_input, silent_input] =
            [&published, &silent].map(|processor| processor.process(&picture).unwrap());

        // Then both see the same, plane by plane, and resize it alike
        assert_eq!(published_input, silent_input);
        let expected = [-1.0, -0.2, -0.6, 0.2, 1.0, 0.6];
        for (value, expected) in published_input.values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{value} {expected}");
        }
        assert_eq!((published.side(), silent.side()), (1536, 1536));
        assert_eq!(published.kernel(), Kernel::Bilinear);
        assert_eq!(silent.kernel(), Kernel::Bilinear);
    }

    #[test]
    fn settings_that_are_not_supported_are_refused_by_name() {
        for (text, field) in [
            (
                r#"{"image_processor_type": "DPTImageProcessor"}"#,
                "image_processor_type",
            ),
            (r#"{"do_resize": false}"#, "do_resize"),
            (r#"{"do_pad": true}"#, "do_pad"),
            (r#"{"size": {"height": 64, "width": 96}}"#, "size"),
            (r#"{"size": {"shortest_edge": 64}}"#, "size"),
            (r#"{"resample": 1}"#, "resample"),
            (r#"{"resample": 0}"#, "resample"),
            (r#"{"rescale_factor": 0}"#, "rescale_factor"),
            (r#"{"image_std": [0.5, 0, 0.5]}"#, "image_std"),
            (
                r#"{"do_rescale": false, "do_normalize": false}"#,
                "do_rescale",
            ),
        ] {
            let error = processor(text).unwrap_err().to_string();
            assert!(error.contains(field), "{text}: {error}");
        }
    }
}
