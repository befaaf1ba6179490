//! `preprocessor_config.json` as SigLIP's and CLIP's image processors write it, in its old and new
//! spellings. What this program cannot reproduce is refused by the field's name.

use std::path::Path;

use serde_json::Value;

use super::normalize::Normalizer;
use super::resize::Kernel;
use crate::{Error, Result};

/// The settings of an image processor, checked.
#[derive(Debug, Clone)]
pub(super) struct ProcessorConfig {
    pub size: ProcessorSize,
    /// (width, height) cut out of the middle after the resize.
    pub center_crop: Option<(u32, u32)>,
    /// `crop_size` whether or not anything is cropped: the aspect mode `resize` aims at it.
    pub crop_size: Option<(u32, u32)>,
    pub kernel: Kernel,
    /// 1 where the processor does not rescale.
    pub rescale_factor: f64,
    pub mean: [f64; 3],
    pub std: [f64; 3],
    /// The mean whether or not the processor normalises.
    pub background: [f64; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProcessorSize {
    /// The shorter side becomes this long, the other keeps the shape.
    ShortestEdge(u32),
    Exact(u32, u32),
}

/// What a processor's class assumes where the file is silent.
struct Defaults {
    size: ProcessorSize,
    crop_size: Option<(u32, u32)>,
    mean: [f64; 3],
    std: [f64; 3],
}

const SIGLIP: Defaults = Defaults {
    size: ProcessorSize::Exact(224, 224),
    crop_size: None,
    mean: [0.5; 3],
    std: [0.5; 3],
};

const CLIP: Defaults = Defaults {
    size: ProcessorSize::ShortestEdge(224),
    crop_size: Some((224, 224)),
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
};

impl ProcessorConfig {
    /// # Errors
    /// [`Error::Preprocessor`] naming the field.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self> {
        let fields = Fields::parse(text, path)?;
        let is_clip = fields.is_clip()?;
        let defaults = if is_clip { CLIP } else { SIGLIP };
        if !fields.flag("do_resize", true)? {
            return Err(fields.refused("do_resize", "true"));
        }
        let crop_size = fields.pair("crop_size")?.or(defaults.crop_size);
        let crops = is_clip && fields.flag("do_center_crop", true)?;
        let normalizes = fields.flag("do_normalize", true)?;
        let config = Self {
            size: fields.size(is_clip)?.unwrap_or(defaults.size),
            center_crop: crop_size.filter(|_| crops),
            crop_size,
            kernel: fields.kernel()?,
            rescale_factor: fields.rescale_factor()?,
            mean: fields.channels("image_mean", defaults.mean, normalizes, 0.0)?,
            std: fields.channels("image_std", defaults.std, normalizes, 1.0)?,
            background: fields.channels("image_mean", defaults.mean, true, 0.0)?,
        };
        config.check_shape(&fields)?;
        Ok(config)
    }

    /// (width, height) of every processed picture.
    pub(super) fn output(&self) -> (u32, u32) {
        match (self.center_crop, self.size) {
            (Some(crop), _) => crop,
            (None, ProcessorSize::Exact(width, height)) => (width, height),
            (None, ProcessorSize::ShortestEdge(side)) => (side, side),
        }
    }

    fn check_shape(&self, fields: &Fields) -> Result<()> {
        if self.center_crop.is_none() && matches!(self.size, ProcessorSize::ShortestEdge(_)) {
            let expected = "true, because size.shortest_edge alone leaves pictures of any shape";
            return Err(fields.refused("do_center_crop", expected));
        }
        let square = "as high as wide, as a vision tower's grid is";
        if self
            .crop_size
            .is_some_and(|(width, height)| width != height)
        {
            return Err(fields.refused("crop_size", square));
        }
        let (width, height) = self.output();
        if width != height {
            return Err(fields.refused("size", square));
        }
        if self.std.contains(&0.0) {
            return Err(fields.refused("image_std", "three numbers other than zero"));
        }
        Ok(())
    }
}

/// Access to the file's fields by name; a null counts as absent.
pub(super) struct Fields<'a> {
    json: Value,
    path: &'a Path,
}

impl<'a> Fields<'a> {
    /// # Errors
    /// [`Error::Preprocessor`] if the text is no JSON object.
    pub(super) fn parse(text: &str, path: &'a Path) -> Result<Self> {
        let refused = |value| Error::Preprocessor {
            path: path.to_path_buf(),
            field: "its content",
            value,
            expected: "a JSON object",
        };
        match serde_json::from_str(text) {
            Ok(json @ Value::Object(_)) => Ok(Self { json, path }),
            Ok(_) => Err(refused("another kind of JSON".to_string())),
            Err(error) => Err(refused(format!("no JSON ({error})"))),
        }
    }

