//! Where a labelling's numbers come from: enough to make them again, and to tell two labellings apart.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use spatial_reward_core::calibration::Calibration;
use spatial_reward_core::estimator::Origin;
use spatial_reward_core::settings::{Alignment, RewardKind, Settings};

/// What every key of ours begins with.
const PREFIX: &str = "spatial_reward.";

/// What every output says about its origin. Holds no clock, host or path, so the same labelling twice
/// gives the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this crate.
    pub crate_version: String,
    /// The estimator's name: geometry, spatialrgpt.
    pub estimator: String,
    /// Digest of the model's weights; empty for geometry, which has none.
    pub model_digest: String,
    /// The question that the model was asked; empty for geometry.
    pub prompt: String,
    /// What makes a standard deviation of the model's spread; `None` for geometry, and where it is the spread itself.
    pub model_calibration: Option<Calibration>,
    /// `Config::digest()` of the settings in force.
    pub config_digest: String,
    /// The settings that differ from their defaults, as YAML that `--config` takes; empty where none does.
    pub config_yaml: String,
    /// What is measured: center, surface, cloud.
    pub distance_kind: String,
    /// How a reward follows from the distances: dense, sparse, ...
    pub reward_kind: String,
    /// The parameters that this kind of reward is computed with, by their config names.
    pub reward_parameters: BTreeMap<String, f64>,
    /// To which row of the table a frame's reward belongs: `frame` or `next_frame`.
    pub alignment: String,
    /// Name (no path) of the bag that was labelled.
    pub source_bag: String,
    /// Role -> topic, as they were used.
    pub topics: BTreeMap<String, String>,
}

impl Provenance {
    /// Of a labelling under `config`.
    ///
    /// # Errors
    /// `Error::Core` if the settings cannot be written as YAML.
    pub fn new(
        settings: &Settings,
        estimator: &str,
        origin: Origin,
        source_bag: &str,
        topics: BTreeMap<String, String>,
    ) -> Result<Self> {
        Ok(Self {
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
            estimator: estimator.to_owned(),
            model_digest: origin.model_digest,
            prompt: origin.prompt,
            model_calibration: origin.calibration,
            config_digest: settings.digest()?,
            config_yaml: settings.changed_yaml()?,
            distance_kind: settings.distance().name().to_owned(),
            reward_kind: settings.reward.kind.name().to_owned(),
            reward_parameters: reward_parameters(settings),
            alignment: alignment_name(settings.reward.alignment).to_owned(),
            source_bag: source_bag.to_owned(),
            topics,
        })
    }

    /// Whether standard deviations, if there are any, are known to hold: a model's are where a calibration made them.
    pub fn is_calibrated(&self) -> bool {
        self.model_digest.is_empty() || self.model_calibration.is_some()
    }

    /// Key and value of everything, in a fixed order, the keys prefixed with the crate's name.
    pub fn key_values(&self) -> Vec<(String, String)> {
        // Maps of text and numbers always go into JSON.
        let parameters = serde_json::to_string(&self.reward_parameters).unwrap_or_default();
        let topics = serde_json::to_string(&self.topics).unwrap_or_default();
        let calibration = self.model_calibration.as_ref();
        let calibration = calibration.and_then(|one| serde_json::to_string(one).ok());
        [
            ("crate_version", self.crate_version.clone()),
            ("estimator", self.estimator.clone()),
            ("model_digest", self.model_digest.clone()),
            ("prompt", self.prompt.clone()),
            ("model_calibration", calibration.unwrap_or_default()),
            ("config_digest", self.config_digest.clone()),
            ("config", self.config_yaml.clone()),
            ("distance_kind", self.distance_kind.clone()),
            ("reward_kind", self.reward_kind.clone()),
            ("reward_parameters", parameters),
            ("alignment", self.alignment.clone()),
            ("source_bag", self.source_bag.clone()),
            ("topics", topics),
        ]
        .into_iter()
        .map(|(key, value)| (format!("{PREFIX}{key}"), value))
        .collect()
    }
}

/// The digest of the settings that a table (`*_reward.parquet`) was made with.
///
/// # Errors
/// `Error::Io` if it cannot be read, `Error::NothingToDo` if it has no provenance of ours.
pub fn read_config_digest(table: &Path) -> Result<String> {
    let key = "config_digest";
    let found = read(table)?.remove(key);
    found.ok_or_else(|| foreign(table, &format!("it has no {PREFIX}{key} in its metadata")))
}

