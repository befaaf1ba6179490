//! What a region's cloud says of its size and place: a box whose floor is level and whose sides follow
//! the region's own, as far as the camera sees it.

use nalgebra::Vector2;

use spatial_reward_core::geometry::Point;

/// Points beyond these shares of the cloud along an axis are taken for strays.
const LOW: f32 = 0.02;
const HIGH: f32 = 0.98;
/// Turns of the box that are tried, over a right angle.
const TURNS: usize = 45;
/// Points that take part in finding the turn.
const TURN_POINTS: usize = 500;
/// A camera that points so steeply has no "ahead" of its own: then the picture's top is ahead.
const STEEP: f32 = 0.17;

/// The optical frame's y points down.
fn camera_up() -> Point {
    -Point::y()
}

/// Directions in the camera's optical frame, each of unit length and square to the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axes {
    /// Against gravity, or the camera's own up where gravity is not known.
    pub up: Point,
    /// Level, away from the camera.
    pub ahead: Point,
    /// Level, to the camera's right.
    pub right: Point,
    /// `up` is known to be against gravity.
    pub has_gravity: bool,
}

impl Axes {
    /// From what points up, if that is known.
    pub(crate) fn new(up: Option<Point>) -> Self {
        let known = up.and_then(|up| up.try_normalize(1e-6));
        let up = known.unwrap_or_else(camera_up);
        let level = |direction: Point| direction - up * up.dot(&direction);
        let ahead = level(Point::z());
        let ahead = if ahead.norm() > STEEP {
            ahead
        } else {
            level(camera_up())
        };
        let ahead = ahead.try_normalize(1e-6).unwrap_or_else(Point::z);
        Self {
            up,
            ahead,
            right: ahead.cross(&up),
            has_gravity: known.is_some(),
        }
    }
}

/// A region's level box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LevelBox {
    /// Its centre in the camera's optical frame, metres.
    pub center: Point,
    /// The longer level side, metres.
    pub width: f32,
    /// The shorter level side, metres.
    pub depth: f32,
    /// Along `up`, metres.
    pub height: f32,
}

impl LevelBox {
    /// Around a cloud, which must not be empty: of all turns about the vertical the one with the
    /// smallest floor.
    pub(crate) fn around(cloud: &[Point], axes: &Axes) -> Self {
        let floor = |p: &Point| Vector2::new(p.dot(&axes.right), p.dot(&axes.ahead));
        let level: Vec<Vector2<f32>> = cloud.iter().map(floor).collect();
        let every = level.len().div_ceil(TURN_POINTS).max(1);
        let some: Vec<Vector2<f32>> = level.iter().copied().step_by(every).collect();
        let area = |turn: &Turn| {
            let [a, b] = turn.extent(&some).map(|(low, high)| high - low);
            a * b
        };
        let turns = (0..TURNS).map(|step| Turn::new(step as f32 / TURNS as f32));
        let turn = turns.min_by(|a, b| area(a).total_cmp(&area(b)));
        let turn = turn.unwrap_or_else(|| Turn::new(0.0));
        let [along, across] = turn.extent(&level);
        let (bottom, top) = robust_extent(cloud.iter().map(|p| p.dot(&axes.up)).collect());
        let middle = |(low, high): (f32, f32)| (low + high) / 2.0;
        let at = turn.back(Vector2::new(middle(along), middle(across)));
        let (one, other) = (along.1 - along.0, across.1 - across.0);
        Self {
            center: axes.right * at.x + axes.ahead * at.y + axes.up * middle((bottom, top)),
            width: one.max(other),
            depth: one.min(other),
            height: top - bottom,
        }
    }

    /// Cubic metres.
    pub(crate) fn volume(&self) -> f32 {
        self.width * self.depth * self.height
    }
}

/// A turn about the vertical.
struct Turn {
    cos: f32,
    sin: f32,
}

impl Turn {
    /// By a share of a right angle.
    fn new(share: f32) -> Self {
        let (sin, cos) = (share * std::f32::consts::FRAC_PI_2).sin_cos();
        Self { cos, sin }
    }

