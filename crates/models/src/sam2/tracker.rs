//! What a model for videos has beside one for pictures: what is found in a frame becomes a memory and a pointer, and those
//! become what the next frame attends to.
//!
//! In transformers 5.24.0: models/sam2_video/modeling_sam2_video.py, 2195-2484.

use tch::Tensor;

use super::config::{Activation, MemoryConfig};
use super::layers::{FeedForward, sine_position};
use super::mask_decoder::Masks;
use super::memory_attention::{Memory, MemoryAttention};
use super::memory_bank::{MemoryBank, Reach};
use super::memory_encoder::MemoryEncoder;
use crate::error::Result;
use crate::nn::layers::Linear;
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::{Placement, Scope};

/// What masks are made of where the object is not.
const NOWHERE: f64 = -1024.0;

/// One object in one frame.
#[derive(Debug)]
pub struct FrameTrace {
    /// (1, 1, side, side): above 0 is the object; all of it far below where it is not seen.
    pub logits: Tensor,
    /// How well the mask is expected to fit, 0 to 1.
    pub score: f64,
    /// Above 0 the object is seen.
    pub object_score: f64,
    /// (1, C)
    pub pointer: Tensor,
    /// (1, L, C): the frame's map with what was remembered; `None` where the object was pointed at.
    pub conditioned: Option<Tensor>,
    /// (1, L, WIDTH): what is remembered of it, once that is known.
    pub memory: Option<Tensor>,
}

/// The parts for videos, which stand at the model's root.
#[derive(Debug)]
pub(super) struct Tracker {
    memory_attention: MemoryAttention,
    memory_encoder: MemoryEncoder,
    object_pointer_proj: FeedForward,
    /// (1, C)
    no_object_pointer: Tensor,
    /// (num_maskmem, L, WIDTH): where a map's tokens are, and how long ago.
    places: Tensor,
    /// How long ago a pointer is, where that is told.
    temporal: Option<Linear>,
    config: MemoryConfig,
    hidden: i64,
    placement: Placement,
}

impl Tracker {
    /// Reads what the model at `root` has for videos.
    pub(super) fn load(
        root: &Scope<'_>,
        config: &MemoryConfig,
        [hidden, image_size, grid]: [i64; 3],
    ) -> Result<Self> {
        let width = MemoryConfig::WIDTH;
        let times = root.get(
            "memory_temporal_positional_encoding",
            &[config.num_maskmem, 1, 1, width],
        )?;
        let temporal = (config.enable_temporal_pos_encoding_for_object_pointers).then(|| {
            let scope = root.sub("temporal_positional_encoding_projection_layer");
            Linear::load(&scope, hidden, width, true)
        });
        // In every checkpoint, and never multiplied with: the one is the original's leftover, the other is for masks as
        // prompts of a video.
        let _ = root.get("no_memory_positional_encoding", &[1, 1, hidden])?;
        let mask_downsample = root.sub("mask_downsample");
        let _ = mask_downsample.get("weight", &[1, 1, 4, 4])?;
        let _ = mask_downsample.get("bias", &[1])?;
        let places = || {
            let waves = sine_position(width, grid, root.placement())?; // (WIDTH, grid, grid)
            let waves = waves.f_flatten(1, 2)?.f_transpose(0, 1)?; // (L, WIDTH)
            waves.f_add(&times.f_squeeze_dim(1)?) // (num_maskmem, L, WIDTH)
        };
        Ok(Self {
            memory_attention: MemoryAttention::load(
                &root.sub("memory_attention"),
                config,
                hidden,
                grid,
            )?,
            memory_encoder: MemoryEncoder::load(root, config, hidden, [image_size, 16 * grid])?,
            object_pointer_proj: FeedForward::load(
                &root.sub("object_pointer_proj"),
                [hidden; 3],
                3,
                Activation::Relu,
            )?,
            no_object_pointer: root.get("no_object_pointer", &[1, hidden])?,
            places: places().map_err(torch_error("tell places"))?,
            temporal: temporal.transpose()?,
            config: config.clone(),
            hidden,
            placement: root.placement(),
        })
    }

    /// How far back a frame looks, in a video of so many frames if that is known.
    pub(super) fn reach(&self, frames: Option<usize>) -> Reach {
        let most = self.config.max_object_pointers_in_encoder;
        let frames = frames.and_then(|frames| i64::try_from(frames).ok());
        Reach {
            maps: self.config.num_maskmem,
            pointers: frames.map_or(most, |frames| frames.min(most)),
            prompted: self.config.most_prompted(),
        }
    }

