//! A data set of photos from Python: begun and joined by one process, its parts made by that one or by others. The package's
//! fleet (`spatial_reward.ray`) is who does so.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use serde_json::{Value, json};
use spatial_reward::program::{PhotoMaker, PhotoSet as Set, PhotoSetError, Rephrasing};
use spatial_reward_offline::dataset::photos::{Begun, PhotosReport, Run};

use crate::calls::interruptible;
use crate::error::{Failure, raised};
use crate::json::to_python;
use crate::labelled::threads;
use crate::settings::{Chosen, ready};

/// What it is called in `dataset.json`.
const COMMAND: &str = "spatial_reward.ray.photo_dataset";

/// Photos, and the data set that is made of them.
#[pyclass(frozen, module = "spatial_reward._native")]
pub(crate) struct PhotoSet {
    set: Set,
    /// Of who begins and joins.
    run: Mutex<Option<Run>>,
    /// Of who makes parts.
    maker: Mutex<Option<PhotoMaker>>,
}

#[pymethods]
impl PhotoSet {
    #[new]
    #[pyo3(signature = (photos, out, *, config = None, vocabulary = None, detector = None, segmenter = None,
                        depth_model = None, every = 1, seed = 0, jobs = None, rephrase = None, rephrase_model = None,
                        rephrase_timeout = 60, rephrase_requests = 4))]
    #[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn new(
        photos: Vec<PathBuf>,
        out: PathBuf,
        config: Option<&Bound<'_, PyAny>>,
        vocabulary: Option<String>,
        detector: Option<String>,
        segmenter: Option<String>,
        depth_model: Option<String>,
        every: i64,
        seed: u64,
        jobs: Option<i64>,
        rephrase: Option<String>,
        rephrase_model: Option<String>,
        rephrase_timeout: i64,
        rephrase_requests: i64,
    ) -> PyResult<Self> {
        let mut config = crate::settings::config(config, Chosen::default())?;
        config.detector.path = detector.or(config.detector.path);
        config.segmenter.path = segmenter.or(config.segmenter.path);
        let rephrasing = match (rephrase, rephrase_model) {
            (None, None) => None,
            (Some(url), Some(model)) => Some(Rephrasing {
                url,
                model,
                timeout_s: within("rephrase_timeout", rephrase_timeout, 3600)?,
                requests: within("rephrase_requests", rephrase_requests, 256)?,
            }),
            _ => {
                let words = "rephrase and rephrase_model belong together";
                return Err(Failure::of("config", words).into());
            }
        };
        let every = u64::try_from(every).ok().filter(|every| *every > 0);
        let every = every.ok_or_else(|| Failure::of("config", "every is at least 1"))?;
        let set = Set {
            photos,
            target: out,
            settings: ready(config)?,
            vocabulary,
            depth_model,
            every,
            seed,
            jobs: threads(jobs)?,
            rephrasing,
            command: COMMAND,
        };
        Ok(Self {
            set,
            run: Mutex::new(None),
            maker: Mutex::new(None),
        })
    }

    #[getter]
    fn has_networks(&self) -> bool {
        self.set.has_networks()
    }

    /// Begin, or go on; what came of it where it is finished.
    #[pyo3(signature = (*, resume = true))]
    fn begin<'py>(&self, py: Python<'py>, resume: bool) -> PyResult<Option<Bound<'py, PyAny>>> {
        let begun = py.detach(|| {
            self.set.check()?;
            self.set.begin(resume)
        });
        match begun.map_err(told)? {
            Begun::Finished(report) => reported(py, &report).map(Some),
            Begun::Open(run) => {
                *held(&self.run) = Some(run);
                Ok(None)
            }
        }
    }

    /// How many photos there are.
    #[getter]
    fn photos(&self) -> PyResult<usize> {
        self.of_run(Run::photos)
    }

    #[getter]
    fn missing(&self) -> PyResult<Vec<(usize, usize, usize)>> {
        let missing = self.of_run(Run::missing)?.into_iter();
        let flat = missing.map(|(part, photos)| (part, photos.start, photos.end));
        Ok(flat.collect())
    }

    #[getter]
    fn parts_folder(&self) -> PyResult<PathBuf> {
        self.of_run(|run| run.parts_folder().to_owned())
    }

    /// Load what makes parts.
    fn load(&self, py: Python<'_>) -> PyResult<()> {
        let mut maker = held(&self.maker);
        if maker.is_none() {
            let opened = py.detach(|| PhotoMaker::open(&self.set));
            *maker = Some(opened.map_err(told)?);
        }
        Ok(())
    }

    /// Make a part of a run that any process has begun.
    fn make<'py>(&self, py: Python<'py>, part: usize) -> PyResult<Bound<'py, PyAny>> {
        self.load(py)?;
        let made = interruptible(py, None, |stop, _| {
            let mut maker = held(&self.maker);
            maker
                .as_mut()
                .map(|maker| maker.make(&self.set, part, stop))
        })?;
        let made = made.ok_or_else(not_begun)?.map_err(told)?;
        let made = json!({"photos": made.photos, "rows": made.rows, "errors": made.errors});
        to_python(py, &made)
    }

    /// Join the parts.
    #[pyo3(signature = (*, progress = None))]
    fn join<'py>(
        &self,
        py: Python<'py>,
        progress: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let missing = self.missing()?.len();
        if missing > 0 {
            let words = format!("{missing} parts are not made yet");
            return Err(Failure::of("unfinished", words).into());
        }
        let run = held(&self.run).take().ok_or_else(not_begun)?;
        let joined = interruptible(py, progress, |stop, progress| {
            self.set.join(run, stop, progress)
        })?;
        reported(py, &joined.map_err(told)?)
    }

    /// Let go of the run, of which others may go on then, and of the networks.
    fn close(&self) {
        *held(&self.run) = None;
        *held(&self.maker) = None;
    }
}

impl PhotoSet {
    fn of_run<T>(&self, of: impl FnOnce(&Run) -> T) -> PyResult<T> {
        Ok(held(&self.run).as_ref().map(of).ok_or_else(not_begun)?)
    }
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_begun() -> Failure {
    Failure::of("not_begun", "nothing is begun")
}

fn within(what: &str, given: i64, most: u16) -> PyResult<u16> {
    let fitting = u16::try_from(given).ok();
    let fitting = fitting.filter(|number| (1..=most).contains(number));
    let words = || format!("{what} is {given}, and must be from 1 to {most}");
    Ok(fitting.ok_or_else(|| Failure::of("config", words()))?)
}

fn reported<'py>(py: Python<'py>, report: &PhotosReport) -> PyResult<Bound<'py, PyAny>> {
    let told: Result<Value, _> = serde_json::to_value(report);
    let told = told.map_err(|error| PyErr::from(Failure::of("report", error.to_string())))?;
    to_python(py, &told)
}

fn told(error: PhotoSetError) -> PyErr {
    match error {
        PhotoSetError::Work(error) => raised(error),
        PhotoSetError::Asked(kind, words) => Failure::of(kind, words).into(),
    }
}
