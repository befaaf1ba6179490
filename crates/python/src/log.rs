//! What the libraries say goes to Python's logger `spatial_reward`.

use std::fmt::{Debug, Write};
use std::sync::Once;

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::words::in_python;

static TOLD: Once = Once::new();

/// From now on, unless something else in this process listens already: the program does, where it is run.
pub(crate) fn to_python() {
    TOLD.call_once(|| {
        let layer = ToPython.with_filter(LevelFilter::DEBUG);
        let _ = tracing_subscriber::registry().with(layer).try_init();
    });
}

struct ToPython;

impl<S: Subscriber> Layer<S> for ToPython {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !event.metadata().target().starts_with("spatial_reward") {
            return;
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        // The numbers are those of Python's module logging.
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            _ => 10,
        };
        // A logger that raises has nobody to tell.
        let _ = Python::attach(|py| -> PyResult<()> {
            let logger = py
                .import("logging")?
                .call_method1("getLogger", ("spatial_reward",))?;
            logger.call_method1("log", (level, "%s", in_python(&words.0)))?;
            Ok(())
        });
    }
}

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Into a String nothing can fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}
