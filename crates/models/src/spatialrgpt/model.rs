//! SpatialRGPT (Cheng et al. 2024, arXiv 2406.01584): a picture and its relative depth go through one
//! vision tower; the picture becomes tokens, each region a token of colour and one of depth, and the
//! language model reads them where the prompt says `<image>`, `<mask>` and `<depth>`.
//!
//! In the original (AnjieCheng/SpatialRGPT at 16715d4): llava/model/llava_arch.py, 398-411 (features and regions) and
//! 433-546 (the splice).

use std::borrow::Borrow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::config::ModelConfig;
use super::llama::Llama;
use super::projector::Projector;
use super::region_extractor::{Refined, RegionExtractor};
use super::rows::{Prefix, RowDecoder};
use super::seen::Seen;
use super::vision_tower::VisionTower;
use crate::error::{Error, Result};
use crate::nn::panels;
use crate::nn::team::{Crew, Team};
use crate::nn::threads;
use crate::nn::tokenizer::{IMAGE_TOKEN, Tokenizer};
use crate::nn::torch::{TchResult, torch_error};
use crate::nn::weights::{LinearForm, Placement, Weights};
use spatial_reward_core::imaging::Mask;

/// What becomes of the weights of its linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forms {
    pub llm: LinearForm,
    pub vision_tower: LinearForm,
    pub region_extractor: LinearForm,
}

impl Forms {
    /// As fast as they are without a loss: of the language model by rows wherever that is faster than libtorch, also of many.
    pub(super) fn exact(placement: Placement) -> Self {
        let by_rows = placement.device == Device::Cpu
            && match placement.kind {
                Kind::BFloat16 => true,
                Kind::Float => panels::is_faster(),
                _ => false,
            };
        let form = match by_rows {
            true => LinearForm::Panels,
            false => LinearForm::Tensor,
        };
        Self {
            llm: form,
            vision_tower: form,
            // Of bfloat16, its many cells cost more to convert than their products gain.
            region_extractor: match placement.kind {
                Kind::Float => form,
                _ => LinearForm::Tensor,
            },
        }
    }

    /// Whether what the checkpoint stores can be had in these forms.
    ///
    /// # Errors
    /// Of few bits a weight, others cannot be made, nor can a GPU multiply them.
    fn check(self, config: &ModelConfig, placement: Placement) -> Result<()> {
        for (part, stored) in config.stored_in_bits() {
            let form = match part {
                "llm" => self.llm,
                _ => self.vision_tower,
            };
            if placement.device != Device::Cpu {
                return Err(Error::FewBitsOnGpu);
            }
            if let LinearForm::Quantised(bits) = form
                && bits.count() != stored.bits
            {
                return Err(Error::StoredInBits {
                    path: config.folder.join(part),
                    stored: stored.bits,
                    wanted: bits.count(),
                });
            }
        }
        Ok(())
    }
}

/// The network, with the tokenizer that its ids are of.
pub(super) struct SpatialRgpt {
    /// Its shape.
    pub config: ModelConfig,
    /// The checkpoint's own.
    pub tokenizer: Arc<Tokenizer>,
    /// Ids that regions' embeddings replace; `None` where the checkpoint has no use for them.
    mask_id: Option<i64>,
    depth_id: Option<i64>,
    vision_tower: VisionTower,
    /// `None` where the checkpoint was trained without regions.
    region_extractor: Option<RegionExtractor>,
    mm_projector: Projector,
    /// The language model.
    pub(super) llm: Llama,
    /// The same for rows on the processor, made when it is first asked for.
    rows: OnceCell<Option<RowDecoder>>,
    /// What the last prompts began with, read: they are told the same of how to answer.
    pub(super) prefix: RefCell<Option<Prefix>>,
    /// Pictures that the tower saw last.
    seen: RefCell<Seen>,
    /// Tokens that were looked at, and the characters that they are.
    pub(super) characters: RefCell<HashMap<i64, Option<char>>>,
    /// Threads for products of a few rows.
    pub(super) crew: Crew,
    /// As what and where its numbers live.
    pub(super) placement: Placement,
}

