//! When answers go out. ROS gives a caller's client ten places for answers, and everybody's answers of a service come to
//! every client of it: many at the same moment overwrite each other before they are read. So after the first few they
//! go out one after the other, and not while those who ask are still busy asking. A step that was measured waits
//! only where others wait already, so that callers who take turns are as fast as the estimator.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use r2r::{ServiceRequest, WrappedServiceTypeSupport};

use crate::error::{Result, poisoned};
use crate::outgoing::{Outgoing, respond};

/// Answers that go out at once after a while without any: fewer than a client has places for.
const AT_ONCE: u32 = 3;

/// The others follow so far from each other that a program in Python reads in time, which has to look at each answer
/// once for each of its clients.
const PERIOD_A_CLIENT: Duration = Duration::from_micros(400);
const SHORTEST_PERIOD: Duration = Duration::from_millis(3);
const LONGEST_PERIOD: Duration = Duration::from_millis(30);

/// More than these wait in a burst, in which nobody is answered until no request has come for `QUIET`: who sends
/// many requests reads no answer meanwhile.
const FEW: usize = 4;
const QUIET: Duration = Duration::from_millis(10);

/// But no answer waits for longer than this because others ask.
const PATIENCE: Duration = Duration::from_millis(60);

/// More may not wait: the oldest go out as they are, so that memory stays bounded.
const MOST: usize = 1000;

/// How an answer may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hurry {
    /// It was work: it goes before others.
    Measured,
    /// It cost nothing.
    None,
}

type Send = Box<dyn FnOnce() + std::marker::Send>;

/// The answers of all services, by whichever thread they are made.
#[derive(Default)]
pub(crate) struct Answers {
    queue: Mutex<Queue<Send>>,
}

impl Answers {
    /// Answer a request, at once or soon.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn give<S>(
        &self,
        hurry: Hurry,
        request: ServiceRequest<S>,
        response: S::Response,
        what: &'static str,
    ) -> Result<()>
    where
        S: WrappedServiceTypeSupport + 'static,
        S::Response: Outgoing + std::marker::Send,
    {
        let send = Box::new(move || respond(request, response, what));
        let now = Instant::now();
        let at_once = self.queue()?.put(hurry, send, now);
        if let Some(send) = at_once {
            send();
        }
        Ok(())
    }

    /// A request has come in.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn note_request(&self) -> Result<()> {
        self.queue()?.last_request = Some(Instant::now());
        Ok(())
    }

    /// So many clients have the service that has most.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn set_clients(&self, clients: usize) -> Result<()> {
        let clients = u32::try_from(clients).unwrap_or(u32::MAX);
        let period = PERIOD_A_CLIENT.saturating_mul(clients);
        self.queue()?.period = period.clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        Ok(())
    }

    /// Send the answers whose time has come; whether any wait.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn send_due(&self) -> Result<bool> {
        loop {
            let mut queue = self.queue()?;
            let Some(send) = queue.take_due(Instant::now()) else {
                return Ok(queue.len() > 0);
            };
            drop(queue);
            send();
        }
    }

    /// Send all that wait: the node ends.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn send_all(&self) -> Result<()> {
        // Out of the lock: an answer that fails is told to the log.
        let queue = std::mem::take(&mut *self.queue()?);
        let all = queue.measured.into_iter().chain(queue.others);
        all.for_each(|one| (one.answer)());
        Ok(())
    }

    fn queue(&self) -> Result<std::sync::MutexGuard<'_, Queue<Send>>> {
        self.queue.lock().map_err(|_| poisoned("answers"))
    }
}

struct Waiting<A> {
    answer: A,
    since: Instant,
}

/// The answers that wait, and when the next may go.
struct Queue<A> {
    measured: VecDeque<Waiting<A>>,
    others: VecDeque<Waiting<A>>,
    last_request: Option<Instant>,
    /// From one answer of a burst to the next.
    period: Duration,
    /// From this moment on, `AT_ONCE` answers may go out together.
    free_at: Option<Instant>,
}

impl<A> Default for Queue<A> {
    fn default() -> Self {
        Self {
            measured: VecDeque::new(),
            others: VecDeque::new(),
            last_request: None,
            period: SHORTEST_PERIOD,
            free_at: None,
        }
    }
}

impl<A> Queue<A> {
    fn len(&self) -> usize {
        self.measured.len() + self.others.len()
    }

    /// Give the answer back if it may go out at once; else it waits.
    fn put(&mut self, hurry: Hurry, answer: A, now: Instant) -> Option<A> {
        if self.len() == 0 && (hurry == Hurry::Measured || self.may_send(now)) {
            self.note_sent(now);
            return Some(answer);
        }
        let waiting = Waiting { answer, since: now };
        match hurry {
            Hurry::Measured => self.measured.push_back(waiting),
            Hurry::None => self.others.push_back(waiting),
        }
        None
    }

