//! The keys that only a model for videos has: memory attention, memory encoder and what is remembered.

use serde::Deserialize;

use super::check::{Activation, no_size, same, square_side, uneven, unknown_activation};

/// Those keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the switches of the file, by their names"
)]
pub(in crate::sam2) struct MemoryConfig {
    #[serde(deserialize_with = "square_side")]
    image_size: i64,
    /// Frames whose maps are attended to: one that was prompted and the last ones.
    pub num_maskmem: i64,
    pub sigmoid_scale_for_mem_enc: f64,
    pub sigmoid_bias_for_mem_enc: f64,
    /// Whether memories of frames in which the object is not seen are marked.
    pub enable_occlusion_spatial_embedding: bool,
    multimask_output_in_sam: bool,
    multimask_min_pt_num: i64,
    multimask_max_pt_num: i64,
    multimask_output_for_tracking: bool,
    /// Frames whose pointers are attended to.
    pub max_object_pointers_in_encoder: i64,
    max_cond_frame_num: i64,
    pub enable_temporal_pos_encoding_for_object_pointers: bool,
    memory_attention_hidden_size: i64,
    pub memory_attention_num_layers: i64,
    pub memory_attention_num_attention_heads: i64,
    pub memory_attention_downsample_rate: i64,
    pub memory_attention_feed_forward_hidden_size: i64,
    memory_attention_feed_forward_hidden_act: String,
    memory_attention_rope_feat_sizes: Vec<i64>,
    memory_attention_rope_theta: f64,
    rope_parameters: RopeParameters,
    memory_encoder_hidden_size: i64,
    memory_encoder_output_channels: i64,
    mask_downsampler_embed_dim: i64,
    pub mask_downsampler_kernel_size: i64,
    pub mask_downsampler_stride: i64,
    pub mask_downsampler_padding: i64,
    mask_downsampler_total_stride: i64,
    mask_downsampler_hidden_act: String,
    pub memory_fuser_num_layers: i64,
    memory_fuser_embed_dim: i64,
    pub memory_fuser_intermediate_dim: i64,
    pub memory_fuser_kernel_size: i64,
    pub memory_fuser_padding: i64,
    memory_fuser_hidden_act: String,
}

/// How places turn queries and keys; older files have `memory_attention_rope_theta` instead.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RopeParameters {
    rope_type: Option<String>,
    rope_theta: Option<f64>,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            image_size: 1024,
            num_maskmem: 7,
            sigmoid_scale_for_mem_enc: 20.0,
            sigmoid_bias_for_mem_enc: -10.0,
            enable_occlusion_spatial_embedding: true,
            multimask_output_in_sam: true,
            multimask_min_pt_num: 0,
            multimask_max_pt_num: 1,
            multimask_output_for_tracking: true,
            max_object_pointers_in_encoder: 16,
            max_cond_frame_num: -1,
            enable_temporal_pos_encoding_for_object_pointers: true,
            memory_attention_hidden_size: 256,
            memory_attention_num_layers: 4,
            memory_attention_num_attention_heads: 1,
            memory_attention_downsample_rate: 1,
            memory_attention_feed_forward_hidden_size: 2048,
            memory_attention_feed_forward_hidden_act: "relu".into(),
            memory_attention_rope_feat_sizes: vec![64, 64],
            memory_attention_rope_theta: 10_000.0,
            rope_parameters: RopeParameters::default(),
            memory_encoder_hidden_size: 256,
            memory_encoder_output_channels: Self::WIDTH,
            mask_downsampler_embed_dim: 256,
            mask_downsampler_kernel_size: 3,
            mask_downsampler_stride: 2,
            mask_downsampler_padding: 1,
            mask_downsampler_total_stride: 16,
            mask_downsampler_hidden_act: "gelu".into(),
            memory_fuser_num_layers: 2,
            memory_fuser_embed_dim: 256,
            memory_fuser_intermediate_dim: 1024,
            memory_fuser_kernel_size: 7,
            memory_fuser_padding: 3,
            memory_fuser_hidden_act: "gelu".into(),
        }
    }
}

