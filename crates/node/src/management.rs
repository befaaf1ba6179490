//! How a managed node is spoken with: lifecycle_msgs' five services and `~/transition_event`, over the state machine.
//! r2r has no lifecycle nodes, but what drives one (launch, nav2, `ros2 lifecycle`) only knows these.

use std::sync::Mutex;

use r2r::lifecycle_msgs::msg::{
    State as StateMessage, Transition as TransitionMessage, TransitionDescription, TransitionEvent,
};
use r2r::lifecycle_msgs::srv::{
    ChangeState, GetAvailableStates, GetAvailableTransitions, GetState,
};
use r2r::{QosProfile, ServiceRequest};

use crate::answers::{Answers, Hurry};
use crate::clock;
use crate::error::Result;
use crate::lifecycle::{GRAPH, Machine, Outcome, State, Transition};
use crate::outgoing::Outlet;
use crate::services::{Requests, next, serve};

/// What the requests are about, for the log.
const ABOUT: &str = "a request about the node's state";

/// A managed node's state, and its doors.
pub(crate) struct Management {
    machine: Machine,
    change: Requests<ChangeState::Service>,
    state: Requests<GetState::Service>,
    states: Requests<GetAvailableStates::Service>,
    transitions: Requests<GetAvailableTransitions::Service>,
    graph: Requests<GetAvailableTransitions::Service>,
    events: Outlet<TransitionEvent>,
    /// Who asked for the work at hand, if somebody did.
    asker: Option<ServiceRequest<ChangeState::Service>>,
    /// What went wrong last; empty once another transition has begun.
    error: String,
}

impl Management {
    /// # Errors
    /// ROS refuses a service.
    pub(crate) fn new(node: &mut r2r::Node) -> Result<Self> {
        Ok(Self {
            machine: Machine::new(),
            change: serve(node, "~/change_state")?,
            state: serve(node, "~/get_state")?,
            states: serve(node, "~/get_available_states")?,
            transitions: serve(node, "~/get_available_transitions")?,
            graph: serve(node, "~/get_transition_graph")?,
            events: Outlet::new(node, "~/transition_event", QosProfile::default())?,
            asker: None,
            error: String::new(),
        })
    }

    pub(crate) fn state(&self) -> State {
        self.machine.state()
    }

    /// What went wrong last; empty once another transition has begun.
    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    /// The transition that brings the node where an error of what it is doing can be told; none where it does nothing.
    pub(crate) fn to_fail(&self) -> Option<u8> {
        self.machine.to_fail()
    }

    /// The transition that ends the node from here; none where it cannot be ended.
    pub(crate) fn to_shut_down(&self) -> Option<u8> {
        self.machine.to_shut_down()
    }

    /// The next transition that somebody asks for and that can begin; those that cannot are refused.
    ///
    /// # Errors
    /// ROS refuses a message.
    pub(crate) fn next(
        &mut self,
        clock: &Mutex<r2r::Clock>,
        answers: &Answers,
    ) -> Result<Option<&'static Transition>> {
        while let Some(request) = next(&mut self.change, answers)? {
            let asked = &request.message.transition;
            match self.machine.begin(asked.id, &asked.label) {
                Ok(transition) => {
                    self.asker = Some(request);
                    self.error.clear();
                    self.tell(transition, clock)?;
                    return Ok(Some(transition));
                }
                Err(refusal) => {
                    tracing::warn!("{refusal}");
                    answer(request, false, answers)?;
                }
            }
        }
        Ok(None)
    }

    /// Begin a transition of the node's own; none if it cannot begin here.
    ///
    /// # Errors
    /// ROS refuses a message.
    pub(crate) fn begin(
        &mut self,
        id: u8,
        clock: &Mutex<r2r::Clock>,
    ) -> Result<Option<&'static Transition>> {
        let Ok(transition) = self.machine.begin(id, "") else {
            return Ok(None);
        };
        self.tell(transition, clock)?;
        Ok(Some(transition))
    }

    /// The work at hand is done, an error's included: tell everybody, and whoever asked for it.
    ///
    /// # Errors
    /// ROS refuses a message.
    pub(crate) fn succeed(&mut self, clock: &Mutex<r2r::Clock>, answers: &Answers) -> Result<()> {
        let after_error = self.state() == State::ErrorProcessing;
        if let Some(transition) = self.machine.conclude(Outcome::Success) {
            self.tell(transition, clock)?;
        }
        match self.asker.take() {
            Some(request) => answer(request, !after_error, answers),
            None => Ok(()),
        }
    }

    /// The work at hand has failed: what follows is to clean up after it. Who asked is answered once that is done.
    ///
    /// # Errors
    /// ROS refuses a message.
    pub(crate) fn fail(&mut self, error: String, clock: &Mutex<r2r::Clock>) -> Result<()> {
        self.error = error;
        match self.machine.conclude(Outcome::Error) {
            Some(transition) => self.tell(transition, clock),
            None => Ok(()),
        }
    }

    /// Whoever asked for work that the end of the process cuts off hears that it was not done.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn give_up(&mut self, answers: &Answers) -> Result<()> {
        match self.asker.take() {
            Some(request) => answer(request, false, answers),
            None => Ok(()),
        }
    }

    /// Answer those who only ask.
    ///
    /// # Errors
    /// The other thread has panicked.
    pub(crate) fn answer_questions(&mut self, answers: &Answers) -> Result<()> {
        while let Some(request) = next(&mut self.state, answers)? {
            let current_state = state_message(self.machine.state());
            let response = GetState::Response { current_state };
            answers.give(Hurry::None, request, response, ABOUT)?;
        }
        while let Some(request) = next(&mut self.states, answers)? {
            let available_states = State::ALL.map(state_message).to_vec();
            let response = GetAvailableStates::Response { available_states };
            answers.give(Hurry::None, request, response, ABOUT)?;
        }
        while let Some(request) = next(&mut self.transitions, answers)? {
            let available_transitions = self.machine.available().map(description).collect();
            let response = GetAvailableTransitions::Response {
                available_transitions,
            };
            answers.give(Hurry::None, request, response, ABOUT)?;
        }
        while let Some(request) = next(&mut self.graph, answers)? {
            let available_transitions = GRAPH.iter().map(description).collect();
            let response = GetAvailableTransitions::Response {
                available_transitions,
            };
            answers.give(Hurry::None, request, response, ABOUT)?;
        }
        Ok(())
    }

    fn tell(&self, transition: &Transition, clock: &Mutex<r2r::Clock>) -> Result<()> {
        let Transition { start, goal, .. } = transition;
        tracing::info!("state: {} -> {}", start.label(), goal.label());
        // A simulator's clock may show a time before the epoch, which the message cannot.
        let timestamp = u64::try_from(clock::read(clock)?).unwrap_or(0);
        let TransitionDescription {
            transition,
            start_state,
            goal_state,
        } = description(transition);
        self.events.publish(TransitionEvent {
            timestamp,
            transition,
            start_state,
            goal_state,
        })
    }
}

fn answer(
    request: ServiceRequest<ChangeState::Service>,
    success: bool,
    answers: &Answers,
) -> Result<()> {
    let response = ChangeState::Response { success };
    answers.give(Hurry::None, request, response, ABOUT)
}

fn state_message(state: State) -> StateMessage {
    StateMessage {
        id: state.id(),
        label: state.label().to_owned(),
    }
}

fn description(transition: &Transition) -> TransitionDescription {
    TransitionDescription {
        transition: TransitionMessage {
            id: transition.id,
            label: transition.label.to_owned(),
        },
        start_state: state_message(transition.start),
        goal_state: state_message(transition.goal),
    }
}
