//! The mask decoder: tokens of the prompt and of the answers, and the picture's map, attend to each other in turn; then each
//! mask token says by which channels of the enlarged map its mask is made.
//!
//! In transformers 5.24.0: models/sam2/modeling_sam2.py, 994-1322.

use tch::{Kind, Tensor};

use super::config::{Activation, MaskDecoderConfig};
use super::layers::{Attention, ChannelNorm, FeedForward, as_image, as_tokens};
use crate::error::Result;
use crate::nn::images::{BlockUpsample, Conv2d, Window};
use crate::nn::layers::LayerNorm;
use crate::nn::torch::TchResult;
use crate::nn::weights::Scope;

/// What libtorch's own norms add to the variance.
const EPS: f64 = 1e-5;

/// Masks of N prompts, M each.
#[derive(Debug)]
pub struct Masks {
    /// (N, M, side, side): above 0 is the object.
    pub logits: Tensor,
    /// (N, M): how well each mask is expected to fit, 0 to 1.
    pub scores: Tensor,
    /// (N, 1): above 0 the object is there.
    pub object_scores: Tensor,
    /// (N, M, C), of which object pointers are made.
    pub(super) tokens: Tensor,
}

/// A picture as the decoder reads it.
#[derive(Debug)]
pub(super) struct Features {
    /// The map that is decoded, (1, C, grid, grid).
    pub(super) map: Tensor,
    /// Finer maps: (1, C / 8, 4 grid, 4 grid) and (1, C / 4, 2 grid, 2 grid).
    pub(super) finer: [Tensor; 2],
}

/// `mask_decoder`
#[derive(Debug)]
pub(super) struct MaskDecoder {
    /// (3 + M, C): whether the object is there, how well masks fit, and the masks, of which the first stands alone.
    answers: Tensor,
    transformer: TwoWayTransformer,
    upscale_conv1: BlockUpsample,
    upscale_layer_norm: ChannelNorm,
    upscale_conv2: BlockUpsample,
    output_hypernetworks_mlps: Vec<FeedForward>,
    iou_prediction_head: FeedForward,
    pred_obj_score_head: FeedForward,
    conv_s0: Conv2d,
    conv_s1: Conv2d,
    config: MaskDecoderConfig,
}

impl MaskDecoder {
    pub(super) fn load(scope: &Scope<'_>, config: &MaskDecoderConfig) -> Result<Self> {
        let hidden = config.hidden_size;
        let masks = config.num_multimask_outputs + 1;
        let relu = Activation::Relu;
        let mlp = |index: i64| {
            let scope = scope.sub("output_hypernetworks_mlps").sub(index);
            FeedForward::load(&scope, [hidden, hidden, hidden / 8], 3, relu)
        };
        let token = |name: &str, rows: i64| scope.sub(name).get("weight", &[rows, hidden]);
        let tokens = [
            token("obj_score_token", 1)?,
            token("iou_token", 1)?,
            token("mask_tokens", masks)?,
        ];
        let scores = [hidden, config.iou_head_hidden_dim, masks];
        let (half, quarter, eighth) = (2, hidden / 4, hidden / 8);
        Ok(Self {
            answers: Tensor::f_cat(&tokens, 0)
                .map_err(crate::nn::torch::torch_error("join tokens"))?,
            transformer: TwoWayTransformer::load(&scope.sub("transformer"), config)?,
            upscale_conv1: BlockUpsample::new(
                &scope.sub("upscale_conv1"),
                hidden,
                quarter,
                half,
                true,
            )?,
            upscale_layer_norm: ChannelNorm::load(&scope.sub("upscale_layer_norm"), quarter, 1e-6)?,
            upscale_conv2: BlockUpsample::new(
                &scope.sub("upscale_conv2"),
                quarter,
                eighth,
                half,
                true,
            )?,
            output_hypernetworks_mlps: (0..masks).map(mlp).collect::<Result<_>>()?,
            iou_prediction_head: FeedForward::load(
                &scope.sub("iou_prediction_head"),
                scores,
                config.iou_head_depth,
                relu,
            )?,
            pred_obj_score_head: FeedForward::load(
                &scope.sub("pred_obj_score_head"),
                [hidden, hidden, 1],
                3,
                relu,
            )?,
            conv_s0: Conv2d::new(&scope.sub("conv_s0"), hidden, eighth, Window::POINT)?,
            conv_s1: Conv2d::new(&scope.sub("conv_s1"), hidden, quarter, Window::POINT)?,
            config: config.clone(),
        })
    }

    /// The finer levels (1, C, ..) as [`Features::finer`], once a picture.
    pub(super) fn finer(&self, levels: [&Tensor; 2]) -> TchResult<[Tensor; 2]> {
        Ok([
            self.conv_s0.forward(levels[0])?,
            self.conv_s1.forward(levels[1])?,
        ])
    }

