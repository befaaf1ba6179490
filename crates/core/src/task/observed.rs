//! From pairs to the quantities that phases speak of: some are seen as they are, some against how things stood when the
//! episode began.

use std::collections::BTreeMap;

use nalgebra::Vector3;

use super::fused::fused;
use super::reading::{PairReading, Seen};
use crate::frame::{DistanceKind, Reason, RegionInSpace, RegionsInSpace, StandingPlane};
use crate::settings::{Pair, Quantity, Settings};

/// Surfaces this near to each other touch where nobody knows better: what a sensor at arm's length tells apart.
const TOUCH_M: f64 = 0.008;
/// No standard deviation makes two things touch that are so far apart.
const MOST_TOUCH_M: f64 = 0.02;
/// Standard deviations of a surface's distance that still are contact.
const TOUCH_STDS: f64 = 1.645;
/// What rests on another is no further from it than this: edges of boxes and the sensor's noise are of that size.
const RESTING_M: f64 = 0.025;
/// The standard deviation of a height and of a place, which no estimator tells: that of a surface seen by a depth camera at
/// arm's length.
const PLACE_STD_M: f64 = 0.004;

/// A quantity's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// In metres, or 1 and 0 of what holds or not.
    pub value: f64,
    /// One standard deviation; `None` where it is not known.
    pub std: Option<f64>,
}

/// All quantities at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observed {
    /// Every quantity that phases speak of; or why it is not known.
    pub quantities: BTreeMap<Quantity, Result<Value, Reason>>,
    /// Every pair's distance of its kind; or why there is none.
    pub pairs: Vec<(Pair, Result<PairReading, Reason>)>,
}

/// Sees quantities, and remembers how things stood when the episode began.
#[derive(Debug, Clone)]
pub struct Observer {
    quantities: Vec<Quantity>,
    pairs: Vec<Pair>,
    kind: DistanceKind,
    most_m: f64,
    /// By region and camera.
    begun: BTreeMap<(String, String), Begun>,
}

/// How a region stood when the episode began.
#[derive(Debug, Clone, Copy)]
struct Begun {
    center: Vector3<f32>,
    stood_on: Option<StandingPlane>,
}

impl Observer {
    /// Of the task in these settings.
    pub fn new(settings: &Settings) -> Self {
        let task = &settings.task;
        let own_kind = settings.distance();
        let mut pairs: Vec<Pair> = Vec::new();
        let distances = task
            .quantities()
            .into_iter()
            .filter_map(|quantity| match quantity {
                Quantity::Distance(pair) => Some(pair.clone()),
                _ => None,
            });
        for pair in task
            .pairs
            .iter()
            .cloned()
            .chain(distances)
            .chain(task.all_pairs())
        {
            let kind = Some(pair.kind.unwrap_or(own_kind));
            let is_there =
                |known: &Pair| (&known.first, &known.second) == (&pair.first, &pair.second);
            let known = pairs
                .iter()
                .any(|known| is_there(known) && (known.kind == kind || pair.kind.is_none()));
            if !known {
                pairs.push(Pair { kind, ..pair });
            }
        }
        Self {
            quantities: task.quantities().into_iter().cloned().collect(),
            pairs,
            kind: own_kind,
            most_m: settings.estimator.max_distance_m,
            begun: BTreeMap::new(),
        }
    }

    /// Forget how things stood: another episode begins.
    pub fn begin_episode(&mut self) {
        self.begun.clear();
    }

    /// What is seen now. `opening_m` is the gripper's, where it is known.
    pub fn observe(&mut self, seen: &[Seen], opening_m: Option<f64>) -> Observed {
        self.remember(seen);
        let quantities = self.quantities.iter();
        let quantities =
            quantities.map(|quantity| (quantity.clone(), self.value(quantity, seen, opening_m)));
        let pairs = self.pairs.iter().map(|pair| {
            let kind = pair.kind.unwrap_or(self.kind);
            (pair.clone(), fused(&of_pair(seen, pair), kind, self.most_m))
        });
        Observed {
            quantities: quantities.collect(),
            pairs: pairs.collect(),
        }
    }

