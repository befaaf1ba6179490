//! Pictures and words in, boxes in pixels out: network, image processor and tokenizer of one folder.

use std::path::Path;

use spatial_reward_core::Error as CoreError;
use spatial_reward_core::detection::{self, DetectOptions, Detection};
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::settings::{DeviceChoice, Dtype};

use super::network::Owlv2;
use super::processor::Owlv2Processor;
use crate::error::{Error, Result};
use crate::nn::tokenizer::ClipTokenizer;
use crate::nn::weights::Placement;

/// Finds in pictures what is named or shown.
pub struct Detector {
    network: Owlv2,
    processor: Owlv2Processor,
    tokenizer: ClipTokenizer,
}

/// What to look for, as the network compares patches with it. Plain data: it may be kept, and used for any number of pictures
/// with the [`Detector`] that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Queries {
    /// (Q, D), row by row.
    embeds: Vec<f32>,
    /// Which of them can be found: a phrase whose first token fills up is none to transformers.
    asked: Vec<bool>,
    is_example: bool,
}

impl Queries {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.asked.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// Whether they are an example, whose options are others by default ([`DetectOptions::EXAMPLE`]).
    pub fn is_example(&self) -> bool {
        self.is_example
    }

    /// The options that transformers takes for them.
    pub fn usual_options(&self) -> DetectOptions {
        match self.is_example {
            true => DetectOptions::EXAMPLE,
            false => DetectOptions::WORDS,
        }
    }
}

impl Detector {
    /// Loads the network, the image processor and the tokenizer of a folder in the Hugging Face layout.
    ///
    /// # Errors
    /// What is wrong with the folder, by file, and in it by key, tensor or token; want of memory.
    pub fn load(folder: &Path, placement: Placement) -> Result<Self> {
        let processor = Owlv2Processor::load(folder);
        let network = Owlv2::load(folder, placement)?;
        let processor = processor?;
        if !network.takes(processor.side()) {
            return Err(Error::checkpoint(
                folder,
                format!(
                    "size of the image processor is {side}, but image_size in config.json is {image}",
                    side = processor.side(),
                    image = network.image_size(),
                ),
                "Take both files from one checkpoint",
            ));
        }
        Ok(Self {
            tokenizer: ClipTokenizer::load(folder, network.vocabulary())?,
            network,
            processor,
        })
    }

    /// The same on a device and in a type of numbers; `auto` is float32 on a GPU too, for the numbers are places in a picture.
    ///
    /// # Errors
    /// As for [`load`](Self::load), and a device that is not there.
    pub fn open(folder: &Path, device: DeviceChoice, dtype: Dtype) -> Result<Self> {
        let dtype = match dtype {
            Dtype::Auto => Dtype::Float32,
            dtype => dtype,
        };
        Self::load(folder, Placement::chosen(device, dtype)?)
    }

    /// What is named, as the picture's captions may have it: "a photo of a mug" finds more than "mug". [`Detection::query`]
    /// counts in this order.
    ///
    /// # Errors
    /// `Error::EmptyPhrase` for no phrase or one without a word, `Error::LongPhrase` for one beyond the network's context; want
    /// of memory.
    pub fn queries_of_words(&self, words: &[String]) -> Result<Queries> {
        if words.is_empty() || words.iter().any(|phrase| phrase.trim().is_empty()) {
            return Err(Error::EmptyPhrase);
        }
        let phrases = self.tokenizer.encode(words, self.network.context())?;
        let rows: Vec<(&[i64], usize)> = phrases
            .iter()
            .map(|phrase| (phrase.ids.as_slice(), phrase.tokens))
            .collect();
        let embeds = self.network.text_embeds(&rows)?;
        Ok(Queries {
            embeds,
            asked: rows
                .iter()
                .map(|(ids, _)| ids.first().is_some_and(|id| *id > 0))
                .collect(),
            is_example: false,
        })
    }

