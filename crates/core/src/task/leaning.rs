//! How far a region leans from how it stood or lay when the episode began: the axis of a cylinder of its size that is laid
//! through what shows of it, against the way along which it was longest at first. A region at a TF frame leans as its frame does.

use nalgebra::{Matrix3, SymmetricEigen, Unit, Vector3};

use super::cylinder::{Fit, Pose, Size, fit};
use super::reading::Value;
use crate::frame::RegionInSpace;
use crate::statistics::percentile;

/// What stands is this much longer than wide; of less nobody can tell the axis.
const LONGER_STANDING: f64 = 1.2;
/// The same of what lies: of what is no longer than wide a corner may look as if it were.
const LONGER_LYING: f64 = 1.5;
/// Of the seen points so many on each side of a direction are left to the sensor.
const EDGE_PERCENT: f64 = 2.0;
/// Of the sizes that were seen so many are smaller: more are of hidden regions than of regions with something else in them.
const SIZE_PERCENT: f64 = 65.0;
/// So many frames in which it does not lean by more than that tell its size.
const MOST_FRAMES: usize = 64;
const UPRIGHT_RAD: f64 = 0.2;
/// Fewer points tell no axis.
const FEWEST_POINTS: usize = 12;
/// Further than this from the last axis, in radians, a region that shows by a strip alone is not told.
const STRIP_TURN_RAD: f64 = 0.35;
/// What is seen along its axis shows no width: the sine of the angle between both.
const ALONG_SIGHT: f64 = 0.2;
/// What widens upwards, or downwards, does so by one of these.
const TAPERS: [f64; 8] = [0.05, -0.05, 0.1, -0.1, 0.15, -0.15, 0.2, -0.2];
/// It has to fit better than a cylinder by so much, in units of the fit's cost, of which a radian that the fit leans, though the
/// thing stands, counts as one.
const TAPER_COST: f64 = 0.03;
/// A radian away from the last axis has to fit better by so much, in units of the fit's cost.
const TURN_COST: f64 = 0.1;
/// No axis is told better, nor is one of use that is told worse, in radians.
const LEAST_STD_RAD: f64 = 0.015;
const MOST_STD_RAD: f64 = 0.3;

/// One region as one camera sees it through an episode.
#[derive(Debug, Clone, Default)]
pub(super) struct Leaning {
    /// Its z axis at first, where it is at a TF frame.
    framed: Option<Unit<Vector3<f64>>>,
    /// The axis at first.
    stood: Option<Unit<Vector3<f64>>>,
    /// As it was last told.
    pose: Option<Pose>,
    lengths: Vec<f64>,
    widths: Vec<f64>,
    /// By how much it widens along the axis.
    taper: f64,
    now: Option<Value>,
}

impl Leaning {
    /// As it is seen next.
    pub(super) fn follow(&mut self, place: &RegionInSpace) {
        self.now = match place.axis {
            Some(axis) => self.of_frame(axis),
            None => self.of_points(place),
        };
    }

    /// How far it leans in the frame that was followed last, in radians; `None` where that cannot be told.
    pub(super) fn tilt(&self) -> Option<Value> {
        self.now
    }

    fn of_frame(&mut self, axis: [f64; 3]) -> Option<Value> {
        let axis = Unit::try_new(Vector3::from(axis), 1e-9)?;
        let first = *self.framed.get_or_insert(axis);
        Some(Value {
            value: angle(&first, &axis),
            std: Some(0.0),
        })
    }

