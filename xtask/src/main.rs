//! `cargo xtask`: what cargo has no command for.

mod acyclic;
mod generate;

use std::path::Path;

use anyhow::Context;
use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write what follows from the settings' declarations: the default file, the JSON schema, the tables in docs/.
    Generate {
        /// Write nothing; fail if something is not as it would be written.
        #[arg(long)]
        check: bool,
    },
    /// Fail if modules of a crate depend on each other in a circle.
    Acyclic,
}

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the repository's root")?;
    match Options::parse().task {
        Task::Generate { check } => generate::run(root, check),
        Task::Acyclic => acyclic::run(root),
    }
}
