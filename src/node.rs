//! The live node (feature `ros`): a thin driver of the pipeline. One thread speaks with ROS, takes every
//! message in at once and joins them to frames; another measures the newest and publishes its reward.

mod arguments;
mod calls;
mod clock;
mod debug_view;
mod diagnostics;
mod episodes;
mod estimation;
mod inputs;
mod log;
mod outputs;
mod parameter_services;
mod parameters;
mod statistics;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use indicatif::ProgressBar;
use r2r::spatial_reward::srv::AnnotateStep;
use r2r::{QosProfile, ServiceRequest, WrappedServiceTypeSupport};

use self::arguments::{Identity, Remaps};
use self::calls::Taken;
use self::clock::{Now, ReceiveClock};
use self::debug_view::Canvas;
use self::diagnostics::{Diagnostics, Situation};
use self::episodes::Episodes;
use self::estimation::{Estimation, Shared, Sinks};
use self::inputs::Inputs;
use self::outputs::{DebugView, Rewards};
use self::parameter_services::ParameterServices;
use self::parameters::Parameters;
use crate::config::Config;
use crate::error::{Error, Result, panic_words};
use crate::pipeline::{Input, Matcher};

pub use self::log::RosLog;

/// The name it has unless it is given another.
const NAME: &str = "spatial_reward";

/// How long ROS is waited for at a time while something else has a deadline: a call, or a frame that waits
/// for its inputs.
const SHORT_WAIT: Duration = Duration::from_millis(10);

/// And while nothing has.
const LONG_WAIT: Duration = Duration::from_millis(100);

/// The inputs of one frame come in a burst. Between its first and its last, ROS is left alone for this long:
/// asking it costs the same for one message and for all.
const BURST: Duration = Duration::from_micros(400);

/// What the estimator gets to finish its frame when the node ends.
const PATIENCE: Duration = Duration::from_millis(500);

/// Where log lines go besides stderr.
pub fn log_layer() -> RosLog {
    RosLog
}

/// Run the node until somebody sets `stop`, or until it cannot go on. ROS reads its own arguments from the
/// command line of the process; parameters given there win over `config`.
///
/// # Errors
/// What ROS refuses, a parameter that makes no sense, an estimator that cannot be loaded or has failed.
pub fn run(config: Config, stop: &AtomicBool, bar: ProgressBar) -> Result<()> {
    let mut node = create()?;
    let mut live = LiveNode::start(&mut node, config, bar)?;
    while !stop.load(Ordering::Relaxed) {
        let wait = if live.has_deadlines()? {
            SHORT_WAIT
        } else {
            LONG_WAIT
        };
        node.spin_once(wait);
        live.turn(&mut node)?;
        if live.expects_more() {
            thread::sleep(BURST);
        }
    }
    live.end()
}

/// The ROS node, by the arguments of the process.
fn create() -> Result<r2r::Node> {
    // r2r panics where ROS refuses an argument; ROS's own words are the panic's.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let created = catch_unwind(AssertUnwindSafe(r2r::Context::create));
    std::panic::set_hook(hook);
    let context = created
        .map_err(|panic| Error::Ros {
            action: "start with these arguments".into(),
            message: panic_words(panic.as_ref()),
        })?
        .map_err(ros("start"))?;
    let node = r2r::Node::create(context, NAME, "").map_err(ros("create the node"))?;
    log::name_logger(node.logger());
    Ok(node)
}

/// Everything on the ROS thread.
struct LiveNode {
    parameters: Parameters,
    parameter_services: ParameterServices,
    clock: ReceiveClock,
    inputs: Inputs,
    matcher: Matcher,
    episodes: Episodes,
    calls: BoxStream<'static, ServiceRequest<AnnotateStep::Service>>,
    calls_taken: u64,
    rewards: Rewards,
    diagnostics: Diagnostics,
    shared: Arc<Shared>,
    estimation: Estimation,
    now: Option<Now>,
    took_messages: bool,
}

