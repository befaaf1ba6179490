//! Measures frames on several threads and gives the results back in the order in which the frames
//! were submitted. The number of frames in flight is bounded, so memory does not grow with the bag.

use std::thread::Scope;
use std::time::Instant;

use crate::error::Result;
use crate::ordered::{Ordered, Sink};
use crate::report::film_strip::{StripFrame, StripPlan};
use spatial_reward_core::estimator::Order;
use spatial_reward_core::pipeline::measure::{self, Measured, Measurer};
use spatial_reward_core::pipeline::{Look, MatchedFrame};

/// The workers, seen from the thread that submits frames and takes results.
pub(crate) struct Workers {
    /// Works on batches.
    ordered: Ordered<Vec<Waiting>, Vec<Finished>>,
    /// The frames of the next batch.
    waiting: Vec<Waiting>,
    /// Frames that a batch has, but for the last one.
    batch: usize,
    submitted: u64,
}

/// A measured frame without its pixels, and the picture for the report's film strip, if this frame may
/// be on it.
#[derive(Debug)]
pub(crate) struct Finished {
    /// What the estimator said, or why it was not asked.
    pub measured: Measured,
    /// The picture.
    pub strip: Option<StripFrame>,
}

struct Waiting {
    index: u64,
    frame: MatchedFrame,
    look: Option<Look>,
    complete: Instant,
}

impl Workers {
    /// Start `count` threads in the scope, or one where the estimator needs the frames in order; they end when the
    /// `Workers` are dropped.
    pub(crate) fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        count: usize,
        measurer: &'env Measurer<'env>,
        strip: StripPlan,
    ) -> Self {
        let batch = measurer.estimator.batch().max(1);
        // A batch holds frames in a row, and an estimator may remember: both stay in order only on one thread.
        let in_order = batch > 1 || measurer.estimator.order() == Order::Recorded;
        let count = if in_order { 1 } else { count };
        let work = move |frames| Ok(work(measurer, strip, frames));
        Self {
            ordered: Ordered::start(scope, count, work),
            waiting: Vec::with_capacity(batch),
            batch,
            submitted: 0,
        }
    }

    /// Hand over the frame of the next step, and what was decoded of it already. Waits while too many are in flight: the caller takes
    /// what is finished with `sink`, in order.
    pub(crate) fn submit(
        &mut self,
        frame: MatchedFrame,
        look: Option<Look>,
        sink: Sink<'_, Finished>,
    ) -> Result<()> {
        self.waiting.push(Waiting {
            index: self.submitted,
            frame,
            look,
            complete: Instant::now(),
        });
        self.submitted += 1;
        match self.waiting.len() < self.batch {
            true => Ok(()),
            false => self.send(sink),
        }
    }

    fn send(&mut self, sink: Sink<'_, Finished>) -> Result<()> {
        let frames = std::mem::take(&mut self.waiting);
        let stamp_nanos = frames.first().map_or(0, |w| w.frame.info.stamp_nanos);
        self.ordered
            .submit(stamp_nanos, frames, &mut |done| each(done, sink))
    }

    /// Wait for everything that was submitted.
    pub(crate) fn finish(mut self, sink: Sink<'_, Finished>) -> Result<()> {
        if !self.waiting.is_empty() {
            self.send(sink)?;
        }
        self.ordered.finish(&mut |done| each(done, sink))
    }
}

fn each(batch: Vec<Finished>, sink: Sink<'_, Finished>) -> Result<()> {
    batch.into_iter().try_for_each(sink)
}

fn work(measurer: &Measurer<'_>, strip: StripPlan, frames: Vec<Waiting>) -> Vec<Finished> {
    let known: Vec<(u64, Instant)> = frames.iter().map(|w| (w.index, w.complete)).collect();
    let tasks = frames
        .into_iter()
        .map(|waiting| measure::Task {
            frame: waiting.frame,
            look: waiting.look,
            keep_color: strip.wants(waiting.index),
        })
        .collect();
    let measured = measurer.measure(tasks).into_iter().zip(known);
    measured
        .map(|(measured, (index, complete))| finish(measured, complete, strip, index))
        .collect()
}

fn finish(mut measured: Measured, complete: Instant, strip: StripPlan, index: u64) -> Finished {
    let color = measured.color.take();
    let pixels = color.as_ref().and_then(|color| color.pixels().ok());
    let strip = pixels.and_then(|pixels| strip.shrink(index, pixels));
    measured.latency.total_s = complete.elapsed().as_secs_f64();
    Finished { measured, strip }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::message_types::IMAGE;
    use spatial_reward_core::estimator::Estimator;
    use spatial_reward_core::frame::{BoundingBox, Frame, Masks, Measurement, Reason, Regions};
    use spatial_reward_core::messages::Decoder;
    use spatial_reward_core::pipeline::FrameInfo;

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

    /// Takes frames alone, but wants them in the order of the recording. Slow with even stamps, so that others would
    /// overtake; remembers the order in which it was asked.
    #[derive(Default)]
    struct Remembering {
        asked: Mutex<Vec<i64>>,
    }

    impl Estimator for Remembering {
        fn name(&self) -> &'static str {
            "remembering"
        }

        fn order(&self) -> Order {
            Order::Recorded
        }

        fn estimate(&self, frame: &Frame, _: &Regions) -> std::result::Result<Measurement, Reason> {
            if frame.stamp_nanos % 2 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
            self.asked.lock().unwrap().push(frame.stamp_nanos);
            Ok(Measurement::default())
        }
    }

    /// The pipeline's answer to 40 frames: the stamps in the order of delivery.
    fn measured(estimator: &dyn Estimator) -> Result<Vec<i64>> {
        let measurer = Measurer {
            estimator,
            image: Decoder::for_channel(IMAGE, None).unwrap(),
            depth: None,
            registration: None,
            regions: spatial_reward_core::settings::Regions::default(),
            transforms: None,
        };
        let mut stamps = Vec::new();
        let mut sink = |finished: Finished| {
            stamps.push(finished.measured.info.stamp_nanos);
            Ok(())
        };
        thread::scope(|scope| {
            let mut workers = Workers::start(scope, 4, &measurer, StripPlan::new(2, Some(1000)));
            for stamp_nanos in 1..=40 {
                workers.submit(frame(stamp_nanos), None, &mut sink)?;
                assert!(workers.ordered.is_bounded());
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
                fingertip: bbox,
                target: bbox,
                ..FrameInfo::at(stamp_nanos)
            },
            image: image.into(),
            depth: None,
            intrinsics: None,
            masks: Masks::default(),
            places: None,
            registration: None,
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_frames() {
        let stamps = measured(&Unruly { panics_at: 0 }).unwrap();
        assert_eq!(stamps, (1..=40).collect::<Vec<_>>());
    }

    #[test]
    fn an_estimator_that_remembers_was_asked_out_of_order_where_it_took_frames_alone() {
        // given an estimator of batch 1 whose answers depend on the frames before
        let estimator = Remembering::default();
        assert_eq!(estimator.batch(), 1);
        // when frames are measured, with four threads at hand
        measured(&estimator).unwrap();
        // then it was asked in the order of the recording
        assert_eq!(
            estimator.asked.into_inner().unwrap(),
            (1..=40).collect::<Vec<_>>()
        );
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
