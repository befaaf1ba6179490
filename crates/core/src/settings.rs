//! Every setting, declared once: its field states type, default, unit, bounds, what it means and whether it may
//! change while a node runs. From these declarations follow what serde reads, what is refused, `config/default.yaml`,
//! the JSON schema that editors complete YAML with, the ROS parameters and the tables in docs/.
//!
//! [`Config`] is what was typed; [`Settings`] is what is ready to use: checked, its names resolved.

mod checks;
mod config;
mod declared;
mod depth;
mod detector;
mod drawn;
mod estimating;
mod from_memory;
mod inputs;
mod live;
mod model;
mod output;
mod pairing;
mod photos;
mod plan;
mod ready;
mod regions;
mod reward;
mod sources;
mod task;
mod task_checks;
#[cfg(test)]
mod tests;
mod text_or_list;
mod thresholds;

pub use config::Config;
pub use declared::{Bounds, Choice, Declared, Kind, Section, choices, declared, schema, sections};
pub use depth::{Depth, Extrinsics};
pub use detector::{Detector, Segmenter};
pub use drawn::{DrawnBox, ExampleBox, Follow, PixelBox};
pub use estimating::{Estimator, Geometry};
pub use inputs::{Episodes, Matching, Rectification, Topics, Tracker};
pub use live::{BoxType, ImageTransport, Live, Reliability};
pub use model::{DepthScale, Dtype, Model, RelativeDepth, Weights};
pub use output::{Output, Storage};
pub use pairing::Planned;
pub use photos::Photos;
pub use plan::Plan;
pub use ready::{DeviceChoice, ModelSettings, Settings};
pub use regions::{NamedRegion, Offset, PictureFit, PictureSize, Region, Regions};
pub use reward::{Alignment, Filter, FilterKind, Reward, RewardKind, Success, Votes};
pub use task::{Camera, Condition, Gripper, Pair, Phase, Potential, Quantity, Task, Transition};
pub use thresholds::Thresholds;
