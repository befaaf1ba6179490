//! The frames of a recording, from Python: read ahead on a thread of their own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, available_parallelism};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use spatial_reward::bag::Loss;
use spatial_reward::program;
use spatial_reward_core::estimator::{Estimator, RegionNetworks};
use spatial_reward_core::frame::{ColorImage, DepthImage};
use spatial_reward_core::pipeline::measure::Measured;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_offline::frames::{FramesRequest, ReadFrame, each_frame, first_stamps};
use spatial_reward_offline::png;
use spatial_reward_offline::{Error as OfflineError, Result as OfflineResult};

use crate::arrays;
use crate::boxes::{Edges, edges};
use crate::calls::interruptible;
use crate::camera::Camera;
use crate::error::{Failure, raised};
use crate::json::to_python;
use crate::log;
use crate::process::Made;
use crate::regions::sources;
use crate::settings::{Chosen, ready};
use crate::tracker::origin;

/// So many frames are read ahead, beside those that threads are at work on.
const AHEAD: usize = 4;
/// More threads would hold more pictures than anybody takes.
const MOST_THREADS: usize = 8;
/// How often a waiting call looks whether Ctrl-C was typed.
const TURN: Duration = Duration::from_millis(100);

/// A recording, of which nothing is read before it is asked for.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Recording {
    path: PathBuf,
    settings: Settings,
}

#[pymethods]
impl Recording {
    #[new]
    #[pyo3(signature = (bag, *, config = None, fingertip = None, target = None))]
    fn new(
        bag: PathBuf,
        config: Option<&Bound<'_, PyAny>>,
        fingertip: Option<&Bound<'_, PyAny>>,
        target: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let mut config = crate::settings::config(config, Chosen::default())?;
        sources(&mut config, fingertip, target)?;
        // Its frames are read later, and a process may change its folder.
        let path = std::path::absolute(&bag).unwrap_or(bag);
        Ok(Self {
            path,
            settings: ready(config)?,
        })
    }

    /// The frames, from the first.
    #[pyo3(signature = (*, as_recorded = false))]
    fn frames(&self, as_recorded: bool) -> Frames {
        Frames::read(&self.path, &self.settings, None, as_recorded)
    }

    /// The stamps of the first frames.
    fn first_stamps_ns(&self, py: Python<'_>, count: usize) -> PyResult<Vec<i64>> {
        let stamps = interruptible(py, None, |stop, _| {
            let (video, networks) = (program::video_decoders(), RegionNetworks::default());
            let request = request(&self.path, &self.settings, (&video, &networks), stop);
            first_stamps(request, count)
        })?;
        stamps.map_err(raised)
    }

    fn __iter__(&self) -> Frames {
        self.frames(false)
    }

    fn __repr__(&self) -> String {
        format!("Recording('{}')", self.path.display())
    }
}

/// The frames of a recording, one after the other.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Frames {
    receive: Mutex<Receiver<OfflineResult<ReadFrame>>>,
    /// Known once they have all been read.
    loss: Arc<Mutex<Option<Loss>>>,
    stop: Arc<AtomicBool>,
    made: Made,
}

/// What every reading of a recording asks for.
fn request<'a>(
    path: &'a Path,
    settings: &'a Settings,
    (video, networks): (&'a VideoDecoders, &'a RegionNetworks),
    stop: &'a AtomicBool,
) -> FramesRequest<'a> {
    FramesRequest {
        source: path,
        settings,
        estimator: None,
        video,
        networks,
        jobs: available_parallelism().map_or(1, |jobs| jobs.get().min(MOST_THREADS)),
        as_recorded: false,
        stop,
    }
}

impl Frames {
    /// Begin to read. With an estimator, frames are measured ahead.
    pub(crate) fn read(
        path: &Path,
        settings: &Settings,
        estimator: Option<Arc<dyn Estimator>>,
        as_recorded: bool,
    ) -> Self {
        log::to_python();
        let (path, settings) = (path.to_owned(), settings.clone());
        let (send, receive) = mpsc::sync_channel(AHEAD);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let loss = Arc::new(Mutex::new(None));
        let lost = Arc::clone(&loss);
        thread::spawn(move || {
            let video = program::video_decoders();
            let read = program::estimators()
                .open_networks(&settings, &mut |_| {})
                .map_err(OfflineError::from)
                .and_then(|networks| {
                    let request = FramesRequest {
                        estimator: estimator.as_deref(),
                        as_recorded,
                        ..request(&path, &settings, (&video, &networks), &stopped)
                    };
                    each_frame(request, &mut |frame| send.send(Ok(frame)).is_ok())
                });
            match read {
                Ok(loss) => *lost.lock().unwrap_or_else(PoisonError::into_inner) = loss,
                // Nobody waits any more where this fails.
                Err(error) => drop(send.send(Err(error))),
            }
        });
        Self {
            receive: Mutex::new(receive),
            loss,
            stop,
            made: Made::here(),
        }
    }
}

