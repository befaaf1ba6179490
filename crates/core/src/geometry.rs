//! Distances between two image regions, measured from depth: `center`, `surface` and `cloud`.
//!
//! In four steps, each of modules: cut the window around the boxes out of the depth image and denoise
//! it (`window`); take away the planes that run on behind the boxes (`background`) and tell the
//! regions apart (`segment`, `surfaces`, `piece`, `sides`, `bystanders`, `parts`, `outlined`); complete each region's hidden half by
//! symmetry (`solid`, `finger`, `outline`) or round cross-sections (`inflate`); measure between the completed clouds
//! (`cloud`), and tell how far that may be off (`uncertainty`).
//!
//! Constants are shares of the box, the depth or the pixel's footprint, but for two lengths of a hand's
//! scale (`MIN_SPREAD_M`, `CLOSE_M`); nothing is fitted to a robot or a camera but the weights of the uncertainty.

mod background;
pub(crate) mod ball;
mod bystanders;
pub mod camera;
mod cloud;
mod finger;
pub(crate) mod hull;
mod in_space;
mod inflate;
mod outline;
mod outlined;
mod parts;
mod piece;
mod segment;
mod sides;
mod solid;
mod surfaces;
#[cfg(test)]
mod tests;
mod uncertainty;
mod window;

use crate::estimator::{Estimator, Profile};
use crate::frame::{
    BoundingBox, DepthImage, Frame, Intrinsics, LazyColorImage, Measurement, Reason, Regions,
};
use crate::settings::Geometry;
pub use cloud::{gap_m, mean_nearest_of_samples_m};
use inflate::inflated;
use segment::Segments;
pub use solid::Point;
use solid::Solid;
use uncertainty::Evidence;
use window::{DepthRange, Window};

/// A part smaller than this share of the largest one tells nothing of the fingertip's centre, unless
/// it alone explains a side of the box.
const MIN_CENTER_SHARE: f32 = 0.25;
/// From one share of its box to the other that a target leaves empty, its centre goes over from that of its point symmetry to
/// that of the volume of round cross-sections.
const CROOKED_EMPTY: [f64; 2] = [0.3, 0.6];

/// Measures the distance from depth, without any model.
pub struct GeometryEstimator {
    range: DepthRange,
    min_pixels: usize,
    tells_space: bool,
}

impl GeometryEstimator {
    /// As `estimator.kind` names it.
    pub const NAME: &'static str = Profile::GEOMETRY.name;

    /// With these limits.
    pub fn new(settings: &Geometry) -> Self {
        Self {
            range: DepthRange {
                min_m: settings.min_depth_m as f32,
                max_m: settings.max_depth_m as f32,
            },
            min_pixels: settings.min_pixels as usize,
            tells_space: false,
        }
    }

    /// The same, which also tells where both regions are in space ([`Measurement::in_space`]) where that is asked for.
    #[must_use]
    pub fn telling_space(self, tells_space: bool) -> Self {
        Self {
            tells_space,
            ..self
        }
    }

    /// All three distances and their standard deviations.
    ///
    /// `color` helps to tell touching surfaces apart where depth alone does not; `depth` must be
    /// registered to it, at whatever resolution; `intrinsics` and `regions` speak of the colour image.
    ///
    /// # Errors
    /// `box_outside_image` if a box has no part inside the image, `depth_invalid` if a region has too
    /// few pixels with usable depth, `no_image` if colour is needed and does not decode.
    pub fn measure(
        &self,
        color: &LazyColorImage,
        depth: &DepthImage,
        intrinsics: &Intrinsics,
        regions: &Regions,
    ) -> Result<Measurement, Reason> {
        let (window, segments) = self.separate(color, depth, intrinsics, regions)?;
        let fingertip = segments.fingertip();
        let masks = [&fingertip, &segments.target].map(|pixels| window.mask(pixels));
        let target = solid::object(&window, &segments.target, &window.target, &masks[0]);
        let axes = finger::axes(&window, &segments.fingertip_parts, &segments.target);
        let parts = fingertip_solids(&window, &segments, &axes, &masks[1]);
        let center = fingertip_center(&window, &segments, &axes, &parts);
        let is_supported = parts.iter().all(|part| part.is_supported);
        let symmetric: Vec<Point> = parts.into_iter().flat_map(|part| part.surface).collect();
        let clouds = [&fingertip, &segments.target].map(|pixels| seen(&window, pixels));
        let round_target = inflated(&window, &segments.target);
        let mut evidence =
            Evidence::of_regions(&window, &fingertip, &segments, [&masks[0], &masks[1]]);
        let distances_m = [&target.center, &round_target.center].map(|c| (center - c).norm());
        evidence.disagreement_m = (distances_m[0] - distances_m[1]).abs();
        let crooked = crooked(segments.target.len(), &window.target);
        let target_center = target.center + (round_target.center - target.center) * crooked;
        let center_m = (center - target_center).norm();
        evidence.center_m = center_m;
        let seen_m = cloud::rough_gap_m(&clouds[0], &clouds[1]);
        let mut surface_m = cloud::gap_m(&symmetric, &target.surface);
        if !is_supported && surface_m < seen_m - evidence.pixel_m {
            // Either completion may add what is not there: what both add counts.
            let parts = segments.fingertip_parts.iter();
            let round = parts.flat_map(|part| inflated(&window, part).surface);
            let round: Vec<Point> = round.collect();
            surface_m = surface_m.max(cloud::rough_gap_m(&round, &round_target.surface));
        }
        evidence.completed_m = (seen_m - surface_m).max(0.0);
        let std = evidence.deviations();
        // What `benchmarks/fit_uncertainty.py` reads.
        tracing::trace!(terms_m = ?evidence.terms(), "evidence");
        let in_space = self
            .tells_space
            .then(|| in_space::in_space(&window, &segments, [center, target_center]));
        Ok(Measurement {
            center_m: Some(center_m.into()),
            surface_m: Some(surface_m.into()),
            cloud_m: Some(cloud::mean_nearest_m(&clouds[0], &clouds[1]).into()),
            center_std_m: Some(std.center_m.into()),
            surface_std_m: Some(std.surface_m.into()),
            cloud_std_m: Some(std.cloud_m.into()),
            own_confidence: None,
            answer: None,
            in_space: in_space.map(Box::new),
        })
    }

