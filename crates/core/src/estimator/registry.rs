//! The estimators that there are, and the networks that find and follow regions. A crate that has one gives its registration;
//! the core knows geometry's alone.

use std::fmt;
use std::sync::Arc;

use super::interface::Estimator;
use super::profile::Profile;
use crate::error::{Error, Result};
use crate::finding::{Detector, Finder};
use crate::geometry::GeometryEstimator;
use crate::mask_following::Segmenter;
use crate::progress::OnProgress;
use crate::settings::{Config, Plan, Region, Settings};

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
            open: Arc::new(|settings, _| {
                let geometry = GeometryEstimator::new(&settings.geometry);
                Ok(Box::new(
                    geometry.telling_space(settings.task.needs_space()),
                ))
            }),
        }
    }
}

/// Loads what finds regions by words or by an example, and is told which ones.
pub type OpenDetector =
    Arc<dyn Fn(&Settings, OnProgress<'_>) -> Result<Arc<dyn Detector>> + Send + Sync>;

/// Loads what follows regions by masks.
pub type OpenSegmenter =
    Arc<dyn Fn(&Settings, OnProgress<'_>) -> Result<Arc<dyn Segmenter>> + Send + Sync>;

/// The networks that find and follow regions, of those that settings ask for.
#[derive(Debug, Clone, Default)]
pub struct RegionNetworks {
    /// Finds them by words or by an example.
    pub finder: Option<Finder>,
    /// Follows them by masks.
    pub segmenter: Option<Arc<dyn Segmenter>>,
    /// Of a task, those of each pair in the order of its plans.
    pub pairs: Vec<RegionNetworks>,
}

impl RegionNetworks {
    /// Those of a task's pair; without a task these.
    pub fn of_pair(&self, at: usize) -> &Self {
        self.pairs.get(at).unwrap_or(self)
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
#[derive(Clone)]
pub struct Estimators {
    registered: Vec<Registration>,
    detector: Option<OpenDetector>,
    segmenter: Option<OpenSegmenter>,
}

impl fmt::Debug for Estimators {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Estimators");
        shown
            .field("registered", &self.registered)
            .finish_non_exhaustive()
    }
}

impl Default for Estimators {
    fn default() -> Self {
        Self {
            registered: vec![Registration::geometry()],
            detector: None,
            segmenter: None,
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

    /// With what finds regions by words or by an example.
    #[must_use]
    pub fn with_detector(mut self, open: OpenDetector) -> Self {
        self.detector = Some(open);
        self
    }

    /// With what follows regions by masks.
    #[must_use]
    pub fn with_segmenter(mut self, open: OpenSegmenter) -> Self {
        self.segmenter = Some(open);
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

    /// Loads the networks that find and follow the regions of these settings, or of each pair of their task; none where none
    /// is needed.
    ///
    /// # Errors
    /// `Error::ConfigValue` where there is none in this program; the network's own.
    pub fn open_networks(
        &self,
        settings: &Settings,
        progress: OnProgress<'_>,
    ) -> Result<RegionNetworks> {
        let plans = settings.plans()?;
        if !plans.is_empty() {
            return self.open_networks_of(&plans, progress);
        }
        Ok(RegionNetworks {
            finder: self.open_finder(settings, progress)?,
            segmenter: self.open_segmenter(settings, progress)?,
            pairs: Vec::new(),
        })
    }

    /// A detector is told what it seeks, so each pair that seeks something else has its own. What follows is told of nothing.
    fn open_networks_of(&self, plans: &[Plan], progress: OnProgress<'_>) -> Result<RegionNetworks> {
        let mut opened: Vec<RegionNetworks> = Vec::with_capacity(plans.len());
        let mut segmenter: Option<Arc<dyn Segmenter>> = None;
        for plan in plans {
            let alike = (plans.iter().zip(&opened))
                .find(|(before, _)| seek_alike(&before.settings, &plan.settings));
            let finder = match alike {
                Some((_, alike)) => alike.finder.clone(),
                None => self.open_finder(&plan.settings, progress)?,
            };
            if segmenter.is_none() {
                segmenter = self.open_segmenter(&plan.settings, progress)?;
            }
            opened.push(RegionNetworks {
                finder,
                segmenter: segmenter.clone(),
                pairs: Vec::new(),
            });
        }
        Ok(RegionNetworks {
            pairs: opened,
            ..RegionNetworks::default()
        })
    }

    /// Loads what finds the regions that these settings name by words or by an example; `None` where they name none so.
    ///
    /// # Errors
    /// As [`open_networks`](Self::open_networks).
    pub fn open_finder(
        &self,
        settings: &Settings,
        progress: OnProgress<'_>,
    ) -> Result<Option<Finder>> {
        if !both(settings).iter().any(|region| region.is_sought()) {
            return Ok(None);
        }
        let missing = || no_network("detector.path", settings.detector.path.as_ref());
        let open = self.detector.as_ref().ok_or_else(missing)?;
        Ok(Some(Finder::new(open(settings, progress)?, settings)))
    }

    /// Loads what follows the regions of these settings by masks; `None` where none is followed so.
    ///
    /// # Errors
    /// As [`open_networks`](Self::open_networks).
    pub fn open_segmenter(
        &self,
        settings: &Settings,
        progress: OnProgress<'_>,
    ) -> Result<Option<Arc<dyn Segmenter>>> {
        if !both(settings)
            .iter()
            .any(|region| region.is_followed_by_masks())
        {
            return Ok(None);
        }
        let missing = || no_network("segmenter.path", settings.segmenter.path.as_ref());
        let open = self.segmenter.as_ref().ok_or_else(missing)?;
        open(settings, progress).map(Some)
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

/// Whether the same words or examples stand in the same places.
fn seek_alike(one: &Settings, other: &Settings) -> bool {
    let mut pairs = both(one).into_iter().zip(both(other));
    pairs.all(|(one, other)| one.words == other.words && one.example == other.example)
}

fn both(settings: &Settings) -> [&Region; 2] {
    [&settings.regions.fingertip, &settings.regions.target]
}

fn no_network(key: &str, path: Option<&String>) -> Error {
    Error::ConfigValue {
        key: key.to_owned(),
        value: path.cloned().unwrap_or_default(),
        expected: "left out: this program has no such network".to_owned(),
    }
}