    fn of_points(&mut self, place: &RegionInSpace) -> Option<Value> {
        let points: Vec<Vector3<f64>> = (place.points.iter())
            .map(|point| Vector3::from(*point).cast())
            .collect();
        if points.len() < FEWEST_POINTS {
            return None;
        }
        let middle = points.iter().sum::<Vector3<f64>>() / points.len() as f64;
        if self.stood.is_none() {
            let up = Unit::try_new(Vector3::from(place.stands_on?.up).cast(), 1e-9)?;
            let axis = longest(&points, &middle, up)?;
            self.stood = Some(axis);
            self.keep_size(&points, &middle, &axis);
            if axis == up {
                self.taper = taper(&points, &middle, up, self.size()?);
            }
        }
        let stood = self.stood?;
        let size = self.size()?;
        let last = (self.pose).unwrap_or_else(|| behind(&middle, stood, size));
        let found = laid(&points, &middle, size, last);
        // Of a strip of it that shows nobody can tell whether that goes along it or around it: it has not turned at once.
        let shown = extent(&points, &found.pose.axis)?;
        let is_strip = shown < LONGER_STANDING * 2.0 * size.radius_m;
        let has_turned = angle(&last.axis, &found.pose.axis) > STRIP_TURN_RAD;
        if is_strip && has_turned || found.std_rad > MOST_STD_RAD {
            return None;
        }
        self.pose = Some(found.pose);
        let tilt = angle(&stood, &found.pose.axis);
        if tilt < UPRIGHT_RAD && self.lengths.len() < MOST_FRAMES {
            self.keep_size(&points, &middle, &found.pose.axis);
        }
        Some(Value {
            value: tilt,
            std: Some(found.std_rad.hypot(LEAST_STD_RAD)),
        })
    }

    fn keep_size(
        &mut self,
        points: &[Vector3<f64>],
        middle: &Vector3<f64>,
        axis: &Unit<Vector3<f64>>,
    ) {
        if let (Some(length), Some(width)) = (extent(points, axis), width(points, middle, axis)) {
            self.lengths.push(length);
            self.widths.push(width);
        }
    }

    /// `None` of what is not longer than wide after all.
    fn size(&self) -> Option<Size> {
        let length = percentile(&self.lengths, SIZE_PERCENT)?;
        let width = percentile(&self.widths, SIZE_PERCENT)?;
        (length >= LONGER_STANDING * width).then_some(Size {
            radius_m: width / 2.0,
            half_length_m: length / 2.0,
            taper: self.taper,
        })
    }
}

/// By how much what stands upright widens: as it has to for what is seen of its one side not to lean.
fn taper(
    points: &[Vector3<f64>],
    middle: &Vector3<f64>,
    up: Unit<Vector3<f64>>,
    size: Size,
) -> f64 {
    let cost = |taper: f64| {
        let found = fit(points, Size { taper, ..size }, behind(middle, up, size));
        found.cost + angle(&up, &found.pose.axis)
    };
    let (mut best, mut least) = (0.0, cost(0.0) - TAPER_COST);
    for taper in TAPERS {
        let cost = cost(taper);
        if cost < least {
            (best, least) = (taper, cost);
        }
    }
    best
}

/// The best of what is found from the last pose on, from where the points are now, and from their own longest direction.
fn laid(points: &[Vector3<f64>], middle: &Vector3<f64>, size: Size, last: Pose) -> Fit {
    let own = spread(points, middle);
    let own = if own.dot(&last.axis) < 0.0 { -own } else { own };
    let begins = [
        last,
        behind(middle, own, size),
        behind(middle, last.axis, size),
    ];
    let [mut best, other, moved] = begins.map(|begin| fit(points, size, begin));
    let turned = |fit: &Fit| {
        // A cylinder is the same from both ends.
        let cosine = fit.pose.axis.dot(&last.axis).abs().min(1.0);
        fit.cost + TURN_COST * cosine.acos()
    };
    for fit in [other, moved] {
        if turned(&fit) < turned(&best) {
            best = fit;
        }
    }
    if best.pose.axis.dot(&last.axis) < 0.0 {
        best.pose.axis = -best.pose.axis;
    }
    best
}

