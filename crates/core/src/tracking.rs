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

mod costs;
mod cover;
mod ground;
mod growth;
mod layers;
mod look;
mod palette;
mod pose;
mod recall;
mod search;
mod template;
#[cfg(test)]
mod tests;
mod verdict;
mod window;

pub use cover::Cover;

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
    /// The region has come apart, and is lost, where a larger share of its points than this shows what lies far behind
    /// it; 0 to 1. Needs depth. More follows fingers that open farther, and what is not the region more often.
    pub most_behind: f32,
    /// How much of a picture's colours and relief the region takes on; 0 (nothing) to 1.
    pub learning: f32,
}

impl Default for Following {
    fn default() -> Self {
        Self {
            least_seen: 0.3,
            least_seen_without_depth: 0.6,
            found_again: 0.6,
            most_behind: 0.2,
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
    #[error("the drawn box [{}, {}, {}, {}] (left, top, right, bottom, in pixels) has not two pixels each way within the picture of {width}x{height} pixels", .bbox.x_min, .bbox.y_min, .bbox.x_max, .bbox.y_max)]
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
    cover: Option<Cover>,
}

/// A region that is gone in so large a share, without being hidden, and whose box has drawn in to so small a share, has
/// another shape: fingers that have opened or closed.
const MOST_GONE: f32 = 0.25;
const LEAST_LEFT: f64 = 0.6;
/// Fingers that were drawn around an object are known together with it: they have opened where less of its places than
/// this share is still its.
const LEAST_HELD: f32 = 0.5;

/// How much a picture counts for what is usual, and the share of points that usually is seen at least.
const USUAL_SHARE: f32 = 0.1;
const LEAST_USUAL: f32 = 0.5;
/// As `LEAST_USUAL`, of a region that is looked for.
const LEAST_USUAL_WHEN_LOST: f32 = 0.9;
/// A lost region is found only where it looks this much like itself, of what is usual.
const LEAST_RESPONSE: f32 = 0.85;
/// And where the place stands out of the others by so many of their standard deviations.
const LEAST_STANDOUT: f32 = 3.0;

/// So many of its mean sides away a region has hardly come since it was lost: there it is found only if it is all there.
const FAR_SIDES: f64 = 3.0;
const LEAST_RESPONSE_FAR: f32 = 0.95;
const LEAST_STANDOUT_FAR: f32 = 5.0;
const LEAST_SEEN_FAR: f32 = 0.8;

impl Tracker {
    /// Follow the region in a box, in pixels of the picture. A depth image belongs to the picture pixel by pixel, up
    /// to its own size. What is seen of another object is none of it: a box around open fingers also holds what is
    /// between them.
    ///
    /// # Errors
    /// If the box has no area or lies outside the picture, or the picture is malformed.
    pub fn start(
        image: &ColorImage,
        depth: Option<&DepthImage>,
        bbox: BoundingBox,
        other: Option<&Cover>,
        settings: Following,
    ) -> Result<Self, StartError> {
        check(image, &bbox)?;
        let inside = bbox.clipped(image.width, image.height).unwrap_or(bbox);
        let template = Template::drawn(image, depth, &inside, other);
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
            cover: None,
        };
        let look = Look::at(image, depth, other, &tracker.template, &tracker.last);
        tracker.usual_response = look.peak.response;
        tracker.cover = Some(look.cover(&tracker.template));
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
        other: Option<&Cover>,
    ) -> Result<(), StartError> {
        *self = Self::start(image, depth, bbox, other, self.settings)?;
        Ok(())
    }

    /// Find the region in the next picture, in which another object may be seen. A malformed picture shows nothing: the
    /// region is lost in it.
    pub fn follow(
        &mut self,
        image: &ColorImage,
        depth: Option<&DepthImage>,
        other: Option<&Cover>,
    ) -> Tracked {
        if is_malformed(image) {
            return self.lost(0.0, 0.0, true);
        }
        let look = Look::at(image, depth, other, &self.template, &self.last);
        let seen = look.verdict.seen;
        let depth_consistent = look.verdict.depth_agrees.is_none_or(|share| share > 0.5);
        let score = look.peak.to_sidelobe;
        // Something else may look like the half of a region that was seen for long.
        let (least, usually_seen) = if self.last.lost_pictures > 0 {
            let usually_seen = self.usually_seen.max(LEAST_USUAL_WHEN_LOST);
            (self.settings.found_again, usually_seen)
        } else {
            (self.settings.least_seen, self.usually_seen)
        };
        // Colours alone agree by chance more often.
        let least = if look.verdict.depth_agrees.is_none() {
            least.max(self.settings.least_seen_without_depth)
        } else {
            least
        };
        let is_there = look.verdict.behind <= self.settings.most_behind
            && seen >= least * usually_seen
            && (self.last.lost_pictures == 0 || self.is_clear(&look));
        let bbox = self.box_at(&look, image).filter(|_| is_there);
        let Some(bbox) = bbox.filter(|bbox| !self.has_other_shape(&look, bbox)) else {
            return self.lost(score, seen, depth_consistent);
        };
        self.bbox = bbox;
        self.cover = Some(look.cover(&self.template));
        self.take_over(&look);
        Tracked {
            bbox,
            state: State::Followed,
            score,
            seen,
            depth_consistent,
        }
    }

    fn has_other_shape(&self, look: &Look, bbox: &BoundingBox) -> bool {
        let sides = (self.template.half_px).map(|half| 2.0 * half * f64::from(look.pose.scale));
        let left = bbox.width() * bbox.height() / (sides[0] * sides[1]);
        let has_drawn_in = look.verdict.gone > MOST_GONE && left < LEAST_LEFT;
        has_drawn_in || look.verdict.holds.is_some_and(|share| share < LEAST_HELD)
    }

    /// Whether a lost region is found, and not something like it.
    fn is_clear(&self, look: &Look) -> bool {
        let [least_response, least_standout] = match self.is_far(look) {
            true => [LEAST_RESPONSE_FAR, LEAST_STANDOUT_FAR],
            false => [LEAST_RESPONSE, LEAST_STANDOUT],
        };
        look.peak.response > least_response * self.usual_response
            && look.peak.to_sidelobe > least_standout
            && (!self.is_far(look) || look.verdict.seen > LEAST_SEEN_FAR)
    }

    /// Whether a place is far from where the region was last, for its size.
    fn is_far(&self, look: &Look) -> bool {
        let middle = self.middle_at(look);
        let off = f64::hypot(
            middle[0] - self.last.middle[0],
            middle[1] - self.last.middle[1],
        );
        off > FAR_SIDES * (self.template.half_px[0] + self.template.half_px[1])
    }

    /// Where the region was seen in the picture before; `None` where it is lost.
    pub fn cover(&self) -> Option<&Cover> {
        self.cover.as_ref()
    }

    fn lost(&mut self, score: f32, seen: f32, depth_consistent: bool) -> Tracked {
        self.last.lost_pictures = self.last.lost_pictures.saturating_add(1);
        self.last.velocity = [0.0; 2];
        self.cover = None;
        Tracked {
            bbox: self.bbox,
            state: State::Lost,
            score,
            seen,
            depth_consistent,
        }
    }

    /// The whole region's middle, in pixels.
    fn middle_at(&self, look: &Look) -> [f64; 2] {
        let size = f64::from(self.template.cell_px);
        [0, 1].map(|k| f64::from(look.window.origin[k]) + f64::from(look.pose.place[k]) * size)
    }

    /// The box around what is seen of the region; `None` if that is nothing within the picture.
    fn box_at(&self, look: &Look, image: &ColorImage) -> Option<BoundingBox> {
        let (middle, scale) = (self.middle_at(look), f64::from(look.pose.scale));
        let half = self.template.half_px.map(|half| half * scale);
        let drawn_in = look.verdict.drawn_in(&self.template);
        let inwards = [0, 1, 2, 3].map(|side| {
            let cells = match look.grown[side] {
                grown if grown > 0.0 => -grown,
                _ => drawn_in[side],
            };
            f64::from(cells) * f64::from(self.template.cell_px) * scale
        });
        let seen = BoundingBox::new(
            middle[0] - half[0] + inwards[0],
            middle[1] - half[1] + inwards[1],
            middle[0] + half[0] - inwards[2],
            middle[1] + half[1] - inwards[3],
        );
        seen.clipped(image.width, image.height)
    }

    /// The region is where it was found.
    fn take_over(&mut self, look: &Look) {
        let (before, velocity) = (self.last.middle, self.last.velocity);
        let middle = self.middle_at(look);
        let was_lost = self.last.lost_pictures > 0;
        self.last = Last {
            middle,
            velocity: [0, 1].map(|k| match was_lost {
                true => 0.0,
                false => 0.5 * (velocity[k] + middle[k] - before[k]),
            }),
            size: look.size,
            grown: look.grown,
            depth_m: look.pose.depth_m,
            lost_pictures: 0,
        };
        // What is hidden for long does not become usual.
        self.usually_seen += USUAL_SHARE * (look.verdict.seen.max(LEAST_USUAL) - self.usually_seen);
        self.usual_response += USUAL_SHARE * (look.peak.response - self.usual_response);
        let learning = self.settings.learning;
        let (pose, verdict) = (&look.pose, &look.verdict);
        learn(&look.window, &mut self.template, pose, verdict, learning);
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
    check_drawn(bbox, (width, height))
}

/// Whether a region may be drawn so in a picture of so many pixels (width, height): at least two of them each way are to be
/// followed.
///
/// # Errors
/// `StartError::NoArea`, `StartError::Outside`.
pub fn check_drawn(bbox: &BoundingBox, (width, height): (u32, u32)) -> Result<(), StartError> {
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
