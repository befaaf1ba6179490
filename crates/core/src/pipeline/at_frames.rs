//! Regions that are at TF frames: the ball around a frame's point, the box that the camera sees of it, and what stands
//! before it. Boxes come from here in the place of a detector's, and are measured like those.

use nalgebra::{Point3, Vector3};

use crate::frame::{
    BoundingBox, BoxOrigin, BoxSource, DepthImage, Doubt, Intrinsics, Measurement, Reason,
};
use crate::geometry::{ball, camera};
use crate::settings::{Region, Regions};
use crate::stamp::seconds_between;
use crate::statistics::median;
use crate::transforms::{TransformError, TransformTree};

/// So much a surface may be nearer than the balls of two frames allow.
const SLACK_M: f64 = 0.005;
/// The part of a box's sides, around its middle, in which depth tells what stands before it.
const MIDDLE_SHARE: f64 = 0.5;

/// Where the regions at frames are for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Places {
    /// The fingertip, or in words why nobody knows; `None` if it is at no frame.
    pub fingertip: Option<Result<Place, String>>,
    /// The same of the target.
    pub target: Option<Result<Place, String>>,
    /// Between the points of both regions in metres, where both are at frames and these are connected.
    pub tf_m: Option<f64>,
}

/// Where a region's point is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// In the camera's coordinates, in metres.
    pub point: Vector3<f64>,
    /// The z axis of its frame, in the camera's coordinates and of length 1.
    pub axis: Vector3<f64>,
    /// How old that is.
    pub source: BoxSource,
}

impl Places {
    /// As transforms tell for an image of a coordinate frame at a stamp.
    pub fn of(
        regions: &Regions,
        transforms: &TransformTree,
        camera_frame: &str,
        stamp_nanos: i64,
    ) -> Self {
        let place = |region: &Region| {
            let found = place_in(camera_frame, region, transforms, stamp_nanos);
            let words = |error| Some(Err(not_known(camera_frame, region, transforms, &error)));
            found.map_or_else(words, |found| found.map(Ok))
        };
        Self {
            fingertip: place(&regions.fingertip),
            target: place(&regions.target),
            tf_m: tf_m(regions, transforms, stamp_nanos).ok().flatten(),
        }
    }

    /// Why a region's place is not known, if one's is not.
    pub fn missing(&self) -> Option<&str> {
        let both = [&self.fingertip, &self.target].into_iter().flatten();
        both.filter_map(|place| place.as_ref().err())
            .map(String::as_str)
            .next()
    }
}

/// Why a region is nowhere for a camera, in words. Of a name that nobody knows it says which there are.
fn not_known(
    camera_frame: &str,
    region: &Region,
    transforms: &TransformTree,
    error: &TransformError,
) -> String {
    let frame = region.frame.as_deref().unwrap_or_default();
    let words = format!("where '{frame}' is for the camera '{camera_frame}' is not known: {error}");
    match error {
        TransformError::UnknownFrame { .. } => format!("{words}; {}", transforms.in_words()),
        _ => words,
    }
}

/// The distance between the points of both regions in metres; `None` unless both are at frames.
///
/// # Errors
/// Why one frame is not found from the other at the stamp.
pub fn tf_m(
    regions: &Regions,
    transforms: &TransformTree,
    stamp_nanos: i64,
) -> Result<Option<f64>, TransformError> {
    let [fingertip, target] = [&regions.fingertip, &regions.target];
    let (Some(into), Some(from)) = (&fingertip.frame, &target.frame) else {
        return Ok(None);
    };
    let into_from = transforms.lookup(into, from, stamp_nanos)?;
    let between = into_from * offset(target) - offset(fingertip);
    Ok(Some(between.norm()))
}

