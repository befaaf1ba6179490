//! Measures frames on several threads and gives the results back in the order in which the frames
//! were submitted. The number of frames in flight is bounded, so memory does not grow with the bag.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Scope;
use std::time::Instant;

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use crate::error::{Error, Result};
use crate::measure::{self, Measured, Measurer};
use crate::pipeline::MatchedFrame;
use crate::report::film_strip::{StripFrame, StripPlan};

/// Frames in flight for each worker: one at work, and enough waiting that none idles.
const FRAMES_PER_WORKER: u64 = 3;

/// The workers, seen from the thread that submits frames and takes results.
pub struct Workers {
    /// Dropping it ends the threads.
    tasks: Sender<Task>,
    /// The frames of the next task.
    waiting: Vec<Waiting>,
    /// Frames that a task has, but for the last one.
    batch: usize,
    results: Receiver<Answer>,
    /// Finished, but not yet their turn.
    early: BTreeMap<u64, Finished>,
    submitted: u64,
    delivered: u64,
    max_in_flight: u64,
}

/// A measured frame without its pixels, and the picture for the report's film strip, if this frame may
/// be on it.
#[derive(Debug)]
pub struct Finished {
    pub measured: Measured,
    pub strip: Option<StripFrame>,
}

/// Frames that are measured together.
struct Task {
    frames: Vec<Waiting>,
}

struct Waiting {
    index: u64,
    frame: MatchedFrame,
    complete: Instant,
}

struct Answer {
    /// Of the first frame; the others follow.
    index: u64,
    finished: Result<Vec<Finished>>,
}

impl Workers {
    /// Start `count` threads in the scope; they end when the `Workers` are dropped.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        count: usize,
        measurer: &'env Measurer<'env>,
        strip: StripPlan,
    ) -> Self {
        let batch = measurer.estimator.batch().max(1);
        // Frames of a batch stay in order only on one thread.
        let count = if batch > 1 { 1 } else { count.max(1) };
        let max_in_flight = FRAMES_PER_WORKER * (count * batch) as u64;
        // Neither channel ever blocks: `submit` keeps the number in flight below their capacity.
        let (tasks, inbox) = bounded::<Task>(FRAMES_PER_WORKER as usize * count);
        let (outbox, results) = unbounded();
        for _ in 0..count {
            let (inbox, outbox) = (inbox.clone(), outbox.clone());
            scope.spawn(move || {
                for task in inbox {
                    if outbox.send(work(measurer, strip, task)).is_err() {
                        break;
                    }
                }
            });
        }
        Self {
            tasks,
            waiting: Vec::with_capacity(batch),
            batch,
            results,
            early: BTreeMap::new(),
            submitted: 0,
            delivered: 0,
            max_in_flight,
        }
    }

    /// Hand over the frame of the next step. Waits while too many are in flight: the caller takes
    /// what is finished with `sink`, in order.
    pub fn submit(
        &mut self,
        frame: MatchedFrame,
        sink: &mut dyn FnMut(Finished) -> Result<()>,
    ) -> Result<()> {
        self.waiting.push(Waiting {
            index: self.submitted + self.waiting.len() as u64,
            frame,
            complete: Instant::now(),
        });
        if self.waiting.len() < self.batch {
            return Ok(());
        }
        self.send()?;
        self.deliver(self.max_in_flight - self.batch as u64, sink)
    }

    fn send(&mut self) -> Result<()> {
        let frames = std::mem::take(&mut self.waiting);
        self.submitted += frames.len() as u64;
        self.tasks.send(Task { frames }).map_err(|_| no_worker())
    }

    /// Wait for everything that was submitted.
    pub fn finish(mut self, sink: &mut dyn FnMut(Finished) -> Result<()>) -> Result<()> {
        if !self.waiting.is_empty() {
            self.send()?;
        }
        self.deliver(0, sink)
    }

    /// Give results to the sink, in order, until no more than so many frames are in flight.
    fn deliver(
        &mut self,
        in_flight: u64,
        sink: &mut dyn FnMut(Finished) -> Result<()>,
    ) -> Result<()> {
        loop {
            while let Some(finished) = self.early.remove(&self.delivered) {
                self.delivered += 1;
                sink(finished)?;
            }
            let answer = if self.submitted - self.delivered > in_flight {
                self.results.recv().map_err(|_| no_worker())?
            } else if let Ok(answer) = self.results.try_recv() {
                answer
            } else {
                return Ok(());
            };
            self.early.extend((answer.index..).zip(answer.finished?));
        }
    }
}

