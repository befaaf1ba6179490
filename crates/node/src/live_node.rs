//! The node itself: what it owns on the thread that speaks with ROS, and the turns it takes.

mod managed;
mod measuring;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use r2r::spatial_reward::srv::AnnotateStep;

use crate::annotations::Topics;
use crate::arguments::{Identity, Remaps};
use crate::calls::Taken;
use crate::clock::{Now, ReceiveClock};
use crate::diagnostics::{Diagnostics, Situation};
use crate::episodes::Episodes;
use crate::error::{Error, Result, poisoned, ros};
use crate::estimation::{Ending, Estimation, Shared};
use crate::graph::{self, Namesakes};
use crate::inputs::{Came, Inputs, Told};
use crate::log;
use crate::log::RosLog;
use crate::management::Management;
use crate::outputs::{DebugView, Rewards};
use crate::pairs::pairs;
use crate::parameter_services::ParameterServices;
use crate::parameters::Parameters;
use crate::rig::RigState;
use crate::services::{Requests, next, serve};
use crate::workbench::Workbench;
use spatial_reward_core::error::panic_words;
use spatial_reward_core::estimator::Estimators;
use spatial_reward_core::pipeline::{Input, TaskMatcher};
use spatial_reward_core::progress::BoxedProgress;
use spatial_reward_core::settings::{Config, Plan, Settings};
use spatial_reward_core::task::When;

/// The name it has unless it is given another.
const NAME: &str = "spatial_reward";

/// How long ROS is waited for at a time while something else has a deadline: a call, or a frame that waits
/// for its inputs.
const SHORT_WAIT: Duration = Duration::from_millis(10);

/// And while nothing has.
const LONG_WAIT: Duration = Duration::from_millis(100);

/// While answers wait for their turn.
const ANSWERS_WAIT: Duration = Duration::from_millis(2);

/// Services that many call at the same moment.
const SERVICES: [&str; 5] = [
    "annotate_step",
    "set_parameters",
    "get_parameters",
    "list_parameters",
    "describe_parameters",
];

/// How long a count of their clients holds.
const CLIENTS_COUNT_FOR: Duration = Duration::from_millis(500);

/// The inputs of one frame come in a burst. Between its first and its last, ROS is left alone for this long:
/// asking it costs the same for one message and for all.
const BURST: Duration = Duration::from_micros(400);

/// After so many looks for transforms in a row, everything else has its turn.
const MOST_LOOKS: u32 = 64;

/// What the estimator gets to finish its frame when the node ends.
const PATIENCE: Duration = Duration::from_millis(500);

/// Words an error, with its way out.
pub type Explain = Box<dyn Fn(Error) -> String>;

/// What a managed node says last, its final state, gets to those who listen: what a process has not sent
/// when it ends is lost.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Where log lines go besides stderr.
pub fn log_layer() -> RosLog {
    RosLog
}

/// Run the node until somebody sets `stop`, or until it cannot go on. ROS reads its own arguments from the
/// command line of the process; parameters given there win over `config`. `progress` is told how far a long load is;
/// `explain` words an error that a managed node goes on after, with its way out.
///
/// # Errors
/// What ROS refuses, a parameter that makes no sense, an estimator that cannot be loaded or has failed.
pub fn run(
    config: Config,
    estimators: Estimators,
    stop: &AtomicBool,
    progress: BoxedProgress,
    explain: Explain,
) -> Result<()> {
    let mut node = create()?;
    let mut live = LiveNode::start(&mut node, config, estimators, progress, explain)?;
    // ROS's library runs on this thread, too: should it panic, that is told like any other error.
    catch_unwind(AssertUnwindSafe(|| live.listen(&mut node, stop))).unwrap_or_else(|panic| {
        Err(spatial_reward_core::Error::panicked("the node", panic.as_ref()).into())
    })?;
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
    remaps: Remaps,
    identity: Identity,
    inputs: Inputs,
    /// The pairs of regions that are measured, the step's own first.
    pairs: Vec<Plan>,
    matcher: TaskMatcher,
    /// Those of earlier matchers.
    duplicates_before: u64,
    /// What was said of transforms and of the depth camera last.
    rig: RigState,
    episodes: Episodes,
    calls: Requests<AnnotateStep::Service>,
    calls_taken: u64,
    diagnostics: Diagnostics,
    shared: Arc<Shared>,
    workbench: Workbench,
    /// The estimator at work; none before a managed node is configured.
    estimation: Option<Estimation>,
    /// One that was told to end and may not have yet.
    ending: Option<Ending>,
    /// Of a managed node.
    management: Option<Management>,
    explain: Explain,
    namesakes: Namesakes,
    full_name: String,
    clients_counted: Option<Instant>,
    now: Option<Now>,
    came: Came,
}

