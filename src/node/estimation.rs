//! The estimation thread: loads the estimator, measures frames and calls, turns them into steps and
//! publishes these at once. Its failure ends the node, for a node that says nothing would be worse.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, select};
use indicatif::ProgressBar;

use super::calls::{Answer, Call, Calls, Series};
use super::clock;
use super::debug_view::Canvas;
use super::outputs::Rewards;
use super::poisoned;
use super::statistics::Statistics;
use crate::config::{Config, EstimatorKind, ImageTransport};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::frame::Reason;
use crate::measure::{self, Measured, Measurer, Task};
use crate::messages::Decoder;
use crate::messages::step_reward::StepMeta;
use crate::pipeline::{MatchedFrame, Rewarder};
use crate::spatialrgpt;
use crate::stamp::seconds_between;

/// What both threads look at.
pub struct Shared {
    /// The settings in force; another one each time a parameter changes.
    config: Mutex<Arc<Config>>,
    statistics: Mutex<Statistics>,
    pub calls: Calls,
    /// Frames of earlier episodes come too late: a service has ended them.
    pub first_open_episode: AtomicU64,
}

impl Shared {
    pub fn new(config: Config) -> Self {
        Self {
            config: Mutex::new(Arc::new(config)),
            statistics: Mutex::default(),
            calls: Calls::default(),
            first_open_episode: AtomicU64::new(0),
        }
    }

    /// # Errors
    /// The other thread has panicked.
    pub fn config(&self) -> Result<Arc<Config>> {
        let config = self.config.lock().map_err(|_| poisoned("settings"))?;
        Ok(Arc::clone(&config))
    }

    /// # Errors
    /// The other thread has panicked.
    pub fn set_config(&self, config: Config) -> Result<()> {
        *self.config.lock().map_err(|_| poisoned("settings"))? = Arc::new(config);
        Ok(())
    }

    /// # Errors
    /// The other thread has panicked.
    pub fn statistics(&self) -> Result<MutexGuard<'_, Statistics>> {
        self.statistics.lock().map_err(|_| poisoned("statistics"))
    }
}

/// A frame whose inputs are complete.
struct Complete {
    frame: MatchedFrame,
    at: Instant,
}

/// The estimation thread, seen from the ROS thread.
pub struct Estimation {
    frames: Sender<Complete>,
    /// To take the oldest frame out where a newer one needs its place.
    oldest: Receiver<Complete>,
    calls: Sender<Box<Call>>,
    failure: Receiver<Error>,
    shared: Arc<Shared>,
}

/// What the estimation writes to.
pub struct Sinks {
    pub rewards: Rewards,
    pub canvas: Canvas,
    pub clock: Arc<Mutex<r2r::Clock>>,
}

