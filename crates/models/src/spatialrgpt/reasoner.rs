//! A loaded checkpoint with everything around the network that turns pictures, regions and words into
//! its inputs, and its tokens into words: what the commands and the estimator speak to.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

use tch::Device;

use super::config::{ModelConfig, Trained};
use super::draft::Draft;
use super::generate::{Generated, Limits, Request};
use super::model::{Features, Forms, SpatialRgpt, View};
use crate::error::{Error, Result};
use crate::nn::weights::Placement;
use spatial_reward_core::answer::{Alternative, ParsedDistance, WrittenToken};
use spatial_reward_core::calibration::Calibration;
use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::imaging::{AspectMode, GrayImage, ImageProcessor, Mask};
use spatial_reward_core::prompt::{Prompt, Template};

/// A checkpoint that answers.
pub struct Reasoner {
    model: SpatialRgpt,
    processor: ImageProcessor,
    template: Template,
    limits: Limits,
    /// What the last answer lets expect of the next one to the same question.
    expected: RefCell<Expected>,
}

#[derive(Default)]
struct Expected {
    /// The question's prompt.
    ids: Vec<i64>,
    draft: Draft,
}

/// What the model said, as it said it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// The tokens' text, special ones left out.
    pub text: String,
    /// Its tokens.
    pub ids: Vec<i64>,
    /// The probability that the model gave each token.
    pub probabilities: Vec<f32>,
    /// For each token with a digit the likeliest others; empty for those without.
    pub alternatives: Vec<Vec<Alternative>>,
    /// Each token's bytes in `text`; empty for special ones.
    pub spans: Vec<Range<usize>>,
    /// It ended by itself, rather than at the limit of tokens.
    pub stopped: bool,
    /// Tokens of all that it read, those of the picture among them.
    pub prompt_tokens: usize,
}

impl Reasoner {
    /// Loads the checkpoint in `folder`. `template` replaces the one that its tokenizer tells.
    ///
    /// # Errors
    /// What is missing, unexpected, damaged or not implemented, by name.
    pub fn load(
        folder: &Path,
        placement: Placement,
        template: Option<Template>,
        max_new_tokens: usize,
    ) -> Result<Self> {
        let forms = Forms::exact(placement);
        Self::load_as(folder, placement, forms, template, max_new_tokens)
    }

    /// The same with weights in other forms.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub(super) fn load_as(
        folder: &Path,
        placement: Placement,
        forms: Forms,
        template: Option<Template>,
        max_new_tokens: usize,
    ) -> Result<Self> {
        let model = SpatialRgpt::load(folder, placement, forms)?;
        let processor = processor(folder, &model.config)?;
        let known = |token: &str| model.tokenizer.id_of(token);
        let template = template.unwrap_or_else(|| Template::infer(|token| known(token).is_some()));
        let mut stop_ids = model.config.eos_token_ids.clone();
        stop_ids.extend(known(template.stop()));
        Ok(Self {
            limits: Limits {
                max_new_tokens,
                stop_ids,
            },
            model,
            processor,
            template,
            expected: RefCell::default(),
        })
    }

    /// How a conversation becomes the prompt that the model was trained on.
    pub fn template(&self) -> Template {
        self.template
    }

    /// Whether the checkpoint takes relative depth beside the picture.
    pub fn takes_depth(&self) -> bool {
        self.model.takes_depth()
    }

    /// Whether the checkpoint knows regions at all.
    pub fn takes_regions(&self) -> bool {
        self.model.config.top.enable_region
    }

    /// What the checkpoint was trained to answer.
    pub fn trained(&self) -> &Trained {
        &self.model.config.top.spatial_reward
    }

    /// Where it runs.
    pub(super) fn device(&self) -> Device {
        self.model.placement.device
    }

    /// The network.
    pub(super) fn model(&self) -> &SpatialRgpt {
        &self.model
    }

    /// What makes the tower's pictures.
    pub(super) fn processor(&self) -> &ImageProcessor {
        &self.processor
    }

    /// When an answer ends.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Prepares one frame: its picture, its relative depth (larger is nearer) and a mask a region. Depth
    /// and masks must have the picture's size; which is the caller's to see to.
    ///
    /// # Errors
    /// A picture, depth or mask that is empty, or has more or fewer values than pixels.
    pub fn view(
        &self,
        color: &ColorImage,
        depth: Option<&GrayImage>,
        masks: &[Mask],
    ) -> Result<View> {
        let depth = depth.filter(|_| self.takes_depth());
        Ok(View {
            color: self.processor.process(color)?,
            depth: depth
                .map(|depth| self.processor.process_gray(depth))
                .transpose()?,
            masks: masks
                .iter()
                .map(|mask| self.processor.mask(mask))
                .collect::<Result<_, spatial_reward_core::Error>>()?,
        })
    }

    /// Runs the vision half on frames together.
    ///
    /// # Errors
    /// libtorch's, of which memory is the one to expect.
    pub fn encode(&self, views: &[View]) -> Result<Vec<Features>> {
        self.model.encode(views)
    }

    /// Answers prompts, each about a frame's features. Those of one length run together.
    ///
    /// # Errors
    /// libtorch's, of which memory is the one to expect, or a prompt that the tokenizer refuses.
    pub fn answer(&self, prompts: &[(&Features, &Prompt)]) -> Result<Vec<Decoded>> {
        self.answer_within(prompts, None)
    }

    /// The same with answers of so many tokens at most, where that is fewer than the checkpoint was loaded for.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub fn answer_within(
        &self,
        prompts: &[(&Features, &Prompt)],
        max_new_tokens: Option<usize>,
    ) -> Result<Vec<Decoded>> {
        let ids = prompts
            .iter()
            .map(|(_, prompt)| self.model.tokenizer.encode_prompt(&prompt.text))
            .collect::<Result<Vec<_>>>()?;
        let requests: Vec<Request> = prompts
            .iter()
            .zip(&ids)
            .map(|((features, prompt), ids)| Request {
                features,
                ids,
                mentions: &prompt.mentions,
            })
            .collect();
        let mut expected = self.expected.borrow_mut();
        if ids.last().is_some_and(|ids| expected.ids != *ids) {
            *expected = Expected::default();
        }
        let mut limits = self.limits.clone();
        limits.max_new_tokens = limits
            .max_new_tokens
            .min(max_new_tokens.unwrap_or(usize::MAX));
        let generated = self
            .model
            .generate(&requests, &limits, &mut expected.draft)?;
        let read = requests
            .iter()
            .map(|request| self.model.prompt_tokens(request.ids, request.features));
        let read: Vec<usize> = read.collect();
        drop(requests);
        expected.ids = ids.into_iter().next_back().unwrap_or_default();
        let decoded = generated
            .into_iter()
            .zip(read)
            .map(|(generated, prompt_tokens)| {
                Ok(Decoded {
                    prompt_tokens,
                    ..self.decode(generated)?
                })
            });
        decoded.collect()
    }

    /// The text of generated tokens.
    ///
    /// # Errors
    /// `Error::Tokenizer` for a token that the tokenizer does not have.
    pub(super) fn decode(&self, generated: Generated) -> Result<Decoded> {
        let (text, spans) = self.model.tokenizer.decode_spans(&generated.ids)?;
        let writes_digit = |span: &Range<usize>| {
            let bytes = text.as_bytes().get(span.clone()).unwrap_or_default();
            bytes.iter().any(u8::is_ascii_digit)
        };
        let alternatives = spans.iter().zip(&generated.alternatives);
        let alternatives = alternatives.map(|(span, others)| match writes_digit(span) {
            true => self.worded(others),
            false => Vec::new(),
        });
        Ok(Decoded {
            alternatives: alternatives.collect(),
            text,
            spans,
            ids: generated.ids,
            probabilities: generated.probabilities,
            stopped: generated.stopped,
            prompt_tokens: 0,
        })
    }

    /// Tokens as they read alone. A row of the network that is no token of the tokenizer's reads as nothing.
    fn worded(&self, tokens: &[(i64, f32)]) -> Vec<Alternative> {
        let word = |(id, probability): &(i64, f32)| {
            let text = self.model.tokenizer.decode(&[*id]).ok()?;
            Some(Alternative {
                text,
                probability: *probability,
            })
        };
        tokens.iter().filter_map(word).collect()
    }
}

