//! A recording's messages as they were written, for who knows their types, also of one that is damaged.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use spatial_reward::bag::{BagMessage, BagReader, Result};

use crate::error::raised;
use crate::log;
use crate::process::Made;

/// So many messages that nobody wants are passed over before signals are looked at: pictures take some milliseconds each.
const TURN: usize = 64;

/// A topic: its name, its type, and the encoding and the text of its definition where the recording has one.
type Topic = (String, String, Option<(String, String)>);

/// The messages of a recording, one after the other in the order of their log times.
#[pyclass(frozen, module = "spatial_reward")]
pub(crate) struct Messages {
    made: Made,
    reader: Mutex<BagReader>,
    /// Names of topics; empty for all.
    wanted: BTreeSet<String>,
}

#[pymethods]
impl Messages {
    /// Of these topics, or of all.
    #[new]
    #[pyo3(signature = (bag, topics = Vec::new()))]
    fn new(py: Python<'_>, bag: PathBuf, topics: Vec<String>) -> PyResult<Self> {
        log::to_python();
        let reader = py.detach(|| BagReader::open(&bag)).map_err(raised)?;
        Ok(Self {
            made: Made::here(),
            reader: Mutex::new(reader),
            wanted: topics.into_iter().collect(),
        })
    }

    #[getter]
    fn topics(&self) -> Vec<Topic> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let topics = reader.info().topics.iter();
        let told = topics.map(|topic| {
            let definition = topic.schema.as_ref().map(|schema| {
                let text = String::from_utf8_lossy(&schema.data).into_owned();
                (schema.encoding.clone(), text)
            });
            (topic.name.clone(), topic.type_name.clone(), definition)
        });
        told.collect()
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<(String, i64, Bound<'py, PyBytes>)>> {
        self.made
            .check("these messages are", "open them here: Messages(...)")?;
        loop {
            let next = py.detach(|| {
                let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
                self.next_of(&mut reader)
            });
            match next.map_err(raised)? {
                Next::Message(topic, message) => {
                    let data = PyBytes::new(py, &message.data);
                    return Ok(Some((topic, message.log_time_nanos, data)));
                }
                Next::Later => py.check_signals()?,
                Next::End => return Ok(None),
            }
        }
    }
}

/// What came of looking for a message.
enum Next {
    /// One of this topic.
    Message(String, BagMessage),
    /// None among those that were looked at.
    Later,
    End,
}

impl Messages {
    fn next_of(&self, reader: &mut BagReader) -> Result<Next> {
        for _ in 0..TURN {
            let Some(message) = reader.next_message()? else {
                return Ok(Next::End);
            };
            let name = &reader.info().topics[message.topic].name;
            if self.wanted.is_empty() || self.wanted.contains(name) {
                return Ok(Next::Message(name.clone(), message));
            }
        }
        Ok(Next::Later)
    }
}
