//! A recording whose frames are measured as labelling measures them, ahead and on all cores, and folded to steps by whoever
//! takes them: an export to a dataset decides itself which frames count, and when they were.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::pipeline::{FrameInfo, Rewarder};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::step::Latency;

use crate::annotator::open;
use crate::error::Failure;
use crate::eyes::no_camera;
use crate::process::Made;
use crate::recording::{Frame, Frames};
use crate::regions::sources;
use crate::settings::{Chosen, ready};
use crate::step::Step;

/// A recording, of which nothing is read before it is asked for, and its rewards.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct MeasuredRecording {
    made: Made,
    path: PathBuf,
    settings: Settings,
    estimator: Arc<dyn Estimator>,
    state: Mutex<State>,
}

struct State {
    rewarder: Rewarder,
    episode: u64,
}

#[pymethods]
impl MeasuredRecording {
    #[new]
    #[pyo3(signature = (bag, *, config = None, fingertip = None, target = None, reward = None, distance = None, estimator = None))]
    #[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn new(
        py: Python<'_>,
        bag: PathBuf,
        config: Option<&Bound<'_, PyAny>>,
        fingertip: Option<&Bound<'_, PyAny>>,
        target: Option<&Bound<'_, PyAny>>,
        reward: Option<String>,
        distance: Option<String>,
        estimator: Option<String>,
    ) -> PyResult<Self> {
        let chosen = Chosen {
            estimator,
            reward,
            distance,
        };
        let mut config = crate::settings::config(config, chosen)?;
        sources(&mut config, fingertip, target)?;
        let settings = ready(config)?;
        settings
            .without_task("a MeasuredRecording")
            .map_err(Failure::from)?;
        let estimator = open(py, &settings)?.into();
        let rewarder = Rewarder::new(&settings);
        Ok(Self {
            made: Made::here(),
            // Its frames are read later, and a process may change its folder.
            path: std::path::absolute(&bag).unwrap_or(bag),
            settings,
            estimator,
            state: Mutex::new(State {
                rewarder,
                episode: 0,
            }),
        })
    }

    /// The frames, from the first.
    #[pyo3(signature = (*, as_recorded = false))]
    fn frames(&self, as_recorded: bool) -> PyResult<Frames> {
        self.check_process()?;
        let estimator = Some(Arc::clone(&self.estimator));
        Ok(Frames::read(
            &self.path,
            &self.settings,
            estimator,
            as_recorded,
        ))
    }

    /// The step of a frame, which counts for that time.
    fn step(&self, frame: &Bound<'_, Frame>, stamp_ns: i64) -> PyResult<Step> {
        self.check_process()?;
        let frame = frame.get();
        if self.settings.needs_depth() && !frame.has_camera() {
            return Err(no_camera().into());
        }
        let Some(measured) = frame.measured() else {
            return Err(Failure::of(
                "argument",
                "the frame is of a recording that is not measured",
            )
            .into());
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let info = FrameInfo {
            stamp_nanos: stamp_ns,
            timeline_nanos: stamp_ns,
            log_time_nanos: stamp_ns,
            episode: state.episode,
            ..measured.info.clone()
        };
        let answer = measured.measurement.clone();
        Ok(state.rewarder.push(info, answer, Latency::default()).into())
    }

    /// A new episode begins with the next step.
    fn reset(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.episode += 1;
    }

    #[getter]
    fn estimator(&self) -> &'static str {
        self.settings.estimator().name
    }

    #[getter]
    fn reward(&self) -> &'static str {
        self.settings.reward.kind.name()
    }

    #[getter]
    fn distance(&self) -> &'static str {
        self.settings.distance().name()
    }

    fn __repr__(&self) -> String {
        format!("MeasuredRecording('{}')", self.path.display())
    }
}

impl MeasuredRecording {
    fn check_process(&self) -> PyResult<()> {
        self.made.check(
            "this recording was",
            "make one here: MeasuredRecording(...)",
        )
    }
}
