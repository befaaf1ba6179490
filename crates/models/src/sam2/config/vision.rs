//! `vision_config`: Hiera (arXiv 2306.00989) and the pyramid above it.

use serde::Deserialize;

use super::check::{Activation, no_size, square_side, uneven, unknown_activation};

/// Levels that the decoder reads: the coarsest is decoded, two finer ones sharpen its masks.
const LEVELS: usize = 3;

/// `vision_config`
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(in crate::sam2) struct VisionConfig {
    /// Hiera's.
    pub backbone_config: HieraConfig,
    /// Channels of the stages, the last stage first.
    pub backbone_channel_list: Vec<i64>,
    /// Height and width of the levels that are read, the finest first.
    pub backbone_feature_sizes: Vec<[i64; 2]>,
    /// Channels of all levels.
    pub fpn_hidden_size: i64,
    /// Side of the lateral kernels.
    pub fpn_kernel_size: i64,
    fpn_stride: i64,
    fpn_padding: i64,
    /// Stages to which the coarser ones are added.
    pub fpn_top_down_levels: Vec<i64>,
    num_feature_levels: i64,
}

/// Those of the tiny model.
impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            backbone_config: HieraConfig::default(),
            backbone_channel_list: vec![768, 384, 192, 96],
            backbone_feature_sizes: vec![[256; 2], [128; 2], [64; 2]],
            fpn_hidden_size: 256,
            fpn_kernel_size: 1,
            fpn_stride: 1,
            fpn_padding: 0,
            fpn_top_down_levels: vec![2, 3],
            num_feature_levels: 3,
        }
    }
}

impl VisionConfig {
    /// What keeps this program from running such an encoder for pictures of a side, to be decoded on a grid, if anything.
    pub(super) fn problem(&self, image_size: i64, grid: i64) -> Option<String> {
        let backbone = &self.backbone_config;
        if let Some(problem) = backbone.problem(image_size) {
            return Some(format!("backbone_config: {problem}"));
        }
        let widths: Vec<i64> = backbone.embed_dim_per_stage.iter().rev().copied().collect();
        if self.backbone_channel_list != widths {
            let list = &self.backbone_channel_list;
            return Some(format!(
                "backbone_channel_list is {list:?}, but by embed_dim_per_stage it is {widths:?}"
            ));
        }
        let sizes = [
            ("fpn_hidden_size", self.fpn_hidden_size),
            ("fpn_kernel_size", self.fpn_kernel_size),
        ];
        if let Some(problem) = no_size(&sizes) {
            return Some(problem);
        }
        if self.fpn_hidden_size % 8 != 0 {
            let size = self.fpn_hidden_size;
            return Some(format!(
                "fpn_hidden_size is {size}, but must be a multiple of 8"
            ));
        }
        if self.fpn_stride != 1 || self.fpn_kernel_size != 2 * self.fpn_padding + 1 {
            return Some(format!(
                "fpn_stride is {}, fpn_kernel_size {} and fpn_padding {}, but maps must keep their sizes",
                self.fpn_stride, self.fpn_kernel_size, self.fpn_padding
            ));
        }
        if self.num_feature_levels != LEVELS as i64 {
            let levels = self.num_feature_levels;
            return Some(format!(
                "num_feature_levels is {levels}, but must be {LEVELS}"
            ));
        }
        self.size_problem(image_size, grid)
    }

    /// Whether all maps have the sizes that are read and added up.
    fn size_problem(&self, image_size: i64, grid: i64) -> Option<String> {
        let expected = [4, 2, 1].map(|finer| [grid * finer; 2]);
        if self.backbone_feature_sizes != expected {
            let sizes = &self.backbone_feature_sizes;
            return Some(format!(
                "backbone_feature_sizes is {sizes:?}, but must be {expected:?}, as image_size and patch_size of the \
                 prompt_encoder_config say"
            ));
        }
        let sides = self.backbone_config.stage_sides(image_size);
        let read: Vec<i64> = sides.iter().take(LEVELS).copied().collect();
        if read != expected.map(|[side, _]| side) {
            return Some(format!(
                "backbone_config gives maps of {sides:?}, but {expected:?} are read"
            ));
        }
        let added = sides.windows(2).enumerate().find(|(finer, pair)| {
            let is_added = self.fpn_top_down_levels.contains(&(*finer as i64));
            is_added && pair.first() != pair.last().map(|coarser| coarser * 2).as_ref()
        });
        added.map(|(level, _)| {
            format!(
                "fpn_top_down_levels has {level}, but the next coarser map is not half as large"
            )
        })
    }
}

