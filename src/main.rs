//! The command line: parse, run, exit code.

mod cli;
mod commands;
mod logging;
mod outcome;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse_from(cli::without_ros_arguments(std::env::args_os()));
    let is_node = matches!(cli.command, cli::Command::Node(_));
    let terminal = logging::start(&cli.logging, is_node);
    match commands::run(cli.command, &terminal) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            terminal.report_error(&error);
            outcome::Outcome::Failed.into()
        }
    }
}
