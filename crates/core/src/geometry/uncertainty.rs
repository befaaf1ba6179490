//! How far a distance may be off, from what it was measured with: how much of the nearness is completed and not seen, how
//! well the regions explain their boxes, how noisy and how fine the depth is, how far two completions disagree.

use crate::geometry::segment::{FULL_SCORE, Segments};
use crate::geometry::window::Window;
use crate::statistics::STDS_OF_90_PERCENT;

/// More parts than two fingers have may be pieces of something else.
const FINGERS: usize = 2;

/// Half of the 90 % interval of each kind as a sum of evidence, in the order of `Evidence::deviations`. Fitted to 35
/// recordings of five grippers (sim/README.md) by quantile regression without negative weights, so that it holds 94 of 100
/// truths there, each recording weighing the same; `CLOUD` is a fifth wider, for another renderer's recordings asked for it.
const CENTER: [f32; 6] = [3.43, 1.36, 0.76, 0.037, 0.18, 0.48];
const SURFACE: [f32; 6] = [0.25, 1.84, 2.13, 0.029, 0.064, 0.35];
/// What no recording is noisy and crowded enough to show: an outline is known to a fifth of a pixel at best.
const SHARPEST_PX: f32 = 0.2;
const CLOUD: [f32; 5] = [4.8, 1.34, 0.058, 0.055, 0.43];

/// What speaks for an error, in metres.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// The wider one of both regions' pixels.
    pub pixel_m: f32,
    /// By how much the gap would be wider between what is seen alone.
    pub completed_m: f32,
    /// How far the centres of both completions of the target are apart.
    pub disagreement_m: f32,
    /// The noise of the noisier region's depth.
    pub noise_m: f32,
    /// The sides of the boxes, the fingertip's first.
    pub sides_m: [f32; 2],
    /// The share of each box that its region leaves empty.
    pub empty: [f32; 2],
    /// The share of the boxes' sides that the regions do not explain.
    pub unexplained: f32,
    /// The fingertip's parts.
    pub parts: usize,
}

/// Standard deviations, metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Deviations {
    pub center_m: f32,
    pub surface_m: f32,
    pub cloud_m: f32,
}

impl Evidence {
    /// Of two regions that were found in a window, as long as nothing is completed.
    pub(super) fn of_regions(window: &Window, fingertip: &[usize], segments: &Segments) -> Self {
        let target = &segments.target;
        let depth_m = |pixels: &[usize]| {
            pixels.iter().map(|&i| window.depth_m[i]).sum::<f32>() / pixels.len() as f32
        };
        let regions = [(fingertip, &window.fingertip), (&**target, &window.target)];
        let pixels_m = regions.map(|(pixels, _)| window.footprint_m(depth_m(pixels)));
        let side_px = regions.map(|(_, bbox)| bbox.width().max(bbox.height()) as f32);
        let empty = regions.map(|(pixels, bbox)| {
            let share = pixels.len() as f64 / (bbox.width() * bbox.height());
            (1.0 - share).max(0.0) as f32
        });
        Self {
            pixel_m: pixels_m[0].max(pixels_m[1]),
            completed_m: 0.0,
            disagreement_m: 0.0,
            noise_m: window.noise_m(fingertip).max(window.noise_m(target)),
            sides_m: [0, 1].map(|k| side_px[k] * pixels_m[k]),
            empty,
            unexplained: 1.0 - segments.score as f32 / FULL_SCORE as f32,
            parts: segments.fingertip_parts.len(),
        }
    }

    /// For a distance between the centres that came out so.
    pub(super) fn deviations(&self, center_m: f32) -> Deviations {
        let [fingertip_m, target_m] = self.sides_m;
        let unexplained_m = self.unexplained * fingertip_m.min(target_m);
        let scattered_m = if self.parts > FINGERS {
            fingertip_m
        } else {
            0.0
        };
        let [empty_fingertip_m, empty_target_m] = [0, 1].map(|k| self.empty[k] * self.sides_m[k]);
        let center_m = CENTER[0] * self.pixel_m
            + CENTER[1] * self.disagreement_m
            + CENTER[2] * unexplained_m
            + CENTER[3] * center_m
            + CENTER[4] * empty_target_m
            + CENTER[5] * scattered_m;
        let surface_m = SHARPEST_PX * self.pixel_m
            + SURFACE[0] * self.completed_m
            + SURFACE[1] * self.noise_m
            + SURFACE[2] * unexplained_m
            + SURFACE[3] * empty_fingertip_m
            + SURFACE[4] * empty_target_m
            + SURFACE[5] * scattered_m;
        let cloud_m = CLOUD[0] * self.pixel_m
            + CLOUD[1] * unexplained_m
            + CLOUD[2] * fingertip_m
            + CLOUD[3] * target_m
            + CLOUD[4] * scattered_m;
        let one = |half_width_m: f32| half_width_m / STDS_OF_90_PERCENT as f32;
        Deviations {
            center_m: one(center_m),
            surface_m: one(surface_m),
            cloud_m: one(cloud_m),
        }
    }
}