/// What the vision tower is shown of one frame: normalised pixels, channel by channel, of the square
/// picture it takes, and one mask a region of the same size.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// 3 * S * S values.
    pub color: Vec<f32>,
    /// The relative depth, coloured and normalised like the picture.
    pub depth: Option<Vec<f32>>,
    /// S x S pixels a region.
    pub masks: Vec<Mask>,
}

/// What the vision half makes of one frame: the embeddings that the language model reads of it.
#[derive(Debug)]
pub struct Features {
    /// (tokens, hidden)
    pub(super) image_features: Tensor,
    /// (M, hidden), a row a region; `None` without regions.
    pub(super) mask_embeds: Option<Tensor>,
    /// (M, hidden); `None` without depth or regions.
    pub(super) depth_embeds: Option<Tensor>,
}

impl SpatialRgpt {
    /// Loads the checkpoint in `folder`.
    ///
    /// # Errors
    /// What is missing, unexpected, of another shape or not implemented, by name.
    pub(super) fn load(folder: &Path, placement: Placement, forms: Forms) -> Result<Self> {
        let config = ModelConfig::read(folder)?;
        let tokenizer = Tokenizer::load(&folder.join("llm"))?;
        check_vocabulary(folder, &config, &tokenizer)?;
        forms.check(&config, placement)?;
        Self::assemble(config, Arc::new(tokenizer), placement, |part| {
            let form = match part {
                "llm" => forms.llm,
                "vision_tower" => forms.vision_tower,
                "region_extractor" => forms.region_extractor,
                _ => LinearForm::Tensor,
            };
            Weights::open_as(&folder.join(part), placement, form)
        })
    }

    /// Puts the network together out of the tensors that `weights` gives for each part by the name of its
    /// folder.
    ///
    /// # Errors
    /// What is missing, unexpected or of another shape, by name.
    pub(super) fn assemble(
        config: ModelConfig,
        tokenizer: Arc<Tokenizer>,
        placement: Placement,
        weights: impl Fn(&str) -> Result<Weights>,
    ) -> Result<Self> {
        let tokens = tokenizer.len() as i64;
        let (regions, depth) = (config.top.enable_region, config.takes_depth());
        Ok(Self {
            mask_id: regions.then(|| tokenizer.mask_id()).transpose()?,
            depth_id: depth.then(|| tokenizer.depth_id()).transpose()?,
            vision_tower: VisionTower::load(weights("vision_tower")?, &config)?,
            region_extractor: match config.top.enable_region {
                true => Some(RegionExtractor::load(
                    weights("region_extractor")?,
                    &config,
                )?),
                false => None,
            },
            mm_projector: Projector::load(|| weights("mm_projector"), &config)?,
            llm: Llama::load(weights("llm")?, &config.llm, tokens)?,
            rows: OnceCell::new(),
            prefix: RefCell::default(),
            seen: RefCell::default(),
            characters: RefCell::default(),
            crew: Crew::default(),
            tokenizer,
            config,
            placement,
        })
    }

    /// The language model for rows; `None` where its weights are not on the processor, in float32 or bfloat16.
    pub(super) fn rows(&self) -> TchResult<Option<&RowDecoder>> {
        if let Some(rows) = self.rows.get() {
            return Ok(rows.as_ref());
        }
        let rows = RowDecoder::of(&self.llm)?;
        Ok(self.rows.get_or_init(|| rows).as_ref())
    }

    /// Whether the checkpoint takes relative depth beside the picture.
    pub(super) fn takes_depth(&self) -> bool {
        self.config.takes_depth()
    }

    /// Runs the vision half on frames together.
    ///
    /// # Errors
    /// libtorch's, of which memory is the one to expect.
    pub(super) fn encode(&self, views: &[View]) -> Result<Vec<Features>> {
        if views.is_empty() {
            return Ok(Vec::new());
        }
        threads::settle();
        let encode_together = |views: &[View]| {
            let features = self.features_of(views, |pictures| {
                let look = |new: &[&[f32]]| self.look(new, None);
                self.seen.borrow_mut().look(pictures, look)
            });
            self.describe(&features?, views)
        };
        // By rows, frames gain nothing from each other, and one alone takes the least memory.
        let together = match self.vision_tower.is_for_rows() {
            true => 1,
            false => views.len(),
        };
        let encode = || {
            let mut all = Vec::with_capacity(views.len());
            for views in views.chunks(together) {
                all.extend(encode_together(views)?);
            }
            Ok(all)
        };
        tch::no_grad(encode).map_err(torch_error("encode the frame"))
    }