    /// What is seen of fingertip and target, in this order: points in the camera's optical frame.
    ///
    /// # Errors
    /// Those of [`measure`](Self::measure), which takes the same.
    pub fn visible_clouds(
        &self,
        color: &LazyColorImage,
        depth: &DepthImage,
        intrinsics: &Intrinsics,
        regions: &Regions,
    ) -> Result<[Vec<Point>; 2], Reason> {
        let (window, segments) = self.separate(color, depth, intrinsics, regions)?;
        Ok([
            seen(&window, &segments.fingertip()),
            seen(&window, &segments.target),
        ])
    }

    /// What of a picture is looked at to measure a region, in pixels; it may reach beyond the picture.
    pub fn surroundings(region: &BoundingBox) -> BoundingBox {
        window::ring_of(region)
    }

    fn separate<'a>(
        &self,
        color: &'a LazyColorImage,
        depth: &DepthImage,
        intrinsics: &Intrinsics,
        regions: &Regions,
    ) -> Result<(Window<'a>, Segments), Reason> {
        let window = Window::cut(color, depth, intrinsics, regions, self.range)
            .ok_or(Reason::BoxOutsideImage)?;
        let segments = segment::segment(&window, self.min_pixels)?;
        if !segments.holds(self.min_pixels) {
            return Err(Reason::DepthInvalid);
        }
        Ok((window, segments))
    }
}

fn seen(window: &Window, pixels: &[usize]) -> Vec<Point> {
    pixels.iter().map(|&i| solid::point(window, i)).collect()
}

impl Estimator for GeometryEstimator {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn estimate(&self, frame: &Frame, regions: &Regions) -> Result<Measurement, Reason> {
        let depth = frame.depth.as_ref().ok_or(Reason::NoDepth)?;
        // Without a calibration, depth cannot be turned into points.
        let intrinsics = frame.intrinsics.as_ref().ok_or(Reason::DepthInvalid)?;
        self.measure(&frame.color, depth, intrinsics, regions)
    }
}

/// How crooked or slanted an object is, 0 to 1: how little of its box it fills. The middle of a box of which little is filled
/// need not be the object's.
fn crooked(pixels: usize, bbox: &BoundingBox) -> f32 {
    let [least, most] = CROOKED_EMPTY;
    ((sides::empty_share(pixels, bbox) - least) / (most - least)).clamp(0.0, 1.0) as f32
}

fn fingertip_solids(
    window: &Window,
    segments: &Segments,
    axes: &[Option<finger::Axis>],
    target_mask: &[bool],
) -> Vec<Solid> {
    let complete = |(part, axis): (&Vec<usize>, &Option<finger::Axis>)| match axis {
        Some(axis) => finger::finger(window, part, *axis),
        None => solid::object(window, part, &window.extent(part), target_mask),
    };
    segments
        .fingertip_parts
        .iter()
        .zip(axes)
        .map(complete)
        .collect()
}

/// The mean of the centres of the parts that are fingers' ends, each finger counted once however much of it shows.
fn fingertip_center(
    window: &Window,
    segments: &Segments,
    axes: &[Option<finger::Axis>],
    solids: &[Solid],
) -> Point {
    let parts = &segments.fingertip_parts;
    let are_ends = finger::are_ends(window, parts, axes, &segments.target);
    let ends = || {
        let parts = parts.iter().zip(solids).zip(&are_ends);
        parts.filter(|(_, is_end)| **is_end).map(|(part, _)| part)
    };
    // The largest comes first.
    let largest = ends().next().map_or(0, |(pixels, _)| pixels.len());
    let mut reached = 0;
    let counted = ends().filter(|(pixels, _)| {
        let sides = sides::sides_touched(window, pixels, &window.fingertip);
        let large = pixels.len() as f32 >= MIN_CENTER_SHARE * largest as f32;
        let counts = large || sides & !reached != 0;
        reached |= sides;
        counts
    });
    let centers: Vec<Point> = counted.map(|(_, part)| part.center).collect();
    centers.iter().sum::<Point>() / centers.len() as f32
}
