//! The pinhole camera: from pixels to rays to points, lens distortion removed point by point, and from points to pixels.
//! Only the points that matter are undistorted, never the picture.

use nalgebra::{Matrix3, Vector2, Vector3};

use crate::frame::{BoundingBox, Distortion, Intrinsics};

/// Rounds of fixed-point iteration (OpenCV's scheme, which stops after five); most lenses converge within ten, the
/// corners of wide ones take some tens.
const MAX_ITERATIONS: usize = 100;
const CONVERGED: f64 = 1e-10;

/// The ray through pixel (u, v) as `[x/z, y/z]` in the optical frame (x right, y down, z forward).
pub fn ray(intrinsics: &Intrinsics, u: f64, v: f64) -> Vector2<f64> {
    let distorted = straight_ray(intrinsics, u, v);
    match intrinsics.distortion {
        Distortion::None => distorted,
        Distortion::BrownConrady(coefficients) => undistort_brown_conrady(distorted, &coefficients),
        Distortion::ThinPrism(coefficients) => undistort_thin_prism(distorted, &coefficients),
        Distortion::Equidistant(coefficients) => undistort_equidistant(distorted, &coefficients),
    }
}

/// The same of a lens without distortion.
pub fn straight_ray(intrinsics: &Intrinsics, u: f64, v: f64) -> Vector2<f64> {
    Vector2::new(
        (u - intrinsics.cx) / intrinsics.fx,
        (v - intrinsics.cy) / intrinsics.fy,
    )
}

/// A ray comes back from the pixel it leads to this near, on the plane at unit depth; where the model has folded over, it
/// comes back elsewhere.
const SAME_RAY: f64 = 1e-3;

/// The pixel that a point in the optical frame is seen at, OpenCV's lens models in full. `None` behind the camera, and
/// beyond the field of view, where the models throw points back into the picture.
pub fn pixel(intrinsics: &Intrinsics, point: &Vector3<f64>) -> Option<Vector2<f64>> {
    let pixel = project(intrinsics, point)?;
    if !(pixel.x.is_finite() && pixel.y.is_finite()) {
        return None;
    }
    let is_straight = intrinsics.distortion == Distortion::None;
    let ideal = point.xy() / point.z;
    let comes_back = || (ray(intrinsics, pixel.x, pixel.y) - ideal).norm() <= SAME_RAY;
    (is_straight || comes_back()).then_some(pixel)
}

/// A pixel's middle has whole numbers for a camera, and halves in a box.
const PIXEL_CENTER: f64 = 0.5;

/// The box around some pixels; `None` of none, and where they have no area.
pub(super) fn box_around(pixels: impl Iterator<Item = Vector2<f64>>) -> Option<BoundingBox> {
    let bbox = pixels.fold(None::<BoundingBox>, |bbox, pixel| {
        let (u, v) = (pixel.x + PIXEL_CENTER, pixel.y + PIXEL_CENTER);
        let bbox = bbox.unwrap_or(BoundingBox::new(u, v, u, v));
        Some(BoundingBox::new(
            bbox.x_min.min(u),
            bbox.y_min.min(v),
            bbox.x_max.max(u),
            bbox.y_max.max(v),
        ))
    });
    bbox.filter(BoundingBox::is_proper)
}

/// The pixel in which a point in the optical frame is seen, `[u, v]`; `None` behind the camera. Without the
/// look at whether the model has folded over there, for who knows that the ray is one of the picture's.
pub fn project(intrinsics: &Intrinsics, point: &Vector3<f64>) -> Option<Vector2<f64>> {
    if point.z.is_nan() || point.z <= 0.0 {
        return None;
    }
    let ideal = point.xy() / point.z;
    let distorted = distort(&intrinsics.distortion, ideal);
    Some(Vector2::new(
        distorted.x * intrinsics.fx + intrinsics.cx,
        distorted.y * intrinsics.fy + intrinsics.cy,
    ))
}

