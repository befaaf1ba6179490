//! How photos become questions and answers: the constants of the Open Spatial Dataset's pipeline, each a setting.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

/// How `dataset` makes questions of photos. The defaults are the constants of the Open Spatial Dataset's pipeline, but for
/// `certain_only`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Photos {
    /// The height that every photo is brought to, its width in proportion; 0: as it is.
    #[default = 640]
    #[schemars(extend("x-unit" = "px", "minimum" = 0, "maximum" = 8192, "x-node" = false))]
    pub height_px: u32,
    /// Of two boxes that overlap by more than this (intersection over union) the one with the greater score stays.
    #[default = 0.5]
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0, "x-node" = false))]
    pub max_overlap: f64,
    /// A region of a smaller score is left out.
    #[default = 0.3]
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0, "x-node" = false))]
    pub min_score: f64,
    /// A mask of fewer pixels is left out.
    #[default = 25]
    #[schemars(extend("x-unit" = "px", "minimum" = 1, "x-node" = false))]
    pub min_mask_px: u32,
    /// A box over more than this share of the photo is left out.
    #[default = 0.75]
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 1.0, "x-node" = false))]
    pub max_box_share: f64,
    /// Where two boxes share less than this of the one and more than this of the other, the other's mask is taken out of
    /// the one's.
    #[default = 0.05]
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0, "x-node" = false))]
    pub contained_share: f64,
    /// Depth beyond this is no measurement.
    #[default = 300.0]
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "x-node" = false))]
    pub max_depth_m: f64,
    /// Standard deviation of what is added to each coordinate of a cloud.
    #[default = 0.004]
    #[schemars(extend("x-unit" = "m", "minimum" = 0.0, "maximum" = 1.0, "x-node" = false))]
    pub noise_m: f64,
    /// A region of fewer points is left out.
    #[default = 16]
    #[schemars(extend("minimum" = 5, "x-node" = false))]
    pub min_points: u32,
    /// Neighbours that tell a stray point, itself among them.
    #[default = 10]
    #[schemars(extend("minimum" = 2, "maximum" = 1000, "x-node" = false))]
    pub outlier_neighbours: u32,
    /// A point is stray if its neighbours are farther than the mean and so many standard deviations.
    #[default = 1.2]
    #[schemars(extend("exclusiveMinimum" = 0.0, "x-node" = false))]
    pub outlier_ratio: f64,
    /// The least side of a voxel.
    #[default = 0.01]
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "x-node" = false))]
    pub min_voxel_m: f64,
    /// A voxel's side is thrice the standard deviation of the cloud by this.
    #[default = 40.0]
    #[schemars(extend("exclusiveMinimum" = 0.0, "x-node" = false))]
    pub voxels: f64,
    /// Points of one thing are nearer to each other than this (DBSCAN's eps).
    #[default = 0.2]
    #[schemars(extend("x-unit" = "m", "exclusiveMinimum" = 0.0, "x-node" = false))]
    pub cluster_m: f64,
    /// A point with so many points near it, itself among them, is within a thing (DBSCAN's min_points).
    #[default = 10]
    #[schemars(extend("minimum" = 1, "x-node" = false))]
    pub cluster_points: u32,
    /// A cloud that has fewer points after all steps is left out.
    #[default = 10]
    #[schemars(extend("minimum" = 4, "x-node" = false))]
    pub min_cloud_points: u32,
    /// A cloud whose level box is smaller is left out.
    #[default = 1.0]
    #[schemars(extend("x-unit" = "cm^3", "minimum" = 0.0, "x-node" = false))]
    pub min_volume_cm3: f64,
    /// Pairs of regions that are asked about.
    #[default = 3]
    #[schemars(extend("minimum" = 1, "maximum" = 1000, "x-node" = false))]
    pub pairs: u32,
    /// Questions about each pair, of different kinds.
    #[default = 3]
    #[schemars(extend("minimum" = 1, "maximum" = 24, "x-node" = false))]
    pub questions: u32,
    /// Ask only what is certain: two regions are compared where they clearly differ. The original asks always.
    #[default = true]
    #[schemars(extend("x-node" = false))]
    pub certain_only: bool,
    /// Which way is up is believed from a confidence on; where it is not, nothing is asked that needs it. The original
    /// believes its network always.
    #[default = 0.5]
    #[schemars(extend("minimum" = 0.0, "maximum" = 1.0, "x-node" = false))]
    pub min_gravity_confidence: f64,
}
