//! The command line: parse, run, exit code. A library's module, because the Python package is this program too.

mod advice;
mod arguments;
mod cli;
mod commands;
mod found_mask;
mod logging;
#[cfg(feature = "torch")]
mod model;
#[cfg(not(feature = "torch"))]
#[path = "program/model/absent.rs"]
mod model;
#[cfg(feature = "ros")]
#[path = "program/node/present.rs"]
mod node;
#[cfg(not(feature = "ros"))]
#[path = "program/node/absent.rs"]
mod node;
mod outcome;
mod photo_set;
mod remedies;
#[cfg(feature = "video")]
#[path = "program/video/present.rs"]
mod video;
#[cfg(not(feature = "video"))]
#[path = "program/video/absent.rs"]
mod video;

use std::ffi::OsString;

use clap::Parser;
use serde_json::Value;
use spatial_reward_core::estimator::Estimators;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::video::VideoDecoders;
use spatial_reward_offline::inspect::Inspection;
use spatial_reward_offline::label::Labelled;
use spatial_reward_rosbag2::Loss;

pub use self::outcome::Outcome;
pub use self::photo_set::{PhotoMaker, PhotoSet, PhotoSetError, Rephrasing};

/// Runs the program with these arguments, of which the first is its name. It takes over the process's signals and its
/// logging, as a program does: once a process, and not beside other work.
pub fn run(arguments: Vec<OsString>) -> Outcome {
    let arguments = arguments::keep(arguments);
    let cli = cli::Cli::parse_from(cli::without_ros_arguments(arguments.iter().cloned()));
    let is_node = matches!(cli.command, cli::Command::Node(_));
    let terminal = logging::start(&cli.logging, is_node);
    match commands::run(cli.command, &terminal) {
        Ok(outcome) => outcome,
        Err(error) => {
            terminal.report_error(&remedies::in_words(&error));
            Outcome::Failed
        }
    }
}

/// The estimators of this build.
pub fn estimators() -> Estimators {
    commands::settings::estimators()
}

/// Who decodes video in this build.
pub fn video_decoders() -> VideoDecoders {
    video::decoders()
}

/// What came of a labelling, as `label --json` tells of a bag.
///
/// # Errors
/// None that is known: it is what the program prints.
pub fn labelled_as_json(labelled: &Labelled, settings: &Settings) -> serde_json::Result<Value> {
    serde_json::to_value(commands::label::Done::new(labelled, settings))
}

/// What of a recording could not be read, as `label --json` tells of it.
///
/// # Errors
/// As [`labelled_as_json`].
pub fn loss_as_json(loss: &Loss) -> serde_json::Result<Value> {
    serde_json::to_value(commands::label::LossReport::from(loss))
}

/// What an inspection found, in words and as `inspect --json` tells it.
///
/// # Errors
/// As [`labelled_as_json`].
pub fn inspection_told(inspection: &Inspection) -> serde_json::Result<(String, Value)> {
    let findings = commands::inspect::Findings::new(inspection, None);
    Ok((findings.to_text(), serde_json::to_value(&findings)?))
}
