//! What is ready to use: settings that were checked, with their names resolved once.

use std::ops::Deref;

use super::config::Config;
use super::model::RelativeDepth;
use crate::error::{Error, Result};
use crate::estimator::{Estimators, Registration};
use crate::frame::DistanceKind;
use crate::prompt::Template;

/// Settings in force. They read like the [`Config`] they were made of, and nobody can write into them.
#[derive(Debug, Clone)]
pub struct Settings {
    config: Config,
    registration: Registration,
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
    /// Checks a configuration and resolves what it names, among the estimators that there are.
    ///
    /// # Errors
    /// `Error::ConfigValue` for a value out of bounds and for a name that nothing has; `Error::UnknownTemplate`.
    pub fn new(config: Config, estimators: &Estimators) -> Result<Self> {
        config.validate()?;
        let registration = estimators.named(&config.estimator.kind)?.clone();
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
            registration,
            resolved,
        })
    }

    /// Of a YAML text, in a program that has no estimators but the core's own.
    ///
    /// # Errors
    /// Those of [`Config::from_yaml`] and of [`new`](Self::new).
    pub fn from_yaml(text: &str) -> Result<Self> {
        Self::new(Config::from_yaml(text)?, &Estimators::default())
    }

    /// The defaults: geometry, which every build has.
    pub fn geometry() -> Self {
        Self {
            config: Config::default(),
            registration: Registration::geometry(),
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
        typed.unwrap_or(self.registration.distance)
    }

    /// Who measures.
    pub fn estimator(&self) -> &Registration {
        &self.registration
    }

    /// What follows from the model's settings.
    pub fn model(&self) -> ModelSettings {
        self.resolved
    }

    /// Whether frames without depth cannot be measured.
    pub fn needs_depth(&self) -> bool {
        (self.registration.needs_depth)(self)
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
