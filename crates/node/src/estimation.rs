//! The estimation thread: loads the estimator, measures frames and calls, turns them into steps and
//! publishes these at once. Its failure ends the node, for a node that says nothing would be worse.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded, select};

use super::annotations::Annotations;
use super::calls::{Call, CallResult, Calls, Series};
use super::clock;
use super::debug_view::Canvas;
use super::outputs::Rewards;
use super::pairs::{PairAtWork, pairs, raw_image};
use super::statistics::Statistics;
use super::task::{Beside, Sight, TaskAtWork};
use crate::error::poisoned;
use crate::error::{Error, Result};
use spatial_reward_core::estimator::{Estimator, Estimators};
use spatial_reward_core::frame::Reason;
use spatial_reward_core::messages::step_reward::StepMeta;
use spatial_reward_core::pipeline::measure::{Broken, Measured, Measurer, Pictures, Size, Task};
use spatial_reward_core::pipeline::{Joined, Rewarder};
use spatial_reward_core::progress::{BoxedProgress, OnProgress};
use spatial_reward_core::settings::{Plan, Regions, Settings};
use spatial_reward_core::stamp::seconds_between;
use spatial_reward_core::step::Step;

/// What both threads look at.
pub(crate) struct Shared {
    /// The settings in force; another one each time a parameter changes.
    settings: Mutex<Arc<Settings>>,
    statistics: Mutex<Statistics>,
    pub estimators: Estimators,
    pub calls: Calls,
    /// Frames of earlier episodes come too late: a service has ended them.
    pub first_open_episode: AtomicU64,
}

impl Shared {
    pub(crate) fn new(settings: Settings, estimators: Estimators) -> Self {
        Self {
            settings: Mutex::new(Arc::new(settings)),
            statistics: Mutex::default(),
            estimators,
            calls: Calls::default(),
            first_open_episode: AtomicU64::new(0),
        }
    }

    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn settings(&self) -> Result<Arc<Settings>> {
        let settings = self.settings.lock().map_err(|_| poisoned("settings"))?;
        Ok(Arc::clone(&settings))
    }

    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn set_settings(&self, settings: Settings) -> Result<()> {
        *self.settings.lock().map_err(|_| poisoned("settings"))? = Arc::new(settings);
        Ok(())
    }

    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn statistics(&self) -> Result<MutexGuard<'_, Statistics>> {
        self.statistics.lock().map_err(|_| poisoned("statistics"))
    }
}

/// A frame whose inputs are complete.
struct Complete {
    joined: Joined,
    at: Instant,
}

/// The estimation thread, seen from the ROS thread.
pub(crate) struct Estimation {
    frames: Sender<Complete>,
    /// To take the oldest frame out where a newer one needs its place.
    oldest: Receiver<Complete>,
    calls: Sender<Box<Call>>,
    failure: Receiver<Error>,
    loaded: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

/// An estimation thread that was told to end.
pub(crate) struct Ending {
    failure: Receiver<Error>,
}

impl Ending {
    /// Whether the thread has ended, and its estimator with it.
    pub(crate) fn is_over(&self) -> bool {
        match self.failure.try_recv() {
            Ok(error) => {
                tracing::warn!("the estimation failed as it ended: {error}");
                true
            }
            Err(empty_or_gone) => empty_or_gone.is_disconnected(),
        }
    }

