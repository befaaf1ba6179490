//! What cameras say of pairs at one moment, and the values that follow.

use crate::frame::{DistanceKind, Measurement, Reason, RegionsInSpace};
use crate::settings::Pair;

/// A pair as one camera measured it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The camera's name; empty where there is but one.
    pub camera: String,
    /// Which pair; its kind says nothing.
    pub pair: Pair,
    /// The distances, or why there are none.
    pub measured: Result<Measurement, Reason>,
}

/// A pair's distance, of all cameras together.
#[derive(Debug, Clone, PartialEq)]
pub struct PairReading {
    /// In metres.
    pub distance_m: f64,
    /// One standard deviation, in metres; `None` where the estimator tells none.
    pub std_m: Option<f64>,
    /// The cameras that it is of.
    pub cameras: Vec<String>,
    /// Those that contradict it beyond what their standard deviations allow: they are left out.
    pub disagreeing: Vec<String>,
}

/// A quantity's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// In metres or radians, or 1 and 0 of what holds or not.
    pub value: f64,
    /// One standard deviation; `None` where it is not known.
    pub std: Option<f64>,
}

impl Seen {
    /// A distance with its standard deviation, or why there is none: no distance is below 0 or above `most_m`.
    pub(super) fn distance(
        &self,
        kind: DistanceKind,
        most_m: f64,
    ) -> Result<(f64, Option<f64>), Reason> {
        let measured = self.measured.as_ref().map_err(|reason| *reason)?;
        match measured.distance_m(kind) {
            Some(distance_m) if (0.0..=most_m).contains(&distance_m) => {
                let std_m = measured.distance_std_m(kind);
                Ok((distance_m, std_m.filter(|std_m| *std_m >= 0.0)))
            }
            Some(_) => Err(Reason::ImplausibleDistance),
            None if measured.answer.is_some() => Err(Reason::UnparsedAnswer),
            None => Err(Reason::DepthInvalid),
        }
    }

    /// Where its regions are in space, as far as that is known.
    pub(super) fn in_space(&self) -> Option<&RegionsInSpace> {
        self.measured.as_ref().ok()?.in_space.as_deref()
    }
}
