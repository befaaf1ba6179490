//! The colours of regions and phases: each has one, and it is the same in reports, in annotations and in live views.

use crate::settings::Config;

/// Red, green and blue.
pub type Rgb = [u8; 3];

/// The target's, and the first other region's of a task.
pub const TARGET: Rgb = [0x56, 0xb4, 0xe9];
/// The fingertip's, and that of a region that no other is left for.
pub const FINGERTIP: Rgb = [0xf0, 0xa2, 0x02];
/// The other regions' in the order in which pairs name them. They are told apart by those who see
/// red and green alike, and seen on white and on most pictures.
const REGIONS: [Rgb; 7] = [
    TARGET,
    [0xd6, 0x5f, 0xa6],
    [0x7c, 0xb5, 0x3a],
    [0x8f, 0x6f, 0xe0],
    [0xd5, 0x5e, 0x00],
    [0xd9, 0xc4, 0x2a],
    [0x8a, 0x94, 0xa3],
];
/// Pale ones, which curves are seen on.
const PHASES: [Rgb; 8] = [
    [0x8d, 0xa0, 0xcb],
    [0xe5, 0xc4, 0x94],
    [0x8f, 0xc7, 0xc0],
    [0xc3, 0xa6, 0xd6],
    [0xd9, 0xd2, 0x7e],
    [0xe0, 0xa3, 0x9a],
    [0xb3, 0xb3, 0xb3],
    [0xa6, 0xcf, 0x6a],
];
/// That of steps in which a reach has succeeded.
const SUCCESS: Rgb = [0x00, 0x9e, 0x73];
const FAILURE: Rgb = [0xd6, 0x45, 0x45];

/// Who has which colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colors {
    regions: Vec<String>,
    phases: Vec<String>,
}

impl Colors {
    /// Of the regions that are measured, and of the task's phases.
    pub fn of(config: &Config) -> Self {
        let mut regions: Vec<String> = Vec::new();
        let pairs = config.task.all_pairs();
        let measured = pairs.iter().flat_map(|pair| [&pair.first, &pair.second]);
        for name in measured {
            if !regions.contains(name) {
                regions.push(name.clone());
            }
        }
        if regions.is_empty() {
            regions = vec!["fingertip".to_owned(), "target".to_owned()];
        }
        let phases = config.task.phases.iter();
        Self {
            regions,
            phases: phases.map(|phase| phase.name.clone()).collect(),
        }
    }

    /// The regions' names, in the order in which pairs name them.
    pub fn regions(&self) -> &[String] {
        &self.regions
    }

    /// The phases' names in their order, and the task's two ends.
    pub fn phases(&self) -> impl Iterator<Item = &str> {
        let phases = self.phases.iter().map(String::as_str);
        phases.chain(["success", "failure"])
    }

    /// A region's.
    pub fn region(&self, name: &str) -> Rgb {
        let mut others = self.regions.iter().filter(|region| *region != "fingertip");
        match others.position(|region| region == name) {
            Some(at) => nth(&REGIONS, at),
            None => FINGERTIP,
        }
    }

    /// A phase's, by its name; `success` and `failure` have theirs.
    pub fn phase(&self, name: &str) -> Rgb {
        match name {
            "success" => SUCCESS,
            "failure" => FAILURE,
            name => {
                let at = self.phases.iter().position(|phase| phase == name);
                nth(&PHASES, at.unwrap_or_default())
            }
        }
    }
}

/// They begin anew where there are more than colours.
fn nth(colors: &[Rgb], at: usize) -> Rgb {
    let mut cycle = colors.iter().cycle();
    cycle
        .nth(at % colors.len().max(1))
        .copied()
        .unwrap_or(FINGERTIP)
}

/// As CSS has it, `#f0a202`.
pub fn css([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn each_region_and_phase_has_a_color_of_its_own() {
        // Given settings with four regions and two phases
        let yaml = "
topics: {fingertip: /a}
regions: {cube: {topic: /b}, goal: {topic: /b}, lid: {topic: /b}}
reward: {kind: task}
task:
  pairs: [fingertip-cube, cube-goal, lid-goal]
  phases:
    - {name: reach, next: [{to: lift, when: [{contact: fingertip-cube}]}]}
    - {name: lift, next: [{to: success, when: [{distance: cube-goal, below: 0.1}]}]}
";
        let config = Config::from_yaml(yaml).unwrap();
        // When each is given its colour
        let colors = Colors::of(&config);
        // Then no two are alike, the fingertip has its own, and so have the ends
        let mut all: Vec<Rgb> = (colors.regions().iter())
            .map(|name| colors.region(name))
            .chain(["reach", "lift", "success", "failure"].map(|name| colors.phase(name)))
            .collect();
        assert_eq!(colors.regions(), ["fingertip", "cube", "goal", "lid"]);
        assert_eq!((all.len(), all[0]), (8, FINGERTIP));
        all.sort_unstable();
        assert!(all.windows(2).all(|two| two[0] != two[1]));
        assert_eq!(css(FINGERTIP), "#f0a202");
    }

    #[test]
    fn without_a_task_there_are_a_fingertip_and_a_target() {
        let colors = Colors::of(&Settings::geometry());
        assert_eq!(colors.regions(), ["fingertip", "target"]);
        assert_ne!(colors.region("fingertip"), colors.region("target"));
    }
}
