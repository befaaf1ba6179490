//! The scene graph of one frame: regions as clouds and boxes, and what can be said of any two of them.
//! A relation whose margin is too small to be sure of is not said.

use super::shape::{Axes, LevelBox};
use spatial_reward_core::geometry::{Point, gap_m, mean_nearest_of_samples_m};

/// Points of each cloud that take part in a measurement, at most.
pub(crate) const MAX_POINTS: usize = 2000;

/// Two things differ in place along an axis if their centres are at least so far apart along it: in
/// metres, and as a share of their distance (9 degrees).
const MIN_OFFSET_M: f32 = 0.01;
const MIN_OFFSET_SHARE: f32 = 0.15;
/// Two things differ in size if the larger is so many times the smaller, and in length by so much.
const MIN_LENGTH_RATIO: f32 = 1.2;
const MIN_LENGTH_M: f32 = 0.005;
const MIN_VOLUME_RATIO: f32 = 1.5;
/// From so far on, seen from above, a direction is a direction.
const MIN_DIRECTION_M: f32 = 0.02;

/// A sample of a region's visible surface.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cloud {
    points: Vec<Point>,
    /// Points of the whole.
    count: usize,
}

impl Cloud {
    /// At most `MAX_POINTS` of the points, spread over all of them.
    pub(crate) fn of(points: Vec<Point>) -> Self {
        let count = points.len();
        let points = if count <= MAX_POINTS {
            points
        } else {
            // No whole step: that would fall into step with the rows of the picture.
            let at = |i: usize| points.get(i * count / MAX_POINTS).copied();
            (0..MAX_POINTS).filter_map(at).collect()
        };
        Self { points, count }
    }

    /// The mean of the points; the origin if there are none.
    pub(crate) fn centroid(&self) -> Point {
        self.points.iter().sum::<Point>() / self.points.len().max(1) as f32
    }
}

/// The regions of one frame. None is empty.
pub(crate) struct Scene {
    clouds: Vec<Cloud>,
    boxes: Vec<LevelBox>,
    axes: Axes,
    sense: Sense,
}

/// What is meant by the words of places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    /// Places are the boxes' centres; left and right are the picture's, and in front is nearer along the optical axis.
    Own,
    /// As the Open Spatial Dataset's pipeline has it: places are the clouds' means, along level axes; in front is what
    /// begins nearer; a horizontal distance is to the side alone. `certain`: two are compared only where they clearly differ.
    Paper { certain: bool },
}

/// Something that either of two regions can be more than the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Comparison {
    /// More to the left in the picture.
    LeftRight,
    /// Higher against gravity.
    AboveBelow,
    /// Nearer to the camera.
    FrontBehind,
    /// Of more volume.
    BigSmall,
    /// Higher from its own bottom to its top.
    TallShort,
    /// Wider.
    WideThin,
}

impl Scene {
    /// Of the regions' clouds, by their numbers.
    pub(crate) fn new(clouds: Vec<Cloud>, axes: Axes) -> Self {
        let boxes = clouds
            .iter()
            .map(|cloud| LevelBox::around(&cloud.points, &axes))
            .collect();
        Self {
            clouds,
            boxes,
            axes,
            sense: Sense::Own,
        }
    }

    /// Of the regions' clouds and their boxes along the axes, in the sense of the paper's pipeline.
    pub(crate) fn of_paper(regions: Vec<(Cloud, LevelBox)>, axes: Axes, certain: bool) -> Self {
        let (clouds, boxes) = regions.into_iter().unzip();
        Self {
            clouds,
            boxes,
            axes,
            sense: Sense::Paper { certain },
        }
    }

    /// Whether places are meant as in the paper's pipeline.
    pub(crate) fn is_of_paper(&self) -> bool {
        matches!(self.sense, Sense::Paper { .. })
    }

    /// How many there are.
    pub(crate) fn regions(&self) -> usize {
        self.clouds.len()
    }

    /// Whether it is known which way is up.
    pub(crate) fn has_gravity(&self) -> bool {
        self.axes.has_gravity
    }

