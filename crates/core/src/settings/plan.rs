//! What measures each pair of a task as each camera sees it: recordings and the live node carry a task by these.

use super::pairing::Planned;
use super::ready::Settings;
use super::task::Pair;
use crate::error::{Error, Result};

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
    /// `Error::ConfigValue` for a pair that no settings measure; an order that does not work with them.
    pub fn plans(&self) -> Result<Vec<Plan>> {
        let planned = self.planned();
        self.check_order(&planned)?;
        let plans = planned.into_iter().map(|planned| {
            Ok(Plan {
                camera: planned.camera,
                pair: planned.pair,
                settings: self.of_pair(planned.config)?,
            })
        });
        plans.collect()
    }

    /// Several cameras' frames are measured by turns.
    ///
    /// # Errors
    /// `Error::ConfigValue` for several cameras where what the estimator says of a frame depends on those before, which would be
    /// another camera's.
    pub(crate) fn check_order(&self, planned: &[Planned]) -> Result<()> {
        let scale = self.model.depth_scale;
        let mut cameras = planned.iter().map(|one| &one.camera);
        let first = cameras.next();
        let are_several = cameras.any(|camera| Some(camera) != first);
        match are_several && (self.estimator().is_ordered)(scale) {
            true => Err(Error::ConfigValue {
                key: "model.depth_scale".into(),
                value: "episode".into(),
                expected: "frame where several cameras measure: what is black and white in an episode is one camera's"
                    .into(),
            }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estimator::Profile;
    use crate::settings::{Config, DepthScale};

    const MODEL: Profile = Profile {
        name: "model",
        is_ordered: |scale| scale == DepthScale::Episode,
        ..Profile::GEOMETRY
    };

    fn refused(cameras: &str, scale: &str) -> Option<String> {
        let yaml = format!(
            "
estimator: {{kind: model}}
model: {{depth_scale: {scale}}}
regions: {{cube: {{frame: cube, size_m: 0.1}}}}
{cameras}
task: {{pairs: [cube-target]}}
"
        );
        let settings = Settings::new(Config::parse(&yaml).unwrap(), MODEL).unwrap();
        settings.plans().err().map(|error| error.to_string())
    }

    #[test]
    fn an_episodes_range_of_depth_was_the_first_of_several_cameras() {
        // Given a model that takes an episode's first picture for the scale of the others
        let of = |name: &str| format!("{name}: {{regions: {{target: {{topic: /{name}}}}}}}");
        let one = format!("cameras: {{{}}}", of("front"));
        let two = format!("cameras: {{{}, {}}}", of("front"), of("side"));
        // When two cameras measure with it, then that is refused by name
        let words = refused(&two, "episode").unwrap();
        assert!(words.contains("model.depth_scale"), "{words}");
        // and one may, and so may two whose frames are scaled one by one
        assert_eq!(
            (refused(&one, "episode"), refused(&two, "frame")),
            (None, None)
        );
    }
}
