//! Measures the frames of a bag that is held open, on several threads, and only those whose boxes changed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::pictures::HeldPictures;
use spatial_reward_core::estimator::Order;
use spatial_reward_core::pipeline::measure::{Measured, Measurer, Task};
use spatial_reward_core::pipeline::{FrameInfo, MatchedFrame, Ordinal};

/// How far the work on a curve is.
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) done: AtomicUsize,
    pub(super) all: AtomicUsize,
}

impl Progress {
    /// Pieces of work that are done, of how many.
    pub fn get(&self) -> (usize, usize) {
        let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (of(&self.done), of(&self.all))
    }
}

/// Measures the frames of an open bag.
pub(super) struct Measuring<'a> {
    pub measurer: &'a Measurer<'a>,
    pub pictures: &'a HeldPictures,
    pub frames: &'a [MatchedFrame<Ordinal>],
    pub threads: usize,
    pub stop: &'a AtomicBool,
    pub progress: &'a Progress,
}

impl Measuring<'_> {
    /// Measure the frames whose boxes changed; all of them, in their order, where the estimator remembers. `false` if it
    /// was stopped.
    pub(super) fn measure(
        &self,
        placed: &[FrameInfo],
        measured: &mut [Option<(FrameInfo, Measured)>],
    ) -> bool {
        let batch = self.measurer.estimator.batch().max(1);
        let in_order = batch > 1 || self.measurer.estimator.order() == Order::Recorded;
        let changed = |(index, info): &(usize, &FrameInfo)| {
            let before = measured.get(*index).and_then(Option::as_ref);
            before.is_none_or(|(before, _)| before != *info)
        };
        let mut due: Vec<usize> = (placed.iter().enumerate())
            .filter(changed)
            .map(|(index, _)| index)
            .collect();
        if in_order && !due.is_empty() {
            due = (0..placed.len()).collect();
        }
        self.progress.all.fetch_add(due.len(), Ordering::Relaxed);
        let pieces: Vec<&[usize]> = due.chunks(batch).collect();
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(due.len()));
        let work = || {
            while !self.stop.load(Ordering::Relaxed)
                && let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed))
            {
                let tasks = piece.iter().filter_map(|index| {
                    let (frame, info) = (self.frames.get(*index)?, placed.get(*index)?);
                    let frame = self.pictures.with_payload(frame, info.clone());
                    Some(Task {
                        frame,
                        look: None,
                        keep_color: false,
                    })
                });
                let results = self.measurer.measure(tasks.collect());
                self.progress.done.fetch_add(piece.len(), Ordering::Relaxed);
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                done.extend(piece.iter().copied().zip(results));
            }
        };
        let threads = if in_order { 1 } else { self.threads.max(1) };
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (index, result) in done {
            if let (Some(place), Some(info)) = (measured.get_mut(index), placed.get(index)) {
                *place = Some((info.clone(), result));
            }
        }
        !self.stop.load(Ordering::Relaxed)
    }
}