/// Where a lens shows a ray `[x/z, y/z]`, before the focal lengths: OpenCV's models.
fn distort(distortion: &Distortion, ideal: Vector2<f64>) -> Vector2<f64> {
    match distortion {
        Distortion::None => ideal,
        Distortion::BrownConrady(k) => {
            let (radial, tangential, _) = radial_tangential(ideal, k);
            ideal * radial + tangential
        }
        Distortion::ThinPrism([k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tau_x, tau_y]) => {
            let k = [*k1, *k2, *p1, *p2, *k3, *k4, *k5, *k6];
            let (radial, tangential, r2) = radial_tangential(ideal, &k);
            let prism = Vector2::new(r2 * (s1 + r2 * s2), r2 * (s3 + r2 * s4));
            tilted(ideal * radial + tangential + prism, *tau_x, *tau_y)
        }
        Distortion::Equidistant(k) => {
            let r = ideal.norm();
            if r < 1e-12 {
                return ideal;
            }
            let theta = r.atan();
            let t2 = theta * theta;
            let series = t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3])));
            ideal * (theta * (1.0 + series) / r)
        }
    }
}

/// Of an ideal point: the radial factor, the tangential shift, and the squared radius.
fn radial_tangential(ideal: Vector2<f64>, k: &[f64; 8]) -> (f64, Vector2<f64>, f64) {
    let [k1, k2, p1, p2, k3, k4, k5, k6] = *k;
    let (x, y) = (ideal.x, ideal.y);
    let r2 = x * x + y * y;
    let radial = (1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1.0 + r2 * (k4 + r2 * (k5 + r2 * k6)));
    let tangential = Vector2::new(
        2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
        p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
    );
    (radial, tangential, r2)
}

/// Where a point on a level sensor lies on a tilted one: what [`level`] undoes.
fn tilted(point: Vector2<f64>, tau_x: f64, tau_y: f64) -> Vector2<f64> {
    if tau_x == 0.0 && tau_y == 0.0 {
        return point;
    }
    let tilt = tilt(tau_x, tau_y);
    let turned = tilt * Vector3::new(point.x, point.y, 1.0);
    let (x, y, z) = (tilt[(0, 2)], tilt[(1, 2)], tilt[(2, 2)]);
    Vector2::new(
        (z * turned.x - x * turned.z) / turned.z,
        (z * turned.y - y * turned.z) / turned.z,
    )
}

/// The sensor's rotation about x, then about y.
fn tilt(tau_x: f64, tau_y: f64) -> Matrix3<f64> {
    let ((sin_x, cos_x), (sin_y, cos_y)) = (tau_x.sin_cos(), tau_y.sin_cos());
    Matrix3::new(cos_y, 0.0, -sin_y, 0.0, 1.0, 0.0, sin_y, 0.0, cos_y)
        * Matrix3::new(1.0, 0.0, 0.0, 0.0, cos_x, sin_x, 0.0, -sin_x, cos_x)
}

/// By how large a share of their depth two neighbouring pixels may differ on one surface: a slanted one (three pixel
/// footprints deep a pixel, 72 degrees) plus sensor noise. The focal length is the depth image's, in pixels.
pub(crate) fn jump_share(focal_px: f64) -> f32 {
    3.0 / focal_px as f32 + 0.003
}

/// Invert OpenCV's radial-tangential model (k1 k2 p1 p2 k3 k4 k5 k6).
fn undistort_brown_conrady(distorted: Vector2<f64>, k: &[f64; 8]) -> Vector2<f64> {
    invert(distorted, k, |tangential, _| tangential)
}

/// Invert the same with a thin prism (s1 s2 s3 s4) on a sensor that is tilted by two angles.
fn undistort_thin_prism(distorted: Vector2<f64>, d: &[f64; 14]) -> Vector2<f64> {
    let [k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tau_x, tau_y] = *d;
    let on_level_sensor = level(distorted, tau_x, tau_y);
    let k = [k1, k2, p1, p2, k3, k4, k5, k6];
    invert(on_level_sensor, &k, |tangential, r2| {
        tangential + Vector2::new(r2 * (s1 + r2 * s2), r2 * (s3 + r2 * s4))
    })
}

