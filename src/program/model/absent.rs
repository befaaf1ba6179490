//! Stands in for the vision-language model in a build without the feature `torch`: another build measures, and where there
//! is none, whoever asks for the model learns how to get it.

mod absent_networks;
mod elsewhere;
mod process;
mod profile;
mod regions_elsewhere;
pub(crate) mod wire;

use std::env;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use spatial_reward_core::estimator::{OpenDetector, OpenSegmenter, Registration};
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::question::{Asked, MarkedPicture, Reply};
use spatial_reward_core::settings::Settings;
use spatial_reward_serve::Unanswered;

use crate::program::cli::{Quantise, Train};
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;
use absent_networks::not_here;
pub(crate) use absent_networks::{DepthEstimate, Detector, MetricDepth, Queries, Segmenter};
use elsewhere::Elsewhere;
pub(crate) use process::Process;
use profile::PROFILE;
use regions_elsewhere::RegionsElsewhere;

/// The model is not in this build.
pub(crate) const IS_HERE: bool = false;

/// The model as an estimator: that of another build of this program, where one is at hand.
pub(crate) fn registration() -> Registration {
    Registration {
        profile: PROFILE,
        open: Arc::new(|settings, _| match other_program() {
            Some(program) => Elsewhere::estimator(&program, settings),
            None => Err(spatial_reward_core::Error::Estimator(
                not_in_this_build().into(),
            )),
        }),
    }
}

/// Another build of this program, which may have the networks.
pub(crate) fn other_program() -> Option<PathBuf> {
    process::named().or_else(on_path)
}

/// Finds regions by words or by an example: another build of this program does.
pub(crate) fn detector() -> OpenDetector {
    Arc::new(|settings, _| match other_program() {
        Some(program) => RegionsElsewhere::detector(&program, settings),
        None => Err(spatial_reward_core::Error::Estimator(not_here().into())),
    })
}

/// Follows regions by masks: another build of this program does.
pub(crate) fn segmenter() -> OpenSegmenter {
    Arc::new(|settings, _| match other_program() {
        Some(program) => RegionsElsewhere::segmenter(&program, settings),
        None => Err(spatial_reward_core::Error::Estimator(not_here().into())),
    })
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

/// The model for questions of many; there is none in this build.
pub(crate) enum Respondent {}

impl Respondent {
    /// # Errors
    /// That it is not there, always.
    pub(crate) fn load(_settings: &Settings, _progress: OnProgress<'_>) -> anyhow::Result<Self> {
        Err(not_in_this_build())
    }

    /// Never called: there is none to call it on.
    pub(crate) fn answer(&self, _asked: &[Asked]) -> Vec<Result<Reply, Unanswered>> {
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

/// Brings a model to few bits.
///
/// # Errors
/// That it is not there, always.
pub(crate) fn quantise(_typed: &Quantise, _terminal: &Terminal) -> anyhow::Result<Outcome> {
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

/// Another program of this name on the path, which may have the model.
fn on_path() -> Option<PathBuf> {
    let own = env::current_exe().ok();
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found = env::split_paths(&path).map(|folder| folder.join("spatial-reward"));
    found.find(|program| is_program(program) && program.canonicalize().ok() != own)
}

/// The script of the same name that a Python package brings is none.
fn is_program(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && magic == *b"\x7fELF"
}
