//! SAM 2.1 as a whole: from pixels and prompts to masks, of a picture by itself or of the next one of a video.
//!
//! In transformers 5.24.0: models/sam2/modeling_sam2.py, 1325-1622, and models/sam2_video/modeling_sam2_video.py, 1611-1660.

use std::path::Path;

use tch::{Kind, Tensor};

use super::config::Sam2Config;
use super::hiera::Hiera;
use super::layers::{as_image, as_tokens, sine_position};
use super::mask_decoder::{Features, MaskDecoder, Masks};
use super::memory_bank::{MemoryBank, Reach};
use super::neck::Neck;
use super::prompt_encoder::{Points, PositionalEmbedding, PromptEncoder};
use super::tracker::{FrameTrace, Tracker};
use crate::error::{Error, Result};
use crate::nn::threads;
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::{Placement, Weights};

/// What a failing computation was for.
const ACTION: &str = "segment a picture";

/// Tensors for videos, which a network for pictures leaves unread as transformers does.
const FOR_VIDEOS: [&str; 7] = [
    "memory_",
    "mask_downsample.",
    "object_pointer_proj.",
    "temporal_positional_encoding_projection_layer.",
    "no_memory_positional_encoding",
    "no_object_pointer",
    "occlusion_spatial_embedding_parameter",
];

/// What points at objects: N of them, in pixels of the network's picture.
#[derive(Debug, Default)]
pub struct Prompt<'a> {
    /// (N, 4), left, top, right, bottom.
    pub boxes: Option<&'a Tensor>,
    /// (N, P, 2) places and (N, P) whether they are inside (1) or outside (0).
    pub points: Option<(&'a Tensor, &'a Tensor)>,
    /// (N, 1, side, side), logits.
    pub masks: Option<&'a Tensor>,
}

/// `Sam2Model` and `Sam2VideoModel`
#[derive(Debug)]
pub struct Sam2 {
    backbone: Hiera,
    neck: Neck,
    prompt_encoder: PromptEncoder,
    mask_decoder: MaskDecoder,
    /// (1, 1, C), added where nothing is remembered.
    no_memory_embedding: Tensor,
    /// Where the cells of the map are, (1, C, grid, grid).
    image_position: Tensor,
    /// The same for memory attention, (1, L, C).
    map_position: Tensor,
    tracker: Option<Tracker>,
    image_size: i64,
    grid: i64,
    placement: Placement,
}

/// Tensors on the way of one picture, for comparison with another implementation.
#[derive(Debug)]
pub struct ImageTrace {
    /// The backbone's maps (1, h, w, C_i), the finest first.
    pub stages: Vec<Tensor>,
    /// The pyramid's maps (1, C, h, w), the finest first.
    pub levels: Vec<Tensor>,
    features: Features,
}

impl ImageTrace {
    /// What the decoder reads: two finer maps and the one that is decoded.
    pub fn embeddings(&self) -> [&Tensor; 3] {
        let [fine, finer] = &self.features.finer;
        [fine, finer, &self.features.map]
    }
}

impl Sam2 {
    /// Reads `config.json` and the weights of `folder`, strictly: every tensor that the configuration asks for and no other.
    ///
    /// # Errors
    /// A file that cannot be read; a configuration of another or an unsupported model, by key; a tensor that is missing,
    /// unexpected or of another shape, by name.
    pub fn load(folder: &Path, placement: Placement) -> Result<Self> {
        let config = Sam2Config::read(folder)?;
        let weights = Weights::open(folder, placement)?;
        let root = weights.scope();
        let (hidden, image_size, grid) = (config.hidden_size(), config.image_size(), config.grid());
        let vision = root.sub("vision_encoder");
        let (shared, own) = (
            root.sub("shared_image_embedding"),
            root.sub("prompt_encoder"),
        );
        let tracker = config.memory.as_ref();
        let tracker =
            tracker.map(|memory| Tracker::load(&root, memory, [hidden, image_size, grid]));
        let of_map =
            PositionalEmbedding::load(&[shared.clone(), own.sub("shared_embedding")], hidden)?;
        let map_position = || as_tokens(&sine_position(hidden, grid, placement)?.f_unsqueeze(0)?);
        let model = Self {
            backbone: Hiera::load(
                &vision.sub("backbone"),
                &config.vision_config.backbone_config,
                image_size,
            )?,
            neck: Neck::load(&vision.sub("neck"), &config.vision_config)?,
            prompt_encoder: PromptEncoder::load(&own, &shared, &config.prompt_encoder_config)?,
            mask_decoder: MaskDecoder::load(
                &root.sub("mask_decoder"),
                &config.mask_decoder_config,
            )?,
            no_memory_embedding: root.get("no_memory_embedding", &[1, 1, hidden])?,
            image_position: of_map.of_map(grid).map_err(torch_error("tell places"))?,
            map_position: map_position().map_err(torch_error("tell places"))?,
            tracker: tracker.transpose()?,
            image_size,
            grid,
            placement,
        };
        match model.tracker {
            Some(_) => weights.finish()?,
            None => weights.finish_ignoring(&FOR_VIDEOS)?,
        }
        Ok(model)
    }

