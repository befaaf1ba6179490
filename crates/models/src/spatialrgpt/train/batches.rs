//! Batches in a fixed order, made ahead of time: while the network learns from one, the next is decoded.
//! Which rows a step sees follows from the seed and the step alone, so a training that goes on after an
//! interruption sees what it would have seen.

use std::thread;

use crossbeam::channel::{self, Receiver};
use rayon::ThreadPool;
use rayon::prelude::*;

use super::example::{Example, OracleRegions};
use super::maker::Maker;
use super::rows::TrainingRow;
use crate::error::{Error, Result};
use spatial_reward_core::error::panic_words;
use spatial_reward_core::random::Random;

/// Batches that wait for the network.
const AHEAD: usize = 2;

/// What the steps of a run see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    /// Rows of the dataset.
    pub rows: usize,
    /// Rows of a step.
    pub batch: usize,
    /// What the order follows from.
    pub seed: u64,
    /// So many steps come first in which language model and vision half learn separately, the one from oracle regions.
    pub separate_warmup_steps: u64,
    /// From this step on there are no oracle regions any more.
    pub oracle_until: u64,
}

impl Order {
    /// The rows of a step, each with a seed for what is chosen within it. Every row comes once before any
    /// comes again.
    fn of(&self, step: u64) -> Vec<(usize, u64)> {
        let first = step * self.batch as u64;
        let mut epoch = None;
        (first..first + self.batch as u64)
            .map(|index| {
                let (number, at) = (index / self.rows as u64, index % self.rows as u64);
                if epoch.as_ref().is_none_or(|(known, _)| *known != number) {
                    epoch = Some((number, self.shuffled(number)));
                }
                let row = epoch.as_ref().map_or(0, |(_, rows)| rows[at as usize]);
                (row, Random(self.seed ^ index.rotate_left(20)).next_u64())
            })
            .collect()
    }

    fn oracle(&self, step: u64) -> OracleRegions {
        match step {
            step if step < self.separate_warmup_steps => OracleRegions::Always,
            step if step < self.oracle_until => OracleRegions::Sometimes,
            _ => OracleRegions::Never,
        }
    }

    fn shuffled(&self, epoch: u64) -> Vec<usize> {
        let mut random = Random(self.seed.wrapping_add(epoch.wrapping_mul(0x5851_F42D)));
        let mut rows: Vec<usize> = (0..self.rows).collect();
        random.shuffle(&mut rows);
        rows
    }
}

/// Runs `work` with the batches of `steps`, which `pool` makes meanwhile. A row whose pictures
/// cannot be read is named and left out of its batch; a batch of which nothing is left is skipped.
///
/// # Errors
/// What `work` returns, or `Error::Panicked`.
pub(super) fn with_batches<T>(
    maker: &Maker,
    rows: &[TrainingRow],
    order: &Order,
    steps: std::ops::Range<u64>,
    pool: &ThreadPool,
    work: impl FnOnce(&Receiver<(u64, Vec<Example>)>) -> Result<T>,
) -> Result<T> {
    thread::scope(|scope| {
        let (sender, receiver) = channel::bounded(AHEAD);
        let decoder = scope.spawn(move || {
            for step in steps {
                let example = |(row, seed)| {
                    let row: &TrainingRow = rows.get(row)?;
                    let example = maker.example(row, order.oracle(step), &mut Random(seed));
                    let why = |error| tracing::warn!("{} is left out: {error}", row.place);
                    example.map_err(why).ok().flatten()
                };
                let examples: Vec<Example> =
                    pool.install(|| order.of(step).into_par_iter().filter_map(example).collect());
                // The network has stopped: nobody waits for more.
                if sender.send((step, examples)).is_err() {
                    return;
                }
            }
        });
        let done = work(&receiver);
        drop(receiver);
        match decoder.join() {
            Ok(()) => done,
            Err(panic) => Err(Error::panicked("the training", panic_words(panic.as_ref()))),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Order;

    #[test]
    fn every_row_comes_once_in_an_epoch() {
        let order = Order {
            rows: 12,
            batch: 4,
            seed: 7,
            separate_warmup_steps: 0,
            oracle_until: 0,
        };
        let first: Vec<usize> = (0..3)
            .flat_map(|step| order.of(step))
            .map(|(row, _)| row)
            .collect();
        let second: Vec<usize> = (3..6)
            .flat_map(|step| order.of(step))
            .map(|(row, _)| row)
            .collect();
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 12);
        assert_eq!(second.iter().collect::<BTreeSet<_>>().len(), 12);
        assert_ne!(first, second);
    }

    #[test]
    fn a_step_sees_the_same_rows_each_time() {
        let order = Order {
            rows: 100,
            batch: 8,
            seed: 1,
            separate_warmup_steps: 3,
            oracle_until: 5,
        };
        assert_eq!(order.of(41), order.of(41));
        assert_ne!(order.of(41), Order { seed: 2, ..order }.of(41));
    }
}
