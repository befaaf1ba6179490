//! Boxes that a person drew: one in a picture of the recording, which is followed from there, or one for all pictures.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::frame::BoundingBox;

/// A box in pixels of the colour image, written `X0,Y0,X1,Y1`: left, top, right, bottom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelBox(pub BoundingBox);

/// A box and when it was drawn, written `X0,Y0,X1,Y1@SECONDS`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawnBox {
    /// In pixels of the colour image.
    pub bbox: BoundingBox,
    /// Seconds after the first picture; the box is of the first picture from then on.
    pub at_s: f64,
}

/// Who follows a region from picture to picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Follow {
    /// A correlation tracker, by colour and, where there is some, by depth.
    #[default]
    Correlation,
    /// SAM 2.1, by masks, which the measurement takes too. Needs segmenter.path.
    Sam2,
}

/// A picture of a thing and the box around it there, written `FILE:X0,Y0,X1,Y1`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExampleBox {
    /// A PNG or JPEG file.
    pub file: PathBuf,
    /// In its pixels.
    pub bbox: BoundingBox,
}

const FORM: &str = "four numbers X0,Y0,X1,Y1 in pixels (left, top, right, bottom)";
const DRAWN_FORM: &str = "a box X0,Y0,X1,Y1 in pixels (left, top, right, bottom), @ and the seconds after the first \
                          picture, such as 310,200,352,260@1.5; without @ it is of the first picture";

impl FromStr for PixelBox {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let corners: Result<Vec<f64>, _> =
            text.split(',').map(|part| part.trim().parse()).collect();
        match corners.as_deref() {
            Ok(&[x_min, y_min, x_max, y_max]) => {
                let bbox = BoundingBox::new(x_min, y_min, x_max, y_max);
                let proper = bbox.is_proper().then_some(Self(bbox));
                proper.ok_or_else(|| {
                    format!("the box '{text}' has no area: X0 < X1 and Y0 < Y1 is asked for")
                })
            }
            _ => Err(format!("'{text}' is no box: {FORM}")),
        }
    }
}

impl FromStr for DrawnBox {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (corners, at) = text.split_once('@').unwrap_or((text, "0"));
        let PixelBox(bbox) = corners.parse()?;
        let at_s: Option<f64> = at.trim().parse().ok();
        let at_s = at_s.filter(|at_s| at_s.is_finite() && *at_s >= 0.0);
        let at_s = at_s.ok_or_else(|| format!("'{text}' is not drawn at a time: {DRAWN_FORM}"))?;
        Ok(Self { bbox, at_s })
    }
}

impl FromStr for ExampleBox {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "'{text}' is no example: a picture's file and the box in it are asked for, FILE:X0,Y0,X1,Y1"
            )
        };
        let (file, corners) = text.rsplit_once(':').ok_or_else(form)?;
        if file.trim().is_empty() {
            return Err(form());
        }
        let PixelBox(bbox) = corners.parse()?;
        Ok(Self {
            file: file.into(),
            bbox,
        })
    }
}

impl fmt::Display for ExampleBox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), PixelBox(self.bbox))
    }
}

impl fmt::Display for PixelBox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BoundingBox {
            x_min,
            y_min,
            x_max,
            y_max,
        } = self.0;
        write!(formatter, "{x_min},{y_min},{x_max},{y_max}")
    }
}

impl fmt::Display for DrawnBox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", PixelBox(self.bbox), self.at_s)
    }
}

impl Serialize for PixelBox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for DrawnBox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ExampleBox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExampleBox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for PixelBox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for DrawnBox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for PixelBox {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PixelBox".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

impl JsonSchema for ExampleBox {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ExampleBox".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

impl JsonSchema for DrawnBox {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DrawnBox".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Config;

    #[test]
    fn a_drawn_box_is_of_the_first_picture_unless_it_says_when() {
        let bbox = BoundingBox::new(10.0, 20.5, 30.0, 40.0);
        for (text, at_s) in [
            ("10,20.5,30,40", 0.0),
            (" 10, 20.5, 30, 40 @ 1.25", 1.25),
            ("10,20.5,30,40@0", 0.0),
        ] {
            let drawn: DrawnBox = text.parse().unwrap();
            assert_eq!(drawn, DrawnBox { bbox, at_s }, "{text}");
            // and it is typed as it is written
            assert_eq!(drawn.to_string().parse(), Ok(drawn));
        }
    }

    #[test]
    fn an_example_is_a_picture_and_the_box_in_it() {
        // given a file whose own name has a colon
        let example: ExampleBox = "demo:1.png:10,20,30,40".parse().unwrap();
        assert_eq!(example.file, PathBuf::from("demo:1.png"));
        assert_eq!(example.bbox, BoundingBox::new(10.0, 20.0, 30.0, 40.0));
        // then it is typed as it is written
        assert_eq!(example.to_string().parse(), Ok(example));
        for wrong in ["demo.png", ":1,2,3,4", "demo.png:1,2,3", "demo.png:3,2,1,4"] {
            let error = wrong.parse::<ExampleBox>().unwrap_err();
            assert!(error.contains("X0"), "{error}");
        }
    }

    #[test]
    fn what_is_no_box_is_refused_with_its_text() {
        for wrong in [
            "1,2,3",
            "1,2,3,4,5",
            "5,2,5,4",
            "a,b,c,d",
            "nan,0,1,1",
            "",
            "1,2,3,4@",
            "1,2,3,4@x",
            "1,2,3,4@-1",
            "1,2,3,4@inf",
            "0,0,inf,1",
        ] {
            let error = wrong.parse::<DrawnBox>().unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
        let yaml = "regions: {fingertip: {box: ['1,2,3']}}";
        let error = Config::from_yaml(yaml).unwrap_err().to_string();
        assert!(error.contains("'1,2,3' is no box"), "{error}");
    }
}
