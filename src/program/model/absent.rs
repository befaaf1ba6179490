//! Stands in for the vision-language model in a build without the feature `torch`: another build measures, and where there
//! is none, whoever asks for the model learns how to get it.

mod elsewhere;
mod profile;
pub(crate) mod wire;

use std::sync::Arc;

use anyhow::anyhow;
use spatial_reward_core::estimator::Registration;
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::question::{MarkedPicture, Reply};
use spatial_reward_core::settings::Settings;

use crate::program::cli::Train;
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;
use profile::PROFILE;

/// The model is not in this build.
pub(crate) const IS_HERE: bool = false;

/// The model as an estimator: that of another build of this program, where one is at hand.
pub(crate) fn registration() -> Registration {
    Registration {
        profile: PROFILE,
        open: Arc::new(|settings, _| {
            let opened = match elsewhere::program() {
                Some(program) => elsewhere::Elsewhere::open(&program, settings),
                None => Err(not_in_this_build()),
            };
            match opened {
                Ok(estimator) => Ok(Box::new(estimator)),
                Err(error) => Err(spatial_reward_core::Error::Estimator(error.into())),
            }
        }),
    }
}

/// A conversation with the model about one picture; there are none in this build.
pub(crate) enum Session {}

impl Session {
    /// # Errors
    /// That it is not there, always.
    pub(crate) fn open(
        _settings: &Settings,
        _picture: MarkedPicture,
        _progress: OnProgress<'_>,
    ) -> anyhow::Result<Self> {
        Err(not_in_this_build())
    }

    /// Never called: there is no session to call it on.
    ///
    /// # Errors
    /// None.
    pub(crate) fn ask(&mut self, _question: &str) -> anyhow::Result<Reply> {
        match *self {}
    }
}

/// Trains a model.
///
/// # Errors
/// That it is not there, always.
pub(crate) fn train(_typed: Train, _terminal: &Terminal) -> anyhow::Result<Outcome> {
    Err(not_in_this_build())
}

/// None: no error of this build is the model's.
pub(crate) fn remedy(_cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    None
}

fn not_in_this_build() -> anyhow::Error {
    anyhow!(
        "the spatialrgpt model is not in this build: it needs libtorch. Run scripts/setup --model, then build with \
         `. scripts/env.sh && cargo build --release --features torch`; or name a program that has it in \
         SPATIAL_REWARD_PROGRAM. Labelling with --estimator geometry needs a \
         bag with depth and no model"
    )
}
