//! Where the boxes of each region come from: what a detector's pixels are, and how late its stamps.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smart_default::SmartDefault;

/// What each region's boxes mean; detectors differ, so each has its own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Regions {
    /// What the robot reaches with.
    pub fingertip: Region,
    /// What it reaches for.
    pub target: Region,
}

/// What one region's boxes mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Region {
    /// The picture that the detector's pixels are of, as WIDTHxHEIGHT, where that is not the colour image: often the
    /// network's input, such as 416x416. 1x1 for boxes from 0 to 1.
    pub picture_size: Option<PictureSize>,
    /// How that picture was made of the colour image.
    #[default(PictureFit::Stretched)]
    pub picture_fit: PictureFit,
    /// By how much its boxes are stamped later than the image that they are of; negative where they are earlier.
    #[schemars(extend("x-unit" = "s", "minimum" = -60.0, "maximum" = 60.0))]
    pub delay_s: f64,
}

/// How a detector's picture was made of a colour image of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PictureFit {
    /// Width and height were scaled each by itself.
    #[default]
    Stretched,
    /// It was scaled as a whole to fit in, with bars of equal size on both sides of it.
    Letterboxed,
    /// It was scaled as a whole to fill the picture, and what stood out on both sides was cut off.
    Cropped,
}

/// Width and height in pixels, written `416x416`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSize {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

impl fmt::Display for PictureSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}x{}", self.width, self.height)
    }
}

impl PictureSize {
    fn parse(text: &str) -> Option<Self> {
        let (width, height) = text.split_once('x')?;
        let side = |text: &str| text.trim().parse().ok().filter(|side| *side > 0);
        Some(Self {
            width: side(width)?,
            height: side(height)?,
        })
    }
}

impl Serialize for PictureSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PictureSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Typed {
            Text(String),
            Sides([u32; 2]),
        }
        let size = match Typed::deserialize(deserializer) {
            Ok(Typed::Text(text)) => Self::parse(&text),
            Ok(Typed::Sides([width, height])) if width > 0 && height > 0 => {
                Some(Self { width, height })
            }
            _ => None,
        };
        size.ok_or_else(|| {
            serde::de::Error::custom("a picture's size is WIDTHxHEIGHT in pixels, such as 416x416")
        })
    }
}

impl JsonSchema for PictureSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PictureSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "array"],
            "pattern": "^[1-9][0-9]*x[1-9][0-9]*$",
            "items": {"type": "integer", "minimum": 1},
            "minItems": 2,
            "maxItems": 2
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Config;

    fn size_of(yaml: &str) -> crate::error::Result<Option<PictureSize>> {
        let text = format!("regions: {{fingertip: {{picture_size: {yaml}}}}}");
        Config::from_yaml(&text).map(|config| config.regions.fingertip.picture_size)
    }

    #[test]
    fn a_picture_size_is_typed_as_text_or_as_two_numbers() {
        let expected = Some(PictureSize {
            width: 416,
            height: 320,
        });
        assert_eq!(size_of("416x320").unwrap(), expected);
        assert_eq!(size_of("[416, 320]").unwrap(), expected);
        assert_eq!(size_of("null").unwrap(), None);
        for wrong in ["416", "0x320", "[416]", "[0, 320]", "-1x5", "4.5x3"] {
            let text = size_of(wrong).unwrap_err().to_string();
            assert!(text.contains("WIDTHxHEIGHT"), "{wrong}: {text}");
        }
    }
}
