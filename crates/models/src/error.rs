//! What can go wrong with a network. Every variant carries the values that a reader needs to see what went wrong and
//! where; the way out is [`Error::remedy`], as data, for a flag here is a parameter there.

use std::path::PathBuf;

/// What a fallible function of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A picture, a question or a setting.
    #[error(transparent)]
    Core(#[from] spatial_reward_core::Error),

    /// A picture of a training.
    #[error(transparent)]
    Figure(#[from] spatial_reward_figures::Error),

    /// A model's folder or one of its files cannot be used as it is.
    #[error("{path}: {what}. {remedy}", path = path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What makes it good, whoever asks.
        remedy: String,
    },

    /// The tensors do not fit into this machine's memory.
    #[error("{path}: the weights take {needed} MB of memory, but only {free} MB are free", path = path.display(), needed = needed_bytes.div_ceil(1_000_000), free = free_bytes / 1_000_000)]
    NoMemory {
        /// The part of the checkpoint.
        path: PathBuf,
        /// In the type asked for.
        needed_bytes: u64,
        /// What the operating system says is free.
        free_bytes: u64,
    },

    /// The checkpoint's tokenizer is missing, broken, or lacks what the prompt needs.
    #[error("tokenizer {path}: {message}", path = path.display())]
    Tokenizer {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },

    /// libtorch refused an operation; `message` is its own first line.
    #[error("libtorch cannot {action}: {message}")]
    Torch {
        /// As the end of "cannot ...".
        action: String,
        /// libtorch's own words.
        message: String,
        /// The device has no memory left.
        out_of_memory: bool,
    },

    /// A model's id on a hub cannot be turned into a folder on this machine.
    #[error("model {model}: {what}. {remedy}")]
    Hub {
        /// As it was typed.
        model: String,
        /// What is wrong.
        what: String,
        /// What makes it good.
        remedy: String,
    },

    /// Nothing says which model to load.
    #[error("no model is named, and the one that comes with the program cannot be had: {why}")]
    NoModel {
        /// Why not.
        why: String,
    },

    /// No lens sees nothing, or a half space.
    #[error(
        "the network tells a field of view of {degrees} degrees for this picture, which no camera has, so its depth has no metres"
    )]
    NoSuchCamera {
        /// What it tells.
        degrees: f32,
    },

    /// Regions are asked about, but the model was trained without.
    #[error(
        "this checkpoint knows no regions (enable_region in its config.json is false): it can be asked about whole pictures only"
    )]
    NoRegions,

    /// A checkpoint that was trained on few questions is asked another.
    #[error(
        "this model was trained on {} only, and would answer '{question}' in the same words: its answer would mean nothing",
        quoted(known)
    )]
    UntrainedQuestion {
        /// As it was asked.
        question: String,
        /// Those it knows, the regions numbered in the order of their mention.
        known: Vec<String>,
    },

    /// What to look for has more words than the network reads.
    #[error(
        "'{phrase}' has {tokens} tokens, but this model reads phrases of at most {most}: say it in fewer words"
    )]
    LongPhrase {
        /// As it was asked for.
        phrase: String,
        /// Those that begin and end it among them.
        tokens: usize,
        /// The network's context.
        most: usize,
    },

    /// Nothing is asked for.
    #[error("there is nothing to look for: a phrase is empty")]
    EmptyPhrase,

    /// The example's box lies where the network sees nothing.
    #[error(
        "nothing that the model proposes in the example overlaps the box {bbox:?} at all: draw it around the thing in the picture"
    )]
    NothingThere {
        /// In pixels: left, top, right, bottom.
        bbox: [f64; 4],
    },

    /// The device asked for is not there.
    #[error("there is no device cuda:{index}: this libtorch sees {gpus} GPUs. Take auto, cpu or one of cuda:0 to cuda:{last}, or set LIBTORCH to a build with CUDA", last = (gpus - 1).max(0))]
    NoDevice {
        /// Its number.
        index: usize,
        /// How many there are.
        gpus: i64,
    },

    /// A video is to be followed by a network without a memory.
    #[error(
        "this checkpoint segments pictures, and not videos: it has no memory (model_type in its config.json is 'sam2', not \
         'sam2_video')"
    )]
    PicturesOnly,

    /// A video whose pictures differ in size.
    #[error(
        "the picture has {width}x{height} pixels, but those before have {first_width}x{first_height}: a video's pictures have one size"
    )]
    OtherFrameSize {
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Of the first picture.
        first_width: u32,
        /// Of the first picture.
        first_height: u32,
    },

    /// Few bits a weight are multiplied by processors alone.
    #[error(
        "weights of 8 and 4 bits are for a processor, and this network runs on a GPU: take the processor, or the weights as they are stored"
    )]
    FewBitsOnGpu,

    /// Weights that were brought to few bits and are wanted in others, or exactly.
    #[error("{path}: its weights are stored in {stored} bits, and {wanted} cannot be made of them: take them as they are stored, or the checkpoint that they were made from", path = path.display())]
    StoredInBits {
        /// The part of the checkpoint.
        path: PathBuf,
        /// Bits of a weight.
        stored: u32,
        /// Those asked for.
        wanted: u32,
    },

    /// A part of the checkpoint that there is not.
    #[error("there is no part '{name}': take {known}")]
    UnknownPart {
        /// As it was typed.
        name: String,
        /// Those there are.
        known: String,
    },

    /// A training whose loss or gradient is no number any more.
    #[error("the {what} is {value} at step {step}: the training has diverged. {state} has the last good state", state = state.display())]
    Diverged {
        /// The step.
        step: u64,
        /// Loss or gradient.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Where the last good state is.
        state: PathBuf,
    },

    /// The system gives no threads.
    #[error("cannot start threads for {work}: {message}")]
    NoThreads {
        /// What they were for.
        work: String,
        /// The system's words.
        message: String,
    },

    /// A training that would go on from a state of another one.
    #[error("{path}: {what}", path = path.display())]
    OtherTraining {
        /// The state's folder.
        path: PathBuf,
        /// What differs.
        what: String,
    },

    /// The data have nothing to learn from.
    #[error("{path}: {message}", path = path.display())]
    NothingToDo {
        /// The data set.
        path: PathBuf,
        /// What it lacks.
        message: String,
    },

    /// The output exists and the training was not asked to go on.
    #[error("{path} exists already", path = path.display())]
    OutputExists {
        /// The output.
        path: PathBuf,
    },
}

