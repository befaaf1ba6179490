//! From phase to phase. What it is in follows from the quantities so far alone, so that phase and quantities together are a
//! state of a Markov decision process (the product of the world and the machine), and the potential is a function of that
//! state: shaping by it leaves the best policy the best (Ng, Harada and Russell 1999, theorem 1). The potential of what ends an
//! episode is 0, as the theorem asks.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::Holding;
use super::observed::Observed;
use crate::frame::Reason;
use crate::reward::shaping::shaping_term;
use crate::settings::{Phase, Potential, Quantity, Settings, Task, Transition};

/// Follows a task through one episode.
#[derive(Debug, Clone)]
pub struct Machine {
    task: Task,
    gamma: f64,
    kappa: f64,
    state: State,
    /// Of the transitions out of everywhere and out of the present phase.
    anywhere: Vec<Leading>,
    leading: Vec<Leading>,
    /// Of the last step that was valid.
    potential: Option<f64>,
    /// What was known in this episode.
    known: BTreeSet<Quantity>,
    ends_on_success: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Phase(usize),
    Success,
    Failure,
}

/// A transition and what it waits for.
#[derive(Debug, Clone)]
struct Leading {
    to: State,
    conditions: Vec<(Quantity, Holding)>,
}

/// What one moment was worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The phase's name, or `success` or `failure`.
    pub phase: String,
    /// Its place among the phases, counted from 0; as many as there are after success, -1 after failure.
    pub phase_index: i64,
    /// How far the task is done, 0 to 1; or why that is not known.
    pub progress: Result<f64, Reason>,
    /// Phi; NaN where progress is not known.
    pub potential: f64,
    /// Success or failure in this step, and the shaping; NaN where progress is not known.
    pub reward: f64,
    /// The task is solved.
    pub success: bool,
    /// The task has failed.
    pub failure: bool,
    /// It was solved or has failed in this very step.
    pub entered_end: bool,
}

impl Machine {
    /// The machine in these settings, before the first moment.
    pub fn new(settings: &Settings) -> Self {
        let task = settings.task.clone();
        let leading = |transitions: &[Transition]| leading(&task, transitions);
        let first = task.phases.first().map(|phase| phase.next.as_slice());
        Self {
            gamma: settings.reward.gamma,
            kappa: settings.reward.kappa,
            state: State::Phase(0),
            anywhere: leading(&task.anywhere),
            leading: leading(first.unwrap_or_default()),
            potential: None,
            known: BTreeSet::new(),
            ends_on_success: settings.episodes.end_on_success,
            task,
        }
    }

    /// Other discount and scale of the shaping, for the moments to come.
    pub fn reconfigure(&mut self, settings: &Settings) {
        (self.gamma, self.kappa) = (settings.reward.gamma, settings.reward.kappa);
    }

    /// Another episode begins.
    pub fn begin_episode(&mut self) {
        self.enter(State::Phase(0));
        self.anywhere = leading(&self.task, &self.task.anywhere);
        self.potential = None;
        self.known.clear();
    }

    /// The next moment.
    pub fn push(&mut self, stamp_nanos: i64, observed: &Observed) -> Outcome {
        let known = observed
            .quantities
            .iter()
            .filter(|(_, value)| value.is_ok());
        self.known
            .extend(known.map(|(quantity, _)| quantity.clone()));
        let was_over = !matches!(self.state, State::Phase(_));
        if let Some(to) = self.due(stamp_nanos, observed) {
            self.enter(to);
        }
        let is_over = !matches!(self.state, State::Phase(_));
        let entered_end = is_over && !was_over;
        let progress = self.progress(observed);
        let potential = match (&progress, is_over) {
            // What follows a solved task is worth nothing more, whether the episode is cut there or not.
            (_, true) => 0.0,
            (Ok(progress), false) => *progress,
            (Err(_), false) => f64::NAN,
        };
        let mut reward = f64::NAN;
        if potential.is_finite() {
            let term = self
                .potential
                .map_or(0.0, |before| shaping_term(self.gamma, before, potential));
            self.potential = Some(potential);
            let end = match self.state {
                State::Success if entered_end => self.task.success_reward,
                State::Failure if entered_end => self.task.failure_reward,
                _ => 0.0,
            };
            reward = end + self.kappa * term;
        }
        self.outcome(progress, potential, reward, entered_end)
    }