/// Where a point on a tilted sensor would lie if the sensor stood level behind the lens.
fn level(point: Vector2<f64>, tau_x: f64, tau_y: f64) -> Vector2<f64> {
    if tau_x == 0.0 && tau_y == 0.0 {
        return point;
    }
    let tilt = tilt(tau_x, tau_y);
    // The tilted plane was projected back onto the level one along the optical axis.
    let (x, y, z) = (tilt[(0, 2)], tilt[(1, 2)], tilt[(2, 2)]);
    let projected = Vector3::new((point.x + x) / z, (point.y + y) / z, 1.0);
    let levelled = tilt.transpose() * projected;
    levelled.xy() / levelled.z
}

/// Solve `distorted = ideal * radial + shift` for the ideal point by fixed-point iteration; `shift_of` makes the
/// shift of the tangential one and the ideal point's squared radius.
fn invert(
    distorted: Vector2<f64>,
    k: &[f64; 8],
    shift_of: impl Fn(Vector2<f64>, f64) -> Vector2<f64>,
) -> Vector2<f64> {
    let mut ideal = distorted;
    for _ in 0..MAX_ITERATIONS {
        let (radial, tangential, r2) = radial_tangential(ideal, k);
        let next = (distorted - shift_of(tangential, r2)) / radial;
        // Far outside the calibrated field the model folds over; the last sane ray is kept.
        if !(next.x.is_finite() && next.y.is_finite()) {
            break;
        }
        let moved = (next - ideal).norm();
        ideal = next;
        if moved < CONVERGED {
            break;
        }
    }
    ideal
}

