//! Whether a condition holds: at once where the value is beyond its limit by two standard deviations, else once it was beyond
//! for the hold time. A value that is not known changes nothing; where none
//! was known in the whole episode, a condition that is asked `if_known` holds.

use super::reading::Value;
use crate::frame::Reason;
use crate::settings::Condition;
use crate::stamp::nanos_from_seconds;

/// A value beyond its limit by so many standard deviations is beyond it.
const SURE: f64 = 2.0;
const HOLD_S: f64 = 0.2;
/// How far a value must go back, as a share of the limit.
const HYSTERESIS_SHARE: f64 = 0.2;

/// A condition over time.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    test: Test,
    /// It holds where the value was never known.
    if_known: bool,
    hold_nanos: i64,
    /// It holds no earlier than this, however sure it is.
    for_nanos: i64,
    /// Since when the value is beyond the limit.
    since_nanos: Option<i64>,
    holds: bool,
}

#[derive(Debug, Clone, Copy)]
enum Test {
    Below { limit: f64, back: f64 },
    Above { limit: f64, back: f64 },
    Is(bool),
}

impl Holding {
    pub(super) fn new(condition: &Condition) -> Self {
        let limit = condition.below.or(condition.above).unwrap_or(0.0);
        let back = condition
            .hysteresis
            .unwrap_or(HYSTERESIS_SHARE * limit.abs());
        let test = match (condition.below, condition.above) {
            (Some(limit), _) => Test::Below { limit, back },
            (None, Some(limit)) => Test::Above { limit, back },
            (None, None) => Test::Is(condition.is.unwrap_or(true)),
        };
        Self {
            test,
            if_known: condition.if_known,
            hold_nanos: nanos_from_seconds(condition.hold_s.unwrap_or(HOLD_S)),
            for_nanos: nanos_from_seconds(condition.for_s.unwrap_or(0.0)),
            since_nanos: None,
            holds: false,
        }
    }

    /// Whether it holds with this value. `was_known` is whether one was known in this episode.
    pub(super) fn push(
        &mut self,
        stamp_nanos: i64,
        value: &Result<Value, Reason>,
        was_known: bool,
    ) -> bool {
        let Ok(value) = value else {
            return self.holds || (self.if_known && !was_known);
        };
        // Once beyond, it takes more than the limit to be back.
        let was_beyond = self.since_nanos.is_some();
        self.since_nanos = match self.test.is_beyond(value.value, was_beyond) {
            false => None,
            true => Some(self.since_nanos.unwrap_or(stamp_nanos)),
        };
        self.holds = self.since_nanos.is_some_and(|since_nanos| {
            let held_nanos = stamp_nanos.saturating_sub(since_nanos);
            held_nanos >= self.for_nanos
                && (held_nanos >= self.hold_nanos || self.test.is_sure(value))
        });
        self.holds
    }
}

impl Test {
    fn is_beyond(self, value: f64, was_beyond: bool) -> bool {
        let slack = |back: f64| if was_beyond { back } else { 0.0 };
        match self {
            Self::Below { limit, back } => value <= limit + slack(back),
            Self::Above { limit, back } => value >= limit - slack(back),
            Self::Is(wanted) => (value > 0.5) == wanted,
        }
    }

    /// Whether the standard deviation leaves no doubt.
    fn is_sure(self, value: &Value) -> bool {
        let Some(std) = value.std else { return false };
        match self {
            Self::Below { limit, .. } => value.value + SURE * std <= limit,
            Self::Above { limit, .. } => value.value - SURE * std >= limit,
            Self::Is(_) => false,
        }
    }
}
