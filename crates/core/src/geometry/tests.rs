//! Scenes cast ray by ray, with known distances: a table, an object on it and a finger above.

mod hands;
mod outlined;

use nalgebra::{Point3, Rotation3, Vector3};

use super::GeometryEstimator;
use crate::frame::{
    BoundingBox, ColorImage, DepthImage, DistanceKind, Distortion, Intrinsics, Measurement, Reason,
    Regions,
};
use crate::settings::Geometry;

/// A box given by its half sides, or a ball; in the world (z up, metres).
#[derive(Clone, Copy)]
enum Shape {
    Brick(Vector3<f64>),
    Ball(f64),
}

#[derive(Clone, Copy)]
struct Body {
    shape: Shape,
    center: Point3<f64>,
    rgb: [u8; 3],
}

/// The camera looks at the origin from 0.8 m away, 35 degrees above the table.
struct Scene {
    finger: Body,
    target: Body,
    /// Pixels of depth per pixel of colour.
    depth_scale: f64,
    /// How far the camera is turned about its line of sight, in radians.
    roll: f64,
}

const TABLE_Z: f64 = 0.0;
const CAMERA_DISTANCE_M: f64 = 0.8;

/// The camera that all scenes are seen by.
fn camera() -> Intrinsics {
    Intrinsics {
        width: 320,
        height: 240,
        fx: 300.0,
        fy: 300.0,
        cx: 160.0,
        cy: 140.0,
        distortion: Distortion::None,
    }
}

struct Cast {
    color: ColorImage,
    depth: DepthImage,
    intrinsics: Intrinsics,
    regions: Regions,
}

impl Scene {
    /// A 5 cm cube on the table and a finger `gap_m` above it.
    fn finger_above_cube(gap_m: f64) -> Self {
        let cube = 0.025;
        let finger = Vector3::new(0.008, 0.012, 0.10);
        Self {
            finger: Body {
                shape: Shape::Brick(finger),
                center: Point3::new(0.0, 0.0, 2.0 * cube + gap_m + finger.z),
                rgb: [60, 60, 70],
            },
            target: Body {
                shape: Shape::Brick(Vector3::repeat(cube)),
                center: Point3::new(0.0, 0.0, cube),
                rgb: [30, 200, 60],
            },
            depth_scale: 1.0,
            roll: 0.0,
        }
    }

    fn cast(&self) -> Cast {
        let intrinsics = camera();
        let color_hits = self.hits(&intrinsics);
        let (width, height) = (
            (320.0 * self.depth_scale) as u32,
            (240.0 * self.depth_scale) as u32,
        );
        let depth_m = self.hits(&intrinsics.resized(width, height));
        let rgb = color_hits.iter().flat_map(|hit| match hit.1 {
            Some(0) => self.finger.rgb,
            Some(_) => self.target.rgb,
            None => [150, 140, 130],
        });
        // As the recorders draw it: the finger's box holds its last 3 cm.
        let finger_end = self.finger.center.z - half_height(self.finger.shape);
        let fingertip = box_of(&color_hits, 320, |hit| {
            hit.1 == Some(0) && hit.2.z < finger_end + 0.03
        });
        Cast {
            color: ColorImage {
                width: 320,
                height: 240,
                rgb: rgb.collect::<Vec<_>>().into(),
            },
            depth: DepthImage::new(
                width,
                height,
                depth_m.iter().map(|hit| hit.0 as f32).collect(),
            ),
            regions: Regions::of_boxes(fingertip, box_of(&color_hits, 320, |hit| hit.1 == Some(1))),
            intrinsics,
        }
    }

    fn hits(&self, camera: &Intrinsics) -> Vec<Hit> {
        hits(&[self.finger, self.target], camera, self.roll)
    }
}

/// Of a pixel: its depth, which body it shows, and where in the world.
type Hit = (f64, Option<usize>, Point3<f64>);

/// What a camera sees of some bodies and the table, turned so much about its line of sight.
fn hits(bodies: &[Body], camera: &Intrinsics, roll: f64) -> Vec<Hit> {
    let pitch = 35_f64.to_radians();
    // Optical axes in the world: x right = world x, y down, z forward.
    let world_from_camera =
        Rotation3::from_axis_angle(&Vector3::x_axis(), -(std::f64::consts::FRAC_PI_2 + pitch))
            * Rotation3::from_axis_angle(&Vector3::z_axis(), roll);
    let eye = Point3::from(world_from_camera * Vector3::new(0.0, 0.0, -CAMERA_DISTANCE_M));
    let pixels = (0..camera.height).flat_map(|v| (0..camera.width).map(move |u| (u, v)));
    pixels
        .map(|(u, v)| {
            let ray = Vector3::new(
                (f64::from(u) - camera.cx) / camera.fx,
                (f64::from(v) - camera.cy) / camera.fy,
                1.0,
            );
            let direction = world_from_camera * ray;
            let table = (TABLE_Z - eye.z) / direction.z;
            let mut nearest = (if table > 0.0 { table } else { f64::NAN }, None);
            for (k, body) in bodies.iter().enumerate() {
                if let Some(t) = enter(body, &eye, &direction)
                    && (nearest.0.is_nan() || t < nearest.0)
                {
                    nearest = (t, Some(k));
                }
            }
            (nearest.0, nearest.1, eye + direction * nearest.0)
        })
        .collect()
}