    /// Whether it ended within this time.
    fn is_over_within(&self, patience: Duration) -> bool {
        !matches!(
            self.failure.recv_timeout(patience),
            Err(RecvTimeoutError::Timeout)
        )
    }
}

/// What the estimation writes to.
pub(crate) struct Sinks {
    pub rewards: Rewards,
    /// Where they are asked for.
    pub annotations: Option<Annotations>,
    pub canvas: Canvas,
    pub clock: Arc<Mutex<r2r::Clock>>,
}

impl Estimation {
    /// Start the thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        sinks: Sinks,
        mut progress: BoxedProgress,
    ) -> Result<Self> {
        let settings = shared.settings()?;
        let (frames, inbox) = bounded(queue_frames(&settings));
        // As many as the list of calls admits.
        let (calls, calls_inbox) = bounded(settings.live.calls_waiting as usize + 1);
        // Its end, without a word or with one, is the thread's.
        let (failed, failure) = bounded(1);
        let loaded = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            loaded: Arc::clone(&loaded),
            frames: inbox.clone(),
            calls: calls_inbox,
            shared: Arc::clone(shared),
            sinks,
        };
        thread::Builder::new()
            .name("estimation".to_owned())
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| worker.run(&mut *progress)));
                let outcome = outcome.unwrap_or_else(|panic| {
                    let error =
                        spatial_reward_core::Error::panicked("the estimation", panic.as_ref());
                    Err(error.into())
                });
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
            loaded,
            shared: Arc::clone(shared),
        })
    }

    /// Hand a frame over. Where too many wait, the oldest makes room and is counted as skipped.
    ///
    /// # Errors
    /// Why the thread has ended.
    pub(crate) fn submit(&self, joined: Joined) -> Result<()> {
        let at = Instant::now();
        let mut complete = Complete { joined, at };
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
    pub(crate) fn submit_call(&self, call: Box<Call>) -> Result<()> {
        self.calls.send(call).map_err(|_| self.why_it_ended())
    }

    /// # Errors
    /// What ended the thread, if it has ended.
    pub(crate) fn check(&self) -> Result<()> {
        match self.failure.try_recv() {
            Ok(error) => Err(error),
            Err(_) => Ok(()),
        }
    }

    fn why_it_ended(&self) -> Error {
        let wait = Duration::from_secs(1);
        (self.failure.recv_timeout(wait)).unwrap_or_else(|_| poisoned("estimation"))
    }

    /// Whether the estimator is loaded.
    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Forget the frames that wait; how many there were.
    pub(crate) fn forget_waiting(&self) -> u64 {
        self.oldest.try_iter().count() as u64
    }

    /// Let the thread end after the frame it is at.
    pub(crate) fn let_go(self) -> Ending {
        // Frames that wait would only delay the end.
        self.forget_waiting();
        Ending {
            failure: self.failure,
        }
    }

    /// Let the thread finish the frame it is at, but for no longer than `patience`.
    pub(crate) fn finish(self, patience: Duration) {
        if !self.let_go().is_over_within(patience) {
            tracing::warn!("the estimator is still at a frame, which is abandoned");
        }
    }
}

/// So many frames may wait.
fn queue_frames(settings: &Settings) -> usize {
    match settings.live.queue_frames {
        0 => settings.estimator().queue_frames,
        frames => frames as usize,
    }
}

/// That the limit on standard deviations limits nothing is told once, at the first distance that has none.
fn warn_if_without_std(state: &mut State<'_>, step: &Step) {
    let is_limited = state.settings.reward.max_std_m.is_some();
    let has_none = step.is_valid() && step.distance_std_m.is_nan();
    if is_limited && has_none && !std::mem::replace(&mut state.told_without_std, true) {
        tracing::warn!(
            "reward.max_std_m has no effect on distances without a standard deviation, and {} tells none",
            state.own.measurer.estimator.name()
        );
    }
}

/// Success that can never come is told before anybody waits for it.
fn warn_if_out_of_reach(settings: &Settings, estimator: &dyn Estimator) {
    let least_m = estimator.least_m();
    if let Some((setting, threshold_m)) = settings.threshold_below(least_m) {
        tracing::warn!(
            "success cannot occur: {setting} is {threshold_m} m, but {} tells nothing below {least_m} m apart",
            estimator.name()
        );
    }
}

/// That nobody knows how far standard deviations hold is told before anybody relies on one.
fn warn_if_not_calibrated(estimator: &dyn Estimator) {
    if !estimator.is_calibrated() {
        tracing::warn!(
            "the standard deviation of {} is not calibrated: it says how far its own odds spread, and 90 % intervals of \
             it may hold far fewer truths, or more. Set model.std_scale and model.std_floor_m, which evaluate fits to \
             labelled recordings with truth",
            estimator.name()
        );
    }
}

struct Worker {
    frames: Receiver<Complete>,
    calls: Receiver<Box<Call>>,
    loaded: Arc<AtomicBool>,
    shared: Arc<Shared>,
    sinks: Sinks,
}

/// What a loaded worker measures with.
struct State<'a> {
    /// Of the pair whose distance is the step's own.
    own: PairAtWork<'a>,
    rewarder: Rewarder,
    /// The other pairs, where a task is followed.
    task: Option<TaskAtWork<'a>>,
    series: Series,
    settings: Arc<Settings>,
    /// It was said that `reward.max_std_m` has no effect.
    told_without_std: bool,
}

