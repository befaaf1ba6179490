//! The command line: parse, run, exit code.

mod advice;
mod cli;
mod commands;
mod logging;
#[cfg(feature = "torch")]
mod model;
#[cfg(not(feature = "torch"))]
#[path = "model/absent.rs"]
mod model;
#[cfg(feature = "ros")]
#[path = "node/present.rs"]
mod node;
#[cfg(not(feature = "ros"))]
#[path = "node/absent.rs"]
mod node;
mod outcome;
mod remedies;
#[cfg(feature = "video")]
#[path = "video/present.rs"]
mod video;
#[cfg(not(feature = "video"))]
#[path = "video/absent.rs"]
mod video;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse_from(cli::without_ros_arguments(std::env::args_os()));
    let is_node = matches!(cli.command, cli::Command::Node(_));
    let terminal = logging::start(&cli.logging, is_node);
    match commands::run(cli.command, &terminal) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            terminal.report_error(&remedies::in_words(&error));
            outcome::Outcome::Failed.into()
        }
    }
}
