//! The states of a managed node and the ways between them, as ROS 2 numbers and names them (rcl_lifecycle). It
//! knows nothing of ROS's messages and does none of the work: who does it is told what to begin, and tells what came of it.

/// A state; its number is its id on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    Unknown = 0,
    Unconfigured = 1,
    Inactive = 2,
    Active = 3,
    Finalized = 4,
    Configuring = 10,
    CleaningUp = 11,
    ShuttingDown = 12,
    Activating = 13,
    Deactivating = 14,
    ErrorProcessing = 15,
}

use State::{
    Activating, Active, CleaningUp, Configuring, Deactivating, ErrorProcessing, Finalized,
    Inactive, ShuttingDown, Unconfigured,
};

impl State {
    /// In the order in which ROS lists them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Unknown,
        Unconfigured,
        Inactive,
        Active,
        Finalized,
        Configuring,
        CleaningUp,
        ShuttingDown,
        Activating,
        Deactivating,
        ErrorProcessing,
    ];

    pub(crate) fn id(self) -> u8 {
        self as u8
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Unconfigured => "unconfigured",
            Inactive => "inactive",
            Active => "active",
            Finalized => "finalized",
            Configuring => "configuring",
            CleaningUp => "cleaningup",
            ShuttingDown => "shuttingdown",
            Activating => "activating",
            Deactivating => "deactivating",
            ErrorProcessing => "errorprocessing",
        }
    }

    /// Whether a node stays there until somebody asks for something.
    pub(crate) fn is_primary(self) -> bool {
        matches!(self, Unconfigured | Inactive | Active | Finalized)
    }
}

/// A way from one state to another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Transition {
    pub id: u8,
    pub label: &'static str,
    pub start: State,
    pub goal: State,
}

/// What came of the work that a transition stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Error,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Success => SUCCESS,
            Self::Error => ERROR,
        }
    }
}

const SUCCESS: &str = "transition_success";
const FAILURE: &str = "transition_failure";
const ERROR: &str = "transition_error";

const fn way(id: u8, label: &'static str, start: State, goal: State) -> Transition {
    Transition {
        id,
        label,
        start,
        goal,
    }
}

/// Every transition, in the order in which ROS lists them. The failures are ways that this node never takes: what it
/// cannot do it has tried, so it is an error with a reason.
pub(crate) static GRAPH: [Transition; 25] = [
    way(1, "configure", Unconfigured, Configuring),
    way(10, SUCCESS, Configuring, Inactive),
    way(11, FAILURE, Configuring, Unconfigured),
    way(12, ERROR, Configuring, ErrorProcessing),
    way(2, "cleanup", Inactive, CleaningUp),
    way(20, SUCCESS, CleaningUp, Unconfigured),
    way(21, FAILURE, CleaningUp, Inactive),
    way(22, ERROR, CleaningUp, ErrorProcessing),
    way(3, "activate", Inactive, Activating),
    way(30, SUCCESS, Activating, Active),
    way(31, FAILURE, Activating, Inactive),
    way(32, ERROR, Activating, ErrorProcessing),
    way(4, "deactivate", Active, Deactivating),
    way(40, SUCCESS, Deactivating, Inactive),
    way(41, FAILURE, Deactivating, Active),
    way(42, ERROR, Deactivating, ErrorProcessing),
    way(5, "shutdown", Unconfigured, ShuttingDown),
    way(6, "shutdown", Inactive, ShuttingDown),
    way(7, "shutdown", Active, ShuttingDown),
    way(50, SUCCESS, ShuttingDown, Finalized),
    way(51, FAILURE, ShuttingDown, Finalized),
    way(52, ERROR, ShuttingDown, ErrorProcessing),
    way(60, SUCCESS, ErrorProcessing, Unconfigured),
    way(61, FAILURE, ErrorProcessing, Finalized),
    way(62, ERROR, ErrorProcessing, Finalized),
];