    /// Mean of the nearest-neighbour distances of both clouds, both ways together, metres.
    pub(crate) fn direct_m(&self, a: usize, b: usize) -> f32 {
        let sample = |region: usize| {
            let cloud = &self.clouds[region];
            (cloud.points.as_slice(), cloud.count)
        };
        mean_nearest_of_samples_m(sample(a), sample(b))
    }

    /// The robust smallest gap between the visible surfaces, metres.
    pub(crate) fn gap_m(&self, a: usize, b: usize) -> f32 {
        gap_m(&self.clouds[a].points, &self.clouds[b].points)
    }

    /// Between the boxes' centres as seen from above, metres; in the paper's sense to the side alone.
    pub(crate) fn horizontal_m(&self, a: usize, b: usize) -> f32 {
        match self.sense {
            Sense::Own => self.level_m(self.offset(a, b)),
            Sense::Paper { .. } => self.offset(a, b).dot(&self.axes.right).abs(),
        }
    }

    /// How long an offset is as seen from above.
    fn level_m(&self, offset: Point) -> f32 {
        offset
            .dot(&self.axes.right)
            .hypot(offset.dot(&self.axes.ahead))
    }

    /// Between the heights of the boxes' centres, metres.
    pub(crate) fn vertical_m(&self, a: usize, b: usize) -> f32 {
        self.offset(a, b).dot(&self.axes.up).abs()
    }

    /// The longer level side of the box, metres.
    pub(crate) fn width_m(&self, region: usize) -> f32 {
        self.boxes[region].width
    }

    /// The upright side of the box, metres.
    pub(crate) fn height_m(&self, region: usize) -> f32 {
        self.boxes[region].height
    }

    /// Where `to` is, seen from above by somebody at `from` who faces the camera's way: 12 is ahead, 3 to
    /// the right. `None` if one is nearly above the other.
    pub(crate) fn clock_hour(&self, from: usize, to: usize) -> Option<u8> {
        let offset = self.moved(from, to);
        if self.level_m(offset) < MIN_DIRECTION_M {
            return None;
        }
        let angle = offset
            .dot(&self.axes.right)
            .atan2(offset.dot(&self.axes.ahead));
        let hour = (angle.to_degrees() / 30.0).round() as i32;
        Some(match hour.rem_euclid(12) {
            0 => 12,
            hour => hour as u8,
        })
    }

    /// Whether `a` is more so than `b`; `None` if the margin is too small to say.
    pub(crate) fn compare(&self, comparison: Comparison, a: usize, b: usize) -> Option<bool> {
        let (of_a, of_b) = (&self.boxes[a], &self.boxes[b]);
        if self.sense == (Sense::Paper { certain: false }) {
            return Some(match comparison {
                Comparison::LeftRight => self.moved(a, b).dot(&self.axes.right) > 0.0,
                Comparison::AboveBelow => self.moved(a, b).dot(&self.axes.up) < 0.0,
                Comparison::FrontBehind => self.begins_m(a) < self.begins_m(b),
                Comparison::BigSmall => of_a.volume() > of_b.volume(),
                Comparison::TallShort => of_a.height > of_b.height,
                Comparison::WideThin => of_a.width > of_b.width,
            });
        }
        match (comparison, self.sense) {
            (Comparison::LeftRight, Sense::Own) => self.beyond(a, b, Point::x()),
            (Comparison::LeftRight, Sense::Paper { .. }) => self.beyond(a, b, self.axes.right),
            (Comparison::AboveBelow, _) => self.beyond(a, b, -self.axes.up),
            (Comparison::FrontBehind, Sense::Own) => self.beyond(a, b, Point::z()),
            (Comparison::FrontBehind, Sense::Paper { .. }) => {
                clearly(self.begins_m(b) - self.begins_m(a), self.moved(a, b))
            }
            (Comparison::BigSmall, _) => bigger(of_a, of_b),
            (Comparison::TallShort, _) => longer(of_a.height, of_b.height),
            (Comparison::WideThin, _) => longer(of_a.width, of_b.width),
        }
    }

