//! From pairs to the quantities that phases speak of: some are seen as they are, some against how things stood when the
//! episode began.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use nalgebra::Vector3;

use super::fused::fused;
use super::leaning::Leaning;
use super::reading::{PairReading, Seen, Value};
use super::whereabouts::Whereabouts;
use crate::frame::{DistanceKind, Reason, RegionInSpace, StandingPlane};
use crate::settings::{Pair, Quantity, Settings};

/// Surfaces this near to each other touch where nobody knows better: what a sensor at arm's length tells apart.
const TOUCH_M: f64 = 0.008;
/// No standard deviation makes two things touch that are so far apart.
const MOST_TOUCH_M: f64 = 0.02;
/// Standard deviations of a surface's distance that still are contact.
const TOUCH_STDS: f64 = 1.645;
/// What rests on another is no further from it than this: edges of boxes and the sensor's noise are of that size.
const RESTING_M: f32 = 0.025;
/// The standard deviation of a height and of a place, which no estimator tells: that of a surface seen by a depth camera at
/// arm's length.
const PLACE_STD_M: f64 = 0.004;

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
    followed: BTreeMap<(String, String), Whereabouts>,
    /// The same of those whose tilt phases speak of.
    leaning: BTreeMap<(String, String), Leaning>,
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
            followed: BTreeMap::new(),
            leaning: BTreeMap::new(),
        }
    }

    /// Another longest distance that is believed, for the moments to come.
    pub fn reconfigure(&mut self, settings: &Settings) {
        self.most_m = settings.estimator.max_distance_m;
    }

    /// Forget how things stood: another episode begins.
    pub fn begin_episode(&mut self) {
        self.followed.clear();
        self.leaning.clear();
    }

    /// What is seen now. `opening_m` is the gripper's, where it is known.
    pub fn observe(&mut self, seen: &[Seen], opening_m: Option<f64>) -> Observed {
        self.follow(seen);
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

    /// What a moment says at which nothing is to be seen.
    pub(super) fn unknown(&self, reason: Reason) -> Observed {
        let quantities = self.quantities.iter();
        let pairs = self.pairs.iter();
        Observed {
            quantities: quantities.map(|one| (one.clone(), Err(reason))).collect(),
            pairs: pairs.map(|one| (one.clone(), Err(reason))).collect(),
        }
    }

    /// Where each camera sees each region, by the first pair in which it does.
    fn follow(&mut self, seen: &[Seen]) {
        let mut done = BTreeSet::new();
        for one in seen {
            let Some(places) = one.in_space() else {
                continue;
            };
            for (name, place) in [
                (&one.pair.first, &places.fingertip),
                (&one.pair.second, &places.target),
            ] {
                if !done.insert((name, &one.camera)) {
                    continue;
                }
                let key = (name.clone(), one.camera.clone());
                if self.quantities.contains(&Quantity::Tilt(name.clone())) {
                    self.leaning.entry(key.clone()).or_default().follow(place);
                }
                match self.followed.entry(key) {
                    Entry::Occupied(mut known) => known.get_mut().follow(place),
                    Entry::Vacant(new) => {
                        if let Some(begun) = Whereabouts::begin(place) {
                            new.insert(begun);
                        }
                    }
                }
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
            Quantity::Height(region) => self.of_region(region, seen, |followed, place| {
                Some(followed.stood_on?.lowest_m(&place.points))
            }),
            Quantity::Moved(region) => {
                self.of_region(region, seen, |followed, _| Some(followed.moved_m()))
            }
            Quantity::Tilt(region) => self.tilt(region, seen),
            Quantity::Beside(pair) => self.of_two(pair, seen, |two| Value {
                value: two.beside_m().into(),
                std: Some(PLACE_STD_M),
            }),
            Quantity::RestsOn(pair) => self.of_two(pair, seen, |two| either(two.rests())),
            Quantity::Inside(pair) => self.of_two(pair, seen, |two| either(two.is_inside())),
        }
    }

    /// What the first camera says that knows it.
    fn of_region(
        &self,
        region: &str,
        seen: &[Seen],
        value: impl Fn(&Whereabouts, &RegionInSpace) -> Option<f32>,
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
            let followed = self.followed_by(one, region);
            let value = followed.and_then(|followed| value(followed, place));
            if let Some(value) = value.filter(|value| value.is_finite()) {
                return Ok(Value {
                    value: value.into(),
                    std: Some(PLACE_STD_M),
                });
            }
        }
        Err(reason)
    }

    /// What the surest camera says.
    fn tilt(&self, region: &str, seen: &[Seen]) -> Result<Value, Reason> {
        let mut reason = Reason::DepthInvalid;
        let mut surest: Option<Value> = None;
        for one in seen {
            if one.pair.first != region && one.pair.second != region {
                continue;
            }
            if one.in_space().is_none() {
                reason = one.measured.as_ref().err().copied().unwrap_or(reason);
                continue;
            }
            let key = (region.to_owned(), one.camera.clone());
            let tilt = self.leaning.get(&key).and_then(Leaning::tilt);
            let is_surer = |tilt: &Value| surest.is_none_or(|surest| tilt.std < surest.std);
            surest = tilt.filter(is_surer).or(surest);
        }
        surest.ok_or(reason)
    }

    fn followed_by(&self, one: &Seen, region: &str) -> Option<&Whereabouts> {
        self.followed.get(&(region.to_owned(), one.camera.clone()))
    }

    /// What the first camera says that sees both.
    fn of_two(
        &self,
        pair: &Pair,
        seen: &[Seen],
        value: impl Fn(&Two<'_>) -> Value,
    ) -> Result<Value, Reason> {
        let mut reason = Reason::DepthInvalid;
        for one in of_pair(seen, pair) {
            if one.in_space().is_none() {
                reason = one.measured.as_ref().err().copied().unwrap_or(reason);
                continue;
            }
            let of = |name: &str| self.followed_by(one, name);
            let (Some(own), Some(other)) = (of(&pair.first), of(&pair.second)) else {
                continue;
            };
            if let Some(plane) = other.stood_on.or(own.stood_on) {
                let two = Two { own, other, plane };
                return Ok(value(&two));
            }
        }
        Err(reason)
    }
}

/// Two regions as one camera sees them.
struct Two<'a> {
    own: &'a Whereabouts,
    other: &'a Whereabouts,
    plane: StandingPlane,
}

