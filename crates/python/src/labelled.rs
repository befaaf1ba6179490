//! Labelling a recording from Python.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::thread::available_parallelism;

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spatial_reward::program;
use spatial_reward_core::settings::Settings;
use spatial_reward_offline::label::output::{IfExists, check_target};
use spatial_reward_offline::label::roles::TruthTopics;
use spatial_reward_offline::label::{
    LabelRequest, Labelled as OfflineLabelled, Note, label as label_bag,
};
use spatial_reward_offline::regions_file::RegionsFile;
use spatial_reward_offline::report::table::{self, Column};

use crate::calls::interruptible;
use crate::error::{Failure, raised};
use crate::json::to_python;
use crate::pickle::{Reduced, reduced, restored};
use crate::regions::sources;
use crate::settings::{Chosen, ready};
use crate::step::embedded;
use crate::words::all_in_python;

/// What came of a labelling.
#[pyclass(frozen, module = "spatial_reward")]
#[derive(Serialize, Deserialize)]
pub(crate) struct Labelled {
    folder: PathBuf,
    parquet: PathBuf,
    png: PathBuf,
    html: PathBuf,
    steps: u64,
    valid: u64,
    /// As `label --json` tells of a bag.
    told: Value,
}

#[pymethods]
impl Labelled {
    fn __reduce__(&self, py: Python<'_>) -> PyResult<Reduced> {
        reduced::<Self>(py, self)
    }

    #[staticmethod]
    fn _restored(text: &str) -> PyResult<Self> {
        restored(text)
    }

    fn __fspath__(&self) -> &OsStr {
        self.folder.as_os_str()
    }

    #[getter]
    fn folder(&self) -> &PathBuf {
        &self.folder
    }

    #[getter]
    fn parquet(&self) -> &PathBuf {
        &self.parquet
    }

    #[getter]
    fn png(&self) -> &PathBuf {
        &self.png
    }

    #[getter]
    fn html(&self) -> &PathBuf {
        &self.html
    }

    /// The table's columns as arrays; words as a list.
    fn table<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = py.detach(|| table::read(&self.parquet)).map_err(raised)?;
        let dict = PyDict::new(py);
        for (name, column) in columns {
            match column {
                Column::Integers(values) => dict.set_item(name, PyArray1::from_vec(py, values))?,
                Column::Singles(values) => dict.set_item(name, PyArray1::from_vec(py, values))?,
                Column::Doubles(values) => dict.set_item(name, PyArray1::from_vec(py, values))?,
                Column::Truths(values) => dict.set_item(name, PyArray1::from_vec(py, values))?,
                Column::Texts(values) => dict.set_item(name, values)?,
            }
        }
        Ok(dict)
    }

    #[getter]
    fn steps(&self) -> u64 {
        self.steps
    }

    #[getter]
    fn valid(&self) -> u64 {
        self.valid
    }

    #[getter]
    fn invalid<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.member(py, "invalid")
    }

    #[getter]
    fn topics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.member(py, "topics")
    }

    #[getter]
    fn advice<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.advice_text().unwrap_or(&Value::Null))
    }

    /// What of the source could not be read.
    #[getter]
    fn loss<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.member(py, "loss")
    }

    #[getter]
    fn seconds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.member(py, "seconds")
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.told)
    }

    fn __repr__(&self) -> String {
        let damaged = match self.told.get("loss") {
            None | Some(Value::Null) => "",
            Some(_) => ", the source is damaged",
        };
        format!(
            "Labelled('{}', {} of {} steps valid{damaged})",
            self.folder.display(),
            self.valid,
            self.steps
        )
    }

    fn _repr_html_(&self) -> String {
        let png = fs::read(&self.png).unwrap_or_default();
        let words = format!(
            "reward and distance of {} steps, {} of them valid",
            self.steps, self.valid
        );
        format!(
            "<p>{}: {words}</p>{}",
            escaped(&self.folder.display().to_string()),
            embedded(&png, &words)
        )
    }
}

impl Labelled {
    fn advice_text(&self) -> Option<&Value> {
        self.told.get("advice")?.get("text")
    }

    fn member<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, self.told.get(name).unwrap_or(&Value::Null))
    }

    fn new(labelled: &OfflineLabelled, settings: &Settings) -> PyResult<Self> {
        let told = program::labelled_as_json(labelled, settings);
        let told = told.map_err(|error| PyErr::from(Failure::of("report", error.to_string())))?;
        let invalid: u64 = labelled.invalid.values().sum();
        Ok(Self {
            folder: labelled.folder.clone(),
            parquet: labelled.files.parquet.clone(),
            png: labelled.files.png.clone(),
            html: labelled.files.html.clone(),
            steps: labelled.steps,
            valid: labelled.steps - invalid,
            told: all_in_python(told),
        })
    }
}

