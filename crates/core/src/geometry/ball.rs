//! The box that a camera sees of a ball: its outline, point by point through the lens.

use std::f64::consts::TAU;

use nalgebra::Vector3;

use super::camera;
use crate::frame::{BoundingBox, Intrinsics};

/// Points of the outline: a box of so many is smaller than that of all by a thousandth of the ball's size.
const OUTLINE_POINTS: u32 = 64;

/// The box in pixels, of a ball in the camera's coordinates in metres; it may reach beyond the image. `None` where its
/// middle is behind the camera or beyond what the lens shows, or the camera is inside it.
pub(crate) fn bounding_box(
    camera: &Intrinsics,
    center: Vector3<f64>,
    radius_m: f64,
) -> Option<BoundingBox> {
    let distance_m = center.norm();
    if !(distance_m > radius_m && center.z > 0.0) {
        return None;
    }
    camera::pixel(camera, &center)?;
    // Seen from the camera the outline is the circle in which rays touch the ball.
    let share = (radius_m / distance_m).powi(2);
    let middle = center * (1.0 - share);
    let along = center / distance_m;
    let across = along.cross(&Vector3::x());
    let across = across.try_normalize(0.1).unwrap_or(Vector3::y());
    let [first, second] =
        [across, along.cross(&across)].map(|axis| axis * radius_m * (1.0 - share).sqrt());
    let outline = (0..OUTLINE_POINTS).filter_map(|index| {
        let (sin, cos) = (TAU * f64::from(index) / f64::from(OUTLINE_POINTS)).sin_cos();
        camera::pixel(camera, &(middle + first * cos + second * sin))
    });
    camera::box_around(outline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Distortion;

    const CAMERA: Intrinsics = Intrinsics {
        width: 640,
        height: 480,
        fx: 600.0,
        fy: 500.0,
        cx: 320.0,
        cy: 240.0,
        distortion: Distortion::None,
    };

    #[test]
    fn a_ball_before_the_camera_is_a_circle_around_the_principal_point() {
        // given a ball of 6 cm, half a metre away
        let bbox = bounding_box(&CAMERA, Vector3::new(0.0, 0.0, 0.5), 0.03).unwrap();
        // then its outline is a little nearer than its middle, and so a little larger
        let half = 0.03 / (0.5_f64.powi(2) - 0.03_f64.powi(2)).sqrt();
        let expected = [
            320.5 - 600.0 * half,
            240.5 - 500.0 * half,
            320.5 + 600.0 * half,
            240.5 + 500.0 * half,
        ];
        for (edge, expected) in [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max]
            .iter()
            .zip(expected)
        {
            assert!((edge - expected).abs() < 0.05, "{bbox:?}");
        }
    }

    #[test]
    fn a_ball_beside_the_axis_is_stretched_away_from_it() {
        let bbox = bounding_box(&CAMERA, Vector3::new(0.4, 0.0, 0.5), 0.03).unwrap();
        let middle = 320.5 + 600.0 * 0.8;
        assert!(bbox.x_max - middle > middle - bbox.x_min, "{bbox:?}");
        assert!(bbox.width() / 600.0 > bbox.height() / 500.0, "{bbox:?}");
    }

    #[test]
    fn the_lens_moves_the_box() {
        let barrel = Intrinsics {
            distortion: Distortion::BrownConrady([-0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
            ..CAMERA
        };
        let center = Vector3::new(0.2, 0.0, 0.5);
        let straight = bounding_box(&CAMERA, center, 0.02).unwrap();
        let bent = bounding_box(&barrel, center, 0.02).unwrap();
        // r = 0.4: 600 * 0.4 * 0.2 * 0.4^2 pixels towards the middle
        let moved = straight.center()[0] - bent.center()[0];
        assert!((moved - 7.7).abs() < 0.5, "{moved}");
    }

    #[test]
    fn nothing_is_seen_behind_the_camera_or_from_inside() {
        for z in [-0.5, 0.0, 0.02] {
            assert_eq!(bounding_box(&CAMERA, Vector3::new(0.0, 0.0, z), 0.03), None);
        }
        let nan = Vector3::new(f64::NAN, 0.0, 1.0);
        assert_eq!(bounding_box(&CAMERA, nan, 0.03), None);
    }

    #[test]
    fn what_a_folding_lens_would_throw_back_into_the_picture_is_not_seen() {
        // given a lens whose model turns back beyond the picture's corner
        let folding = Intrinsics {
            distortion: Distortion::BrownConrady([-0.35, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
            ..CAMERA
        };
        // when a ball is far beside the picture, where the model gives a pixel in it
        let beside = bounding_box(&folding, Vector3::new(0.8, 0.0, 0.5), 0.02);
        // then it has no box
        assert_eq!(beside, None);
    }
}
