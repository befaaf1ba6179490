//! Each pair of regions as each camera sees it: a configuration of its own, in which the first region stands in the place of
//! the fingertip and the second in that of the target. So a pair is measured by what measures any other distance.

use std::collections::BTreeSet;

use super::config::Config;
use super::regions::{NamedRegion, Region, Regions};
use super::task::{Camera, Condition, Pair, Phase, Quantity, Task};

/// A pair as one camera sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The camera's name; empty where there is but the one of section topics.
    pub camera: String,
    /// Which pair, without its kind: all kinds are measured together.
    pub pair: Pair,
    /// What measures it.
    pub config: Config,
}

impl Task {
    /// Whether phases are given, or pairs to be measured.
    pub fn is_given(&self) -> bool {
        !self.phases.is_empty() || !self.pairs.is_empty()
    }

    /// Every quantity that phases speak of, each once.
    pub fn quantities(&self) -> BTreeSet<&Quantity> {
        let potentials = self
            .phases
            .iter()
            .filter_map(|phase| phase.potential.as_ref());
        let conditions = self.transitions().flat_map(|transition| &transition.when);
        let potentials = potentials.map(|potential| &potential.of);
        potentials
            .chain(conditions.map(|condition| &condition.of))
            .collect()
    }

    /// Whether phases do without the gripper's opening: a condition asks for it only where it is known, no potential is one,
    /// and out of every phase leads something that needs none.
    pub fn may_lack_gripper(&self) -> bool {
        let is_opening = |quantity: &Quantity| matches!(quantity, Quantity::Opening(_));
        let does_without = |phase: &Phase| {
            let is_potential = (phase.potential.as_ref()).is_some_and(|one| is_opening(&one.of));
            let needs = |one: &Condition| is_opening(&one.of) && !one.if_known;
            let mut ways = phase.next.iter().map(|way| !way.when.iter().any(needs));
            !is_potential && ways.any(|needs_none| needs_none)
        };
        let mut conditions = self.transitions().flat_map(|transition| &transition.when);
        conditions.any(|one| is_opening(&one.of) && one.if_known)
            && self.phases.iter().all(does_without)
    }

    /// Those of all phases, and those from anywhere.
    pub(super) fn transitions(&self) -> impl Iterator<Item = &super::task::Transition> {
        let of_phases = self.phases.iter().flat_map(|phase| &phase.next);
        self.anywhere.iter().chain(of_phases)
    }

    /// Every pair that is measured, without its kind, each once: those that are listed, those that phases speak of, and for a
    /// region that phases speak of alone one that it is in.
    pub fn all_pairs(&self) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = Vec::new();
        let mut add = |pair: &Pair| {
            let pair = Pair {
                kind: None,
                ..pair.clone()
            };
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        };
        self.pairs.iter().for_each(&mut add);
        let quantities = self.quantities();
        quantities
            .iter()
            .filter_map(|quantity| quantity.pair())
            .for_each(&mut add);
        pairs
    }

    /// Whether a quantity needs to know where regions are in space.
    pub fn needs_space(&self) -> bool {
        let needs = |quantity: &&Quantity| {
            matches!(
                quantity,
                Quantity::Height(_)
                    | Quantity::Moved(_)
                    | Quantity::Tilt(_)
                    | Quantity::Beside(_)
                    | Quantity::RestsOn(_)
                    | Quantity::Inside(_)
            )
        };
        self.quantities().iter().any(needs)
    }
}

impl Quantity {
    /// The pair that it is of, if it is of one.
    pub fn pair(&self) -> Option<&Pair> {
        match self {
            Self::Distance(pair)
            | Self::Beside(pair)
            | Self::RestsOn(pair)
            | Self::Inside(pair)
            | Self::Contact(pair) => Some(pair),
            Self::Height(_) | Self::Moved(_) | Self::Tilt(_) | Self::Opening(_) => None,
        }
    }

    /// The one region that it is of, if it is of one.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Height(region) | Self::Moved(region) | Self::Tilt(region) => Some(region),
            _ => None,
        }
    }
}

impl Config {
    /// Every pair of the task as every camera that sees both regions measures it, the first camera first; empty without a task.
    pub fn planned(&self) -> Vec<Planned> {
        let pairs = self.task.all_pairs();
        let no_camera = ("".to_owned(), Camera::default());
        let cameras: Vec<(String, Camera)> = match self.cameras.is_empty() {
            true => vec![no_camera],
            false => self.cameras.clone().into_iter().collect(),
        };
        let each = cameras.iter().flat_map(|(name, camera)| {
            let planned = |pair: &Pair| {
                Some(Planned {
                    camera: name.clone(),
                    pair: pair.clone(),
                    config: self.of_pair(camera, pair)?,
                })
            };
            pairs.iter().filter_map(planned).collect::<Vec<_>>()
        });
        each.collect()
    }

    /// The same with a pair's regions in the places of fingertip and target; `None` if the camera does not see both.
    fn of_pair(&self, camera: &Camera, pair: &Pair) -> Option<Self> {
        let mut config = self.clone();
        let (topics, own) = (&mut config.topics, camera.clone());
        for (topic, own) in [
            (&mut topics.image, own.image),
            (&mut topics.depth, own.depth),
            (&mut topics.camera_info, own.camera_info),
            (&mut topics.depth_camera_info, own.depth_camera_info),
        ] {
            if own.is_some() {
                *topic = own;
            }
        }
        let first = self.source_of(camera, &pair.first)?;
        let second = self.source_of(camera, &pair.second)?;
        (topics.fingertip, topics.fingertip_class) = (first.topic, first.class);
        (topics.target, topics.target_class) = (second.topic, second.class);
        config.regions = Regions {
            fingertip: first.region,
            target: second.region,
            named: self.regions.named.clone(),
        };
        Some(config)
    }

    /// Where a region comes from for a camera; `None` where nobody says so.
    fn source_of(&self, camera: &Camera, name: &str) -> Option<NamedRegion> {
        let is_own = camera.regions.get(name);
        let mut source = match is_own {
            Some(own) => own.clone(),
            None => self.source_for_all(name)?,
        };
        // A topic's boxes are of the camera that it belongs to: of the first of several, or of the only one.
        let is_of_another = is_own.is_none()
            && source.region.is_bound_to_pictures()
            && self
                .cameras
                .values()
                .next()
                .is_some_and(|first| first != camera);
        if source.class.is_empty() && source.topic.is_some() && is_named(name) {
            source.class = vec![name.to_owned()];
        }
        (!is_of_another).then_some(source)
    }

    /// What is said of a region for all cameras.
    fn source_for_all(&self, name: &str) -> Option<NamedRegion> {
        let topics = &self.topics;
        match name {
            "fingertip" => Some(NamedRegion {
                topic: topics.fingertip.clone(),
                class: topics.fingertip_class.clone(),
                region: self.regions.fingertip.clone(),
            }),
            "target" => Some(NamedRegion {
                topic: topics.target.clone(),
                class: topics.target_class.clone(),
                region: self.regions.target.clone(),
            }),
            name => self.regions.named.get(name).cloned(),
        }
    }
}

/// Whether a region's class is its name unless another is said.
fn is_named(name: &str) -> bool {
    !["fingertip", "target"].contains(&name)
}

impl Region {
    /// Whether its source speaks of one camera's pixels: boxes of a topic, drawn and fixed ones do; frames, words and examples
    /// do not.
    fn is_bound_to_pictures(&self) -> bool {
        self.frame.is_none() && !self.is_sought()
    }
}