/// Words in a page.
pub(crate) fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The truths that a call names.
pub(crate) fn truth(given: Option<&Bound<'_, PyDict>>) -> PyResult<TruthTopics> {
    let mut topics = TruthTopics::default();
    for (key, topic) in given.into_iter().flat_map(|given| given.iter()) {
        let (key, topic): (String, String) = (key.extract()?, topic.extract()?);
        let named = match key.as_str() {
            "fingertip" => &mut topics.fingertip,
            "target" => &mut topics.target,
            "surface" => &mut topics.surface,
            "cloud" => &mut topics.cloud,
            _ => {
                let words = format!(
                    "truth has the key '{key}', and fingertip, target, surface and cloud are known"
                );
                return Err(Failure::of("config", words).into());
            }
        };
        *named = Some(topic);
    }
    Ok(topics)
}

/// As many threads as the program takes.
const MOST_JOBS: i64 = 1024;

/// How many threads are asked for; one a processor where nobody says.
pub(crate) fn threads(jobs: Option<i64>) -> PyResult<usize> {
    match jobs {
        None => Ok(available_parallelism().map_or(1, usize::from)),
        Some(jobs @ 1..=MOST_JOBS) => Ok(jobs as usize),
        Some(jobs) => {
            let words = format!("jobs is {jobs}, and must be from 1 to {MOST_JOBS}");
            Err(Failure::of("config", words).into())
        }
    }
}

/// Label one bag; `None` where it was finished before.
#[pyfunction]
#[pyo3(signature = (bag, out, *, config = None, reward = None, distance = None, estimator = None, fingertip = None,
                    target = None, regions = None, truth = None, if_exists = "fail", jobs = None, progress = None))]
#[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
pub(crate) fn label(
    py: Python<'_>,
    bag: PathBuf,
    out: PathBuf,
    config: Option<&Bound<'_, PyAny>>,
    reward: Option<String>,
    distance: Option<String>,
    estimator: Option<String>,
    fingertip: Option<&Bound<'_, PyAny>>,
    target: Option<&Bound<'_, PyAny>>,
    regions: Option<PathBuf>,
    truth: Option<&Bound<'_, PyDict>>,
    if_exists: &str,
    jobs: Option<i64>,
    progress: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<Labelled>> {
    let chosen = Chosen {
        estimator,
        reward,
        distance,
    };
    let mut config = crate::settings::config(config, chosen)?;
    if let Some(regions) = regions {
        let drawn = RegionsFile::read(&regions).map_err(raised)?;
        drawn.of(&bag).map_err(raised)?.set(&mut config);
    }
    sources(&mut config, fingertip, target)?;
    let settings = ready(config)?;
    let if_exists = match if_exists {
        "fail" => IfExists::Fail,
        "resume" => IfExists::Resume,
        "overwrite" => IfExists::Overwrite,
        other => {
            let words =
                format!("if_exists is '{other}', but must be 'fail', 'resume' or 'overwrite'");
            return Err(Failure::of("config", words).into());
        }
    };
    let truth = self::truth(truth)?;
    let jobs = threads(jobs)?;
    let digest = settings.digest().map_err(raised)?;
    if check_target(&out, if_exists, &digest).map_err(raised)? {
        return Ok(None);
    }
    let labelled = interruptible(py, progress, |stop, progress| {
        let estimator = program::estimators().open(&settings, &mut |_| {})?;
        let networks = program::estimators().open_networks(&settings, &mut |_| {})?;
        let request = LabelRequest {
            source: &bag,
            target: &out,
            if_exists,
            settings: &settings,
            truth: &truth,
            video: &program::video_decoders(),
            networks: &networks,
            jobs,
            command: "spatial_reward.label",
            stop,
            note: &tell,
        };
        label_bag(&request, estimator.as_ref(), progress)
    })?;
    let labelled = Labelled::new(&labelled.map_err(raised)?, &settings)?;
    // Who looks at no field of the result learns it all the same, as from the program.
    if let Some(advice) = labelled.advice_text().and_then(Value::as_str) {
        let folder = labelled.folder.display();
        py.detach(|| tracing::warn!("{folder}: {advice}"));
    }
    Ok(Some(labelled))
}

/// What the user may have meant otherwise.
fn tell(note: &Note) {
    match note {
        Note::Ambiguous {
            role,
            chosen,
            why,
            others,
        } => tracing::warn!(
            "{}: {chosen} is taken, because it {why}; {} would fit too, config['topics']['{}'] chooses",
            role.name(),
            others.join(", "),
            role.key(),
        ),
    }
}
