//! How the depth image lies to the colour image.

use std::borrow::Cow;
use std::fmt;

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smart_default::SmartDefault;

use super::text_or_list::text_or_list;

/// Whether depth is measured from the colour camera. If image and depth are of different coordinate frames, depth is
/// registered by what lies between them: the extrinsics here, or those that a recording has on /tf_static.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Depth {
    /// It is registered to the colour image, whatever coordinate frames its headers name.
    pub registered: bool,
    /// Where the depth camera's optical frame is in the colour camera's: x y z in metres and a quaternion qx qy qz qw,
    /// with blanks between. None: /tf_static tells.
    pub extrinsics: Option<Extrinsics>,
}

impl Depth {
    /// Whether depth of one coordinate frame is of another camera than an image, and so to be registered: the frames in the
    /// headers decide, and where one of them is empty, whether somebody gave extrinsics.
    pub fn is_to_be_registered(&self, image_frame: &str, depth_frame: &str) -> bool {
        let is_named = !image_frame.is_empty() && !depth_frame.is_empty();
        let is_own = match is_named {
            true => image_frame != depth_frame,
            false => self.extrinsics.is_some(),
        };
        is_own && !self.registered
    }
}

/// The pose of the depth camera's optical frame in the colour camera's, written `x y z qx qy qz qw`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extrinsics(pub Isometry3<f64>);

/// What the text must be.
const FORM: &str = "extrinsics are seven numbers, x y z in metres and a quaternion qx qy qz qw, such as \
                    \"0.04 0 0 0 0 0 1\"";

impl Extrinsics {
    fn parse(text: &str) -> Option<Self> {
        let numbers: Option<Vec<f64>> = text
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .map(|word| word.parse().ok())
            .collect();
        Self::of(numbers?.try_into().ok()?)
    }

    fn of(numbers: [f64; 7]) -> Option<Self> {
        const LEAST_NORM: f64 = 1e-6;
        let [x, y, z, qx, qy, qz, qw] = numbers;
        let rotation = UnitQuaternion::try_new(Quaternion::new(qw, qx, qy, qz), LEAST_NORM)?;
        let is_finite = numbers.iter().all(|number| number.is_finite());
        is_finite.then(|| Self(Isometry3::from_parts(Translation3::new(x, y, z), rotation)))
    }
}

impl fmt::Display for Extrinsics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, turn) = (self.0.translation, self.0.rotation.coords);
        write!(
            formatter,
            "{} {} {} {} {} {} {}",
            at.x, at.y, at.z, turn.x, turn.y, turn.z, turn.w
        )
    }
}

impl Serialize for Extrinsics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Extrinsics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_list(deserializer, Self::parse, Self::of, FORM)
    }
}

impl JsonSchema for Extrinsics {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Extrinsics".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "array"],
            "items": {"type": "number"},
            "minItems": 7,
            "maxItems": 7
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::Config;

    #[test]
    fn extrinsics_are_read_as_text_and_as_numbers() {
        for yaml in [
            "depth: {extrinsics: '0.04 0 -0.01 0 0 0 2'}",
            "depth: {extrinsics: '0.04, 0, -0.01, 0, 0, 0, 1'}",
            "depth: {extrinsics: [0.04, 0, -0.01, 0, 0, 0, 1]}",
        ] {
            let config = Config::from_yaml(yaml).unwrap();
            let extrinsics = config.depth.extrinsics.unwrap();
            assert_eq!(extrinsics.to_string(), "0.04 0 -0.01 0 0 0 1");
        }
    }

    #[test]
    fn extrinsics_that_are_none_say_what_they_should_be() {
        for text in [
            "0.04 0 0",
            "a b c d e f g",
            "0 0 0 0 0 0 0",
            "nan 0 0 0 0 0 1",
        ] {
            let error = Config::from_yaml(&format!("depth: {{extrinsics: '{text}'}}"));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("qx qy qz qw"), "{error}");
        }
    }
}
