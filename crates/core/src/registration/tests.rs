use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};

use super::*;

/// A pinhole of that size, its principal point in the middle.
fn pinhole(width: u32, height: u32, focal_px: f64) -> Intrinsics {
    Intrinsics {
        width,
        height,
        fx: focal_px,
        fy: focal_px,
        cx: f64::from(width) / 2.0 - 0.5,
        cy: f64::from(height) / 2.0 - 0.5,
        distortion: Distortion::None,
    }
}

/// A rectangle in the colour camera's frame: a corner and two sides.
struct Sheet {
    corner: Point3<f64>,
    sides: [Vector3<f64>; 2],
}

impl Sheet {
    /// Facing the colour camera, from x0, y0 to x1, y1 at a depth.
    fn facing(x0: f64, y0: f64, x1: f64, y1: f64, z: f64) -> Self {
        Self {
            corner: Point3::new(x0, y0, z),
            sides: [Vector3::x() * (x1 - x0), Vector3::y() * (y1 - y0)],
        }
    }

    /// How many times a ray's direction leads from its origin to the sheet.
    fn hit(&self, origin: &Point3<f64>, direction: &Vector3<f64>) -> Option<f64> {
        let normal = self.sides[0].cross(&self.sides[1]);
        let times = normal.dot(&(self.corner - origin)) / normal.dot(direction);
        let on = origin + direction * times - self.corner;
        let inside =
            |side: &Vector3<f64>| (0.0..=1.0).contains(&(on.dot(side) / side.norm_squared()));
        (times > 0.0 && self.sides.iter().all(inside)).then_some(times)
    }
}

/// What a camera at that pose in the colour camera's frame measures.
fn shot(sheets: &[Sheet], intrinsics: &Intrinsics, pose: &Isometry3<f64>) -> DepthImage {
    let origin = pose * Point3::origin();
    let mut depth_m = Vec::new();
    for v in 0..intrinsics.height {
        for u in 0..intrinsics.width {
            let ray = camera::ray(intrinsics, f64::from(u), f64::from(v));
            let direction = pose * Vector3::new(ray.x, ray.y, 1.0);
            let hits = sheets
                .iter()
                .filter_map(|sheet| sheet.hit(&origin, &direction));
            depth_m.push(hits.fold(f64::INFINITY, f64::min) as f32);
        }
    }
    let measured = depth_m
        .into_iter()
        .map(|z| if z.is_finite() { z } else { f32::NAN });
    DepthImage::new(intrinsics.width, intrinsics.height, measured.collect())
}

fn whole(intrinsics: &Intrinsics) -> [BoundingBox; 1] {
    let (width, height) = (f64::from(intrinsics.width), f64::from(intrinsics.height));
    [BoundingBox::new(0.0, 0.0, width, height)]
}

/// A wall, a slanted board and a post before it.
fn scene() -> Vec<Sheet> {
    vec![
        Sheet::facing(-3.0, -3.0, 3.0, 3.0, 1.5),
        Sheet {
            corner: Point3::new(-0.3, -0.2, 0.8),
            sides: [Vector3::new(0.35, 0.0, 0.3), Vector3::new(0.0, 0.4, 0.0)],
        },
        Sheet::facing(0.1, -0.3, 0.2, 0.3, 0.6),
    ]
}

#[test]
fn depth_that_is_registered_already_stays_as_it_is() {
    let camera = pinhole(160, 120, 140.0);
    let depth = shot(&scene(), &camera, &Isometry3::identity());
    let depth_camera = DepthCamera::new(camera, Isometry3::identity()).unwrap();
    let registered = depth_camera
        .register(&depth, &camera, &whole(&camera))
        .unwrap();
    // within what the corners' mean makes of a slanted surface's curvature in depth
    for (i, (before, after)) in depth
        .to_metres()
        .into_iter()
        .zip(registered.to_metres())
        .enumerate()
    {
        assert!(
            (before - after).abs() < 1e-3,
            "{} {}: {before} {after}",
            i % 160,
            i / 160
        );
    }
}

#[test]
fn depth_counts_from_the_colour_camera() {
    // given a depth camera 10 cm before the colour camera and a wall 1 m before it
    let camera = pinhole(160, 120, 140.0);
    let pose = Isometry3::translation(0.0, 0.0, 0.1);
    let wall = [Sheet::facing(-3.0, -3.0, 3.0, 3.0, 1.1)];
    let depth = shot(&wall, &camera, &pose);
    assert!((depth.to_metres()[0] - 1.0).abs() < 1e-6);
    // when it is registered
    let depth_camera = DepthCamera::new(camera, pose).unwrap();
    let registered = depth_camera
        .register(&depth, &camera, &whole(&camera))
        .unwrap();
    // then the wall is 1.1 m away, but for the picture's margins, which the depth camera does not see
    for (i, depth_m) in registered.to_metres().into_iter().enumerate() {
        let is_margin = !(8..152).contains(&(i % 160)) || !(8..112).contains(&(i / 160));
        assert!((depth_m - 1.1).abs() < 1e-4 || is_margin, "{i}: {depth_m}");
    }
}

