//! Objects that a message places in space: the box that the colour camera sees of each. From there on it is a box like a
//! detector's in pixels.

use nalgebra::{Isometry3, Point3};

use crate::frame::{BoundingBox, Detection, Intrinsics};
use crate::geometry::{ball, hull};
use crate::messages::{InSpace, Place};
use crate::settings::Region;

/// Edges are told to a part of a pixel in so many: else what arithmetic rounds decides whether a pixel on an edge is inside.
const PARTS_OF_A_PIXEL: f64 = 1000.0;

/// The detection that an object is for a region. Of a pose without a size it is the region's ball around the region's
/// point in it, as at a TF frame. What the camera cannot see has a box that is no number, and so lies outside of every
/// image.
///
/// `into_from` maps the object's frame into the camera's, and the intrinsics are of the colour image's size.
pub fn seen(
    object: &InSpace,
    region: &Region,
    into_from: &Isometry3<f64>,
    camera: &Intrinsics,
) -> Detection {
    const UNSEEN: BoundingBox = BoundingBox {
        x_min: f64::NAN,
        y_min: f64::NAN,
        x_max: f64::NAN,
        y_max: f64::NAN,
    };
    let bbox = match &object.place {
        Place::Corners(corners) => {
            let corners = corners.map(|corner| (into_from * Point3::from(corner)).coords);
            hull::bounding_box(camera, &corners)
        }
        Place::Pose(pose) => {
            let offset_m = region.offset_m.map_or([0.0; 3], |offset| offset.0);
            let middle = into_from * (pose * Point3::from(offset_m));
            ball::bounding_box(camera, middle.coords, region.size_m / 2.0)
        }
    };
    Detection {
        class_id: object.class_id.clone(),
        score: object.score,
        bbox: bbox.map_or(UNSEEN, |bbox| rounded(&bbox)),
        track_id: object.track_id.clone(),
        mask: None,
    }
}

fn rounded(bbox: &BoundingBox) -> BoundingBox {
    let round = |edge: f64| (edge * PARTS_OF_A_PIXEL).round() / PARTS_OF_A_PIXEL;
    BoundingBox::new(
        round(bbox.x_min),
        round(bbox.y_min),
        round(bbox.x_max),
        round(bbox.y_max),
    )
}

#[cfg(test)]
mod tests {
    use nalgebra::{UnitQuaternion, Vector3};

    use super::*;
    use crate::frame::Distortion;
    use crate::settings::Offset;

    const CAMERA: Intrinsics = Intrinsics {
        width: 640,
        height: 480,
        fx: 600.0,
        fy: 600.0,
        cx: 319.5,
        cy: 239.5,
        distortion: Distortion::None,
    };

    fn object(place: Place) -> InSpace {
        InSpace {
            class_id: "mug".to_owned(),
            score: 0.7,
            track_id: Some("4".to_owned()),
            frame_id: "base".to_owned(),
            place,
        }
    }

    #[test]
    fn a_box_in_another_frame_is_seen_where_the_transform_says() {
        // given a flat box in a frame that looks along x, as a robot's does, and lies 0.1 m left of the camera
        let turn = UnitQuaternion::from_euler_angles(0.0, 0.0, 0.0)
            * UnitQuaternion::from_matrix(&nalgebra::Matrix3::new(
                0.0, -1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0,
            ));
        let into_from = Isometry3::from_parts(Vector3::new(-0.1, 0.0, 0.0).into(), turn);
        let place = Place::of_box(&Isometry3::translation(0.6, -0.1, 0.0), [0.0, 0.2, 0.1]);
        // when it is seen
        let seen = seen(&object(place), &Region::default(), &into_from, &CAMERA);
        // then it stands before the camera, with its width and height
        let bbox = seen.bbox;
        assert_eq!(bbox, BoundingBox::new(220.0, 190.0, 420.0, 290.0));
        assert_eq!((seen.class_id.as_str(), seen.score), ("mug", 0.7));
        assert_eq!(seen.track_id.as_deref(), Some("4"));
    }

    #[test]
    fn a_pose_is_the_region_s_ball_at_its_offset() {
        // given a marker that faces the camera, and a region 6 cm above it in the marker's frame, where y is up
        let facing = UnitQuaternion::from_euler_angles(std::f64::consts::PI, 0.0, 0.0);
        let pose = Isometry3::from_parts(Vector3::new(0.0, 0.0, 0.5).into(), facing);
        let region = Region {
            size_m: 0.04,
            offset_m: Some(Offset([0.0, 0.06, 0.0])),
            ..Region::default()
        };
        // when it is seen
        let object = object(Place::Pose(pose));
        let seen = seen(&object, &region, &Isometry3::identity(), &CAMERA);
        // then it is a ball there
        let expected = ball::bounding_box(&CAMERA, Vector3::new(0.0, -0.06, 0.5), 0.02).unwrap();
        let [x, y] = seen.bbox.center();
        let [expected_x, expected_y] = expected.center();
        assert!((x - expected_x).abs() < 1e-3 && (y - expected_y).abs() < 1e-3);
        assert!((y - 168.0).abs() < 0.2, "{y}");
    }

    #[test]
    fn what_is_behind_the_camera_lies_outside_of_every_image() {
        let pose = Isometry3::translation(0.0, 0.0, -0.5);
        for place in [Place::Pose(pose), Place::of_box(&pose, [0.1; 3])] {
            let region = Region::default();
            let seen = seen(&object(place), &region, &Isometry3::identity(), &CAMERA);
            assert_eq!(seen.bbox.clipped(640, 480), None);
        }
    }
}
