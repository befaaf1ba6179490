//! Stands in for the vision-language model in a build without the feature `torch`: whoever asks for
//! it learns how to get it.

mod profile;

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

/// The model as an estimator, so that settings that name it are understood.
pub(crate) fn registration() -> Registration {
    Registration {
        profile: PROFILE,
        open: Arc::new(|_, _| {
            Err(spatial_reward_core::Error::Estimator(
                not_in_this_build().into(),
            ))
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
         `. scripts/env.sh && cargo build --release --features torch`. Labelling with --estimator geometry needs a \
         bag with depth and no model"
    )
}