/// Registers what a depth camera at a pose sees of the scene, and counts the pixels of the colour image that are filled, that
/// are so right within a millimetre, and that should have been filled.
fn agreement(depth_intrinsics: Intrinsics, color: Intrinsics, pose: Isometry3<f64>) -> [usize; 3] {
    let depth = shot(&scene(), &depth_intrinsics, &pose);
    let truth = shot(&scene(), &color, &Isometry3::identity()).to_metres();
    let depth_camera = DepthCamera::new(depth_intrinsics, pose).unwrap();
    let registered = depth_camera
        .register(&depth, &color, &whole(&color))
        .unwrap()
        .to_metres();
    let mut counts = [0; 3];
    for (i, (depth_m, truth_m)) in registered.iter().zip(&truth).enumerate() {
        let (u, v) = (i as u32 % color.width, i as u32 / color.width);
        let ray = camera::ray(&color, f64::from(u), f64::from(v));
        let point = Point3::new(ray.x, ray.y, 1.0) * f64::from(*truth_m);
        // Seen by the depth camera too: nothing is before it on the way there, and it is in the picture.
        let from = pose * Point3::origin();
        let way = point - from;
        let is_free = scene()
            .iter()
            .all(|sheet| sheet.hit(&from, &way).is_none_or(|t| t > 0.999));
        let at = camera::project(&depth_intrinsics, &(pose.inverse() * point).coords);
        let size =
            [depth_intrinsics.width, depth_intrinsics.height].map(|length| f64::from(length) - 2.0);
        let in_picture =
            at.is_some_and(|at| at.x > 1.0 && at.y > 1.0 && at.x < size[0] && at.y < size[1]);
        counts[0] += usize::from(!depth_m.is_nan());
        counts[1] += usize::from((depth_m - truth_m).abs() < 0.001);
        counts[2] += usize::from(is_free && in_picture);
    }
    counts
}

#[test]
fn a_camera_beside_another_sees_what_that_one_sees_and_nothing_through_it() {
    let turned = UnitQuaternion::from_euler_angles(0.02, -0.03, 0.01);
    let barrel = Distortion::BrownConrady([-0.05, 0.06, 0.0005, -0.0007, -0.02, 0.0, 0.0, 0.0]);
    for (depth, color) in [
        (pinhole(212, 120, 105.0), pinhole(160, 120, 150.0)),
        // finer than the depth: no cracks
        (pinhole(212, 120, 105.0), pinhole(320, 180, 260.0)),
        (
            Intrinsics {
                distortion: barrel,
                ..pinhole(212, 120, 105.0)
            },
            Intrinsics {
                distortion: barrel,
                ..pinhole(160, 120, 150.0)
            },
        ),
    ] {
        // given a depth camera 4 cm to the side, a little turned
        let pose = Isometry3::from_parts(Translation3::new(0.04, 0.005, -0.01), turned);
        let [filled, right, due] = agreement(depth, color, pose);
        // then what both see is filled but for the pixels at edges, and what is filled is right but for these
        assert!(due > 10_000, "{due}");
        assert!(right as f64 > 0.97 * due as f64, "{right} right of {due}");
        assert!(
            right as f64 > 0.97 * filled as f64,
            "{right} right of {filled} filled"
        );
    }
}

#[test]
fn a_hole_stays_a_hole() {
    // given a wall with a hole of 10 pixels' width in its depth
    let camera = pinhole(160, 120, 140.0);
    let pose = Isometry3::translation(0.03, 0.0, 0.0);
    let wall = [Sheet::facing(-3.0, -3.0, 3.0, 3.0, 1.0)];
    let mut depth_m = shot(&wall, &camera, &pose).to_metres();
    for (i, depth_m) in depth_m.iter_mut().enumerate() {
        let is_hole = (70..80).contains(&(i % 160)) && (50..60).contains(&(i / 160));
        *depth_m = if is_hole { f32::NAN } else { *depth_m };
    }
    let depth = DepthImage::new(160, 120, depth_m);
    // when it is registered
    let depth_camera = DepthCamera::new(camera, pose).unwrap();
    let registered = depth_camera
        .register(&depth, &camera, &whole(&camera))
        .unwrap();
    // then the hole is as large, and there is nothing in it; what the depth camera does not see of the wall is none either
    let inner = registered
        .to_metres()
        .iter()
        .enumerate()
        .filter(|(i, depth_m)| depth_m.is_nan() && (20..140).contains(&(i % 160)))
        .count();
    assert!((90..=110).contains(&inner), "{inner}");
}

#[test]
fn only_what_is_wanted_is_sure_to_be_there() {
    let camera = pinhole(160, 120, 140.0);
    let pose = Isometry3::translation(0.04, 0.0, 0.0);
    let depth = shot(&scene(), &camera, &pose);
    let depth_camera = DepthCamera::new(camera, pose).unwrap();
    let all = depth_camera
        .register(&depth, &camera, &whole(&camera))
        .unwrap()
        .to_metres();
    let wanted = [
        BoundingBox::new(30.0, 40.0, 60.0, 70.0),
        BoundingBox::new(100.0, 20.0, 130.0, 50.0),
    ];
    // when two regions are registered
    let part = depth_camera
        .register(&depth, &camera, &wanted)
        .unwrap()
        .to_metres();
    // then they are as in the whole picture
    let mut inside = 0;
    for (i, (part, all)) in part.iter().zip(&all).enumerate() {
        let (x, y) = ((i % 160) as f64 + 0.5, (i / 160) as f64 + 0.5);
        let is_wanted = wanted
            .iter()
            .any(|b| x > b.x_min && x < b.x_max && y > b.y_min && y < b.y_max);
        if is_wanted {
            inside += 1;
            assert_eq!(part.to_bits(), all.to_bits(), "{x} {y}");
        }
    }
    assert_eq!(inside, 1800);
}

#[test]
fn a_depth_image_of_another_size_is_not_registered() {
    let camera = pinhole(160, 120, 140.0);
    let depth_camera = DepthCamera::new(camera, Isometry3::identity()).unwrap();
    let depth = DepthImage::new(80, 60, vec![1.0; 80 * 60]);
    assert!(
        depth_camera
            .register(&depth, &camera, &whole(&camera))
            .is_none()
    );
    let nameless = Intrinsics {
        width: 0,
        height: 0,
        ..camera
    };
    assert!(DepthCamera::new(nameless, Isometry3::identity()).is_none());
}
