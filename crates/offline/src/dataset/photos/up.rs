//! Which way is up for the camera, from depth alone: of a made world most planes are level or upright. A direction is up if
//! the normals of many places lie along it or square to it, if it is near the picture's own up, and if little lies below
//! what would be its ground.

use nalgebra::{Matrix3, SymmetricEigen};
use spatial_reward_core::frame::{DepthImage, Intrinsics};
use spatial_reward_core::geometry::{Point, camera};
use spatial_reward_core::random::Random;

/// Places along the picture's longer side whose normals are taken.
const PLACES: u32 = 160;
/// 1/z of a plane is even over the picture; a place where it bends by more than this share is none of a plane.
const MAX_BEND: f32 = 0.02;
/// Directions that are tried.
const TRIES: usize = 240;
/// Normals within this angle of a direction lie along it, or square to it.
const NEAR_DEGREES: f32 = 5.0;
/// Directions nearer to each other are tried once.
const SAME_DEGREES: f32 = 3.0;
/// Up is at most so far from the picture's own.
const MAX_TILT_DEGREES: f32 = 65.0;
/// How fast belief falls with the angle between up and the picture's own.
const TILT_DEGREES: f32 = 70.0;
/// What an upright place counts beside a level one.
const UPRIGHT: f32 = 0.2;
/// Two directions so far apart are two answers.
const DISTINCT_DEGREES: f32 = 20.0;
/// From this share of level places on there are enough of them.
const ENOUGH_LEVEL: f32 = 0.15;
/// Fewer places tell nothing.
const LEAST_PLACES: usize = 100;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Up {
    /// Against gravity in the camera's optical frame, of unit length.
    pub direction: Point,
    /// From 0 to 1.
    pub confidence: f64,
}

/// A place that lies in a plane.
#[derive(Debug, Clone, Copy)]
struct Place {
    point: Point,
    /// Towards the camera.
    normal: Point,
}

/// How well a direction explains the places.
#[derive(Debug, Clone, Copy)]
struct Score {
    total: f32,
    level: f32,
}

/// The most likely direction; `None` where too little of a plane is seen.
pub(super) fn estimated(depth: &DepthImage, intrinsics: &Intrinsics) -> Option<Up> {
    let places = places(depth, intrinsics);
    if places.len() < LEAST_PLACES {
        return None;
    }
    let mut tried: Vec<(Point, Score)> = Vec::new();
    let mut begun: Vec<Point> = Vec::new();
    let same = SAME_DEGREES.to_radians().cos();
    for direction in directions(&places) {
        if begun.iter().any(|known| known.dot(&direction) > same) {
            continue;
        }
        begun.push(direction);
        let direction = refined(direction, &places);
        if tilt_cos(&direction) > MAX_TILT_DEGREES.to_radians().cos() {
            tried.push((direction, score(&direction, &places)));
        }
    }
    let better = |a: &&(Point, Score), b: &&(Point, Score)| a.1.total.total_cmp(&b.1.total);
    let (direction, best) = *tried.iter().max_by(better)?;
    let distinct = DISTINCT_DEGREES.to_radians().cos();
    let others = tried
        .iter()
        .filter(|(other, _)| other.dot(&direction) < distinct);
    let second = others.map(|(_, score)| score.total).fold(0.0, f32::max);
    if best.total <= 0.0 {
        return None;
    }
    // One that began some degrees off may have lost the floor in the last narrow rounds; from where it came to it is near.
    let direction = refined(direction, &places);
    let enough = (best.level / ENOUGH_LEVEL).min(1.0);
    let alone = (2.0 * (1.0 - second / best.total)).clamp(0.0, 1.0);
    Some(Up {
        direction,
        confidence: f64::from(enough * alone),
    })
}

/// 1 where a direction is the picture's own up.
fn tilt_cos(direction: &Point) -> f32 {
    -direction.y
}