/// A cylinder along an axis of which the points, with that middle, are the side that is seen.
fn behind(middle: &Vector3<f64>, axis: Unit<Vector3<f64>>, size: Size) -> Pose {
    let sight = middle - axis.into_inner() * axis.dot(middle);
    let away = sight.try_normalize(1e-9).unwrap_or_default();
    Pose {
        center: middle + away * (size.radius_m / 2.0),
        axis,
    }
}

/// The way along which points are longest: up, or along the plane that they lie on; `None` where they are as wide.
fn longest(
    points: &[Vector3<f64>],
    middle: &Vector3<f64>,
    up: Unit<Vector3<f64>>,
) -> Option<Unit<Vector3<f64>>> {
    let height = extent(points, &up)?;
    if height >= LONGER_STANDING * width(points, middle, &up)? {
        return Some(up);
    }
    let flat: Vec<Vector3<f64>> = (points.iter())
        .map(|point| point - up.into_inner() * up.dot(point))
        .collect();
    let flat_middle = flat.iter().sum::<Vector3<f64>>() / flat.len() as f64;
    let along = spread(&flat, &flat_middle);
    let aside = Unit::try_new(up.cross(&along), 1e-9)?;
    let widest = extent(points, &aside)?.max(height);
    width(points, middle, &along)?;
    (extent(points, &along)? >= LONGER_LYING * widest).then_some(along)
}

/// The direction in which points are spread furthest.
fn spread(points: &[Vector3<f64>], middle: &Vector3<f64>) -> Unit<Vector3<f64>> {
    let covariance: Matrix3<f64> = (points.iter())
        .map(|point| (point - middle) * (point - middle).transpose())
        .sum();
    let eigen = SymmetricEigen::new(covariance);
    Unit::new_normalize(eigen.eigenvectors.column(eigen.eigenvalues.imax()).into())
}

/// How wide points are across an axis and across the sight, which shows both sides; `None` of what is seen along its axis.
fn width(points: &[Vector3<f64>], middle: &Vector3<f64>, axis: &Unit<Vector3<f64>>) -> Option<f64> {
    let side = Unit::try_new(axis.cross(&middle.normalize()), ALONG_SIGHT)?;
    extent(points, &side)
}

/// How long points are in a direction: its middle part tells the whole, for a side is seen evenly.
fn extent(points: &[Vector3<f64>], direction: &Unit<Vector3<f64>>) -> Option<f64> {
    let along: Vec<f64> = points.iter().map(|point| direction.dot(point)).collect();
    let low = percentile(&along, EDGE_PERCENT)?;
    let high = percentile(&along, 100.0 - EDGE_PERCENT)?;
    Some((high - low) / (1.0 - 2.0 * EDGE_PERCENT / 100.0))
}

fn angle(from: &Unit<Vector3<f64>>, to: &Unit<Vector3<f64>>) -> f64 {
    from.dot(to).clamp(-1.0, 1.0).acos()
}

#[cfg(test)]
mod tests {
    use nalgebra::Rotation3;

    use super::*;
    use crate::frame::StandingPlane;

    /// A point of a surface, and the way outward there.
    type Spot = ([f64; 3], [f64; 3]);

    /// The way up for a camera that looks down by 35 degrees.
    fn up() -> Vector3<f64> {
        let down = 35_f64.to_radians();
        Vector3::new(0.0, -down.cos(), -down.sin())
    }

    /// What is seen of a thing before the camera whose surface is that, at points and with the way outward, in its own frame of
    /// which z is up; turned by `turn` in the camera's. Nothing is seen of it above `hidden` of its own height.
    fn seen(
        surface: impl Iterator<Item = Spot>,
        turn: &Rotation3<f64>,
        hidden: f64,
    ) -> RegionInSpace {
        let upright = Rotation3::rotation_between(&Vector3::z(), &up()).unwrap();
        let into = turn * upright;
        let center = Vector3::new(0.05, 0.02, 0.7);
        let points = surface.filter(|(at, _)| at[2] < hidden);
        let points = points.enumerate().filter_map(|(number, (at, outward))| {
            // What a sensor adds, one millimetre at most.
            let noise_m = 0.001 * (number as f64 * 12.9898).sin();
            let point = into * Vector3::from(at) + center;
            let is_seen = (into * Vector3::from(outward)).dot(&point) < 0.0;
            is_seen.then(|| (point * (1.0 + noise_m)).cast::<f32>().into())
        });
        RegionInSpace {
            center: center.cast().into(),
            points: points.collect(),
            stands_on: Some(StandingPlane {
                up: up().cast().into(),
                camera_m: 0.5,
            }),
            axis: None,
        }
    }

