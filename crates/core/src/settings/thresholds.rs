//! From which distance on something counts as reached. Contact is another number in each kind of distance, so each kind
//! has thresholds of its own; docs/labelling.md (Success) says where they come from.

use super::config::Config;
use crate::frame::DistanceKind;

/// How far beyond its entry a success is lost again, in metres: what a hand moves by when it closes.
const HYSTERESIS_M: f64 = 0.02;

/// The distances at which a task counts as solved, in metres of one kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// At or below it success begins.
    pub enter_m: f64,
    /// Above it success is lost again.
    pub exit_m: f64,
    /// At or below it the reward `sparse` is 0.
    pub sparse_m: f64,
}

impl Thresholds {
    /// Those of a kind of distance, where the settings give none.
    pub const fn of(kind: DistanceKind) -> Self {
        match kind {
            DistanceKind::Surface => Self {
                enter_m: 0.01,
                exit_m: 0.03,
                sparse_m: 0.05,
            },
            DistanceKind::Center => Self {
                enter_m: 0.04,
                exit_m: 0.06,
                sparse_m: 0.05,
            },
            DistanceKind::Cloud => Self {
                enter_m: 0.035,
                exit_m: 0.055,
                sparse_m: 0.08,
            },
        }
    }

    /// Those in force: what was typed, and of the rest what belongs to the kind.
    pub(super) fn in_force(config: &Config, kind: DistanceKind) -> Self {
        let own = Self::of(kind);
        let success = &config.success;
        let beyond = success
            .enter_m
            .map_or(own.exit_m, |enter_m| enter_m + HYSTERESIS_M);
        Self {
            enter_m: success.enter_m.unwrap_or(own.enter_m),
            exit_m: success.exit_m.unwrap_or(beyond),
            sparse_m: config.reward.threshold_m.unwrap_or(own.sparse_m),
        }
    }

    /// The settings without those thresholds that would be in force anyway, so that the same settings are the same
    /// however they were typed.
    pub(super) fn left_out(mut config: Config, kind: DistanceKind) -> Config {
        let in_force = Self::in_force(&config, kind);
        // The exit first: what it would be follows from the entry.
        let places: [fn(&mut Config) -> &mut Option<f64>; 3] = [
            |config| &mut config.success.exit_m,
            |config| &mut config.success.enter_m,
            |config| &mut config.reward.threshold_m,
        ];
        for place in places {
            let typed = place(&mut config).take();
            if Self::in_force(&config, kind) != in_force {
                *place(&mut config) = typed;
            }
        }
        config
    }
}