/// Normals of places spread over the picture, where its depth is a plane's.
fn places(depth: &DepthImage, intrinsics: &Intrinsics) -> Vec<Place> {
    let (width, height) = (depth.width as usize, depth.height as usize);
    let intrinsics = intrinsics.resized(depth.width, depth.height);
    let step = (depth.width.max(depth.height) / PLACES).max(1) as usize;
    let inverse: Vec<f32> = depth.to_metres().into_iter().map(f32::recip).collect();
    let at = |column: usize, row: usize| {
        let value = inverse.get(row * width + column).copied();
        value.filter(|value| value.is_finite() && *value > 0.0)
    };
    let mut places = Vec::new();
    for row in (step..height.saturating_sub(step)).step_by(step) {
        for column in (step..width.saturating_sub(step)).step_by(step) {
            let cross = || {
                let middle = at(column, row)?;
                let across = [at(column - step, row)?, at(column + step, row)?];
                let down = [at(column, row - step)?, at(column, row + step)?];
                let bends = |[before, after]: [f32; 2]| {
                    (before + after - 2.0 * middle).abs() > MAX_BEND * middle
                };
                if bends(across) || bends(down) {
                    return None;
                }
                let ray = camera::ray(&intrinsics, column as f64, row as f64);
                let ray = [ray.x as f32, ray.y as f32];
                // 1/z = a x + b y + c for a plane whose points p have (a, b, c) . p = 1
                let a = (across[1] - across[0]) / (2 * step) as f32 * intrinsics.fx as f32;
                let b = (down[1] - down[0]) / (2 * step) as f32 * intrinsics.fy as f32;
                let c = middle - a * ray[0] - b * ray[1];
                Some(Place {
                    point: Point::new(ray[0], ray[1], 1.0) / middle,
                    normal: -Point::new(a, b, c).try_normalize(1e-12)?,
                })
            };
            places.extend(cross());
        }
    }
    places
}

/// Directions that may be up: along some normals, and square to pairs of them.
fn directions(places: &[Place]) -> Vec<Point> {
    // The same for the same picture.
    let mut random = Random(0);
    let mut drawn = || {
        places
            .get(random.below(places.len() as u64) as usize)
            .map(|it| it.normal)
    };
    let upwards = |direction: Point| {
        if direction.y > 0.0 {
            -direction
        } else {
            direction
        }
    };
    let mut all = Vec::new();
    for attempt in 0..TRIES {
        let (Some(one), Some(other)) = (drawn(), drawn()) else {
            break;
        };
        let direction = match attempt % 4 {
            0 => one.cross(&other),
            _ => one,
        };
        // Two normals of one plane say nothing together.
        all.extend(direction.try_normalize(0.3).map(upwards));
    }
    all
}

/// A direction brought to where level normals lie along it and upright ones square to it.
fn refined(mut direction: Point, places: &[Place]) -> Point {
    for within in [NEAR_DEGREES, 3.0, 2.0] {
        let (sin, cos) = within.to_radians().sin_cos();
        let mut sum = Matrix3::zeros();
        for place in places {
            let along = place.normal.dot(&direction).abs();
            if along > cos {
                sum -= place.normal * place.normal.transpose();
            } else if along < sin {
                sum += place.normal * place.normal.transpose();
            }
        }
        if sum == Matrix3::zeros() {
            break;
        }
        let eigen = SymmetricEigen::new(sum);
        let least = eigen.eigenvalues.imin();
        let best = Point::from(eigen.eigenvectors.column(least));
        direction = if best.dot(&direction) < 0.0 {
            -best
        } else {
            best
        };
    }
    direction
}

