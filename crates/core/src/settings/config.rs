//! What was typed: plain data, one field a section.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::depth::Depth;
use super::detector::{Detector, Segmenter};
use super::estimating::{Estimator, Geometry};
use super::inputs::{Episodes, Matching, Topics, Tracker};
use super::live::Live;
use super::model::Model;
use super::output::Output;
use super::photos::Photos;
use super::regions::Regions;
use super::reward::{Filter, Reward, Success};
use super::task::{Camera, Task};

/// The whole configuration, as it was typed. Every section may be left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Topic names.
    pub topics: Topics,
    /// What their boxes mean.
    pub regions: Regions,
    /// Several cameras, each with its topics.
    pub cameras: BTreeMap<String, Camera>,
    /// Who finds those that are named by words or by an example.
    pub detector: Detector,
    /// Who follows them by masks.
    pub segmenter: Segmenter,
    /// How the depth image lies to the colour image.
    pub depth: Depth,
    /// How messages become steps.
    pub matching: Matching,
    /// Where episodes end.
    pub episodes: Episodes,
    /// What stands in for missing boxes.
    pub tracker: Tracker,
    /// Who measures.
    pub estimator: Estimator,
    /// Limits of measuring in depth.
    pub geometry: Geometry,
    /// The vision-language model.
    pub model: Model,
    /// What a distance is worth.
    pub reward: Reward,
    /// What smooths it before.
    pub filter: Filter,
    /// When the task is solved.
    pub success: Success,
    /// What the whole task is.
    pub task: Task,
    /// What `label` writes.
    pub output: Output,
    /// Questions and answers from photos.
    pub photos: Photos,
    /// The live node.
    pub live: Live,
}
