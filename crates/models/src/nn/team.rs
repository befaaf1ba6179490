//! Threads that stand ready for products of ours, which are shorter than waking a thread takes.
//!
//! libtorch's threads wait for more work by spinning, and between two such products they would take the cores from
//! ours. So while an answer is made, libtorch keeps to the thread that asks, and ours spin instead. Both end with the
//! answer. The threads are the model's own: rayon's global pool is the host's.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::threads::SingleThread;

thread_local! {
    /// The team of this thread's answer, if one is being made.
    static TEAM: RefCell<Option<Helpers>> = const { RefCell::new(None) };
}

/// Those who work beside the thread that asks; `None` where it is alone.
type Helpers = Option<Arc<ThreadPool>>;

/// A model's threads. They are started for its first answer, sleep between answers, and end with the model.
#[derive(Debug, Default)]
pub struct Crew {
    pool: RefCell<Helpers>,
}

impl Crew {
    /// So many of them.
    fn helpers(&self, count: usize) -> Helpers {
        if count == 0 {
            return None;
        }
        let mut pool = self.pool.borrow_mut();
        if pool
            .as_ref()
            .is_none_or(|pool| pool.current_num_threads() != count)
        {
            let made = ThreadPoolBuilder::new()
                .num_threads(count)
                .thread_name(|index| format!("spatial-reward-{index}"))
                .build();
            *pool = made
                .inspect_err(|error| tracing::warn!("answers are made on one thread: {error}"))
                .ok()
                .map(Arc::new);
        }
        pool.clone()
    }
}

/// While it lives, as many threads as libtorch had stand ready to [`share`] this thread's products, and what this
/// thread asks of libtorch runs on this thread alone.
pub struct Team {
    dismissed: Arc<AtomicBool>,
    /// The team that this thread had before.
    outer: Option<Helpers>,
    _single: SingleThread,
}

impl Team {
    /// Whether this thread has one.
    #[cfg(test)]
    fn is_ready() -> bool {
        TEAM.with_borrow(Option::is_some)
    }

    /// Calls a model's threads together.
    pub fn gather(crew: &Crew) -> Self {
        let helpers = crew.helpers(tch::get_num_threads().max(1) as usize - 1);
        let single = SingleThread::enter();
        let dismissed = Arc::new(AtomicBool::new(false));
        if let Some(pool) = &helpers {
            for _ in 0..pool.current_num_threads() {
                let dismissed = Arc::clone(&dismissed);
                pool.spawn(move || stand_by(&dismissed));
            }
        }
        Self {
            dismissed,
            outer: TEAM.replace(Some(helpers)),
            _single: single,
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.dismissed.store(true, Ordering::Relaxed);
        TEAM.set(self.outer.take());
    }
}

/// Takes a share of each product there is, until dismissed.
fn stand_by(dismissed: &AtomicBool) {
    let mut idle = 0_u32;
    while !dismissed.load(Ordering::Relaxed) {
        // Runs a share of a product if there is one.
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            idle = 0;
            continue;
        }
        idle = idle.saturating_add(1);
        wait(idle);
    }
}

/// So many products of two numbers take about as long as handing a share of them over.
const FEW: usize = 200_000;

/// Like [`share`], where there are enough products to share.
pub fn share_if(products: usize, work: impl Fn() + Sync) {
    match products < FEW {
        true => work(),
        false => share(work),
    }
}

/// Does the work on every part, shared out where there are enough products of two numbers in all.
pub fn in_parts<T: Send>(
    products: usize,
    parts: impl Iterator<Item = T> + Send,
    work: impl Fn(T) + Sync,
) {
    let parts = Mutex::new(parts);
    share_if(products, || {
        loop {
            let next = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(part) = next else { break };
            work(part);
        }
    });
}

/// Runs `work` on this thread and on all others of its team at once, and comes back with the last of them. Without a
/// team it runs on this thread alone.
pub fn share(work: impl Fn() + Sync) {
    let Some(pool) = TEAM.with_borrow(Clone::clone).flatten() else {
        return work();
    };
    let helpers = pool.current_num_threads();
    let others = AtomicUsize::new(helpers);
    pool.in_place_scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|_| {
                let _done = Done(&others);
                work();
            });
        }
        // This thread is one of the team.
        work();
        // The last share is done in no time; to sleep until then would take longer.
        let mut idle = 0_u32;
        while others.load(Ordering::Relaxed) > 0 {
            idle = idle.saturating_add(1);
            wait(idle);
        }
    });
}

/// Counts a helper off, also one that panics: nobody waits for it then, and rayon carries the panic on.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Spins for some microseconds, then lets other programs have the core in between.
fn wait(rounds: u32) {
    const SPIN_ROUNDS: u32 = 1000;
    if rounds < SPIN_ROUNDS {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::{Crew, Team, share};
    use crate::nn::threads::{of_the_process, with_three};

    #[test]
    fn a_team_takes_libtorchs_threads_for_its_time_only() {
        with_three(|| {
            let crew = Crew::default();
            for _ in 0..2 {
                let team = Team::gather(&crew);
                assert!(Team::is_ready());
                assert_eq!(tch::get_num_threads(), 1);
                drop(team);
                assert!(!Team::is_ready());
                assert_eq!(tch::get_num_threads(), 3);
            }
        });
    }

    #[test]
    fn a_panic_while_an_answer_is_made_dismisses_the_team() {
        with_three(|| {
            let crew = Crew::default();
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let _team = Team::gather(&crew);
                share(|| panic!("on purpose"));
            }));
            assert!(panicked.is_err());
            assert!(!Team::is_ready());
            assert_eq!(tch::get_num_threads(), 3);
        });
    }

    #[test]
    fn work_is_shared_among_as_many_threads_as_libtorch_had() {
        with_three(|| {
            let crew = Crew::default();
            let calls = AtomicUsize::new(0);
            let once = || {
                calls.fetch_add(1, Ordering::Relaxed);
            };
            share(once);
            assert_eq!(calls.swap(0, Ordering::Relaxed), 1, "without a team");

            let _team = Team::gather(&crew);
            // Nobody passes before all three are there.
            let all = Barrier::new(3);
            share(|| {
                all.wait();
                once();
            });
            assert_eq!(calls.load(Ordering::Relaxed), 3);
        });
    }

    #[test]
    fn two_models_at_once_leave_each_other_their_threads() {
        // Given two models that answer at the same time, each on a thread of its own
        let process = of_the_process();
        let (both_answer, both_have) = (Barrier::new(2), Barrier::new(2));
        let answer = || {
            let crew = Crew::default();
            let team = Team::gather(&crew);
            both_answer.wait();
            let calls = AtomicUsize::new(0);
            share(|| {
                calls.fetch_add(1, Ordering::Relaxed);
            });
            let begun_meanwhile = of_the_process();
            both_have.wait();
            drop(team);
            (calls.into_inner(), begun_meanwhile, tch::get_num_threads())
        };
        let both = thread::scope(|scope| {
            let two = [(); 2].map(|()| scope.spawn(|| with_three(answer)));
            two.map(|one| one.join().unwrap())
        });

        // Then each has its three threads, has them again afterwards, and who begins meanwhile has the process's
        assert_eq!(both, [(3, process, 3); 2]);
        assert_eq!(of_the_process(), process);
    }
}
