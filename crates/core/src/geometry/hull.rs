//! The box that a camera sees of a box in space: its edges, point by point through the lens.

use nalgebra::Vector3;

use super::camera;
use crate::frame::{BoundingBox, Intrinsics};

/// Pieces of each line between two corners, for a lens bends straight ones.
const PIECES: u32 = 8;

/// The box in pixels around everything between corners in the camera's coordinates in metres; it may reach beyond the image.
/// `None` where one of the corners is behind the camera, or their middle is beyond what the lens shows.
pub(crate) fn bounding_box(
    camera: &Intrinsics,
    corners: &[Vector3<f64>; 8],
) -> Option<BoundingBox> {
    let is_before = |corner: &Vector3<f64>| corner.z > 0.0;
    if !corners.iter().all(is_before) {
        return None;
    }
    let middle = corners.iter().sum::<Vector3<f64>>() / corners.len() as f64;
    camera::pixel(camera, &middle)?;
    let lines = corners.iter().enumerate().flat_map(|(index, from)| {
        let others = corners.iter().skip(index + 1);
        others.map(move |to| (from, to))
    });
    let points = lines.flat_map(|(from, to)| {
        (0..=PIECES).map(move |piece| from.lerp(to, f64::from(piece) / f64::from(PIECES)))
    });
    let pixels = points.filter_map(|point| camera::pixel(camera, &point));
    camera::box_around(pixels)
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

    /// From `least` to `most`, in an order of no meaning.
    fn corners(least: [f64; 3], most: [f64; 3]) -> [Vector3<f64>; 8] {
        let side = |axis: usize, corner: usize| match corner >> axis & 1 {
            0 => least[axis],
            _ => most[axis],
        };
        [3, 0, 6, 1, 7, 2, 5, 4].map(|at| Vector3::new(side(0, at), side(1, at), side(2, at)))
    }

    #[test]
    fn the_nearer_face_of_a_box_is_its_outline() {
        // given a box whose near face is half a metre away
        let corners = corners([-0.1, -0.05, 0.5], [0.2, 0.05, 0.7]);
        // when it is seen, then its edges are those of the near face
        let bbox = bounding_box(&CAMERA, &corners).unwrap();
        let expected = [200.5, 190.5, 560.5, 290.5];
        for (edge, expected) in [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max]
            .iter()
            .zip(expected)
        {
            assert!((edge - expected).abs() < 1e-9, "{bbox:?}");
        }
    }

    #[test]
    fn a_lens_bends_an_edge_beyond_its_corners() {
        // given a pincushion's opposite: a barrel, in which the middle of an edge lies farther out than its ends
        let barrel = Intrinsics {
            distortion: Distortion::BrownConrady([-0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
            ..CAMERA
        };
        let corners = corners([-0.2, -0.15, 0.5], [0.2, 0.15, 0.5]);
        let bbox = bounding_box(&barrel, &corners).unwrap();
        // then the box reaches to the middle: r = 0.4 there
        let x_max = 320.5 + 600.0 * 0.4 * (1.0 - 0.2 * 0.16);
        assert!((bbox.x_max - x_max).abs() < 1e-6, "{bbox:?}");
    }

    #[test]
    fn nothing_is_seen_behind_the_camera_or_around_it() {
        for (least_z, most_z) in [(-0.5, -0.3), (-0.1, 0.5), (0.0, 0.5), (f64::NAN, 0.5)] {
            let corners = corners([-0.1, -0.1, least_z], [0.1, 0.1, most_z]);
            assert_eq!(bounding_box(&CAMERA, &corners), None, "{least_z}");
        }
    }
}