/// Where a node stands.
#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            state: Unconfigured,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The transitions that start where the node stands, the outcomes of its own work among them.
    pub(crate) fn available(&self) -> impl Iterator<Item = &'static Transition> + use<> {
        let state = self.state;
        GRAPH.iter().filter(move |one| one.start == state)
    }

    /// Begin what somebody asks for. As ROS has it, a label that is given decides, and the id then counts for nothing.
    ///
    /// # Errors
    /// That it cannot begin here, with what can.
    pub(crate) fn begin(&mut self, id: u8, label: &str) -> Result<&'static Transition, String> {
        let is_asked_for = |one: &&Transition| match label {
            "" => one.id == id,
            label => one.label == label,
        };
        // Outcomes are the node's own to tell: nobody else declares its model loaded.
        let may_be_asked = self.state.is_primary();
        let asked = self.available().find(is_asked_for);
        let Some(transition) = asked.filter(|_| may_be_asked) else {
            return Err(self.refusal(id, label));
        };
        self.state = transition.goal;
        Ok(transition)
    }

    /// Take the way that the outcome of the work at hand leads; none where no work is at hand.
    pub(crate) fn conclude(&mut self, outcome: Outcome) -> Option<&'static Transition> {
        let at_work = !self.state.is_primary();
        let transition = self.available().find(|one| one.label == outcome.label());
        let transition = transition.filter(|_| at_work)?;
        self.state = transition.goal;
        Some(transition)
    }

    /// The transition that brings the node where an error of what it is doing can be told.
    pub(crate) fn to_fail(&self) -> Option<u8> {
        match self.state {
            Active => Some(4),
            Inactive => Some(2),
            _ => None,
        }
    }

    /// The transition that ends the node from here.
    pub(crate) fn to_shut_down(&self) -> Option<u8> {
        let shutdown = self.available().find(|one| one.label == "shutdown");
        shutdown.map(|one| one.id)
    }

    fn refusal(&self, id: u8, label: &str) -> String {
        let asked = match label {
            "" => format!("transition {id}"),
            label => format!("transition '{label}'"),
        };
        let state = self.state.label();
        if !self.state.is_primary() {
            return format!("{asked} is refused: the node is {state}; wait until that is done");
        }
        let possible: Vec<String> = (self.available())
            .map(|one| format!("{} ({})", one.label, one.id))
            .collect();
        match possible.as_slice() {
            [] => format!("{asked} is refused: the node is {state}; start its process again"),
            possible => format!(
                "{asked} is refused: the node is {state}, where it takes {}",
                possible.join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What may be asked for, and the state that it leads to where the work succeeds.
    const ASKED: [(State, u8, &str, State, State); 7] = [
        (Unconfigured, 1, "configure", Configuring, Inactive),
        (Inactive, 2, "cleanup", CleaningUp, Unconfigured),
        (Inactive, 3, "activate", Activating, Active),
        (Active, 4, "deactivate", Deactivating, Inactive),
        (Unconfigured, 5, "shutdown", ShuttingDown, Finalized),
        (Inactive, 6, "shutdown", ShuttingDown, Finalized),
        (Active, 7, "shutdown", ShuttingDown, Finalized),
    ];

    fn machine(state: State) -> Machine {
        Machine { state }
    }

    #[test]
    fn a_node_begins_unconfigured() {
        assert_eq!(Machine::new().state(), Unconfigured);
    }

    #[test]
    fn every_transition_that_may_be_asked_for_leads_where_ros_says_by_id_and_by_label() {
        for (start, id, label, through, goal) in ASKED {
            for (asked_id, asked_label) in [(id, ""), (0, label), (id, label), (99, label)] {
                let mut machine = machine(start);
                let begun = machine.begin(asked_id, asked_label).unwrap();
                assert_eq!((begun.id, begun.start), (id, start), "{label}");
                assert_eq!(machine.state(), through);
                let concluded = machine.conclude(Outcome::Success).unwrap();
                assert_eq!((concluded.start, concluded.goal), (through, goal));
                assert_eq!(machine.state(), goal);
            }
        }
    }

    #[test]
    fn every_other_id_is_refused_in_every_state_and_changes_nothing() {
        for state in State::ALL {
            for id in 0..=u8::MAX {
                if ASKED.iter().any(|one| (one.0, one.1) == (state, id)) {
                    continue;
                }
                let mut machine = machine(state);
                let refusal = machine.begin(id, "").unwrap_err();
                assert!(refusal.contains(state.label()), "{refusal}");
                assert_eq!(machine.state(), state, "{id}");
            }
        }
    }

    #[test]
    fn every_other_label_is_refused_in_every_state_whatever_the_id() {
        let labels = GRAPH.iter().map(|one| one.label);
        let wrong = ["destroy", "create", "Configure", "active_shutdown", " "];
        for label in labels.chain(wrong) {
            for state in State::ALL {
                if ASKED.iter().any(|one| (one.0, one.2) == (state, label)) {
                    continue;
                }
                for id in [0, 1, 2, 3, 4, 5, 6, 7] {
                    let mut machine = machine(state);
                    assert!(machine.begin(id, label).is_err(), "{label} in {state:?}");
                    assert_eq!(machine.state(), state);
                }
            }
        }
    }

    #[test]
    fn an_error_of_any_work_is_processed_and_leaves_the_node_unconfigured() {
        for state in [
            Configuring,
            CleaningUp,
            ShuttingDown,
            Activating,
            Deactivating,
        ] {
            let mut machine = machine(state);
            let failed = machine.conclude(Outcome::Error).unwrap();
            assert_eq!((failed.start, failed.goal), (state, ErrorProcessing));
            let processed = machine.conclude(Outcome::Success).unwrap();
            assert_eq!((processed.id, processed.goal), (60, Unconfigured));
        }
        let mut machine = machine(ErrorProcessing);
        machine.conclude(Outcome::Error).unwrap();
        assert_eq!(machine.state(), Finalized);
    }

    #[test]
    fn no_outcome_is_told_where_no_work_is_at_hand() {
        for state in [Unconfigured, Inactive, Active, Finalized, State::Unknown] {
            for outcome in [Outcome::Success, Outcome::Error] {
                let mut machine = machine(state);
                assert_eq!(machine.conclude(outcome), None);
                assert_eq!(machine.state(), state);
            }
        }
    }

    #[test]
    fn a_node_fails_and_ends_by_transitions_that_its_state_has() {
        for state in State::ALL {
            let fails = machine(state).to_fail();
            assert_eq!(fails.is_some(), matches!(state, Active | Inactive));
            let ends = machine(state).to_shut_down();
            assert_eq!(
                ends.is_some(),
                matches!(state, Unconfigured | Inactive | Active)
            );
            for id in fails.into_iter().chain(ends) {
                assert!(machine(state).begin(id, "").is_ok());
            }
        }
    }

    #[test]
    fn the_graph_has_each_id_once_and_leaves_each_state_by_each_label_once() {
        for (at, one) in GRAPH.iter().enumerate() {
            for other in &GRAPH[at + 1..] {
                assert_ne!(one.id, other.id);
                assert_ne!((one.start, one.label), (other.start, other.label));
            }
        }
    }

    #[test]
    fn a_refusal_says_what_is_possible_instead() {
        let refusal = machine(Inactive).begin(1, "").unwrap_err();
        assert!(
            refusal.ends_with("takes cleanup (2), activate (3), shutdown (6)"),
            "{refusal}"
        );
        let refusal = machine(Configuring).begin(0, "activate").unwrap_err();
        assert!(refusal.contains("wait until that is done"), "{refusal}");
        let refusal = machine(Finalized).begin(1, "").unwrap_err();
        assert!(refusal.contains("start its process again"), "{refusal}");
    }
}
