//! Who measures a distance: the trait that geometry, the model and a scripted stand-in for tests share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::frame::{DistanceKind, Frame, Measurement, Reason, Regions};
use crate::geometry::GeometryEstimator;
use crate::progress::OnProgress;
use crate::settings::Settings;

/// A measurer of the distance between two regions of one frame. The same frames in the same order give the same
/// answers; [`order`](Self::order) says whether the order matters.
pub trait Estimator: Send + Sync {
    /// The name that goes into every output.
    fn name(&self) -> &'static str;

    /// Measure, or say why not.
    fn estimate(&self, frame: &Frame, regions: &Regions) -> Result<Measurement, Reason>;

    /// How many frames in a row it likes to be given together.
    fn batch(&self) -> usize {
        1
    }

    /// Whether what it says of a frame follows from the frame alone. If not, frames must come in order, from one
    /// thread, whatever the size of a batch.
    fn order(&self) -> Order {
        Order::Any
    }

    /// Measure frames together: what [`estimate`](Self::estimate) says of each.
    fn estimate_batch(&self, frames: &[(&Frame, &Regions)]) -> Vec<Result<Measurement, Reason>> {
        let each = frames.iter();
        each.map(|(frame, regions)| self.estimate(frame, regions))
            .collect()
    }

    /// Where its numbers come from, for the provenance of every output.
    ///
    /// # Errors
    /// A model whose files cannot be read any more.
    fn origin(&self) -> Result<Origin> {
        Ok(Origin::default())
    }
}

/// What is known of an estimator before it is loaded. A crate that has one gives its registration to [`Estimators`];
/// the core knows geometry's alone.
#[derive(Clone)]
pub struct Registration {
    /// As `estimator.kind` names it.
    pub name: &'static str,
    /// What is rewarded where the settings do not say.
    pub distance: DistanceKind,
    /// Whether a frame without depth cannot be measured.
    pub needs_depth: fn(&Settings) -> bool,
    /// Whether nothing can be measured without the camera's intrinsics.
    pub needs_camera_info: bool,
    /// Frames that may wait for it in a live node, where the settings do not say: a few where measuring takes
    /// milliseconds and messages come in bursts, one where each would add the better part of a second to the next
    /// one's age.
    pub queue_frames: usize,
    /// Loads it.
    pub open: Open,
}

/// Loads an estimator; long loads tell how far they are.
pub type Open = Arc<dyn Fn(&Settings, OnProgress<'_>) -> Result<Box<dyn Estimator>> + Send + Sync>;

impl Registration {
    /// Measuring in the depth image.
    pub fn geometry() -> Self {
        Self {
            name: GeometryEstimator::NAME,
            distance: DistanceKind::Surface,
            needs_depth: |_| true,
            needs_camera_info: true,
            queue_frames: 4,
            open: Arc::new(|settings, _| Ok(Box::new(GeometryEstimator::new(&settings.geometry)))),
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Registration");
        shown.field("name", &self.name).finish_non_exhaustive()
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
        self.registered.iter().map(|registration| registration.name)
    }

    /// The one of a name.
    ///
    /// # Errors
    /// `Error::ConfigValue` with the names there are.
    pub fn named(&self, name: &str) -> Result<&Registration> {
        let found = self
            .registered
            .iter()
            .find(|registration| registration.name == name);
        found.ok_or_else(|| Error::ConfigValue {
            key: "estimator.kind".into(),
            value: format!("'{name}'"),
            expected: format!("one of {}", self.names().collect::<Vec<_>>().join(", ")),
        })
    }
}

/// In which order an estimator is to be given frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// In any, from any thread: the same frame gives the same answer in any company.
    Any,
    /// In that of the recording, from one thread at a time: a frame's answer may depend on those before it.
    Recorded,
}

/// What a model's answers depend on. Empty for an estimator without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Digest of the model's files.
    pub model_digest: String,
    /// All that the model is told of each frame, with placeholders for what it sees.
    pub prompt: String,
}

/// Answers from a script by the frame's stamp: for tests, examples and trying a configuration
/// without a camera. It looks at no pixel.
#[derive(Debug, Clone, Default)]
pub struct Scripted {
    answers: BTreeMap<i64, Result<Measurement, Reason>>,
}

impl Scripted {
    /// What to answer to the frame of each stamp (nanoseconds). A frame that the script does not
    /// know is a `model_error`.
    pub fn new(answers: impl IntoIterator<Item = (i64, Result<Measurement, Reason>)>) -> Self {
        Self {
            answers: answers.into_iter().collect(),
        }
    }

    /// A distance in metres, for every kind of it and with full confidence, at each stamp.
    pub fn distances(script: impl IntoIterator<Item = (i64, f64)>) -> Self {
        Self::new(script.into_iter().map(|(stamp_nanos, distance_m)| {
            let measurement = Measurement {
                center_m: Some(distance_m),
                surface_m: Some(distance_m),
                cloud_m: Some(distance_m),
                confidence: 1.0,
                answer: None,
            };
            (stamp_nanos, Ok(measurement))
        }))
    }
}

impl Estimator for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn estimate(&self, frame: &Frame, _regions: &Regions) -> Result<Measurement, Reason> {
        let answer = self.answers.get(&frame.stamp_nanos);
        answer.cloned().unwrap_or(Err(Reason::ModelError))
    }
}
