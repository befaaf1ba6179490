//! What is ready to use: settings that were checked, with their names resolved once.

use std::ops::Deref;

use super::config::Config;
use super::model::RelativeDepth;
use super::reward::RewardKind;
use super::thresholds::Thresholds;
use crate::error::{Error, Result};
use crate::estimator::Profile;
use crate::frame::DistanceKind;
use crate::prompt::Template;

/// Settings in force. They read like the [`Config`] they were made of, and nobody can write into them.
#[derive(Debug, Clone)]
pub struct Settings {
    config: Config,
    /// As somebody typed it, where `config` is that of one pair of a task.
    typed: Option<Box<Config>>,
    profile: Profile,
    resolved: ModelSettings,
    thresholds: Thresholds,
}

/// What follows from the model's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelSettings {
    /// Where it runs.
    pub device: DeviceChoice,
    /// The conversation template; none: as the checkpoint's tokenizer tells.
    pub template: Option<Template>,
    /// Where relative depth comes from, `auto` settled.
    pub relative_depth: RelativeDepth,
}

/// Where a network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU if there is one.
    Auto,
    /// The processor.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

impl DeviceChoice {
    /// What a name means.
    ///
    /// # Errors
    /// `Error::ConfigValue` for what is no device's name.
    pub fn parse(name: &str) -> Result<Self> {
        let index = |name: &str| name.strip_prefix("cuda:")?.parse().ok();
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            name => index(name).map(Self::Cuda).ok_or(Error::ConfigValue {
                key: "model.device".into(),
                value: name.into(),
                expected: "auto, cpu or cuda:N".into(),
            }),
        }
    }
}

impl Settings {
    /// Checks a configuration for the estimator that it names, and resolves its other names. Whoever has several
    /// estimators lets [`Estimators::settings`](crate::estimator::Estimators::settings) find that one.
    ///
    /// # Errors
    /// `Error::ConfigValue` for a value out of bounds, for a name that nothing has and for another estimator's name;
    /// `Error::UnknownTemplate`.
    pub fn new(config: Config, profile: Profile) -> Result<Self> {
        config.validate()?;
        if config.estimator.kind != profile.name {
            return Err(Error::ConfigValue {
                key: "estimator.kind".into(),
                value: format!("'{}'", config.estimator.kind),
                expected: profile.name.into(),
            });
        }
        let template = config.model.template.as_deref();
        let relative_depth = match config.model.relative_depth {
            RelativeDepth::Auto if config.model.depth_model.is_some() => {
                RelativeDepth::DepthAnything
            }
            RelativeDepth::Auto => RelativeDepth::Camera,
            chosen => chosen,
        };
        if relative_depth == RelativeDepth::DepthAnything && config.model.depth_model.is_none() {
            return Err(Error::ConfigValue {
                key: "model.depth_model".into(),
                value: "not given".into(),
                expected: "a Depth Anything checkpoint where relative_depth is depth_anything"
                    .into(),
            });
        }
        let kind = config.estimator.distance.unwrap_or(profile.distance);
        let thresholds = Thresholds::in_force(&config, kind);
        if thresholds.exit_m < thresholds.enter_m {
            return Err(Error::ConfigValue {
                key: "success.exit_m".into(),
                value: thresholds.exit_m.to_string(),
                expected: format!(
                    "success.enter_m or more, which is {} for {}",
                    thresholds.enter_m,
                    kind.name()
                ),
            });
        }
        let resolved = ModelSettings {
            device: DeviceChoice::parse(&config.model.device)?,
            template: template.map(Template::from_name).transpose()?,
            relative_depth,
        };
        Ok(Self {
            config,
            typed: None,
            profile,
            resolved,
            thresholds,
        })
    }

    /// Of a YAML text, in a program that has no estimators but the core's own.
    ///
    /// # Errors
    /// Those of [`Config::from_yaml`] and of [`new`](Self::new).
    pub fn from_yaml(text: &str) -> Result<Self> {
        Self::new(Config::from_yaml(text)?, Profile::GEOMETRY)
    }

    /// The defaults: geometry, which every build has.
    pub fn geometry() -> Self {
        Self {
            config: Config::default(),
            typed: None,
            profile: Profile::GEOMETRY,
            resolved: ModelSettings {
                device: DeviceChoice::Auto,
                template: None,
                relative_depth: RelativeDepth::Camera,
            },
            thresholds: Thresholds::of(Profile::GEOMETRY.distance),
        }
    }

    /// Those of one pair of the task, as [`Config::planned`] has them. Outputs still tell what was typed.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_pair(&self, config: Config) -> Result<Self> {
        Ok(Self {
            typed: Some(Box::new(self.config.clone())),
            ..Self::new(config, self.profile)?
        })
    }

    /// As it was typed.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// For who follows one distance, and no whole task.
    ///
    /// # Errors
    /// `Error::ConfigValue` where a task is given: its pairs would not be measured, and its rewards be missing.
    pub fn without_task(&self, who: &str) -> Result<()> {
        match self.config.task.is_given() {
            false => Ok(()),
            true => Err(Error::ConfigValue {
                key: "task".into(),
                value: "given".into(),
                expected: format!(
                    "left out: {who} follows one distance. `label` and a live node follow whole tasks"
                ),
            }),
        }
    }

    /// Which distance the reward is computed from.
    pub fn distance(&self) -> DistanceKind {
        let typed = self.config.estimator.distance;
        typed.unwrap_or(self.profile.distance)
    }

    /// From which distance on the task counts as solved: as typed, or that of the distance's kind.
    pub fn thresholds(&self) -> Thresholds {
        self.thresholds
    }

    /// A threshold in use that no distance ever reaches where `least_m` is the least that is told apart: its setting's
    /// name and its value, in metres.
    pub fn threshold_below(&self, least_m: f64) -> Option<(&'static str, f64)> {
        let Thresholds {
            enter_m, sparse_m, ..
        } = self.thresholds;
        let reward = &self.config.reward;
        let is_sparse = match reward.kind {
            RewardKind::Shaped => reward.base == RewardKind::Sparse,
            kind => kind == RewardKind::Sparse,
        };
        let sparse = is_sparse.then_some(("reward.threshold_m", sparse_m));
        let mut used = [Some(("success.enter_m", enter_m)), sparse]
            .into_iter()
            .flatten();
        used.find(|(_, threshold_m)| *threshold_m < least_m)
    }

    /// [`Config::changed_yaml`], without thresholds that the distance's kind has anyway.
    ///
    /// # Errors
    /// As there.
    pub fn changed_yaml(&self) -> Result<String> {
        self.as_plain_as_can_be().changed_yaml()
    }

    /// [`Config::digest`], without thresholds that the distance's kind has anyway.
    ///
    /// # Errors
    /// As there.
    pub fn digest(&self) -> Result<String> {
        self.as_plain_as_can_be().digest()
    }

    fn as_plain_as_can_be(&self) -> Config {
        let typed = self.typed.as_deref().unwrap_or(&self.config);
        Thresholds::left_out(typed.clone(), self.distance())
    }

    /// Who measures.
    pub fn estimator(&self) -> &Profile {
        &self.profile
    }

    /// What follows from the model's settings.
    pub fn model(&self) -> ModelSettings {
        self.resolved
    }

    /// Whether frames without depth cannot be measured.
    pub fn needs_depth(&self) -> bool {
        (self.profile.needs_depth)(self.resolved.relative_depth)
    }
}

impl Deref for Settings {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
    }
}