impl LiveNode {
    fn start(node: &mut r2r::Node, config: Config, bar: ProgressBar) -> Result<Self> {
        let identity = Identity {
            name: node.name().map_err(ros("name the node"))?,
            namespace: node.namespace().map_err(ros("name the node"))?,
        };
        let full_name = (node.fully_qualified_name()).map_err(ros("name the node"))?;
        let parameters = started_parameters(node, config)?;
        let config = parameters.config().clone();
        let remaps = Remaps::of_arguments(std::env::args());
        let clock = ReceiveClock::new(node, parameters.use_sim_time())?;
        let inputs = Inputs::subscribe(node, &config, &remaps, &identity)?;
        for one in &inputs.subscriptions {
            tracing::info!("{} from {} ({})", one.what, one.topic, one.type_name);
        }
        let rewards = Rewards::new(node)?;
        let shared = Arc::new(Shared::new(config.clone()));
        let sinks = Sinks {
            rewards: rewards.clone(),
            canvas: Canvas::start(DebugView::new(node)?)?,
            clock: node.get_ros_clock(),
        };
        let calls = node
            .create_service::<AnnotateStep::Service>(
                "~/annotate_step",
                QosProfile::services_default(),
            )
            .map_err(ros("serve ~/annotate_step"))?
            .boxed();
        Ok(Self {
            matcher: Matcher::new(&config, inputs.streams(), config.needs_depth()),
            parameter_services: ParameterServices::new(node, full_name.clone())?,
            parameters,
            clock,
            inputs,
            episodes: Episodes::new(node)?,
            calls,
            calls_taken: 0,
            rewards,
            diagnostics: Diagnostics::new(node, full_name)?,
            estimation: Estimation::start(&shared, sinks, bar)?,
            shared,
            now: None,
            took_messages: false,
        })
    }

    /// Whether a frame waits for the rest of a burst that has just begun.
    fn expects_more(&self) -> bool {
        self.took_messages && self.matcher.has_pending()
    }

    /// Whether something is to be done though no message comes.
    fn has_deadlines(&self) -> Result<bool> {
        Ok(self.matcher.has_pending() || !self.shared.calls.is_empty()?)
    }

    /// Everything that is to be done after ROS was listened to.
    fn turn(&mut self, node: &mut r2r::Node) -> Result<()> {
        self.estimation.check()?;
        self.now = self.clock.now()?;
        self.take_messages()?;
        self.take_orders()?;
        let changed =
            (self.parameter_services).answer(&mut self.parameters, &node.get_ros_clock())?;
        if let Some(config) = changed {
            self.shared.set_config(config)?;
        }
        self.take_calls()?;
        if self.diagnostics.is_due() {
            self.inputs.look_for_split(node)?;
            self.inputs.compare_frames();
            self.tell(node)?;
        }
        Ok(())
    }

    fn take_messages(&mut self) -> Result<()> {
        let Self {
            inputs,
            matcher,
            episodes,
            now,
            ..
        } = self;
        let mut dropped = 0;
        let log_time_nanos = now.map_or(0, |now| now.log_time_nanos);
        self.took_messages = inputs.take(*now, &mut |input| match input {
            Input::Image { .. } if episodes.is_between() => dropped += 1,
            input => matcher.push(log_time_nanos, input),
        });
        if dropped > 0 {
            self.shared.statistics()?.between_episodes += dropped;
        }
        self.matcher.expect(self.inputs.streams());
        if self.now.is_some() {
            self.matcher.advance(log_time_nanos);
        }
        self.submit_ready()
    }

    fn submit_ready(&mut self) -> Result<()> {
        while let Some(frame) = self.matcher.next_frame() {
            self.episodes.note_frame();
            self.estimation.submit(frame)?;
        }
        Ok(())
    }