    /// A cup of so many metres' radius and height.
    fn cup(radius: f64, height: f64) -> impl Iterator<Item = Spot> {
        widening(radius, height, 0.0)
    }

    /// One whose radius grows upwards by a share of the way, and is `radius` half-way.
    fn widening(radius: f64, height: f64, taper: f64) -> impl Iterator<Item = Spot> {
        let turns = (0..16).map(|at| f64::from(at) / 16.0 * std::f64::consts::TAU);
        turns.flat_map(move |turn| {
            let (y, x) = turn.sin_cos();
            let side = (0..9).map(move |at| {
                let z = (f64::from(at) / 8.0 - 0.5) * height;
                let out = radius + taper * z;
                ([out * x, out * y, z], [x, y, -taper])
            });
            let top = (1..4).map(move |ring| {
                let out = (radius + taper * height / 2.0) * f64::from(ring) / 4.0;
                ([out * x, out * y, height / 2.0], [0.0, 0.0, 1.0])
            });
            side.chain(top)
        })
    }

    /// A box of these sides.
    fn carton(sides: [f64; 3]) -> impl Iterator<Item = Spot> {
        let steps = || (0..7).map(|at| f64::from(at) / 6.0 - 0.5);
        (0..6).flat_map(move |face| {
            let (axis, sign) = (face / 2, if face % 2 == 0 { 1.0 } else { -1.0 });
            steps().flat_map(move |a| {
                steps().map(move |b| {
                    let (mut at, mut outward) = ([0.0; 3], [0.0; 3]);
                    at[axis] = sign * sides[axis] / 2.0;
                    at[(axis + 1) % 3] = a * sides[(axis + 1) % 3];
                    at[(axis + 2) % 3] = b * sides[(axis + 2) % 3];
                    outward[axis] = sign;
                    (at, outward)
                })
            })
        })
    }

    fn turn(axis: [f64; 3], degrees: f64) -> Rotation3<f64> {
        let axis = Unit::new_normalize(Vector3::from(axis));
        Rotation3::from_axis_angle(&axis, degrees.to_radians())
    }