    /// Side of the pictures that it takes, pixels.
    pub fn image_size(&self) -> i64 {
        self.image_size
    }

    /// Normalised pixels (1, 3, S, S) -> what masks of the picture are decoded from, with what was on the way.
    ///
    /// # Errors
    /// `Error::Torch` for another shape, or want of memory.
    pub fn trace(&self, pixel_values: &Tensor) -> Result<ImageTrace> {
        threads::settle();
        let _no_grad = tch::no_grad_guard();
        let (stages, levels, mut features) = self.encode(pixel_values)?;
        let map = self
            .without_memory(&features.map)
            .map_err(torch_error(ACTION))?;
        features.map = map;
        Ok(ImageTrace {
            stages,
            levels,
            features,
        })
    }

    /// The stages, the levels, and the picture as it is decoded; its map without any memory.
    fn encode(&self, pixel_values: &Tensor) -> Result<(Vec<Tensor>, Vec<Tensor>, Features)> {
        let side = self.image_size;
        if pixel_values.size() != [1, 3, side, side] {
            let message = format!(
                "pixels of shape {:?}, but (1, 3, {side}, {side}) are needed",
                pixel_values.size()
            );
            return Err(Error::torch(ACTION, message));
        }
        let compute = || {
            let pixel_values = pixel_values
                .f_to_device(self.placement.device)?
                .f_to_kind(self.placement.kind)?;
            let stages = self.backbone.forward(&pixel_values)?;
            let levels = self.neck.forward(&stages)?;
            let [fine, finer, map] = levels.get(..3).unwrap_or_default() else {
                return Err(tch::TchError::Shape(format!("{} levels", levels.len())));
            };
            let features = Features {
                map: map.shallow_clone(),
                finer: self.mask_decoder.finer([fine, finer])?,
            };
            Ok((stages, levels, features))
        };
        compute().map_err(torch_error(ACTION))
    }

    /// A map (1, C, grid, grid), marked as one that nothing is remembered for.
    fn without_memory(&self, map: &Tensor) -> TchResult<Tensor> {
        map.f_add(&self.no_memory_embedding.f_reshape([1, -1, 1, 1])?)
    }

    /// Prompts as the decoder reads them: tokens (N, T, C) and maps (N or 1, C, grid, grid).
    ///
    /// # Errors
    /// `Error::Torch` for other shapes, or want of memory.
    pub fn embed(&self, prompt: &Prompt<'_>) -> Result<(Tensor, Tensor)> {
        threads::settle();
        let _no_grad = tch::no_grad_guard();
        let embed = || {
            let points = self.points(prompt)?;
            let sparse = self.prompt_encoder.embed_points(&points)?;
            let masks = prompt.masks.map(|masks| {
                masks
                    .f_to_device(self.placement.device)?
                    .f_to_kind(self.placement.kind)
            });
            let dense = self
                .prompt_encoder
                .embed_masks(masks.transpose()?.as_ref())?;
            Ok((sparse, dense))
        };
        embed().map_err(torch_error(ACTION))
    }

    /// A box is two points more, its corners; no prompt is a point that is none.
    fn points(&self, prompt: &Prompt<'_>) -> TchResult<Points> {
        let (mut places, mut kinds) = (Vec::new(), Vec::new());
        if let Some((points, inside)) = prompt.points {
            places.push(points.shallow_clone());
            kinds.push(inside.shallow_clone());
        }
        if let Some(boxes) = prompt.boxes {
            let (prompts, _) = boxes.size2()?;
            places.push(boxes.f_view([prompts, 2, 2])?);
            kinds.push(Tensor::f_from_slice(&[2_i64, 3])?.f_expand([prompts, 2], false)?);
        }
        if places.is_empty() {
            let prompts = prompt
                .masks
                .map_or(1, |masks| masks.size().first().copied().unwrap_or(1));
            places.push(Tensor::f_zeros(
                [prompts, 1, 2],
                (Kind::Float, tch::Device::Cpu),
            )?);
            kinds.push(Tensor::f_full(
                [prompts, 1],
                -1,
                (Kind::Int64, tch::Device::Cpu),
            )?);
        }
        let device = self.placement.device;
        Ok(Points {
            places: Tensor::f_cat(&places, 1)?
                .f_to_kind(Kind::Float)?
                .f_to_device(device)?,
            kinds: Tensor::f_cat(&kinds, 1)?
                .f_to_kind(Kind::Int64)?
                .f_to_device(device)?,
        })
    }

