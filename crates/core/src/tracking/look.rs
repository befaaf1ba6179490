//! One look at a picture: where the region is likeliest, and what is seen of it there.

use super::cover::Cover;
use super::growth::grown;
use super::pose::Pose;
use super::recall::candidates;
use super::search::{Likeness, Peak, Search, exact_response, likeness};
use super::template::Template;
use super::verdict::{Fate, Verdict, depth_change_m};
use super::window::Window;
use crate::frame::{ColorImage, DepthImage};

/// Radius that is searched, as a share of the box's mean side, and the least and the most in cells.
const REACH_SHARE: f64 = 0.5;
const REACH_CELLS: [f64; 2] = [14.0, 32.0];
/// At most so many places are looked at in a first look.
const MOST_PLACES: i32 = 900;
/// A large window takes as long as ten small ones, and no object needs to be found at once.
const FAR_EVERY: u32 = 4;
/// A region stays where it was if another place does not look likelier by this much.
const STAYS: f32 = 0.008;
/// How the region may change its size from a picture to the next where depth does not say, and by how much likelier
/// that has to look.
const SIZES: [f32; 4] = [1.03, 0.97, 1.07, 0.93];
const SIZE_GAIN: f32 = 0.004;
/// A depth is measured anew among the points that are off by at most this, in metres.
const DEPTH_CHANGES_M: [f32; 2] = [0.04, 0.015];

/// Where a region was last.
#[derive(Debug, Clone)]
pub(super) struct Last {
    /// The whole box's middle, in pixels.
    pub(super) middle: [f64; 2],
    /// Pixels a picture.
    pub(super) velocity: [f64; 2],
    /// In parts of the template's, where depth does not say.
    pub(super) size: f32,
    /// By how many of the template's cells each side lies beyond where it was drawn.
    pub(super) grown: [f32; 4],
    pub(super) depth_m: Option<f32>,
    pub(super) lost_pictures: u32,
}

/// What is seen of a region in a picture.
pub(super) struct Look {
    pub(super) window: Window,
    pub(super) pose: Pose,
    pub(super) verdict: Verdict,
    pub(super) peak: Peak,
    pub(super) size: f32,
    pub(super) grown: [f32; 4],
}

impl Look {
    /// Where the object is seen in the picture.
    pub(super) fn cover(&self, template: &Template) -> Cover {
        let (window, pose) = (&self.window, &self.pose);
        let size = f64::from(window.cell_px);
        let in_picture = |place: [f32; 2]| {
            [0, 1].map(|k| f64::from(window.origin[k]) + f64::from(place[k]) * size)
        };
        let half = (template.half_px).map(|half| (half / size).ceil() as usize + 1);
        let mut cover = Cover::around(in_picture(pose.place), half, size * f64::from(pose.scale));
        for (point, fate) in template.points.iter().zip(&self.verdict.fates) {
            if *fate == Fate::Seen && point.inside {
                cover.mark(in_picture(pose.place_of(point.offset)));
            }
        }
        cover
    }
}

/// A region's template in a window.
struct Sight<'a> {
    template: &'a Template,
    last: &'a Last,
    window: &'a Window,
    likeness: &'a [Likeness],
}

impl Look {
    pub(super) fn at(
        image: &ColorImage,
        depth: Option<&DepthImage>,
        other: Option<&Cover>,
        template: &Template,
        last: &Last,
    ) -> Self {
        let (mut window, radius) = window(image, depth, template, last);
        if let Some(other) = other {
            window.leave_out(other, 0.0);
        }
        let likeness = likeness(&window, template, last.depth_m);
        let sight = Sight {
            template,
            last,
            window: &window,
            likeness: &likeness,
        };
        let (pose, peak) = sight.first(radius);
        let pose = sight.settled(pose);
        let (pose, response) = sight.between_cells(pose);
        let (pose, size) = sight.sized(pose, response);
        Self {
            verdict: Verdict::of(&window, template, &pose),
            grown: grown(&window, &likeness, template, &pose, last.grown),
            peak: Peak {
                response: sight.response(&pose),
                ..peak
            },
            window,
            pose,
            size,
        }
    }
}

