//! What can go wrong with a recording. Every variant carries the values that a reader needs to see what went wrong and
//! where; the way out is [`Error::remedy`], as data, for a flag here is an argument there.

use std::path::PathBuf;

use crate::role::Role;
use spatial_reward_core::finding::{Finding, Unfound};
use spatial_reward_core::frame::ColorImage;

/// What a fallible function of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A region that is named by words or by an example, and is not found.
#[derive(Debug)]
pub struct UnfoundRegion {
    /// Whose region.
    pub role: Role,
    /// What is sought, and what there is in its place.
    pub unfound: Unfound,
    /// How many pictures were looked at.
    pub pictures: usize,
    /// The one that shows the question, if one decodes.
    pub picture: Option<ColorImage>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message, a picture or a setting.
    #[error(transparent)]
    Core(#[from] spatial_reward_core::Error),

    /// The bag.
    #[error(transparent)]
    Bag(#[from] spatial_reward_rosbag2::Error),

    /// A picture of the report.
    #[error(transparent)]
    Figure(#[from] spatial_reward_figures::Error),

    /// A file that is no table of a labelled bag.
    #[error("{path} is no table of rewards: {message}", path = path.display())]
    NotATable {
        /// The file.
        path: PathBuf,
        /// What of it does not read.
        message: String,
    },

    /// A file that is no benchmark, or no answers to one.
    #[error("{path} is not {what}: {message}", path = path.display())]
    NotABench {
        /// The file.
        path: PathBuf,
        /// What it was to be, with its article.
        what: &'static str,
        /// What of it does not read.
        message: String,
    },

    /// No topic of the bag fits a role that the work needs.
    #[error("no topic for the {role}: {why}. The bag has:\n{available}", role = .role.name())]
    NoTopic {
        /// What it was to be.
        role: Role,
        /// Why none fits.
        why: String,
        /// The bag's topics, one a line.
        available: String,
    },

    /// A region is to be at a TF frame that no transform of the bag names.
    #[error("no TF frame '{frame}' for the {object}. The bag has {available}", object = .role.key())]
    NoFrame {
        /// Whose region.
        role: Role,
        /// The frame.
        frame: String,
        /// Those that there are.
        available: String,
    },

    /// A box was drawn after the last picture.
    #[error("the {object}'s box {drawn} is drawn after the end of the recording, whose pictures last {recording_s:.2} s", object = .role.key())]
    DrawnTooLate {
        /// Whose region.
        role: Role,
        /// As it is typed.
        drawn: String,
        /// From the first picture to the last.
        recording_s: f64,
    },

    /// A box was drawn in a picture that cannot be looked at.
    #[error(
        "the box {bbox} is drawn in the picture of stamp {stamp_nanos}, which cannot be decoded: draw it in another one"
    )]
    DrawnBlind {
        /// As it is typed.
        bbox: String,
        /// The picture's.
        stamp_nanos: i64,
    },

    /// One passage through a recording does not do.
    #[error(
        "{path}: something was recorded too late for its image, or the clock was set back: stamps alone decide here",
        path = path.display()
    )]
    RecordedLate {
        /// The recording.
        path: PathBuf,
    },

    /// A box that is the same in every picture shows nothing of any.
    #[error(
        "the {object}'s fixed box {fixed} (left, top, right, bottom, in pixels) lies outside the picture of {width}x{height} pixels",
        object = .role.key()
    )]
    FixedOutside {
        /// Whose region.
        role: Role,
        /// As it is typed.
        fixed: String,
        /// Of the picture, in pixels.
        width: u32,
        /// Of the picture, in pixels.
        height: u32,
    },

    /// A drawn box cannot be followed.
    #[error(transparent)]
    NotFollowed(#[from] spatial_reward_core::tracking::StartError),

    /// A region that is named by words or by an example is not to be seen, or not to be told from another thing.
    #[error("the {} is not found in the first {} pictures: {}", .0.role.key(), .0.pictures, .0.unfound)]
    Unfound(Box<UnfoundRegion>),

    /// A region's boxes are in space, in a coordinate frame that nothing joins to the image's.
    #[error(
        "the {role} on {topic} are in space, in the coordinate frame '{frame}', and the image is of '{image_frame}': {why}",
        role = .role.name()
    )]
    NotInCamera {
        /// Whose boxes.
        role: Role,
        /// Their topic.
        topic: String,
        /// The frame that they are in.
        frame: String,
        /// The image's.
        image_frame: String,
        /// Why there is no transform.
        why: String,
    },

    /// A file that is to have drawn boxes.
    #[error("{path} is no file of drawn boxes: {message}", path = path.display())]
    RegionsSyntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place.
        message: String,
    },

    /// A file of drawn boxes has none of this bag.
    #[error("{path} has no boxes of {bag}. It has those of: {available}", path = path.display(), bag = bag.display())]
    NoRegions {
        /// The file.
        path: PathBuf,
        /// The bag.
        bag: PathBuf,
        /// The bags that it knows.
        available: String,
    },

    /// A file of drawn boxes has those of another bag of the same name.
    #[error("the boxes in {path} are of another bag than {bag}: they were drawn in {drawn_in}, and this one has {found}",
        path = path.display(), bag = bag.display())]
    OtherBag {
        /// The file.
        path: PathBuf,
        /// The bag.
        bag: PathBuf,
        /// The pictures of the boxes.
        drawn_in: String,
        /// Those of the bag.
        found: String,
    },

    /// A bag whose pictures are to be held, and are too many.
    #[error("the pictures of {path} take more than {mebibytes} MiB, which is half of the memory that is free", path = path.display())]
    TooLong {
        /// The bag.
        path: PathBuf,
        /// What may be taken.
        mebibytes: u64,
    },

    /// Topics of several cameras fit a role equally well.
    #[error(
        "{count} topics of different cameras could be the {role}, and nothing in the bag says which one is meant: {topics}",
        count = .topics.len(),
        role = .role.name(),
        topics = .topics.join(", ")
    )]
    Undecided {
        /// What they could be.
        role: Role,
        /// Their names, with their coordinate frames.
        topics: Vec<String>,
    },

    /// Two topics that should show one scene through one camera have sizes that cannot belong together.
    #[error(
        "{first} has {first_width}x{first_height} pixels, but {second} has {second_width}x{second_height}, which is no scaling of it: they are of two cameras or differently cropped"
    )]
    SizesDiffer {
        /// A topic.
        first: String,
        /// Its pixels a row.
        first_width: u32,
        /// Its rows.
        first_height: u32,
        /// The other topic.
        second: String,
        /// Its pixels a row.
        second_width: u32,
        /// Its rows.
        second_height: u32,
    },

    /// Depth that is to be registered has other pixels than the camera that it is said to be of.
    #[error(
        "{depth} has {}x{} pixels, but its camera info {camera_info} is of {}x{}: depth is registered by the pixels that its camera has",
        .depth_size.0, .depth_size.1, .camera_info_size.0, .camera_info_size.1
    )]
    DepthSize {
        /// The depth's topic.
        depth: String,
        /// Pixels a row, and rows.
        depth_size: (u32, u32),
        /// The topic of its camera info.
        camera_info: String,
        /// Pixels a row, and rows.
        camera_info_size: (u32, u32),
    },

    /// Depth of a camera of its own, of which something is missing to register it to the colour image.
    #[error(
        "the depth on {depth} is of coordinate frame '{depth_frame}' and the image on {image} of '{image_frame}', and {missing}"
    )]
    NotRegistered {
        /// The depth's topic.
        depth: String,
        /// The frame in its headers.
        depth_frame: String,
        /// The image's topic.
        image: String,
        /// The frame in its headers.
        image_frame: String,
        /// What is missing.
        missing: String,
    },

    /// A camera info from which no pinhole camera follows.
    #[error("no message on {topic} gives intrinsics: {message}")]
    NoIntrinsics {
        /// The topic of the camera info.
        topic: String,
        /// What is wrong with the first.
        message: String,
    },

    /// A topic on which the first messages all are of a format that this program does not know.
    #[error("the first {count} images on {topic} cannot be read: {message}")]
    NoPictures {
        /// What they were to be.
        role: Role,
        /// The topic.
        topic: String,
        /// How many were looked at.
        count: u32,
        /// What is wrong with the last.
        message: String,
    },

    /// The recording has nothing that could be worked on.
    #[error("{path}: {message}", path = path.display())]
    NothingToDo {
        /// The bag or the table.
        path: PathBuf,
        /// What it lacks.
        message: String,
    },

    /// Of all bags not one row came.
    #[error("{path}: {message}", path = path.display())]
    NoRows {
        /// The data set that would have been made.
        path: PathBuf,
        /// Why there is none.
        message: String,
        /// The way out of what kept the only bag out.
        remedy: Option<Remedy>,
    },

    /// A bag without rewards, where a labelled one is needed.
    #[error("{path}: the bag has no rewards (no topic of type {type_name})", path = path.display())]
    NotLabelled {
        /// The bag.
        path: PathBuf,
        /// The type of a reward message.
        type_name: &'static str,
    },

    /// A finished output was made with other settings.
    #[error("{path} was labelled with other settings (config digest {found} there, {expected} now)", path = path.display())]
    OtherSettings {
        /// The output.
        path: PathBuf,
        /// Its digest.
        found: String,
        /// That of the settings in force.
        expected: String,
    },

    /// The output exists and was neither to be replaced nor to be kept.
    #[error("{path} exists already", path = path.display())]
    OutputExists {
        /// The output.
        path: PathBuf,
        /// Whether what is finished could be kept.
        can_resume: bool,
    },

    /// The topic of the gripper's joints is not in a recording, or of another type.
    #[error("{path} has no topic {topic} with sensor_msgs/msg/JointState", path = path.display())]
    NoGripper {
        /// The recording.
        path: PathBuf,
        /// As the settings name it.
        topic: String,
    },

    /// Another process finished the same output while this one began; nothing is left to do.
    #[error("{path} was finished by another process meanwhile", path = path.display())]
    FinishedMeanwhile {
        /// The output.
        path: PathBuf,
    },

    /// What is to be gone on with was begun of something else.
    #[error(
        "{path} was begun with other settings or words, of other photos, or with another seed, network for depth or model that \
         rephrases",
        path = path.display()
    )]
    OtherRun {
        /// The output, finished or not.
        path: PathBuf,
    },

    /// A chat endpoint cannot be asked on; what it said until then is kept.
    #[error("the endpoint {url} {why}")]
    Endpoint {
        /// Where it is.
        url: String,
        /// What it does, or what a request met.
        why: String,
        /// What of it is wrong.
        trouble: EndpointTrouble,
    },

    /// Someone asked the work to stop, and what is done of it is kept.
    #[error("interrupted; what is done of {path} is kept", path = path.display())]
    Paused {
        /// What would have been made.
        path: PathBuf,
    },

    /// Someone asked the work to stop.
    #[error("interrupted; the unfinished {path} was removed", path = path.display())]
    Interrupted {
        /// What would have been made.
        path: PathBuf,
    },
}