    /// How far ahead the box begins, metres.
    fn begins_m(&self, region: usize) -> f32 {
        let of_it = &self.boxes[region];
        of_it.center.dot(&self.axes.ahead) - of_it.depth / 2.0
    }

    /// Whether `b` lies farther along a direction than `a`.
    fn beyond(&self, a: usize, b: usize, direction: Point) -> Option<bool> {
        let offset = self.moved(a, b);
        clearly(offset.dot(&direction), offset)
    }

    /// From the place of one to that of the other.
    fn moved(&self, from: usize, to: usize) -> Point {
        match self.sense {
            Sense::Own => self.offset(from, to),
            Sense::Paper { .. } => self.clouds[to].centroid() - self.clouds[from].centroid(),
        }
    }

    /// From the centre of one box to that of the other.
    fn offset(&self, from: usize, to: usize) -> Point {
        self.boxes[to].center - self.boxes[from].center
    }
}

/// Whether something is along a direction, of an offset of which that is a good part.
fn clearly(along: f32, offset: Point) -> Option<bool> {
    let least = MIN_OFFSET_M.max(MIN_OFFSET_SHARE * offset.norm());
    (along.abs() >= least).then_some(along > 0.0)
}

/// Of a thing that shows one flat side nobody can tell the volume.
fn bigger(a: &LevelBox, b: &LevelBox) -> Option<bool> {
    let least_side = |it: &LevelBox| it.width.min(it.depth).min(it.height);
    let (of_a, of_b) = (a.volume(), b.volume());
    let sure = least_side(a).min(least_side(b)) >= MIN_LENGTH_M
        && of_a.max(of_b) >= MIN_VOLUME_RATIO * of_a.min(of_b);
    sure.then_some(of_a > of_b)
}

