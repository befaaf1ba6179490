//! From a file to settings that make sense: YAML whose unknown keys are refused with their line, every declared bound,
//! and those that one setting sets to another; and what tells two configurations apart.

use std::collections::BTreeMap;
use std::path::Path;

use serde_yaml::Value;

use super::config::Config;
use super::declared::{declared, value_at};
use super::reward::RewardKind;
use crate::digest;
use crate::error::{Error, Result};

impl Config {
    /// Reads a YAML file and checks it.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), value out of bounds.
    pub fn from_file(path: &Path) -> Result<Self> {
        let config = Self::read(path)?;
        config.validate()?;
        Ok(config)
    }

    /// Parses and checks YAML text. An empty text is the default configuration.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file), but for the file.
    pub fn from_yaml(text: &str) -> Result<Self> {
        let config = Self::parse(text)?;
        config.validate()?;
        Ok(config)
    }

    /// Reads a YAML file, for who adds to it before it is checked.
    ///
    /// # Errors
    /// Unreadable file, YAML syntax, unknown key (with its line and column).
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        Self::parse(&text).map_err(|error| match error {
            Error::ConfigSyntax { message, .. } => Error::ConfigSyntax {
                path: path.into(),
                message,
            },
            other => other,
        })
    }

    /// Parses YAML text, for who adds to it before it is checked.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for the file.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Option<Self> =
            serde_yaml::from_str(text).map_err(|error| Error::ConfigSyntax {
                path: "(text)".into(),
                message: error.to_string(),
            })?;
        Ok(config.unwrap_or_default())
    }

    /// Checks every declared bound, and those between settings.
    ///
    /// # Errors
    /// `Error::ConfigValue` with the first value that is out of bounds.
    pub fn validate(&self) -> Result<()> {
        let values = self.values()?;
        for setting in declared() {
            if let Some(value) = value_at(&values, &setting.name) {
                setting.check(value)?;
            }
        }
        self.check_relations()
    }

    /// The bounds that one setting sets to another, and those that are no range.
    fn check_relations(&self) -> Result<()> {
        let refuse = |key: &str, value: String, expected: &str| {
            Err(Error::ConfigValue {
                key: key.to_owned(),
                value,
                expected: expected.to_owned(),
            })
        };
        let (geometry, success) = (&self.geometry, &self.success);
        if geometry.max_depth_m <= geometry.min_depth_m {
            let value = geometry.max_depth_m.to_string();
            return refuse("geometry.max_depth_m", value, "above geometry.min_depth_m");
        }
        if let Some(votes) = success.votes.filter(|votes| votes.needed > votes.of) {
            let value = votes.needed.to_string();
            return refuse("success.votes.needed", value, "in [1, success.votes.of]");
        }
        if self.reward.base == RewardKind::Shaped {
            let expected = "another kind than shaped: it is what the shaping is added to";
            return refuse("reward.base", "shaped".into(), expected);
        }
        let (steps, tasks) = (&self.output.reward_topic, &self.output.task_topic);
        for (key, topic) in [("output.reward_topic", steps), ("output.task_topic", tasks)] {
            if !topic.starts_with('/') || topic.ends_with('/') {
                let expected = "an absolute topic name such as /spatial_reward/step_reward";
                return refuse(key, topic.clone(), expected);
            }
        }
        if steps == tasks {
            let expected = "another topic than output.reward_topic: its messages have another type";
            return refuse("output.task_topic", tasks.clone(), expected);
        }
        if let (None, Some(floor_m)) = (self.model.std_scale, self.model.std_floor_m) {
            let expected = "left out where model.std_scale is: the two are fitted together";
            return refuse("model.std_floor_m", floor_m.to_string(), expected);
        }
        self.check_sources()?;
        self.check_task()?;
        self.check_frames()?;
        let question = &self.model.question;
        if !question.contains("<region0>") || !question.contains("<region1>") {
            let expected = "a question about <region0> (the fingertip) and <region1> (the target)";
            return refuse("model.question", format!("'{question}'"), expected);
        }
        Ok(())
    }

    /// A frame has a name, and two regions are at two places.
    fn check_frames(&self) -> Result<()> {
        let regions = &self.regions;
        for (name, region) in [
            ("fingertip", &regions.fingertip),
            ("target", &regions.target),
        ] {
            let Some(frame) = &region.frame else { continue };
            if frame.trim_matches('/').is_empty() {
                return Err(Error::ConfigValue {
                    key: format!("regions.{name}.frame"),
                    value: format!("'{frame}'"),
                    expected: "a frame's name".to_owned(),
                });
            }
        }
        let [fingertip, target] = [&regions.fingertip, &regions.target];
        let bare = |frame: &Option<String>| {
            frame
                .as_deref()
                .map(|name| name.trim_matches('/').to_owned())
        };
        if let Some(frame) = bare(&target.frame)
            && bare(&fingertip.frame).as_ref() == Some(&frame)
            && fingertip.offset_m == target.offset_m
        {
            return Err(Error::ConfigValue {
                key: "regions.target.frame".to_owned(),
                value: frame,
                expected: "another frame than the fingertip's, or another offset in it".to_owned(),
            });
        }
        Ok(())
    }

    /// The settings that differ from their defaults, by their dotted names; those of the live node left out, for how it
    /// gets its messages changes no number.
    pub fn changed(&self) -> BTreeMap<String, serde_json::Value> {
        let (Ok(mine), Ok(defaults)) = (self.values(), Self::default().values()) else {
            return BTreeMap::new();
        };
        let of = |values: &Value, name: &str| serde_json::to_value(value_at(values, name)?).ok();
        let differs = |name: &str| {
            let mine = of(&mine, name)?;
            // A group that is left out by default has no members.
            let default = of(&defaults, name).unwrap_or_default();
            (mine != default).then_some((name.to_owned(), mine))
        };
        // What has names of the user's choice is declared by none of them.
        let named = self
            .regions
            .named
            .keys()
            .map(|name| format!("regions.{name}"));
        let cameras = self.cameras.keys().map(|name| format!("cameras.{name}"));
        let named: Vec<String> = named.chain(cameras).collect();
        let names = declared().iter().map(|setting| &setting.name);
        names
            .filter(|name| !name.starts_with("live."))
            .chain(&named)
            .filter_map(|name| differs(name))
            .collect()
    }

    /// [`changed`](Self::changed) as YAML that [`from_yaml`](Self::from_yaml) takes; empty where nothing is.
    ///
    /// # Errors
    /// `Error::ConfigValue` for settings that do not go into YAML.
    pub fn changed_yaml(&self) -> Result<String> {
        let mut tree = serde_json::Map::new();
        for (name, value) in self.changed() {
            let mut place = &mut tree;
            let mut keys = name.split('.').peekable();
            while let Some(key) = keys.next() {
                if keys.peek().is_none() {
                    place.insert(key.to_owned(), value);
                    break;
                }
                let group = place
                    .entry(key)
                    .or_insert_with(|| serde_json::Map::new().into());
                let Some(group) = group.as_object_mut() else {
                    break;
                };
                place = group;
            }
        }
        if tree.is_empty() {
            return Ok(String::new());
        }
        serde_yaml::to_string(&tree).map_err(|error| Error::ConfigValue {
            key: "config".into(),
            value: error.to_string(),
            expected: "settings that go into YAML".into(),
        })
    }

    /// SHA-256 of [`changed`](Self::changed), in hex: the same settings give the same digest, however they were typed
    /// and however many settings there are that nobody touched.
    ///
    /// # Errors
    /// `Error::ConfigValue` for settings that do not go into JSON: one never stands for others.
    pub fn digest(&self) -> Result<String> {
        self.values()?;
        let canonical =
            serde_json::to_vec(&self.changed()).map_err(|error| Error::ConfigValue {
                key: "config".into(),
                value: error.to_string(),
                expected: "settings that go into JSON".into(),
            })?;
        Ok(digest::sha256(&canonical))
    }

    /// A setting's value by its dotted name; `None` for a name that there is not.
    pub fn value_of(&self, name: &str) -> Option<serde_json::Value> {
        let values = self.values().ok()?;
        serde_json::to_value(value_at(&values, name)?).ok()
    }

    /// Everything as a tree. Unlike JSON's, it tells NaN from null.
    fn values(&self) -> Result<Value> {
        serde_yaml::to_value(self).map_err(|error| Error::ConfigValue {
            key: "config".into(),
            value: error.to_string(),
            expected: "settings that go into YAML".into(),
        })
    }
}