/// Why a chat endpoint cannot be asked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointTrouble {
    /// It does not answer.
    Away,
    /// It wants a key, or another one.
    Key,
    /// It is no such endpoint, or has no such model.
    Name,
}

/// A way out of an error, for whoever knows how it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Name the topics of these roles.
    NameTopics(Vec<Role>),
    /// Name another TF frame for a region.
    NameFrame(Role),
    /// Say in other words what is looked for, or show it.
    SayOtherwise {
        /// Whose region.
        role: Role,
        /// Two things are alike: the likelier one may be taken.
        is_question: bool,
    },
    /// Replace the output, or write another one; `resume` where what is finished could be kept as well.
    ReplaceOutput {
        /// What is finished could be kept.
        resume: bool,
    },
    /// Label the bag first.
    Label(PathBuf),
    /// Say how the depth lies to the colour image, or that it is registered to it.
    Registration,
    /// Record the transforms between two frames.
    Transforms,
    /// Draw the boxes of a bag, into a file.
    Draw {
        /// The bag.
        bag: PathBuf,
        /// The file.
        file: PathBuf,
    },
    /// Write boxes into another file.
    OtherRegionsFile,
    /// Type the boxes instead of drawing them.
    TypeBoxes,
    /// Mend what is wrong with a chat endpoint, and go on.
    Endpoint(EndpointTrouble),
}