    /// A picture, its places (1, C, grid, grid), prompts as tokens (N, T, C) and as maps (1 or N, C, grid, grid) -> all masks
    /// of each prompt, the first of which stands alone.
    pub(super) fn forward(
        &self,
        features: &Features,
        places: &Tensor,
        sparse: &Tensor,
        dense: &Tensor,
    ) -> TchResult<Masks> {
        let (prompts, _, _) = sparse.size3()?;
        let (_, _, grid, _) = features.map.size4()?;
        let answers = self
            .answers
            .f_unsqueeze(0)?
            .f_expand([prompts, -1, -1], false)?;
        let tokens = Tensor::f_cat(&[&answers, sparse], 1)?; // (N, 3 + M + T, C)
        let map = as_tokens(&features.map.f_add(dense)?)?; // (1 or N, grid^2, C)
        let map = map.f_expand([prompts, -1, -1], false)?;
        let (tokens, map) = self
            .transformer
            .forward(&tokens, &map, &as_tokens(places)?)?;

        let masks = self.output_hypernetworks_mlps.len() as i64;
        let mask_tokens = tokens.f_narrow(1, 2, masks)?; // (N, 1 + M, C)
        let enlarged = self.enlarge(&as_image(&map, grid)?, &features.finer)?; // (N, C / 8, 4 grid, 4 grid)
        let mut channels = Vec::new();
        for (index, mlp) in self.output_hypernetworks_mlps.iter().enumerate() {
            channels.push(mlp.forward(&mask_tokens.f_select(1, index as i64)?)?);
        }
        let channels = Tensor::f_stack(&channels, 1)?; // (N, 1 + M, C / 8)
        let logits = channels.f_matmul(&enlarged.f_flatten(2, 3)?)?; // (N, 1 + M, 16 grid^2)
        Ok(Masks {
            logits: logits.f_view([prompts, masks, 4 * grid, 4 * grid])?,
            scores: self
                .iou_prediction_head
                .forward(&tokens.f_select(1, 1)?)?
                .f_sigmoid()?,
            object_scores: self.pred_obj_score_head.forward(&tokens.f_select(1, 0)?)?,
            tokens: mask_tokens,
        })
    }

    /// (N, C, grid, grid) -> (N, C / 8, 4 grid, 4 grid), with the finer maps on the way.
    fn enlarge(&self, map: &Tensor, finer: &[Tensor; 2]) -> TchResult<Tensor> {
        let x = self.upscale_conv1.forward(map)?.f_add(&finer[1])?; // (N, C / 4, 2 grid, 2 grid)
        let x = self.upscale_layer_norm.forward(&x)?.f_gelu("none")?;
        self.upscale_conv2
            .forward(&x)?
            .f_add(&finer[0])?
            .f_gelu("none")
    }

    /// Those of all masks that answer: several of which the best is chosen, or the single one.
    pub(super) fn answer(&self, all: &Masks, several: bool) -> TchResult<Masks> {
        let masks = self.output_hypernetworks_mlps.len() as i64;
        let (first, count) = if several { (1, masks - 1) } else { (0, 1) };
        let part = |tensor: &Tensor| tensor.f_narrow(1, first, count);
        let mut answer = Masks {
            logits: part(&all.logits)?,
            scores: part(&all.scores)?,
            object_scores: all.object_scores.shallow_clone(),
            tokens: part(&all.tokens)?,
        };
        if !several && self.config.dynamic_multimask_via_stability {
            self.replace_unstable(&mut answer, all)?;
        }
        Ok(answer)
    }

    /// A single mask whose edge moves much with its threshold gives way to the best of the others (its token stays).
    fn replace_unstable(&self, single: &mut Masks, all: &Masks) -> TchResult<()> {
        let delta = self.config.dynamic_multimask_stability_delta;
        let area = |threshold: f64| {
            let inside = single.logits.f_gt(threshold)?.f_flatten(2, 3)?;
            inside.f_sum_dim_intlist(-1, false, Kind::Float) // (N, 1)
        };
        let (surely, maybe) = (area(delta)?, area(-delta)?);
        let stability = surely.f_div(&maybe)?;
        let stability = stability.f_where_self(&maybe.f_gt(0.0)?, &surely.f_ones_like()?)?;
        let is_stable = stability.f_ge(self.config.dynamic_multimask_stability_thresh)?; // (N, 1)
        let best = self.answer(all, true)?.best()?;
        single.scores = single.scores.f_where_self(&is_stable, &best.scores)?;
        let is_stable = is_stable.f_unsqueeze(-1)?.f_unsqueeze(-1)?;
        single.logits = single.logits.f_where_self(&is_stable, &best.logits)?;
        Ok(())
    }
}

impl Masks {
    /// The mask of each prompt that is expected to fit best: M becomes 1.
    pub(super) fn best(&self) -> TchResult<Self> {
        let (prompts, _, height, width) = self.logits.size4()?;
        let (_, _, channels) = self.tokens.size3()?;
        let best = self.scores.f_argmax(1, true)?; // (N, 1)
        let index = best
            .f_view([prompts, 1, 1])?
            .f_expand([prompts, 1, channels], false)?;
        let tokens = self.tokens.f_gather(1, &index, false)?;
        let index = best
            .f_view([prompts, 1, 1, 1])?
            .f_expand([prompts, 1, height, width], false)?;
        Ok(Self {
            logits: self.logits.f_gather(1, &index, false)?,
            scores: self.scores.f_gather(1, &best, false)?,
            object_scores: self.object_scores.shallow_clone(),
            tokens,
        })
    }
}