fn longer(a: f32, b: f32) -> Option<bool> {
    let sure = a.max(b) >= MIN_LENGTH_RATIO * a.min(b) && (a - b).abs() >= MIN_LENGTH_M;
    sure.then_some(a > b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An upright face of points before a level camera.
    fn face(center: [f32; 3], width: f32, height: f32) -> Cloud {
        let steps = 40;
        let at = |n: usize, side: f32| side * (n as f32 / (steps - 1) as f32 - 0.5);
        let points = (0..steps * steps).map(|i| {
            let offset = Point::new(at(i % steps, width), at(i / steps, height), 0.0);
            Point::from(center) + offset
        });
        Cloud::of(points.collect())
    }

    fn level() -> Axes {
        Axes::new(Some(Point::new(0.0, -9.81, 0.0)))
    }

    fn two(a: Cloud, b: Cloud) -> Scene {
        Scene::new(vec![a, b], level())
    }

    #[test]
    fn parallel_faces_are_their_gap_apart() {
        let scene = two(
            face([0.0, 0.0, 1.0], 0.1, 0.1),
            face([0.0, 0.0, 1.25], 0.1, 0.1),
        );
        assert!((scene.direct_m(0, 1) - 0.25).abs() < 1e-4);
        assert!((scene.horizontal_m(0, 1) - 0.25).abs() < 1e-4);
        assert!(scene.vertical_m(0, 1) < 1e-4);
    }

    #[test]
    fn horizontal_and_vertical_are_between_the_centres() {
        // 30 cm to the right, 40 cm away, 20 cm up (y points down)
        let scene = two(
            face([0.0, 0.0, 1.0], 0.02, 0.02),
            face([0.3, -0.2, 1.4], 0.02, 0.02),
        );
        assert!((scene.horizontal_m(0, 1) - 0.5).abs() < 1e-3);
        assert!((scene.vertical_m(0, 1) - 0.2).abs() < 1e-3);
        assert_eq!(scene.compare(Comparison::LeftRight, 0, 1), Some(true));
        assert_eq!(scene.compare(Comparison::LeftRight, 1, 0), Some(false));
        assert_eq!(scene.compare(Comparison::AboveBelow, 0, 1), Some(false));
        assert_eq!(scene.compare(Comparison::AboveBelow, 1, 0), Some(true));
        assert_eq!(scene.compare(Comparison::FrontBehind, 0, 1), Some(true));
        assert_eq!(scene.compare(Comparison::FrontBehind, 1, 0), Some(false));
    }

    #[test]
    fn the_clock_is_read_from_above_facing_as_the_camera_does() {
        let hour = |x: f32, z: f32| {
            let other = face([x, 0.1, 1.0 + z], 0.02, 0.02);
            two(face([0.0, 0.0, 1.0], 0.02, 0.02), other).clock_hour(0, 1)
        };
        assert_eq!(hour(0.0, 0.3), Some(12));
        assert_eq!(hour(0.3, 0.0), Some(3));
        assert_eq!(hour(0.0, -0.3), Some(6));
        assert_eq!(hour(-0.3, 0.0), Some(9));
        // 60 degrees to the right
        assert_eq!(hour(0.26, 0.15), Some(2));
        // One above the other has no direction.
        assert_eq!(hour(0.005, 0.005), None);
    }

    #[test]
    fn gravity_not_the_picture_says_what_is_above() {
        // given a camera that points straight down, and a thing 20 cm nearer to it than the other
        let axes = Axes::new(Some(Point::new(0.0, 0.0, -9.81)));
        let near = face([0.0, 0.0, 0.8], 0.05, 0.05);
        let far = face([0.0, 0.05, 1.0], 0.05, 0.05);
        let scene = Scene::new(vec![near, far], axes);
        // then the nearer one is the higher one, whatever the picture's rows say
        assert_eq!(scene.compare(Comparison::AboveBelow, 0, 1), Some(true));
        assert!((scene.vertical_m(0, 1) - 0.2).abs() < 1e-3);
        assert!((scene.horizontal_m(0, 1) - 0.05).abs() < 1e-3);
    }

    #[test]
    fn sizes_are_compared_only_where_they_clearly_differ() {
        let compared = |width: f32, height: f32| {
            let scene = two(
                face([0.0, 0.0, 1.0], 0.1, 0.1),
                face([0.5, 0.0, 1.0], width, height),
            );
            [Comparison::TallShort, Comparison::WideThin].map(|it| scene.compare(it, 0, 1))
        };
        assert_eq!(compared(0.2, 0.05), [Some(true), Some(false)]);
        assert_eq!(compared(0.11, 0.095), [None, None]);
    }

    #[test]
    fn volumes_are_compared_only_where_they_show() {
        // given a face, and copies of it that make a block of 10, 5 and 0.4 cm depth
        let block = |x: f32, depth: f32| {
            let layer = |z: f32| face([x, 0.0, 1.0 + z], 0.1, 0.1).points;
            Cloud::of([0.0, 0.5, 1.0].map(|at| layer(at * depth)).concat())
        };
        let bigger = |one: f32, other: f32| {
            two(block(0.0, one), block(0.5, other)).compare(Comparison::BigSmall, 0, 1)
        };
        assert_eq!(bigger(0.1, 0.05), Some(true));
        assert_eq!(bigger(0.05, 0.1), Some(false));
        assert_eq!(bigger(0.1, 0.09), None);
        assert_eq!(bigger(0.1, 0.004), None);
    }

    #[test]
    fn places_are_compared_only_where_they_clearly_differ() {
        // 3 cm to the right of half a metre upwards
        let scene = two(
            face([0.0, 0.0, 1.0], 0.1, 0.1),
            face([0.03, -0.5, 1.0], 0.1, 0.1),
        );
        assert_eq!(scene.compare(Comparison::LeftRight, 0, 1), None);
        assert_eq!(scene.compare(Comparison::AboveBelow, 0, 1), Some(false));
    }

    #[test]
    fn a_large_cloud_is_sampled_all_over() {
        let points = (0..50_000)
            .map(|i| Point::new(i as f32, 0.0, 0.0))
            .collect();
        let cloud = Cloud::of(points);
        assert_eq!(cloud.points.len(), MAX_POINTS);
        assert!((cloud.centroid().x - 25_000.0).abs() < 30.0);
    }
}
