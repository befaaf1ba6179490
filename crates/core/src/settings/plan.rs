//! What measures each pair of a task as each camera sees it: recordings and the live node carry a task by these.

use super::ready::Settings;
use super::task::Pair;
use crate::error::Result;

/// A pair as one camera sees it, with the settings that measure it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The camera's name; empty where there is but one.
    pub camera: String,
    /// Both regions.
    pub pair: Pair,
    /// With the first region in the fingertip's place, and the second in the target's.
    pub settings: Settings,
}

impl Settings {
    /// All pairs of the task, the one of the step's own distance first; none without a task.
    ///
    /// # Errors
    /// `Error::ConfigValue` for a pair that no settings measure.
    pub fn plans(&self) -> Result<Vec<Plan>> {
        let planned = self.planned().into_iter();
        let plans = planned.map(|planned| {
            Ok(Plan {
                camera: planned.camera,
                pair: planned.pair,
                settings: self.of_pair(planned.config)?,
            })
        });
        plans.collect()
    }
}