    /// What the vision tower makes of all views. Colour and depth pictures go through in one batch.
    pub(super) fn tower_features<V: Borrow<View>>(
        &self,
        views: &[V],
        hidden: Option<&mut Vec<Tensor>>,
    ) -> TchResult<TowerFeatures> {
        self.features_of(views, |pictures| self.look(pictures, hidden))
    }

    /// What the vision tower makes of pictures of 3 * S * S values, (P, N, C).
    fn look(&self, pictures: &[&[f32]], hidden: Option<&mut Vec<Tensor>>) -> TchResult<Tensor> {
        let pixels = self.pixels(pictures)?;
        let _team = (self.vision_tower.is_for_rows()).then(|| Team::gather(&self.crew));
        self.vision_tower.forward(&pixels, hidden)
    }

    /// What `look` makes of all pictures of the views, (P, N, C).
    fn features_of<V: Borrow<View>>(
        &self,
        views: &[V],
        look: impl FnOnce(&[&[f32]]) -> TchResult<Tensor>,
    ) -> TchResult<TowerFeatures> {
        let wants_depth = self.takes_depth();
        let views = || views.iter().map(V::borrow);
        let mut pictures: Vec<&[f32]> = views().map(|view| view.color.as_slice()).collect();
        // Which row of the batch is whose depth.
        let depth_rows = views().map(|view| {
            let depth = view.depth.as_deref().filter(|_| wants_depth)?;
            pictures.push(depth);
            Some(pictures.len() as i64 - 1)
        });
        let depth_rows: Vec<Option<i64>> = depth_rows.collect();
        let features = look(&pictures)?; // (P, N, C)
        Ok(TowerFeatures {
            color: features.f_narrow(0, 0, views().len() as i64)?, // (B, N, C)
            // Unbound all at once: the gradient of each row alone would be a batch of zeros around it.
            depth: {
                let rows = features.f_unbind(0)?;
                let of = |row: i64| rows.get(row as usize).map(Tensor::shallow_clone);
                depth_rows.into_iter().map(|row| row.and_then(of)).collect()
            },
        })
    }

    /// What the vision tower makes of pixels (P, 3, S, S).
    #[cfg(test)]
    pub(super) fn seen(&self, pixels: &Tensor) -> TchResult<Tensor> {
        self.vision_tower.forward(pixels, None)
    }

    /// The pictures' enlarged maps; `None` where the checkpoint was trained without regions.
    pub(super) fn enlarged(&self, features: &TowerFeatures) -> TchResult<Option<Refined>> {
        match &self.region_extractor {
            Some(extractor) => {
                let _team = extractor.is_for_rows().then(|| Team::gather(&self.crew));
                extractor.refine(&features.color).map(Some)
            }
            None => Ok(None),
        }
    }

    /// The pictures' enlarged maps and tokens.
    pub(super) fn refined(&self, features: &TowerFeatures) -> TchResult<Refinement> {
        let refined = self.enlarged(features)?;
        let lres_features = match &refined {
            Some(refined) => refined.pooled()?,
            None => features.color.shallow_clone(),
        };
        Ok(Refinement {
            image_features: self.mm_projector.forward(&lres_features)?,
            refined,
            lres_features,
        })
    }

    /// The embeddings that the language model reads of each view.
    pub(super) fn describe<V: Borrow<View>>(
        &self,
        features: &TowerFeatures,
        views: &[V],
    ) -> TchResult<Vec<Features>> {
        self.describe_refined(features, &self.refined(features)?, views)
    }

