//! A picture as OWLv2 takes it: black added below or at the right until it is square, blurred where it shrinks, brought to the
//! network's size, then its numbers. To the bit what transformers' processor gives on torchvision, which is its default.
//!
//! In transformers 5.24.0: models/owlv2/image_processing_owlv2.py, 98-124 and 269-416; the blur is torchvision 0.28's
//! transforms/v2/functional/_misc.py, 79-164.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use spatial_reward_core::Error as CoreError;
use spatial_reward_core::frame::ColorImage;
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::nn::torch::{TchResult, filled, torch_error};

const SUPPORTED: &str = "Take the file from where the checkpoint was published";

/// `Owlv2ImageProcessor`
#[derive(Debug, Clone)]
pub struct Owlv2Processor {
    /// Side of the square that a picture becomes, pixels.
    side: i64,
    rescale_factor: f64,
    mean: [f32; 3],
    std: [f32; 3],
}

/// The file's keys that matter. How it resamples is not among them: whatever it says, transformers resizes bilinearly.
#[derive(Debug, Default, Deserialize)]
struct File {
    image_processor_type: Option<String>,
    do_resize: Option<bool>,
    size: Option<Size>,
    do_pad: Option<bool>,
    do_rescale: Option<bool>,
    /// As early versions spelled `do_rescale`.
    rescale: Option<bool>,
    rescale_factor: Option<f64>,
    do_normalize: Option<bool>,
    image_mean: Option<Channels>,
    image_std: Option<Channels>,
    do_center_crop: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Size {
    Square(i64),
    HeightAndWidth { height: i64, width: i64 },
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Channels {
    Alike(f32),
    Each([f32; 3]),
}

impl Channels {
    fn each(self) -> [f32; 3] {
        match self {
            Self::Alike(value) => [value; 3],
            Self::Each(values) => values,
        }
    }
}

/// What the class assumes where the file is silent.
const SIDE: i64 = 960;
const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// More than any side in a published checkpoint.
const LARGEST_SIDE: i64 = 1 << 14;

impl Owlv2Processor {
    /// From `processor_config.json`, where that tells of pictures, else `preprocessor_config.json`.
    ///
    /// # Errors
    /// A file that is missing or cannot be read; a key whose value this program does not support.
    pub fn load(folder: &Path) -> Result<Self> {
        let (path, value) = Self::settings(folder)?;
        let problem = |what: String| Error::checkpoint(&path, what, SUPPORTED);
        let file: File =
            serde_json::from_value(value).map_err(|error| problem(error.to_string()))?;
        file.processor().map_err(problem)
    }

    /// What a file says, and which one.
    fn settings(folder: &Path) -> Result<(PathBuf, Value)> {
        let read = |path: &Path| -> Result<Value> {
            let text = std::fs::read(path).map_err(Error::io("read", path))?;
            serde_json::from_slice(&text)
                .map_err(|error| Error::checkpoint(path, error.to_string(), SUPPORTED))
        };
        let newer = folder.join("processor_config.json");
        if newer.is_file()
            && let Some(value) = read(&newer)?.get_mut("image_processor")
        {
            return Ok((newer, value.take()));
        }
        let path = folder.join("preprocessor_config.json");
        let value = read(&path)?;
        Ok((path, value))
    }

    /// Side of the square that a picture becomes, in pixels.
    pub fn side(&self) -> i64 {
        self.side
    }

    /// The network's input for a picture: (1, 3, side, side), in float32.
    ///
    /// # Errors
    /// A picture without pixels, or whose pixels do not make up its size; want of memory.
    pub fn pixel_values(&self, picture: &ColorImage) -> Result<Tensor> {
        let (width, height) = (picture.width, picture.height);
        let expected = width as usize * height as usize * 3;
        if expected == 0 {
            return Err(CoreError::EmptyPicture { width, height }.into());
        }
        if picture.rgb.len() != expected {
            return Err(CoreError::PixelCount {
                width,
                height,
                channels: 3,
                expected,
                found: picture.rgb.len(),
            }
            .into());
        }
        let compute = || self.normalised(&self.resized(self.padded(picture)?)?);
        compute().map_err(torch_error("bring the picture to the network's size"))
    }

    /// (1, 3, L, L), L the longer side: 0 to 1 (by the usual factor), black where the picture does not reach.
    fn padded(&self, picture: &ColorImage) -> TchResult<Tensor> {
        let (width, side) = (picture.width as usize, picture.width.max(picture.height));
        let factor = self.rescale_factor as f32;
        let values: Vec<f32> = (0..=255_u8).map(|byte| f32::from(byte) * factor).collect();
        let side = side as usize;
        filled(&[1, 3, side as i64, side as i64], |planes| {
            let rows = |plane| picture.rgb.chunks_exact(width * 3).zip(plane);
            for (channel, plane) in planes.chunks_exact_mut(side * side).enumerate() {
                for (row, plane) in rows(plane.chunks_exact_mut(side)) {
                    let bytes = row.iter().skip(channel).step_by(3);
                    for (value, byte) in plane.iter_mut().zip(bytes) {
                        *value = values.get(usize::from(*byte)).copied().unwrap_or_default();
                    }
                }
            }
        })
    }

    /// (1, 3, L, L) -> (1, 3, side, side)
    fn resized(&self, square: Tensor) -> TchResult<Tensor> {
        let from = square.size4()?.3;
        if from == self.side {
            return Ok(square);
        }
        let sigma = (from as f32 / self.side as f32 - 1.0) / 2.0;
        let square = match sigma > 0.0 {
            true => blurred(&square, sigma)?,
            false => square,
        };
        square.f_upsample_bilinear2d([self.side, self.side], false, None, None)
    }

    /// (1, 3, H, W) -> (1, 3, H, W)
    fn normalised(&self, pixels: &Tensor) -> TchResult<Tensor> {
        let of_channels = |values: &[f32; 3]| Tensor::f_from_slice(values)?.f_reshape([3, 1, 1]);
        pixels
            .f_sub(&of_channels(&self.mean)?)?
            .f_div_(&of_channels(&self.std)?)
    }
}

/// A Gaussian blur over three deviations, the picture mirrored at its edges: (1, 3, H, W) -> (1, 3, H, W)
fn blurred(pixels: &Tensor, sigma: f32) -> TchResult<Tensor> {
    let reach = (3.0 * sigma).ceil() as i64;
    let taps = 2 * reach + 1;
    // The taps lie closer than pixels by the root of two, and their exponent has no half: the same curve. In single precision,
    // for there the number of taps is a tensor.
    let end = f64::from((taps - 1) as f32 / (2.0 * 2.0_f64.sqrt()) as f32);
    let at = Tensor::f_linspace(-end, end, taps, (Kind::Float, Device::Cpu))?;
    let exponents = at.f_div_scalar(f64::from(sigma))?.f_square()?.f_neg()?;
    let curve = exponents.f_softmax(0, Kind::Float)?; // (K)
    let kernel = curve.f_unsqueeze(-1)?.f_mul(&curve)?; // (K, K)
    let kernel = kernel.f_expand([3, 1, taps, taps], false)?;
    let mirrored = pixels.f_reflection_pad2d([reach, reach, reach, reach])?;
    mirrored.f_conv2d(&kernel, None::<Tensor>, [1, 1], [0, 0], [1, 1], 3)
}

impl File {
    /// # Errors
    /// A sentence that names the key.
    fn processor(self) -> std::result::Result<Owlv2Processor, String> {
        if let Some(name) = &self.image_processor_type {
            let class = name.trim_end_matches("Fast").trim_end_matches("Pil");
            if class != "Owlv2ImageProcessor" {
                return Err(format!(
                    "image_processor_type is '{name}', but must be 'Owlv2ImageProcessor'"
                ));
            }
        }
        let needed = [
            ("do_resize", self.do_resize, true),
            ("do_pad", self.do_pad, true),
            ("do_rescale", self.rescale.or(self.do_rescale), true),
            ("do_center_crop", self.do_center_crop, false),
        ];
        let refused =
            |(_, value, must): &&(_, Option<bool>, bool)| value.is_some_and(|v| v != *must);
        if let Some((key, _, must)) = needed.iter().find(refused) {
            return Err(format!("{key} is {}, but must be {must}", !must));
        }
        let side = match self.size {
            None => SIDE,
            Some(Size::Square(side)) => side,
            Some(Size::HeightAndWidth { height, width }) if height == width => height,
            Some(Size::HeightAndWidth { height, width }) => {
                return Err(format!("size is {height} by {width}, but must be square"));
            }
        };
        if !(1..=LARGEST_SIDE).contains(&side) {
            return Err(format!("size is {side}, but must be 1 to {LARGEST_SIDE}"));
        }
        let is_normalised = self.do_normalize.unwrap_or(true);
        let channels = |given: Option<Channels>, usual, neutral| match is_normalised {
            true => given.map_or(usual, Channels::each),
            false => [neutral; 3],
        };
        let (mean, std) = (
            channels(self.image_mean, MEAN, 0.0),
            channels(self.image_std, STD, 1.0),
        );
        let rescale_factor = self.rescale_factor.unwrap_or(1.0 / 255.0);
        if std.contains(&0.0) || !rescale_factor.is_finite() {
            return Err("image_std has a 0, or rescale_factor is no number".into());
        }
        Ok(Owlv2Processor {
            side,
            rescale_factor,
            mean,
            std,
        })
    }
}