impl LiveNode {
    fn start(
        node: &mut r2r::Node,
        config: Config,
        estimators: Estimators,
        progress: BoxedProgress,
        explain: Explain,
    ) -> Result<Self> {
        let identity = Identity {
            name: node.name().map_err(ros("name the node"))?,
            namespace: node.namespace().map_err(ros("name the node"))?,
        };
        let full_name = (node.fully_qualified_name()).map_err(ros("name the node"))?;
        let parameters = started_parameters(node, config, estimators.clone())?;
        let settings = parameters.settings().clone();
        let pairs = pairs(&settings)?;
        let inputs = Inputs::none();
        let workbench = Workbench {
            rewards: Rewards::new(node, &settings)?,
            view: DebugView::new(node)?,
            annotated: Topics::default(),
            clock: node.get_ros_clock(),
            progress: Arc::new(Mutex::new(progress)),
        };
        let mut live = Self {
            matcher: matcher(&pairs, &settings, &inputs),
            pairs,
            clock: ReceiveClock::new(node, parameters.use_sim_time())?,
            remaps: Remaps::of_arguments(std::env::args()),
            inputs,
            duplicates_before: 0,
            rig: RigState::default(),
            parameter_services: ParameterServices::new(node, full_name.clone())?,
            parameters,
            episodes: Episodes::new(node)?,
            calls: serve(node, "~/annotate_step")?,
            calls_taken: 0,
            diagnostics: Diagnostics::new(node, full_name.clone())?,
            workbench,
            estimation: None,
            ending: None,
            management: None,
            explain,
            namesakes: Namesakes::of(identity.clone()),
            identity,
            full_name,
            clients_counted: None,
            shared: Arc::new(Shared::new(settings.clone(), estimators)),
            now: None,
            came: Came::default(),
        };
        if settings.live.managed {
            live.management = Some(Management::new(node)?);
            live.manage(node)?;
            tracing::info!("a managed node: it waits for ~/change_state");
        } else {
            live.hear(node)?;
            live.load(node)?;
        }
        Ok(live)
    }

