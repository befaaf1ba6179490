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
mod layers;
mod palette;
mod search;
mod template;
#[cfg(test)]
mod tests;
mod verdict;
mod window;

use crate::frame::{BoundingBox, ColorImage, DepthImage};
use search::{Peak, Search, exact_response, likeness};
use template::Template;
use verdict::{Pose, Verdict, depth_change_m, learn};
use window::Window;

/// When a region counts as followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Following {
    /// The region is lost when a smaller share of its points than this is seen, of the share that usually is; 0 to 1.
    pub least_seen: f32,
    /// A lost region is found again when at least this share is seen, of the share that usually is; 0 to 1.
    pub found_again: f32,
    /// How much of a picture's colours and relief the region takes on; 0 (nothing) to 1.
    pub learning: f32,
}

impl Default for Following {
    fn default() -> Self {
        Self {
            least_seen: 0.3,
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
    /// The whole box's middle, in pixels.
    middle: [f64; 2],
    /// Pixels a picture.
    velocity: [f64; 2],
    /// In parts of the template's, where depth does not say.
    size: f32,
    depth_m: Option<f32>,
    /// The share of points that is usually seen.
    usually_seen: f32,
    usual_response: f32,
    lost_pictures: u32,
    bbox: BoundingBox,
}

/// Radius that is searched, as a share of the box's mean side, and the least and the most in cells.
const REACH_SHARE: f64 = 0.5;
const REACH_CELLS: [f64; 2] = [14.0, 32.0];
/// At most so many places are looked at in a first look.
const MOST_PLACES: i32 = 900;
/// A region stays where it was if another place does not look likelier by this much.
const STAYS: f32 = 0.008;
/// How the region may change its size from a picture to the next where depth does not say, and by how much likelier
/// that has to look.
const SIZES: [f32; 2] = [1.03, 0.97];
const SIZE_GAIN: f32 = 0.004;

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
            depth_m: template.depth_m,
            template,
            middle: inside.center(),
            velocity: [0.0; 2],
            size: 1.0,
            usually_seen: 1.0,
            usual_response: 1.0,
            lost_pictures: 0,
            bbox: inside,
        };
        tracker.usual_response = tracker.look(image, depth).peak.response;
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
        let look = self.look(image, depth);
        let seen = look.verdict.seen;
        let depth_consistent = look.verdict.depth_agrees.is_none_or(|share| share > 0.5);
        let score = look.peak.to_sidelobe;
        let least = if self.lost_pictures > 0 {
            self.settings.found_again
        } else {
            self.settings.least_seen
        };
        let is_there = seen >= least * self.usually_seen
            && (self.lost_pictures == 0 || look.peak.response > 0.8 * self.usual_response);
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
        self.lost_pictures += 1;
        self.velocity = [0.0; 2];
        Tracked {
            bbox: self.bbox,
            state: State::Lost,
            score,
            seen,
            depth_consistent,
        }
    }

    /// The window to look at, and how far from its middle, in cells.
    fn window(&self, image: &ColorImage, depth: Option<&DepthImage>) -> (Window, [i32; 2]) {
        let size = f64::from(self.template.cell_px);
        let scale = self.scale(self.depth_m);
        let sides = [0, 1].map(|k| 2.0 * self.template.half_px[k] * f64::from(scale) / size);
        let mean_side = (sides[0] + sides[1]) / 2.0;
        let radius = (REACH_SHARE * mean_side).clamp(REACH_CELLS[0], REACH_CELLS[1])
            * f64::from(1 + self.lost_pictures.min(40));
        let whole = [image.width, image.height].map(|side| f64::from(side) / size);
        let radius = [0, 1].map(|k| radius.min(whole[k]) as i32);
        let reach = [0, 1].map(|k| radius[k] + (sides[k] / 2.0 * 1.5) as i32 + 6);
        let middle = [0, 1].map(|k| self.middle[k] + self.velocity[k]);
        (
            Window::around(image, depth, middle, reach, self.template.cell_px),
            radius,
        )
    }

    fn look(&self, image: &ColorImage, depth: Option<&DepthImage>) -> Look {
        let (window, radius) = self.window(image, depth);
        let likeness = likeness(&window, &self.template, self.depth_m);
        let search = |pose: &Pose, is_coarse| {
            Search::new(&window, &likeness, &self.template, pose, is_coarse)
        };
        let places = (2 * radius[0] + 1) * (2 * radius[1] + 1);
        let step = (f64::from(places / MOST_PLACES).sqrt().ceil() as i32).max(1);
        let place = |velocity: [f64; 2]| {
            let middle = [0, 1].map(|k| self.middle[k] + velocity[k]);
            window.cell_of(middle).map(|place| place as f32)
        };
        let mut pose = Pose {
            place: place(self.velocity),
            scale: self.scale(self.depth_m),
            depth_m: self.depth_m,
        };
        let peak = search(&pose, true).coarse(pose.place, radius, step);
        pose.place = peak.place;
        pose.place = search(&pose, false).fine(pose.place, step.min(4)).0;
        for most_m in [0.04, 0.015] {
            let Some(change_m) = depth_change_m(&window, &self.template, &pose, most_m) else {
                break;
            };
            pose.depth_m = pose.depth_m.map(|own| own + change_m);
            pose.scale = self.scale(pose.depth_m);
            pose.place = search(&pose, false).fine(pose.place, 1).0;
        }
        let judge = |pose: &Pose| exact_response(&window, &likeness, &self.template, pose);
        let mut response = judge(&pose);
        let unmoved = Pose {
            place: place([0.0; 2]),
            ..pose
        };
        let stays = judge(&unmoved);
        let mut size = self.size;
        if stays > response - STAYS {
            (pose, response) = (unmoved, stays);
        } else {
            (pose, response) = between_cells(pose, response, &judge);
        }
        if self.lost_pictures == 0 && pose.depth_m.is_none() {
            for change in SIZES {
                let trial = Pose {
                    scale: pose.scale * change,
                    ..pose
                };
                let likes = judge(&trial);
                if likes > response + SIZE_GAIN {
                    (pose, response, size) = (trial, likes, self.size * change);
                }
            }
        }
        let verdict = Verdict::of(&window, &self.template, &pose);
        Look {
            window,
            pose,
            verdict,
            size,
            peak: Peak { response, ..peak },
        }
    }

    /// The region's size in parts of the template's at that depth.
    fn scale(&self, depth_m: Option<f32>) -> f32 {
        match (self.template.depth_m, depth_m) {
            (Some(start_m), Some(now_m)) => (start_m / now_m).clamp(0.2, 5.0),
            _ => self.size,
        }
    }

    /// The region is where it was found.
    fn take_over(&mut self, look: &Look, image: &ColorImage) {
        let size = f64::from(self.template.cell_px);
        let window = &look.window;
        let middle =
            [0, 1].map(|k| f64::from(window.origin[k]) + f64::from(look.pose.place[k]) * size);
        let was_lost = self.lost_pictures > 0;
        for k in 0..2 {
            let moved = middle[k] - self.middle[k];
            self.velocity[k] = if was_lost {
                0.0
            } else {
                0.5 * (self.velocity[k] + moved)
            };
        }
        self.middle = middle;
        self.lost_pictures = 0;
        self.size = look.size;
        self.depth_m = look.pose.depth_m;
        let rate = 0.1;
        self.usually_seen += rate * (look.verdict.seen.max(0.5) - self.usually_seen);
        self.usual_response += rate * (look.peak.response - self.usual_response);
        let scale = f64::from(look.pose.scale);
        let half = [0, 1].map(|k| self.template.half_px[k] * scale);
        let cells = look.verdict.drawn_in(&self.template);
        let drawn_in = [0, 1, 2, 3].map(|side| f64::from(cells[side]) * size * scale);
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

/// What a tracker sees in a picture.
struct Look {
    window: Window,
    pose: Pose,
    verdict: Verdict,
    peak: Peak,
    size: f32,
}

/// The likeliest pose at halves and quarters of cells around one.
fn between_cells(mut pose: Pose, mut response: f32, judge: &impl Fn(&Pose) -> f32) -> (Pose, f32) {
    for step in [0.5, 0.25] {
        let around = pose.place;
        for (right, down) in [(-step, 0.0), (step, 0.0), (0.0, -step), (0.0, step)] {
            let trial = Pose {
                place: [around[0] + right, around[1] + down],
                ..pose
            };
            let likes = judge(&trial);
            if likes > response {
                (pose, response) = (trial, likes);
            }
        }
    }
    (pose, response)
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
