//! How a command ended, as a process says it.

use std::process::ExitCode;

/// The exit codes are a public interface; 2 (usage) is clap's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// What was asked for is done.
    Fine,
    /// Finished, but the input had lost something.
    DataLoss,
    /// It is not, or not all of it.
    Failed,
}

impl Outcome {
    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::DataLoss => "data_loss",
            Self::Failed => "failed",
        }
    }

    /// As the process says it.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::DataLoss => 3,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        outcome.code().into()
    }
}
