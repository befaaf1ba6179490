//! The door to the network that tells which pixels are an object's.

use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::settings::{DeviceChoice, Dtype};
use spatial_reward_models::nn::weights::Placement;
use spatial_reward_models::sam2::{self, ObjectId};

use crate::program::found_mask::FoundMask;
use crate::program::logging::Terminal;

/// A network that is loaded.
pub(crate) struct Segmenter(sam2::Segmenter);

/// A video that it follows.
pub(crate) struct Video(sam2::Video);

impl Segmenter {
    /// Loads the checkpoint that is named, downloaded if need be.
    ///
    /// # Errors
    /// What is wrong with it, by name; a device that is not there.
    pub(crate) fn open(
        model: &str,
        device: DeviceChoice,
        dtype: Dtype,
        terminal: &Terminal,
    ) -> anyhow::Result<Self> {
        // An edge is where a number changes its sign, which fewer digits move; and the network is small.
        let dtype = match dtype {
            Dtype::Auto => Dtype::Float32,
            chosen => chosen,
        };
        let placement = Placement::chosen(device, dtype)?;
        let folder = super::resolve_shown(model, terminal)?;
        Ok(Self(sam2::Segmenter::load(&folder, placement)?))
    }

    /// # Errors
    /// A box that holds no pixel; libtorch's.
    pub(crate) fn segment(
        &self,
        picture: &ColorImage,
        boxes: &[BoundingBox],
    ) -> anyhow::Result<Vec<FoundMask>> {
        let found = self.0.segment(picture, boxes)?.into_iter();
        let found = found.map(|found| FoundMask {
            mask: found.mask,
            score: found.score,
            object_score: None,
        });
        Ok(found.collect())
    }

    /// A video of so many pictures.
    ///
    /// # Errors
    /// A checkpoint for pictures.
    pub(crate) fn video(&self, pictures: usize) -> anyhow::Result<Video> {
        Ok(Video(self.0.video_of(pictures)?))
    }
}

impl Video {
    /// The next picture, with boxes of objects that begin in it.
    ///
    /// # Errors
    /// A box that holds no pixel; a picture of another size; libtorch's.
    pub(crate) fn frame(
        &mut self,
        picture: &ColorImage,
        boxes: &[BoundingBox],
    ) -> anyhow::Result<Vec<FoundMask>> {
        let prompts: Vec<_> = (0..).map(ObjectId).zip(boxes.iter().copied()).collect();
        let followed = self.0.frame(picture, &prompts)?.into_iter();
        let found = followed.map(|followed| FoundMask {
            mask: followed.mask,
            score: followed.score,
            object_score: Some(followed.occlusion),
        });
        Ok(found.collect())
    }
}
