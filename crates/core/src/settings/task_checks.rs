//! A task speaks of regions, phases and topics that there are, and each of its conditions says one thing.

use std::collections::BTreeSet;

use super::config::Config;
use super::reward::RewardKind;
use super::task::{Condition, Potential, Quantity, is_name};
use crate::error::{Error, Result};

/// Where a task ends.
pub(crate) const ENDS: [&str; 2] = ["success", "failure"];

fn refuse<T>(
    key: impl Into<String>,
    value: impl Into<String>,
    expected: impl Into<String>,
) -> Result<T> {
    Err(Error::ConfigValue {
        key: key.into(),
        value: value.into(),
        expected: expected.into(),
    })
}

impl Config {
    /// # Errors
    /// `Error::ConfigValue` for what speaks of something that there is not, or says nothing or two things.
    pub(super) fn check_task(&self) -> Result<()> {
        self.check_names()?;
        let task = &self.task;
        let is_task = self.reward.kind == RewardKind::Task;
        if is_task && task.phases.is_empty() {
            return refuse("task.phases", "[]", "phases where reward.kind is task");
        }
        if self.reward.base == RewardKind::Task {
            return refuse(
                "reward.base",
                "task",
                "another kind than task: it is no function of a distance",
            );
        }
        if !is_task && !task.phases.is_empty() {
            let expected = "left out unless reward.kind is task";
            return refuse("task.phases", "given", expected);
        }
        self.check_measured()?;
        self.check_phases()?;
        match task.is_given() && task.all_pairs().is_empty() {
            true => refuse(
                "task.pairs",
                "[]",
                "at least one: the first is that of the step's own distance",
            ),
            false => Ok(()),
        }
    }

    /// Names that columns and pairs are made of.
    fn check_names(&self) -> Result<()> {
        let expected = "a name of small letters, digits and _ that begins with a letter";
        let regions = self.regions.named.keys().map(|name| ("regions", name));
        let cameras = self.cameras.keys().map(|name| ("cameras", name));
        let phases = self
            .task
            .phases
            .iter()
            .map(|phase| ("task.phases", &phase.name));
        let mut all = regions.chain(cameras).chain(phases);
        if let Some((key, name)) = all.find(|(_, name)| !is_name(name)) {
            return refuse(key, format!("'{name}'"), expected);
        }
        for (name, region) in &self.regions.named {
            let region_key = format!("regions.{name}");
            if region.topic.is_none() && region.region.is_detected() && !self.cameras_have(name) {
                let expected = "where it comes from: topic, frame, box, fixed, words or example";
                return refuse(region_key, "without a source", expected);
            }
        }
        Ok(())
    }

    fn cameras_have(&self, region: &str) -> bool {
        self.cameras
            .values()
            .any(|camera| camera.regions.contains_key(region))
    }

    /// Pairs of regions that there are, and regions that are measured.
    fn check_measured(&self) -> Result<()> {
        let known = |name: &str| {
            ["fingertip", "target"].contains(&name)
                || self.regions.named.contains_key(name)
                || self.cameras_have(name)
        };
        let pairs = self.task.all_pairs();
        for pair in &pairs {
            for name in [&pair.first, &pair.second] {
                if !known(name) {
                    let expected = format!("regions that there are: regions.{name} is not given");
                    return refuse("task", pair.to_string(), expected);
                }
            }
        }
        let measured: BTreeSet<&str> = (pairs.iter())
            .flat_map(|pair| [pair.first.as_str(), pair.second.as_str()])
            .collect();
        for quantity in self.task.quantities() {
            if let Some(region) = quantity
                .region()
                .filter(|region| !measured.contains(region))
            {
                let expected = format!(
                    "a region of a pair that is measured: list one with {region} in task.pairs"
                );
                return refuse("task.phases", quantity.to_string(), expected);
            }
            if matches!(quantity, Quantity::Opening(_)) && self.task.gripper_topic.is_none() {
                let expected = "the topic of the gripper's joints, whose opening phases speak of";
                return refuse("task.gripper_topic", "not given", expected);
            }
        }
        let mut named = self.regions.named.keys().map(String::as_str);
        if let Some(unused) = named.find(|name| !measured.contains(name)) {
            let expected =
                "a region of a pair in task.pairs or in a phase; fingertip and target need no pair";
            return refuse(format!("regions.{unused}"), "given", expected);
        }
        if !pairs.is_empty() && self.planned().is_empty() {
            return refuse(
                "cameras",
                "given",
                "at least one that sees both regions of a pair",
            );
        }
        if !self.cameras.is_empty() && !self.task.is_given() {
            return refuse(
                "cameras",
                "given",
                "left out where task.pairs names none to measure",
            );
        }
        Ok(())
    }

