//! Settings of the vision-language model.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::whole;
use crate::error::{Error, Result};
use crate::prompt::Template;

/// The vision-language model, what it is shown and what it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// A checkpoint's folder, or `org/name` or `org/name@revision` on a hub; none: `models/nano`, which comes
    /// with the program.
    pub path: Option<String>,
    /// `auto` (a GPU if there is one), `cpu`, `cuda:N`.
    pub device: String,
    pub dtype: Dtype,
    /// The conversation template; none: as the checkpoint's tokenizer tells.
    pub template: Option<String>,
    /// What is asked of each frame: `<region0>` is the fingertip, `<region1>` the target.
    pub question: String,
    /// The longest answer in tokens. [1, 4096].
    pub max_new_tokens: u32,
    /// Where relative depth comes from.
    pub relative_depth: RelativeDepth,
    /// Depth Anything's checkpoint: a folder, or an id on a hub.
    pub depth_model: Option<String>,
    /// What becomes black and white in the relative depth.
    pub depth_scale: DepthScale,
    /// Frames that run through the model together when a bag is labelled. [1, 256].
    pub batch: u32,
    /// Where `path` and `depth_model` lie on this machine, once found; no setting.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
    #[serde(skip)]
    pub depth_folder: Option<PathBuf>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            path: None,
            device: "auto".into(),
            dtype: Dtype::Auto,
            template: None,
            question: "How far is <region0> from <region1>?".into(),
            max_new_tokens: 64,
            relative_depth: RelativeDepth::Auto,
            depth_model: None,
            depth_scale: DepthScale::Frame,
            batch: 8,
            folder: None,
            depth_folder: None,
        }
    }
}

/// The type of the network's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// bfloat16 on a GPU; float32 on a processor, but for the model that comes with the program where the
    /// processor multiplies bfloat16.
    #[default]
    Auto,
    Float32,
    Float16,
    Bfloat16,
}

/// Where the network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU if there is one.
    Auto,
    Cpu,
    Cuda(usize),
}

/// Where the model's relative depth comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DepthScale {
    /// Each frame's own smallest and largest, as the model was trained.
    #[default]
    Frame,
    /// Those of the episode's first frame, so that the picture does not flicker.
    Episode,
}

impl Model {
    /// Where relative depth comes from, once `auto` is settled.
    pub fn depth_source(&self) -> RelativeDepth {
        match self.relative_depth {
            RelativeDepth::Auto if self.depth_model.is_some() => RelativeDepth::DepthAnything,
            RelativeDepth::Auto => RelativeDepth::Camera,
            chosen => chosen,
        }
    }

    /// What `device` names.
    ///
    /// # Errors
    /// `Error::ConfigValue` for what is no device's name.
    pub fn device_choice(&self) -> Result<DeviceChoice> {
        let index = |name: &str| name.strip_prefix("cuda:")?.parse().ok();
        match self.device.as_str() {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda(0)),
            name => index(name)
                .map(DeviceChoice::Cuda)
                .ok_or(Error::ConfigValue {
                    key: "model.device",
                    value: name.into(),
                    expected: "auto, cpu or cuda:N",
                }),
        }
    }

    /// Check every bound that the field comments state.
    pub(super) fn validate(&self) -> Result<()> {
        whole(
            "model.max_new_tokens",
            self.max_new_tokens,
            1..=4096,
            "in [1, 4096]",
        )?;
        whole("model.batch", self.batch, 1..=256, "in [1, 256]")?;
        if let Some(name) = &self.template {
            Template::from_name(name)?;
        }
        let asks = |region: &str| self.question.contains(region);
        if !asks("<region0>") || !asks("<region1>") {
            return Err(Error::ConfigValue {
                key: "model.question",
                value: format!("'{}'", self.question),
                expected: "a question about <region0> (the fingertip) and <region1> (the target)",
            });
        }
        self.device_choice()?;
        if self.depth_source() == RelativeDepth::DepthAnything && self.depth_model.is_none() {
            return Err(Error::ConfigValue {
                key: "model.depth_model",
                value: "not given".into(),
                expected: "a Depth Anything checkpoint where relative_depth is depth_anything",
            });
        }
        Ok(())
    }
}