    /// Regions that are seen for the first time.
    fn remember(&mut self, seen: &[Seen]) {
        for one in seen {
            let Some(places) = one.in_space() else {
                continue;
            };
            for (name, place) in [
                (&one.pair.first, &places.fingertip),
                (&one.pair.second, &places.target),
            ] {
                let key = (name.clone(), one.camera.clone());
                let begun = self.begun.entry(key).or_insert(Begun {
                    center: place.center.into(),
                    stood_on: None,
                });
                // What hides the table at first may show it a little later.
                begun.stood_on = begun.stood_on.or(place.stands_on);
            }
        }
    }

    fn value(
        &self,
        quantity: &Quantity,
        seen: &[Seen],
        opening_m: Option<f64>,
    ) -> Result<Value, Reason> {
        match quantity {
            Quantity::Distance(pair) => {
                let kind = pair.kind.unwrap_or(self.kind);
                let reading = fused(&of_pair(seen, pair), kind, self.most_m)?;
                Ok(Value {
                    value: reading.distance_m,
                    std: reading.std_m,
                })
            }
            Quantity::Contact(pair) => {
                let surface = fused(&of_pair(seen, pair), DistanceKind::Surface, self.most_m)?;
                Ok(either(touches(&surface)))
            }
            Quantity::Opening(_) => {
                let value = opening_m.ok_or(Reason::NoTransform)?;
                Ok(Value {
                    value,
                    std: Some(0.0),
                })
            }
            Quantity::Height(region) => self.of_region(region, seen, |begun, place| {
                let plane = begun.stood_on?;
                let points: Vec<Vector3<f32>> = points(place);
                Some(plane.lowest_m(&points))
            }),
            Quantity::Moved(region) => self.of_region(region, seen, |begun, place| {
                Some((Vector3::from(place.center) - begun.center).norm())
            }),
            Quantity::Beside(pair) => self.of_two(pair, seen, |places, plane, _| Value {
                value: beside_m(&places.fingertip, &places.target, plane).into(),
                std: Some(PLACE_STD_M),
            }),
            Quantity::RestsOn(pair) => self.of_two(pair, seen, |places, plane, surface_m| {
                either(rests_on(places, plane, surface_m))
            }),
            Quantity::Inside(pair) => self.of_two(pair, seen, |places, plane, surface_m| {
                either(is_inside(places, plane, surface_m))
            }),
        }
    }

    /// What the first camera says that knows it.
    fn of_region(
        &self,
        region: &str,
        seen: &[Seen],
        value: impl Fn(&Begun, &RegionInSpace) -> Option<f32>,
    ) -> Result<Value, Reason> {
        let mut reason = Reason::DepthInvalid;
        for one in seen {
            let is_first = one.pair.first == region;
            if !is_first && one.pair.second != region {
                continue;
            }
            let Some(places) = one.in_space() else {
                reason = one.measured.as_ref().err().copied().unwrap_or(reason);
                continue;
            };
            let place = if is_first {
                &places.fingertip
            } else {
                &places.target
            };
            let begun = self.begun.get(&(region.to_owned(), one.camera.clone()));
            let value = begun.and_then(|begun| value(begun, place));
            if let Some(value) = value.filter(|value| value.is_finite()) {
                return Ok(Value {
                    value: value.into(),
                    std: Some(PLACE_STD_M),
                });
            }
        }
        Err(reason)
    }