impl Sight<'_> {
    fn search(&self, pose: &Pose, is_coarse: bool) -> Search<'_> {
        Search::new(self.window, self.likeness, self.template, pose, is_coarse)
    }

    fn response(&self, pose: &Pose) -> f32 {
        exact_response(self.window, self.likeness, self.template, pose)
    }

    fn place(&self, velocity: [f64; 2]) -> [f32; 2] {
        let middle = [0, 1].map(|k| self.last.middle[k] + velocity[k]);
        self.window.cell_of(middle).map(|place| place as f32)
    }

    /// The likeliest place at the last depth; of a lost region, also elsewhere.
    fn first(&self, radius: [i32; 2]) -> (Pose, Peak) {
        let (template, last) = (self.template, self.last);
        let mut pose = Pose {
            place: self.place(last.velocity),
            scale: scale(template, last, last.depth_m),
            depth_m: last.depth_m,
        };
        let places = (2 * radius[0] + 1) * (2 * radius[1] + 1);
        let step = (f64::from(places / MOST_PLACES).sqrt().ceil() as i32).max(1);
        let mut peak = self.search(&pose, true).coarse(pose.place, radius, step);
        if step > 2 {
            let cells = |half_px: f64| {
                (2.0 * half_px * f64::from(pose.scale) / f64::from(template.cell_px)) as i32
            };
            let sides = template.half_px.map(cells);
            let palette = &template.palette;
            for candidate in candidates(self.window, self.likeness, palette, sides, last.depth_m) {
                let trial = Pose {
                    place: candidate.place.map(|place| place as f32 + 0.5),
                    scale: scale(template, last, candidate.depth_m),
                    depth_m: candidate.depth_m,
                };
                let reach = sides.map(|side| (side / 4).clamp(2, 8));
                let found = self.search(&trial, true).coarse(trial.place, reach, 2);
                if found.response > peak.response {
                    peak = Peak {
                        to_sidelobe: peak.to_sidelobe,
                        ..found
                    };
                    pose = trial;
                }
            }
        }
        pose.place = peak.place;
        pose.place = self.search(&pose, false).fine(pose.place, step.min(3)).0;
        (pose, peak)
    }

    /// At the depth that is measured there, and of the size that follows.
    fn settled(&self, mut pose: Pose) -> Pose {
        for most_m in DEPTH_CHANGES_M {
            let Some(change_m) = depth_change_m(self.window, self.template, &pose, most_m) else {
                break;
            };
            pose.depth_m = pose.depth_m.map(|own| own + change_m);
            pose.scale = scale(self.template, self.last, pose.depth_m);
            pose.place = self.search(&pose, false).fine(pose.place, 1).0;
        }
        pose
    }

    /// Where it was, or at halves and quarters of cells around a pose.
    fn between_cells(&self, mut pose: Pose) -> (Pose, f32) {
        let mut response = self.response(&pose);
        let unmoved = Pose {
            place: self.place([0.0; 2]),
            ..pose
        };
        let stays = self.response(&unmoved);
        if stays > response - STAYS {
            return (unmoved, stays);
        }
        for step in [0.5, 0.25] {
            let around = pose.place;
            for (right, down) in [(-step, 0.0), (step, 0.0), (0.0, -step), (0.0, step)] {
                let trial = Pose {
                    place: [around[0] + right, around[1] + down],
                    ..pose
                };
                let likes = self.response(&trial);
                if likes > response {
                    (pose, response) = (trial, likes);
                }
            }
        }
        (pose, response)
    }

    /// Of the size that looks likeliest, where depth does not say; and that size.
    fn sized(&self, pose: Pose, mut response: f32) -> (Pose, f32) {
        let (mut best, mut size) = (pose, self.last.size);
        if self.last.lost_pictures == 0 && pose.depth_m.is_none() {
            for change in SIZES {
                let scale = pose.scale * change;
                let trial = Pose { scale, ..pose };
                let likes = self.response(&trial);
                if likes > response + SIZE_GAIN {
                    (best, response, size) = (trial, likes, self.last.size * change);
                }
            }
        }
        (best, size)
    }
}

/// The region's size in parts of the template's at that depth.
fn scale(template: &Template, last: &Last, depth_m: Option<f32>) -> f32 {
    match (template.depth_m, depth_m) {
        (Some(start_m), Some(now_m)) => (start_m / now_m).clamp(0.2, 5.0),
        _ => last.size,
    }
}

/// How many times as far a lost region is looked for: ever farther, in one picture of four.
fn farther(lost_pictures: u32) -> u32 {
    if lost_pictures % FAR_EVERY == FAR_EVERY - 1 {
        lost_pictures.saturating_add(1)
    } else {
        1
    }
}

/// The window to look at, and how far from its middle, in cells. A lost region's grows to the whole picture.
fn window(
    image: &ColorImage,
    depth: Option<&DepthImage>,
    template: &Template,
    last: &Last,
) -> (Window, [i32; 2]) {
    let size = f64::from(template.cell_px);
    let scale = f64::from(scale(template, last, last.depth_m));
    let sides = template.half_px.map(|half| 2.0 * half * scale / size);
    let mean_side = (sides[0] + sides[1]) / 2.0;
    let radius = (REACH_SHARE * mean_side).clamp(REACH_CELLS[0], REACH_CELLS[1])
        * f64::from(farther(last.lost_pictures));
    let whole = [image.width, image.height].map(|side| f64::from(side) / size);
    let radius = [0, 1].map(|k| radius.min(whole[k]) as i32);
    let reach = [0, 1].map(|k| radius[k] + (0.75 * sides[k]).min(whole[k]) as i32 + 6);
    let middle = [0, 1].map(|k| {
        let place = last.middle[k] + last.velocity[k] - template.within_pixel[k];
        place.round() as i32
    });
    let window = Window::around(image, depth, middle, reach, template.cell_px);
    (window, radius)
}