    /// The same where the pictures are refined already.
    pub(super) fn describe_refined<V: Borrow<View>>(
        &self,
        features: &TowerFeatures,
        refinement: &Refinement,
        views: &[V],
    ) -> TchResult<Vec<Features>> {
        let image_features = refinement.image_features.f_unbind(0)?;
        let regions = self.regions(features, refinement.refined.as_ref(), views)?;
        let frames = image_features.into_iter().zip(regions);
        Ok(frames
            .map(|(image_features, regions)| Features {
                image_features,
                mask_embeds: regions.color,
                depth_embeds: regions.depth,
            })
            .collect())
    }

    /// The embeddings of each view's regions.
    pub(super) fn regions<V: Borrow<View>>(
        &self,
        features: &TowerFeatures,
        refined: Option<&Refined>,
        views: &[V],
    ) -> TchResult<Vec<Regions>> {
        let cells = match refined {
            Some(refined) => refined.frames()?,
            None => Vec::new(),
        };
        let frames = views.iter().enumerate();
        frames
            .map(|(frame, view)| {
                let depth = features.depth.get(frame).and_then(Option::as_ref);
                self.regions_of(cells.get(frame), depth, view.borrow())
            })
            .collect()
    }

    fn regions_of(
        &self,
        cells: Option<&Tensor>,
        depth: Option<&Tensor>,
        view: &View,
    ) -> TchResult<Regions> {
        let (Some(extractor), Some(cells)) = (&self.region_extractor, cells) else {
            return Ok(Regions::default());
        };
        if view.masks.is_empty() {
            return Ok(Regions::default());
        }
        let masks = self.masks(&view.masks)?;
        Ok(Regions {
            color: Some(extractor.color_regions(cells, &masks)?),
            depth: match depth {
                Some(features) => extractor.depth_regions(features, &masks)?,
                None => None,
            },
        })
    }

    /// Pictures of 3 * S * S values -> (P, 3, S, S), where the network lives.
    fn pixels(&self, pictures: &[&[f32]]) -> TchResult<Tensor> {
        let side = self.config.image_size();
        self.stacked(pictures, &[3, side, side], self.placement.kind)
    }

    /// Masks of S x S pixels -> (M, S, S), 0 or 1.
    fn masks(&self, masks: &[Mask]) -> TchResult<Tensor> {
        let side = self.config.image_size();
        let masks: Vec<&[u8]> = masks.iter().map(|mask| mask.data.as_slice()).collect();
        self.stacked(&masks, &[side, side], Kind::Float)
    }

    fn stacked<T: tch::kind::Element>(
        &self,
        rows: &[&[T]],
        shape: &[i64],
        kind: Kind,
    ) -> TchResult<Tensor> {
        let rows = rows
            .iter()
            .map(|row| Tensor::f_from_slice(row)?.f_reshape(shape))
            .collect::<TchResult<Vec<_>>>()?;
        Tensor::f_stack(&rows, 0)?
            .f_to_device(self.placement.device)?
            .f_to_kind(kind)
    }

