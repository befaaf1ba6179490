//! What is pickled, for processes beside each other and for caches: the plain data as YAML, which has numbers that are none.

use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Failure;

/// What makes an object again, and of what.
pub(crate) type Reduced = (Py<PyAny>, (String,));

/// What `__reduce__` says of an object whose class has a static method `_restored`.
pub(crate) fn reduced<Class: PyTypeInfo>(
    py: Python<'_>,
    data: &impl Serialize,
) -> PyResult<Reduced> {
    let restored = py.get_type::<Class>().getattr("_restored")?;
    let text = serde_yaml::to_string(data)
        .map_err(|error| PyErr::from(Failure::of("pickle", error.to_string())))?;
    Ok((restored.unbind(), (text,)))
}

/// The data of such a text.
pub(crate) fn restored<Data: DeserializeOwned>(text: &str) -> PyResult<Data> {
    serde_yaml::from_str(text).map_err(|error| {
        let words = format!("this was pickled by another version: {error}");
        PyErr::from(Failure::of("pickle", words))
    })
}
