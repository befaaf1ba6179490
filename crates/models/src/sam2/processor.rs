//! From a camera's picture to the network's pixels and back: what processor_config.json, preprocessor_config.json and
//! video_preprocessor_config.json say, done as transformers' default backend does it (torchvision: 8-bit pictures are resized
//! with weights of 16 bits, by the function of libtorch that is called here too).
//!
//! In transformers 5.24.0: models/sam2/image_processing_sam2.py, processing_sam2.py and video_processing_sam2_video.py.

use std::path::{Path, PathBuf};

use serde_json::Value;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::imaging::Mask;
use tch::{Kind, Tensor};

use super::layers::resize;
use crate::error::{Error, Result};
use crate::nn::torch::{TchResult, torch_error};

/// What a failing computation was for.
const ACTION: &str = "resize a picture";

/// How pictures, or a video's frames, become pixels.
#[derive(Debug, Clone)]
pub(super) struct Processor {
    side: i64,
    /// Of red, green and blue, in levels of 8 bits.
    mean: [f32; 3],
    std: [f32; 3],
    /// What boxes are scaled to.
    target_size: i64,
}

/// The two of a folder: for pictures by themselves and for frames of a video.
#[derive(Debug, Clone)]
pub(super) struct Processors {
    pub(super) picture: Processor,
    pub(super) frame: Processor,
}

impl Processors {
    /// Reads them for a network that takes pictures of `side`.
    ///
    /// # Errors
    /// Files that are missing or cannot be parsed; a setting that is not supported, by name.
    pub(super) fn read(folder: &Path, side: i64) -> Result<Self> {
        let joint = Settings::read(&folder.join("processor_config.json"))?;
        let alone = Settings::read(&folder.join("preprocessor_config.json"))?;
        let of_video = Settings::read(&folder.join("video_preprocessor_config.json"))?;
        let target = joint
            .as_ref()
            .and_then(|joint| joint.json.get("target_size")?.as_i64());
        let part = |key: &str| joint.as_ref().and_then(|joint| joint.part(key));
        let picture = part("image_processor").or(alone).ok_or_else(|| {
            Error::checkpoint(
                folder.join("preprocessor_config.json"),
                "it is not there, and processor_config.json has no image_processor",
                "Give a folder with SAM 2.1 in the Hugging Face layout",
            )
        })?;
        let frame = part("video_processor")
            .or(of_video)
            .unwrap_or_else(|| picture.clone());
        Ok(Self {
            picture: picture.processor(side, target)?,
            frame: frame.processor(side, target)?,
        })
    }
}

/// A file, or a part of one.
#[derive(Debug, Clone)]
struct Settings {
    path: PathBuf,
    json: Value,
}

impl Settings {
    /// `None` where there is no such file.
    fn read(path: &Path) -> Result<Option<Self>> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        match serde_json::from_slice(&text) {
            Ok(json @ Value::Object(_)) => Ok(Some(Self {
                path: path.to_path_buf(),
                json,
            })),
            Ok(_) => Err(Error::checkpoint(
                path,
                "it is no JSON object",
                "Take it from the checkpoint",
            )),
            Err(error) => Err(Error::checkpoint(
                path,
                error.to_string(),
                "Take it from the checkpoint",
            )),
        }
    }

    fn part(&self, key: &str) -> Option<Self> {
        let json = self.json.get(key).filter(|part| part.is_object())?;
        Some(Self {
            path: self.path.clone(),
            json: json.clone(),
        })
    }

    fn get(&self, field: &str) -> Option<&Value> {
        self.json.get(field).filter(|value| !value.is_null())
    }

    fn refused(&self, field: &'static str, expected: &'static str) -> Error {
        let value = self
            .get(field)
            .map_or_else(|| "missing".to_owned(), Value::to_string);
        Error::Core(spatial_reward_core::Error::Preprocessor {
            path: self.path.clone(),
            field,
            value,
            expected,
        })
    }

    fn channels(&self, field: &'static str, default: [f64; 3]) -> Result<[f32; 3]> {
        let Some(value) = self.get(field) else {
            return Ok(default.map(|number| number as f32));
        };
        let numbers = value
            .as_array()
            .map(|values| values.iter().map(Value::as_f64));
        let numbers: Option<Vec<f64>> = numbers.and_then(Iterator::collect);
        let numbers = numbers.and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
        let numbers = numbers.ok_or_else(|| self.refused(field, "three numbers"))?;
        Ok(numbers.map(|number| number as f32))
    }

    fn processor(&self, side: i64, target: Option<i64>) -> Result<Processor> {
        for field in ["do_resize", "do_rescale", "do_normalize"] {
            if self
                .get(field)
                .is_some_and(|value| value.as_bool() != Some(true))
            {
                return Err(self.refused(field, "true"));
            }
        }
        for field in ["do_center_crop", "do_pad"] {
            if self
                .get(field)
                .is_some_and(|value| value.as_bool() != Some(false))
            {
                return Err(self.refused(field, "false"));
            }
        }
        if self
            .get("resample")
            .is_some_and(|value| value.as_i64() != Some(2))
        {
            return Err(self.refused("resample", "2 (bilinear)"));
        }
        let length = |key: &str| self.get("size")?.get(key)?.as_i64();
        let size = (
            length("height").unwrap_or(1024),
            length("width").unwrap_or(1024),
        );
        if size != (side, side) {
            return Err(self.refused("size", "height and width as image_size of config.json"));
        }
        let factor = match self.get("rescale_factor") {
            None => 1.0 / 255.0,
            Some(value) => value
                .as_f64()
                .filter(|factor| *factor > 0.0)
                .ok_or_else(|| self.refused("rescale_factor", "a positive number"))?,
        };
        // transformers scales mean and deviation instead of every pixel.
        let levels = (1.0 / factor) as f32;
        let std = self.channels("image_std", [0.229, 0.224, 0.225])?;
        if std.contains(&0.0) {
            return Err(self.refused("image_std", "three numbers other than zero"));
        }
        Ok(Processor {
            side,
            mean: self
                .channels("image_mean", [0.485, 0.456, 0.406])?
                .map(|mean| mean * levels),
            std: std.map(|std| std * levels),
            target_size: target.filter(|target| *target > 0).unwrap_or(side),
        })
    }
}

