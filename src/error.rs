//! The library's one error type. Every variant carries the values that a reader needs to see
//! what went wrong, where, and what to do about it; commands add the path they were working on.

use std::any::Any;
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

    /// A training whose loss or gradient is no number any more.
    #[error(
        "the {what} is {value} at step {step}: the training has diverged. {state} has the last good state: go on from it with --resume and a lower --learning-rate, or in float32 (--dtype)", state = state.display()
    )]
    Diverged {
        step: u64,
        what: &'static str,
        value: f64,
        state: PathBuf,
    },

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

    /// The checkpoint's tokenizer is missing, broken, or lacks what the prompt needs.
    #[error("tokenizer {path}: {message}", path = path.display())]
    Tokenizer { path: PathBuf, message: String },

    /// libtorch refused an operation; `message` is its own first line.
    #[error("libtorch cannot {action}: {message}")]
    Torch { action: String, message: String },

    /// ROS 2 refused an operation; `message` is its own.
    #[error("ROS 2 cannot {action}: {message}")]
    Ros { action: String, message: String },

    /// A parameter that the node was started with.
    #[error("parameters: {message}")]
    Parameters { message: String },

    /// A model's id on a hub cannot be turned into a folder on this machine.
    #[error("model {model}: {what}. {remedy}")]
    Hub {
        model: String,
        what: String,
        remedy: String,
    },

    /// A picture without pixels has nothing to resize.
    #[error(
        "a picture of {width}x{height} pixels cannot be resized: both sides must be at least 1"
    )]
    EmptyPicture { width: u32, height: u32 },

    /// A picture's bytes are more or fewer than its size says.
    #[error(
        "a picture of {width}x{height} pixels with {channels} channels has {expected} values, but {found} were given"
    )]
    PixelCount {
        width: u32,
        height: u32,
        channels: usize,
        expected: usize,
        found: usize,
    },

    /// A file that should be a picture does not decode.
    #[error("{path} cannot be read as a picture: {message}. Give a PNG or JPEG file", path = path.display())]
    Picture { path: PathBuf, message: String },

    /// A mask and the image it belongs to have different sizes.
    #[error("the mask {path} has {width}x{height} pixels, but its image has {image_width}x{image_height}: a mask covers the whole image, pixel by pixel", path = path.display())]
    MaskSize {
        path: PathBuf,
        width: u32,
        height: u32,
        image_width: u32,
        image_height: u32,
    },

    /// A depth network's output holds what is no number.
    #[error(
        "the depth network's output is {value} at column {column}, row {row}: its numbers overflowed. Try it in float32"
    )]
    DepthNotFinite {
        column: usize,
        row: usize,
        value: f32,
    },

    /// An image processor's settings ask for something this program does not do.
    #[error("{path}: {field} is {value}, but must be {expected}", path = path.display())]
    Preprocessor {
        path: PathBuf,
        field: &'static str,
        value: String,
        expected: &'static str,
    },

    /// A box holds not one pixel of the picture it is drawn in.
    #[error(
        "the box {bbox:?} (x_min, y_min, x_max, y_max) holds no pixel of the {width}x{height} picture"
    )]
    EmptyBox {
        bbox: [f64; 4],
        width: u32,
        height: u32,
    },

    /// Nothing says which model to load.
    #[error(
        "no model is named, and the one that comes with the program is not at {looked}: give --model FOLDER, or --model ORG/NAME for one on a hub"
    )]
    NoModel { looked: String },

    /// Regions are asked about, but the model was trained without.
    #[error(
        "this checkpoint knows no regions (enable_region in its config.json is false): it can be asked about whole pictures only"
    )]
    NoRegions,

    /// The device asked for is not there.
    #[error("there is no device {device}: this libtorch sees {gpus} GPUs. Take auto, cpu or one of cuda:0 to cuda:{last}, or set LIBTORCH to a build with CUDA", last = (gpus - 1).max(0))]
    NoDevice { device: String, gpus: i64 },

    /// A question mentions a region that nobody marked.
    #[error(
        "the question mentions <region{region}>, but there are {regions} regions, numbered from 0"
    )]
    RegionWithoutBox { region: String, regions: usize },

    /// Regions are marked, but the model would be shown none of them.
    #[error(
        "there are {regions} regions, but the question mentions none: write <region0> where it means the first one, or mark no regions"
    )]
    NoRegionMentioned { regions: usize },

    /// A question contains what only the prompt around it may contain.
    #[error(
        "the question contains {text}, which the prompt keeps for features of the image: write <region0>, <region1> and so on for regions, and nothing for the image"
    )]
    ReservedText { text: &'static str },

    /// No conversation template has this name.
    #[error("there is no template '{name}'; there are {known}")]
    UnknownTemplate { name: String, known: String },

    /// A follow-up question in a template that was made for one question.
    #[error(
        "the template {template} takes one question and no follow-up: start anew or choose another template"
    )]
    SingleQuestionTemplate { template: &'static str },

    /// A picture of relative depth and the image it belongs to have different sizes.
    #[error("the depth picture {path} has {width}x{height} pixels, but its image has {image_width}x{image_height}: it covers the whole image, pixel by pixel", path = path.display())]
    DepthSize {
        path: PathBuf,
        width: u32,
        height: u32,
        image_width: u32,
        image_height: u32,
    },
}

/// What a caught panic said.
pub(crate) fn panic_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

impl Error {
    /// A caught panic; the stamp is that of the image at work, or 0.
    pub(crate) fn panicked(stamp_nanos: i64, panic: &(dyn Any + Send)) -> Self {
        Self::Panicked {
            stamp_nanos,
            message: panic_words(panic),
        }
    }

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