impl Two<'_> {
    /// Between both centres, seen from above.
    fn beside_m(&self) -> f32 {
        self.flat().norm()
    }

    /// From the other's centre to the own one, along the plane.
    fn flat(&self) -> Vector3<f32> {
        let between = self.own.center() - self.other.center();
        let up = Vector3::from(self.plane.up);
        between - up * up.dot(&between)
    }

    /// Over the other, with its centre above that one's top and its lowest part not far from it.
    fn rests(&self) -> bool {
        let [_, top] = self.other.heights(&self.plane);
        let [bottom, _] = self.own.heights(&self.plane);
        self.is_over() && self.above_m(top) >= -PLACE_STD_M as f32 && bottom - top <= RESTING_M
    }

    /// Over the other or in it, with its centre lower than that one's top and not under it.
    fn is_inside(&self) -> bool {
        let [bottom, top] = self.other.heights(&self.plane);
        let mut middle = self.plane.height_m(&self.own.center());
        let [shows_from, shows_to] = self.own.shows_m(&self.plane);
        if shows_from <= top + PLACE_STD_M as f32 {
            // What is hidden of it is in the other.
            middle = middle.min(shows_to - self.own.reach_m(&Vector3::from(self.plane.up)));
        }
        self.is_over() && middle < top - PLACE_STD_M as f32 && middle > bottom
    }

    /// How far the own centre is above a height.
    fn above_m(&self, height_m: f32) -> f32 {
        self.plane.height_m(&self.own.center()) - height_m
    }

    /// Whether the own centre, seen from above, is no further from the other's than that one reaches.
    fn is_over(&self) -> bool {
        let away = self.flat();
        let distance = away.norm();
        distance < PLACE_STD_M as f32 || distance <= self.other.reach_m(&(away / distance))
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