    /// What is in the box of an example, in its pixels; without a box, what is most of a thing in it. What is taken is the patch
    /// whose own box overlaps the drawn one best.
    ///
    /// # Errors
    /// `Error::NothingThere` for a box that none of the patches' overlaps, an empty box for one outside the picture; want of
    /// memory.
    pub fn query_of_example(
        &self,
        picture: &ColorImage,
        bbox: Option<&BoundingBox>,
    ) -> Result<Queries> {
        if let Some(bbox) = bbox
            && bbox.clipped(picture.width, picture.height).is_none()
        {
            return Err(Error::Core(CoreError::EmptyBox {
                bbox: edges(bbox),
                width: picture.width,
                height: picture.height,
            }));
        }
        let features = self
            .network
            .features(&self.processor.pixel_values(picture)?)?;
        let patch = match bbox {
            None => self.network.most_object(&features)?,
            Some(bbox) => {
                let proposed = in_pixels(&self.network.boxes(&features)?, picture);
                let overlaps = proposed.iter().map(|proposed| proposed.overlap(bbox));
                let overlapping = overlaps.enumerate().filter(|(_, overlap)| *overlap > 0.0);
                // Of those that are alike the first, as argmax has it.
                let best =
                    overlapping.reduce(|best, other| if other.1 > best.1 { other } else { best });
                let (patch, _) = best.ok_or(Error::NothingThere { bbox: edges(bbox) })?;
                patch as i64
            }
        };
        Ok(Queries {
            embeds: self.network.class_embed(&features, patch)?,
            asked: vec![true],
            is_example: true,
        })
    }

    /// What of the queries is in a picture, best first, as transformers tells it: by an example scores are shares of the best one's.
    ///
    /// # Errors
    /// A picture without pixels; want of memory.
    pub fn detect(
        &self,
        picture: &ColorImage,
        queries: &Queries,
        options: &DetectOptions,
    ) -> Result<Vec<Detection>> {
        let proposals = self.proposals(picture, &[queries])?.pop();
        let proposals = proposals.unwrap_or_default();
        Ok(match queries.is_example {
            true => detection::by_example(proposals, options),
            false => detection::by_words(proposals, options),
        })
    }

    /// What of several queries is in a picture, which is looked at once for all. They have nothing to do with each other, and
    /// scores are the network's own, by examples too.
    ///
    /// # Errors
    /// As for [`detect`](Self::detect).
    pub fn detect_each(
        &self,
        picture: &ColorImage,
        asked: &[(&Queries, DetectOptions)],
    ) -> Result<Vec<Vec<Detection>>> {
        let queries: Vec<&Queries> = asked.iter().map(|(queries, _)| *queries).collect();
        let proposals = self.proposals(picture, &queries)?.into_iter();
        let told = proposals.zip(asked);
        let told = told.map(|(proposals, (_, options))| detection::by_words(proposals, options));
        Ok(told.collect())
    }

    /// A proposal a patch, for each of the queries.
    fn proposals(&self, picture: &ColorImage, asked: &[&Queries]) -> Result<Vec<Vec<Detection>>> {
        if asked.iter().all(|queries| queries.is_empty()) {
            return Ok(asked.iter().map(|_| Vec::new()).collect());
        }
        let features = self
            .network
            .features(&self.processor.pixel_values(picture)?)?;
        let boxes = in_pixels(&self.network.boxes(&features)?, picture);
        let proposals = asked.iter().map(|queries| {
            if queries.is_empty() {
                return Ok(Vec::new());
            }
            let scores = self
                .network
                .scores(&features, &queries.embeds, &queries.asked)?;
            // A number that overflowed would be a score below every threshold.
            if scores.iter().any(|(_, score)| score.is_nan()) {
                return Err(Error::torch(
                    "find things",
                    "its numbers overflowed. Try it in float32",
                ));
            }
            let proposals = boxes.iter().zip(scores);
            let proposals = proposals.map(|(bbox, (query, score))| Detection {
                query,
                bbox: *bbox,
                score: f64::from(score),
            });
            Ok(proposals.collect())
        });
        proposals.collect()
    }
}

fn edges(bbox: &BoundingBox) -> [f64; 4] {
    [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max]
}

/// Boxes of a square picture as wide as the longer side of this one, in its pixels.
fn in_pixels(boxes: &[[f32; 4]], picture: &ColorImage) -> Vec<BoundingBox> {
    let side = f64::from(picture.width.max(picture.height));
    let boxes = boxes.iter().map(|values| values.map(f64::from));
    boxes
        .map(|[x, y, width, height]| {
            BoundingBox::from_center(x, y, width, height).scaled(side, side)
        })
        .collect()
}
