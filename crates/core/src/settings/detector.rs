//! Settings of the networks that find regions by words or by an example, and that follow them by masks. They are declared here,
//! not beside the networks, because a file of settings is read and checked in builds without libtorch too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// Who finds the regions that are named by words or by an example. It runs on model.device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Detector {
    /// An OWLv2 checkpoint: a folder, or ORG/NAME or ORG/NAME@REVISION on a hub, such as
    /// google/owlv2-base-patch16-ensemble.
    pub path: Option<String>,
    /// The score below which nothing counts.
    #[default = 0.1]
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0))]
    pub threshold: f64,
    /// Two things are a question, not an answer, where the one has this share of the other's score.
    #[default = 0.8]
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 1.0))]
    pub near: f64,
    /// Take the likelier one of two things all the same.
    pub take_best: bool,
    /// How many of the first pictures are looked at; the region is followed from the one in which it is seen best. A live node
    /// begins with the first one in which it is clear.
    #[default = 5]
    #[schemars(extend("x-unit" = "pictures", "minimum" = 1, "maximum" = 100))]
    pub first_pictures: u32,
    /// How long a region is lost before it is looked for again.
    #[default = 0.5]
    #[schemars(extend("x-unit" = "s", "minimum" = 0.0, "maximum" = 3600.0))]
    pub again_after_s: f64,
}

/// Who follows regions by masks, where regions.*.follow is sam2. It runs on model.device.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Segmenter {
    /// A SAM 2.1 checkpoint: a folder, or ORG/NAME or ORG/NAME@REVISION on a hub, such as facebook/sam2.1-hiera-tiny.
    pub path: Option<String>,
}
