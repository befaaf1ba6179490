//! A configuration as Python gives it: a file, or a dict with the keys of config/default.yaml; and what is said by arguments
//! of its own, which wins.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict};
use serde_json::Value;
use spatial_reward::program;
use spatial_reward_core::settings::{Config, Settings};

use crate::error::{Failure, raised};

/// Those that most people give, as arguments of their own.
#[derive(Default)]
pub(crate) struct Chosen {
    pub estimator: Option<String>,
    pub reward: Option<String>,
    pub distance: Option<String>,
}

/// The configuration that somebody gave, or the default. It is checked once it is [`ready`].
pub(crate) fn config(given: Option<&Bound<'_, PyAny>>, chosen: Chosen) -> PyResult<Config> {
    let mut config = match given {
        None => Config::default(),
        Some(given) => match given.cast::<PyDict>() {
            Ok(dict) => Config::parse(&as_json(dict)?).map_err(raised)?,
            Err(_) => {
                let path: PathBuf = given.extract().map_err(|_| {
                    let words = format!(
                        "config is {given}, and a dict or the path of a YAML file is needed"
                    );
                    PyErr::from(Failure::of("config", words))
                })?;
                Config::read(&path).map_err(raised)?
            }
        },
    };
    if let Some(estimator) = chosen.estimator {
        config.estimator.kind = estimator;
    }
    if let Some(name) = chosen.reward {
        config.reward.kind = named("reward", &name)?;
    }
    if let Some(name) = chosen.distance {
        config.estimator.distance = Some(named("distance", &name)?);
    }
    Ok(config)
}

/// Checked and ready to use.
pub(crate) fn ready(config: Config) -> PyResult<Settings> {
    program::estimators().settings(config).map_err(raised)
}

/// JSON is YAML too.
fn as_json(dict: &Bound<'_, PyDict>) -> PyResult<String> {
    let json = dict.py().import("json")?;
    // numpy's numbers and paths are what they say; everything else is told by json.
    let plain = dict.py().eval(
        c"lambda value: value.tolist() if hasattr(value, 'tolist') else value.__fspath__()",
        None,
        None,
    )?;
    let options = [("default", plain)].into_py_dict(dict.py())?;
    json.call_method("dumps", (dict,), Some(&options))
        .and_then(|text| text.extract())
        .map_err(|error| {
            let words = format!("config holds what a configuration cannot: {error}");
            Failure::of("config", words).into()
        })
}

fn named<Name: serde::de::DeserializeOwned>(what: &str, name: &str) -> PyResult<Name> {
    serde_json::from_value(Value::String(name.to_owned())).map_err(|error| {
        let words = error.to_string();
        let names = words.split_once("expected ").map_or("", |(_, names)| names);
        let words = format!("{what} is '{name}', but must be {names}");
        Failure::of("config", words).into()
    })
}
