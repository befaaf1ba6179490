//! What lies beside a recording's steps: by stamps alone, or as a node would have had it.

use spatial_reward_core::settings::Settings;
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_core::task::Beside;

/// A source of which what is no further from a step than the tolerance belongs to it.
pub(super) fn beside<T>(settings: &Settings, tolerance_s: f64) -> Beside<T> {
    let matching = &settings.matching;
    let tolerance_nanos = nanos_from_seconds(tolerance_s);
    match matching.as_live {
        true => Beside::replayed(tolerance_nanos, nanos_from_seconds(matching.wait_s)),
        false => Beside::recorded(tolerance_nanos),
    }
}
