//! Follows a region that was drawn once through the pictures of a camera, by colour and, where there is some, by depth.
//!
//! At the start the cells of the box are told apart: the object's stand out of the plane behind it or have colours
//! that its surroundings have not. In each further picture a [`Tracker`] looks for the place where the object's
//! points find their colours and their relief again, and where what lies beside them does not look like the object;
//! the depth found there gives the scale. Then each point is judged by itself: what lies behind something nearer is
//! hidden, and the box ends where the object is seen to end. If too little is seen, the region is lost, and is looked
//! for in a window that grows to the whole picture.
//!
//! The pictures of a recording may be handed over in either order of time. Where somebody draws the region again,
//! [`Tracker::redraw`] begins anew from there.

mod ground;
mod growth;
mod layers;
mod look;
mod palette;
mod recall;
mod search;
mod template;
#[cfg(test)]
mod tests;
mod verdict;
mod window;

use crate::frame::{BoundingBox, ColorImage, DepthImage};
use look::{Last, Look};
use template::Template;
use verdict::learn;

/// When a region counts as followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Following {
    /// The region is lost when a smaller share of its points than this is seen, of the share that usually is; 0 to 1.
    pub least_seen: f32,
    /// As `least_seen`, where there is no depth to tell what hides the region.
    pub least_seen_without_depth: f32,
    /// A lost region is found again when at least this share is seen, of the share that usually is; 0 to 1.
    pub found_again: f32,
    /// How much of a picture's colours and relief the region takes on; 0 (nothing) to 1.
    pub learning: f32,
}

impl Default for Following {
    fn default() -> Self {
        Self {
            least_seen: 0.3,
            least_seen_without_depth: 0.6,
            found_again: 0.6,
            learning: 0.06,
        }
    }
}

/// Why a region cannot be followed from where it was drawn.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum StartError {
    /// An edge is not finite, or the box has no area.
    #[error("the drawn box [{}, {}, {}, {}] (left, top, right, bottom, in pixels) has no area", .0.x_min, .0.y_min, .0.x_max, .0.y_max)]
    NoArea(BoundingBox),
    /// No part of the box of at least two pixels each way lies within the picture.
    #[error("the drawn box [{}, {}, {}, {}] (left, top, right, bottom, in pixels) lies outside the picture of {width}x{height} pixels", .bbox.x_min, .bbox.y_min, .bbox.x_max, .bbox.y_max)]
    Outside {
        /// As it was drawn.
        bbox: BoundingBox,
        /// Of the picture, in pixels.
        width: u32,
        /// Of the picture, in pixels.
        height: u32,
    },
    /// The picture has not three bytes a pixel.
    #[error("the picture of {width}x{height} pixels has {bytes} bytes instead of three a pixel")]
    Malformed {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// As many as there are.
        bytes: usize,
    },
}

/// Whether a tracker knows where its region is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The box is the region's.
    Followed,
    /// The region is hidden, out of view or not to be told from something else; the box is where it was last.
    Lost,
}

/// Where a region is in a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tracked {
    /// In pixels of the picture, around what is seen of the region.
    pub bbox: BoundingBox,
    /// Whether the box can be relied on.
    pub state: State,
    /// How far the place stands out of the others that were looked at: in standard deviations of their likeness above
    /// its mean. About 2 is next to nothing, 5 and more is clear.
    pub score: f32,
    /// The share of the region's points that is seen, 0 to 1.
    pub seen: f32,
    /// Whether most of the points lie at the depth where they should; `true` where there is no depth to ask.
    pub depth_consistent: bool,
}

/// Follows one region.
#[derive(Debug, Clone)]
pub struct Tracker {
    settings: Following,
    template: Template,
    last: Last,
    /// The share of points that is usually seen.
    usually_seen: f32,
    usual_response: f32,
    bbox: BoundingBox,
}

impl Tracker {
    /// Follow the region in a box, in pixels of the picture. A depth image belongs to the picture pixel by pixel, up
    /// to its own size.
    ///
    /// # Errors
    /// If the box has no area or lies outside the picture, or the picture is malformed.
    pub fn start(
        image: &ColorImage,
        depth: Option<&DepthImage>,
        bbox: BoundingBox,
        settings: Following,
    ) -> Result<Self, StartError> {
        check(image, &bbox)?;
        let inside = bbox.clipped(image.width, image.height).unwrap_or(bbox);
        let template = Template::drawn(image, depth, &inside);
        let mut tracker = Self {
            settings,
            last: Last {
                middle: inside.center(),
                velocity: [0.0; 2],
                size: 1.0,
                grown: [0.0; 4],
                depth_m: template.depth_m,
                lost_pictures: 0,
            },
            template,
            usually_seen: 1.0,
            usual_response: 1.0,
            bbox: inside,
        };
        tracker.usual_response = Look::at(image, depth, &tracker.template, &tracker.last)
            .peak
            .response;
        Ok(tracker)
    }

