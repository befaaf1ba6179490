//! OWLv2 (arXiv 2306.09683): two towers of CLIP's under heads that say of each patch where a thing is and what it is near to.
//! Tensors in, tensors out; pictures and words are the detector's.
//!
//! In transformers 5.24.0: models/owlv2/modeling_owlv2.py, 1006-1570.

use std::path::Path;

use tch::{Kind, Tensor};

use super::config::Owlv2Config;
use super::heads::{Heads, unit};
use super::text::{TextTower, Tokens};
use super::vision::VisionTower;
use crate::error::Result;
use crate::nn::threads;
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::{Placement, Weights};

/// Buffers that older versions wrote among the weights; they follow from the configuration.
const BUFFERS: [&str; 2] = ["embeddings.position_ids", "box_bias"];

/// `Owlv2ForObjectDetection`
#[derive(Debug)]
pub struct Owlv2 {
    text: TextTower,
    vision: VisionTower,
    heads: Heads,
    placement: Placement,
    image_size: i64,
    patch_size: i64,
    context: usize,
    vocabulary: i64,
}

/// Tensors on the way to the boxes, for comparison with another implementation.
#[derive(Debug)]
pub struct Trace {
    /// (Q, L, C): the embeddings, then what comes of each layer.
    pub text: Vec<Tensor>,
    /// (B, 1 + N, C): the embeddings, the same after the first norm, then what comes of each layer.
    pub vision: Vec<Tensor>,
    /// (Q, D), of length 1.
    pub text_embeds: Tensor,
    /// (B, N, C): the patches' features.
    pub image_embeds: Tensor,
    /// (B, N, D), of length 1.
    pub class_embeds: Tensor,
    /// (B, N, Q)
    pub logits: Tensor,
    /// (B, N)
    pub objectness_logits: Tensor,
    /// (B, N, 4): centre x and y, width and height, 1 being the square picture's side.
    pub pred_boxes: Tensor,
}

impl Owlv2 {
    /// Reads `config.json` and the weights of `folder`, strictly: every tensor that the configuration asks for and no other, but
    /// for buffers that follow from it.
    ///
    /// # Errors
    /// A file that cannot be read; a configuration of another or an unsupported model, by key; a tensor that is missing,
    /// unexpected or of another shape, by name.
    pub fn load(folder: &Path, placement: Placement) -> Result<Self> {
        let config = Owlv2Config::read(folder)?;
        let weights = Weights::open(folder, placement)?;
        let root = weights.scope();
        let scope = root.sub("owlv2");
        let hidden = config.vision_config.encoder().hidden_size;
        // Whole pictures are compared by these, and no patch.
        let whole = scope.sub("visual_projection");
        let _only_read = whole.get("weight", &[config.projection_dim, hidden])?;
        let _only_read = scope.get("logit_scale", &[])?;
        let vision = scope.sub("vision_model");
        let model = Self {
            text: TextTower::new(&scope, &config)?,
            vision: VisionTower::new(&root, &vision, &config.vision_config)?,
            heads: Heads::new(&root, &config)?,
            placement,
            image_size: config.vision_config.image_size,
            patch_size: config.vision_config.patch_size,
            context: usize::try_from(config.text_config.max_position_embeddings).unwrap_or(0),
            vocabulary: config.text_config.vocab_size,
        };
        weights.finish_ignoring(&BUFFERS)?;
        Ok(model)
    }

    /// The longest phrase in tokens.
    pub fn context(&self) -> usize {
        self.context
    }

    /// How many tokens have embeddings.
    pub fn vocabulary(&self) -> i64 {
        self.vocabulary
    }

    /// Side of the square pictures that it takes, in pixels.
    pub fn image_size(&self) -> i64 {
        self.image_size
    }

    /// Whether a square picture of this side, in pixels, has the patches that it was made for.
    pub(super) fn takes(&self, side: i64) -> bool {
        side / self.patch_size == self.image_size / self.patch_size
    }

    /// Phrases of the same number of tokens, each with how many of them are its own -> (Q, D), row by row
    pub(super) fn text_embeds(&self, phrases: &[(&[i64], usize)]) -> Result<Vec<f32>> {
        let _no_grad = prepared();
        let compute = || {
            let embeds = self.text.forward(&Tokens::of(phrases)?, &mut |_| {})?; // (Q, D)
            Vec::<f32>::try_from(embeds.f_to_kind(Kind::Float)?.f_reshape([-1])?)
        };
        compute().map_err(torch_error("read the phrases"))
    }

    /// Normalised pixels (1, 3, S, S) -> (1, N, C)
    pub(super) fn features(&self, pixel_values: &Tensor) -> Result<Tensor> {
        let _no_grad = prepared();
        let compute = || {
            let pixel_values = pixel_values
                .f_to_device(self.placement.device)?
                .f_to_kind(self.placement.kind)?;
            self.vision.forward(&pixel_values, &mut |_| {})
        };
        compute().map_err(torch_error("look at the picture"))
    }

