//! Rewards of pictures in memory, frame by frame.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use spatial_reward::program;
use spatial_reward_core::estimator::Estimator;
use spatial_reward_core::frame::{Frame, Intrinsics, Mask};
use spatial_reward_core::pipeline::annotator::{
    Annotator as CoreAnnotator, PlacedRegions, measure_placed,
};
use spatial_reward_core::pipeline::measure::Broken;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::stamp::nanos_from_seconds;

use crate::arrays;
use crate::camera::Camera;
use crate::error::{Failure, raised};
use crate::measured::Measurement;
use crate::process::Made;
use crate::regions::placed;
use crate::settings::{Chosen, ready};
use crate::step::Step;

/// Turns one frame after the other into a reward.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Annotator {
    made: Made,
    state: Mutex<State>,
    camera: Option<Intrinsics>,
    rate_hz: f64,
    names: (&'static str, &'static str, &'static str),
}

struct State {
    annotator: CoreAnnotator,
    /// Of the next step, if nobody says it.
    next_nanos: i64,
}

#[pymethods]
impl Annotator {
    #[new]
    #[pyo3(signature = (*, reward = None, distance = None, estimator = None, camera = None, config = None, rate_hz = 30.0))]
    fn new(
        py: Python<'_>,
        reward: Option<String>,
        distance: Option<String>,
        estimator: Option<String>,
        camera: Option<&Bound<'_, Camera>>,
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
        let settings = ready(crate::settings::config(config, chosen)?)?;
        settings
            .without_task("an Annotator")
            .map_err(Failure::from)?;
        let camera = camera.map(|camera| camera.get().intrinsics);
        need_camera(&settings, camera)?;
        let names = (
            settings.estimator().name,
            settings.reward.kind.name(),
            settings.distance().name(),
        );
        let estimator = open(py, &settings)?;
        Ok(Self {
            made: Made::here(),
            state: Mutex::new(State {
                annotator: CoreAnnotator::new(&settings, estimator),
                next_nanos: 0,
            }),
            camera,
            rate_hz,
            names,
        })
    }

    /// The reward of the next frame.
    #[pyo3(signature = (color, depth = None, *, fingertip = None, target = None, stamp_s = None, stamp_ns = None))]
    #[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn step(
        &self,
        py: Python<'_>,
        color: &Bound<'_, PyAny>,
        depth: Option<&Bound<'_, PyAny>>,
        fingertip: Option<&Bound<'_, PyAny>>,
        target: Option<&Bound<'_, PyAny>>,
        stamp_s: Option<f64>,
        stamp_ns: Option<i64>,
    ) -> PyResult<Step> {
        self.check_process()?;
        let regions = placed(fingertip, target)?;
        let frame = frame(color, depth, self.camera)?;
        fit_masks(&regions, &frame)?;
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
            let frame = Frame {
                stamp_nanos,
                ..frame
            };
            let step = state.annotator.annotate(frame, &regions)?;
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
            state.annotator.reset();
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
        self.camera.map(Camera::of)
    }

    fn __repr__(&self) -> String {
        let (estimator, reward, distance) = self.names;
        format!("Annotator(reward='{reward}', distance='{distance}', estimator='{estimator}')")
    }
}

impl Annotator {
    fn check_process(&self) -> PyResult<()> {
        self.made
            .check("this Annotator was", "make one here: Annotator(...)")
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
    let regions = placed(Some(fingertip), Some(target))?;
    let frame = frame(color, depth, Some(camera.get().intrinsics))?;
    fit_masks(&regions, &frame)?;
    let estimator = open(py, &settings)?;
    let measured = py.detach(|| measure_placed(estimator.as_ref(), frame, &regions));
    Ok(Measurement {
        kind: settings.distance(),
        measured: measured.map_err(misfit)?,
    })
}

pub(crate) fn open(py: Python<'_>, settings: &Settings) -> PyResult<Box<dyn Estimator>> {
    let opened = py.detach(|| program::estimators().open(settings, &mut |_| {}));
    opened.map_err(raised)
}

/// Depth says nothing of space without the camera that it was seen by.
fn need_camera(settings: &Settings, camera: Option<Intrinsics>) -> Result<(), Failure> {
    match camera.is_none() && settings.needs_depth() {
        false => Ok(()),
        true => Err(no_camera()),
    }
}

pub(crate) fn no_camera() -> Failure {
    Failure::of(
        "camera",
        "depth is measured in metres only by a camera that is known",
    )
    .remedy("camera=spatial_reward.Camera(fx, fy, cx, cy, width, height)")
}

fn frame(
    color: &Bound<'_, PyAny>,
    depth: Option<&Bound<'_, PyAny>>,
    intrinsics: Option<Intrinsics>,
) -> Result<Frame, Failure> {
    Ok(Frame {
        episode: 0,
        stamp_nanos: 0,
        color: arrays::color(color)?.into(),
        depth: depth.map(arrays::depth).transpose()?,
        intrinsics,
    })
}

/// A mask is of the picture that it is given with.
fn fit_masks(regions: &PlacedRegions, frame: &Frame) -> Result<(), Failure> {
    let picture = (frame.color.width, frame.color.height);
    let masks = [
        ("fingertip", &regions.masks.fingertip),
        ("target", &regions.masks.target),
    ];
    for (what, mask) in masks {
        let size = mask.as_ref().and_then(Mask::picture);
        if let Some(size) = size.filter(|size| *size != picture) {
            let words = format!(
                "the mask of {what} has {}x{} pixels, and the picture {}x{}",
                size.0, size.1, picture.0, picture.1
            );
            return Err(Failure::of("region", words));
        }
    }
    Ok(())
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
fn misfit(broken: Broken) -> PyErr {
    let (what, remedy): (&str, Option<&str>) = match broken.what {
        "camera info" => ("camera", Some("give the camera of the picture as it is")),
        "depth image" => ("depth", None),
        what => (what, None),
    };
    let failure = Failure::of("array", format!("{what}: {}", broken.why));
    match remedy {
        Some(remedy) => failure.remedy(remedy).into(),
        None => failure.into(),
    }
}