    /// What the first camera says that sees both.
    fn of_two(
        &self,
        pair: &Pair,
        seen: &[Seen],
        value: impl Fn(&RegionsInSpace, &StandingPlane, f64) -> Value,
    ) -> Result<Value, Reason> {
        let mut reason = Reason::DepthInvalid;
        for one in of_pair(seen, pair) {
            let Some(places) = one.in_space() else {
                reason = one.measured.as_ref().err().copied().unwrap_or(reason);
                continue;
            };
            let (surface_m, _) = one.distance(DistanceKind::Surface, self.most_m)?;
            let begun = |name: &String| self.begun.get(&(name.clone(), one.camera.clone()));
            let plane = [&pair.second, &pair.first]
                .into_iter()
                .find_map(|name| begun(name)?.stood_on);
            if let Some(plane) = plane {
                return Ok(value(places, &plane, surface_m));
            }
        }
        Err(reason)
    }
}

fn of_pair<'a>(seen: &'a [Seen], pair: &Pair) -> Vec<&'a Seen> {
    let is_it = |one: &&Seen| one.pair.first == pair.first && one.pair.second == pair.second;
    seen.iter().filter(is_it).collect()
}

fn either(holds: bool) -> Value {
    Value {
        value: f64::from(u8::from(holds)),
        std: None,
    }
}

fn touches(surface: &PairReading) -> bool {
    let reach_m = surface.std_m.map_or(TOUCH_M, |std_m| {
        (TOUCH_STDS * std_m).clamp(TOUCH_M, MOST_TOUCH_M)
    });
    surface.distance_m <= reach_m
}

/// Between two centres, seen from above.
fn beside_m(own: &RegionInSpace, other: &RegionInSpace, plane: &StandingPlane) -> f32 {
    let (up, between) = (
        Vector3::from(plane.up),
        Vector3::from(own.center) - Vector3::from(other.center),
    );
    (between - up * up.dot(&between)).norm()
}

fn points(place: &RegionInSpace) -> Vec<Vector3<f32>> {
    place
        .points
        .iter()
        .map(|point| Vector3::from(*point))
        .collect()
}

/// Whether one region touches the other and lies above it: over it, and with its centre above that one's top. Its lowest part
/// would tell less: where two surfaces touch, some of the lower one's is taken for the upper one's.
fn rests_on(regions: &RegionsInSpace, plane: &StandingPlane, surface_m: f64) -> bool {
    above_top_m(regions, plane, surface_m).is_some_and(|above_m| above_m >= -PLACE_STD_M as f32)
}

/// Whether one region is over the other or in it, with its centre lower than that one's top.
fn is_inside(regions: &RegionsInSpace, plane: &StandingPlane, surface_m: f64) -> bool {
    above_top_m(regions, plane, surface_m).is_some_and(|above_m| above_m < -PLACE_STD_M as f32)
}

/// How far the first region's centre is above the second one's top; `None` where it does not touch that one or is not over it.
fn above_top_m(regions: &RegionsInSpace, plane: &StandingPlane, surface_m: f64) -> Option<f32> {
    let (own, other) = (&regions.fingertip, &regions.target);
    let above_m =
        plane.height_m(&Vector3::from(own.center)) - plane.height_of_share_m(&points(other), 0.95);
    (surface_m <= RESTING_M && is_over(own, other, plane)).then_some(above_m)
}

/// Whether a region's centre, seen from above, is no further from the other's than that one reaches. The other is taken to reach as
/// far on its hidden side as on the one that is seen.
fn is_over(own: &RegionInSpace, other: &RegionInSpace, plane: &StandingPlane) -> bool {
    let up = Vector3::from(plane.up);
    let middle = Vector3::from(other.center);
    let flat = |point: Vector3<f32>| {
        let away = point - middle;
        away - up * up.dot(&away)
    };
    let away = flat(own.center.into());
    let distance = away.norm();
    if distance < PLACE_STD_M as f32 {
        return true;
    }
    let direction = away / distance;
    let reach = points(other)
        .into_iter()
        .map(|point| flat(point).dot(&direction).abs());
    let mut reach: Vec<f32> = reach.collect();
    reach.sort_by(f32::total_cmp);
    let last = reach.len().saturating_sub(1) as f32;
    let edge = reach.get((0.95 * last).round() as usize);
    edge.is_some_and(|edge| distance <= *edge)
}
