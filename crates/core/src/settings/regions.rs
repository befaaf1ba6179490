//! Where the boxes of each region come from: what a detector's pixels are, and how late its stamps.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smart_default::SmartDefault;

use super::drawn::{DrawnBox, ExampleBox, Follow, PixelBox};
use super::text_or_list::text_or_list;

/// What each region's boxes mean; detectors differ, so each has its own. Beside fingertip and target a task may have others, each
/// under its name, with its topic and class too.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Regions {
    /// What the robot reaches with.
    pub fingertip: Region,
    /// What it reaches for.
    pub target: Region,
    /// Those of a task that have other names.
    #[serde(flatten)]
    pub named: BTreeMap<String, NamedRegion>,
}

impl Regions {
    /// Whether a TF frame says where one of them is.
    pub fn have_frames(&self) -> bool {
        self.frames().next().is_some()
    }

    /// The TF frames that they are at.
    pub fn frames(&self) -> impl Iterator<Item = &str> {
        let both = [&self.fingertip, &self.target].into_iter();
        both.filter_map(|region| region.frame.as_deref())
    }

    /// Whether one of them was drawn, or is to be found, and is followed from there.
    pub fn are_followed(&self) -> bool {
        self.fingertip.is_followed() || self.target.is_followed()
    }
}

/// A region beside fingertip and target: where it comes from is said here, its topic too.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NamedRegion {
    /// The topic of its boxes, of the same types as topics.fingertip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Class ids that count as it. Empty: its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class: Vec<String>,
    /// Every other source, as of fingertip and target.
    #[serde(flatten)]
    pub region: Region,
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
    /// The TF frame that it is at, in the place of a detector's boxes: /tf and /tf_static say where that is.
    pub frame: Option<String>,
    /// The boxes that somebody drew around it, in the place of a detector's: each X0,Y0,X1,Y1@SECONDS, in pixels of the
    /// colour image and seconds after the first one, such as 310,200,352,260@1.5. It is followed from there; in a recording
    /// in both directions of time.
    #[serde(rename = "box")]
    pub drawn: Vec<DrawnBox>,
    /// What a detector looks for, in the place of somebody's boxes: phrases such as `green cube`, any of which may be it. It is
    /// found in one of the first pictures and followed from there; where it is lost, it is looked for again. Needs
    /// detector.path.
    pub words: Vec<String>,
    /// The same by an example in the place of words: a picture's file and the box around the thing in it, as
    /// FILE:X0,Y0,X1,Y1.
    pub example: Option<ExampleBox>,
    /// With boxes that were drawn or found: who follows it.
    #[default(Follow::Correlation)]
    pub follow: Follow,
    /// One box for every picture, in the place of a detector's: X0,Y0,X1,Y1 in pixels of the colour image.
    pub fixed: Option<PixelBox>,
    /// With a frame, or with messages that say where an object or a marker is and not how large: the diameter of the ball
    /// around it that the region is taken to be, about the object's size.
    #[default = 0.03]
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "maximum" = 10.0))]
    pub size_m: f64,
    /// With a frame or such messages: where in it the middle of the ball is, x,y,z in metres, such as 0,0,0.1. None is its
    /// origin.
    pub offset_m: Option<Offset>,
}

impl Region {
    /// Whether a detector's messages say where it is.
    pub fn is_detected(&self) -> bool {
        self.frame.is_none() && !self.is_followed() && self.fixed.is_none()
    }

    /// Whether it is followed by masks.
    pub fn is_followed_by_masks(&self) -> bool {
        self.is_followed() && self.follow == Follow::Sam2
    }

    /// Whether words or an example say what it is.
    pub fn is_sought(&self) -> bool {
        !self.words.is_empty() || self.example.is_some()
    }

    /// What a detector looks for, in words; `None` where the region comes from elsewhere.
    pub fn sought(&self) -> Option<String> {
        match &self.example {
            Some(example) => Some(example.to_string()),
            None => (!self.words.is_empty()).then(|| self.words.join(", ")),
        }
    }

    /// As if nobody had said where it is.
    pub fn forget_source(&mut self) {
        self.frame = None;
        self.drawn.clear();
        self.words.clear();
        self.example = None;
        self.fixed = None;
    }

    /// Whether it was drawn, or is to be found, and is followed from there.
    pub fn is_followed(&self) -> bool {
        !self.drawn.is_empty() || self.is_sought()
    }
}

/// A place in a frame in metres, written `0,0,0.1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offset(pub [f64; 3]);

impl Offset {
    fn parse(text: &str) -> Option<Self> {
        let numbers: Result<Vec<f64>, _> = (text.split(','))
            .map(|number| number.trim().parse())
            .collect();
        Self::of(numbers.ok()?.try_into().ok()?)
    }