/// `backbone_config`
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(in crate::sam2) struct HieraConfig {
    model_type: String,
    /// Channels of the patches.
    pub hidden_size: i64,
    num_channels: i64,
    /// Side of a patch, pixels.
    #[serde(deserialize_with = "square_side")]
    pub patch_kernel_size: i64,
    /// From patch to patch, pixels.
    #[serde(deserialize_with = "square_side")]
    pub patch_stride: i64,
    /// Zeros around the picture.
    #[serde(deserialize_with = "square_side")]
    pub patch_padding: i64,
    /// By how much a pooled stage is smaller.
    #[serde(deserialize_with = "square_side")]
    pub query_stride: i64,
    /// Height and width of the position embedding that is stretched over the picture.
    pub window_positional_embedding_background_size: Vec<i64>,
    num_query_pool_stages: i64,
    blocks_per_stage: Vec<i64>,
    pub embed_dim_per_stage: Vec<i64>,
    num_attention_heads_per_stage: Vec<i64>,
    pub window_size_per_stage: Vec<i64>,
    global_attention_blocks: Vec<i64>,
    mlp_ratio: f64,
    hidden_act: String,
    /// What norms add to the variance.
    pub layer_norm_eps: f64,
}

/// Those of the tiny model.
impl Default for HieraConfig {
    fn default() -> Self {
        Self {
            model_type: "sam2_hiera_det_model".into(),
            hidden_size: 96,
            num_channels: 3,
            patch_kernel_size: 7,
            patch_stride: 4,
            patch_padding: 3,
            query_stride: 2,
            window_positional_embedding_background_size: vec![7, 7],
            num_query_pool_stages: 3,
            blocks_per_stage: vec![1, 2, 7, 2],
            embed_dim_per_stage: vec![96, 192, 384, 768],
            num_attention_heads_per_stage: vec![1, 2, 4, 8],
            window_size_per_stage: vec![8, 4, 14, 7],
            global_attention_blocks: vec![5, 7, 9],
            mlp_ratio: 4.0,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-6,
        }
    }
}

/// One block, as the lists of all stages say.
#[derive(Debug, Clone, Copy)]
pub(in crate::sam2) struct BlockConfig {
    pub inputs: i64,
    pub outputs: i64,
    pub heads: i64,
    /// Side of the windows within which it attends; `None` for the whole map.
    pub window: Option<i64>,
    /// By how much it makes the map smaller; `None` for not at all.
    pub pool: Option<i64>,
    /// Channels inside the MLP.
    pub mlp: i64,
    /// Whether a stage ends with it.
    pub ends_stage: bool,
}

impl HieraConfig {
    /// All blocks, first to last.
    pub(in crate::sam2) fn blocks(&self) -> Vec<BlockConfig> {
        let mut blocks = Vec::new();
        let (mut earlier_width, mut earlier_window) = (self.hidden_size, None);
        let stages = (self.blocks_per_stage.iter().zip(&self.embed_dim_per_stage)).zip(
            self.num_attention_heads_per_stage
                .iter()
                .zip(&self.window_size_per_stage),
        );
        for (stage, ((&count, &width), (&heads, &window))) in stages.enumerate() {
            let is_pooled = (1..=self.num_query_pool_stages).contains(&(stage as i64));
            for index in 0..count {
                let is_first = index == 0;
                let is_global = self
                    .global_attention_blocks
                    .contains(&(blocks.len() as i64));
                let own_window = if is_first {
                    earlier_window.unwrap_or(window)
                } else {
                    window
                };
                blocks.push(BlockConfig {
                    inputs: if is_first { earlier_width } else { width },
                    outputs: width,
                    heads,
                    window: (!is_global).then_some(own_window),
                    pool: (is_first && is_pooled).then_some(self.query_stride),
                    mlp: (width as f64 * self.mlp_ratio) as i64,
                    ends_stage: index + 1 == count,
                });
            }
            (earlier_width, earlier_window) = (width, Some(window));
        }
        blocks
    }

    /// Which activation the MLPs have.
    pub(in crate::sam2) fn activation(&self) -> Activation {
        Activation::named(&self.hidden_act).unwrap_or(Activation::Gelu)
    }