    pub(super) fn get(&self, field: &str) -> Option<&Value> {
        self.json.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn refused(&self, field: &'static str, expected: &'static str) -> Error {
        let value = self.get(field).map(Value::to_string);
        Error::Preprocessor {
            path: self.path.to_path_buf(),
            field,
            value: value.unwrap_or_else(|| "missing".to_string()),
            expected,
        }
    }

    /// The class of processor that the file names, without the endings that tell backends apart.
    pub(super) fn processor_name(&self) -> Option<(&'static str, &str)> {
        ["image_processor_type", "feature_extractor_type"]
            .into_iter()
            .find_map(|field| Some((field, self.get(field)?.as_str()?)))
            .map(|(field, name)| {
                let name = name.trim_end_matches("Fast").trim_end_matches("Pil");
                (field, name.trim_end_matches("ImageProcessor"))
            })
            .map(|(field, name)| (field, name.trim_end_matches("FeatureExtractor")))
    }

    /// Whether it is CLIP's processor and not SigLIP's; a file that names none is CLIP's if it crops.
    fn is_clip(&self) -> Result<bool> {
        match self.processor_name() {
            None => Ok(self.get("crop_size").is_some()),
            Some((_, "CLIP")) => Ok(true),
            Some((_, "Siglip")) => Ok(false),
            Some((field, _)) => {
                Err(self.refused(field, "SiglipImageProcessor or CLIPImageProcessor"))
            }
        }
    }

    pub(super) fn flag(&self, field: &'static str, default: bool) -> Result<bool> {
        match self.get(field) {
            None => Ok(default),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.refused(field, "true or false")),
        }
    }

    fn size(&self, is_clip: bool) -> Result<Option<ProcessorSize>> {
        let expected = "{\"height\": H, \"width\": W}, {\"shortest_edge\": S} or a number";
        let Some(value) = self.get("size") else {
            return Ok(None);
        };
        let number = side(Some(value));
        let shortest = side(value.get("shortest_edge")).or(number.filter(|_| is_clip));
        if let Some(shortest) = shortest.filter(|_| is_clip) {
            return Ok(Some(ProcessorSize::ShortestEdge(shortest)));
        }
        self.pair("size")?
            .map(|(width, height)| ProcessorSize::Exact(width, height))
            .ok_or_else(|| self.refused("size", expected))
            .map(Some)
    }

    /// (width, height) out of `{"height": H, "width": W}` or one number for both.
    pub(super) fn pair(&self, field: &'static str) -> Result<Option<(u32, u32)>> {
        let Some(value) = self.get(field) else {
            return Ok(None);
        };
        let number = side(Some(value)).map(|side| (side, side));
        let pair = || Some((side(value.get("width"))?, side(value.get("height"))?));
        number.or_else(pair).map(Some).ok_or_else(|| {
            let expected = "{\"height\": H, \"width\": W} or a number, each from 1 to 16384 pixels";
            self.refused(field, expected)
        })
    }

    /// A number of pixels.
    pub(super) fn length(&self, field: &'static str) -> Result<Option<u32>> {
        match self.get(field) {
            None => Ok(None),
            value => match side(value) {
                None => Err(self.refused(field, "a number of pixels from 1 to 16384")),
                length => Ok(length),
            },
        }
    }

    pub(super) fn kernel(&self) -> Result<Kernel> {
        let Some(value) = self.get("resample") else {
            return Ok(Kernel::Bicubic);
        };
        value.as_i64().and_then(Kernel::from_pillow).ok_or_else(|| {
            let expected = "1 (Lanczos), 2 (bilinear) or 3 (bicubic), Pillow's numbers";
            self.refused("resample", expected)
        })
    }

    pub(super) fn rescale_factor(&self) -> Result<f64> {
        if !self.flag("do_rescale", true)? {
            return Ok(1.0);
        }
        match self.get("rescale_factor") {
            None => Ok(1.0 / 255.0),
            Some(value) => value
                .as_f64()
                .ok_or_else(|| self.refused("rescale_factor", "a number")),
        }
    }

    /// What torchvision's processors make of bytes.
    pub(super) fn torchvision_normalizer(&self) -> Result<Normalizer> {
        let factor = match self.flag("do_rescale", true)? {
            true => Some(self.rescale_factor()?),
            false => None,
        };
        if factor.is_some_and(|factor| !(factor.is_finite() && factor > 0.0)) {
            return Err(self.refused("rescale_factor", "a number above zero"));
        }
        let mean_and_std = match self.flag("do_normalize", true)? {
            true => {
                let mean = self.channels("image_mean", [0.5; 3], true, 0.0)?;
                let std = self.channels("image_std", [0.5; 3], true, 1.0)?;
                if std.contains(&0.0) {
                    return Err(self.refused("image_std", "three numbers other than zero"));
                }
                Some((mean, std))
            }
            false => None,
        };
        if factor.is_none() && mean_and_std.is_none() {
            return Err(self.refused("do_rescale", "true where do_normalize is false"));
        }
        Ok(Normalizer::torchvision(factor, mean_and_std))
    }

    /// The three numbers of the channels; `neutral` ones if the processor does not normalise.
    pub(super) fn channels(
        &self,
        field: &'static str,
        default: [f64; 3],
        normalizes: bool,
        neutral: f64,
    ) -> Result<[f64; 3]> {
        let Some(value) = self.get(field).filter(|_| normalizes) else {
            return Ok(if normalizes { default } else { [neutral; 3] });
        };
        let numbers: Option<Vec<f64>> = value
            .as_array()
            .and_then(|values| values.iter().map(Value::as_f64).collect());
        numbers
            .and_then(|numbers| <[f64; 3]>::try_from(numbers).ok())
            .ok_or_else(|| self.refused(field, "three numbers"))
    }
}

/// A length in pixels that pictures can sensibly have.
fn side(value: Option<&Value>) -> Option<u32> {
    let side = u32::try_from(value?.as_u64()?).ok()?;
    (1..=16_384).contains(&side).then_some(side)
}