    fn check_phases(&self) -> Result<()> {
        let task = &self.task;
        let mut names = BTreeSet::new();
        for phase in &task.phases {
            let key = "task.phases";
            if ENDS.contains(&phase.name.as_str()) || !names.insert(phase.name.as_str()) {
                return refuse(
                    key,
                    phase.name.clone(),
                    "each name once, and neither success nor failure",
                );
            }
            if let Some(potential) = &phase.potential {
                check_potential(&phase.name, potential)?;
            }
        }
        for transition in task.transitions() {
            let to = transition.to.as_str();
            if !ENDS.contains(&to) && !names.contains(to) {
                return refuse(
                    "task.phases.next.to",
                    to,
                    "a phase's name, success or failure",
                );
            }
            if transition.when.is_empty() {
                return refuse("task.phases.next.when", "[]", format!("what leads to {to}"));
            }
            transition.when.iter().try_for_each(check_condition)?;
        }
        let leads_there = task
            .transitions()
            .any(|transition| transition.to == "success");
        if !task.phases.is_empty() && !leads_there {
            return refuse(
                "task.phases",
                "without a success",
                "a transition to success",
            );
        }
        Ok(())
    }
}

fn check_potential(phase: &str, potential: &Potential) -> Result<()> {
    let key = format!("task.phases.{phase}.potential");
    let Potential { of, goal, from } = potential;
    if !(goal.is_finite() && from.is_finite() && goal != from) {
        return refuse(
            key,
            format!("goal {goal}, from {from}"),
            "two values that differ",
        );
    }
    match of {
        Quantity::RestsOn(_) | Quantity::Inside(_) | Quantity::Contact(_) => refuse(
            key,
            of.to_string(),
            "a quantity with a value: distance, height, moved, tilt, beside or opening",
        ),
        _ => Ok(()),
    }
}

fn check_condition(condition: &Condition) -> Result<()> {
    let Condition {
        of,
        below,
        above,
        is,
        hold_s,
        for_s,
        if_known: _,
        hysteresis,
    } = condition;
    let key = "task.phases.next.when";
    let is_either = matches!(
        of,
        Quantity::RestsOn(_) | Quantity::Inside(_) | Quantity::Contact(_)
    );
    match is_either {
        true if below.is_some() || above.is_some() || hysteresis.is_some() => {
            return refuse(
                key,
                of.to_string(),
                "is: true or is: false, for it has no value",
            );
        }
        false if below.is_some() == above.is_some() || is.is_some() => {
            return refuse(key, of.to_string(), "one of below and above");
        }
        _ => {}
    }
    for (name, value) in [
        ("hold_s", hold_s),
        ("for_s", for_s),
        ("hysteresis", hysteresis),
    ] {
        if let Some(value) = value.filter(|value| !(value.is_finite() && *value >= 0.0)) {
            return refuse(format!("{key}.{name}"), value.to_string(), "0 or more");
        }
    }
    match below.or(*above).filter(|limit| !limit.is_finite()) {
        Some(limit) => refuse(key, limit.to_string(), "a finite limit"),
        None => Ok(()),
    }
}
