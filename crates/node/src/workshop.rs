//! A thread that does one piece of work after the other, such that none of them ends it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossbeam::channel::{Sender, TrySendError, bounded};

use crate::error::{Error, Result};

/// Such a thread, seen from whoever has work for it. It ends when this is dropped.
pub(crate) struct Workshop<T> {
    name: &'static str,
    work: Sender<T>,
}

impl<T: Send + 'static> Workshop<T> {
    /// Start the thread. A piece of work that fails, or panics, is told to the log and left; the next is begun.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(
        name: &'static str,
        mut work_at: impl FnMut(T) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let (work, inbox) = bounded::<T>(1);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                for piece in inbox {
                    let outcome = catch_unwind(AssertUnwindSafe(|| work_at(piece)));
                    let outcome = outcome.unwrap_or_else(|panic| {
                        Err(spatial_reward_core::Error::panicked(name, panic.as_ref()).into())
                    });
                    if let Err(error) = outcome {
                        tracing::warn!("{name}: {error}");
                    }
                }
            })
            .map_err(Error::io("start a thread of", "spatial-reward"))?;
        Ok(Self { name, work })
    }

    /// Hand a piece of work over, unless another waits already.
    ///
    /// # Errors
    /// The thread is gone, whatever took it.
    pub(crate) fn offer(&self, piece: T) -> Result<()> {
        match self.work.try_send(piece) {
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Disconnected(_)) => {
                let message = "its thread is gone".to_owned();
                let work = self.name.to_owned();
                Err(spatial_reward_core::Error::Panicked { work, message }.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_work_that_panics_does_not_end_the_thread() {
        let (done, results) = bounded(1);
        let workshop = Workshop::start("the halves", move |number: i32| {
            assert_eq!(number % 2, 0, "an odd one");
            done.send(number / 2).unwrap();
            Ok(())
        })
        .unwrap();
        // The piece that panics may still lie there when the next one is offered.
        workshop.offer(3).unwrap();
        let half = loop {
            workshop.offer(8).unwrap();
            if let Ok(half) = results.recv_timeout(std::time::Duration::from_millis(10)) {
                break half;
            }
        };
        assert_eq!(half, 4);
    }

    #[test]
    fn a_thread_that_is_gone_is_told() {
        let (work, inbox) = bounded(1);
        drop(inbox);
        let workshop = Workshop {
            name: "the debug view",
            work,
        };
        let error = workshop.offer(1).unwrap_err().to_string();
        assert!(
            error.contains("the debug view") && error.contains("gone"),
            "{error}"
        );
    }
}
