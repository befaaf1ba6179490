//! The work behind a managed node's transitions. Loading a model and letting go of it take their time, in which ROS goes
//! on being listened to: the node is in a state of transition meanwhile, and whoever asked waits for the answer.

use super::LiveNode;
use crate::error::{Error, Result};
use crate::lifecycle::State;
use crate::parameters::Building;

impl LiveNode {
    /// Whether topics and calls are measured: always, unless the node is a managed one.
    pub(super) fn is_active(&self) -> bool {
        (self.management.as_ref()).is_none_or(|one| one.state() == State::Active)
    }

    /// Why nothing is measured, for whoever asks for it; none if it is.
    pub(super) fn why_not_active(&self) -> Option<String> {
        let state = self.management.as_ref()?.state();
        let name = &self.full_name;
        let way_out = match state {
            State::Active => return None,
            State::Unconfigured => {
                format!("ros2 lifecycle set {name} configure, then activate, makes it measure")
            }
            State::Inactive => format!("ros2 lifecycle set {name} activate makes it measure"),
            State::Finalized => "start its process again".to_owned(),
            _ => "ask again once that is done".to_owned(),
        };
        Some(format!("the node is {}: {way_out}", state.label()))
    }

    /// Begin what a managed node is told to do, go on with what it is at, and answer who asks about it.
    pub(super) fn manage(&mut self, node: &mut r2r::Node) -> Result<()> {
        self.go_on()?;
        while let Some(management) = &mut self.management {
            let asked = management.next(&self.workbench.clock, &self.shared.calls.answers)?;
            let Some(transition) = asked else { break };
            self.begin_work(node, transition.goal)?;
            self.go_on()?;
        }
        self.note_building();
        match &mut self.management {
            Some(management) => management.answer_questions(&self.shared.calls.answers),
            None => Ok(()),
        }
    }

    /// The work that a state of transition stands for; what takes no time is done then.
    fn begin_work(&mut self, node: &mut r2r::Node, state: State) -> Result<()> {
        let done = match state {
            State::Configuring => self.load(node),
            State::Activating => self.hear(node),
            State::Deactivating => self.fall_silent("the node is being deactivated"),
            State::CleaningUp | State::ShuttingDown => {
                let silent = self.fall_silent("the node is shutting down");
                self.let_go();
                silent
            }
            _ => Ok(()),
        };
        match done {
            Ok(()) if matches!(state, State::Activating | State::Deactivating) => self.succeed(),
            Ok(()) => Ok(()),
            Err(error) => self.fail(error),
        }
    }

    /// Look whether the work at hand is done.
    fn go_on(&mut self) -> Result<()> {
        let Some(management) = &self.management else {
            return Ok(());
        };
        let is_done = match management.state() {
            State::Configuring => {
                (self.estimation.as_ref()).is_some_and(|estimation| estimation.is_loaded())
            }
            State::CleaningUp | State::ShuttingDown | State::ErrorProcessing => self.has_let_go(),
            _ => false,
        };
        if is_done { self.succeed() } else { Ok(()) }
    }

    fn succeed(&mut self) -> Result<()> {
        match &mut self.management {
            Some(management) => {
                management.succeed(&self.workbench.clock, &self.shared.calls.answers)
            }
            None => Ok(()),
        }
    }

    /// Something failed. A managed node says what, lets go of everything and can be configured again; any other ends,
    /// for one that says nothing would be worse.
    pub(super) fn fail(&mut self, error: Error) -> Result<()> {
        let Some(management) = &mut self.management else {
            return Err(error);
        };
        if management.state().is_primary() {
            let Some(id) = management.to_fail() else {
                return Err(error);
            };
            management.begin(id, &self.workbench.clock)?;
        }
        let while_what = management.state().label();
        let reason = (self.explain)(error);
        tracing::error!("{while_what} failed: {reason}");
        management.fail(
            format!("{while_what} failed: {reason}"),
            &self.workbench.clock,
        )?;
        self.fall_silent("the node has failed, and must be configured again")?;
        self.let_go();
        self.go_on()
    }

    /// The end of the process is a shutdown, too; whoever waits for other work hears at once that it is not done.
    pub(super) fn shut_down(&mut self) -> Result<()> {
        let Some(management) = &mut self.management else {
            return Ok(());
        };
        if management.state() != State::ShuttingDown {
            management.give_up(&self.shared.calls.answers)?;
            self.shared.calls.answers.send_all()?;
        }
        let Some(id) = management.to_shut_down() else {
            return Ok(());
        };
        management.begin(id, &self.workbench.clock)?;
        self.fall_silent("the node is shutting down")
    }

    /// The end of the shutdown at the end of the process.
    pub(super) fn finalize(&mut self) -> Result<()> {
        if (self.management.as_ref()).is_some_and(|one| one.state() == State::ShuttingDown) {
            self.succeed()?;
        }
        Ok(())
    }

    /// What the node is built of may change until it is configured.
    fn note_building(&mut self) {
        if let Some(management) = &self.management {
            let building = match management.state() {
                State::Unconfigured => Building::AtConfigure,
                _ => Building::Done,
            };
            self.parameters.set_building(building);
        }
    }
}