    /// Begin anew with a box that was drawn in this picture.
    ///
    /// # Errors
    /// As [`start`](Self::start); the tracker then goes on as before.
    pub fn redraw(
        &mut self,
        image: &ColorImage,
        depth: Option<&DepthImage>,
        bbox: BoundingBox,
    ) -> Result<(), StartError> {
        *self = Self::start(image, depth, bbox, self.settings)?;
        Ok(())
    }

    /// Find the region in the next picture. A malformed picture shows nothing: the region is lost in it.
    pub fn follow(&mut self, image: &ColorImage, depth: Option<&DepthImage>) -> Tracked {
        if is_malformed(image) {
            return self.lost(0.0, 0.0, true);
        }
        let look = Look::at(image, depth, &self.template, &self.last);
        let seen = look.verdict.seen;
        let depth_consistent = look.verdict.depth_agrees.is_none_or(|share| share > 0.5);
        let score = look.peak.to_sidelobe;
        let least = if self.last.lost_pictures > 0 {
            self.settings.found_again
        } else {
            self.settings.least_seen
        };
        // Colours alone agree by chance more often.
        let least = if look.verdict.depth_agrees.is_none() {
            least.max(self.settings.least_seen_without_depth)
        } else {
            least
        };
        let is_there = seen >= least * self.usually_seen
            && (self.last.lost_pictures == 0 || look.peak.response > 0.8 * self.usual_response);
        if !is_there {
            return self.lost(score, seen, depth_consistent);
        }
        self.take_over(&look, image);
        Tracked {
            bbox: self.bbox,
            state: State::Followed,
            score,
            seen,
            depth_consistent,
        }
    }

    fn lost(&mut self, score: f32, seen: f32, depth_consistent: bool) -> Tracked {
        self.last.lost_pictures += 1;
        self.last.velocity = [0.0; 2];
        Tracked {
            bbox: self.bbox,
            state: State::Lost,
            score,
            seen,
            depth_consistent,
        }
    }

    /// The region is where it was found.
    fn take_over(&mut self, look: &Look, image: &ColorImage) {
        let size = f64::from(self.template.cell_px);
        let window = &look.window;
        let middle =
            [0, 1].map(|k| f64::from(window.origin[k]) + f64::from(look.pose.place[k]) * size);
        let was_lost = self.last.lost_pictures > 0;
        for k in 0..2 {
            let moved = middle[k] - self.last.middle[k];
            self.last.velocity[k] = if was_lost {
                0.0
            } else {
                0.5 * (self.last.velocity[k] + moved)
            };
        }
        self.last.middle = middle;
        self.last.lost_pictures = 0;
        self.last.size = look.size;
        self.last.grown = look.grown;
        self.last.depth_m = look.pose.depth_m;
        let rate = 0.1;
        self.usually_seen += rate * (look.verdict.seen.max(0.5) - self.usually_seen);
        self.usual_response += rate * (look.peak.response - self.usual_response);
        let scale = f64::from(look.pose.scale);
        let half = [0, 1].map(|k| self.template.half_px[k] * scale);
        let cells = look.verdict.drawn_in(&self.template);
        let drawn_in = [0, 1, 2, 3].map(|side| {
            let cells = if self.last.grown[side] > 0.0 {
                -self.last.grown[side]
            } else {
                cells[side]
            };
            f64::from(cells) * size * scale
        });
        let whole = BoundingBox::new(
            middle[0] - half[0] + drawn_in[0],
            middle[1] - half[1] + drawn_in[1],
            middle[0] + half[0] - drawn_in[2],
            middle[1] + half[1] - drawn_in[3],
        );
        self.bbox = whole.clipped(image.width, image.height).unwrap_or(whole);
        learn(
            window,
            &mut self.template,
            &look.pose,
            &look.verdict,
            self.settings.learning,
        );
    }
}

fn is_malformed(image: &ColorImage) -> bool {
    image.rgb.len() != image.width as usize * image.height as usize * 3
}

fn check(image: &ColorImage, bbox: &BoundingBox) -> Result<(), StartError> {
    let (width, height) = (image.width, image.height);
    if is_malformed(image) {
        let bytes = image.rgb.len();
        return Err(StartError::Malformed {
            width,
            height,
            bytes,
        });
    }
    if !bbox.is_proper() {
        return Err(StartError::NoArea(*bbox));
    }
    let inside = bbox.clipped(width, height);
    if inside.is_none_or(|inside| inside.width() < 2.0 || inside.height() < 2.0) {
        let bbox = *bbox;
        return Err(StartError::Outside {
            bbox,
            width,
            height,
        });
    }
    Ok(())
}
