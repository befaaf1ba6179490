//! Stands in for the vision-language model in a build without the feature `torch`: whoever asks for
//! it learns how to get it.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::ask::{Picture, Reply};
use crate::config::{Config, Model};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::training::{Options, Progress, Summary};

/// The model as an estimator.
///
/// # Errors
/// `Error::NotInThisBuild`, always.
pub fn estimator(_config: &Config) -> Result<Box<dyn Estimator>> {
    Err(not_in_this_build())
}

/// Finds the models that the settings name.
///
/// # Errors
/// `Error::NotInThisBuild`, always.
pub fn locate(
    _settings: &mut Model,
    _variable: impl Fn(&str) -> Option<String>,
    _bar: &indicatif::ProgressBar,
) -> Result<()> {
    Err(not_in_this_build())
}

/// The folder of the model that the settings name.
///
/// # Errors
/// `Error::NotInThisBuild`, always.
pub fn folder(_settings: &Model) -> Result<PathBuf> {
    Err(not_in_this_build())
}

/// A conversation with the model about one picture; there are none in this build.
pub enum Session {}

impl Session {
    /// # Errors
    /// `Error::NotInThisBuild`, always.
    pub fn open(_settings: &Model, _picture: Picture) -> Result<Self> {
        Err(not_in_this_build())
    }

    /// Never called: there is no session to call it on.
    ///
    /// # Errors
    /// None.
    pub fn ask(&mut self, _question: &str) -> Result<Reply> {
        match *self {}
    }
}

/// Trains a model.
///
/// # Errors
/// `Error::NotInThisBuild`, always.
pub fn train(
    _options: &Options,
    _stop: &AtomicBool,
    _progress: &mut dyn FnMut(Progress),
) -> Result<Summary> {
    Err(not_in_this_build())
}

fn not_in_this_build() -> Error {
    Error::NotInThisBuild {
        what: "the spatialrgpt model",
        remedy: "it needs libtorch. Run scripts/setup --model, then build with \
                 `. scripts/env.sh && cargo build --release --features torch`. Labelling with --estimator \
                 geometry needs a bag with depth and no model",
    }
}
