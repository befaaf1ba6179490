//! The model's desk: takes what waits in the queue, as much together as the model likes, and answers. On one thread, for a model
//! need not be one that moves between threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use hyper::StatusCode;

use crate::job::Job;
use crate::refusal::Refusal;
use crate::shared::Shared;
use crate::{Answerer, Unanswered};
use spatial_reward_core::error::panic_words;

/// How often the end is looked for while nothing is asked.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Answers until `stop` is set, or nobody can ask any more.
pub(crate) fn work(
    answerer: &mut dyn Answerer,
    jobs: &Receiver<Job>,
    shared: &Shared,
    stop: &AtomicBool,
) {
    let most = answerer.batch().max(1);
    while !stop.load(Ordering::Relaxed) {
        let first = match jobs.recv_timeout(LOOK_UP) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut together = Vec::with_capacity(most);
        let mut next = Some(first);
        while let Some(job) = next {
            match job.reply.is_closed() {
                true => shared.metrics.abandon(),
                false => together.push(job),
            }
            next = match together.len() < most {
                true => jobs.try_recv().ok(),
                false => None,
            };
        }
        if !together.is_empty() {
            answer(answerer, together, shared);
        }
    }
}

fn answer(answerer: &mut dyn Answerer, jobs: Vec<Job>, shared: &Shared) {
    let begin = Instant::now();
    let (mut asked, mut clients) = (Vec::new(), Vec::new());
    for job in jobs {
        shared.metrics.wait(begin - job.since);
        asked.push(job.asked);
        clients.push((job.reply, job.held));
    }
    let answered = catch_unwind(AssertUnwindSafe(|| answerer.answer(&asked)));
    shared
        .metrics
        .answered_together(asked.len(), begin.elapsed());
    // The pictures go before their share of the memory does.
    drop(asked);
    let mut replies = answered
        .unwrap_or_else(|panic| {
            let words = format!("a bug of this program: {}", panic_words(&*panic));
            tracing::error!("the model's answer is missing by {words}. Please report it");
            clients
                .iter()
                .map(|_| Err(Unanswered::Failed(words.clone())))
                .collect()
        })
        .into_iter();
    for (client, held) in clients {
        let reply = replies
            .next()
            .unwrap_or_else(|| Err(Unanswered::Failed("the model gave no answer".to_owned())));
        if let Ok(reply) = &reply {
            shared
                .metrics
                .answer(reply.prompt_tokens, reply.answer_tokens);
        }
        drop(held);
        // Nobody may be waiting any more.
        let _ = client.send(reply.map_err(refusal));
    }
}

fn refusal(unanswered: Unanswered) -> Refusal {
    match unanswered {
        Unanswered::Refused(words) => {
            Refusal::new(StatusCode::BAD_REQUEST, words).code("invalid_question")
        }
        Unanswered::Failed(words) => {
            tracing::error!("a question has no answer: {words}");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, words).code("model_failed")
        }
    }
}
