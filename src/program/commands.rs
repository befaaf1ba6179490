//! One file a command; here only the dispatch.

mod ask;
mod bench;
mod calibrate;
pub(super) mod chat;
mod dataset;
mod dataset_photos;
mod depth;
mod detect;
mod discover;
mod estimate;
mod evaluate;
pub(super) mod inspect;
pub(super) mod label;
pub(crate) mod output;
pub(super) mod photo_networks;
mod photo_parts;
mod pick;
mod regions;
mod segment;
mod serve;
pub(crate) mod settings;
pub(crate) mod signals;

use crate::program::cli::{Command, Node};
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;
use crate::program::{model, node, remedies};

pub(crate) fn run(command: Command, terminal: &Terminal) -> anyhow::Result<Outcome> {
    match command {
        Command::Ask(options) => ask::run(*options, terminal),
        Command::Depth(options) => depth::run(&options, terminal),
        Command::Detect(options) => detect::run(&options, terminal),
        Command::Segment(options) => segment::run(&options, terminal),
        Command::Label(options) => label::run(*options, terminal),
        Command::Train(options) => model::train(*options, terminal),
        Command::Quantise(options) => model::quantise(&options, terminal),
        Command::Bench(options) => bench::run(&options, terminal),
        Command::Evaluate(options) => evaluate::run(&options, terminal),
        Command::Inspect(options) => inspect::run(*options, terminal),
        Command::Pick(options) => pick::run(*options, terminal),
        Command::Serve(options) => serve::run(*options, terminal),
        Command::Dataset(options) => dataset::run(*options, terminal),
        Command::Estimate => estimate::run(),
        Command::Regions => regions::run(),
        Command::PhotoParts => photo_parts::run(terminal),
        Command::Node(options) => live(&options, terminal),
    }
}

fn live(options: &Node, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let config = settings::config_file(options.config.as_deref())?;
    let stop = signals::stop_on_signal()?;
    let bar = terminal.download_bar();
    let progress = Box::new(
        move |progress: spatial_reward_core::progress::Progress<'_>| {
            Terminal::show(&bar, progress);
        },
    );
    let explain = remedies::in_words;
    node::run(config, settings::estimators(), &stop, progress, explain)?;
    Ok(Outcome::Fine)
}
