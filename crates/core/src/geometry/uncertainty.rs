//! How far a distance may be off, from what it was measured with: how much of the nearness is completed and not seen, how
//! much of the outlines something hides, how well the regions explain their boxes, how noisy and how fine the depth is, how
//! far two completions disagree.

use crate::geometry::segment::{FULL_SCORE, Segments};
use crate::geometry::sides::{OUTWARD, empty_share};
use crate::geometry::window::Window;
use crate::statistics::STDS_OF_90_PERCENT;

/// More parts than two fingers have may be pieces of something else.
const FINGERS: usize = 2;
/// A sensor loses so many pixels at the edge of what is nearer.
const LOST_PX: isize = 4;

/// What speaks for an error, in metres. Half of the 90 % interval of a distance is a sum of them, weighted with
/// `OF_BOXES` or `OF_OUTLINES`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Evidence {
    /// The wider one of both regions' pixels.
    pub pixel_m: f32,
    /// By how much the gap would be wider between what is seen alone.
    pub completed_m: f32,
    /// How far the centres of both completions of the target are apart, along the distance.
    pub disagreement_m: f32,
    /// The noise of the noisier region's depth.
    pub noise_m: f32,
    /// The share of the boxes' sides that the regions do not explain, times the shorter box's longer side.
    pub unexplained_m: f32,
    /// The share of each box that its region leaves empty, times its longer side; the fingertip's first.
    pub empty_m: [f32; 2],
    /// The fingertip box's longer side, if there are more parts than fingers.
    pub scattered_m: f32,
    /// The share of each region's outline that something else hides, times its box's longer side.
    pub hidden_m: [f32; 2],
    /// The same for what the other region hides.
    pub behind_m: [f32; 2],
    /// The longer sides of the boxes.
    pub sides_m: [f32; 2],
    /// The distance between the centres.
    pub center_m: f32,
    /// The longest side of both boxes, if nothing but nearness tells the regions apart; added as it is.
    pub guess_m: f32,
    /// Both regions are outlined, and the evidence weighs as `OF_OUTLINES` say.
    pub is_outlined: bool,
}

/// The fields of `Evidence` but the last two, in their order.
const TERMS: usize = 15;

/// The weights of the evidence for each kind of distance: what benchmarks/fit_uncertainty.py makes of 68 recordings of five
/// grippers (docs/performance.md), by quantile regression without negative weights. The intervals hold more than 90 of 100
/// truths there, for they hold fewer of grippers that nothing was fitted to.
struct Weights {
    center: [f32; TERMS],
    surface: [f32; TERMS],
    cloud: [f32; TERMS],
}

const OF_BOXES: Weights = Weights {
    center: [
        1.578, 0.304, 0.536, 2.738, 0.512, 0.285, 0.022, 0.278, 0.152, 0.029, 9.288, 0.558, 0.022,
        0.022, 0.061,
    ],
    surface: [
        0.111, 0.038, 0.064, 2.492, 0.439, 0.030, 0.003, 0.418, 0.027, 0.227, 1.259, 0.246, 0.001,
        0.0, 0.0,
    ],
    cloud: [
        2.955, 0.006, 0.101, 0.813, 0.394, 0.013, 0.0, 0.183, 0.035, 0.136, 1.516, 0.297, 0.089,
        0.008, 0.023,
    ],
};

/// The same of outlined regions: of 60 recordings of three grippers with the outlines of what is seen, exact and 2 pixels too
/// wide. Nothing is unexplained there.
const OF_OUTLINES: Weights = Weights {
    center: [
        0.0, 0.0, 1.453, 0.419, 0.0, 0.047, 0.005, 0.203, 0.0, 0.0, 0.170, 0.229, 0.146, 0.0, 0.013,
    ],
    surface: [
        0.068, 0.286, 0.075, 1.545, 0.0, 0.023, 0.001, 0.139, 0.107, 0.009, 0.275, 0.103, 0.0, 0.0,
        0.0,
    ],
    cloud: [
        2.185, 0.180, 0.066, 1.659, 0.0, 0.0, 0.0, 0.010, 0.161, 0.116, 0.109, 0.030, 0.0, 0.060,
        0.001,
    ],
};

/// What no recording is noisy and crowded enough to show: an outline is known to a fifth of a pixel at best.
const SHARPEST_PX: f32 = 0.2;

/// Standard deviations, metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Deviations {
    pub center_m: f32,
    pub surface_m: f32,
    pub cloud_m: f32,
}