/// Where a region's point is in a camera's coordinates, and how old that is; `None` for a region that is at no frame.
///
/// # Errors
/// Why the frame is not found from the camera's at the stamp.
pub fn place_in(
    camera_frame: &str,
    region: &Region,
    transforms: &TransformTree,
    stamp_nanos: i64,
) -> Result<Option<Place>, TransformError> {
    let Some(frame) = &region.frame else {
        return Ok(None);
    };
    let looked = transforms.look(camera_frame, frame, stamp_nanos)?;
    let source = BoxSource {
        origin: BoxOrigin::Frame,
        age_s: seconds_between(0, looked.age_nanos),
        doubt: Doubt::default(),
    };
    let point = looked.into_from * offset(region);
    Ok(Some(Place {
        point: point.coords,
        axis: looked.into_from * Vector3::z(),
        source,
    }))
}

/// What TF contradicts was measured at something else: between the surfaces of the balls at both frames, `tf_m` apart, there is
/// at least what their radii leave.
///
/// # Errors
/// `implausible_distance` where the surfaces came out nearer.
pub fn believed(
    regions: &Regions,
    tf_m: Option<f64>,
    measured: Measurement,
) -> Result<Measurement, Reason> {
    let radii_m = (regions.fingertip.size_m + regions.target.size_m) / 2.0;
    let least_m = tf_m.map(|tf_m| tf_m - radii_m - SLACK_M);
    match (least_m, measured.surface_m) {
        (Some(least_m), Some(surface_m)) if surface_m < least_m => Err(Reason::ImplausibleDistance),
        _ => Ok(measured),
    }
}

fn offset(region: &Region) -> Point3<f64> {
    let [x, y, z] = region.offset_m.map_or([0.0; 3], |offset| offset.0);
    Point3::new(x, y, z)
}

/// What a region at a frame is taken to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ball {
    /// In pixels of the colour image; it may reach beyond that.
    pub bbox: BoundingBox,
    /// Its middle in the camera's coordinates, in metres.
    middle: Vector3<f64>,
    /// Its diameter, in metres.
    size_m: f64,
}

impl Ball {
    /// As a camera sees it; `None` behind the camera or beyond what its lens shows.
    pub fn seen(point: Vector3<f64>, size_m: f64, camera: &Intrinsics) -> Option<Self> {
        Some(Self {
            bbox: ball::bounding_box(camera, point, size_m / 2.0)?,
            middle: point,
            size_m,
        })
    }

    /// Whether depth, in the pixels of a picture of that size, speaks against it.
    ///
    /// # Errors
    /// `occluded` where the middle of its box is nearer than the point by more than its size: half of that is the ball's
    /// own front, and as much again is left to noise, to a frame that is a little off, and to objects that are no balls.
    /// `depth_invalid` where its box shows only what is farther from the point than its size, such as the wall between two
    /// fingers: that would be measured in its place. Where nothing was measured, nothing speaks against it.
    pub fn check(
        &self,
        depth: &DepthImage,
        picture: (u32, u32),
        camera: &Intrinsics,
    ) -> Result<(), Reason> {
        let scale = [
            f64::from(depth.width) / f64::from(picture.0),
            f64::from(depth.height) / f64::from(picture.1),
        ];
        let inside = self.bbox.scaled(scale[0], scale[1]);
        let Some(inside) = inside.clipped(depth.width, depth.height) else {
            return Ok(());
        };
        let camera = camera.resized(depth.width, depth.height);
        let mut in_middle = Vec::new();
        let (mut measured, mut near) = (0_usize, 0_usize);
        each_pixel(&inside, depth, |x, y, depth_m| {
            let point = camera::ray(&camera, x, y).push(1.0) * depth_m;
            measured += 1;
            near += usize::from((point - self.middle).norm() <= self.size_m);
            let [middle_x, middle_y] = inside.center();
            let is_middle = (x + 0.5 - middle_x).abs() <= inside.width() * MIDDLE_SHARE / 2.0
                && (y + 0.5 - middle_y).abs() <= inside.height() * MIDDLE_SHARE / 2.0;
            in_middle.extend(is_middle.then_some(depth_m));
        });
        let nearest_m = self.middle.z - self.size_m;
        if median(&in_middle).is_some_and(|middle_m| middle_m < nearest_m) {
            return Err(Reason::Occluded);
        }
        match measured > 0 && near == 0 {
            true => Err(Reason::DepthInvalid),
            false => Ok(()),
        }
    }
}

