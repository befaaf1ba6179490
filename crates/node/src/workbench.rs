//! What an estimation thread is started with, as often as a managed node is configured.

use std::sync::{Arc, Mutex};

use crate::annotations::{Annotations, Topics};
use crate::debug_view::Canvas;
use crate::error::Result;
use crate::estimation::Sinks;
use crate::outputs::{DebugView, Rewards};
use spatial_reward_core::progress::{BoxedProgress, Progress};

/// What every estimation thread of the node is started with.
pub(crate) struct Workbench {
    pub rewards: Rewards,
    pub view: DebugView,
    pub annotated: Topics,
    pub clock: Arc<Mutex<r2r::Clock>>,
    pub progress: Arc<Mutex<BoxedProgress>>,
}

impl Workbench {
    /// What the thread writes to.
    ///
    /// # Errors
    /// The operating system gives no thread for the debug view.
    pub(crate) fn sinks(&self, annotations: Option<Annotations>) -> Result<Sinks> {
        Ok(Sinks {
            rewards: self.rewards.clone(),
            annotations,
            canvas: Canvas::start(self.view.clone())?,
            clock: Arc::clone(&self.clock),
        })
    }

    /// Whom a long load tells how far it is.
    pub(crate) fn progress(&self) -> BoxedProgress {
        let progress = Arc::clone(&self.progress);
        Box::new(move |one: Progress<'_>| {
            // Nobody looks at the progress of a load any more after a panic in it.
            if let Ok(mut progress) = progress.lock() {
                progress(one);
            }
        })
    }
}