    /// The next answer, if its time has come.
    fn take_due(&mut self, now: Instant) -> Option<A> {
        let too_many = self.len() > MOST;
        if !too_many && (self.asking_goes_on(now) || !self.may_send(now)) {
            return None;
        }
        let next = (self.measured.pop_front()).or_else(|| self.others.pop_front())?;
        self.note_sent(now);
        Some(next.answer)
    }

    fn asking_goes_on(&self, now: Instant) -> bool {
        let asked = (self.last_request).is_some_and(|last| now.duration_since(last) < QUIET);
        let oldest = [&self.measured, &self.others].map(|some| some.front().map(|one| one.since));
        let waits = (oldest.into_iter().flatten().min())
            .is_some_and(|oldest| now.duration_since(oldest) >= PATIENCE);
        self.len() > FEW && asked && !waits
    }

    fn may_send(&self, now: Instant) -> bool {
        // Of the periods that all of `AT_ONCE` take, one must be left.
        (self.free_at).is_none_or(|free_at| free_at <= now + self.period * (AT_ONCE - 1))
    }

    fn note_sent(&mut self, now: Instant) {
        let begin = self.free_at.map_or(now, |free_at| free_at.max(now));
        // Measured ones are not held back, and do not hold others back for longer than that.
        let latest = now + self.period * AT_ONCE;
        self.free_at = Some((begin + self.period).min(latest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time in milliseconds, with answers that are numbers.
    struct Desk {
        begun: Instant,
        queue: Queue<u32>,
        sent: Vec<(u64, u32)>,
    }

    impl Desk {
        fn new() -> Self {
            Self {
                begun: Instant::now(),
                queue: Queue::default(),
                sent: Vec::new(),
            }
        }

        fn at(&self, millis: u64) -> Instant {
            self.begun + Duration::from_millis(millis)
        }

        fn asks(&mut self, millis: u64, hurry: Hurry, number: u32) {
            let now = self.at(millis);
            self.queue.last_request = Some(now);
            let at_once = self.queue.put(hurry, number, now);
            self.sent.extend(at_once.map(|number| (millis, number)));
        }

        fn passes(&mut self, millis: u64) {
            while let Some(number) = self.queue.take_due(self.at(millis)) {
                self.sent.push((millis, number));
            }
        }

        fn numbers(&self) -> Vec<u32> {
            self.sent.iter().map(|(_, number)| *number).collect()
        }
    }

    #[test]
    fn a_burst_is_answered_piece_by_piece_once_it_is_over() {
        // given two hundred requests within 20 ms
        let mut desk = Desk::new();
        (0..200).for_each(|number| {
            let millis = u64::from(number) / 10;
            desk.asks(millis, Hurry::None, number);
            desk.passes(millis);
        });
        // then some are answered at once: fewer than a client has places for
        assert!(desk.sent.len() < 10, "{:?}", desk.sent);
        // and all in two seconds, in their order, never ten faster than they are read
        (20..2000).for_each(|millis| desk.passes(millis));
        assert_eq!(desk.numbers(), (0..200).collect::<Vec<_>>());
        let slow = |pair: &[(u64, u32)]| pair[9].0 - pair[0].0 >= 10;
        let after = desk.sent.iter().position(|(at, _)| *at > 20).unwrap();
        assert!(desk.sent[after..].windows(10).all(slow));
    }

    #[test]
    fn the_more_clients_there_are_the_slower_a_burst_is_answered() {
        let answers = Answers::default();
        let period_of = |clients| {
            answers.set_clients(clients).unwrap();
            answers.queue().unwrap().period
        };
        assert_eq!(period_of(1), SHORTEST_PERIOD);
        assert_eq!(period_of(64), 64 * PERIOD_A_CLIENT);
        assert_eq!(period_of(usize::MAX), LONGEST_PERIOD);
    }

    #[test]
    fn callers_who_take_turns_are_answered_at_once() {
        let mut desk = Desk::new();
        (0..500).for_each(|number| desk.asks(u64::from(number) * 2, Hurry::Measured, number));
        assert_eq!(desk.numbers().len(), 500);
        // One who asks for parameters now and then is, too.
        (0..10).for_each(|number| desk.asks(2000 + 20 * u64::from(number), Hurry::None, number));
        assert_eq!(desk.numbers().len(), 510);
    }

    #[test]
    fn what_was_measured_goes_before_refusals() {
        let mut desk = Desk::new();
        (0..20).for_each(|number| desk.asks(0, Hurry::None, number));
        desk.asks(0, Hurry::Measured, 100);
        (1..300).for_each(|millis| desk.passes(millis));
        let numbers = desk.numbers();
        assert_eq!(numbers.len(), 21);
        assert_eq!(numbers[usize::try_from(AT_ONCE).unwrap()], 100);
    }

    #[test]
    fn those_who_never_stop_asking_are_answered_all_the_same() {
        let mut desk = Desk::new();
        (0..2000).for_each(|number| {
            desk.asks(u64::from(number), Hurry::None, number);
            desk.passes(u64::from(number));
        });
        assert!(desk.sent.len() > 200, "{}", desk.sent.len());
        assert!(desk.queue.len() <= MOST + 1);
    }
}
