//! What all requests share: the options, the queue to the model, the memory there is for them, the figures, and the end.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Semaphore, watch};

use crate::Options;
use crate::budget::Budget;
use crate::door::{Names, random_hex};
use crate::error::Result;
use crate::job::{Job, Place};
use crate::metrics::Metrics;

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) names: Names,
    pub(crate) budget: Budget,
    pub(crate) metrics: Metrics,
    /// When the server began, in seconds since 1970.
    pub(crate) began_s: u64,
    /// What the ids of this server's answers begin with.
    pub(crate) series: String,
    /// True as soon as nothing new is taken in.
    pub(crate) ending: watch::Sender<bool>,
    places: Arc<Semaphore>,
    jobs: Sender<Job>,
}

impl Shared {
    /// # Errors
    /// `Error::Random`.
    pub(crate) fn new(options: Options, names: Names) -> Result<(Self, Receiver<Job>)> {
        let (jobs, received) = channel();
        let shared = Self {
            budget: Budget::new(options.limits.held_bytes),
            metrics: Metrics::default(),
            began_s: now_s(),
            series: random_hex::<8>()?,
            ending: watch::Sender::new(false),
            places: Arc::new(Semaphore::new(options.limits.queue.max(1))),
            jobs,
            options,
            names,
        };
        Ok((shared, received))
    }

    /// A place in the queue, if there is one.
    pub(crate) fn place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Questions that wait or are answered.
    pub(crate) fn waiting(&self) -> usize {
        self.options.limits.queue.max(1) - self.places.available_permits()
    }

    /// Hands a question to the model. Where that has ended, the job is dropped, which whoever waits for it learns.
    pub(crate) fn hand(&self, job: Job) {
        let _ = self.jobs.send(job);
        self.metrics.question();
    }

    pub(crate) fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }
}

pub(crate) fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
