//! Work on several threads whose results come back in the order in which it was handed out, with a
//! bounded number of pieces in flight: memory does not grow with the bags.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Scope;

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use crate::error::{Error, Result};

/// Pieces in flight for each thread: one at work, and enough waiting that none idles.
const PIECES_PER_THREAD: u64 = 3;

/// Takes what is done, in order.
pub(crate) type Sink<'a, Done> = &'a mut dyn FnMut(Done) -> Result<()>;

/// The threads, seen from the one that hands out work and takes results.
pub(crate) struct Ordered<Piece, Done> {
    /// Dropping it ends the threads.
    tasks: Sender<(u64, i64, Piece)>,
    results: Receiver<(u64, Result<Done>)>,
    /// Finished, but not yet their turn.
    early: BTreeMap<u64, Done>,
    submitted: u64,
    delivered: u64,
    max_in_flight: u64,
}

impl<Piece: Send, Done: Send> Ordered<Piece, Done> {
    /// Start `threads` of them in the scope, at least one, which do `work`; they end when this is dropped. A
    /// panic of `work` stays inside: it becomes an error, so nobody waits for a result that never comes.
    pub(crate) fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        threads: usize,
        work: impl Fn(Piece) -> Result<Done> + Clone + Send + 'scope,
    ) -> Self
    where
        Piece: 'scope,
        Done: 'scope,
    {
        let threads = threads.max(1);
        // Neither channel ever blocks: `submit` keeps the number in flight below their capacity.
        let (tasks, inbox) = bounded::<(u64, i64, Piece)>(PIECES_PER_THREAD as usize * threads);
        let (outbox, results) = unbounded();
        for _ in 0..threads {
            let (inbox, outbox, work) = (inbox.clone(), outbox.clone(), work.clone());
            scope.spawn(move || {
                for (index, stamp_nanos, piece) in inbox {
                    let done = catch_unwind(AssertUnwindSafe(|| work(piece)));
                    let done =
                        done.unwrap_or_else(|panic| Err(panicked(stamp_nanos, panic.as_ref())));
                    if outbox.send((index, done)).is_err() {
                        break;
                    }
                }
            });
        }
        Self {
            tasks,
            results,
            early: BTreeMap::new(),
            submitted: 0,
            delivered: 0,
            max_in_flight: PIECES_PER_THREAD * threads as u64,
        }
    }

    /// Hand over a piece of work; the stamp is for the report of a panic. Waits while too many are in
    /// flight; what is done goes to the sink meanwhile.
    ///
    /// # Errors
    /// Those of earlier pieces and of the sink.
    pub(crate) fn submit(
        &mut self,
        stamp_nanos: i64,
        piece: Piece,
        sink: Sink<'_, Done>,
    ) -> Result<()> {
        let task = (self.submitted, stamp_nanos, piece);
        self.submitted += 1;
        self.tasks.send(task).map_err(|_| no_worker())?;
        self.deliver(self.max_in_flight - 1, sink)
    }

    /// Wait for everything that was submitted.
    ///
    /// # Errors
    /// Those of the pieces and of the sink.
    pub(crate) fn finish(mut self, sink: Sink<'_, Done>) -> Result<()> {
        self.deliver(0, sink)
    }

    /// Give results to the sink, in order, until no more than so many pieces are in flight.
    fn deliver(&mut self, in_flight: u64, sink: Sink<'_, Done>) -> Result<()> {
        loop {
            while let Some(done) = self.early.remove(&self.delivered) {
                self.delivered += 1;
                sink(done)?;
            }
            let (index, done) = if self.in_flight() > in_flight {
                self.results.recv().map_err(|_| no_worker())?
            } else if let Ok(result) = self.results.try_recv() {
                result
            } else {
                return Ok(());
            };
            self.early.insert(index, done?);
        }
    }

    fn in_flight(&self) -> u64 {
        self.submitted - self.delivered
    }

    /// Whether no more pieces are in flight than may be.
    #[cfg(test)]
    pub(crate) fn is_bounded(&self) -> bool {
        self.in_flight() <= self.max_in_flight
    }
}

fn panicked(stamp_nanos: i64, panic: &(dyn Any + Send)) -> Error {
    let work = format!("the work on the image stamped {stamp_nanos} ns");
    spatial_reward_core::Error::panicked(work, panic).into()
}

fn no_worker() -> Error {
    let (work, message) = ("the worker threads".into(), "they are gone".into());
    spatial_reward_core::Error::Panicked { work, message }.into()
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// The numbers 0 to 39 sent through four threads, of which even ones take longer.
    fn sent_through(panics_at: i64) -> Result<Vec<i64>> {
        let mut seen = Vec::new();
        let work = |number: i64| {
            assert_ne!(number, panics_at, "no such luck");
            if number % 2 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
            Ok(number)
        };
        let mut sink = |number| {
            seen.push(number);
            Ok(())
        };
        thread::scope(|scope| {
            let mut ordered = Ordered::start(scope, 4, work);
            for number in 0..40 {
                ordered.submit(number, number, &mut sink)?;
                assert!(ordered.is_bounded());
            }
            ordered.finish(&mut sink)
        })?;
        Ok(seen)
    }

    #[test]
    fn results_come_in_the_order_of_the_work() {
        assert_eq!(sent_through(-1).unwrap(), (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_is_an_error_with_the_stamp_and_nobody_waits_for_ever() {
        let error = sent_through(7).unwrap_err().to_string();
        assert!(
            error.contains("no such luck") && error.contains("stamped 7 ns"),
            "{error}"
        );
    }
}
