//! The program: [`spatial_reward::program`] with the process's arguments.

use std::process::ExitCode;

fn main() -> ExitCode {
    spatial_reward::program::run(std::env::args_os().collect()).into()
}
