//! The core's one error type. Every variant carries the values that a reader needs to see what went wrong
//! and where. None names a flag or a parameter: whoever talks to people knows how a
//! setting is typed there.

use std::any::Any;
use std::path::PathBuf;

use crate::no_video_picture::NoVideoPicture;
use crate::whole_folder::Holder;

/// What a fallible function of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// The verb of the operation.
        action: &'static str,
        /// What it was to be done to.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },

    /// A file or folder could not be written.
    #[error("cannot write {path}: {message}", path = path.display())]
    Output {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        message: String,
    },

    /// There is something that must stay, or nothing can be: another place has to be named.
    #[error("cannot write {path}: {why}", path = path.display())]
    OutputRefused {
        /// The file or folder.
        path: PathBuf,
        /// Why not there.
        why: String,
    },

    /// Another process is at work on it.
    #[error("cannot write {path}: {} is writing it now, and is left alone: wait until that is done", holder.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string), path = path.display())]
    OutputHeld {
        /// The file or folder.
        path: PathBuf,
        /// Who that is; none if it did not say within a second.
        holder: Option<Holder>,
    },

    /// The configuration file does not parse; the message of the parser names line and column.
    #[error("config {path}: {message}", path = path.display())]
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// The parser's own.
        message: String,
    },

    /// A setting parses but has a value that makes no sense.
    #[error("config: {key} is {value}, but must be {expected}")]
    ConfigValue {
        /// The setting's dotted name.
        key: String,
        /// As it was typed.
        value: String,
        /// What it may be.
        expected: String,
    },

    /// A message's bytes are not what its type says.
    #[error("{type_name}: {message}")]
    Decode {
        /// `package/msg/Type`.
        type_name: String,
        /// What does not fit.
        message: String,
    },

    /// The schema stored in the bag describes another message than the one this program knows.
    #[error(
        "{type_name}: the bag's definition differs from every layout this program knows ({detail})"
    )]
    UnknownLayout {
        /// `package/msg/Type`.
        type_name: String,
        /// The first difference.
        detail: String,
    },

    /// An image encoding that is not supported for its role.
    #[error("image encoding '{encoding}' cannot be read as {role}; supported: {supported}")]
    Encoding {
        /// As the message names it.
        encoding: String,
        /// Colour or depth.
        role: &'static str,
        /// The encodings that are.
        supported: &'static str,
    },

    /// Nothing at hand decodes a video.
    #[error("{codec} video cannot be decoded: {source}")]
    NoVideoDecoder {
        /// What it is compressed with.
        codec: &'static str,
        /// Why there is no decoder.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A packet of a video has no picture.
    #[error(transparent)]
    NoVideoPicture(#[from] NoVideoPicture),

    /// Compressed data that begin like no picture this program reads. One message may be broken so; a topic on which
    /// all are is of another format.
    #[error(
        "{type_name}: its {bytes} bytes of data begin with [{begin}], which is neither JPEG, PNG nor WebP",
        begin = in_hex(.begin)
    )]
    NoPicture {
        /// `package/msg/Type`.
        type_name: String,
        /// How many there are.
        bytes: usize,
        /// The first eight of them.
        begin: Vec<u8>,
    },

    /// A bug of this program, caught at a thread's boundary.
    #[error("a bug of this program stopped {work}: {message}. Please report it")]
    Panicked {
        /// What was at work, as the end of "a bug stopped ...".
        work: String,
        /// The panic's words.
        message: String,
    },

    /// A picture without pixels has nothing to resize.
    #[error(
        "a picture of {width}x{height} pixels cannot be resized: both sides must be at least 1"
    )]
    EmptyPicture {
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
    },

    /// A picture's bytes are more or fewer than its size says.
    #[error(
        "a picture of {width}x{height} pixels with {channels} channels has {expected} values, but {found} were given"
    )]
    PixelCount {
        /// Pixels a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Values a pixel.
        channels: usize,
        /// What they make.
        expected: usize,
        /// What was given.
        found: usize,
    },

    /// A file that should be a picture does not decode.
    #[error("{path} cannot be read as a picture: {message}. Give a PNG or JPEG file", path = path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// The decoder's own.
        message: String,
    },

    /// A mask and the image it belongs to have different sizes.
    #[error("the mask {path} has {width}x{height} pixels, but its image has {image_width}x{image_height}: a mask covers the whole image, pixel by pixel", path = path.display())]
    MaskSize {
        /// The mask's file.
        path: PathBuf,
        /// Its pixels a row.
        width: u32,
        /// Its rows.
        height: u32,
        /// The image's pixels a row.
        image_width: u32,
        /// The image's rows.
        image_height: u32,
    },

    /// A picture of relative depth and the image it belongs to have different sizes.
    #[error("the depth picture {path} has {width}x{height} pixels, but its image has {image_width}x{image_height}: it covers the whole image, pixel by pixel", path = path.display())]
    DepthSize {
        /// The depth picture's file.
        path: PathBuf,
        /// Its pixels a row.
        width: u32,
        /// Its rows.
        height: u32,
        /// The image's pixels a row.
        image_width: u32,
        /// The image's rows.
        image_height: u32,
    },

    /// A depth network's output holds what is no number.
    #[error(
        "the depth network's output is {value} at column {column}, row {row}: its numbers overflowed. Try it in float32"
    )]
    DepthNotFinite {
        /// Place in the row.
        column: usize,
        /// The row.
        row: usize,
        /// What stands there.
        value: f32,
    },

    /// An image processor's settings ask for something this program does not do.
    #[error("{path}: {field} is {value}, but must be {expected}", path = path.display())]
    Preprocessor {
        /// The settings' file.
        path: PathBuf,
        /// The setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },

    /// A box holds not one pixel of the picture it is drawn in.
    #[error(
        "the box {bbox:?} (x_min, y_min, x_max, y_max) holds no pixel of the {width}x{height} picture"
    )]
    EmptyBox {
        /// In pixels.
        bbox: [f64; 4],
        /// The picture's pixels a row.
        width: u32,
        /// The picture's rows.
        height: u32,
    },

    /// A mask holds not one pixel: a segmenter that found nothing writes it so.
    #[error(
        "the mask {path} holds no pixel: all of it is black (transparency does not count)", path = path.display()
    )]
    EmptyMask {
        /// The mask's file.
        path: PathBuf,
    },

    /// A question mentions a region that nobody marked.
    #[error(
        "the question mentions <region{region}>, but there are {regions} regions, numbered from 0"
    )]
    RegionWithoutBox {
        /// The number, as it was written.
        region: String,
        /// How many there are.
        regions: usize,
    },

    /// Regions are marked, but the model would be shown none of them.
    #[error(
        "there are {regions} regions, but the question mentions none: write <region0> where it means the first one, or mark no regions"
    )]
    NoRegionMentioned {
        /// How many there are.
        regions: usize,
    },

    /// A question contains what only the prompt around it may contain.
    #[error(
        "the question contains {text}, which the prompt keeps for features of the image: write <region0>, <region1> and so on for regions, and nothing for the image"
    )]
    ReservedText {
        /// The placeholder.
        text: &'static str,
    },

    /// No conversation template has this name.
    #[error("there is no template '{name}'; there are {known}")]
    UnknownTemplate {
        /// As it was typed.
        name: String,
        /// Those there are.
        known: String,
    },

    /// A follow-up question in a template that was made for one question.
    #[error(
        "the template {template} takes one question and no follow-up: start anew or choose another template"
    )]
    SingleQuestionTemplate {
        /// Its name.
        template: &'static str,
    },

    /// What an estimator of another crate says went wrong.
    #[error("{0}")]
    Estimator(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn in_hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

/// What a caught panic said.
pub fn panic_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

impl Error {
    /// A caught panic of what was at work: "the work on the image stamped 7 ns", "the training".
    pub fn panicked(work: impl Into<String>, panic: &(dyn Any + Send)) -> Self {
        Self::Panicked {
            work: work.into(),
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

    /// Shorthand for a file or folder that cannot be written.
    pub fn output(path: impl Into<PathBuf>, message: impl ToString) -> Self {
        Self::Output {
            path: path.into(),
            message: message.to_string(),
        }
    }

    /// Shorthand for a place that nothing may be written to.
    pub fn output_refused(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::OutputRefused {
            path: path.into(),
            why: why.into(),
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
