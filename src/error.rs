//! The library's one error type. Every variant carries the values that a reader needs to see
//! what went wrong, where, and what to do about it; commands add the path they were working on.

use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },

    /// The configuration file does not parse; the message of the parser names line and column.
    #[error("config {path}: {message}", path = path.display())]
    ConfigSyntax { path: PathBuf, message: String },

    /// A setting parses but has a value that makes no sense.
    #[error("config: {key} is {value}, but must be {expected}")]
    ConfigValue {
        key: &'static str,
        value: String,
        expected: &'static str,
    },

    /// The path given is neither a bag folder nor a bag file.
    #[error("{path} is no bag: {found}. Give a rosbag2 folder (with metadata.yaml), an .mcap or a .db3 file", path = path.display())]
    NotABag { path: PathBuf, found: String },

    /// The bag's container is broken in a way that nothing can be read from it.
    #[error("{path}: {message}", path = path.display())]
    BagFormat { path: PathBuf, message: String },

    /// No topic of the bag fits a role that the labelling needs.
    #[error("no topic for the {role}: {why}. The bag has:\n{available}\nName one with {option}")]
    NoTopic {
        role: &'static str,
        why: String,
        available: String,
        option: &'static str,
    },

    /// A message's bytes are not what its type says.
    #[error("{type_name}: {message}")]
    Decode { type_name: String, message: String },

    /// The schema stored in the bag describes another message than the one this program knows.
    #[error(
        "{type_name}: the bag's definition differs from every layout this program knows ({detail})"
    )]
    UnknownLayout { type_name: String, detail: String },

    /// An image encoding that is not supported for its role.
    #[error("image encoding '{encoding}' cannot be read as {role}; supported: {supported}")]
    Encoding {
        encoding: String,
        role: &'static str,
        supported: &'static str,
    },

    /// Two topics that should show one scene through one camera have sizes that cannot belong together.
    #[error(
        "{first} has {first_width}x{first_height} pixels, but {second} has {second_width}x{second_height}, which is no scaling of it: they are of two cameras or differently cropped. Name those that belong together with --image-topic, --depth-topic and --camera-info-topic"
    )]
    SizesDiffer {
        first: String,
        first_width: u32,
        first_height: u32,
        second: String,
        second_width: u32,
        second_height: u32,
    },

    /// The bag has nothing that could be labelled or evaluated.
    #[error("{path}: {message}", path = path.display())]
    NothingToDo { path: PathBuf, message: String },

    /// A finished output that `--resume` meets was made with other settings.
    #[error("{path} was labelled with other settings (config digest {found} there, {expected} now): give --overwrite to label it anew, or another -o", path = path.display())]
    OtherSettings {
        path: PathBuf,
        found: String,
        expected: String,
    },

    /// Someone asked the program to stop.
    #[error("interrupted; the unfinished {path} was removed", path = path.display())]
    Interrupted { path: PathBuf },

    /// A bug of this program, caught at a thread's boundary.
    #[error(
        "a bug of this program stopped the work on the image stamped {stamp_nanos} ns: {message}. Please report it, with the image if you can"
    )]
    Panicked { stamp_nanos: i64, message: String },

    /// The output exists and neither --overwrite nor --resume was given.
    #[error("{path} exists already: give --overwrite to replace it, --resume to skip what is finished, or another -o", path = path.display())]
    OutputExists { path: PathBuf },

    /// The output could not be written.
    #[error("cannot write {path}: {message}", path = path.display())]
    Output { path: PathBuf, message: String },

    /// The build lacks a feature, or the feature's module has not landed in this version.
    #[error("{what} is not in this build: {remedy}")]
    NotInThisBuild {
        what: &'static str,
        remedy: &'static str,
    },

    /// A model's folder or one of its files cannot be used as it is.
    #[error("{path}: {what}. {remedy}", path = path.display())]
    Checkpoint {
        path: PathBuf,
        what: String,
        remedy: String,
    },

    /// libtorch refused an operation; `message` is its own first line.
    #[error("libtorch cannot {action}: {message}")]
    Torch { action: String, message: String },

    /// A model's id on a hub cannot be turned into a folder on this machine.
    #[error("model {model}: {what}. {remedy}")]
    Hub {
        model: String,
        what: String,
        remedy: String,
    },
}

impl Error {
    /// Shorthand for file operations: `.map_err(Error::io("open", &path))`.
    pub fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Shorthand for a file that cannot be written.
    pub fn output(path: impl Into<PathBuf>, message: impl ToString) -> Self {
        Self::Output {
            path: path.into(),
            message: message.to_string(),
        }
    }

    /// Shorthand for a checkpoint that cannot be used: what is wrong, and the way out, each a clause
    /// without a full stop.
    pub fn checkpoint(
        path: impl Into<PathBuf>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Checkpoint {
            path: path.into(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// Shorthand for a message that does not decode.
    pub fn decode(type_name: impl Into<String>, message: impl ToString) -> Self {
        Self::Decode {
            type_name: type_name.into(),
            message: message.to_string(),
        }
    }
}