impl MemoryConfig {
    /// Channels of a memory, which the attention to memories is built for whatever the file says.
    pub(in crate::sam2) const WIDTH: i64 = 64;

    /// How fast turns become slower from channel to channel.
    pub(in crate::sam2) fn rope_theta(&self) -> f64 {
        self.rope_parameters
            .rope_theta
            .unwrap_or(self.memory_attention_rope_theta)
    }

    /// Prompted frames whose maps are attended to, if there is a bound.
    pub(in crate::sam2) fn most_prompted(&self) -> Option<usize> {
        usize::try_from(self.max_cond_frame_num).ok()
    }

    /// How often the mask is made smaller before it is added to the picture's map.
    pub(in crate::sam2) fn mask_steps(&self) -> usize {
        (self.mask_downsampler_total_stride.ilog2() / self.mask_downsampler_stride.ilog2()) as usize
    }

    /// Whether the best of several masks is taken, where so many points are given and the object begins there or not.
    pub(in crate::sam2) fn takes_best(&self, begins: bool, points: i64) -> bool {
        self.multimask_output_in_sam
            && (begins || self.multimask_output_for_tracking)
            && (self.multimask_min_pt_num..=self.multimask_max_pt_num).contains(&points)
    }

    pub(in crate::sam2) fn attention_activation(&self) -> Activation {
        Activation::named(&self.memory_attention_feed_forward_hidden_act)
            .unwrap_or(Activation::Relu)
    }

    pub(in crate::sam2) fn mask_activation(&self) -> Activation {
        Activation::named(&self.mask_downsampler_hidden_act).unwrap_or(Activation::Gelu)
    }

    pub(in crate::sam2) fn fuser_activation(&self) -> Activation {
        Activation::named(&self.memory_fuser_hidden_act).unwrap_or(Activation::Gelu)
    }

    /// What keeps this program from running such a memory, if anything.
    pub(super) fn problem(&self, hidden: i64, image_size: i64, grid: i64) -> Option<String> {
        let sizes = [
            ("num_maskmem", self.num_maskmem),
            (
                "memory_attention_num_layers",
                self.memory_attention_num_layers,
            ),
            (
                "memory_attention_num_attention_heads",
                self.memory_attention_num_attention_heads,
            ),
            (
                "memory_attention_downsample_rate",
                self.memory_attention_downsample_rate,
            ),
            (
                "memory_attention_feed_forward_hidden_size",
                self.memory_attention_feed_forward_hidden_size,
            ),
            (
                "mask_downsampler_kernel_size",
                self.mask_downsampler_kernel_size,
            ),
            (
                "mask_downsampler_padding",
                self.mask_downsampler_padding + 1,
            ),
            ("memory_fuser_num_layers", self.memory_fuser_num_layers + 1),
            (
                "memory_fuser_intermediate_dim",
                self.memory_fuser_intermediate_dim,
            ),
            ("memory_fuser_kernel_size", self.memory_fuser_kernel_size),
        ];
        let widths = [
            (
                "memory_attention_hidden_size",
                self.memory_attention_hidden_size,
            ),
            (
                "memory_encoder_hidden_size",
                self.memory_encoder_hidden_size,
            ),
            (
                "mask_downsampler_embed_dim",
                self.mask_downsampler_embed_dim,
            ),
            ("memory_fuser_embed_dim", self.memory_fuser_embed_dim),
        ];
        let activations = [
            (
                "memory_attention_feed_forward_hidden_act",
                self.memory_attention_feed_forward_hidden_act.as_str(),
            ),
            (
                "mask_downsampler_hidden_act",
                &self.mask_downsampler_hidden_act,
            ),
            ("memory_fuser_hidden_act", &self.memory_fuser_hidden_act),
        ];
        no_size(&sizes)
            .or_else(|| same("vision_config.fpn_hidden_size", hidden, &widths))
            .or_else(|| {
                same(
                    "prompt_encoder_config.image_size",
                    image_size,
                    &[("image_size", self.image_size)],
                )
            })
            .or_else(|| unknown_activation(&activations))
            .or_else(|| self.width_problem(hidden))
            .or_else(|| self.place_problem(hidden, grid))
            .or_else(|| self.mask_problem(image_size, grid))
    }