/// Each pixel of a box that was measured: its column, its row, and metres along the optical axis.
pub(super) fn each_pixel(
    inside: &BoundingBox,
    depth: &DepthImage,
    mut see: impl FnMut(f64, f64, f64),
) {
    let columns = inside.x_min as usize..inside.x_max.ceil() as usize;
    let rows = inside.y_min as usize..inside.y_max.ceil() as usize;
    let mut row_m = vec![f32::NAN; columns.len()];
    for row in rows {
        depth.read_row(row, columns.start, &mut row_m);
        for (column, depth_m) in columns.clone().zip(&row_m) {
            if depth_m.is_finite() && *depth_m > 0.0 {
                see(column as f64, row as f64, f64::from(*depth_m));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Isometry3;

    use super::*;
    use crate::frame::Distortion;
    use crate::settings::Offset;

    const CAMERA: Intrinsics = Intrinsics {
        width: 160,
        height: 120,
        fx: 100.0,
        fy: 100.0,
        cx: 80.0,
        cy: 60.0,
        distortion: Distortion::None,
    };

    fn at(frame: &str, offset_m: [f64; 3]) -> Region {
        Region {
            frame: Some(frame.to_owned()),
            offset_m: Some(Offset(offset_m)),
            ..Region::default()
        }
    }

    fn transforms() -> TransformTree {
        let mut transforms = TransformTree::new(0);
        for (child, x) in [("camera", 1.0), ("tip", 1.25), ("cup", 1.5)] {
            let base_from_child = Isometry3::translation(x, 0.0, 0.0);
            transforms
                .insert("base", child, 0, base_from_child, true)
                .unwrap();
        }
        transforms
    }

    #[test]
    fn a_point_is_the_frame_s_with_its_offset() {
        // given a tip with an offset along its axis
        let tip = at("tip", [0.0, 0.0, 0.5]);
        // when it is asked for in the camera's coordinates
        let found = place_in("/camera", &tip, &transforms(), 7).unwrap();
        // then
        let Place {
            point,
            axis,
            source,
        } = found.unwrap();
        assert_eq!((point, axis), (Vector3::new(0.25, 0.0, 0.5), Vector3::z()));
        assert_eq!((source.origin, source.age_s), (BoxOrigin::Frame, 0.0));
        // and a region at no frame has no point, and one that nobody named is an error
        let of_boxes = place_in("camera", &Region::default(), &transforms(), 7);
        assert_eq!(of_boxes, Ok(None));
        assert!(place_in("camera", &at("mug", [0.0; 3]), &transforms(), 7).is_err());
    }

    #[test]
    fn the_distance_of_two_frames_is_that_of_their_points() {
        let [fingertip, target] = [at("tip", [0.0, 0.3, 0.0]), at("cup", [0.05, 0.0, 0.0])];
        let both = Regions {
            fingertip,
            target,
            ..Regions::default()
        };
        let between = tf_m(&both, &transforms(), 7).unwrap().unwrap();
        assert!((between - 0.3_f64.hypot(0.3)).abs() < 1e-12, "{between}");
        let one = Regions {
            target: Region::default(),
            ..both
        };
        assert_eq!(tf_m(&one, &transforms(), 7), Ok(None));
    }

    #[test]
    fn a_place_that_is_not_known_says_why_and_which_frames_there_are() {
        // given a target at a frame that nobody named
        let regions = Regions {
            fingertip: at("tip", [0.0; 3]),
            target: at("mug", [0.0; 3]),
            ..Regions::default()
        };
        // when the places are looked up
        let places = Places::of(&regions, &transforms(), "camera", 7);
        // then the fingertip's is there, and of the target it is told what is missing
        let tip = places.fingertip.as_ref().unwrap().as_ref().unwrap();
        assert_eq!(tip.point, Vector3::new(0.25, 0.0, 0.0));
        assert_eq!(places.tf_m, None);
        let missing = places.missing().unwrap();
        assert!(missing.contains("'mug'"), "{missing}");
        assert!(
            missing.contains("there are base, camera, cup, tip"),
            "{missing}"
        );
        // and of regions at no frame nothing is missing
        let none = Places::of(&Regions::default(), &transforms(), "camera", 7);
        assert_eq!((none.missing(), &none.fingertip), (None, &None));
    }

    #[test]
    fn a_surface_that_tf_contradicts_was_valid() {
        // given two regions of 10 and 6 cm whose points are 25 cm apart
        let [mut fingertip, mut target] = [at("tip", [0.0; 3]), at("cup", [0.0; 3])];
        (fingertip.size_m, target.size_m) = (0.10, 0.06);
        let regions = Regions {
            fingertip,
            target,
            ..Regions::default()
        };
        let measured = |surface_m| Measurement {
            surface_m: Some(surface_m),
            ..Measurement::default()
        };
        // when their surfaces are measured, then 25 - 5 - 3 cm is the least, but for some slack
        for (surface_m, is_believed) in [(0.30, true), (0.166, true), (0.164, false), (0.0, false)]
        {
            let believed = believed(&regions, Some(0.25), measured(surface_m));
            let expected = match is_believed {
                true => Ok(measured(surface_m)),
                false => Err(Reason::ImplausibleDistance),
            };
            assert_eq!(believed, expected);
        }
        // and without both frames nothing contradicts
        assert_eq!(believed(&regions, None, measured(0.0)), Ok(measured(0.0)));
    }

    /// What speaks against a ball of 4 cm, half a metre away, in a picture of that depth in metres.
    fn checked(depth_m: impl Fn(u32, u32) -> f32) -> Result<(), Reason> {
        let ball = Ball::seen(Vector3::new(0.0, 0.0, 0.5), 0.04, &CAMERA).unwrap();
        // A depth image of half the resolution.
        let pixels = (0..80 * 60).map(|pixel| depth_m(pixel % 80, pixel / 80));
        let depth = DepthImage::new(80, 60, pixels.collect());
        ball.check(&depth, (160, 120), &CAMERA)
    }

    #[test]
    fn what_is_nearer_by_more_than_the_size_hides_it() {
        // given the ball's own front, things as near as its size, and things nearer
        assert_eq!(checked(|_, _| 0.48), Ok(()));
        assert_eq!(checked(|_, _| 0.461), Ok(()));
        assert_eq!(checked(|_, _| 0.459), Err(Reason::Occluded));
        // then what was not measured hides nothing, nor what stands beside its middle
        assert_eq!(checked(|_, _| f32::NAN), Ok(()));
        let beside = checked(|x, _| if x < 39 { 0.2 } else { 0.48 });
        assert_eq!(beside, Ok(()));
    }

    #[test]
    fn what_is_seen_between_two_fingers_is_not_taken_for_them() {
        // given a point between two fingers, before a wall
        assert_eq!(checked(|_, _| 1.0), Err(Reason::DepthInvalid));
        // and one of which the box shows at least an edge
        let edge = checked(|x, _| if x < 39 { 0.5 } else { 1.0 });
        assert_eq!(edge, Ok(()));
    }

    #[test]
    fn a_ball_behind_the_camera_or_around_it_is_not_seen() {
        for z in [-0.5, 0.0, 0.01] {
            let ball = Ball::seen(Vector3::new(0.0, 0.0, z), 0.04, &CAMERA);
            assert_eq!(ball, None);
        }
    }
}
