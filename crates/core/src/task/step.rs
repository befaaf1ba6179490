//! What a step of a whole task is: phase, progress, every pair and every quantity. Plain data.

use serde::{Deserialize, Serialize};

use super::machine::Outcome;
use super::observed::Observed;
use crate::frame::{DistanceKind, Reason};

/// A step's task.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TaskStep {
    /// The phase's name, or `success` or `failure`; empty where only pairs are measured.
    pub phase: String,
    /// Its place among the phases, counted from 0; as many as there are after success, -1 after failure.
    pub phase_index: i64,
    /// How far the task is done, 0 to 1; NaN where that is not known.
    pub progress: f64,
    /// The task has failed.
    pub failure: bool,
    /// In the order of the settings.
    pub pairs: Vec<PairStep>,
    /// Those that phases speak of.
    pub quantities: Vec<QuantityStep>,
}

/// A pair in a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairStep {
    /// Both regions, such as `cube-goal`.
    pub name: String,
    /// Which distance.
    pub kind: DistanceKind,
    /// In metres; NaN where it was not measured.
    pub distance_m: f64,
    /// One standard deviation, in metres; NaN where it is not known.
    pub std_m: f64,
    /// Why it was not measured.
    pub reason: Option<Reason>,
    /// The cameras that it is of.
    pub cameras: Vec<String>,
    /// Cameras that contradict them.
    pub disagreeing: Vec<String>,
}

/// A quantity in a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuantityStep {
    /// As settings have it, such as `height cube`.
    pub name: String,
    /// In metres or radians, or 1 and 0 of what holds or not; NaN where it is not known.
    pub value: f64,
    /// One standard deviation; NaN where it is not known.
    pub std: f64,
}

impl TaskStep {
    /// Of what was seen, and what that was worth where there are phases.
    pub fn new(observed: &Observed, outcome: Option<&Outcome>) -> Self {
        let pairs = observed.pairs.iter().map(|(pair, reading)| {
            let read = reading.as_ref().ok();
            PairStep {
                name: pair.name(),
                kind: pair.kind.unwrap_or_default(),
                distance_m: read.map_or(f64::NAN, |read| read.distance_m),
                std_m: read.and_then(|read| read.std_m).unwrap_or(f64::NAN),
                reason: reading.as_ref().err().copied(),
                cameras: read.map_or_else(Vec::new, |read| read.cameras.clone()),
                disagreeing: read.map_or_else(Vec::new, |read| read.disagreeing.clone()),
            }
        });
        let quantities = observed.quantities.iter().map(|(quantity, value)| {
            let value = value.as_ref().ok();
            QuantityStep {
                name: quantity.to_string(),
                value: value.map_or(f64::NAN, |value| value.value),
                std: value.and_then(|value| value.std).unwrap_or(f64::NAN),
            }
        });
        Self {
            phase: outcome.map_or_else(String::new, |outcome| outcome.phase.clone()),
            phase_index: outcome.map_or(0, |outcome| outcome.phase_index),
            progress: outcome.map_or(f64::NAN, |outcome| outcome.progress.unwrap_or(f64::NAN)),
            failure: outcome.is_some_and(|outcome| outcome.failure),
            pairs: pairs.collect(),
            quantities: quantities.collect(),
        }
    }

    /// What each pair is called where names stand for pairs: by its regions, and in every further kind by that too, such as
    /// `cube-goal.center`.
    pub fn pair_keys(&self) -> Vec<String> {
        let keys = self.pairs.iter().enumerate().map(|(at, pair)| {
            let mut earlier = self.pairs.iter().take(at);
            match earlier.any(|earlier| earlier.name == pair.name) {
                false => pair.name.clone(),
                true => format!("{}.{}", pair.name, pair.kind.name()),
            }
        });
        keys.collect()
    }
}
