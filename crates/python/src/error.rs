//! The one exception of the package: what is wrong, what to do about it, and what it is about, in fields. The libraries say
//! the remedy as data; here it is worded for who writes Python.

use std::path::Path;

use crate::words::in_python;
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyString;
use spatial_reward::bag::Error as BagError;
use spatial_reward_core::Error as CoreError;
use spatial_reward_offline::label::roles::Role;
use spatial_reward_offline::{Error as OfflineError, Remedy};

create_exception!(
    spatial_reward,
    Error,
    PyException,
    "What went wrong.\n\nAttributes:\n    kind: what kind of error it is, such as 'no_topic' or 'array'\n    message: what is \
     wrong, without the way out\n    remedy: what to do about it; None where the message says it\n    path: the file or \
     folder that it is about; None where there is none"
);

/// What becomes an [`Error`].
pub(crate) struct Failure {
    kind: String,
    message: String,
    remedy: Option<String>,
    path: Option<String>,
}

impl Failure {
    /// Of an argument of this kind.
    pub(crate) fn of(kind: &str, message: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            message: message.into(),
            remedy: None,
            path: None,
        }
    }

    /// Of something that is part of something else.
    #[must_use]
    pub(crate) fn within(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// With a way out.
    #[must_use]
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        let failure = Failure {
            message: in_python(&failure.message),
            remedy: failure.remedy.as_deref().map(in_python),
            ..failure
        };
        let words = match &failure.remedy {
            Some(remedy) => format!("{}: {remedy}", failure.message),
            None => failure.message.clone(),
        };
        Python::attach(|py| {
            let raised = Error::new_err(words);
            let set = |name: &str, value: Option<&str>| {
                let value = value.map(|value| PyString::new(py, value));
                raised.value(py).setattr(name, value)
            };
            let fields = [
                ("kind", Some(failure.kind.as_str())),
                ("message", Some(failure.message.as_str())),
                ("remedy", failure.remedy.as_deref()),
                ("path", failure.path.as_deref()),
            ];
            match fields
                .into_iter()
                .try_for_each(|(name, value)| set(name, value))
            {
                Ok(()) => raised,
                Err(error) => error,
            }
        })
    }
}

impl From<CoreError> for Failure {
    fn from(error: CoreError) -> Self {
        let (message, kind) = (error.to_string(), kind_of(&error));
        let path = match &error {
            CoreError::Io { path, .. }
            | CoreError::Output { path, .. }
            | CoreError::OutputRefused { path, .. }
            | CoreError::OutputHeld { path, .. }
            | CoreError::ConfigSyntax { path, .. } => Some(shown(path)),
            _ => None,
        };
        let remedy = match &error {
            CoreError::OutputRefused { .. } => Some("name another folder to write".to_owned()),
            CoreError::ConfigValue { key, .. } if key == "model.depth_scale" => {
                Some("give one camera, or leave depth_scale out of the configuration".to_owned())
            }
            _ => None,
        };
        Self {
            kind,
            message,
            remedy,
            path,
        }
    }
}

impl From<BagError> for Failure {
    fn from(error: BagError) -> Self {
        let path = match &error {
            BagError::Io { path, .. }
            | BagError::NotABag { path, .. }
            | BagError::Ros1 { path, .. }
            | BagError::BagFormat { path, .. }
            | BagError::Output { path, .. } => Some(shown(path)),
            _ => None,
        };
        Self {
            kind: kind_of(&error),
            message: error.to_string(),
            remedy: None,
            path,
        }
    }
}

impl From<OfflineError> for Failure {
    fn from(error: OfflineError) -> Self {
        match error {
            OfflineError::Core(error) => error.into(),
            OfflineError::Bag(error) => error.into(),
            error => Self {
                kind: kind_of(&error),
                message: error.to_string(),
                remedy: error.remedy().and_then(|remedy| words(&remedy)),
                path: match &error {
                    OfflineError::Interrupted { path }
                    | OfflineError::FinishedMeanwhile { path }
                    | OfflineError::RecordedLate { path }
                    | OfflineError::OutputExists { path, .. }
                    | OfflineError::OtherRun { path }
                    | OfflineError::Paused { path }
                    | OfflineError::NoRows { path, .. }
                    | OfflineError::NotATable { path, .. }
                    | OfflineError::NotLabelled { path, .. } => Some(shown(path)),
                    _ => None,
                },
            },
        }
    }
}

/// An exception of an error of the libraries.
pub(crate) fn raised(error: impl Into<Failure>) -> PyErr {
    error.into().into()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The name of a variant, as Python writes names.
fn kind_of(error: &impl std::fmt::Debug) -> String {
    let debug = format!("{error:?}");
    let name: String = (debug.chars())
        .take_while(|letter| letter.is_ascii_alphanumeric())
        .collect();
    let mut kind = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !kind.is_empty() {
            kind.push('_');
        }
        kind.push(letter.to_ascii_lowercase());
    }
    kind
}

/// The way out, in the package's own terms; `None` where there is nothing to say.
fn words(remedy: &Remedy) -> Option<String> {
    Some(match remedy {
        Remedy::NameTopics(roles) => {
            let named: Vec<_> = roles.iter().map(|role| setting(*role)).collect();
            match roles.as_slice() {
                [Role::Fingertip | Role::Target] => {
                    let name = if roles == &[Role::Target] { "target" } else { "fingertip" };
                    format!(
                        "name its topic ({name}='/topic'), or draw its box in the first picture ({name}=(x0, y0, x1, y1)), or \
                         name its TF frame (config={{'regions': {{'{name}': {{'frame': 'name'}}}}}}); inspect lists topics \
                         and frames"
                    )
                }
                _ => format!("name it in the configuration: {}", named.join(", ")),
            }
        }
        Remedy::NameFrame(role) => format!("name one of these: {}", setting(*role)),
        Remedy::SayOtherwise { role, is_question } => {
            let name = role.key();
            let or = match is_question {
                true => "'detector': {'take_best': True} takes the likelier one",
                false => "'detector': {'threshold': ...} asks for less",
            };
            format!(
                "say more in config={{'regions': {{'{name}': {{'words': [...]}}}}}}, {or}, or draw its box in the first picture \
                 ({name}=(x0, y0, x1, y1))"
            )
        }
        Remedy::ReplaceOutput { resume: true } => {
            "if_exists='overwrite' replaces it, if_exists='resume' keeps what is finished".to_owned()
        }
        Remedy::ReplaceOutput { resume: false } => "if_exists='overwrite' replaces it".to_owned(),
        Remedy::Label(path) => format!("label it first: spatial_reward.label({:?}, ...)", path.display().to_string()),
        Remedy::Registration => {
            "record /tf_static and the depth's camera info, or set depth.extrinsics and topics.depth_camera_info; \
             config={'depth': {'registered': True}} says that it is registered all the same"
                .to_owned()
        }
        Remedy::Transforms => {
            "record /tf and /tf_static with what joins the two, or boxes in pixels".to_owned()
        }
        Remedy::Draw { bag, file } => format!(
            "draw them: python -m spatial_reward pick {} --regions {}",
            bag.display(),
            file.display()
        ),
        Remedy::OtherRegionsFile => "name another file of regions".to_owned(),
        Remedy::TypeBoxes => "cut it into parts, or give the boxes as numbers".to_owned(),
        Remedy::Endpoint(_) => "what is done is kept, and the same call goes on from it".to_owned(),
        _ => return None,
    })
}

/// The setting that names a role's topic.
fn setting(role: Role) -> String {
    format!("topics.{}", role.key())
}
