//! A task whose pictures and regions a program gives from its own memory: nothing need be said of the topics that a recording
//! would have them on.

use std::collections::BTreeSet;

use super::config::Config;
use super::regions::NamedRegion;
use super::task::{Camera, Quantity};

impl Config {
    /// Let regions, cameras and the gripper's opening be given with each step. Regions that pairs speak of need no source, and
    /// cameras of these names no topics: such a camera sees every region. What is declared stays as it is.
    pub fn given_from_memory(&mut self, cameras: &[String]) {
        if !self.task.is_given() {
            return;
        }
        let pairs = self.task.all_pairs();
        let regions: BTreeSet<&String> = (pairs.iter())
            .flat_map(|pair| [&pair.first, &pair.second])
            .collect();
        if self.cameras.is_empty() {
            let named = cameras.iter().map(|name| (name.clone(), Camera::default()));
            self.cameras = named.collect();
        }
        let all = regions.iter().map(|name| ((*name).clone(), given(name)));
        let all: Vec<_> = all.collect();
        for camera in self.cameras.values_mut() {
            if *camera == Camera::default() {
                camera.regions = all.iter().cloned().collect();
            }
        }
        for (name, source) in all {
            let is_usual = ["fingertip", "target"].contains(&name.as_str());
            let is_of_cameras = self
                .cameras
                .values()
                .any(|camera| camera.regions.contains_key(&name));
            let named = self.regions.named.get(&name);
            let has_source =
                named.is_some_and(|named| named.topic.is_some() || !named.region.is_detected());
            if !is_usual && !is_of_cameras && !has_source {
                self.regions.named.insert(name, source);
            }
        }
        let needs_opening = (self.task.quantities())
            .iter()
            .any(|quantity| matches!(quantity, Quantity::Opening(_)));
        if needs_opening && self.task.gripper_topic.is_none() {
            self.task.gripper_topic = Some("gripper".to_owned());
        }
    }
}

/// A source that nobody reads: the region comes with the picture.
fn given(name: &str) -> NamedRegion {
    NamedRegion {
        topic: Some(name.to_owned()),
        ..NamedRegion::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS: &str = "task: {pairs: [fingertip-cube, cube-goal]}";

    fn planned(yaml: &str, cameras: &[&str]) -> Vec<String> {
        let mut config = Config::parse(yaml).unwrap();
        let cameras: Vec<String> = cameras.iter().map(|name| (*name).to_owned()).collect();
        config.given_from_memory(&cameras);
        config.validate().unwrap();
        let planned = config.planned().into_iter();
        planned
            .map(|planned| format!("{} {}", planned.camera, planned.pair))
            .collect()
    }

    #[test]
    fn pairs_alone_are_enough_where_regions_are_given_with_each_step() {
        // Given pairs of regions that nobody declared, for one camera and for two
        // Then each camera measures each pair
        assert_eq!(planned(PAIRS, &[]), [" fingertip-cube", " cube-goal"]);
        assert_eq!(
            planned(PAIRS, &["wrist", "front"]),
            [
                "front fingertip-cube",
                "front cube-goal",
                "wrist fingertip-cube",
                "wrist cube-goal"
            ]
        );
    }

    #[test]
    fn what_a_configuration_says_of_cameras_stays() {
        // Given two cameras of a recording, the second of which knows two regions of three
        let yaml = format!(
            "{PAIRS}
regions: {{cube: {{topic: /cube}}, goal: {{topic: /goal}}}}
cameras:
  front: {{image: /front}}
  side: {{image: /side, regions: {{fingertip: {{topic: /side/tip}}, cube: {{topic: /side/cube}}}}}}
"
        );
        // Then it measures the pair of those, as it does in the recording
        let expected = [
            "front fingertip-cube",
            "front cube-goal",
            "side fingertip-cube",
        ];
        assert_eq!(planned(&yaml, &["front", "side"]), expected);
    }

    #[test]
    fn an_opening_needs_no_topic_where_it_is_given() {
        let yaml = "
reward: {kind: task}
task:
  pairs: [fingertip-cube]
  phases: [{name: close, next: [{to: success, when: [{opening: gripper, below: 0.02}]}]}]
";
        assert_eq!(planned(yaml, &[]), [" fingertip-cube"]);
    }
}
