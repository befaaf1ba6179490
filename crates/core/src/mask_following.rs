//! Regions that a network follows through a video by masks: what it is to the pipeline, and masks small enough to keep one of
//! each picture.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::following::{Both, Sight};
use crate::frame::{BoundingBox, ColorImage, Doubt, Mask};

/// Begins videos in which regions are followed by masks.
pub trait Segmenter: Send + Sync {
    /// A video whose pictures come one after the other, in either order of time.
    fn video(&self) -> Box<dyn MaskVideo>;
}

impl fmt::Debug for dyn Segmenter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Segmenter")
    }
}

/// Both regions on their way through a video.
pub trait MaskVideo: Send {
    /// Look at the next picture, in which boxes may be drawn: they begin a region or put it right. `None` of a region that was
    /// not drawn so far.
    ///
    /// # Errors
    /// The network's.
    fn see(&mut self, picture: &ColorImage, drawn: Both<BoundingBox>) -> Result<Both<Seen>>;
}

/// What a picture shows of a region.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The region's pixels; `None` where it is hidden or out of view.
    pub mask: Option<Runs>,
    /// How well the network thinks that the mask fits, 0 to 1.
    pub score: f64,
}

/// The pixels of a region in a picture, as lengths of runs: row by row, of other pixels and of its own in turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    width: u32,
    height: u32,
    lengths: Box<[u32]>,
    bbox: [u32; 4],
}

impl Runs {
    /// Of a picture's pixels, those that are not 0; `None` where none is, or where there are not as many as its size says.
    pub fn of(width: u32, height: u32, pixels: &[u8]) -> Option<Self> {
        if pixels.len() != width as usize * height as usize {
            return None;
        }
        let mut lengths = Vec::new();
        let mut bbox = [u32::MAX, u32::MAX, 0, 0];
        let (mut is_own, mut length) = (false, 0);
        let rows = pixels.chunks_exact((width as usize).max(1));
        for (y, row) in (0..).zip(rows) {
            for (x, pixel) in (0..).zip(row) {
                if (*pixel != 0) != is_own {
                    lengths.push(std::mem::take(&mut length));
                    is_own = !is_own;
                }
                length += 1;
                if is_own {
                    let [left, top, right, bottom] = bbox;
                    bbox = [left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)];
                }
            }
        }
        lengths.push(length);
        (bbox[2] > 0).then(|| Self {
            width,
            height,
            lengths: lengths.into(),
            bbox,
        })
    }

    /// Around its pixels.
    pub fn bbox(&self) -> BoundingBox {
        let [x_min, y_min, x_max, y_max] = self.bbox.map(f64::from);
        BoundingBox::new(x_min, y_min, x_max, y_max)
    }

    /// As regions of a frame have it.
    pub fn mask(&self) -> Option<Mask> {
        let mut pixels = Vec::with_capacity(self.width as usize * self.height as usize);
        let mut own = 0;
        for length in &*self.lengths {
            pixels.extend(std::iter::repeat_n(own, *length as usize));
            own = 1 - own;
        }
        Mask::of_pixels(self.width, self.height, Bytes::from(pixels))
    }
}

impl Seen {
    /// What it says of a region that was drawn so long ago.
    pub fn sight(&self, away_nanos: i64) -> Sight {
        match &self.mask {
            None => Sight::Lost,
            Some(mask) => Sight::Followed {
                bbox: mask.bbox(),
                doubt: Doubt::default(),
                seen: self.score.clamp(0.0, 1.0),
                away_nanos,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_the_mask_that_they_were_made_of() {
        // given pixels that touch both ends of rows
        let pixels = [0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1];
        let runs = Runs::of(4, 3, &pixels).unwrap();
        // then they come back, with the box around them
        let mask = runs.mask().unwrap();
        assert_eq!(
            mask,
            Mask::of_pixels(4, 3, Bytes::from(pixels.to_vec())).unwrap()
        );
        assert_eq!(runs.bbox(), BoundingBox::new(0.0, 0.0, 4.0, 3.0));
        // and pixels that are none, or too few, are no region
        assert_eq!(Runs::of(2, 2, &[0; 4]), None);
        assert_eq!(Runs::of(2, 2, &[1; 3]), None);
        assert_eq!(
            Runs::of(2, 1, &[1, 0]).unwrap().bbox(),
            BoundingBox::new(0.0, 0.0, 1.0, 1.0)
        );
    }
}
