//! A checkpoint that is ready: masks of a picture's boxes, or of a video's.

use std::path::Path;
use std::sync::Arc;

use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::imaging::Mask;
use tch::{Kind, Tensor};

use super::network::Sam2;
use super::processor::{Processor, Processors};
use super::video::{Loaded, Video, check_number};
use crate::error::Result;
use crate::nn::torch::torch_error;
use crate::nn::weights::Placement;

/// An object of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmented {
    /// Its pixels.
    pub mask: Mask,
    /// How well the mask is expected to fit, 0 to 1.
    pub score: f64,
}

/// Network and processor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Segmenter {
    loaded: Arc<Loaded>,
}

impl Segmenter {
    /// Reads a folder in the Hugging Face layout, strictly.
    ///
    /// # Errors
    /// What is wrong with its files, by name.
    pub fn load(folder: &Path, placement: Placement) -> Result<Self> {
        let network = Sam2::load(folder, placement)?;
        let processors = Processors::read(folder, network.image_size())?;
        Ok(Self {
            loaded: Arc::new(Loaded::new(network, processors)),
        })
    }

    /// Side of the pictures that the network sees, pixels.
    pub fn side(&self) -> i64 {
        self.loaded.network().image_size()
    }

    /// A picture's pixels as the network takes them: (1, 3, S, S), float32.
    ///
    /// # Errors
    /// An empty picture, or one whose bytes do not fill its size.
    pub fn pixel_values(&self, picture: &ColorImage) -> Result<Tensor> {
        self.loaded.processors.picture.pixels(picture)
    }

    /// Masks of one picture, one for each box: of those that are decoded the one with the highest score.
    ///
    /// # Errors
    /// A box that holds no pixel; an empty picture; `Error::Torch` for want of memory.
    pub fn segment(&self, picture: &ColorImage, boxes: &[BoundingBox]) -> Result<Vec<Segmented>> {
        if boxes.is_empty() {
            return Ok(Vec::new());
        }
        let processor = &self.loaded.processors.picture;
        let size = [picture.height, picture.width];
        let boxes = processor.boxes(boxes, size)?;
        let best = self
            .loaded
            .network()
            .best_masks(&processor.pixels(picture)?, &boxes)?;
        let scores = best
            .scores
            .f_to_kind(Kind::Double)
            .and_then(|scores| Vec::<f64>::try_from(scores.f_view([-1])?));
        let scores = scores.map_err(torch_error("read scores"))?;
        for score in &scores {
            check_number(*score)?;
        }
        let masks = Processor::masks(&best.logits, size)?;
        let segmented = masks.into_iter().zip(scores);
        Ok(segmented
            .map(|(mask, score)| Segmented { mask, score })
            .collect())
    }

    /// A video whose pictures come one by one, for as long as they come.
    ///
    /// # Errors
    /// `Error::PicturesOnly` for a checkpoint without a memory.
    pub fn video(&self) -> Result<Video> {
        Video::new(Arc::clone(&self.loaded), None)
    }

    /// A video of so many pictures. That they are known makes a difference: pointers tell how long ago they are as a share of
    /// a short video's length.
    ///
    /// # Errors
    /// As for [`video`](Self::video).
    pub fn video_of(&self, pictures: usize) -> Result<Video> {
        Video::new(Arc::clone(&self.loaded), Some(pictures))
    }
}
