//! Where the two regions of a measurement are in space, for what is no distance between them: heights, what moved, what lies
//! on or in what.

use nalgebra::Vector3;

use super::background::{Plane, planes};
use super::segment::Segments;
use super::solid::{Point, point};
use super::window::{IN_FINGERTIP, IN_TARGET, RING_FINGERTIP, RING_TARGET, Window};
use crate::frame::{RegionInSpace, RegionsInSpace, StandingPlane};

/// Points of a region that are told; more do not say more of its sides and its top.
const MAX_POINTS: usize = 96;

/// Of what is seen. `centers` are those of the completed regions, fingertip first.
pub(super) fn in_space(
    window: &Window,
    segments: &Segments,
    centers: [Point; 2],
) -> RegionsInSpace {
    let [fingertip_center, target_center] = centers;
    let fingertip = segments.fingertip();
    RegionsInSpace {
        fingertip: RegionInSpace {
            center: fingertip_center.into(),
            points: seen(window, &fingertip),
            stands_on: standing(
                window,
                &fingertip,
                IN_FINGERTIP,
                RING_FINGERTIP,
                window.fingertip.center(),
            ),
            axis: None,
        },
        target: RegionInSpace {
            center: target_center.into(),
            points: seen(window, &segments.target),
            stands_on: standing(
                window,
                &segments.target,
                IN_TARGET,
                RING_TARGET,
                window.target.center(),
            ),
            axis: None,
        },
    }
}

fn seen(window: &Window, pixels: &[usize]) -> Vec<[f32; 3]> {
    let every = pixels.len().div_ceil(MAX_POINTS).max(1);
    let pixels = pixels.iter().step_by(every);
    pixels.map(|&pixel| point(window, pixel).into()).collect()
}

/// The plane around a region that its lowest part is nearest to.
fn standing(
    window: &Window,
    pixels: &[usize],
    in_box: u8,
    in_ring: u8,
    center: [f64; 2],
) -> Option<StandingPlane> {
    let points = seen(window, pixels);
    let planes = planes(window, in_box, in_ring, center);
    let planes = planes.iter().filter_map(standing_plane);
    planes.min_by(|own, other| {
        let gap = |plane: &StandingPlane| plane.lowest_m(&points).abs();
        gap(own).total_cmp(&gap(other))
    })
}

/// From a plane in disparity, a x/z + b y/z + c = 1/z, to the same in metres.
fn standing_plane(plane: &Plane) -> Option<StandingPlane> {
    let slope = Vector3::from(plane.coefficients());
    let norm = slope.norm();
    // Points on the camera's side of the plane are above it.
    (norm > f32::EPSILON).then(|| StandingPlane {
        up: (-slope / norm).into(),
        camera_m: 1.0 / norm,
    })
}
