//! Asking: several requests at a time, five tries a pair, patience with an endpoint that is busy, and an end where it is away.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::cache::{Cache, Kept};
use super::counts::Rephrased;
use super::endpoint::{Heard, Rephrase, Said, Trouble, heard};
use super::pair::Pair;
use super::prompt;
use super::refusal::Refusal;
use super::wording::checked;
use crate::error::{EndpointTrouble, Error, Result};

/// The original's.
const TRIES: u32 = 5;
/// A busy endpoint is waited for so often a pair; after that it is a try that failed.
const MOST_WAITS: u32 = 10;
/// However long it asks for.
const LONGEST_WAIT_S: f64 = 60.0;
/// Where it says nothing, twice as long each time, up to this.
const LONGEST_OWN_WAIT_S: f64 = 30.0;
/// After an error, twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A server that is started again is back by then.
const RECONNECT: Duration = Duration::from_secs(1);
/// After so many requests in a row without an answer it is asked what anything that works answers.
const MOST_UNANSWERED: u32 = 10;
/// How soon a wait notices that it is to end.
const GLANCE: Duration = Duration::from_millis(20);

/// What the threads write.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) cache: Cache,
    pub(super) counts: Rephrased,
}

/// Something to be asked about.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) key: String,
    pub(super) pair: Pair,
}

/// One run's asking.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    rephrase: Rephrase<'a>,
    target: &'a Path,
    stop: &'a AtomicBool,
    shared: Mutex<Shared>,
    unanswered: AtomicU32,
    /// A thread has met the end of it.
    ended: AtomicBool,
}

/// What came of a try.
enum Try {
    Said(Said),
    Failed(Refusal),
}

/// What is left of it for one pair.
#[derive(Default)]
struct Patience {
    waits: u32,
    has_reconnected: bool,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        rephrase: Rephrase<'a>,
        target: &'a Path,
        stop: &'a AtomicBool,
        cache: Cache,
    ) -> Self {
        let counts = Rephrased {
            model: rephrase.model.to_owned(),
            ..Rephrased::default()
        };
        Self {
            rephrase,
            target,
            stop,
            shared: Mutex::new(Shared { cache, counts }),
            unanswered: AtomicU32::new(0),
            ended: AtomicBool::new(false),
        }
    }

    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn model(&self) -> &'a str {
        self.rephrase.model
    }

    /// Ask about all of these and keep what is said.
    ///
    /// # Errors
    /// `Error::Endpoint` where asking on makes no sense, `Error::Paused` on a stop, `Error::Core` for a file that cannot be
    /// written. What was said until then is kept.
    pub(super) fn ask(&self, wanted: &[Wanted]) -> Result<()> {
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let work = || {
            while let Some(wanted) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                let asked = self.ask_one(wanted);
                if let Err(error) = asked {
                    // The first is told: others only notice that it is over.
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failed.get_or_insert(error);
                    self.ended.store(true, Ordering::Relaxed);
                    return;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.rephrase.requests.max(1).min(wanted.len()) {
                scope.spawn(work);
            }
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), Err)
    }

    fn ask_one(&self, wanted: &Wanted) -> Result<()> {
        let (mut kept, mut has_spoken) = (Kept::default(), false);
        let (mut patience, mut refused) = (Patience::default(), None);
        for attempt in 0..TRIES {
            let body = prompt::request(self.rephrase.model, &wanted.pair, refused);
            let refusal = match self.exchange(&body, &mut patience)? {
                Try::Failed(refusal) => {
                    if attempt + 1 < TRIES {
                        self.pause(FIRST_PAUSE * 2_u32.pow(attempt))?;
                    }
                    refusal
                }
                Try::Said(said) => {
                    has_spoken = true;
                    kept.prompt_tokens += said.prompt_tokens;
                    kept.completion_tokens += said.completion_tokens;
                    match checked(&wanted.pair, &said.words) {
                        Ok(worded) => {
                            kept.worded = Some(worded);
                            return self.shared().cache.keep(&wanted.key, kept);
                        }
                        Err(refusal) => refusal,
                    }
                }
            };
            self.shared().counts.refuse(refusal);
            refused = Some(refusal);
        }
        // What failed without a word may succeed another time.
        if has_spoken {
            kept.refused = refused.map(|refusal| refusal.name().to_owned());
            self.shared().cache.keep(&wanted.key, kept)?;
        }
        Ok(())
    }

    /// One request, sent again where the endpoint is busy.
    fn exchange(&self, body: &str, patience: &mut Patience) -> Result<Try> {
        loop {
            self.go_on()?;
            match self.post(body) {
                Err(Trouble::Unreachable(_)) if !patience.has_reconnected => {
                    patience.has_reconnected = true;
                    self.pause(RECONNECT)?;
                }
                Err(Trouble::Unreachable(why)) => {
                    return Err(self.error(EndpointTrouble::Away, why));
                }
                Err(Trouble::Silent(why)) => return self.unanswered(Refusal::Silence, why),
                Ok(Heard::Said(said)) => {
                    self.unanswered.store(0, Ordering::Relaxed);
                    return Ok(Try::Said(said));
                }
                Ok(Heard::Later { after_s, .. }) if patience.waits < MOST_WAITS => {
                    let own = f64::from(2_u32.pow(patience.waits)).min(LONGEST_OWN_WAIT_S);
                    patience.waits += 1;
                    self.shared().counts.waits += 1;
                    let wait_s = after_s.unwrap_or(own).min(LONGEST_WAIT_S);
                    self.pause(Duration::from_secs_f64(wait_s))?;
                }
                Ok(Heard::Later { why, .. } | Heard::Failed(why)) => {
                    return self.unanswered(Refusal::Status, why);
                }
                Ok(Heard::Forbidden(why)) => return Err(self.error(EndpointTrouble::Key, why)),
                Ok(Heard::NotThere(why)) => return Err(self.error(EndpointTrouble::Name, why)),
            }
        }
    }

    fn post(&self, body: &str) -> std::result::Result<Heard, Trouble> {
        self.shared().counts.requests += 1;
        let heard = heard(&self.rephrase.chat.post(body)?);
        if let Heard::Said(said) = &heard {
            let counts = &mut self.shared().counts;
            counts.prompt_tokens += said.prompt_tokens;
            counts.completion_tokens += said.completion_tokens;
        }
        Ok(heard)
    }

    /// A try without an answer: one pair's trouble, or the endpoint's. The latter answers nothing else either.
    fn unanswered(&self, refusal: Refusal, why: String) -> Result<Try> {
        let in_a_row = self.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        if in_a_row >= MOST_UNANSWERED {
            match self.post(&prompt::greeting(self.rephrase.model)) {
                Ok(Heard::Said(_)) => self.unanswered.store(0, Ordering::Relaxed),
                _ => return Err(self.error(EndpointTrouble::Away, why)),
            }
        }
        Ok(Try::Failed(refusal))
    }

    fn error(&self, trouble: EndpointTrouble, why: String) -> Error {
        Error::Endpoint {
            url: self.rephrase.url.to_owned(),
            why,
            trouble,
        }
    }

    fn go_on(&self) -> Result<()> {
        let is_over = self.stop.load(Ordering::Relaxed) || self.ended.load(Ordering::Relaxed);
        match is_over {
            true => Err(Error::Paused {
                path: self.target.into(),
            }),
            false => Ok(()),
        }
    }

    fn pause(&self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        while let Some(left) = time
            .checked_sub(begun.elapsed())
            .filter(|left| !left.is_zero())
        {
            self.go_on()?;
            thread::sleep(left.min(GLANCE));
        }
        self.go_on()
    }
}