/// `mask_decoder.transformer`
#[derive(Debug)]
struct TwoWayTransformer {
    layers: Vec<TwoWayBlock>,
    final_attn_token_to_image: Attention,
    layer_norm_final_attn: LayerNorm,
}

impl TwoWayTransformer {
    fn load(scope: &Scope<'_>, config: &MaskDecoderConfig) -> Result<Self> {
        let rate = config.attention_downsample_rate;
        let layers = 0..config.num_hidden_layers;
        let layers = layers
            .map(|index| TwoWayBlock::load(&scope.sub("layers").sub(index), config, index == 0));
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            final_attn_token_to_image: Attention::load(
                &scope.sub("final_attn_token_to_image"),
                config,
                rate,
            )?,
            layer_norm_final_attn: LayerNorm::load(
                &scope.sub("layer_norm_final_attn"),
                config.hidden_size,
                EPS,
            )?,
        })
    }

    /// Tokens (N, T, C), a map (N, L, C) and its places (1, L, C) -> both, having seen each other.
    fn forward(
        &self,
        tokens: &Tensor,
        map: &Tensor,
        places: &Tensor,
    ) -> TchResult<(Tensor, Tensor)> {
        let (mut queries, mut keys) = (tokens.shallow_clone(), map.shallow_clone());
        for layer in &self.layers {
            (queries, keys) = layer.forward(&queries, &keys, tokens, places)?;
        }
        let (query, key) = (queries.f_add(tokens)?, keys.f_add(places)?);
        let found = self
            .final_attn_token_to_image
            .forward(&query, &key, &keys)?;
        let queries = self
            .layer_norm_final_attn
            .forward(&queries.f_add(&found)?)?;
        Ok((queries, keys))
    }
}

/// Tokens look at each other, at the picture, and the picture at them.
#[derive(Debug)]
struct TwoWayBlock {
    self_attn: Attention,
    layer_norm1: LayerNorm,
    cross_attn_token_to_image: Attention,
    layer_norm2: LayerNorm,
    mlp: FeedForward,
    layer_norm3: LayerNorm,
    cross_attn_image_to_token: Attention,
    layer_norm4: LayerNorm,
    /// Nothing has been added to the tokens yet.
    is_first: bool,
}

impl TwoWayBlock {
    fn load(scope: &Scope<'_>, config: &MaskDecoderConfig, is_first: bool) -> Result<Self> {
        let (hidden, rate) = (config.hidden_size, config.attention_downsample_rate);
        let norm = |name: &str| LayerNorm::load(&scope.sub(name), hidden, EPS);
        let cross = |name: &str| Attention::load(&scope.sub(name), config, rate);
        Ok(Self {
            self_attn: Attention::load(&scope.sub("self_attn"), config, 1)?,
            layer_norm1: norm("layer_norm1")?,
            cross_attn_token_to_image: cross("cross_attn_token_to_image")?,
            layer_norm2: norm("layer_norm2")?,
            // As deep as the transformer has layers.
            mlp: FeedForward::load(
                &scope.sub("mlp"),
                [hidden, config.mlp_dim, hidden],
                config.num_hidden_layers,
                Activation::Relu,
            )?,
            layer_norm3: norm("layer_norm3")?,
            cross_attn_image_to_token: cross("cross_attn_image_to_token")?,
            layer_norm4: norm("layer_norm4")?,
            is_first,
        })
    }

    /// Queries (N, T, C), keys (N, L, C), what they were at first and the keys' places -> both.
    fn forward(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        tokens: &Tensor,
        places: &Tensor,
    ) -> TchResult<(Tensor, Tensor)> {
        let queries = match self.is_first {
            true => self.self_attn.forward(queries, queries, queries)?,
            false => {
                let query = queries.f_add(tokens)?;
                queries.f_add(&self.self_attn.forward(&query, &query, queries)?)?
            }
        };
        let queries = self.layer_norm1.forward(&queries)?;

        let (query, key) = (queries.f_add(tokens)?, keys.f_add(places)?);
        let found = self.cross_attn_token_to_image.forward(&query, &key, keys)?;
        let queries = self.layer_norm2.forward(&queries.f_add(&found)?)?;

        let queries = self
            .layer_norm3
            .forward(&queries.f_add(&self.mlp.forward(&queries)?)?)?;

        let query = queries.f_add(tokens)?;
        let found = self
            .cross_attn_image_to_token
            .forward(&key, &query, &queries)?;
        let keys = self.layer_norm4.forward(&keys.f_add(&found)?)?;
        Ok((queries, keys))
    }
}