impl Estimation {
    /// Start the thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(shared: &Arc<Shared>, sinks: Sinks, bar: ProgressBar) -> Result<Self> {
        let config = shared.config()?;
        let (frames, inbox) = bounded(queue_frames(&config));
        // As many as the list of calls admits.
        let (calls, calls_inbox) = bounded(config.live.calls_waiting as usize + 1);
        // Its end, without a word or with one, is the thread's.
        let (failed, failure) = bounded(1);
        let worker = Worker {
            frames: inbox.clone(),
            calls: calls_inbox,
            shared: Arc::clone(shared),
            sinks,
        };
        thread::Builder::new()
            .name("estimation".to_owned())
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| worker.run(&bar)));
                let outcome =
                    outcome.unwrap_or_else(|panic| Err(Error::panicked(0, panic.as_ref())));
                if let Err(error) = outcome {
                    // Nobody listens where the node has ended already.
                    let _ = failed.send(error);
                }
            })
            .map_err(Error::io("start a thread of", "spatial-reward"))?;
        Ok(Self {
            frames,
            oldest: inbox,
            calls,
            failure,
            shared: Arc::clone(shared),
        })
    }

    /// Hand a frame over. Where too many wait, the oldest makes room and is counted as skipped.
    ///
    /// # Errors
    /// Why the thread has ended.
    pub fn submit(&self, frame: MatchedFrame) -> Result<()> {
        let at = Instant::now();
        let mut complete = Complete { frame, at };
        loop {
            complete = match self.frames.try_send(complete) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(self.why_it_ended()),
                Err(TrySendError::Full(complete)) => complete,
            };
            if self.oldest.try_recv().is_ok() {
                self.shared.statistics()?.skipped += 1;
            }
        }
    }

    /// Hand a call over; the list of calls has made sure that there is room.
    ///
    /// # Errors
    /// Why the thread has ended.
    pub fn submit_call(&self, call: Box<Call>) -> Result<()> {
        self.calls.send(call).map_err(|_| self.why_it_ended())
    }

    /// # Errors
    /// What ended the thread, if it has ended.
    pub fn check(&self) -> Result<()> {
        match self.failure.try_recv() {
            Ok(error) => Err(error),
            Err(_) => Ok(()),
        }
    }

    fn why_it_ended(&self) -> Error {
        let wait = Duration::from_secs(1);
        (self.failure.recv_timeout(wait)).unwrap_or_else(|_| poisoned("estimation"))
    }

    /// Let the thread finish the frame it is at, but for no longer than `patience`.
    pub fn finish(self, patience: Duration) {
        let Self {
            frames,
            oldest,
            calls,
            failure,
            ..
        } = self;
        // Frames that wait would only delay the end.
        while oldest.try_recv().is_ok() {}
        drop((frames, oldest, calls));
        if let Err(RecvTimeoutError::Timeout) = failure.recv_timeout(patience) {
            tracing::warn!("the estimator is still at a frame, which is abandoned");
        }
    }
}

/// So many frames may wait: a few where measuring takes milliseconds and messages come in bursts, one
/// where each would add the better part of a second to the next one's age.
fn queue_frames(config: &Config) -> usize {
    match (config.live.queue_frames, config.estimator.kind) {
        (0, EstimatorKind::Geometry) => 4,
        (0, EstimatorKind::Spatialrgpt) => 1,
        (frames, _) => frames as usize,
    }
}

struct Worker {
    frames: Receiver<Complete>,
    calls: Receiver<Box<Call>>,
    shared: Arc<Shared>,
    sinks: Sinks,
}

/// What a loaded worker measures with.
struct Desk<'a> {
    measurer: Measurer<'a>,
    rewarder: Rewarder,
    series: Series,
    config: Arc<Config>,
}

impl Worker {
    fn run(mut self, bar: &ProgressBar) -> Result<()> {
        let mut config = Config::clone(&*self.shared.config()?);
        if config.estimator.kind == EstimatorKind::Spatialrgpt {
            tracing::info!("loading the model");
            spatialrgpt::locate(&mut config.model, |name| std::env::var(name).ok(), bar)?;
        }
        let estimator = measure::estimator(&config)?;
        tracing::info!("ready to measure with {}", estimator.name());
        let mut desk = Desk {
            measurer: measurer(estimator.as_ref(), &config)?,
            rewarder: Rewarder::new(&config),
            series: Series::default(),
            config: self.shared.config()?,
        };
        loop {
            // Both end when the ROS thread does.
            select! {
                recv(self.frames) -> complete => match complete {
                    Ok(complete) => self.frame(complete, &mut desk)?,
                    Err(_) => return Ok(()),
                },
                recv(self.calls) -> call => match call {
                    Ok(call) => self.call(&call, &mut desk)?,
                    Err(_) => return Ok(()),
                },
            }
        }
    }

    /// Changed parameters hold for every step from now on.
    fn refresh(&self, desk: &mut Desk<'_>) -> Result<()> {
        let config = self.shared.config()?;
        if !Arc::ptr_eq(&config, &desk.config) {
            desk.rewarder.reconfigure(&config);
            desk.series.reconfigure(&config);
            desk.config = config;
        }
        Ok(())
    }