    /// Features (1, N, C) -> the patches' boxes: centre x and y, width and height, 1 being the square picture's side.
    pub(super) fn boxes(&self, features: &Tensor) -> Result<Vec<[f32; 4]>> {
        let _no_grad = prepared();
        let compute = || {
            let boxes = self.heads.boxes(features)?.f_reshape([-1])?;
            Vec::<f32>::try_from(boxes)
        };
        let numbers = compute().map_err(torch_error("find boxes"))?;
        Ok(numbers.as_chunks::<4>().0.to_vec())
    }

    /// Features (1, N, C) -> the patch that is most of a thing, whatever it is.
    pub(super) fn most_object(&self, features: &Tensor) -> Result<i64> {
        let _no_grad = prepared();
        let compute = || {
            let best = self.heads.objectness(features)?.f_argmax(1, false)?;
            best.f_int64_value(&[0])
        };
        compute().map_err(torch_error("find the thing of the example"))
    }

    /// Features (1, N, C) -> the vector (D) by which a patch is compared.
    pub(super) fn class_embed(&self, features: &Tensor, patch: i64) -> Result<Vec<f32>> {
        let _no_grad = prepared();
        let compute = || {
            let features = features.f_narrow(1, patch, 1)?; // (1, 1, C)
            let embed = self.heads.class_embeds(&features)?; // (1, 1, D)
            Vec::<f32>::try_from(embed.f_to_kind(Kind::Float)?.f_reshape([-1])?)
        };
        compute().map_err(torch_error("read the example"))
    }

    /// Features (1, N, C), queries (Q, D), row by row -> of each patch the query that it is nearest to, and the score, 0 to 1.
    /// `asked` says which queries count.
    pub(super) fn scores(
        &self,
        features: &Tensor,
        queries: &[f32],
        asked: &[bool],
    ) -> Result<Vec<(usize, f32)>> {
        let _no_grad = prepared();
        let compute = || {
            let queries = Tensor::f_from_slice(queries)?
                .f_reshape([asked.len() as i64, -1])? // (Q, D)
                .f_to_device(self.placement.device)?
                .f_to_kind(self.placement.kind)?;
            let class_embeds = unit(&self.heads.class_embeds(features)?)?; // (1, N, D)
            let logits = self.heads.logits(features, &class_embeds, &queries)?; // (1, N, Q)
            let unasked: Vec<bool> = asked.iter().map(|asked| !asked).collect();
            let unasked = Tensor::f_from_slice(&unasked)?.f_to_device(self.placement.device)?;
            let logits = logits.f_masked_fill(&unasked, f64::from(f32::MIN))?;
            let (best, query) = logits.f_max_dim(2, false)?; // (1, N)
            let best = Vec::<f32>::try_from(best.f_sigmoid()?.f_reshape([-1])?)?;
            let query = Vec::<i64>::try_from(query.f_reshape([-1])?)?;
            Ok(query
                .into_iter()
                .map(|query| query as usize)
                .zip(best)
                .collect())
        };
        compute().map_err(torch_error("compare the picture with what is asked for"))
    }

    /// Phrases `input_ids` (Q, L) with `attention_mask` (Q, L), 0 where they are filled up, and normalised pixels (B, 3, S, S) ->
    /// everything on the way to boxes and scores.
    ///
    /// # Errors
    /// `Error::Torch` for other shapes, a token that there is not, or want of memory.
    pub fn trace(
        &self,
        input_ids: &Tensor,
        attention_mask: &Tensor,
        pixel_values: &Tensor,
    ) -> Result<Trace> {
        let _no_grad = prepared();
        let (mut text, mut vision) = (Vec::new(), Vec::new());
        let tokens = || {
            TchResult::Ok(Tokens {
                input_ids: input_ids.shallow_clone(),
                attention_mask: attention_mask.f_to_kind(Kind::Bool)?,
            })
        };
        let mut compute = || {
            let text_embeds = self.text.forward(&tokens()?, &mut |tensor| {
                text.push(tensor.shallow_clone());
            })?;
            let pixel_values = pixel_values
                .f_to_device(self.placement.device)?
                .f_to_kind(self.placement.kind)?;
            let image_embeds = self.vision.forward(&pixel_values, &mut |tensor| {
                vision.push(tensor.shallow_clone());
            })?;
            let class_embeds = unit(&self.heads.class_embeds(&image_embeds)?)?;
            let logits = self
                .heads
                .logits(&image_embeds, &class_embeds, &text_embeds)?;
            Ok((text_embeds, image_embeds, class_embeds, logits))
        };
        let action = "trace the network";
        let (text_embeds, image_embeds, class_embeds, logits) =
            compute().map_err(torch_error(action))?;
        let objectness_logits = self.heads.objectness(&image_embeds);
        let pred_boxes = self.heads.boxes(&image_embeds);
        Ok(Trace {
            text,
            vision,
            text_embeds,
            class_embeds,
            logits,
            objectness_logits: objectness_logits.map_err(torch_error(action))?,
            pred_boxes: pred_boxes.map_err(torch_error(action))?,
            image_embeds,
        })
    }
}

/// Threads that leave the host its own, and no gradients.
fn prepared() -> tch::NoGradGuard {
    threads::settle();
    tch::no_grad_guard()
}