/// What made a model's labels, as a table says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelling {
    /// The estimator's name.
    pub estimator: String,
    /// Digest of the model's files; empty for geometry.
    pub model_digest: String,
    /// What the model was asked; empty for geometry.
    pub prompt: String,
    /// What made standard deviations of its spread.
    pub calibration: Option<Calibration>,
}

/// What made the labels of a table (`*_reward.parquet`).
///
/// # Errors
/// As [`read_config_digest`].
pub fn read_labelling(table: &Path) -> Result<Labelling> {
    let mut found = read(table)?;
    let mut value = |key: &str| found.remove(key);
    let missing = |key: &str| foreign(table, &format!("it has no {PREFIX}{key} in its metadata"));
    // Tables from before there were calibrations have none.
    let calibration = value("model_calibration").filter(|text| !text.is_empty());
    let calibration = calibration.map(|text| {
        let read = serde_json::from_str::<Calibration>(&text).map_err(|error| error.to_string());
        let checked = read.and_then(|read| {
            let key = format!("{PREFIX}model_calibration");
            read.check(&key).map_err(|error| error.to_string())
        });
        checked.map_err(|error| foreign(table, &error))
    });
    Ok(Labelling {
        estimator: value("estimator").ok_or_else(|| missing("estimator"))?,
        model_digest: value("model_digest").unwrap_or_default(),
        prompt: value("prompt").unwrap_or_default(),
        calibration: calibration.transpose()?,
    })
}

/// A table's provenance, by the keys without their prefix.
fn read(table: &Path) -> Result<BTreeMap<String, String>> {
    let file = File::open(table).map_err(Error::io("open", table))?;
    let reader =
        SerializedFileReader::new(file).map_err(|error| foreign(table, &error.to_string()))?;
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    let ours = metadata.into_iter().flatten().filter_map(|entry| {
        let key = entry.key.strip_prefix(PREFIX)?;
        Some((key.to_owned(), entry.value.clone()?))
    });
    Ok(ours.collect())
}

fn foreign(table: &Path, message: &str) -> Error {
    Error::NothingToDo {
        path: table.into(),
        message: format!("{message}; is it a table that this program wrote?"),
    }
}

fn alignment_name(alignment: Alignment) -> &'static str {
    match alignment {
        Alignment::Frame => "frame",
        Alignment::NextFrame => "next_frame",
    }
}

fn reward_parameters(settings: &Settings) -> BTreeMap<String, f64> {
    let reward = &settings.reward;
    let of_kind = |kind| match kind {
        RewardKind::Sparse => vec![("threshold_m", settings.thresholds().sparse_m)],
        RewardKind::Tanh => vec![("k_per_m", reward.k_per_m)],
        RewardKind::Exp => vec![("sigma_m", reward.sigma_m)],
        RewardKind::Dense | RewardKind::Progress | RewardKind::Shaped | RewardKind::Task => vec![],
    };
    let mut parameters = of_kind(reward.kind);
    if reward.kind == RewardKind::Task {
        parameters.extend([("kappa", reward.kappa), ("gamma", reward.gamma)]);
    }
    if reward.kind == RewardKind::Shaped {
        parameters.extend([("kappa", reward.kappa), ("gamma", reward.gamma)]);
        parameters.extend(of_kind(reward.base));
    }
    parameters
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_parameters_of_its_reward_only() {
        let settings = Settings::from_yaml("reward: {kind: shaped, base: exp}").unwrap();
        let made = Provenance::new(
            &settings,
            "geometry",
            Origin::default(),
            "pick",
            BTreeMap::new(),
        )
        .unwrap();
        let names: Vec<_> = made.reward_parameters.keys().map(String::as_str).collect();
        assert_eq!(names, ["gamma", "kappa", "sigma_m"]);
    }

    #[test]
    fn settings_can_be_used_again() {
        let settings = Settings::from_yaml("reward: {alignment: next_frame}").unwrap();
        let made = Provenance::new(
            &settings,
            "geometry",
            Origin::default(),
            "pick",
            BTreeMap::new(),
        )
        .unwrap();
        assert_eq!(Settings::from_yaml(&made.config_yaml).unwrap(), settings);
        assert_eq!(made.alignment, "next_frame");
    }
}