impl Evidence {
    /// Of two regions that were found in a window, as long as nothing is completed. The masks are of the fingertip and of the
    /// target.
    pub(super) fn of_regions(
        window: &Window,
        fingertip: &[usize],
        segments: &Segments,
        masks: [&[bool]; 2],
    ) -> Self {
        let target = &segments.target;
        let depth_m = |pixels: &[usize]| {
            pixels.iter().map(|&i| window.depth_m[i]).sum::<f32>() / pixels.len() as f32
        };
        let regions = [(fingertip, &window.fingertip), (&**target, &window.target)];
        let pixels_m = regions.map(|(pixels, _)| window.footprint_m(depth_m(pixels)));
        let side_px = regions.map(|(_, bbox)| bbox.width().max(bbox.height()) as f32);
        let sides_m = [0, 1].map(|k| side_px[k] * pixels_m[k]);
        let empty = regions.map(|(pixels, bbox)| empty_share(pixels.len(), bbox) as f32);
        let unexplained = 1.0 - segments.score as f32 / FULL_SCORE as f32;
        let hidden = [
            hidden(window, fingertip, masks),
            hidden(window, target, [masks[1], masks[0]]),
        ];
        Self {
            pixel_m: pixels_m[0].max(pixels_m[1]),
            noise_m: window.noise_m(fingertip).max(window.noise_m(target)),
            unexplained_m: unexplained * sides_m[0].min(sides_m[1]),
            empty_m: [0, 1].map(|k| empty[k] * sides_m[k]),
            scattered_m: if segments.fingertip_parts.len() > FINGERS {
                sides_m[0]
            } else {
                0.0
            },
            hidden_m: [0, 1].map(|k| hidden[k].by_others * sides_m[k]),
            behind_m: [0, 1].map(|k| hidden[k].by_region * sides_m[k]),
            sides_m,
            guess_m: if segments.is_guess() {
                sides_m[0].max(sides_m[1])
            } else {
                0.0
            },
            is_outlined: window.masks.iter().all(Option::is_some),
            ..Self::default()
        }
    }

    pub(super) fn deviations(&self) -> Deviations {
        let terms = self.terms();
        let std_m = |weights: &[f32; TERMS], least_m: f32| {
            let weighted = weights
                .iter()
                .zip(&terms)
                .map(|(weight, term)| weight * term);
            (least_m + self.guess_m + weighted.sum::<f32>()) / STDS_OF_90_PERCENT as f32
        };
        let weights = match self.is_outlined {
            true => &OF_OUTLINES,
            false => &OF_BOXES,
        };
        Deviations {
            center_m: std_m(&weights.center, 0.0),
            surface_m: std_m(&weights.surface, SHARPEST_PX * self.pixel_m),
            cloud_m: std_m(&weights.cloud, 0.0),
        }
    }

    /// In the order of the fields; without `guess_m`, which is no matter of weights.
    pub(super) fn terms(&self) -> [f32; TERMS] {
        [
            self.pixel_m,
            self.completed_m,
            self.disagreement_m,
            self.noise_m,
            self.unexplained_m,
            self.empty_m[0],
            self.empty_m[1],
            self.scattered_m,
            self.hidden_m[0],
            self.hidden_m[1],
            self.behind_m[0],
            self.behind_m[1],
            self.sides_m[0],
            self.sides_m[1],
            self.center_m,
        ]
    }
}

/// Shares of a region's outline.
struct Hidden {
    by_region: f32,
    by_others: f32,
}

/// How much of a region's outline borders on something nearer: there it does not end, it goes on behind that. The masks are
/// its own and the other region's.
fn hidden(window: &Window, pixels: &[usize], [own, other]: [&[bool]; 2]) -> Hidden {
    let (mut outline, mut by_region, mut by_others) = (0_u32, 0_u32, 0_u32);
    for &i in pixels {
        let nearest_m = window.depth_m[i] - window.jump_m(window.depth_m[i]);
        let (mut ends, mut region, mut others) = (false, false, false);
        for (dx, dy) in OUTWARD {
            if own[window.beside(i, dx, dy)] {
                continue;
            }
            ends = true;
            // Across the pixels that the sensor lost.
            let beside = (1..=LOST_PX).map(|k| window.beside(i, k * dx, k * dy));
            let seen = beside
                .into_iter()
                .find(|&j| own[j] || !window.depth_m[j].is_nan());
            if let Some(j) = seen
                && !own[j]
                && window.depth_m[j] < nearest_m
            {
                region |= other[j];
                others |= !other[j];
            }
        }
        outline += u32::from(ends);
        by_region += u32::from(region);
        by_others += u32::from(others && !region);
    }
    let share = |count: u32| count as f32 / outline.max(1) as f32;
    Hidden {
        by_region: share(by_region),
        by_others: share(by_others),
    }
}
