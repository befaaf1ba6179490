//! One file a command; here only the dispatch and what the commands share.

mod ask;
mod dataset;
mod discover;
mod evaluate;
mod inspect;
mod label;
mod train;

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;

use anyhow::Context;
use spatial_reward::config::{Config, Model};
use spatial_reward::label::roles::TruthTopics;
use spatial_reward::{node, spatialrgpt};

use crate::cli::{Command, ModelOptions, Settings, TopicOptions, TruthOptions};
use crate::logging::Terminal;
use crate::outcome::Outcome;

pub fn run(command: Command, terminal: &Terminal) -> anyhow::Result<Outcome> {
    match command {
        Command::Ask(options) => ask::run(*options, terminal),
        Command::Label(options) => label::run(*options, terminal),
        Command::Train(options) => train::run(*options, terminal),
        Command::Evaluate(options) => evaluate::run(&options, terminal),
        Command::Inspect(options) => inspect::run(*options, terminal),
        Command::Dataset(options) => dataset::run(*options, terminal),
        Command::Node(options) => {
            let config = config_file(options.config.as_deref())?;
            node::run(config, &*stop_on_signal()?, terminal.download_bar())?;
            Ok(Outcome::Fine)
        }
    }
}

/// Finds the model on this machine, or downloads it under a progress bar.
fn locate(model: &mut Model, terminal: &Terminal) -> spatial_reward::Result<()> {
    let bar = terminal.download_bar();
    let located = spatialrgpt::locate(model, |name| std::env::var(name).ok(), &bar);
    bar.finish_and_clear();
    located
}

/// Ctrl-C and a polite kill end a command between two pieces of work, so that nothing unfinished is left.
fn stop_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    ctrlc::set_handler(move || raised.store(true, Ordering::Relaxed))
        .context("cannot listen for signals")?;
    Ok(stop)
}

fn config_file(path: Option<&Path>) -> spatial_reward::Result<Config> {
    path.map_or_else(|| Ok(Config::default()), Config::from_file)
}

fn set<T>(setting: &mut T, typed: Option<T>) {
    if let Some(typed) = typed {
        *setting = typed;
    }
}

fn name(setting: &mut Option<String>, typed: Option<String>) {
    if typed.is_some() {
        *setting = typed;
    }
}

impl ModelOptions {
    /// What was typed, in the place of the file's settings.
    fn set(self, model: &mut Model) {
        name(&mut model.path, self.model);
        set(&mut model.device, self.device);
        set(&mut model.dtype, self.dtype);
        name(&mut model.template, self.template);
        set(&mut model.max_new_tokens, self.max_new_tokens);
        set(&mut model.relative_depth, self.relative_depth);
        name(&mut model.depth_model, self.depth_model);
        set(&mut model.depth_scale, self.depth_scale);
        set(&mut model.batch, self.batch);
    }
}

impl Settings {
    /// The settings in force: the file's, with what was typed in their place.
    fn into_config(self) -> spatial_reward::Result<Config> {
        let mut config = config_file(self.config.as_deref())?;
        set(&mut config.estimator.kind, self.estimator);
        config.estimator.distance = self.distance.or(config.estimator.distance);
        set(&mut config.reward.kind, self.reward);
        self.model.set(&mut config.model);
        self.topics.set(&mut config);
        config.validate()?;
        Ok(config)
    }
}

impl TopicOptions {
    /// What was typed, in the place of the file's settings.
    fn set(self, config: &mut Config) {
        let topics = &mut config.topics;
        name(&mut topics.image, self.image_topic);
        name(&mut topics.depth, self.depth_topic);
        name(&mut topics.camera_info, self.camera_info_topic);
        name(&mut topics.fingertip, self.fingertip_topic);
        name(&mut topics.target, self.target_topic);
        name(&mut topics.task_prompt, self.task_prompt_topic);
        let given = |classes: Vec<String>| Some(classes).filter(|classes| !classes.is_empty());
        set(&mut topics.fingertip_class, given(self.fingertip_class));
        set(&mut topics.target_class, given(self.target_class));
    }
}

impl From<TruthOptions> for TruthTopics {
    fn from(options: TruthOptions) -> Self {
        Self {
            fingertip: options.truth_fingertip,
            target: options.truth_target,
            surface: options.truth_surface,
            cloud: options.truth_cloud,
        }
    }
}

fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The arguments as they can be typed again.
fn command_line() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    let words = std::env::args_os().enumerate().map(|(index, argument)| {
        let argument = argument.to_string_lossy().into_owned();
        match index {
            0 => "spatial-reward".to_owned(),
            _ if !argument.is_empty() && argument.chars().all(plain) => argument,
            _ => format!("'{}'", argument.replace('\'', r"'\''")),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Print a result. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write the result to stdout"))
        }
        _ => Ok(()),
    }
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}
