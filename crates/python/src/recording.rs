//! The frames of a recording, from Python: read ahead on a thread of their own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use spatial_reward::program;
use spatial_reward_core::pipeline::measure::Viewed;
use spatial_reward_core::settings::Settings;
use spatial_reward_offline::frames::each_frame;
use spatial_reward_offline::{Error as OfflineError, Result as OfflineResult};

use crate::arrays;
use crate::boxes::{Edges, edges};
use crate::camera::Camera;
use crate::error::raised;
use crate::log;
use crate::process::Made;
use crate::regions::sources;
use crate::settings::{Chosen, ready};
use crate::tracker::origin;

/// So many frames are read ahead.
const AHEAD: usize = 4;
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
    fn frames(&self) -> Frames {
        log::to_python();
        let (path, settings) = (self.path.clone(), self.settings.clone());
        let (send, receive) = mpsc::sync_channel(AHEAD);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            let video = program::video_decoders();
            let read = each_frame(&path, &settings, &video, &stopped, &mut |frame| {
                send.send(Ok(frame)).is_ok()
            });
            if let Err(error) = read {
                // Nobody waits any more where this fails.
                let _ = send.send(Err(error));
            }
        });
        Frames {
            receive: Mutex::new(receive),
            stop,
            made: Made::here(),
        }
    }

    fn __iter__(&self) -> Frames {
        self.frames()
    }

    fn __repr__(&self) -> String {
        format!("Recording('{}')", self.path.display())
    }
}

/// The frames of a recording, one after the other.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Frames {
    receive: Mutex<Receiver<OfflineResult<Viewed>>>,
    stop: Arc<AtomicBool>,
    made: Made,
}

#[pymethods]
impl Frames {
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
                Ok(Ok(viewed)) => return Ok(Some(Frame(viewed))),
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
pub(crate) struct Frame(Viewed);

#[pymethods]
impl Frame {
    #[getter]
    fn color<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let color = self.0.picture.as_ref().map(|(color, _)| color);
        color.map(|color| arrays::of_color(py, color)).transpose()
    }

    #[getter]
    fn depth<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let depth = self
            .0
            .picture
            .as_ref()
            .and_then(|(_, depth)| depth.as_ref());
        depth.map(|depth| arrays::of_depth(py, depth)).transpose()
    }

    #[getter]
    fn camera(&self) -> Option<Camera> {
        self.0.intrinsics.map(Camera::of)
    }

    #[getter]
    fn fingertip(&self) -> Option<Edges> {
        self.0.info.fingertip.as_ref().map(edges)
    }

    #[getter]
    fn target(&self) -> Option<Edges> {
        self.0.info.target.as_ref().map(edges)
    }

    #[getter]
    fn fingertip_origin(&self) -> Option<&'static str> {
        origin(self.0.info.fingertip_source)
    }

    #[getter]
    fn target_origin(&self) -> Option<&'static str> {
        origin(self.0.info.target_source)
    }

    #[getter]
    fn stamp_s(&self) -> f64 {
        self.0.info.stamp_nanos as f64 / 1e9
    }

    #[getter]
    fn stamp_ns(&self) -> i64 {
        self.0.info.stamp_nanos
    }

    #[getter]
    fn episode(&self) -> u64 {
        self.0.info.episode
    }

    #[getter]
    fn reason(&self) -> Option<&'static str> {
        let unseen = self.0.picture.is_none().then_some("no_image");
        self.0.info.reason.map(|reason| reason.name()).or(unseen)
    }

    fn __repr__(&self) -> String {
        let size = (self.0.picture.as_ref()).map_or("no picture".to_owned(), |(color, depth)| {
            let depth = if depth.is_some() { " with depth" } else { "" };
            format!("{}x{}{depth}", color.width, color.height)
        });
        format!("Frame(stamp_s={:.6}, {size})", self.stamp_s())
    }
}
