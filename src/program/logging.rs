//! What goes to stderr: log lines for people or as JSON, progress bars, and the last word on an
//! error. stdout is left to results.

use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use spatial_reward_core::progress::{Progress, Unit};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::program::cli::{LogFormat, Logging};
use crate::program::node;

/// stderr, shared between log lines and progress bars.
#[derive(Clone)]
pub(crate) struct Terminal {
    bars: MultiProgress,
    format: LogFormat,
}

/// Set up logging for the process. A node's lines go to ROS, which shows them; as JSON they are shown here
/// too.
pub(crate) fn start(options: &Logging, is_node: bool) -> Terminal {
    let bars_are_welcome =
        io::stderr().is_terminal() && options.log_format == LogFormat::Human && !options.quiet;
    let target = if bars_are_welcome {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let terminal = Terminal {
        bars: MultiProgress::with_draw_target(target),
        format: options.log_format,
    };
    let level = match (options.quiet, options.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let human = (options.log_format == LogFormat::Human && !is_node).then(|| {
        fmt::layer()
            .with_writer(terminal.clone())
            .with_target(false)
            .without_time()
            .with_ansi(io::stderr().is_terminal())
    });
    let json = (options.log_format == LogFormat::Json).then(|| {
        fmt::layer()
            .with_writer(terminal.clone())
            .json()
            .flatten_event(true)
    });
    let lines = human.with_filter(level).and_then(json.with_filter(level));
    // ROS has a level of its own, but what nobody would see needs no trip there.
    let to_ros = is_node.then(|| node::log_layer().with_filter(level.max(LevelFilter::DEBUG)));
    tracing_subscriber::registry()
        .with(lines)
        .with(to_ros)
        .init();
    terminal
}

impl Terminal {
    /// One on which nothing is shown: of a process that is not the program's own.
    pub(crate) fn silent() -> Self {
        Self {
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            format: LogFormat::Human,
        }
    }

    /// A progress bar; invisible where stderr is no terminal.
    pub(crate) fn bar(&self, name: &str) -> ProgressBar {
        let style = ProgressStyle::with_template(
            "{prefix} {wide_bar} {percent:>3} %  {msg}  {elapsed_precise}<{eta_precise}",
        );
        let bar = self.bars.add(ProgressBar::no_length());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(name.to_owned());
        bar
    }

    /// A progress bar for files that are fetched; invisible where stderr is no terminal.
    pub(crate) fn download_bar(&self) -> ProgressBar {
        let style = ProgressStyle::with_template(
            "{msg} {wide_bar} {bytes}/{total_bytes}  {binary_bytes_per_sec}",
        );
        let bar = self.bars.add(ProgressBar::no_length());
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar
    }

    /// Move a bar to where the work is.
    pub(crate) fn show(bar: &ProgressBar, progress: Progress<'_>) {
        /// A bar of bags moves in so many steps a bag.
        const STEPS_PER_BAG: f64 = 1000.0;
        let scale = match progress.unit {
            Unit::Bags => STEPS_PER_BAG,
            Unit::Messages | Unit::Photos | Unit::Steps | Unit::Bytes => 1.0,
        };
        if let Some(total) = progress.total {
            bar.set_length((total * scale) as u64);
        }
        bar.set_position((progress.done * scale) as u64);
        bar.set_message(match progress.figure {
            Some(("loss", loss)) => format!("loss {loss:.3}"),
            Some((what, count)) => format!("{count:.0} {what}"),
            None => progress.subject.to_owned(),
        });
    }

    /// The one place that tells of an error which ends a command or a bag.
    pub(crate) fn report_error(&self, words: &str) {
        match self.format {
            LogFormat::Json => tracing::error!("{words}"),
            LogFormat::Human => {
                // Without stderr there is nobody to tell.
                let _ = self
                    .clone()
                    .write_all(format!("error: {words}\n").as_bytes());
            }
        }
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Bars are taken away while the line is written, so that it does not tear them.
        self.bars.suspend(|| io::stderr().lock().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Terminal {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