    /// What of a prompt stands before anything that is the frame's own.
    pub(super) fn before_frame<'a>(&self, ids: &'a [i64]) -> &'a [i64] {
        let own = [Some(IMAGE_TOKEN), self.mask_id, self.depth_id];
        let first = ids.iter().position(|id| own.contains(&Some(*id)));
        &ids[..first.unwrap_or(0)]
    }

    /// How long [`splice`](Self::splice) makes a prompt, in tokens.
    pub(super) fn prompt_tokens(&self, ids: &[i64], features: &Features) -> usize {
        let pictures = ids.iter().filter(|&&id| id == IMAGE_TOKEN).count() as i64;
        let picture = features
            .image_features
            .size()
            .first()
            .map_or(0, |rows| rows - 1);
        let length = ids.len() as i64 + pictures * picture;
        length.clamp(0, self.config.llm.max_prompt()) as usize
    }

    /// The prompt's embeddings: token ids with the frame's features put in place of `<image>`, `<mask>` and
    /// `<depth>` -> (1, T, hidden). `mentions` are the regions in the order in which the prompt names
    /// them. What is longer than the model takes is cut on the right, as in the original.
    pub(super) fn splice(
        &self,
        ids: &[i64],
        features: &Features,
        mentions: &[usize],
    ) -> TchResult<Tensor> {
        let spliced = self.splice_all(ids, features, mentions, mentions)?;
        let length = spliced.size2()?.0.min(self.config.llm.max_prompt());
        spliced.f_narrow(0, 0, length)?.f_unsqueeze(0)
    }

    /// The same, uncut and where not every `<mask>` has its `<depth>`: (T, hidden).
    pub(super) fn splice_all(
        &self,
        ids: &[i64],
        features: &Features,
        mask_mentions: &[usize],
        depth_mentions: &[usize],
    ) -> TchResult<Tensor> {
        let device = self.placement.device;
        // The image's placeholder has no row in the table; any other stands in until it is replaced.
        let known: Vec<i64> = ids.iter().map(|&id| id.max(0)).collect();
        let text = self
            .llm
            .embed(&Tensor::f_from_slice(&known)?.f_to_device(device)?)?; // (T, hidden)
        let text = self.replaced(
            text,
            ids,
            self.mask_id,
            &features.mask_embeds,
            mask_mentions,
        )?;
        let text = self.replaced(
            text,
            ids,
            self.depth_id,
            &features.depth_embeds,
            depth_mentions,
        )?;

        let mut pieces = Vec::new();
        let mut start = 0;
        for (at, &id) in ids.iter().enumerate() {
            if id == IMAGE_TOKEN {
                pieces.push(text.f_narrow(0, start, at as i64 - start)?);
                pieces.push(features.image_features.f_to_kind(text.kind())?);
                start = at as i64 + 1;
            }
        }
        pieces.push(text.f_narrow(0, start, ids.len() as i64 - start)?);
        Tensor::f_cat(&pieces, 0)
    }

    /// Rows of `text` whose id is `placeholder`, replaced in order by the embeddings of the regions
    /// that are mentioned.
    fn replaced(
        &self,
        text: Tensor,
        ids: &[i64],
        placeholder: Option<i64>,
        embeds: &Option<Tensor>,
        mentions: &[usize],
    ) -> TchResult<Tensor> {
        let (Some(placeholder), Some(embeds)) = (placeholder, embeds) else {
            return Ok(text);
        };
        let rows = ids
            .iter()
            .zip(0_i64..)
            .filter(|&(&id, _)| id == placeholder);
        let rows: Vec<i64> = rows.map(|(_, row)| row).collect();
        let pairs = rows
            .into_iter()
            .zip(mentions.iter().map(|&region| region as i64));
        let (rows, regions): (Vec<i64>, Vec<i64>) = pairs.unzip();
        if rows.is_empty() {
            return Ok(text);
        }
        let index = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(text.device());
        let embeds = embeds
            .f_index_select(0, &index(&regions)?)?
            .f_to_kind(text.kind())?;
        text.f_index_copy(0, &index(&rows)?, &embeds)
    }
}

/// The vision tower's features of a batch of views.
pub(super) struct TowerFeatures {
    /// (B, N, C)
    pub color: Tensor,
    /// One a view, (N, C).
    pub depth: Vec<Option<Tensor>>,
}

/// The embeddings of one view's regions, (M, hidden) each; `None` where there are none.
#[derive(Default)]
pub(super) struct Regions {
    /// From the colour picture.
    pub color: Option<Tensor>,
    /// From the depth picture.
    pub depth: Option<Tensor>,
}

/// What becomes of the colour pictures' features.
pub(super) struct Refinement {
    /// Their enlarged maps; `None` without regions.
    pub refined: Option<Refined>,
    /// (B, 27 * 27, C)
    pub lres_features: Tensor,
    /// (B, tokens, hidden)
    pub image_features: Tensor,
}

/// Every token that the tokenizer may give must have an embedding.
fn check_vocabulary(folder: &Path, config: &ModelConfig, tokenizer: &Tokenizer) -> Result<()> {
    let (tokens, rows) = (tokenizer.len() as i64, config.llm.vocab_size);
    if tokens <= rows {
        return Ok(());
    }
    Err(Error::checkpoint(
        folder.join("llm"),
        format!("the tokenizer has {tokens} tokens, but config.json's vocab_size is {rows}"),
        "The two belong to different models: take both from one checkpoint",
    ))
}
