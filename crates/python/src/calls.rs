//! Work that takes its time: it runs without the interpreter's lock on a thread of its own, so that other Python threads go
//! on, Ctrl-C is heard, and progress is told where Python may be called.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use spatial_reward_core::progress::OnProgress;

/// How often signals are looked at and progress is told.
const TURN: Duration = Duration::from_millis(100);

/// Runs work that stops where its flag is raised. `progress` is called with what is done and what there is, the latter None
/// where only the end will tell; what it raises ends the work, as Ctrl-C does.
pub(crate) fn interruptible<Done: Send>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&AtomicBool, OnProgress<'_>) -> Done + Send,
) -> PyResult<Done> {
    crate::log::to_python();
    let stop = AtomicBool::new(false);
    let told: Mutex<Option<(f64, Option<f64>)>> = Mutex::new(None);
    let progress = progress.map(|progress| progress.clone().unbind());
    let turn = || {
        let told = told.lock().unwrap_or_else(PoisonError::into_inner).take();
        Python::attach(|py| {
            py.check_signals()?;
            if let (Some(progress), Some((done, total))) = (&progress, told) {
                progress.call1(py, (done, total))?;
            }
            Ok(())
        })
    };
    py.detach(|| {
        thread::scope(|scope| {
            let (ended, end) = mpsc::channel::<()>();
            let worker = scope.spawn(|| {
                // Dropped when the work ends, however it does.
                let _ended = ended;
                work(&stop, &mut |at| {
                    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                    *told = Some((at.done, at.total));
                })
            });
            let mut raised: PyResult<()> = Ok(());
            while end.recv_timeout(TURN) == Err(RecvTimeoutError::Timeout) {
                if raised.is_ok() {
                    raised = turn();
                    stop.store(raised.is_err(), Ordering::Relaxed);
                }
            }
            let done = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            raised?;
            // The last word, such as that all is done.
            turn()?;
            Ok(done)
        })
    })
}