    fn frame(&mut self, complete: Complete, desk: &mut Desk<'_>) -> Result<()> {
        let begin = Instant::now();
        let queue_s = (begin - complete.at).as_secs_f64();
        let keep_color = self.sinks.canvas.wants(desk.config.live.debug_rate_hz);
        let task = Task {
            frame: complete.frame,
            keep_color,
        };
        let Some(measured) = desk.measurer.measure(vec![task]).pop() else {
            return Ok(());
        };
        self.refresh(desk)?;
        let Measured {
            mut info,
            measurement,
            color,
            mut latency,
            broken,
        } = measured;
        if info.episode < self.shared.first_open_episode.load(Ordering::Relaxed) {
            info.reason = Some(Reason::Late);
        }
        latency.total_s = complete.at.elapsed().as_secs_f64();
        let step = desk.rewarder.push(info, measurement, latency);
        let meta = meta(&desk.measurer, &desk.config);
        self.sinks.rewards.publish(&step, &meta)?;
        let age_s = seconds_between(step.stamp_nanos, clock::read(&self.sinks.clock)?);
        let mut statistics = self.shared.statistics()?;
        statistics.push(&step, queue_s, age_s);
        if let Some(broken) = broken {
            if statistics.broken == 0 {
                tracing::warn!("a {} cannot be used: {}", broken.what, broken.why);
            }
            statistics.broken += 1;
            statistics.last_broken = format!("{}: {}", broken.what, broken.why);
        }
        drop(statistics);
        if let Some(color) = color {
            self.sinks.canvas.draw(color, step);
        }
        Ok(())
    }

    fn call(&self, call: &Call, desk: &mut Desk<'_>) -> Result<()> {
        let calls = &self.shared.calls;
        if !calls.is_waiting(call)? {
            return Ok(());
        }
        self.refresh(desk)?;
        let (frame, image) = match desk.series.frame(call, &desk.config) {
            Ok(frame) => frame,
            Err(why) => {
                self.shared.statistics()?.calls.bad += 1;
                return calls.answer(call.id(), Err(why), &desk.config).map(drop);
            }
        };
        let measurer = Measurer {
            estimator: desk.measurer.estimator,
            image,
            depth: Some(raw_image()?),
        };
        let task = Task {
            frame,
            keep_color: false,
        };
        let Some(mut measured) = measurer.measure(vec![task]).pop() else {
            return Ok(());
        };
        if let Some(broken) = measured.broken.take() {
            self.shared.statistics()?.calls.bad += 1;
            let why = format!("the {} cannot be used: {}", broken.what, broken.why);
            return calls.answer(call.id(), Err(why), &desk.config).map(drop);
        }
        // A step that nobody waits for any more is none of its episode.
        if !calls.is_waiting(call)? {
            return Ok(());
        }
        measured.latency.total_s = call.received.elapsed().as_secs_f64();
        let Some(rewarder) = desk.series.rewarder(call) else {
            return Ok(());
        };
        let step = rewarder.push(measured.info, measured.measurement, measured.latency);
        let meta = meta(&measurer, &desk.config);
        if calls.answer(call.id(), Ok(Answer { step, meta }), &desk.config)? {
            self.shared.statistics()?.calls.done += 1;
        }
        Ok(())
    }
}

fn meta<'a>(measurer: &Measurer<'a>, config: &Config) -> StepMeta<'a> {
    StepMeta {
        reward_kind: config.reward.kind.name(),
        estimator: measurer.estimator.name(),
    }
}

fn measurer<'a>(estimator: &'a dyn Estimator, config: &Config) -> Result<Measurer<'a>> {
    Ok(Measurer {
        estimator,
        image: picture(config.live.image_transport)?,
        depth: Some(picture(config.live.depth_transport)?),
    })
}

fn picture(transport: ImageTransport) -> Result<Decoder> {
    match transport {
        ImageTransport::Raw => raw_image(),
        ImageTransport::Compressed => Decoder::for_channel("sensor_msgs/msg/CompressedImage", None),
    }
}

fn raw_image() -> Result<Decoder> {
    Decoder::for_channel("sensor_msgs/msg/Image", None)
}
