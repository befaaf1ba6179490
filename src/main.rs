//! The command line: parse, run, exit code.

mod cli;
mod commands;
mod logging;
mod outcome;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let terminal = logging::start(&cli.logging);
    match commands::run(cli.command, &terminal) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            terminal.report_error(&error);
            outcome::Outcome::Failed.into()
        }
    }
}