impl Error {
    /// What to do about it, where that is more than the message says.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::NoTopic { role, .. }
            | Self::Undecided { role, .. }
            | Self::NoPictures { role, .. } => Some(Remedy::NameTopics(vec![*role])),
            Self::SizesDiffer { .. } => Some(Remedy::NameTopics(vec![
                Role::Image,
                Role::Depth,
                Role::CameraInfo,
            ])),
            Self::DepthSize { .. } => {
                Some(Remedy::NameTopics(vec![Role::Depth, Role::DepthCameraInfo]))
            }
            Self::NoFrame { role, .. } => Some(Remedy::NameFrame(*role)),
            Self::Unfound(region) => Some(Remedy::SayOtherwise {
                role: region.role,
                is_question: matches!(region.unfound.finding, Finding::Ambiguous(_)),
            }),
            Self::NoRows { remedy, .. } => remedy.clone(),
            Self::NotRegistered { .. } => Some(Remedy::Registration),
            Self::NotInCamera { .. } => Some(Remedy::Transforms),
            Self::NoIntrinsics { .. } => Some(Remedy::NameTopics(vec![Role::CameraInfo])),
            Self::NotLabelled { path, .. } => Some(Remedy::Label(path.clone())),
            Self::NoRegions { path, bag, .. } | Self::OtherBag { path, bag, .. } => {
                Some(Remedy::Draw {
                    bag: bag.clone(),
                    file: path.clone(),
                })
            }
            Self::RegionsSyntax { .. } => Some(Remedy::OtherRegionsFile),
            Self::TooLong { .. } => Some(Remedy::TypeBoxes),
            Self::Endpoint { trouble, .. } => Some(Remedy::Endpoint(*trouble)),
            Self::OtherSettings { .. } | Self::OtherRun { .. } => {
                Some(Remedy::ReplaceOutput { resume: false })
            }
            Self::OutputExists { can_resume, .. } => Some(Remedy::ReplaceOutput {
                resume: *can_resume,
            }),
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

    /// Shorthand for a place that nothing may be written to.
    pub(crate) fn output_refused(path: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::Core(spatial_reward_core::Error::output_refused(path, why))
    }

    /// Shorthand for a file that cannot be written.
    pub(crate) fn output(path: impl Into<PathBuf>, message: impl ToString) -> Self {
        Self::Core(spatial_reward_core::Error::output(path, message))
    }
}