    /// Masks of each prompt in a picture by itself: `several`, or the one that stands alone.
    ///
    /// # Errors
    /// `Error::Torch` for other shapes, or want of memory.
    pub fn masks(&self, image: &ImageTrace, prompt: &Prompt<'_>, several: bool) -> Result<Masks> {
        let (sparse, dense) = self.embed(prompt)?;
        let _no_grad = tch::no_grad_guard();
        self.decode(&image.features, [&sparse, &dense], several)
            .map_err(torch_error(ACTION))
    }

    /// The mask of each box (N, 4) that is expected to fit best, in a picture by itself.
    pub(super) fn best_masks(&self, pixel_values: &Tensor, boxes: &Tensor) -> Result<Masks> {
        let image = self.trace(pixel_values)?;
        let prompt = Prompt {
            boxes: Some(boxes),
            ..Prompt::default()
        };
        let several = self.masks(&image, &prompt, true)?;
        several.best().map_err(torch_error(ACTION))
    }

    fn decode(
        &self,
        features: &Features,
        [sparse, dense]: [&Tensor; 2],
        several: bool,
    ) -> TchResult<Masks> {
        let all = self
            .mask_decoder
            .forward(features, &self.image_position, sparse, dense)?;
        self.mask_decoder.answer(&all, several)
    }

    /// A frame of a video, for all objects in it.
    pub(super) fn frame(&self, pixel_values: &Tensor) -> Result<Frame<'_>> {
        threads::settle();
        let _no_grad = tch::no_grad_guard();
        let tracker = self.tracker.as_ref().ok_or(Error::PicturesOnly)?;
        let (_, _, features) = self.encode(pixel_values)?;
        Ok(Frame {
            model: self,
            tracker,
            features,
        })
    }

    /// How far back a frame looks, in a video of so many frames if that is known.
    pub(super) fn reach(&self, frames: Option<usize>) -> Result<Reach> {
        let tracker = self.tracker.as_ref().ok_or(Error::PicturesOnly)?;
        Ok(tracker.reach(frames))
    }
}

/// A frame that has been looked at, in which objects are found.
pub(super) struct Frame<'a> {
    model: &'a Sam2,
    tracker: &'a Tracker,
    features: Features,
}

impl Frame<'_> {
    /// The object in a box (1, 4).
    pub(super) fn begin(&self, bbox: &Tensor) -> Result<FrameTrace> {
        let prompt = Prompt {
            boxes: Some(bbox),
            ..Prompt::default()
        };
        let begin = || {
            let map = self.model.without_memory(&self.features.map)?;
            TchResult::Ok(map)
        };
        let map = begin().map_err(torch_error(ACTION))?;
        self.find(map, &prompt, None)
    }

    /// An object that is remembered.
    pub(super) fn track(&self, bank: &MemoryBank, frame: i64, reach: Reach) -> Result<FrameTrace> {
        let _no_grad = tch::no_grad_guard();
        let condition = || {
            let map = as_tokens(&self.features.map)?; // (1, L, C)
            let conditioned =
                self.tracker
                    .condition([&map, &self.model.map_position], bank, frame, reach)?;
            TchResult::Ok((as_image(&conditioned, self.model.grid)?, conditioned))
        };
        let (map, conditioned) = condition().map_err(torch_error("follow an object"))?;
        self.find(map, &Prompt::default(), Some(conditioned))
    }

    fn find(
        &self,
        map: Tensor,
        prompt: &Prompt<'_>,
        conditioned: Option<Tensor>,
    ) -> Result<FrameTrace> {
        let (sparse, dense) = self.model.embed(prompt)?;
        let _no_grad = tch::no_grad_guard();
        let points = 2 * i64::from(prompt.boxes.is_some());
        let several = self.tracker.takes_best(conditioned.is_none(), points);
        let find = || {
            let features = Features {
                map,
                finer: [0, 1].map(|level| self.features.finer[level].shallow_clone()),
            };
            let masks = self
                .model
                .decode(&features, [&sparse, &dense], several)?
                .best()?;
            self.tracker.found(&masks, conditioned)
        };
        find().map_err(torch_error(ACTION))
    }

    /// What will be remembered of what was found; `is_prompted` says whether any object was pointed at in this frame.
    pub(super) fn remember(&self, found: &FrameTrace, is_prompted: bool) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let remembered = self
            .tracker
            .remember(&self.features.map, found, is_prompted);
        remembered.map_err(torch_error("remember an object"))
    }
}
