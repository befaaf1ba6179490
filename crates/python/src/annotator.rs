//! Rewards of pictures in memory, frame by frame.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use spatial_reward::program;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::pipeline::annotator::measure_placed;
use spatial_reward_core::pipeline::task_annotator::Misfit;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::stamp::nanos_from_seconds;

use crate::annotating::{Annotating, BOTH};
use crate::camera::Camera;
use crate::error::{Failure, raised};
use crate::eyes::{Eye, Given};
use crate::measured::Measurement;
use crate::named::listed;
use crate::process::Made;
use crate::settings::{Chosen, ready};
use crate::step::Step;
use crate::views::Arguments;

/// Turns one frame after the other into a reward.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Annotator {
    made: Made,
    state: Mutex<State>,
    eyes: Vec<Eye>,
    needs_opening: bool,
    has_task: bool,
    rate_hz: f64,
    names: (&'static str, &'static str, &'static str),
}

struct State {
    annotating: Annotating,
    /// Of the next step, if nobody says it.
    next_nanos: i64,
}

#[pymethods]
impl Annotator {
    #[new]
    #[pyo3(signature = (*, reward = None, distance = None, estimator = None, camera = None, cameras = None, config = None, rate_hz = 30.0))]
    #[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn new(
        py: Python<'_>,
        reward: Option<String>,
        distance: Option<String>,
        estimator: Option<String>,
        camera: Option<&Bound<'_, Camera>>,
        cameras: Option<&Bound<'_, PyAny>>,
        config: Option<&Bound<'_, PyAny>>,
        rate_hz: f64,
    ) -> PyResult<Self> {
        if !(1e-3..=1e6).contains(&rate_hz) {
            let words =
                format!("rate_hz is {rate_hz}, and steps come 0.001 to 1000000 times a second");
            return Err(Failure::of("config", words).into());
        }
        let chosen = Chosen {
            estimator,
            reward,
            distance,
        };
        let mut config = crate::settings::config(config, chosen)?;
        let given = Given::of(camera, cameras)?;
        config.given_from_memory(&given.names());
        let settings = ready(config)?;
        let estimator = open(py, &settings)?;
        let annotating = Annotating::new(&settings, estimator).map_err(Failure::from)?;
        let eyes = given.eyes(annotating.cameras(), settings.needs_depth())?;
        Ok(Self {
            made: Made::here(),
            eyes,
            needs_opening: annotating.needs_opening(),
            has_task: settings.task.is_given(),
            state: Mutex::new(State {
                annotating,
                next_nanos: 0,
            }),
            rate_hz,
            names: (
                settings.estimator().name,
                settings.reward.kind.name(),
                settings.distance().name(),
            ),
        })
    }

    /// The reward of the next frame.
    #[pyo3(signature = (color = None, depth = None, *, fingertip = None, target = None, regions = None, views = None, opening_m = None, stamp_s = None, stamp_ns = None))]
    #[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn step(
        &self,
        py: Python<'_>,
        color: Option<&Bound<'_, PyAny>>,
        depth: Option<&Bound<'_, PyAny>>,
        fingertip: Option<&Bound<'_, PyAny>>,
        target: Option<&Bound<'_, PyAny>>,
        regions: Option<&Bound<'_, PyAny>>,
        views: Option<&Bound<'_, PyAny>>,
        opening_m: Option<f64>,
        stamp_s: Option<f64>,
        stamp_ns: Option<i64>,
    ) -> PyResult<Step> {
        self.check_process()?;
        let arguments = Arguments {
            color,
            depth,
            fingertip,
            target,
            regions,
            views,
        };
        let views = arguments.views(&self.eyes)?;
        let opening_m = self.opening_m(opening_m)?;
        let stamp_nanos = match (stamp_s, stamp_ns) {
            (Some(_), Some(_)) => {
                return Err(Failure::of(
                    "stamp",
                    "stamp_s and stamp_ns are given, and one of them is the step's",
                )
                .into());
            }
            (Some(seconds), None) => Some(stamp(seconds)?),
            (None, stamp_nanos) => stamp_nanos,
        };
        let period_nanos = nanos_from_seconds(1.0 / self.rate_hz);
        let step = py.detach(|| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let stamp_nanos = stamp_nanos.unwrap_or(state.next_nanos);
            let step = (state.annotating).annotate(stamp_nanos, &views, opening_m)?;
            // What was refused is no step, and takes no time.
            state.next_nanos = stamp_nanos.saturating_add(period_nanos);
            Ok(step)
        });
        step.map(Step::from).map_err(misfit)
    }

    /// A new episode begins with the next frame.
    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.check_process()?;
        py.detach(|| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.annotating.reset();
        });
        Ok(())
    }

    #[getter]
    fn estimator(&self) -> &'static str {
        self.names.0
    }

    #[getter]
    fn reward(&self) -> &'static str {
        self.names.1
    }

    #[getter]
    fn distance(&self) -> &'static str {
        self.names.2
    }

    #[getter]
    fn camera(&self) -> Option<Camera> {
        match self.eyes.as_slice() {
            [eye] => eye.intrinsics.map(Camera::of),
            _ => None,
        }
    }

    #[getter]
    fn cameras<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let cameras = PyDict::new(py);
        for eye in self.eyes.iter().filter(|eye| !eye.name.is_empty()) {
            cameras.set_item(&eye.name, eye.intrinsics.map(Camera::of))?;
        }
        Ok(cameras)
    }

    #[getter]
    fn regions(&self) -> BTreeMap<String, Vec<String>> {
        let of = |eye: &Eye| (eye.name.clone(), eye.regions.iter().cloned().collect());
        self.eyes.iter().map(of).collect()
    }

    fn __repr__(&self) -> String {
        let (estimator, reward, distance) = self.names;
        let named = self.eyes.iter().map(|eye| &eye.name);
        let named = listed(named.filter(|name| !name.is_empty()));
        let cameras = match named.is_empty() {
            true => String::new(),
            false => format!(", cameras: {named}"),
        };
        format!(
            "Annotator(reward='{reward}', distance='{distance}', estimator='{estimator}'{cameras})"
        )
    }
}

