//! Who measures the distance, and the limits of what measures without a model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use crate::frame::DistanceKind;

/// Who measures the distance, and which one the reward is computed from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Estimator {
    /// `geometry` measures in the depth image. Others are those that the build has registered: `spatialrgpt`, the
    /// vision-language model, in builds with the feature torch.
    #[default(String::from("geometry"))]
    #[schemars(extend("examples" = ["geometry", "spatialrgpt"]))]
    pub kind: String,
    /// Which distance is rewarded. They differ by centimetres, so never compare across them. None: `surface` for
    /// geometry, and `cloud` for the model, which was trained to answer that one.
    pub distance: Option<DistanceKind>,
    /// A measured distance above this is implausible_distance.
    #[default = 5.0]
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "x-live" = true))]
    pub max_distance_m: f64,
}

/// Limits of the geometry estimator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Geometry {
    /// Nearer depth is no measurement.
    #[default = 0.05]
    #[schemars(extend("x-unit" = "m", "minimum" = 0.0))]
    pub min_depth_m: f64,
    /// Nor is farther depth; above geometry.min_depth_m.
    #[default = 20.0]
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0))]
    pub max_depth_m: f64,
    /// A region with fewer usable depth pixels than this is depth_invalid.
    #[default = 6]
    #[schemars(extend("minimum" = 1, "maximum" = 10_000))]
    pub min_pixels: u32,
}