    /// How far points reach along both turned axes.
    fn extent(&self, points: &[Vector2<f32>]) -> [(f32, f32); 2] {
        let along = points.iter().map(|p| p.x * self.cos + p.y * self.sin);
        let across = points.iter().map(|p| p.y * self.cos - p.x * self.sin);
        [
            robust_extent(along.collect()),
            robust_extent(across.collect()),
        ]
    }

    fn back(&self, p: Vector2<f32>) -> Vector2<f32> {
        Vector2::new(
            p.x * self.cos - p.y * self.sin,
            p.x * self.sin + p.y * self.cos,
        )
    }
}

/// From the low to the high percentile; zeros if there are no values.
fn robust_extent(mut values: Vec<f32>) -> (f32, f32) {
    let Some(last) = values.len().checked_sub(1) else {
        return (0.0, 0.0);
    };
    let mut at = |share: f32| {
        let rank = (share * last as f32).round() as usize;
        *values.select_nth_unstable_by(rank, f32::total_cmp).1
    };
    (at(LOW), at(HIGH))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The points of a block's surface grid, turned about the vertical of a level camera.
    fn block(center: Point, size: [f32; 3], turn_degrees: f32) -> Vec<Point> {
        let (sin, cos) = turn_degrees.to_radians().sin_cos();
        let steps = 21;
        let mut points = Vec::new();
        for i in 0..steps {
            for j in 0..steps {
                for k in [0, steps - 1] {
                    let at = |n: usize, side: f32| side * (n as f32 / (steps - 1) as f32 - 0.5);
                    let (x, y, z) = (at(i, size[0]), at(j, size[1]), at(k, size[2]));
                    points.push(center + Point::new(x * cos + z * sin, y, z * cos - x * sin));
                }
            }
        }
        points
    }

    #[test]
    fn a_turned_block_has_its_own_sides() {
        // given a block of 20 x 10 x 5 cm that is turned by 30 degrees before a level camera
        let center = Point::new(0.1, -0.2, 1.5);
        let cloud = block(center, [0.2, 0.1, 0.05], 30.0);
        // when its box is found
        let found = LevelBox::around(&cloud, &Axes::new(Some(Point::new(0.0, -9.81, 0.0))));
        // then it is the block, but for the outermost 2 % that count as strays
        assert!((found.center - center).norm() < 0.005, "{found:?}");
        assert!((found.width - 0.2).abs() < 0.012, "{found:?}");
        assert!((found.depth - 0.05).abs() < 0.012, "{found:?}");
        assert!((found.height - 0.1).abs() < 0.011, "{found:?}");
    }

    #[test]
    fn a_stray_point_does_not_blow_the_box_up() {
        let axes = Axes::new(None);
        let mut cloud = block(Point::new(0.0, 0.0, 1.0), [0.1; 3], 0.0);
        let before = LevelBox::around(&cloud, &axes);
        cloud.push(Point::new(0.0, 0.0, 4.0));
        let after = LevelBox::around(&cloud, &axes);
        assert!((after.volume() / before.volume() - 1.0).abs() < 0.1);
    }

    #[test]
    fn a_tilted_camera_still_has_level_axes() {
        // given a camera that points down by 40 degrees
        let (sin, cos) = 40_f32.to_radians().sin_cos();
        let up = Point::new(0.0, -cos, -sin);
        let axes = Axes::new(Some(up * 9.81));
        // then ahead is level, away from it, and right is its own right
        assert!(axes.ahead.dot(&up).abs() < 1e-6 && axes.ahead.z > 0.0);
        assert!((axes.right - Point::x()).norm() < 1e-6);
        assert!(axes.has_gravity);
    }

    #[test]
    fn straight_down_the_pictures_top_is_ahead() {
        let axes = Axes::new(Some(Point::new(0.0, 0.0, -9.81)));
        assert!((axes.ahead - camera_up()).norm() < 1e-6);
        assert!((axes.right - Point::x()).norm() < 1e-6);
    }
}