impl Annotator {
    fn check_process(&self) -> PyResult<()> {
        self.made
            .check("this Annotator was", "make one here: Annotator(...)")
    }

    /// How wide the gripper is open, as far as that is known.
    fn opening_m(&self, given: Option<f64>) -> Result<Option<f64>, Failure> {
        match given {
            Some(_) if !self.has_task => Err(Failure::of(
                "argument",
                "opening_m is given, and no task whose phases could speak of it",
            )),
            None if self.needs_opening => Err(Failure::of(
                "argument",
                "phases speak of how wide the gripper is open, and opening_m is not given",
            )
            .remedy("opening_m=metres, or opening_m=math.nan where it is not known")),
            given => Ok(given.filter(|metres| metres.is_finite())),
        }
    }
}

/// The distances between two regions of one frame.
#[pyfunction]
#[pyo3(signature = (color, depth, camera, fingertip, target, *, distance = None, config = None))]
#[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
pub(crate) fn measure(
    py: Python<'_>,
    color: &Bound<'_, PyAny>,
    depth: Option<&Bound<'_, PyAny>>,
    camera: &Bound<'_, Camera>,
    fingertip: &Bound<'_, PyAny>,
    target: &Bound<'_, PyAny>,
    distance: Option<String>,
    config: Option<&Bound<'_, PyAny>>,
) -> PyResult<Measurement> {
    let chosen = Chosen {
        distance,
        ..Chosen::default()
    };
    let settings = ready(crate::settings::config(config, chosen)?)?;
    let eye = Eye {
        name: String::new(),
        intrinsics: Some(camera.get().intrinsics),
        regions: BOTH.map(str::to_owned).into(),
    };
    let arguments = Arguments {
        color: Some(color),
        depth,
        fingertip: Some(fingertip),
        target: Some(target),
        regions: None,
        views: None,
    };
    let view = arguments.view(&eye)?;
    let estimator = open(py, &settings)?;
    let [fingertip, target] = BOTH;
    let regions = view.between(fingertip, target);
    let measured = py.detach(|| measure_placed(estimator.as_ref(), view.frame, &regions));
    Ok(Measurement {
        kind: settings.distance(),
        measured: measured.map_err(|broken| {
            let camera = String::new();
            misfit(Misfit { camera, broken })
        })?,
    })
}

pub(crate) fn open(py: Python<'_>, settings: &Settings) -> PyResult<Box<dyn Estimator>> {
    let opened = py.detach(|| program::estimators().open(settings, &mut |_| {}));
    opened.map_err(raised)
}

/// Later than this no 64 bits count nanoseconds.
const LAST_S: f64 = 9.2e9;

fn stamp(seconds: f64) -> Result<i64, Failure> {
    match (0.0..=LAST_S).contains(&seconds) {
        true => Ok(nanos_from_seconds(seconds)),
        false => {
            let words = format!("stamp_s is {seconds}, and must be seconds from 0 to {LAST_S}");
            Err(Failure::of("stamp", words).remedy("stamp_ns takes nanoseconds"))
        }
    }
}

/// Depth, or a camera, of another picture. The core calls the camera by the message that recordings have.
fn misfit(Misfit { camera, broken }: Misfit) -> PyErr {
    let (what, remedy): (&str, Option<&str>) = match broken.what {
        "camera info" => ("camera", Some("give the camera of the picture as it is")),
        "depth image" => ("depth", None),
        what => (what, None),
    };
    let failure = Failure::of("array", format!("{what}: {}", broken.why));
    let failure = match camera.is_empty() {
        true => failure,
        false => failure.within(&format!("views['{camera}']")),
    };
    match remedy {
        Some(remedy) => failure.remedy(remedy).into(),
        None => failure.into(),
    }
}
