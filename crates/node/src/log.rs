//! Log lines to ROS: to its console format, to /rosout and under `--log-level`, like any other node's.

use std::fmt::{self, Write};
use std::sync::OnceLock;

use r2r::LogSeverity;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::outgoing;

/// The node's logger, once there is a node.
static LOGGER: OnceLock<String> = OnceLock::new();

/// Before there is one.
const NAMELESS: &str = "spatial_reward";

/// From now on lines are the node's own.
pub(super) fn name_logger(name: &str) {
    // A second node in this process would share the first one's name.
    let _ = LOGGER.set(name.to_owned());
}

/// Hands every event on to ROS.
pub struct RosLog;

impl<S: Subscriber> Layer<S> for RosLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let severity = match *event.metadata().level() {
            Level::ERROR => LogSeverity::Error,
            Level::WARN => LogSeverity::Warn,
            Level::INFO => LogSeverity::Info,
            Level::DEBUG | Level::TRACE => LogSeverity::Debug,
        };
        let mut line = Line::default();
        event.record(&mut line);
        let Line { message, fields } = line;
        let text = format!("{message}{fields}");
        let logger = LOGGER.get().map_or(NAMELESS, String::as_str);
        let metadata = event.metadata();
        let file = metadata.file().unwrap_or_default();
        outgoing::log_line(&text, logger, file, metadata.line(), severity);
    }
}

/// The event's message, then its fields.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
