//! Settings of the vision-language model. They are declared here, not beside the network, because a file of settings
//! is read and checked in builds without libtorch too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use crate::calibration::Calibration;
use crate::prompt::format::DISTANCE_QUESTION;

/// The vision-language model, what it is shown and what it is asked: for `estimator.kind: spatialrgpt`, and for `ask`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, SmartDefault)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Its checkpoint: a folder, or ORG/NAME or ORG/NAME@REVISION on a hub. None: `nano`, which comes with the
    /// program.
    pub path: Option<String>,
    /// Where it runs: auto (a GPU if there is one), cpu, cuda or cuda:N.
    #[default(String::from("auto"))]
    #[schemars(extend("examples" = ["auto", "cpu", "cuda", "cuda:0"]))]
    pub device: String,
    /// The type of its numbers.
    pub dtype: Dtype,
    /// How many bits a weight of the language model's linear layers has, on a processor.
    pub weights: Weights,
    /// The same of its vision tower's.
    pub tower_weights: Weights,
    /// The conversation template: llama_3, vicuna_v1, v1, vicuna_v1_nosys, llava_v1, llama_2, mistral, hermes-2 or
    /// plain. None: as the checkpoint's tokenizer tells.
    pub template: Option<String>,
    /// What is asked of each frame: `<region0>` is the fingertip, `<region1>` the target.
    #[default(String::from(DISTANCE_QUESTION))]
    pub question: String,
    /// The longest answer.
    #[default = 64]
    #[schemars(extend("x-unit" = "tokens", "minimum" = 1, "maximum" = 4096))]
    pub max_new_tokens: u32,
    /// Where its relative depth comes from.
    pub relative_depth: RelativeDepth,
    /// Depth Anything V1 or V2: a folder, or an id on a hub.
    pub depth_model: Option<String>,
    /// What becomes black and white in its relative depth.
    pub depth_scale: DepthScale,
    /// How many times the spread of its answers it is off: what `evaluate` fits. None: what the checkpoint says
    /// of itself; where that says nothing, its standard deviation is not calibrated.
    #[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 1000.0))]
    pub std_scale: Option<f64>,
    /// What it is off where its answers have no spread, with model.std_scale. None: 0.
    #[schemars(extend("x-unit" = "m", "minimum" = 0.0, "maximum" = 10.0))]
    pub std_floor_m: Option<f64>,
    /// Frames that go through it together when a bag is labelled.
    #[default = 8]
    #[schemars(extend("x-unit" = "frames", "minimum" = 1, "maximum" = 256, "x-node" = false))]
    pub batch: u32,
}

impl Model {
    /// What makes a standard deviation of its answers' spread, where the settings say it.
    pub fn calibration(&self) -> Option<Calibration> {
        self.std_scale.map(|scale| Calibration {
            scale,
            floor_m: self.std_floor_m.unwrap_or(0.0),
        })
    }
}

/// The type of the network's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// bfloat16 on a GPU; float32 on a processor, but for the model that comes with the program where the processor
    /// multiplies bfloat16.
    #[default]
    Auto,
    /// Exact, and the usual one on a processor.
    Float32,
    /// Half as large, with a small range.
    Float16,
    /// Half as large, with float32's range.
    Bfloat16,
}

/// How a linear layer's weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weights {
    /// As the checkpoint has them.
    #[default]
    Stored,
    /// Half of bfloat16's memory; the last digits of some answers change.
    Int8,
    /// A third of bfloat16's memory; answers change, those of a small network most.
    Int4,
}

/// Where the model's relative depth comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RelativeDepth {
    /// Depth Anything if `depth_model` names one, else the camera's depth.
    #[default]
    Auto,
    /// The depth image, as disparity.
    Camera,
    /// Estimated from the colour image by `depth_model`.
    DepthAnything,
    /// The model looks at colour alone.
    None,
}

/// Which disparities become black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DepthScale {
    /// Each frame's own smallest and largest, as the model was trained.
    #[default]
    Frame,
    /// Those of the episode's first frame, so that the picture does not flicker.
    Episode,
}