    /// Whether several masks are decoded, of which the best is taken.
    pub(super) fn takes_best(&self, is_prompted: bool, points: i64) -> bool {
        self.config.takes_best(is_prompted, points)
    }

    /// A frame's map (1, L, C) and its places (1, L, C) -> the same with what is remembered of an object.
    pub(super) fn condition(
        &self,
        [map, places]: [&Tensor; 2],
        bank: &MemoryBank,
        frame: i64,
        reach: Reach,
    ) -> TchResult<Tensor> {
        let memory = self.memory(bank, frame, reach)?;
        self.memory_attention.forward(map, places, &memory)
    }

    /// All that a frame attends to.
    fn memory(&self, bank: &MemoryBank, frame: i64, reach: Reach) -> TchResult<Memory> {
        let (mut tokens, mut places) = (Vec::new(), Vec::new());
        for (ago, map) in bank.maps(frame, reach) {
            tokens.push(map.f_to_kind(self.placement.kind)?); // (1, L, WIDTH)
            // A frame ago is the first row, and a prompted frame the last.
            let row = (ago - 1).rem_euclid(self.config.num_maskmem);
            places.push(self.places.f_narrow(0, row, 1)?); // (1, L, WIDTH)
        }
        let (agos, pointers): (Vec<i64>, Vec<&Tensor>) =
            bank.pointers(frame, reach.pointers).into_iter().unzip();
        let count = pointers.len() as i64;
        let split = self.hidden / MemoryConfig::WIDTH;
        let pointers =
            Tensor::f_cat(&pointers, 0)?.f_reshape([1, count * split, MemoryConfig::WIDTH])?;
        tokens.push(pointers);
        let times = self.times(&agos, reach.pointers)?; // (P, WIDTH)
        places.push(
            times
                .f_repeat_interleave_self_int(split, 0, None)?
                .f_unsqueeze(0)?,
        );
        Ok(Memory {
            tokens: Tensor::f_cat(&tokens, 1)?,
            places: Tensor::f_cat(&places, 1)?,
            pointers: count * split,
        })
    }

    /// How long ago each of some pointers is, as a share of the longest: (P, WIDTH)
    fn times(&self, agos: &[i64], most: i64) -> TchResult<Tensor> {
        const LONGEST: f64 = 10_000.0;
        let options = (self.placement.kind, self.placement.device);
        let Some(projection) = &self.temporal else {
            return Tensor::f_zeros([agos.len() as i64, MemoryConfig::WIDTH], options);
        };
        let half = self.hidden / 2;
        let shares: Vec<f32> = agos
            .iter()
            .map(|ago| *ago as f32 / (most - 1) as f32)
            .collect();
        let periods: Vec<f32> = (0..half)
            .map(|channel| LONGEST.powf(2.0 * (channel / 2) as f64 / half as f64) as f32)
            .collect();
        let shares = Tensor::f_from_slice(&shares)?.f_unsqueeze(1)?;
        let angles = shares.f_div(&Tensor::f_from_slice(&periods)?)?; // (P, C / 2)
        let waves = Tensor::f_cat(&[angles.f_sin()?, angles.f_cos()?], 1)?; // (P, C)
        projection.forward(&waves.f_to_device(options.1)?.f_to_kind(options.0)?)
    }

    /// What an object's best mask (N = M = 1) says of a frame.
    pub(super) fn found(
        &self,
        masks: &Masks,
        conditioned: Option<Tensor>,
    ) -> TchResult<FrameTrace> {
        let object_score = masks.object_scores.f_double_value(&[0, 0])?;
        let is_seen = object_score > 0.0;
        let (pointer, logits) = match is_seen {
            true => {
                let token = masks.tokens.f_select(1, 0)?; // (1, C)
                (
                    self.object_pointer_proj.forward(&token)?,
                    masks.logits.shallow_clone(),
                )
            }
            false => (
                self.no_object_pointer.shallow_clone(),
                masks.logits.f_full_like(NOWHERE)?,
            ),
        };
        Ok(FrameTrace {
            logits,
            score: masks.scores.f_double_value(&[0, 0])?,
            object_score,
            pointer,
            conditioned,
            memory: None,
        })
    }

    /// What will be remembered of an object in a frame, whose map is (1, C, grid, grid): (1, L, WIDTH). `is_prompted` says
    /// whether any object was pointed at in it.
    pub(super) fn remember(
        &self,
        map: &Tensor,
        found: &FrameTrace,
        is_prompted: bool,
    ) -> TchResult<Tensor> {
        let is_seen = found.object_score > 0.0;
        self.memory_encoder
            .forward(map, &found.logits, is_prompted, is_seen)
    }
}
