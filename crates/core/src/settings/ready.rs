//! What is ready to use: settings that were checked, with their names resolved once.

use std::ops::Deref;

use super::config::Config;
use super::model::RelativeDepth;
use crate::error::{Error, Result};
use crate::estimator::Profile;
use crate::frame::DistanceKind;
use crate::prompt::Template;

/// Settings in force. They read like the [`Config`] they were made of, and nobody can write into them.
#[derive(Debug, Clone)]
pub struct Settings {
    config: Config,
    profile: Profile,
    resolved: ModelSettings,
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
        let resolved = ModelSettings {
            device: DeviceChoice::parse(&config.model.device)?,
            template: template.map(Template::from_name).transpose()?,
            relative_depth,
        };
        Ok(Self {
            config,
            profile,
            resolved,
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
            profile: Profile::GEOMETRY,
            resolved: ModelSettings {
                device: DeviceChoice::Auto,
                template: None,
                relative_depth: RelativeDepth::Camera,
            },
        }
    }

    /// As it was typed.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Which distance the reward is computed from.
    pub fn distance(&self) -> DistanceKind {
        let typed = self.config.estimator.distance;
        typed.unwrap_or(self.profile.distance)
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