/// A way out of an error, for whoever knows how it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Take a smaller type of numbers, another device or a smaller model.
    LessMemory,
    /// Name a model: a folder, or an id on a hub.
    NameModel,
    /// Ask what the model was trained on, or take one that was trained on more.
    AskWhatItKnows,
    /// Go on from the last good state with a lower learning rate, or in float32.
    LowerLearningRate,
    /// Go on with the model, shape and frozen parts that the training was begun with, or write to another output.
    SameTraining,
    /// Go on with the training that is there, or write to another output.
    ResumeTraining,
}

impl Error {
    /// What to do about it, where that is more than the message says.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::NoMemory { .. } => Some(Remedy::LessMemory),
            Self::Torch {
                out_of_memory: true,
                ..
            } => Some(Remedy::LessMemory),
            Self::NoModel { .. } => Some(Remedy::NameModel),
            Self::UntrainedQuestion { .. } => Some(Remedy::AskWhatItKnows),
            Self::Diverged { .. } => Some(Remedy::LowerLearningRate),
            Self::OtherTraining { .. } => Some(Remedy::SameTraining),
            Self::OutputExists { .. } => Some(Remedy::ResumeTraining),
            _ => None,
        }
    }

    /// Shorthand for file operations: `.map_err(Error::io("open", &path))`.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let make = spatial_reward_core::Error::io(action, path);
        move |source| Self::Core(make(source))
    }

    /// Shorthand for what libtorch refuses.
    pub(crate) fn torch(action: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Torch {
            action: action.into(),
            message: message.into(),
            out_of_memory: false,
        }
    }

    /// Shorthand for a file that cannot be written.
    pub(crate) fn output(path: impl Into<PathBuf>, message: impl ToString) -> Self {
        Self::Core(spatial_reward_core::Error::output(path, message))
    }

    /// Shorthand for a panic that was caught, or a thread that is gone: a bug.
    pub(crate) fn panicked(work: &str, message: impl Into<String>) -> Self {
        let (work, message) = (work.into(), message.into());
        Self::Core(spatial_reward_core::Error::Panicked { work, message })
    }

    /// Shorthand for a checkpoint that cannot be used: what is wrong, and the way out, each a clause without a full
    /// stop.
    pub(crate) fn checkpoint(
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
}

/// 'this', 'that'
fn quoted(questions: &[String]) -> String {
    let quoted = questions.iter().map(|question| format!("'{question}'"));
    quoted.collect::<Vec<_>>().join(", ")
}

/// What another crate sees of it, where an estimator speaks to the core.
impl From<Error> for spatial_reward_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            other => Self::Estimator(Box::new(other)),
        }
    }
}