    /// Take turns with ROS until somebody sets `stop`.
    fn listen(&mut self, node: &mut r2r::Node, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let wait = if self.shared.calls.answers.send_due()? {
                self.count_clients(node)?;
                ANSWERS_WAIT
            } else if self.has_deadlines()? {
                SHORT_WAIT
            } else {
                LONG_WAIT
            };
            node.spin_once(wait);
            self.turn(node)?;
            self.keep_up(node)?;
            if self.expects_more() {
                thread::sleep(BURST);
            }
        }
        Ok(())
    }

    /// Where many tell transforms: take those that lie with ROS, of which each look gets one.
    fn keep_up(&mut self, node: &mut r2r::Node) -> Result<()> {
        let mut looks = 0;
        while self.came.transforms && looks < MOST_LOOKS && self.is_active() {
            node.spin_once(Duration::ZERO);
            self.take_messages()?;
            looks += 1;
        }
        Ok(())
    }

    /// In a burst, now and then: how fast it is answered follows from it.
    fn count_clients(&mut self, node: &r2r::Node) -> Result<()> {
        if (self.clients_counted).is_some_and(|at| at.elapsed() < CLIENTS_COUNT_FOR) {
            return Ok(());
        }
        self.clients_counted = Some(Instant::now());
        let services = SERVICES
            .iter()
            .map(|name| format!("{}/{name}", self.full_name));
        let counts = services.filter_map(|service| graph::clients(node, &service).ok());
        let most = counts.max().unwrap_or(0);
        self.shared.calls.answers.set_clients(most)
    }

    /// Whether a frame waits for the rest of a burst that has just begun.
    fn expects_more(&self) -> bool {
        self.came.others && self.matcher.has_pending()
    }

    /// Whether something is to be done though no message comes.
    fn has_deadlines(&self) -> Result<bool> {
        let is_changing = (self.management.as_ref()).is_some_and(|one| !one.state().is_primary());
        Ok(is_changing || self.matcher.has_pending() || !self.shared.calls.is_empty()?)
    }

    /// Everything that is to be done after ROS was listened to.
    fn turn(&mut self, node: &mut r2r::Node) -> Result<()> {
        self.manage(node)?;
        self.now = self.clock.now(self.inputs.images())?;
        if let Err(error) = self.measure() {
            self.fail(error)?;
        }
        let changed = (self.parameter_services).answer(
            &mut self.parameters,
            &node.get_ros_clock(),
            &self.shared.calls.answers,
        )?;
        if let Some(settings) = changed {
            self.shared.set_settings(settings)?;
        }
        if self.diagnostics.is_due() {
            self.inputs.look_for_split(node);
            self.namesakes.look(node);
            self.tell(node)?;
        }
        Ok(())
    }

    /// Take in what is to be measured. What fails here is the node's work, and not its connection with ROS.
    fn measure(&mut self) -> Result<()> {
        if let Some(estimation) = &self.estimation {
            estimation.check()?;
        }
        if self.is_active() {
            self.take_messages()?;
        } else {
            self.inputs.keep_resting();
        }
        self.take_orders()?;
        self.take_calls()
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
        self.came = inputs.take(*now, &mut |told| match told {
            Told::Of { pair, input } => match input {
                Input::Image { .. } if episodes.is_between() => dropped += u64::from(pair == 0),
                input => matcher.push(log_time_nanos, pair, input),
            },
            Told::Split => matcher.split(log_time_nanos),
            Told::Opening {
                stamp_nanos,
                opening_m,
            } => matcher.push_opening(
                When {
                    stamp_nanos,
                    log_time_nanos,
                },
                opening_m,
            ),
        });
        if dropped > 0 {
            self.shared.statistics()?.between_episodes += dropped;
        }
        let duplicates = self.duplicates_before + self.matcher.own().duplicates();
        if duplicates > 0 {
            self.shared.statistics()?.duplicates = duplicates;
        }
        self.matcher.expect(|pair| self.inputs.streams(pair));
        if self.now.is_some() {
            self.matcher.advance(log_time_nanos);
        }
        self.submit_ready()
    }

    fn submit_ready(&mut self) -> Result<()> {
        while let Some(frame) = self.matcher.next_frame() {
            self.episodes.note_frame();
            if let Some(estimation) = &self.estimation {
                estimation.submit(frame)?;
            }
        }
        Ok(())
    }

    /// Begin and end episodes, as the services are asked to.
    fn take_orders(&mut self) -> Result<()> {
        while let Some(order) = self.episodes.next_order(&self.shared.calls.answers)? {
            if let Some(why) = self.why_not_active() {
                Episodes::refuse(order, why, &self.shared.calls.answers)?;
                continue;
            }
            // What was received belongs to the episode that ends, and comes too late.
            self.matcher.flush();
            let next = self.matcher.own().next_episode();
            self.shared
                .first_open_episode
                .store(next, Ordering::Relaxed);
            self.submit_ready()?;
            let log_time_nanos = self.now.map_or(0, |now| now.log_time_nanos);
            let was_open = self.episodes.carry_out(order, &self.shared.calls.answers)?;
            if was_open {
                self.workbench.rewards.publish_truncated()?;
            }
            if !self.episodes.is_between() {
                self.matcher.split(log_time_nanos);
                self.matcher.hear_anew();
            }
        }
        Ok(())
    }

    fn take_calls(&mut self) -> Result<()> {
        let settings = self.shared.settings()?;
        let closed = self.why_not_active();
        while let Some(request) = next(&mut self.calls, &self.shared.calls.answers)? {
            self.calls_taken += 1;
            let received_nanos = self.now.map_or(0, |now| now.ros_nanos);
            let intrinsics = self.matcher.own().newest_intrinsics();
            let taken = (self.shared.calls).take(
                self.calls_taken,
                request,
                &settings,
                received_nanos,
                intrinsics,
                closed.as_deref(),
            )?;
            match (taken, &self.estimation) {
                (Taken::Call(call), Some(estimation)) => estimation.submit_call(call)?,
                // Without an estimator the node is not active.
                (Taken::Call(_) | Taken::NotActive, _) => {
                    self.shared.statistics()?.calls.not_active += 1;
                }
                (Taken::Busy, _) => self.shared.statistics()?.calls.busy += 1,
                (Taken::Bad, _) => self.shared.statistics()?.calls.bad += 1,
            }
        }
        let late = self.shared.calls.expire(&settings)?;
        if late > 0 {
            self.shared.statistics()?.calls.late += late;
        }
        Ok(())
    }

    fn tell(&mut self, node: &r2r::Node) -> Result<()> {
        let rig = RigState::of(&self.matcher, &self.inputs);
        rig.tell(&self.rig);
        self.rig = rig;
        let situation = Situation {
            between_episodes: self.episodes.is_between(),
            without_time: self.now.is_none(),
            serves_calls: self.calls_taken > 0 && self.inputs.images() == 0,
            namesakes: self.namesakes.others(),
            rig: &self.rig,
            management: self
                .management
                .as_ref()
                .map(|one| (one.state(), one.error())),
        };
        let ros_nanos = self.now.map_or(0, |now| now.ros_nanos);
        let mut statistics = self.shared.statistics()?;
        (self.diagnostics).publish(&self.inputs, &statistics, situation, ros_nanos)?;
        (self.diagnostics).notice(node, &self.inputs, &mut statistics, situation);
        Ok(())
    }

    /// Close what is open and say good-bye.
    fn end(mut self) -> Result<()> {
        tracing::info!("shutting down");
        let settings = self.shared.settings()?;
        self.shared.calls.shut_down(&settings)?;
        self.shut_down()?;
        if self.episodes.is_open() {
            self.workbench.rewards.publish_truncated()?;
        }
        if let Some(estimation) = self.estimation.take() {
            estimation.finish(PATIENCE);
        }
        self.finalize()?;
        self.shared.calls.answers.send_all()?;
        if self.management.is_some() {
            thread::sleep(LAST_WORDS);
        }
        Ok(())
    }
}

/// What joins the messages of these pairs.
fn matcher(pairs: &[Plan], settings: &Settings, inputs: &Inputs) -> TaskMatcher {
    let all: Vec<&Settings> = pairs.iter().map(|plan| &plan.settings).collect();
    let (own, others) = all.split_first().unwrap_or((&settings, &[]));
    TaskMatcher::new(own, others, |pair| inputs.streams(pair))
}

/// The settings: the file's, with the parameters that ROS was given in their place.
fn started_parameters(
    node: &r2r::Node,
    config: Config,
    estimators: Estimators,
) -> Result<Parameters> {
    let mut parameters = Parameters::new(config, estimators)?;
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
