//! The gradient of a batch, shared out: on a processor one thread a core takes a part of the frames through
//! the network and back, each alone. That is faster than all cores together on each of a small network's
//! thousands of operations, between which they would wait for each other; the more so on a busy machine.

use std::thread;

use crossbeam::channel::{self, Receiver, Sender};
use tch::Tensor;

use super::example::Example;
use super::geometry::{COUNT, Heads};
use super::loss::losses;
use super::parameters::Parameters;
use crate::error::{Error, Result};
use crate::nn::threads::SingleThread;
use crate::nn::torch::{TchResult, torch_error};
use spatial_reward_core::error::panic_words;

/// What came of a batch.
pub(super) struct Learned {
    /// Of the loss by all trained numbers.
    pub gradient: Tensor,
    /// Mean cross entropy of the answers' tokens, nats.
    pub answers: f64,
    /// Mean error of each head; NaN for one that was asked nothing.
    pub heads: [f64; COUNT],
    /// The mean of those that were; 0 where none was.
    pub geometry: f64,
    /// Of the batch.
    pub frames: usize,
}

/// Threads that wait for frames.
pub(super) struct Workers {
    doors: Vec<Door>,
}

/// Where a thread takes its frames, and where it leaves what it learned.
type Door = (Sender<Vec<Example>>, Receiver<Result<Learned>>);

/// Runs `work` beside one thread a replica of the parameters. Each sees them as they are when it is given
/// frames.
///
/// # Errors
/// What `work` returns, or `Error::Panicked`.
pub(super) fn with_workers<T>(
    replicas: Vec<Parameters>,
    geometry_weight: f64,
    work: impl FnOnce(&Workers) -> Result<T>,
) -> Result<T> {
    let count = replicas.len();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        let doors = replicas.into_iter().map(|mut replica| {
            let (frames, to_do) = channel::bounded::<Vec<Example>>(1);
            let (done, results) = channel::bounded(1);
            threads.push(scope.spawn(move || {
                let _single = (count > 1).then(SingleThread::enter);
                while let Ok(examples) = to_do.recv() {
                    if done
                        .send(learn(&mut replica, &examples, geometry_weight))
                        .is_err()
                    {
                        return;
                    }
                }
            }));
            (frames, results)
        });
        let workers = Workers {
            doors: doors.collect(),
        };
        let done = work(&workers);
        drop(workers);
        let panicked = threads
            .into_iter()
            .filter_map(|thread| thread.join().err())
            .next();
        match panicked {
            Some(panic) => Err(Error::panicked("the training", panic_words(panic.as_ref()))),
            None => done,
        }
    })
}

impl Workers {
    /// The loss and gradient of a batch, each frame weighing the same.
    ///
    /// # Errors
    /// libtorch's, of which memory is the one to expect.
    pub(super) fn learn(&self, mut examples: Vec<Example>) -> Result<Learned> {
        let share = examples.len().div_ceil(self.doors.len().max(1)).max(1);
        let mut asked = Vec::new();
        for (frames, results) in &self.doors {
            if examples.is_empty() {
                break;
            }
            let rest = examples.split_off(share.min(examples.len()));
            // A worker that is gone has panicked; its door tells so below.
            let _ = frames.send(std::mem::replace(&mut examples, rest));
            asked.push(results);
        }
        let gone = || Error::panicked("the training", "one of its workers is gone");
        let parts = asked
            .into_iter()
            .map(|results| results.recv().map_err(|_| gone())?);
        let parts: Vec<Learned> = parts.collect::<Result<_>>()?;
        mean(parts).map_err(torch_error("join the gradients"))
    }
}

/// The mean of parts of a batch, weighed by their frames.
fn mean(parts: Vec<Learned>) -> TchResult<Learned> {
    let frames = parts.iter().map(|part| part.frames).sum::<usize>();
    let weight = |part: &Learned| part.frames as f64 / frames.max(1) as f64;
    let sum =
        |value: fn(&Learned) -> f64| parts.iter().map(|part| weight(part) * value(part)).sum();
    let gradients: Vec<Tensor> = parts
        .iter()
        .map(|part| part.gradient.f_mul_scalar(weight(part)))
        .collect::<TchResult<_>>()?;
    let (answers, geometry) = (sum(|part| part.answers), sum(|part| part.geometry));
    let mut heads = [0.0; COUNT];
    for part in &parts {
        for (sum, head) in heads.iter_mut().zip(part.heads) {
            *sum += weight(part) * head;
        }
    }
    let mut gradients = gradients.into_iter();
    let mut gradient = match gradients.next() {
        Some(first) => first,
        None => Tensor::f_zeros([0], (tch::Kind::Float, tch::Device::Cpu))?,
    };
    for other in gradients {
        let _ = gradient.f_add_(&other)?;
    }
    Ok(Learned {
        gradient,
        answers,
        heads,
        geometry,
        frames,
    })
}

fn learn(
    parameters: &mut Parameters,
    examples: &[Example],
    geometry_weight: f64,
) -> Result<Learned> {
    let network = parameters.network()?;
    let heads = Heads::of(parameters)?;
    let losses = losses(&network, &heads, examples)?;
    let mut learned = || -> TchResult<Learned> {
        let mut loss = losses.answers.shallow_clone();
        let asked = losses.geometry.iter().flatten().count().max(1) as f64;
        let mut heads = [f64::NAN; COUNT];
        for (head, value) in losses.geometry.iter().zip(&mut heads) {
            if let Some(head) = head {
                *value = f64::try_from(head)?;
                loss = loss.f_add(&head.f_mul_scalar(geometry_weight / asked)?)?;
            }
        }
        loss.f_backward()?;
        Ok(Learned {
            gradient: parameters.take_gradient()?,
            answers: f64::try_from(&losses.answers)?,
            geometry: heads.iter().filter(|head| head.is_finite()).sum::<f64>() / asked,
            heads,
            frames: examples.len(),
        })
    };
    learned().map_err(torch_error("learn from a batch"))
}