    fn of(metres: [f64; 3]) -> Option<Self> {
        let is_finite = metres.iter().all(|metres| metres.is_finite());
        is_finite.then_some(Self(metres))
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [x, y, z] = self.0;
        serializer.collect_str(&format_args!("{x},{y},{z}"))
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const FORM: &str = "an offset is x,y,z in metres, such as 0,0,0.1";
        text_or_list(deserializer, Self::parse, Self::of, FORM)
    }
}

impl JsonSchema for Offset {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Offset".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "array"],
            "items": {"type": "number"},
            "minItems": 3,
            "maxItems": 3
        })
    }
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
        const FORM: &str = "a picture's size is WIDTHxHEIGHT in pixels, such as 416x416";
        let of =
            |[width, height]: [u32; 2]| (width > 0 && height > 0).then_some(Self { width, height });
        text_or_list(deserializer, Self::parse, of, FORM)
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
    fn an_offset_is_typed_as_text_or_as_three_numbers() {
        let offset_of = |yaml: &str| {
            let text = format!("regions: {{target: {{frame: cup, offset_m: {yaml}}}}}");
            Config::from_yaml(&text).map(|config| config.regions.target.offset_m)
        };
        let expected = Some(Offset([0.0, -0.01, 0.1]));
        assert_eq!(offset_of("'0, -0.01,0.1'").unwrap(), expected);
        assert_eq!(offset_of("[0.0, -0.01, 0.1]").unwrap(), expected);
        assert_eq!(offset_of("null").unwrap(), None);
        for wrong in [
            "'0,1'",
            "'a,b,c'",
            "[0, 1]",
            "'nan,0,0'",
            "[.inf, 0, 0]",
            "3",
        ] {
            let text = offset_of(wrong).unwrap_err().to_string();
            assert!(text.contains("x,y,z in metres"), "{wrong}: {text}");
        }
    }

    #[test]
    fn a_region_has_one_source() {
        // given settings that name two, or speak of boxes that a frame has none of
        for (yaml, words) in [
            (
                "topics: {target: /boxes}\nregions: {target: {frame: cup}}",
                "topics.target",
            ),
            (
                "regions: {fingertip: {frame: tip, delay_s: 0.1}}",
                "fingertip.delay_s",
            ),
            (
                "regions: {fingertip: {frame: tip, picture_size: 4x4}}",
                "fingertip.picture_size",
            ),
            ("regions: {fingertip: {frame: ''}}", "fingertip.frame"),
            (
                "regions: {target: {box: ['1,2,3,4'], size_m: 0.1}}",
                "regions.target.size_m",
            ),
            (
                "regions: {fingertip: {frame: tip, fixed: '1,2,3,4'}}",
                "fingertip.fixed",
            ),
            (
                "regions: {target: {fixed: '1,2,3,4', box: ['1,2,3,4']}}",
                "target.fixed",
            ),
            (
                "topics: {target: /boxes}\nregions: {target: {box: ['1,2,3,4']}}",
                "target.box",
            ),
            (
                "regions: {target: {fixed: '1,2,3,4', delay_s: 0.1}}",
                "target.delay_s",
            ),
            (
                "regions: {target: {box: ['1,2,3,4@1', '5,6,7,8@1.0']}}",
                "target.box",
            ),
            (
                "regions: {fingertip: {fixed: '1,2,3,4', offset_m: '0,0,0'}}",
                "regions.fingertip.offset_m",
            ),
            (
                "detector: {path: d}\nregions: {target: {words: [cube], box: ['1,2,3,4']}}",
                "target.words",
            ),
            (
                "detector: {path: d}\nregions: {target: {words: [cube], example: 'a.png:1,2,3,4'}}",
                "target.example",
            ),
            (
                "detector: {path: d}\nregions: {target: {words: [cube], delay_s: 1}}",
                "target.delay_s",
            ),
            (
                "detector: {path: d}\nregions: {target: {words: [' ']}}",
                "target.words",
            ),
            ("regions: {target: {words: [cube]}}", "detector.path"),
            (
                "regions: {target: {box: ['1,2,3,4'], follow: sam2}}",
                "segmenter.path",
            ),
        ] {
            let text = Config::from_yaml(yaml).unwrap_err().to_string();
            assert!(text.contains(words), "{yaml}: {text}");
        }
        // then one of each kind is fine
        let mixed = "topics: {target: /boxes}\nregions: {fingertip: {frame: tip}}";
        assert!(Config::from_yaml(mixed).is_ok());
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
