//! Threads in a process that is not ours alone: libtorch's number of them, and pools that are not the host's.
//!
//! libtorch has two numbers: one of the process, which a thread takes over at its first operation, and one of each
//! thread. Setting it sets both. So whoever sets it for a while, as is done here, must put the process's back at once,
//! or a thread that begins meanwhile keeps a number that was never meant for it.

use std::marker::PhantomData;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// A thread a core for `work` in parallel. Rayon's global pool is the host's to build and to size, so nothing here may
/// run in it: parallel iterators and crates that have some belong into `ThreadPool::install`.
///
/// # Errors
/// `Error::NoThreads`.
pub fn pool(work: &str) -> Result<ThreadPool> {
    let builder = ThreadPoolBuilder::new().thread_name(|index| format!("spatial-reward-{index}"));
    builder.build().map_err(|error| Error::NoThreads {
        work: work.into(),
        message: error.to_string(),
    })
}

/// Held while the process's number is not what the host wants it to be, for some microseconds.
static CHANGING: Mutex<()> = Mutex::new(());

fn changing() -> MutexGuard<'static, ()> {
    // What a panic left behind is nothing: there is no data.
    CHANGING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets libtorch choose this thread's number of threads, if it has not yet, while nobody changes the process's. To be
/// called before a thread's first operation.
pub fn settle() {
    let _changing = changing();
    tch::get_num_threads();
}

/// While it lives, libtorch runs what this thread asks of it on this thread alone. Other threads keep their number,
/// and those that begin get the process's.
#[derive(Debug)]
pub struct SingleThread {
    /// `None` where nothing was changed.
    before: Option<Numbers>,
    /// It belongs to the thread that it was made on.
    not_send: PhantomData<*const ()>,
}

#[derive(Debug, Clone, Copy)]
struct Numbers {
    thread: i32,
    process: i32,
}

impl SingleThread {
    /// Begins. Where the system gives no thread to put the process's number back, nothing is changed: libtorch is
    /// slower beside others' threads, and right.
    pub fn enter() -> Self {
        settle();
        let before = tch::get_num_threads();
        Self {
            before: match before {
                ..=1 => None,
                _ => set_own(1),
            },
            not_send: PhantomData,
        }
    }
}

impl Drop for SingleThread {
    fn drop(&mut self) {
        let Some(Numbers { thread, process }) = self.before else {
            return;
        };
        // Where the two are one, which is usual, no other thread is needed; where there is none to be had, this thread
        // comes first.
        if thread == process || set_own(thread).is_none() {
            let _changing = changing();
            tch::set_num_threads(thread);
        }
    }
}

/// Sets this thread's number and leaves the process's as it is; gives what they were. `None`, and nothing is changed,
/// if no thread can be started.
fn set_own(number: i32) -> Option<Numbers> {
    let _changing = changing();
    let thread = tch::get_num_threads();
    let (tells, told) = mpsc::channel::<i32>();
    let (is_set, set) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let other = move || {
            // A new thread has the process's number.
            let process = tch::get_num_threads();
            let _ = tells.send(process);
            // Nothing comes: the other end hangs up when its number is set.
            let _ = set.recv();
            tch::set_num_threads(process);
        };
        let builder = thread::Builder::new().name("spatial-reward".into());
        builder.spawn_scoped(scope, other).ok()?;
        let process = told.recv().ok()?;
        tch::set_num_threads(number);
        drop(is_set);
        Some(Numbers { thread, process })
    })
}

/// Runs `work` on a thread that libtorch gives three threads, whatever the machine has.
#[cfg(test)]
pub(super) fn with_three<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let run = || {
        settle();
        assert!(set_own(3).is_some());
        work()
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// What a thread that begins gets.
#[cfg(test)]
pub(super) fn of_the_process() -> i32 {
    let begin = || {
        settle();
        tch::get_num_threads()
    };
    thread::spawn(begin).join().unwrap()
}

#[cfg(test)]
mod tests {
    use super::{SingleThread, of_the_process, with_three};

    #[test]
    fn this_thread_is_alone_for_a_while_and_the_process_never() {
        let process = of_the_process();
        with_three(|| {
            let single = SingleThread::enter();
            assert_eq!(tch::get_num_threads(), 1);
            assert_eq!(of_the_process(), process);
            drop(single);
            assert_eq!(tch::get_num_threads(), 3);
            assert_eq!(of_the_process(), process);
        });
    }

    #[test]
    fn one_within_another_ends_where_it_began() {
        with_three(|| {
            let outer = SingleThread::enter();
            drop(SingleThread::enter());
            assert_eq!(tch::get_num_threads(), 1);
            drop(outer);
            assert_eq!(tch::get_num_threads(), 3);
        });
    }

    #[test]
    fn a_panic_puts_the_number_back() {
        with_three(|| {
            let panicked = std::panic::catch_unwind(|| {
                let _single = SingleThread::enter();
                panic!("on purpose");
            });
            assert!(panicked.is_err());
            assert_eq!(tch::get_num_threads(), 3);
        });
    }
}