fn half_height(shape: Shape) -> f64 {
    match shape {
        Shape::Brick(half) => half.z,
        Shape::Ball(radius) => radius,
    }
}

/// Where a ray enters a body, in multiples of its direction.
fn enter(body: &Body, eye: &Point3<f64>, direction: &Vector3<f64>) -> Option<f64> {
    let from = eye - body.center;
    match body.shape {
        Shape::Brick(half) => {
            let (mut near, mut far) = (0.0_f64, f64::INFINITY);
            for k in 0..3 {
                let (a, b) = (
                    (-half[k] - from[k]) / direction[k],
                    (half[k] - from[k]) / direction[k],
                );
                near = near.max(a.min(b));
                far = far.min(a.max(b));
            }
            (near < far).then_some(near)
        }
        Shape::Ball(radius) => {
            let (a, b) = (direction.norm_squared(), from.dot(direction));
            let inside = b * b - a * (from.norm_squared() - radius * radius);
            (inside > 0.0).then(|| (-b - inside.sqrt()) / a)
        }
    }
}

fn box_of(hits: &[Hit], width: usize, chosen: impl Fn(&Hit) -> bool) -> BoundingBox {
    let empty = BoundingBox::new(f64::INFINITY, f64::INFINITY, 0.0, 0.0);
    let pixels = hits.iter().enumerate().filter(|(_, hit)| chosen(hit));
    pixels.fold(empty, |b, (i, _)| {
        let (x, y) = ((i % width) as f64, (i / width) as f64);
        BoundingBox::new(
            b.x_min.min(x),
            b.y_min.min(y),
            b.x_max.max(x + 1.0),
            b.y_max.max(y + 1.0),
        )
    })
}

fn measure(cast: &Cast) -> Result<Measurement, Reason> {
    GeometryEstimator::new(&Geometry::default()).measure(
        &cast.color.clone().into(),
        &cast.depth,
        &cast.intrinsics,
        &cast.regions,
    )
}

fn surface(cast: &Cast) -> f64 {
    measure(cast).unwrap().surface_m.unwrap()
}

/// A repeatable number in [-1, 1) for a pixel.
fn jitter(i: usize) -> f64 {
    let bits = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    bits as f64 / f64::from(1 << 23) - 1.0
}

#[test]
fn the_gap_is_measured_within_millimetres_all_the_way_down() {
    for gap_mm in [120, 80, 50, 30, 15] {
        // given a finger above a cube
        let gap = f64::from(gap_mm) / 1000.0;
        // when the distance is measured
        let measured = surface(&Scene::finger_above_cube(gap).cast());
        // then it is the gap
        assert!((measured - gap).abs() < 0.005, "{gap_mm} mm: {measured}");
    }
}

#[test]
fn a_gap_is_known_to_part_of_a_pixel() {
    // given a finger that comes nearer by a fifth of a pixel (2.7 mm) a frame, not upright in the picture
    let gaps: Vec<f64> = (0..20).map(|k| 0.045 - 0.0005 * f64::from(k)).collect();
    // when the distance is measured
    let off: Vec<f64> = gaps
        .iter()
        .map(|&gap| {
            let mut scene = Scene::finger_above_cube(gap);
            scene.roll = 0.15;
            surface(&scene.cast()) - gap
        })
        .collect();
    // then it is off by less than a third of a pixel in every frame
    let most = off.iter().map(|off| off.abs()).fold(0.0, f64::max);
    assert!(most < 0.0009, "{off:?}");
}

#[test]
fn contact_is_zero_not_a_pixel() {
    assert!(surface(&Scene::finger_above_cube(0.0).cast()) < 0.003);
}

#[test]
fn center_counts_the_hidden_half() {
    for shape in [Shape::Brick(Vector3::repeat(0.025)), Shape::Ball(0.025)] {
        // given an object whose skin alone would put the centre 2 cm too near
        let mut scene = Scene::finger_above_cube(0.1);
        scene.target.shape = shape;
        // when centre to centre is measured: the finger's is its end's middle
        let measured = measure(&scene.cast()).unwrap().center_m.unwrap();
        // then it is from the finger's end to the object's middle
        assert!((measured - 0.125).abs() < 0.01, "{measured}");
    }
}