/// What makes pictures of the size that the checkpoint's tower takes.
///
/// # Errors
/// What is missing or not supported, by name; a size that is not the tower's.
pub(super) fn processor(folder: &Path, config: &ModelConfig) -> Result<ImageProcessor> {
    let aspect = AspectMode::from_name(config.top.image_aspect_ratio.as_deref());
    let file = folder.join("vision_tower/preprocessor_config.json");
    let side = config.image_size() as u32;
    let mut processor = ImageProcessor::load(&file, aspect)?;
    if config.resized_from().is_some() {
        processor = processor.with_side(side);
    }
    if processor.side() != side {
        return Err(Error::checkpoint(
            file,
            format!(
                "pictures of {0}x{0} pixels, but the tower takes {side}x{side}",
                processor.side()
            ),
            "The two files belong to different models: take both from one checkpoint",
        ));
    }
    Ok(processor)
}

/// The standard deviation of a distance whose spread is this, in metres: the spread itself where nothing is known of how
/// far it is to be believed.
pub(super) fn std_m(spread_m: Option<f64>, calibration: Option<Calibration>) -> Option<f64> {
    let of = |spread_m| calibration.map_or(spread_m, |calibration| calibration.std_m(spread_m));
    spread_m.map(of)
}

impl Decoded {
    /// How sure the model was of the tokens that some bytes of its text are made of: the geometric mean
    /// of their probabilities, so that a number with more digits is not taken for a guess. `None` if no
    /// token touches them.
    pub fn confidence(&self, bytes: &[Range<usize>]) -> Option<f32> {
        let touches = |span: &Range<usize>| {
            bytes
                .iter()
                .any(|range| span.start < range.end && range.start < span.end)
        };
        let logs: Vec<f32> = self
            .spans
            .iter()
            .zip(&self.probabilities)
            .filter(|(span, _)| touches(span))
            .map(|(_, probability)| probability.max(f32::MIN_POSITIVE).ln())
            .collect();
        (!logs.is_empty()).then(|| (logs.iter().sum::<f32>() / logs.len() as f32).exp())
    }

    /// How far the distance that it states may be off by the model's odds, in metres ([`ParsedDistance::spread_m`]).
    pub fn spread_m(&self, parsed: &ParsedDistance) -> Option<f64> {
        let odds = self.probabilities.iter().zip(&self.alternatives);
        let tokens = self.spans.iter().zip(odds);
        let tokens = tokens.map(|(span, (probability, alternatives))| WrittenToken {
            span: span.clone(),
            probability: *probability,
            alternatives: alternatives.clone(),
        });
        parsed.spread_m(&self.text, &tokens.collect::<Vec<_>>())
    }
}