fn score(direction: &Point, places: &[Place]) -> Score {
    let (sin, cos) = NEAR_DEGREES.to_radians().sin_cos();
    let along = |place: &&Place| place.normal.dot(direction);
    let count = places.len() as f32;
    let mut ground: Vec<f32> = (places.iter().filter(|it| along(it) > cos))
        .map(|place| place.point.dot(direction))
        .collect();
    // What faces down is a ceiling's, and as level.
    let level = places.iter().filter(|it| along(it).abs() > cos).count() as f32 / count;
    let upright = places.iter().filter(|it| along(it).abs() < sin).count() as f32 / count;
    // A tenth of the level places may be strays.
    let tenth = ground.len() / 10;
    let below = match ground.is_empty() {
        true => 0.0,
        false => {
            let lowest = *ground.select_nth_unstable_by(tenth, f32::total_cmp).1;
            let slack = |place: &Place| 0.03 * place.point.norm();
            let is_below = |it: &&Place| it.point.dot(direction) < lowest - slack(it);
            places.iter().filter(is_below).count() as f32 / count
        }
    };
    let tilt = tilt_cos(direction).clamp(-1.0, 1.0).acos().to_degrees();
    let prior = (-(tilt / TILT_DEGREES).powi(2)).exp();
    Score {
        total: (level + UPRIGHT * upright) * (1.0 - below) * prior,
        level,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::frame::Distortion;

    /// The depth of a floor 1.2 m below a camera and a wall 4 m ahead of it, which looks down by `pitch` and is rolled.
    fn room(pitch: f32, roll: f32, has_floor: bool) -> (DepthImage, Intrinsics, Point) {
        let intrinsics = Intrinsics {
            width: 160,
            height: 120,
            fx: 130.0,
            fy: 130.0,
            cx: 79.5,
            cy: 59.5,
            distortion: Distortion::None,
        };
        let (pitch, roll) = (pitch.to_radians(), roll.to_radians());
        // World directions in the camera's frame.
        let tilted = |p: Point| {
            Point::new(
                p.x,
                p.y * pitch.cos() - p.z * pitch.sin(),
                p.y * pitch.sin() + p.z * pitch.cos(),
            )
        };
        let rolled = |p: Point| {
            Point::new(
                p.x * roll.cos() - p.y * roll.sin(),
                p.x * roll.sin() + p.y * roll.cos(),
                p.z,
            )
        };
        let (up, ahead) = (rolled(tilted(-Point::y())), rolled(tilted(Point::z())));
        let depth = (0..160 * 120).map(|index| {
            let ray = camera::ray(&intrinsics, f64::from(index % 160), f64::from(index / 160));
            let ray = Point::new(ray.x as f32, ray.y as f32, 1.0);
            let to_floor = -1.2 / ray.dot(&up);
            let to_wall = 4.0 / ray.dot(&ahead);
            match has_floor && to_floor > 0.0 {
                true if to_wall > 0.0 => to_floor.min(to_wall),
                true => to_floor,
                false => to_wall,
            }
        });
        (DepthImage::new(160, 120, depth.collect()), intrinsics, up)
    }

    #[test]
    fn a_floor_says_where_up_is_however_the_camera_is_held() {
        for (pitch, roll) in [
            (0.0, 0.0),
            (20.0, 0.0),
            (35.0, 8.0),
            (10.0, -15.0),
            (50.0, 3.0),
        ] {
            // Given a room
            let (depth, intrinsics, up) = room(pitch, roll, true);
            // When up is estimated
            let found = estimated(&depth, &intrinsics).unwrap();
            // Then it is up, surely
            let off = found
                .direction
                .dot(&up)
                .clamp(-1.0, 1.0)
                .acos()
                .to_degrees();
            assert!(off < 0.5, "pitch {pitch}, roll {roll}: {off} degrees off");
            assert!(
                found.confidence > 0.5,
                "pitch {pitch}, roll {roll}: {found:?}"
            );
        }
    }

    #[test]
    fn of_a_bare_wall_nobody_can_tell() {
        let (depth, intrinsics, _) = room(0.0, 0.0, false);
        let found = estimated(&depth, &intrinsics);
        assert!(
            found.is_none_or(|found| found.confidence < 0.1),
            "{found:?}"
        );
    }

    #[test]
    fn without_depth_nothing_is_said() {
        let (_, intrinsics, _) = room(0.0, 0.0, true);
        let depth = DepthImage::new(160, 120, vec![f32::NAN; 160 * 120]);
        assert_eq!(estimated(&depth, &intrinsics), None);
    }
}