/// Who draws what was measured.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    /// The debug view, for which the picture is kept.
    keep_color: bool,
    /// Who looks at annotations.
    is_annotated: bool,
}

/// What was measured at one moment.
struct Looked {
    own: Measured,
    /// Of its picture, where that is annotated.
    size: Option<Size>,
    /// Of the other pairs, where a task is followed.
    beside: Option<Beside>,
}

impl Looked {
    fn at(joined: Joined, drawn: Drawn, state: &mut State<'_>) -> Result<Self> {
        let mut pictures = Pictures::default();
        let size = match drawn.is_annotated {
            true => state.own.measurer.size_of(&joined.own, &mut pictures),
            false => None,
        };
        let own = (state.own).measure(joined.own, drawn.keep_color, &mut pictures)?;
        let beside = match &mut state.task {
            Some(task) => {
                let (others, opening_m) = (joined.others, joined.opening_m);
                Some(task.measure(others, opening_m, drawn.is_annotated, &mut pictures)?)
            }
            None => None,
        };
        Ok(Self { own, size, beside })
    }

    /// Where the other pairs' regions were.
    fn take_sights(&mut self) -> Vec<Sight> {
        let beside = self.beside.as_mut();
        beside.map_or_else(Vec::new, |beside| std::mem::take(&mut beside.sights))
    }

    /// The step, and the pictures that could not be used.
    fn into_step(self, state: &mut State<'_>) -> (Step, Vec<Broken>) {
        let reading = self.beside.is_some().then(|| self.own.reading());
        let Measured {
            info,
            measurement,
            latency,
            broken,
            ..
        } = self.own;
        let mut step = state.rewarder.push(info, measurement, latency);
        // A place that is not known is told by who waited for it.
        let is_told = step.reason == Some(Reason::NoTransform);
        let mut all: Vec<Broken> = broken.into_iter().filter(|_| !is_told).collect();
        if let (Some(task), Some(own), Some(mut beside)) = (&mut state.task, reading, self.beside) {
            all.append(&mut beside.broken);
            task.fold(&mut step, own, beside);
        }
        (step, all)
    }
}

impl Worker {
    fn run(mut self, progress: OnProgress<'_>) -> Result<()> {
        let settings = self.shared.settings()?;
        tracing::info!("loading the estimator {}", settings.estimator().name);
        let estimator = self.shared.estimators.open(&settings, progress)?;
        let pairs = pairs(&settings)?;
        let own = own_of(&pairs, &settings);
        let networks = self.shared.estimators.open_networks(&settings, progress)?;
        warn_if_not_calibrated(estimator.as_ref());
        tracing::info!("ready to measure with {}", estimator.name());
        warn_if_out_of_reach(&settings, estimator.as_ref());
        let mut state = State {
            own: PairAtWork::new(own, estimator.as_ref(), networks.of_pair(0))?,
            rewarder: Rewarder::new(own),
            task: TaskAtWork::new(pairs.clone(), estimator.as_ref(), &networks)?,
            series: Series::default(),
            settings: Arc::clone(&settings),
            told_without_std: false,
        };
        self.loaded.store(true, Ordering::Release);
        loop {
            // Both end when the ROS thread does.
            select! {
                recv(self.frames) -> complete => match complete {
                    Ok(complete) => self.frame(complete, &mut state)?,
                    Err(_) => return Ok(()),
                },
                recv(self.calls) -> call => match call {
                    Ok(call) => self.call(&call, &mut state)?,
                    Err(_) => return Ok(()),
                },
            }
        }
    }

    /// Changed parameters hold for every step from now on.
    fn refresh(&self, state: &mut State<'_>) -> Result<()> {
        let settings = self.shared.settings()?;
        if !Arc::ptr_eq(&settings, &state.settings) {
            warn_if_out_of_reach(&settings, state.own.measurer.estimator);
            let pairs = pairs(&settings)?;
            let own = own_of(&pairs, &settings);
            state.rewarder.reconfigure(own);
            if let Some(task) = &mut state.task {
                task.reconfigure(own);
            }
            state.series.reconfigure(&settings);
            state.settings = settings;
        }
        Ok(())
    }