    /// Channels that do not fit together.
    fn width_problem(&self, hidden: i64) -> Option<String> {
        if self.memory_encoder_output_channels != Self::WIDTH {
            let channels = self.memory_encoder_output_channels;
            return Some(format!(
                "memory_encoder_output_channels is {channels}, but must be {}",
                Self::WIDTH
            ));
        }
        if hidden <= Self::WIDTH || hidden % Self::WIDTH != 0 {
            return Some(format!(
                "vision_config.fpn_hidden_size is {hidden}, but pointers must be two or more memories of {} channels long",
                Self::WIDTH
            ));
        }
        let pointers = self.max_object_pointers_in_encoder;
        let least = i64::from(self.enable_temporal_pos_encoding_for_object_pointers) + 1;
        (pointers < least).then(|| {
            format!("max_object_pointers_in_encoder is {pointers}, but must be at least {least}")
        })
    }

    /// How places are told.
    fn place_problem(&self, hidden: i64, grid: i64) -> Option<String> {
        if let Some(kind) = self.rope_parameters.rope_type.as_deref()
            && !["axial", "default"].contains(&kind)
        {
            return Some(format!(
                "rope_parameters.rope_type is '{kind}', but must be 'axial'"
            ));
        }
        let theta = self.rope_theta();
        if !(theta.is_finite() && theta > 0.0) {
            return Some(format!(
                "rope_parameters.rope_theta is {theta}, but must be a positive number"
            ));
        }
        if self.memory_attention_rope_feat_sizes != [grid; 2] {
            let sizes = &self.memory_attention_rope_feat_sizes;
            return Some(format!(
                "memory_attention_rope_feat_sizes is {sizes:?}, but the map that is decoded has {grid} by {grid}"
            ));
        }
        let (heads, rate) = (
            self.memory_attention_num_attention_heads,
            self.memory_attention_downsample_rate,
        );
        uneven(
            "memory_attention_num_attention_heads (times 4)",
            4 * heads,
            hidden / rate,
        )
        .or_else(|| {
            (hidden / rate == 0)
                .then(|| "memory_attention_downsample_rate leaves no channels".into())
        })
    }

    /// How a mask becomes a map.
    fn mask_problem(&self, image_size: i64, grid: i64) -> Option<String> {
        let (stride, total) = (
            self.mask_downsampler_stride,
            self.mask_downsampler_total_stride,
        );
        if stride < 2 || total < stride || total > 1 << 16 {
            return Some(format!(
                "mask_downsampler_stride is {stride} and mask_downsampler_total_stride {total}, but a mask must become smaller"
            ));
        }
        let mut side = 16 * grid;
        for _ in 0..self.mask_steps() {
            side = (side + 2 * self.mask_downsampler_padding - self.mask_downsampler_kernel_size)
                / stride
                + 1;
        }
        if side != grid {
            return Some(format!(
                "mask_downsampler_total_stride is {total}, which brings the mask of a picture of {image_size} pixels to {side}, \
                 but the picture's map has {grid}"
            ));
        }
        let (kernel, padding) = (self.memory_fuser_kernel_size, self.memory_fuser_padding);
        (kernel != 2 * padding + 1).then(|| {
            format!("memory_fuser_kernel_size is {kernel} and memory_fuser_padding {padding}, but maps must keep their size")
        })
    }
}