#[pymethods]
impl Frames {
    /// What of the recording could not be read.
    #[getter]
    fn loss<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let loss = self.loss.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(loss) = loss.as_ref() else {
            return Ok(None);
        };
        let told = program::loss_as_json(loss);
        let told = told.map_err(|error| PyErr::from(Failure::of("report", error.to_string())))?;
        to_python(py, &told).map(Some)
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        self.made.check(
            "these frames are",
            "begin them here: Recording(...).frames()",
        )?;
        loop {
            let next = py.detach(|| {
                let receive = self.receive.lock().unwrap_or_else(PoisonError::into_inner);
                receive.recv_timeout(TURN)
            });
            match next {
                Ok(Ok(frame)) => return Ok(Some(Frame(frame))),
                Ok(Err(OfflineError::Interrupted { .. })) | Err(RecvTimeoutError::Disconnected) => {
                    return Ok(None);
                }
                Ok(Err(error)) => return Err(raised(error)),
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            }
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A frame of a recording: what belongs together by its stamps.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Frame(ReadFrame);

impl Frame {
    /// What was measured in it, if its recording is one that is measured.
    pub(crate) fn measured(&self) -> Option<&Measured> {
        self.0.measured.as_ref()
    }

    /// Whether it is known how its camera sees.
    pub(crate) fn has_camera(&self) -> bool {
        self.0.viewed.intrinsics.is_some()
    }

    fn colors(&self) -> Option<&ColorImage> {
        (self.0.viewed.picture.as_ref()).map(|(color, _)| color)
    }

    fn depths(&self) -> Option<&DepthImage> {
        (self.0.viewed.picture.as_ref()).and_then(|(_, depth)| depth.as_ref())
    }
}

#[pymethods]
impl Frame {
    #[getter]
    fn color<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let color = self.colors().map(|color| arrays::of_color(py, color));
        color.transpose()
    }

    #[getter]
    fn depth<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let depth = self.depths().map(|depth| arrays::of_depth(py, depth));
        depth.transpose()
    }

    /// Height and width of the picture.
    #[getter]
    fn color_shape(&self) -> Option<(u32, u32)> {
        self.colors().map(|color| (color.height, color.width))
    }

    /// Height and width of the depth.
    #[getter]
    fn depth_shape(&self) -> Option<(u32, u32)> {
        self.depths().map(|depth| (depth.height, depth.width))
    }

    /// The picture as a PNG file.
    fn color_png<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let color = self.colors().ok_or_else(no_picture)?;
        let file = py.detach(|| png::of_rgb(&color.rgb, color.width, color.height));
        Ok(PyBytes::new(py, &file.map_err(unwritten)?))
    }

    /// Depth as a PNG file of whole millimetres, and every so manieth pixel of every so manieth row; without depth, nothing
    /// is measured anywhere in one of that shape.
    fn depth_png<'py>(
        &self,
        py: Python<'py>,
        every: usize,
        shape: (u32, u32),
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyAny>)> {
        let (height, width) = self.depth_shape().unwrap_or(shape);
        let (depth_mm, file) = py.detach(|| {
            let none = || vec![0; width as usize * height as usize];
            let depth_mm = self.depths().map_or_else(none, DepthImage::to_millimetres);
            let file = png::of_depth(&depth_mm, width, height);
            (depth_mm, file)
        });
        let file = PyBytes::new(py, &file.map_err(unwritten)?);
        let pixels = arrays::of_thinned(py, &depth_mm, width as usize, every)?;
        Ok((file, pixels))
    }

    /// How often each level of each colour is in every so manieth pixel of every so manieth row.
    fn color_levels<'py>(&self, py: Python<'py>, every: usize) -> PyResult<Bound<'py, PyAny>> {
        arrays::of_color_levels(py, self.colors().ok_or_else(no_picture)?, every)
    }

    /// Every so manieth pixel of every so manieth row of the depth, in metres; without depth, 0 in that shape.
    fn thinned_depth<'py>(
        &self,
        py: Python<'py>,
        every: usize,
        shape: (u32, u32),
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.depths() {
            Some(depth) => arrays::of_thinned_depth(py, depth, every),
            None => {
                let (height, width) = (shape.0 as usize, shape.1 as usize);
                arrays::of_thinned(py, &vec![0.0_f32; width * height], width, every)
            }
        }
    }

    #[getter]
    fn camera(&self) -> Option<Camera> {
        self.0.viewed.intrinsics.map(Camera::of)
    }

    #[getter]
    fn fingertip(&self) -> Option<Edges> {
        self.0.viewed.info.fingertip.as_ref().map(edges)
    }

    #[getter]
    fn target(&self) -> Option<Edges> {
        self.0.viewed.info.target.as_ref().map(edges)
    }

    #[getter]
    fn fingertip_origin(&self) -> Option<&'static str> {
        origin(self.0.viewed.info.fingertip_source)
    }

    #[getter]
    fn target_origin(&self) -> Option<&'static str> {
        origin(self.0.viewed.info.target_source)
    }

    #[getter]
    fn stamp_s(&self) -> f64 {
        self.0.viewed.info.stamp_nanos as f64 / 1e9
    }

    #[getter]
    fn stamp_ns(&self) -> i64 {
        self.0.viewed.info.stamp_nanos
    }

    #[getter]
    fn episode(&self) -> u64 {
        self.0.viewed.info.episode
    }

    #[getter]
    fn reason(&self) -> Option<&'static str> {
        let unseen = self.0.viewed.picture.is_none().then_some("no_image");
        self.0
            .viewed
            .info
            .reason
            .map(|reason| reason.name())
            .or(unseen)
    }

    fn __repr__(&self) -> String {
        let size =
            (self.0.viewed.picture.as_ref()).map_or("no picture".to_owned(), |(color, depth)| {
                let depth = if depth.is_some() { " with depth" } else { "" };
                format!("{}x{}{depth}", color.width, color.height)
            });
        format!("Frame(stamp_s={:.6}, {size})", self.stamp_s())
    }
}

fn no_picture() -> PyErr {
    Failure::of("no_image", "the frame's picture does not decode").into()
}

fn unwritten(why: String) -> PyErr {
    Failure::of("png", format!("a picture cannot be written as PNG: {why}")).into()
}