#[test]
fn cloud_is_more_than_surface_and_finite() {
    let measurement = measure(&Scene::finger_above_cube(0.06).cast()).unwrap();
    let cloud = measurement.cloud_m.unwrap();
    assert!(
        cloud > measurement.surface_m.unwrap() && cloud < 0.2,
        "{cloud}"
    );
}

/// A depth image with other values, given each pixel's index and depth.
fn altered(depth: &DepthImage, value: impl Fn(usize, f32) -> f32) -> DepthImage {
    let depth_m = depth.to_metres().into_iter().enumerate();
    let depth_m = depth_m.map(|(i, depth)| value(i, depth)).collect();
    DepthImage::new(depth.width, depth.height, depth_m)
}

#[test]
fn holes_flying_pixels_and_quantised_depth_are_survived() {
    // given a twentieth of the pixels missing, some hanging between two surfaces, depth in mm steps
    let gap = 0.06;
    let mut cast = Scene::finger_above_cube(gap).cast();
    let clean = measure(&cast).unwrap();
    cast.depth = altered(&cast.depth, |i, depth| {
        let noisy = f64::from(depth) + 0.0015 * jitter(i);
        match i % 100 {
            0..5 => f32::NAN,
            50 => depth + 0.08,
            _ => ((noisy * 1000.0).round() / 1000.0) as f32,
        }
    });
    // when it is measured
    let measurement = measure(&cast).unwrap();
    // then the distance holds, and its deviation, and with it the confidence, say that the evidence is worse
    let measured = measurement.surface_m.unwrap();
    assert!((measured - gap).abs() < 0.008, "{measured}");
    let [clean, noisy] = [&clean, &measurement].map(|m| m.confidence(DistanceKind::Surface));
    assert!(noisy < clean && noisy > 0.1, "{noisy} {clean}");
}

#[test]
fn no_depth_in_a_region_is_a_reason_not_a_number() {
    for blank in [f32::NAN, 0.0] {
        let mut cast = Scene::finger_above_cube(0.06).cast();
        let target = cast.regions.target;
        cast.depth = altered(&cast.depth, |i, depth| {
            let (x, y) = ((i % 320) as f64, (i / 320) as f64);
            let inside =
                x >= target.x_min && x < target.x_max && y >= target.y_min && y < target.y_max;
            if inside { blank } else { depth }
        });
        assert_eq!(measure(&cast), Err(Reason::DepthInvalid));
    }
}

#[test]
fn a_box_outside_the_image_is_named() {
    let mut cast = Scene::finger_above_cube(0.06).cast();
    cast.regions.target = BoundingBox::new(400.0, 10.0, 430.0, 40.0);
    assert_eq!(measure(&cast), Err(Reason::BoxOutsideImage));
}

#[test]
fn depth_of_another_resolution_measures_the_same() {
    for depth_scale in [0.5, 2.0] {
        let mut scene = Scene::finger_above_cube(0.06);
        scene.depth_scale = depth_scale;
        let measured = surface(&scene.cast());
        assert!((measured - 0.06).abs() < 0.008, "{depth_scale}: {measured}");
    }
}

#[test]
fn the_same_frame_gives_the_same_answer() {
    let cast = Scene::finger_above_cube(0.04).cast();
    assert_eq!(measure(&cast), measure(&cast));
}

#[test]
fn boxes_that_overlap_near_contact_do_not_swap_their_pixels() {
    // given a finger in front of the cube's side, its box inside the cube's
    let mut scene = Scene::finger_above_cube(0.0);
    let finger = Vector3::new(0.008, 0.006, 0.10);
    let gap = 0.02;
    scene.finger.shape = Shape::Brick(finger);
    scene.finger.center = Point3::new(0.0, -0.025 - gap - finger.y, 0.02 + finger.z);
    let cast = scene.cast();
    let (f, t) = (cast.regions.fingertip, cast.regions.target);
    assert!(f.x_min > t.x_min && f.x_max < t.x_max && f.y_max > t.y_min);
    // when the gap, behind the finger and so out of sight, is measured
    let measured = surface(&cast);
    // then what shows of both and their completion bound it
    assert!((measured - gap).abs() < 0.01, "{measured}");
}

#[test]
fn a_target_hidden_but_for_its_box_is_a_guess_that_says_so() {
    // given boxes of which the target's lies all on the finger
    let mut cast = Scene::finger_above_cube(0.0).cast();
    let finger = cast.regions.fingertip;
    let [x, y] = finger.center();
    cast.regions.target =
        BoundingBox::from_center(x, y, finger.width() * 0.6, finger.height() * 0.6);
    // when it is measured
    let outcome = measure(&cast);
    // then either the depth is refused or the confidence is next to nothing
    match outcome {
        Ok(measurement) => assert!(
            measurement.confidence(DistanceKind::Surface) < 0.5,
            "{measurement:?}"
        ),
        Err(reason) => assert_eq!(reason, Reason::DepthInvalid),
    }
}