    /// Begin and end episodes, as the services are asked to.
    fn take_orders(&mut self) -> Result<()> {
        while let Some(order) = self.episodes.next_order() {
            // What was received belongs to the episode that ends, and comes too late.
            self.matcher.flush();
            let next = self.matcher.next_episode();
            self.shared
                .first_open_episode
                .store(next, Ordering::Relaxed);
            self.submit_ready()?;
            let log_time_nanos = self.now.map_or(0, |now| now.log_time_nanos);
            let was_open = self.episodes.carry_out(order);
            if was_open {
                self.rewards.publish_truncated()?;
            }
            if !self.episodes.is_between() {
                self.matcher.push(log_time_nanos, Input::EpisodeSplit);
            }
        }
        Ok(())
    }

    fn take_calls(&mut self) -> Result<()> {
        let config = self.shared.config()?;
        while let Some(request) = self.calls.next().now_or_never().flatten() {
            self.calls_taken += 1;
            let received_nanos = self.now.map_or(0, |now| now.ros_nanos);
            let intrinsics = self.matcher.newest_intrinsics();
            let taken = (self.shared.calls).take(
                self.calls_taken,
                request,
                &config,
                received_nanos,
                intrinsics,
            )?;
            match taken {
                Taken::Call(call) => self.estimation.submit_call(call)?,
                Taken::Busy => self.shared.statistics()?.calls.busy += 1,
                Taken::Bad => self.shared.statistics()?.calls.bad += 1,
            }
        }
        let late = self.shared.calls.expire(&config)?;
        if late > 0 {
            self.shared.statistics()?.calls.late += late;
        }
        Ok(())
    }

    fn tell(&mut self, node: &r2r::Node) -> Result<()> {
        let image_seen =
            (self.inputs.subscriptions.iter()).any(|one| one.what == "image" && one.received > 0);
        let situation = Situation {
            between_episodes: self.episodes.is_between(),
            without_time: self.now.is_none(),
            serves_calls: self.calls_taken > 0 && !image_seen,
        };
        let ros_nanos = self.now.map_or(0, |now| now.ros_nanos);
        let mut statistics = self.shared.statistics()?;
        (self.diagnostics).publish(&self.inputs, &statistics, situation, ros_nanos)?;
        (self.diagnostics).notice(node, &self.inputs, &mut statistics, situation)
    }

    /// Close what is open and say good-bye.
    fn end(self) -> Result<()> {
        tracing::info!("shutting down");
        let config = self.shared.config()?;
        self.shared.calls.shut_down(&config)?;
        if self.episodes.is_open() {
            self.rewards.publish_truncated()?;
        }
        self.estimation.finish(PATIENCE);
        Ok(())
    }
}

/// The settings: the file's, with the parameters that ROS was given in their place.
fn started_parameters(node: &r2r::Node, config: Config) -> Result<Parameters> {
    let mut parameters = Parameters::new(config);
    let given = node.params.lock().map_err(|_| poisoned("parameters"))?;
    let given = given.iter().map(|(name, one)| (name.as_str(), &one.value));
    let unknown = parameters
        .start_with(given)
        .map_err(|message| Error::Parameters { message })?;
    for name in unknown {
        tracing::warn!("there is no parameter {name}: it is ignored");
    }
    Ok(parameters)
}

/// What ROS refused, and at what.
fn ros(action: impl Into<String>) -> impl FnOnce(r2r::Error) -> Error {
    move |error| Error::Ros {
        action: action.into(),
        message: error.to_string(),
    }
}

/// Answer a request. A caller that has gone, or is not found in time, is told to the log and is no reason
/// to end.
fn respond<S>(request: ServiceRequest<S>, response: S::Response, what: &str)
where
    S: WrappedServiceTypeSupport + 'static,
{
    if let Err(error) = request.respond(response) {
        tracing::warn!("the answer to {what} did not reach its caller: {error}");
    }
}

/// The other thread has panicked while it held something.
fn poisoned(what: &str) -> Error {
    Error::Panicked {
        stamp_nanos: 0,
        message: format!("a thread ended while it held the {what}"),
    }
}