/// Invert the fisheye model: theta_d = theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8).
fn undistort_equidistant(distorted: Vector2<f64>, k: &[f64; 4]) -> Vector2<f64> {
    let theta_distorted = distorted.norm();
    if theta_distorted < 1e-12 {
        return distorted;
    }
    let mut theta = theta_distorted;
    for _ in 0..MAX_ITERATIONS {
        let t2 = theta * theta;
        let series = t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3])));
        let slope =
            1.0 + t2 * (3.0 * k[0] + t2 * (5.0 * k[1] + t2 * (7.0 * k[2] + t2 * 9.0 * k[3])));
        let step = (theta * (1.0 + series) - theta_distorted) / slope;
        if !step.is_finite() {
            break;
        }
        theta -= step;
        if step.abs() < CONVERGED {
            break;
        }
    }
    // A ray at 90 degrees or more never meets the image plane of a pinhole.
    let theta = theta.clamp(0.0, 1.55);
    distorted * (theta.tan() / theta_distorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(distortion: Distortion) -> Intrinsics {
        Intrinsics {
            width: 640,
            height: 480,
            fx: 600.0,
            fy: 610.0,
            cx: 320.0,
            cy: 240.0,
            distortion,
        }
    }

    /// The forward models, written from their definitions.
    fn distort(distortion: Distortion, x: f64, y: f64) -> (f64, f64) {
        let r2 = x * x + y * y;
        match distortion {
            Distortion::None => (x, y),
            Distortion::BrownConrady([k1, k2, p1, p2, k3, k4, k5, k6]) => {
                let radial = (1.0 + k1 * r2 + k2 * r2.powi(2) + k3 * r2.powi(3))
                    / (1.0 + k4 * r2 + k5 * r2.powi(2) + k6 * r2.powi(3));
                (
                    x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
                    y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
                )
            }
            Distortion::ThinPrism(
                [k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tau_x, tau_y],
            ) => {
                let without = Distortion::BrownConrady([k1, k2, p1, p2, k3, k4, k5, k6]);
                let (xd, yd) = distort(without, x, y);
                let (xd, yd) = (
                    xd + s1 * r2 + s2 * r2.powi(2),
                    yd + s3 * r2 + s4 * r2.powi(2),
                );
                // The sensor is turned about x, then about y, and seen along the axis again.
                let turned = (
                    xd * tau_y.cos() - (tau_x.cos() - yd * tau_x.sin()) * tau_y.sin(),
                    yd * tau_x.cos() + tau_x.sin(),
                    xd * tau_y.sin() + (tau_x.cos() - yd * tau_x.sin()) * tau_y.cos(),
                );
                let level = (
                    -tau_x.cos() * tau_y.sin(),
                    tau_x.sin(),
                    tau_x.cos() * tau_y.cos(),
                );
                (
                    (level.2 * turned.0 - level.0 * turned.2) / turned.2,
                    (level.2 * turned.1 - level.1 * turned.2) / turned.2,
                )
            }
            Distortion::Equidistant(k) => {
                let r = r2.sqrt();
                let theta = r.atan();
                let theta_d = theta
                    * (1.0
                        + k[0] * theta.powi(2)
                        + k[1] * theta.powi(4)
                        + k[2] * theta.powi(6)
                        + k[3] * theta.powi(8));
                (x / r * theta_d, y / r * theta_d)
            }
        }
    }

    #[test]
    fn every_lens_model_is_followed_and_inverted() {
        for distortion in [
            Distortion::None,
            Distortion::BrownConrady([-0.05, 0.06, 0.0005, -0.0007, -0.02, 0.0, 0.0, 0.0]),
            Distortion::BrownConrady([0.4, -0.2, 0.001, -0.0005, 0.05, 0.35, -0.15, 0.02]),
            Distortion::ThinPrism([
                0.2, -0.1, 0.001, -0.0005, 0.02, 0.1, -0.05, 0.01, 0.003, -0.002, 0.002, 0.001,
                0.02, -0.03,
            ]),
            Distortion::Equidistant([0.01, -0.02, 0.005, -0.001]),
        ] {
            // given a ray and the pixel that the lens maps it to
            let camera = camera(distortion);
            for (x, y) in [(0.3, -0.2), (-0.45, 0.35), (0.01, 0.0), (0.0, 0.39)] {
                let (xd, yd) = distort(distortion, x, y);
                let seen = pixel(&camera, &Vector3::new(2.0 * x, 2.0 * y, 2.0)).unwrap();
                let off_px = (seen.x - xd * camera.fx - camera.cx)
                    .hypot(seen.y - yd * camera.fy - camera.cy);
                assert!(off_px < 1e-9, "{distortion:?}: {off_px} px off");
                // when that pixel is turned back into a ray
                let ray = ray(
                    &camera,
                    xd * camera.fx + camera.cx,
                    yd * camera.fy + camera.cy,
                );
                // then it is the ray we began with
                let seen = project(&camera, &Vector3::new(2.0 * x, 2.0 * y, 2.0)).unwrap();
                assert!(
                    (seen.x - (xd * camera.fx + camera.cx)).abs() < 1e-9,
                    "{seen:?}"
                );
                assert!(
                    (seen.y - (yd * camera.fy + camera.cy)).abs() < 1e-9,
                    "{seen:?}"
                );
                assert!(
                    (ray.x - x).abs() < 1e-6 && (ray.y - y).abs() < 1e-6,
                    "{distortion:?}: {ray:?} for ({x}, {y})"
                );
            }
        }
    }

    #[test]
    fn a_corner_of_a_wide_lens_was_given_up_after_twenty_rounds() {
        // given a wide lens with coefficients of a factory calibration's size
        let wide = Intrinsics {
            width: 1280,
            height: 800,
            fx: 570.0,
            fy: 570.0,
            cx: 640.0,
            cy: 400.0,
            distortion: Distortion::BrownConrady([10.2, 5.6, 0.0, 0.0, 0.3, 10.5, 9.1, 1.6]),
        };
        // when its corner becomes a ray
        let ray = ray(&wide, 1279.0, 799.0);
        // then the lens maps that ray to the corner
        let (x, y) = distort(wide.distortion, ray.x, ray.y);
        let off_px = (x * wide.fx + wide.cx - 1279.0).hypot(y * wide.fy + wide.cy - 799.0);
        assert!(off_px < 1e-5, "{off_px} px off");
    }

    #[test]
    fn a_lens_that_folds_over_still_gives_a_finite_ray() {
        let camera = camera(Distortion::BrownConrady([
            -5.0, 3.0, 0.1, 0.1, -9.0, 0.0, 0.0, 0.0,
        ]));
        let ray = ray(&camera, 1e4, -1e4);
        assert!(ray.x.is_finite() && ray.y.is_finite());
    }
}