    /// Ways to lean: away from the camera, towards it, and to the side.
    const WAYS: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.5, -1.0]];

    /// Lets it lean further and further, and looks at each step whether that is told.
    fn leans(thing: impl Fn() -> Box<dyn Iterator<Item = Spot>>, hidden: f64) {
        for way in WAYS {
            // given: a thing that stands for a while
            let mut leaning = Leaning::default();
            (0..3).for_each(|_| leaning.follow(&seen(thing(), &turn(way, 0.0), 1.0)));
            for degrees in (0..18).map(|at| f64::from(at) * 5.0) {
                // when: it leans
                leaning.follow(&seen(thing(), &turn(way, degrees), hidden));
                // then: it is told by how much, and how surely
                let Value { value, std } = leaning.tilt().unwrap();
                let off = (value.to_degrees() - degrees).abs();
                let std = std.unwrap().to_degrees();
                assert!(
                    off < 6.0 && off < 3.0 * std + 1.0,
                    "{way:?}, {degrees}: off by {off}, {std}"
                );
            }
        }
    }

    #[test]
    fn a_cup_leans_by_its_angle() {
        leans(|| Box::new(cup(0.022, 0.1)), 1.0);
    }

    #[test]
    fn the_slanted_side_of_a_cup_is_no_lean() {
        leans(|| Box::new(widening(0.033, 0.1, 0.13)), 1.0);
        leans(|| Box::new(widening(0.033, 0.1, -0.08)), 1.0);
    }

    #[test]
    fn a_carton_leans_by_its_angle() {
        leans(|| Box::new(carton([0.05, 0.04, 0.11])), 1.0);
    }

    #[test]
    fn a_cup_of_which_fingers_hide_the_upper_part_leans_as_well() {
        leans(|| Box::new(cup(0.022, 0.1)), 0.015);
    }

    #[test]
    fn a_strip_above_a_hand_turned_a_cup_upside_down() {
        // given: a cup that stands
        let mut leaning = Leaning::default();
        let upright = turn([1.0, 0.0, 0.0], 0.0);
        (0..3).for_each(|_| leaning.follow(&seen(cup(0.022, 0.1), &upright, 1.0)));
        // when: all but its foot is hidden
        for hidden in [0.0, -0.02, -0.03] {
            leaning.follow(&seen(cup(0.022, 0.1), &upright, hidden));
            // then: it is upright, or nobody knows
            let tilt = leaning.tilt().map_or(0.0, |tilt| tilt.value);
            assert!(tilt < 0.1, "{hidden}: {tilt}");
        }
        // and it stands as before once it is seen again
        leaning.follow(&seen(cup(0.022, 0.1), &upright, 1.0));
        assert!(leaning.tilt().unwrap().value < 0.1);
    }

    #[test]
    fn what_lies_is_turned_by_its_angle() {
        // given: a bottle that lies across
        let lying = turn([0.0, 0.5, -1.0], 90.0);
        let mut leaning = Leaning::default();
        leaning.follow(&seen(cup(0.02, 0.12), &lying, 1.0));
        // when: it is raised at one end
        for degrees in [10.0, 20.0, 30.0, 40.0] {
            let raised = turn([0.0, 0.5, -1.0], 90.0 - degrees);
            leaning.follow(&seen(cup(0.02, 0.12), &raised, 1.0));
            // then
            let tilt = leaning.tilt().unwrap().value.to_degrees();
            assert!((tilt - degrees).abs() < 6.0, "{degrees}: {tilt}");
        }
    }

    #[test]
    fn what_is_no_longer_than_wide_has_no_tilt() {
        // given: a cube, seen by an edge too, and a short cup
        let things: [Box<dyn Iterator<Item = Spot>>; 3] = [
            Box::new(carton([0.04, 0.04, 0.04])),
            Box::new(carton([0.045, 0.04, 0.042])),
            Box::new(cup(0.03, 0.05)),
        ];
        for thing in things {
            let surface: Vec<_> = thing.collect();
            for degrees in [0.0, 25.0, 45.0] {
                // when
                let mut leaning = Leaning::default();
                let turned = turn(up().into(), degrees);
                leaning.follow(&seen(surface.iter().copied(), &turned, 1.0));
                // then
                assert_eq!(leaning.tilt(), None, "{degrees}");
            }
        }
    }

    #[test]
    fn a_region_at_a_frame_leans_as_that_does() {
        // given: one of which nothing but its frame is to be told
        let mut leaning = Leaning::default();
        let mut at = |axis| {
            leaning.follow(&RegionInSpace {
                points: Vec::new(),
                axis: Some(axis),
                ..seen(cup(0.02, 0.1), &turn([1.0, 0.0, 0.0], 0.0), 1.0)
            });
            leaning.tilt().unwrap()
        };
        at([0.0, -1.0, 0.0]);
        // when
        let tilt = at([0.0, -0.5, 0.75_f64.sqrt()]);
        // then
        assert!((tilt.value.to_degrees() - 60.0).abs() < 1e-9 && tilt.std == Some(0.0));
    }
}
