//! The whole file: which model it is, and what its parts must agree about.

use std::path::Path;

use serde::Deserialize;

use super::check::same;
use super::heads::{MaskDecoderConfig, PromptEncoderConfig};
use super::memory::MemoryConfig;
use super::vision::VisionConfig;
use crate::error::{Error, Result};

/// The way out of every problem with a configuration.
const SUPPORTED: &str = "Give a folder with SAM 2.1, tiny to large, in the Hugging Face layout";

/// The first Segment Anything has another picture encoder, and no memory.
const FIRST: &str = "model_type is 'sam', which is SAM 1; only SAM 2.1 is read";
const AFTER_THE_FIRST: &str =
    "Give facebook/sam2.1-hiera-tiny, -small, -base-plus or -large, which take the same boxes";

/// What tells one model from another.
#[derive(Debug, Deserialize)]
struct Kind {
    model_type: String,
}

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::sam2) struct Sam2Config {
    #[serde(default)]
    pub vision_config: VisionConfig,
    #[serde(default)]
    pub prompt_encoder_config: PromptEncoderConfig,
    #[serde(default)]
    pub mask_decoder_config: MaskDecoderConfig,
    /// Keys of the same level, of a model for videos.
    #[serde(skip)]
    pub memory: Option<MemoryConfig>,
}

fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> std::result::Result<T, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

impl Sam2Config {
    /// Reads and checks `folder`'s configuration.
    ///
    /// # Errors
    /// A file that cannot be read or parsed; a key whose value this program does not support.
    pub(in crate::sam2) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let problem = |what: String| Error::checkpoint(&path, what, SUPPORTED);
        let text = std::fs::read(&path).map_err(Error::io("read", &path))?;
        let kind: Kind = parse(&text).map_err(problem)?;
        let has_memory = match kind.model_type.as_str() {
            "sam2_video" => true,
            "sam2" => false,
            "sam" => return Err(Error::checkpoint(&path, FIRST, AFTER_THE_FIRST)),
            other => {
                let what = format!("model_type is '{other}', but must be 'sam2_video' or 'sam2'");
                return Err(problem(what));
            }
        };
        let mut config: Self = parse(&text).map_err(problem)?;
        if has_memory {
            config.memory = Some(parse(&text).map_err(problem)?);
        }
        match config.problem() {
            Some(what) => Err(problem(what)),
            None => Ok(config),
        }
    }

    /// Channels of all that is decoded and remembered.
    pub(in crate::sam2) fn hidden_size(&self) -> i64 {
        self.vision_config.fpn_hidden_size
    }

    /// Side of the pictures that the network takes, pixels.
    pub(in crate::sam2) fn image_size(&self) -> i64 {
        self.prompt_encoder_config.image_size
    }

    /// Side of the coarsest map, which is decoded.
    pub(in crate::sam2) fn grid(&self) -> i64 {
        self.prompt_encoder_config.grid()
    }

    /// What keeps this program from running such a model, if anything.
    fn problem(&self) -> Option<String> {
        let within =
            |part: &str, problem: Option<String>| problem.map(|what| format!("{part}: {what}"));
        let (vision, prompts, decoder) = (
            &self.vision_config,
            &self.prompt_encoder_config,
            &self.mask_decoder_config,
        );
        within("prompt_encoder_config", prompts.problem())
            .or_else(|| {
                within(
                    "vision_config",
                    vision.problem(self.image_size(), self.grid()),
                )
            })
            .or_else(|| within("mask_decoder_config", decoder.problem()))
            .or_else(|| {
                let hidden = self.hidden_size();
                same(
                    "vision_config.fpn_hidden_size",
                    hidden,
                    &[
                        ("prompt_encoder_config.hidden_size", prompts.hidden_size),
                        ("mask_decoder_config.hidden_size", decoder.hidden_size),
                    ],
                )
            })
            .or_else(|| {
                let memory = self.memory.as_ref()?;
                memory.problem(self.hidden_size(), self.image_size(), self.grid())
            })
    }
}