    /// A moment that is none of the task's: what it was.
    pub(super) fn unmoved(&self, reason: Reason) -> Outcome {
        self.outcome(Err(reason), f64::NAN, f64::NAN, false)
    }

    fn outcome(
        &self,
        progress: Result<f64, Reason>,
        potential: f64,
        reward: f64,
        entered_end: bool,
    ) -> Outcome {
        Outcome {
            phase: self.name(),
            phase_index: match self.state {
                State::Phase(at) => at as i64,
                State::Success => self.task.phases.len() as i64,
                State::Failure => -1,
            },
            progress,
            potential,
            reward,
            success: self.state == State::Success,
            failure: self.state == State::Failure,
            entered_end,
        }
    }

    /// Whether an episode is cut where its task is solved or has failed.
    pub fn ends_episodes(&self) -> bool {
        self.ends_on_success
    }

    fn name(&self) -> String {
        match self.state {
            State::Phase(at) => self
                .task
                .phases
                .get(at)
                .map_or_else(String::new, |phase| phase.name.clone()),
            State::Success => "success".to_owned(),
            State::Failure => "failure".to_owned(),
        }
    }

    fn phase(&self) -> Option<&Phase> {
        match self.state {
            State::Phase(at) => self.task.phases.get(at),
            _ => None,
        }
    }

    /// Where the first transition that holds leads to. Every condition sees every moment, whether or not another one leads away.
    fn due(&mut self, stamp_nanos: i64, observed: &Observed) -> Option<State> {
        self.phase()?;
        let known = &self.known;
        let all = self.anywhere.iter_mut().chain(&mut self.leading);
        let due: Vec<State> = all
            .filter_map(|leading| {
                let holds = leading.push(stamp_nanos, observed, known);
                holds.then_some(leading.to)
            })
            .collect();
        due.into_iter().find(|to| *to != self.state)
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        let next = self.phase().map(|phase| phase.next.clone());
        self.leading = leading(&self.task, &next.unwrap_or_default());
    }

    /// Phases that are done and how far this one is, as a share of all.
    fn progress(&self, observed: &Observed) -> Result<f64, Reason> {
        let phases = self.task.phases.len().max(1) as f64;
        match self.state {
            State::Success => Ok(1.0),
            State::Failure => Ok(0.0),
            State::Phase(at) => {
                let potential = self.phase().and_then(|phase| phase.potential.as_ref());
                let share = potential.map_or(Ok(0.0), |potential| share_of(potential, observed))?;
                Ok((at as f64 + share) / phases)
            }
        }
    }
}

/// How far a phase is done, 0 to 1.
fn share_of(potential: &Potential, observed: &Observed) -> Result<f64, Reason> {
    let unknown = Err(Reason::DepthInvalid);
    let value = observed.quantities.get(&potential.of).unwrap_or(&unknown);
    let value = value.as_ref().map_err(|reason| *reason)?.value;
    let Potential { goal, from, .. } = potential;
    Ok(((value - from) / (goal - from)).clamp(0.0, 1.0))
}

fn leading(task: &Task, transitions: &[Transition]) -> Vec<Leading> {
    let places: BTreeMap<&str, usize> = (task.phases.iter())
        .map(|phase| phase.name.as_str())
        .zip(0..)
        .collect();
    let of = |transition: &Transition| {
        let to = match transition.to.as_str() {
            "success" => State::Success,
            "failure" => State::Failure,
            phase => State::Phase(*places.get(phase)?),
        };
        Some(Leading {
            to,
            conditions: (transition.when.iter())
                .map(|condition| (condition.of.clone(), Holding::new(condition)))
                .collect(),
        })
    };
    transitions.iter().filter_map(of).collect()
}

impl Leading {
    /// Whether all of its conditions hold; each of them sees the moment. `known` is what was known in this episode.
    fn push(&mut self, stamp_nanos: i64, observed: &Observed, known: &BTreeSet<Quantity>) -> bool {
        let unknown = Err(Reason::DepthInvalid);
        let held = self.conditions.iter_mut().map(|(quantity, holding)| {
            let value = observed.quantities.get(quantity).unwrap_or(&unknown);
            holding.push(stamp_nanos, value, known.contains(quantity))
        });
        // No short cut: a condition that is not asked would not know since when it holds.
        held.filter(|holds| !holds).count() == 0
    }
}
