//! Things by their names, as Python gives them: dicts, and how an error lists what there is.

use std::collections::BTreeSet;

use pyo3::prelude::*;
use pyo3::types::PyMapping;

use crate::error::Failure;

/// What a dict, or any other mapping, has under which names.
pub(crate) fn entries<'py>(
    what: &str,
    given: &Bound<'py, PyAny>,
) -> Result<Vec<(String, Bound<'py, PyAny>)>, Failure> {
    let mapping = given.cast::<PyMapping>().ok();
    let items = mapping.and_then(|mapping| mapping.items().ok()?.extract().ok());
    items.ok_or_else(|| {
        let kind = given.get_type().name();
        let kind = kind.map_or_else(|_| "?".to_owned(), |kind| kind.to_string());
        let words = format!("{what} is a {kind}, and a dict from names is needed");
        Failure::of("argument", words)
    })
}

/// Names with commas between.
pub(crate) fn listed<Name: ToString>(names: impl IntoIterator<Item = Name>) -> String {
    let names: BTreeSet<String> = names.into_iter().map(|name| name.to_string()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