/// A panic stays inside: it becomes an answer, so nobody waits for a frame that never comes.
fn work(measurer: &Measurer<'_>, strip: StripPlan, task: Task) -> Answer {
    let first = task.frames.first();
    let (index, stamp_nanos) = first.map_or((0, 0), |w| (w.index, w.frame.info.stamp_nanos));
    let complete: Vec<Instant> = task.frames.iter().map(|waiting| waiting.complete).collect();
    let tasks = (task.frames.into_iter())
        .map(|waiting| measure::Task {
            frame: waiting.frame,
            keep_color: strip.wants(waiting.index),
        })
        .collect();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let measured = measurer.measure(tasks).into_iter();
        measured
            .zip(complete)
            .zip(index..)
            .map(|((measured, complete), index)| finish(measured, complete, strip, index))
            .collect()
    }));
    Answer {
        index,
        finished: result.map_err(|panic| Error::panicked(stamp_nanos, panic.as_ref())),
    }
}

fn finish(mut measured: Measured, complete: Instant, strip: StripPlan, index: u64) -> Finished {
    let color = measured.color.take();
    let pixels = color.as_ref().and_then(|color| color.pixels().ok());
    let strip = pixels.and_then(|pixels| strip.shrink(index, pixels));
    measured.latency.total_s = complete.elapsed().as_secs_f64();
    Finished { measured, strip }
}

fn no_worker() -> Error {
    Error::Panicked {
        stamp_nanos: 0,
        message: "the worker threads are gone".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::estimator::Estimator;
    use crate::frame::{BoundingBox, Frame, Measurement, Reason, Regions};
    use crate::messages::Decoder;
    use crate::pipeline::FrameInfo;

    /// Slow with even stamps, so that later frames overtake; panics at one stamp.
    struct Unruly {
        panics_at: i64,
    }

    impl Estimator for Unruly {
        fn name(&self) -> &'static str {
            "unruly"
        }

        fn estimate(&self, frame: &Frame, _: &Regions) -> std::result::Result<Measurement, Reason> {
            assert_ne!(frame.stamp_nanos, self.panics_at, "no such luck");
            if frame.stamp_nanos % 2 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
            Ok(Measurement::default())
        }
    }

    /// The pipeline's answer to 40 frames: the stamps in the order of delivery.
    fn measured(estimator: &Unruly) -> Result<Vec<i64>> {
        let measurer = Measurer {
            estimator,
            image: Decoder::for_channel("sensor_msgs/msg/Image", None).unwrap(),
            depth: None,
        };
        let mut stamps = Vec::new();
        let mut sink = |finished: Finished| {
            stamps.push(finished.measured.info.stamp_nanos);
            Ok(())
        };
        thread::scope(|scope| {
            let mut workers = Workers::start(scope, 4, &measurer, StripPlan::new(2, Some(1000)));
            for stamp_nanos in 1..=40 {
                workers.submit(frame(stamp_nanos), &mut sink)?;
                assert!(workers.submitted - workers.delivered <= workers.max_in_flight);
            }
            workers.finish(&mut sink)
        })?;
        Ok(stamps)
    }

    fn frame(stamp_nanos: i64) -> MatchedFrame {
        // A grey picture of 4 x 4 pixels in CDR: an empty header, height, width, encoding, order,
        // step, data.
        let mut image = vec![0, 1, 0, 0];
        image.extend([0_u8; 8]);
        image.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        for number in [4_u32, 4, 6] {
            image.extend(number.to_le_bytes());
        }
        image.extend(*b"mono8\0");
        image.extend([0, 0]);
        image.extend(4_u32.to_le_bytes());
        image.extend(16_u32.to_le_bytes());
        image.extend([128; 16]);
        let bbox = Some(BoundingBox::new(0.0, 0.0, 2.0, 2.0));
        MatchedFrame {
            info: FrameInfo {
                stamp_nanos,
                log_time_nanos: stamp_nanos,
                frame_id: String::new(),
                episode: 0,
                fingertip: bbox,
                target: bbox,
                bridged: false,
                reason: None,
            },
            image: image.into(),
            depth: None,
            intrinsics: None,
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_frames() {
        let stamps = measured(&Unruly { panics_at: 0 }).unwrap();
        assert_eq!(stamps, (1..=40).collect::<Vec<_>>());
    }

    #[test]
    fn a_panic_of_the_estimator_is_an_error_and_no_one_waits_for_ever() {
        let error = measured(&Unruly { panics_at: 7 }).unwrap_err().to_string();
        assert!(
            error.contains("no such luck") && error.contains("stamped 7 ns"),
            "{error}"
        );
    }
}