    /// The side of the map of patches of a picture with that side.
    fn patches(&self, image_size: i64) -> i64 {
        (image_size + 2 * self.patch_padding - self.patch_kernel_size) / self.patch_stride + 1
    }

    /// The sides of the stages' maps, the finest first.
    fn stage_sides(&self, image_size: i64) -> Vec<i64> {
        let mut side = self.patches(image_size);
        let stages = 0..self.blocks_per_stage.len() as i64;
        stages
            .map(|stage| {
                if (1..=self.num_query_pool_stages).contains(&stage) {
                    side /= self.query_stride;
                }
                side
            })
            .collect()
    }

    fn problem(&self, image_size: i64) -> Option<String> {
        self.plain_problem()
            .or_else(|| self.block_problem(image_size))
    }

    /// What is wrong with a number by itself.
    fn plain_problem(&self) -> Option<String> {
        let sizes = [
            ("hidden_size", self.hidden_size),
            ("patch_kernel_size", self.patch_kernel_size),
            ("patch_stride", self.patch_stride),
            ("patch_padding", self.patch_padding + 1),
            ("query_stride", self.query_stride),
        ];
        let lists = [
            ("blocks_per_stage", &self.blocks_per_stage),
            ("embed_dim_per_stage", &self.embed_dim_per_stage),
            (
                "num_attention_heads_per_stage",
                &self.num_attention_heads_per_stage,
            ),
            ("window_size_per_stage", &self.window_size_per_stage),
        ];
        if self.model_type != "sam2_hiera_det_model" {
            let model_type = &self.model_type;
            return Some(format!(
                "model_type is '{model_type}', but must be 'sam2_hiera_det_model'"
            ));
        }
        if self.num_channels != 3 {
            let channels = self.num_channels;
            return Some(format!("num_channels is {channels}, but must be 3"));
        }
        for (key, list) in lists {
            if list.len() < LEVELS || list.len() != self.blocks_per_stage.len() {
                return Some(format!(
                    "{key} has {} entries, but all lists of stages must have as many, {LEVELS} or more",
                    list.len()
                ));
            }
            let each: Vec<(&str, i64)> = list.iter().map(|value| (key, *value)).collect();
            if let Some(problem) = no_size(&each) {
                return Some(problem);
            }
        }
        let background = &self.window_positional_embedding_background_size;
        let key = "window_positional_embedding_background_size";
        let each: Vec<(&str, i64)> = background.iter().map(|value| (key, *value)).collect();
        if background.len() != 2 {
            return Some(format!(
                "{key} has {} entries, but must have 2",
                background.len()
            ));
        }
        no_size(&sizes)
            .or_else(|| no_size(&each))
            .or_else(|| unknown_activation(&[("hidden_act", &self.hidden_act)]))
    }

    /// What does not fit together.
    fn block_problem(&self, image_size: i64) -> Option<String> {
        if self.embed_dim_per_stage.first() != Some(&self.hidden_size) {
            return Some("embed_dim_per_stage does not begin with hidden_size".into());
        }
        let (patches, window) = (
            self.patches(image_size),
            self.window_size_per_stage.first()?,
        );
        if patches < 1 || patches % window != 0 {
            return Some(format!(
                "a picture has {patches} patches a side, but they must be whole windows of window_size_per_stage, {window}"
            ));
        }
        for (index, block) in self.blocks().iter().enumerate() {
            if let Some(problem) =
                uneven("num_attention_heads_per_stage", block.heads, block.outputs)
            {
                return Some(problem);
            }
            if block.mlp < 1 {
                return Some(format!(
                    "mlp_ratio is {}, which leaves an MLP nothing",
                    self.mlp_ratio
                ));
            }
            let Some(pool) = block.pool else { continue };
            if block.inputs == block.outputs {
                return Some(format!(
                    "embed_dim_per_stage has {} twice in a row, but a pooled stage must widen",
                    block.inputs
                ));
            }
            match block.window {
                None => {
                    return Some(format!(
                        "global_attention_blocks has {index}, but the first block of a pooled stage must have windows"
                    ));
                }
                Some(window) if window % pool != 0 => {
                    return Some(format!(
                        "window_size_per_stage has {window} before a pooled stage, but it must be a multiple of \
                         query_stride, {pool}"
                    ));
                }
                Some(_) => {}
            }
        }
        None
    }
}
