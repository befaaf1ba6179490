//! The estimators that there are. A crate that has one gives its registration; the core knows geometry's alone.

use std::fmt;
use std::sync::Arc;

use super::interface::Estimator;
use super::profile::Profile;
use crate::error::{Error, Result};
use crate::geometry::GeometryEstimator;
use crate::progress::OnProgress;
use crate::settings::{Config, Settings};

/// An estimator that settings can name.
#[derive(Clone)]
pub struct Registration {
    /// What is known of it before it is loaded.
    pub profile: Profile,
    /// Loads it.
    pub open: Open,
}

/// Loads an estimator; long loads tell how far they are.
pub type Open = Arc<dyn Fn(&Settings, OnProgress<'_>) -> Result<Box<dyn Estimator>> + Send + Sync>;

impl Registration {
    /// Measuring in the depth image.
    pub fn geometry() -> Self {
        Self {
            profile: Profile::GEOMETRY,
            open: Arc::new(|settings, _| Ok(Box::new(GeometryEstimator::new(&settings.geometry)))),
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Registration");
        shown
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// The estimators that there are, geometry among them.
#[derive(Debug, Clone)]
pub struct Estimators {
    registered: Vec<Registration>,
}

impl Default for Estimators {
    fn default() -> Self {
        Self {
            registered: vec![Registration::geometry()],
        }
    }
}

impl Estimators {
    /// With one more.
    #[must_use]
    pub fn with(mut self, registration: Registration) -> Self {
        self.registered.push(registration);
        self
    }

    /// Their names, geometry first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.registered.iter().map(|one| one.profile.name)
    }

    /// Checks a configuration and resolves what it names.
    ///
    /// # Errors
    /// `Error::ConfigValue` for a value out of bounds and for a name that nothing has; `Error::UnknownTemplate`.
    pub fn settings(&self, config: Config) -> Result<Settings> {
        let profile = self.named(&config.estimator.kind)?.profile;
        Settings::new(config, profile)
    }

    /// Loads the estimator that settings name.
    ///
    /// # Errors
    /// `Error::ConfigValue` for one that there is not; the estimator's own.
    pub fn open(
        &self,
        settings: &Settings,
        progress: OnProgress<'_>,
    ) -> Result<Box<dyn Estimator>> {
        (self.named(settings.estimator().name)?.open)(settings, progress)
    }

    fn named(&self, name: &str) -> Result<&Registration> {
        let found = self.registered.iter().find(|one| one.profile.name == name);
        found.ok_or_else(|| Error::ConfigValue {
            key: "estimator.kind".into(),
            value: format!("'{name}'"),
            expected: format!("one of {}", self.names().collect::<Vec<_>>().join(", ")),
        })
    }
}