    fn frame(&mut self, complete: Complete, state: &mut State<'_>) -> Result<()> {
        let begin = Instant::now();
        let queue_s = (begin - complete.at).as_secs_f64();
        let annotations = self.sinks.annotations.as_ref();
        let drawn = Drawn {
            keep_color: self.sinks.canvas.wants(state.settings.live.debug_rate_hz),
            is_annotated: annotations.is_some_and(Annotations::is_watched),
        };
        let late = complete.joined.late.clone();
        let mut looked = Looked::at(complete.joined, drawn, state)?;
        if looked.own.info.episode < self.shared.first_open_episode.load(Ordering::Relaxed) {
            looked.own.info.reason = Some(Reason::Late);
        }
        self.refresh(state)?;
        looked.own.latency.total_s = complete.at.elapsed().as_secs_f64();
        let color = looked.own.color.take();
        let (size, sights) = (looked.size, looked.take_sights());
        let (step, broken) = looked.into_step(state);
        warn_if_without_std(state, &step);
        let meta = meta(&state.own.measurer, &state.settings);
        if !self.sinks.rewards.publish(&step, &meta)? {
            self.shared.statistics()?.deactivated += 1;
            return Ok(());
        }
        let age_s = seconds_between(step.stamp_nanos, clock::read(&self.sinks.clock)?);
        let mut statistics = self.shared.statistics()?;
        statistics.push(&step, queue_s, age_s);
        statistics.push_broken(&broken);
        if let Some(task) = &state.task {
            statistics.push_late(late.iter().map(|at| task.camera(*at)));
        }
        drop(statistics);
        if let Some(annotations) = &mut self.sinks.annotations
            && drawn.is_annotated
        {
            let publish = || annotations.publish(&step, size, &sights);
            self.sinks.rewards.publish_beside(&step, publish)?;
        }
        if let Some(color) = color {
            self.sinks.canvas.draw(color, step)?;
        }
        Ok(())
    }

    fn call(&self, call: &Call, state: &mut State<'_>) -> Result<()> {
        let calls = &self.shared.calls;
        if !calls.is_waiting(call)? {
            return Ok(());
        }
        self.refresh(state)?;
        let (frame, image) = match state.series.frame(call, &state.settings) {
            Ok(frame) => frame,
            Err(why) => {
                self.shared.statistics()?.calls.bad += 1;
                return calls.answer(call.id(), Err(why), &state.settings).map(drop);
            }
        };
        let measurer = Measurer {
            estimator: state.own.measurer.estimator,
            image,
            depth: Some(raw_image()?.with_depth_unit_m(state.settings.topics.depth_unit_m)),
            registration: None,
            regions: Regions::default(),
            transforms: None,
        };
        let task = Task {
            frame,
            look: None,
            keep_color: false,
        };
        let mut measured = measurer.measure_one(task);
        if let Some(broken) = measured.broken.take() {
            self.shared.statistics()?.calls.bad += 1;
            let why = format!("the {} cannot be used: {}", broken.what, broken.why);
            return calls.answer(call.id(), Err(why), &state.settings).map(drop);
        }
        // A step that nobody waits for any more is none of its episode.
        if !calls.is_waiting(call)? {
            return Ok(());
        }
        measured.latency.total_s = call.received.elapsed().as_secs_f64();
        let Some(rewarder) = state.series.rewarder(call) else {
            let why = "its series has ended meanwhile".to_owned();
            return calls.answer(call.id(), Err(why), &state.settings).map(drop);
        };
        let step = rewarder.push(measured.info, measured.measurement, measured.latency);
        warn_if_without_std(state, &step);
        let meta = meta(&measurer, &state.settings);
        if calls.answer(call.id(), Ok(CallResult { step, meta }), &state.settings)? {
            self.shared.statistics()?.calls.done += 1;
        }
        Ok(())
    }
}

fn meta<'a>(measurer: &Measurer<'a>, settings: &Settings) -> StepMeta<'a> {
    StepMeta {
        reward_kind: settings.reward.kind.name(),
        estimator: measurer.estimator.name(),
    }
}

/// The settings of the step's own pair.
fn own_of<'a>(pairs: &'a [Plan], settings: &'a Settings) -> &'a Settings {
    pairs.first().map_or(settings, |own| &own.settings)
}