impl Processor {
    /// The network's pixels: (1, 3, side, side), float32.
    ///
    /// # Errors
    /// An empty picture, or one whose bytes do not fill its size.
    pub(super) fn pixels(&self, picture: &ColorImage) -> Result<Tensor> {
        let (width, height) = (picture.width, picture.height);
        if width == 0 || height == 0 {
            return Err(spatial_reward_core::Error::EmptyPicture { width, height }.into());
        }
        let expected = 3 * width as usize * height as usize;
        if picture.rgb.len() != expected {
            return Err(spatial_reward_core::Error::PixelCount {
                width,
                height,
                channels: 3,
                expected,
                found: picture.rgb.len(),
            }
            .into());
        }
        self.resized(picture).map_err(torch_error(ACTION))
    }

    fn resized(&self, picture: &ColorImage) -> TchResult<Tensor> {
        let shape = [1, i64::from(picture.height), i64::from(picture.width), 3];
        let bytes = Tensor::f_from_slice(&picture.rgb)?.f_view(shape)?; // (1, H, W, 3)
        let bytes = bytes.f_permute([0, 3, 1, 2])?; // (1, 3, H, W)
        let side = self.side;
        let resized = match shape[1..3] == [side, side] {
            true => bytes,
            false => bytes.f_internal_upsample_bilinear2d_aa([side, side], false, None, None)?,
        };
        let channels = |numbers: &[f32; 3]| Tensor::f_from_slice(numbers)?.f_view([1, 3, 1, 1]);
        let pixels = resized
            .f_to_kind(Kind::Float)?
            .f_sub(&channels(&self.mean)?)?;
        pixels.f_div(&channels(&self.std)?)?.f_contiguous()
    }

    /// Boxes of a picture of that size in pixels of the network's: (N, 4)
    pub(super) fn boxes(&self, boxes: &[BoundingBox], [height, width]: [u32; 2]) -> Result<Tensor> {
        let target = self.target_size as f64;
        let [across, down] = [width, height].map(|side| (target / f64::from(side)) as f32);
        let mut places = Vec::with_capacity(4 * boxes.len());
        for bbox in boxes {
            let edges = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max];
            let is_in = bbox.x_max > 0.0
                && bbox.y_max > 0.0
                && bbox.x_min < f64::from(width)
                && bbox.y_min < f64::from(height);
            let is_box = bbox.x_min < bbox.x_max && bbox.y_min < bbox.y_max;
            if !(is_in && is_box && edges.iter().all(|edge| edge.is_finite())) {
                let bbox = edges;
                return Err(spatial_reward_core::Error::EmptyBox {
                    bbox,
                    width,
                    height,
                }
                .into());
            }
            places.extend(
                edges
                    .iter()
                    .zip([across, down, across, down])
                    .map(|(edge, scale)| *edge as f32 * scale),
            );
        }
        let tensor = || Tensor::f_from_slice(&places)?.f_view([boxes.len() as i64, 4]);
        tensor().map_err(torch_error("read boxes"))
    }

    /// Which pixels of a picture of that size are above 0 in each of the logits (N, 1, h, w).
    pub(super) fn masks(logits: &Tensor, [height, width]: [u32; 2]) -> Result<Vec<Mask>> {
        let compute = || {
            let size = [i64::from(height), i64::from(width)];
            let inside = resize(&logits.f_to_kind(Kind::Float)?, size)?.f_gt(0.0)?;
            let inside = inside.f_to_kind(Kind::Uint8)?.f_flatten(1, -1)?; // (N, H W)
            let (count, _) = inside.size2()?;
            let rows = (0..count).map(|row| Vec::<u8>::try_from(inside.f_get(row)?));
            rows.collect::<TchResult<Vec<_>>>()
        };
        let masks = compute().map_err(torch_error("enlarge a mask"))?;
        let masks = masks.into_iter().map(|data| Mask {
            width,
            height,
            data,
        });
        Ok(masks.collect())
    }
}
