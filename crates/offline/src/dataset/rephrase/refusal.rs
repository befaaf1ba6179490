//! Why a try gave no wording.

/// A reason; its name is a public interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No JSON object with a question and an answer.
    NoJson,
    /// Other regions than were asked about, or one of them twice in the question.
    Tags,
    /// A number is lost or new.
    Numbers,
    /// It reads otherwise.
    Facts,
    /// The endpoint answers with an error.
    Status,
    /// The endpoint does not answer in time, or stops in the middle.
    Silence,
}

impl Refusal {
    /// As it is counted.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoJson => "no_json",
            Self::Tags => "tags",
            Self::Numbers => "numbers",
            Self::Facts => "facts",
            Self::Status => "status",
            Self::Silence => "silence",
        }
    }

    /// For the model, which may do better then. `None` where it said nothing.
    pub(super) fn advice(self) -> Option<&'static str> {
        match self {
            Self::NoJson => Some("it was no JSON object with the texts Question and Answer"),
            Self::Tags => {
                Some("the question must hold each tag once, the answer each tag, and none others")
            }
            Self::Numbers => Some(
                "the answer must keep the digits of its number and have no other, the question none",
            ),
            Self::Facts => Some("question and answer no longer said what was given"),
            Self::Status | Self::Silence => None,
        }
    }
}
