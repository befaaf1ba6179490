//! What can be typed: clap types and their help, nothing else. One long file, because it is read as one page: the help
//! of a command stands beside that of the others.

#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "these words are the terminal's help: <BAG> and [default: ...] stand there as they are"
)]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use spatial_reward_core::frame::DistanceKind;
use spatial_reward_core::settings::{
    self, Alignment, DepthScale, DrawnBox, Dtype, ExampleBox, Follow, PixelBox, RelativeDepth,
    RewardKind, Storage, Weights,
};

#[derive(Debug, Parser)]
#[command(
    name = "spatial-reward",
    version,
    about = "Dense, trustworthy rewards for robot learning, measured from a camera",
    after_help = "\
Examples:
  spatial-reward inspect recordings/pick        what is in a bag, and what label would make of it
  spatial-reward label recordings/pick          label it: a new bag, a table and a report beside it
  spatial-reward pick recordings/pick           no detections: draw both boxes in the browser
  spatial-reward evaluate recordings/pick_labelled
  spatial-reward ask desk.png --model CHECKPOINT --box 120,30,330,250 'How wide is <region0>?'

Exit codes: 0 fine, 1 error, 2 usage, 3 finished, but the input had lost data.
No ROS installation is needed for bags."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub logging: Logging,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Label(Box<Label>),
    Train(Box<Train>),
    Quantise(Quantise),
    Ask(Box<Ask>),
    Depth(Depth),
    Detect(Detect),
    Segment(Segment),
    Evaluate(Evaluate),
    Bench(Box<Bench>),
    Inspect(Box<Inspect>),
    Pick(Box<Pick>),
    Serve(Box<Serve>),
    Dataset(Box<Dataset>),
    Node(Node),
    /// Measure frames that another process sends (it has no model of its own).
    #[command(hide = true)]
    Estimate,
    /// Find and follow regions in pictures that another process sends (it has no networks of its own).
    #[command(hide = true)]
    Regions,
    /// Make parts of a data set of photos for another process (it has no networks of its own).
    #[command(hide = true)]
    PhotoParts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people, and progress bars where stderr is a terminal.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Logging (to stderr)")]
pub(crate) struct Logging {
    /// How log lines look.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    pub log_format: LogFormat,
    /// Say more: -v why each topic was chosen, -vv everything.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say nothing but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// Write a model once more with fewer bits a weight: half or a third of the memory on a processor.
///
/// The linear layers of its language model, and on request of its vision tower, are rounded to 8 or 4 bits. What takes such a
/// checkpoint is everything that takes a model, on a processor. `--weights int8` of the other commands does the same while it loads.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward quantise a8cheng/SpatialRGPT-VILA1.5-8B rgpt-int4 --weights int4
  spatial-reward ask desk.png --model rgpt-int4 --dtype bfloat16 --box 120,30,330,250 'How wide is <region0>?'")]
pub(crate) struct Quantise {
    /// The checkpoint: a folder, or ORG/NAME or ORG/NAME@REVISION on a hub.
    #[arg(value_name = "CHECKPOINT")]
    pub model: String,
    /// Where to write; a folder that is not there.
    #[arg(value_name = "OUT")]
    pub output: PathBuf,
    /// Bits of the language model's weights.
    #[arg(long, value_name = "BITS", value_enum, default_value_t)]
    pub weights: FewBits,
    /// Bits of the vision tower's weights [default: as they are stored].
    #[arg(long, value_name = "BITS", value_enum)]
    pub tower_weights: Option<FewBits>,
    /// Print a summary as JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// How few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum FewBits {
    /// Half of bfloat16's memory; the last digits of some answers change.
    #[default]
    Int8,
    /// A third of bfloat16's memory; answers change, those of a small network most.
    Int4,
}

/// Train a model on datasets, or fit one to your own camera.
///
/// Reads folders that `spatial-reward dataset` wrote. Without --model it begins with a small network of the
/// original's layout and a tokenizer learned from the dataset. Writes into OUT: model (a checkpoint that
/// label, ask and the node take), state (to go on from), training.csv, held_out.csv and training.png.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward dataset recordings/ -o desk            questions and answers from your RGB-D bags
  spatial-reward train desk -o desk-model --model models/nano --steps 2000
  spatial-reward train desk -o desk-model --model CHECKPOINT --freeze vision,llm
  spatial-reward train desk -o desk-model --model models/nano --steps 4000 --resume
  spatial-reward label recordings/pick --estimator spatialrgpt --model desk-model/model")]
pub(crate) struct Train {
    /// Folders that `spatial-reward dataset` wrote.
    #[arg(required = true, value_name = "DATASET")]
    pub datasets: Vec<PathBuf>,
    /// Where to write.
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// A dataset to evaluate on, never learned from; may be given several times.
    #[arg(long, value_name = "DATASET")]
    pub held_out: Vec<PathBuf>,
    /// Go on from the state in OUT.
    #[arg(long, help_heading = "Runs")]
    pub resume: bool,
    /// Print a summary as JSON instead of text.
    #[arg(long, help_heading = "Runs")]
    pub json: bool,
    /// Steps between two saved states; an interruption loses no more.
    #[arg(long, help_heading = "Runs", value_name = "STEPS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub save_every: u64,
    /// Steps between two evaluations on held-out frames.
    #[arg(long, alias = "judge-every", help_heading = "Runs", value_name = "STEPS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    pub evaluate_every: u64,
    /// Held-out frames that are evaluated.
    #[arg(
        long,
        alias = "judged",
        help_heading = "Runs",
        value_name = "FRAMES",
        default_value_t = 200
    )]
    pub evaluate_frames: usize,
    /// The checkpoint to begin with: a folder, or ORG/NAME or ORG/NAME@REVISION on a hub.
    #[arg(
        long,
        help_heading = "Model",
        value_name = "MODEL",
        conflicts_with = "shape"
    )]
    pub model: Option<String>,
    /// A YAML file with the sizes of a network that begins [default: those of models/nano].
    #[arg(long, help_heading = "Model", value_name = "FILE")]
    pub shape: Option<PathBuf>,
    /// Parts that stay as they are: vision, regions, projector, llm.
    #[arg(
        long,
        help_heading = "Model",
        value_name = "PARTS",
        value_delimiter = ','
    )]
    pub freeze: Vec<String>,
    /// Where it runs: auto, cpu, cuda:N [default: auto, a GPU if there is one].
    #[arg(long, help_heading = "Model", value_name = "DEVICE")]
    pub device: Option<String>,
    /// The type of the network's numbers; what is learned is kept in float32.
    #[arg(long, help_heading = "Model", value_name = "DTYPE", value_parser = choice::<Dtype>())]
    pub dtype: Option<Dtype>,
    /// Steps of the whole run, those before an interruption among them.
    #[arg(long, help_heading = "Learning", value_name = "STEPS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
    /// Steps over which the learning rate rises [default: a twentieth of --steps, at most 500].
    #[arg(long, help_heading = "Learning", value_name = "STEPS")]
    pub warmup_steps: Option<u64>,
    /// Steps at the beginning in which two halves learn separately: the language model what to say about regions
    /// whose true place it is given, the rest where regions are [default: two thirds of --steps for a network
    /// that begins, 0 for a checkpoint].
    #[arg(
        long,
        alias = "apart-steps",
        help_heading = "Learning",
        value_name = "STEPS"
    )]
    pub separate_warmup_steps: Option<u64>,
    /// Frames a step.
    #[arg(long, help_heading = "Learning", value_name = "FRAMES", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub batch: u64,
    /// Questions a frame.
    #[arg(long, help_heading = "Learning", value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub questions: u64,
    /// The highest learning rate [default: 1e-3 for a network that begins, 1e-4 for a checkpoint].
    #[arg(long, help_heading = "Learning", value_name = "RATE")]
    pub learning_rate: Option<f64>,
    /// By how much matrices shrink, as a share of the learning rate.
    #[arg(
        long,
        help_heading = "Learning",
        value_name = "SHARE",
        default_value_t = 0.05
    )]
    pub weight_decay: f64,
    /// Gradients longer than this are shortened to it.
    #[arg(
        long,
        help_heading = "Learning",
        value_name = "NORM",
        default_value_t = 1.0
    )]
    pub clip_norm: f64,
    /// How much a metre of error about where things are counts beside a nat about the answers.
    #[arg(
        long,
        help_heading = "Learning",
        value_name = "WEIGHT",
        default_value_t = 20.0
    )]
    pub geometry_weight: f64,
    /// What order and first values follow from.
    #[arg(
        long,
        help_heading = "Learning",
        value_name = "SEED",
        default_value_t = 0
    )]
    pub seed: u64,
}

/// Label bags with dense rewards.
///
/// Reads rosbag2 bags (MCAP or sqlite3) and writes, for each, one new folder: a bag with everything
/// of the source and the rewards on a topic of their own, and beside its files a table
/// (*_reward.parquet), a picture (*_reward.png) and a self-contained report (*_reward.html). The
/// source is never changed; the new folder appears under its name when it is complete.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward label pick                         writes pick_labelled beside it
  spatial-reward label pick -o out/pick --reward tanh
  spatial-reward label a.mcap b.db3 -o out          writes out/a_labelled and out/b_labelled
  spatial-reward label recordings -o out --resume   every bag in the folder that is not done yet
  spatial-reward label recordings -o out --shard 2/4
                                                    the second quarter of them, on this machine
  spatial-reward label pick --fingertip-frame tool0 --target-frame cup --target-size 0.08
                                                    no detector: TF says where both are
  spatial-reward label pick --fingertip-box 310,200,352,260@1.5 --target-box 400,310,460,370
                                                    no detector, no TF: drawn once, then followed
  spatial-reward label recordings --regions recordings/regions.yaml
                                                    the boxes that `pick` wrote, of many bags
  spatial-reward label pick --config rig.yaml --fingertip-topic /yolo --target-topic /yolo \\
      --fingertip-class gripper --target-class mug,cup

A step that cannot be measured is never given a number: its reward is NaN, and it says why.
Exit codes: 0 fine, 1 error (the other bags are still labelled) or a bag without one valid step
(its output is written), 2 usage, 3 finished, but a bag was damaged and labelled as far as it goes.")]
pub(crate) struct Label {
    /// Bag folders, bag files (.mcap, .db3, also .zstd), or folders that hold bags.
    ///
    /// A folder is a bag if it has a metadata.yaml, or if all its bag files are parts of one
    /// (NAME_0.mcap, NAME_1.mcap, ...). Any other is searched for bags, two levels deep; labelled
    /// bags and hidden folders in it are passed over.
    #[arg(required = true, value_name = "BAG")]
    pub bags: Vec<PathBuf>,
    /// Where to write [default: <BAG>_labelled beside the bag].
    ///
    /// For a single BAG that is a bag, the new bag's folder. Otherwise a folder that gets
    /// one <BAG>_labelled for each.
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub settings: SettingsOptions,
    /// The row of the table that a frame's reward goes to.
    #[arg(long, value_name = "ALIGNMENT", value_parser = choice::<Alignment>())]
    pub alignment: Option<Alignment>,
    /// Label as the live node would have: what was recorded too late for its image is missed.
    #[arg(long)]
    pub as_live: bool,
    /// The storage of the new bag [default: mcap].
    #[arg(long, value_name = "STORAGE", value_parser = choice::<Storage>())]
    pub storage: Option<Storage>,
    /// Replace labelled bags that exist, each once its new one is complete.
    #[arg(long, help_heading = "Runs", conflicts_with = "resume")]
    pub overwrite: bool,
    /// Skip bags that are labelled already, whatever came of them; clear away what a killed run left unfinished.
    #[arg(long, help_heading = "Runs")]
    pub resume: bool,
    /// Label only the i-th of n parts of the bags (1/n to n/n), e.g. one part a machine.
    #[arg(long, help_heading = "Runs", value_name = "I/N", value_parser = parse_shard)]
    pub shard: Option<Shard>,
    /// Threads that decode and measure [default: one a processor].
    #[arg(long, help_heading = "Runs", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Print a summary as JSON instead of text.
    #[arg(long, help_heading = "Runs")]
    pub json: bool,
    // Last: its heading would go on over options without one.
    #[command(flatten)]
    pub truth: TruthOptions,
}

/// Ask the vision-language model about regions of a picture.
///
/// SpatialRGPT answers questions about where things are: distances, sizes, directions, what is in front
/// of or above what. Regions are boxes or masks, numbered in the order in which they are given (boxes
/// first), and named <region0>, <region1>, ... in the question. With relative depth (of the camera, or
/// estimated by Depth Anything) it does better than on colour alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward ask desk.png --model CHECKPOINT --box 120,30,330,250 --box 10,200,200,299 \\
      'How far is <region0> from <region1>?'
  spatial-reward ask desk.png --model CHECKPOINT --mask mug.png 'How wide is <region0>?' --json
  spatial-reward ask desk.png --model CHECKPOINT --box 120,30,330,250 --depth desk_depth.png --chat

Exit codes: 0 fine, 1 error, 2 usage.")]
pub(crate) struct Ask {
    /// A PNG or JPEG picture.
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// What to ask. With --chat, the first question; more are read from stdin, one a line.
    #[arg(value_name = "QUESTION", required_unless_present = "chat")]
    pub question: Option<String>,
    /// A region as a box in pixels: X_MIN,Y_MIN,X_MAX,Y_MAX. May be given several times.
    #[arg(long = "box", value_name = "BOX", allow_hyphen_values = true)]
    pub boxes: Vec<PixelBox>,
    /// A region as a picture of the same size, whose pixels are not black inside. May be given several
    /// times.
    #[arg(long = "mask", value_name = "FILE")]
    pub masks: Vec<PathBuf>,
    /// Relative depth as a grey picture, brighter is nearer [default: estimated by --depth-model, or
    /// none].
    #[arg(long, value_name = "FILE")]
    pub depth: Option<PathBuf>,
    /// Read follow-up questions from stdin until it ends; the model remembers what was said.
    #[arg(long)]
    pub chat: bool,
    /// Print one JSON object an answer.
    #[arg(long)]
    pub json: bool,
    /// Settings as YAML; see config/default.yaml for all of them.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub model: ModelOptions,
}

/// Find what is named, or what an example shows, in a picture.
///
/// OWLv2 finds things by any words, or by a box around one of their kind in another picture. Words are read as a caption is:
/// "a photo of a mug" may find more than "mug". Boxes are in pixels of the picture and may reach beyond its edges.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward detect desk.png --model google/owlv2-base-patch16-ensemble --words 'a red mug' --words 'a robot gripper'
  spatial-reward detect desk.png --model CHECKPOINT --example mug.png --example-box 120,30,330,250 -o found.png
  spatial-reward detect desk.png --model CHECKPOINT --words 'a red mug' --threshold 0.3 --nms 0.5 --json

Scores by words are the model's own. Scores by an example are shares of the best one's in the picture, so something is always
found: --threshold is about the model's own there too.
Exit codes: 0 fine (nothing found is fine), 1 error, 2 usage.")]
pub(crate) struct Detect {
    /// A PNG or JPEG picture.
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// What to look for. May be given several times.
    #[arg(
        long,
        value_name = "WORDS",
        required_unless_present = "example",
        conflicts_with = "example"
    )]
    pub words: Vec<String>,
    /// A picture that shows what to look for.
    #[arg(long, value_name = "PICTURE")]
    pub example: Option<PathBuf>,
    /// Where in the example it is, in its pixels: X_MIN,Y_MIN,X_MAX,Y_MAX [default: what is most of a thing there].
    #[arg(
        long,
        value_name = "BOX",
        allow_hyphen_values = true,
        requires = "example",
        conflicts_with = "words"
    )]
    pub example_box: Option<PixelBox>,
    /// The least score, 0 to 1 [default: 0.1 by words, 0 by an example].
    #[arg(long, value_name = "SCORE", value_parser = parse_share)]
    pub threshold: Option<f64>,
    /// The most that a box may share with a better one, whatever the two were found by: intersection over union, 0 to 1
    /// [default: 1 by words, which keeps all; 0.3 by an example].
    #[arg(long, value_name = "IOU", value_parser = parse_share)]
    pub nms: Option<f64>,
    /// Where to draw what was found: a PNG of the picture's size.
    #[arg(short, long, value_name = "PICTURE.png", value_parser = parse_png_file)]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub network: NetworkOptions,
}

/// Tell which pixels are an object's, in a picture or through a video.
///
/// SAM 2.1 takes a box around each object. One picture: of the masks that it finds in a box the one that it expects to fit best.
/// Several pictures are the frames of a video, in their order, with the boxes in the first: each object is followed by what is
/// remembered of the frames before, and where it is not seen its mask is empty.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward segment desk.png --model facebook/sam2.1-hiera-tiny --box 120,30,330,250 -o mask.png
  spatial-reward segment frames/*.png --model CHECKPOINT --box 120,30,330,250 --box 10,200,200,299 --json
  spatial-reward segment frames/*.png --model CHECKPOINT --box 120,30,330,250 -o followed

--json prints {\"frames\": [{\"masks\": [{\"rle\": {\"size\": [HEIGHT, WIDTH], \"counts\": ...}, \"score\": ...}]}]}: masks in the
order of the boxes, in COCO's compressed run-length form, and how well each is expected to fit (0 to 1). Those of a video have
\"object_score\" as well: above 0 the object is seen.
Exit codes: 0 fine, 1 error, 2 usage.")]
pub(crate) struct Segment {
    /// PNG or JPEG pictures: one, or the frames of a video.
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// An object's box in pixels of the first picture: X_MIN,Y_MIN,X_MAX,Y_MAX. May be given several times.
    #[arg(
        long = "box",
        required = true,
        value_name = "BOX",
        allow_hyphen_values = true
    )]
    pub boxes: Vec<PixelBox>,
    /// Where to draw the masks: a PNG file for one picture, a folder with one for each of several.
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub network: NetworkOptions,
}

/// Estimate metres of every pixel from one picture.
///
/// Depth Pro tells the camera's focal length too; Depth Anything V2's metric models are trained for one kind of camera, as their
/// cards say, and tell none. A model whose depth is relative has no metres and is refused. Depth is along the optical axis, at
/// the picture's size. A grey picture is taken as a coloured one, and transparency is dropped.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward depth desk.png --model apple/DepthPro-hf -o desk_depth.npy --json
  spatial-reward depth desk.png --model depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf -o desk_depth.png

OUT.npy has float32 metres of shape (height, width). OUT.png has 16-bit millimetres, as ROS has them (16UC1); 0 where a distance
does not fit (beyond 65.535 m), and how many pixels that are is said.
A file that is there is replaced only with --overwrite.
Exit codes: 0 fine, 1 error, 2 usage.")]
pub(crate) struct Depth {
    /// A PNG or JPEG picture.
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Where to write: a name that ends in .npy or .png.
    #[arg(short, long, value_name = "OUT", value_parser = parse_depth_file)]
    pub output: DepthFile,
    #[command(flatten)]
    pub network: NetworkOptions,
}

/// What the commands that ask a network about pictures share.
#[derive(Debug, Args)]
pub(crate) struct NetworkOptions {
    /// The checkpoint: a folder, or ORG/NAME or ORG/NAME@REVISION on a hub.
    #[arg(long, value_name = "MODEL")]
    pub model: String,
    /// Replace what exists.
    #[arg(long, requires = "output")]
    pub overwrite: bool,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
    /// Where it runs: auto, cpu, cuda:N [default: auto, a GPU if there is one].
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "auto",
        hide_default_value = true
    )]
    pub device: String,
    /// The type of its numbers [default: auto, float32; for depth bfloat16 on a GPU].
    #[arg(long, value_name = "DTYPE", value_parser = choice::<Dtype>(), default_value = "auto", hide_default_value = true)]
    pub dtype: Dtype,
}

/// A file for metres, by its name's ending.
#[derive(Debug, Clone)]
pub(crate) enum DepthFile {
    /// float32 metres.
    Npy(PathBuf),
    /// 16-bit millimetres.
    Png(PathBuf),
}

fn parse_depth_file(name: &str) -> Result<DepthFile, String> {
    let path = PathBuf::from(name);
    let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
    match ending.to_str() {
        Some("npy") => Ok(DepthFile::Npy(path)),
        Some("png") => Ok(DepthFile::Png(path)),
        _ => Err("its name must end in .npy (float32 metres) or .png (16-bit millimetres)".into()),
    }
}

fn parse_png_file(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    match is_png(&path) {
        true => Ok(path),
        false => Err("its name must end in .png, which is what is written".into()),
    }
}

/// Whether a file's name says that it is a PNG.
pub(crate) fn is_png(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
}

/// Answer other programs' questions about pictures, as a chat endpoint in OpenAI's form.
///
/// Loads the vision-language model once and answers POST /v1/chat/completions: what `ask` would say about the same picture,
/// regions and question. Pictures come as data URLs, regions as the field `regions` of the request; nothing is ever fetched.
/// On this machine alone unless --listen says otherwise, which needs a token.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward serve --model CHECKPOINT                on http://127.0.0.1:8000/v1
  spatial-reward serve --model CHECKPOINT --listen 0.0.0.0:8000 --token-file token
  openssl rand -hex 16 > token                           makes one

Also there: GET /v1/models, /health and /metrics (Prometheus). Busy, it says 429 and when to ask again.
SIGINT and SIGTERM: what was begun is answered, then it ends. docs/serve.md has the fields of a request.
Exit codes: 0 fine, 1 error, 2 usage.")]
pub(crate) struct Serve {
    /// Where it listens; port 0 takes any that is free. The address that it prints is the base_url of OpenAI's clients.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// A file with the token that clients have to send (api_key of OpenAI's clients) [default: SPATIAL_REWARD_TOKEN].
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A name beside localhost by which the server is asked for, as the header Host has it. May be given several times; with a
    /// token, addresses need none.
    #[arg(long, value_name = "NAME")]
    pub host_name: Vec<String>,
    /// What the model is called [default: the last part of --model].
    #[arg(long, value_name = "NAME")]
    pub model_name: Option<String>,
    /// Settings as YAML; see config/default.yaml for all of them.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Questions that wait or are answered; the next one is told to come back (429).
    #[arg(long, help_heading = "Limits", value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub queue: u32,
    /// Connections at a time.
    #[arg(long, help_heading = "Limits", value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,
    /// The longest request.
    #[arg(long, help_heading = "Limits", value_name = "MB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub body_mb: u32,
    /// The largest picture.
    #[arg(long, help_heading = "Limits", value_name = "MP", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub megapixels: u32,
    /// What all requests hold together in memory, their decoded pictures among it.
    #[arg(long, help_heading = "Limits", value_name = "MB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(64..=1_000_000))]
    pub memory_mb: u32,
    #[command(flatten)]
    pub model: ModelOptions,
}

/// The vision-language model. Options win over the config file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Vision-language model (builds with the feature torch)")]
pub(crate) struct ModelOptions {
    /// The checkpoint: a folder, or ORG/NAME or ORG/NAME@REVISION on a hub [default: models/nano, which
    /// comes with the program].
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Where it runs: auto, cpu, cuda:N [default: auto, a GPU if there is one].
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// The type of its numbers [default: auto, bfloat16 on a GPU, float32 on a processor but
    /// for models/nano where it multiplies bfloat16].
    #[arg(long, value_name = "DTYPE", value_parser = choice::<Dtype>())]
    pub dtype: Option<Dtype>,
    /// How the weights of the language model's linear layers are kept, on a processor.
    #[arg(long, value_name = "WEIGHTS", value_parser = choice::<Weights>())]
    pub weights: Option<Weights>,
    /// The same of its vision tower's.
    #[arg(long, value_name = "WEIGHTS", value_parser = choice::<Weights>())]
    pub tower_weights: Option<Weights>,
    /// The conversation template [default: as the checkpoint's tokenizer tells].
    #[arg(long, value_name = "NAME")]
    pub template: Option<String>,
    /// The longest answer in tokens [default: 64].
    #[arg(long, value_name = "TOKENS")]
    pub max_new_tokens: Option<u32>,
    /// Where its relative depth comes from [default: auto, --depth-model if given, else the camera].
    #[arg(long, value_name = "SOURCE", value_parser = choice::<RelativeDepth>())]
    pub relative_depth: Option<RelativeDepth>,
    /// A Depth Anything checkpoint: a folder or a hub id.
    #[arg(long, value_name = "MODEL")]
    pub depth_model: Option<String>,
    /// What becomes black and white in the relative depth [default: frame].
    #[arg(long, value_name = "SCALE", value_parser = choice::<DepthScale>())]
    pub depth_scale: Option<DepthScale>,
    /// Frames that run through it together [default: 8].
    #[arg(long, value_name = "FRAMES")]
    pub batch: Option<u32>,
}

/// Compare a labelled bag with its ground truth, and with plain baselines; or calibrate a model on several.
///
/// Prints errors, correlations, the order of the rewards over time and the rate of invalid steps.
/// The truths of `surface` and `cloud` are Float64 topics; that of `center` is the distance of two
/// PointStamped topics. Without one, only what time alone can judge is given.
///
/// With --calibrate, fits how far a model's standard deviations are to be believed, so that 90 % intervals hold 90 % of
/// the truths, each bag weighing the same, and writes that as settings for `label`, `ask` and the node. Geometry needs no
/// calibration.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward evaluate pick_labelled
  spatial-reward evaluate pick_labelled --json | jq .mae_m
  spatial-reward evaluate pick_labelled --truth-surface /sim/gap
  spatial-reward evaluate --calibrate desk.yaml pick_labelled place_labelled
  spatial-reward label recordings --estimator spatialrgpt --config desk.yaml")]
pub(crate) struct Evaluate {
    /// A bag that `spatial-reward label` wrote, as a folder or its file; with --calibrate one or more, or folders of them.
    #[arg(required = true, value_name = "LABELLED")]
    pub bags: Vec<PathBuf>,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Fit a calibration to the model that labelled the bags, and write it as settings.
    #[arg(long, value_name = "FILE")]
    pub calibrate: Option<PathBuf>,
    /// Replace a calibration that exists.
    #[arg(long, requires = "calibrate", visible_alias = "force")]
    pub overwrite: bool,
    #[command(flatten)]
    pub truth: TruthOptions,
}

/// Ask a model the questions of SpatialRGPT-Bench, and score its answers without a judge.
///
/// Reads the published file (JSON, or the hub's Parquet copy), asks as the original does, and keeps every answer as it comes:
/// run again, it asks only what has none. Answers are read by rule: numbers with their units, hours of the clock, yes and no,
/// regions. Writes into OUT: answers.jsonl, scores.jsonl (a row each), bench.json and bench.html (the paper's table, with
/// the published figures, and the worst answers with their pictures).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward bench SpatialRGPT-Bench_v1.json --images omni3d --model CHECKPOINT --depth-model DEPTH -o out
  spatial-reward bench SpatialRGPT-Bench_v1.json --answers other.jsonl --model-name other
  spatial-reward bench --read answers.jsonl              what is read from each answer
  spatial-reward bench SpatialRGPT-Bench_v1.json --images omni3d --draw marked
                                                         for models that take no regions

Exit codes: 0 fine, 1 error, 2 usage, 3 finished, but some rows have no picture or no readable truth.")]
#[command(mut_arg("max_new_tokens", |argument| argument.help("The longest answer in tokens [default: 128]")))]
pub(crate) struct Bench {
    /// The published file, or a folder that holds it.
    #[arg(value_name = "BENCH", required_unless_present = "read")]
    pub bench: Option<PathBuf>,
    /// The folder of the pictures (Omni3D's images).
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Where to write [default: <BENCH>_<MODEL> here; with --answers nothing is written].
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Score the answers of another model instead of asking: a JSON object a line, with id and answer.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["read", "draw"])]
    pub answers: Option<PathBuf>,
    /// Print what is read from answers: a JSON object a line, with id, category and answer.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bench", "draw", "images", "output"])]
    pub read: Option<PathBuf>,
    /// Draw the pictures with numbered regions into a folder, with the questions, and ask nothing.
    #[arg(long, value_name = "DIR", requires = "images")]
    pub draw: Option<PathBuf>,
    /// What the model is called in the table [default: the last part of --model, or of --answers].
    #[arg(long, value_name = "NAME")]
    pub model_name: Option<String>,
    /// Begin anew where OUT has answers of another model, file or settings, and replace drawings.
    #[arg(long)]
    pub overwrite: bool,
    /// So many of the worst answers are shown.
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub worst: usize,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Settings as YAML; see config/default.yaml for all of them.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub model: ModelOptions,
}

/// Show what a bag holds, and what `label` would make of it.
///
/// Reads the whole bag: topics, the role that each would play and why, what is missing or damaged,
/// and how many frames could be measured. Writes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward inspect pick
  spatial-reward inspect pick.mcap --json | jq .roles
  spatial-reward inspect pick --fingertip-topic /yolo --target-topic /yolo

Exit code 3: the bag is damaged, and this is what can be read of it.")]
pub(crate) struct Inspect {
    /// A bag folder or a bag file, or a folder that holds one bag.
    #[arg(value_name = "BAG")]
    pub bag: PathBuf,
    #[command(flatten)]
    pub settings: SettingsOptions,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub truth: TruthOptions,
}

/// Draw the boxes of bags that have no detections, in the browser.
///
/// Opens a page that shows a picture of each bag: drag a box around the fingertip and one around the target, see at once
/// how they are followed through the bag and what distances come of it, and draw again where a region is lost. The boxes
/// go into a file that `label` and `inspect` take with --regions. The page is served on this machine alone, to who knows
/// its address; it ends when you finish, or when it is closed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward pick recordings                    every bag in the folder, into recordings/regions.yaml
  spatial-reward label recordings --regions recordings/regions.yaml
  spatial-reward pick pick --fingertip-frame tool0  TF says where the fingertip is: draw the target alone
  spatial-reward pick recordings --no-browser --port 8123
                                                    on a machine without a screen; from yours,
                                                    ssh -L 8123:127.0.0.1:8123 THAT_MACHINE
                                                    and open the address that it prints

What is drawn is in the file at once: go on another time with the same command.")]
pub(crate) struct Pick {
    /// Bag folders, bag files (.mcap, .db3, also .zstd), or folders that hold bags, two levels deep.
    #[arg(required = true, value_name = "BAG")]
    pub bags: Vec<PathBuf>,
    /// Print the page's address, and open no browser.
    #[arg(long)]
    pub no_browser: bool,
    /// The port on 127.0.0.1 [default: any that is free].
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub port: u16,
    /// End when nobody has asked the page for anything for so long.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u64).range(1..))]
    pub idle: u64,
    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Make a training set of questions and answers from RGB-D bags, or from photos.
///
/// Takes every frame with two or more regions: the fingertip and the target, whatever says where they are, and everything
/// else that a detector saw. Their depth, exact masks where the bag has them (a simulator's), and gravity where it has
/// an accelerometer give distances, sizes, directions and comparisons, asked and answered in words.
///
/// Of photos (JPEG, PNG) it takes what stands in files beside each: NAME.regions.json, NAME.depth.npy or NAME.depth.png and
/// NAME.camera.json, and goes the steps of the Open Spatial Dataset's own pipeline (docs/photos.md).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spatial-reward dataset recordings/pick -o pick_data
  spatial-reward dataset recordings -o data --every 5     every fifth frame of every bag in the folder
  spatial-reward dataset a.mcap b.mcap -o data --direct 1 --default-wording 1
                                                          nothing but distances, for a small model
  spatial-reward dataset pick -o data --fingertip-box 310,200,352,260@1.5 --target-frame cup --target-size 0.08
                                                          no detector: drawn and followed, and where TF says
  spatial-reward dataset photos/ -o data --shard 2/4      photos with files beside them: the second quarter
  spatial-reward dataset photos/ -o data --rephrase http://127.0.0.1:8000/v1 --rephrase-model MODEL
                                                          and each photo's questions in other words, as a second row

The new folder has dataset.jsonl (a line a frame), images/, depth/ (relative, as the model sees it),
metric/ (millimetres) and dataset.json (where it comes from, and what was left out and why).
Without an accelerometer's topic nothing is asked that needs to know which way is up.
Of photos it also has published.json (the rows in the published file's form), scenes.jsonl (what is asked about)
and errors.jsonl (what is wrong with which photo).
What --rephrase is told stays in DIR.rephrased.jsonl, and is not asked again. The endpoint's key is read from
SPATIAL_REWARD_REPHRASE_KEY, and stands in no file.
Exit codes: 0 fine, 1 error, 2 usage, 3 finished, but a bag was damaged (it is used as far as it goes), or errors.jsonl
has rows.")]
pub(crate) struct Dataset {
    /// Bag folders, bag files (.mcap, .db3, also .zstd), or folders that hold bags, two levels deep; or photos (.jpg, .png)
    /// and folders that hold photos.
    #[arg(required = true, value_name = "BAG|PHOTOS")]
    pub bags: Vec<PathBuf>,
    /// The folder to make.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// Take every n-th frame of each bag, or every n-th photo.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub every: u64,
    /// Questions a frame of a bag, at most; of photos the settings photos.pairs and photos.questions say.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub questions: u16,
    /// The share of questions for direct distances, where a frame has enough regions.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = parse_share)]
    pub direct: f64,
    /// The share of direct distances asked in the words in which `label` asks, and answered in inches with two digits
    /// before the point; the others in various words and units. 1 for a small model: it learns one wording a hundred
    /// times sooner than ten.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = parse_share)]
    pub default_wording: f64,
    /// What is asked, and in which words, follows from the frame and this number.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub seed: u64,
    /// Settings as YAML; see config/default.yaml for all of them.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Replace a data set that exists, once the new one is complete.
    #[arg(long, help_heading = "Runs", visible_alias = "force")]
    pub overwrite: bool,
    /// Of photos: go on where a run was ended; one that is finished stays.
    #[arg(long, help_heading = "Runs", conflicts_with = "overwrite")]
    pub resume: bool,
    /// Of photos: take only the i-th of n parts (1/n to n/n), e.g. one part a machine.
    #[arg(long, help_heading = "Runs", value_name = "I/N", value_parser = parse_shard)]
    pub shard: Option<Shard>,
    /// Of photos: the words to look for, one a line or with commas between; regions of other names are left out.
    #[arg(long, value_name = "FILE")]
    pub vocabulary: Option<PathBuf>,
    /// Of photos without a depth file: who tells metres, Depth Pro or a metric Depth Anything, a folder or ORG/NAME on a hub.
    /// --detector finds what the words name, --segmenter its pixels, where no file of regions says so.
    #[arg(long, value_name = "CHECKPOINT")]
    pub depth_model: Option<String>,
    /// Threads [default: one a processor].
    #[arg(long, help_heading = "Runs", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Print what came of it as JSON instead of text.
    #[arg(long, help_heading = "Runs")]
    pub json: bool,
    #[command(flatten)]
    pub topics: TopicOptions,
    /// Depth without noise, registered to the colour image [default: /ground_truth/depth/image_raw].
    #[arg(long, help_heading = TOPICS, value_name = "TOPIC")]
    pub truth_depth_topic: Option<String>,
    /// sensor_msgs/Image, mono8: each pixel's instance, the number that is a detection's id
    /// [default: /ground_truth/instances/image_raw].
    #[arg(long, help_heading = TOPICS, value_name = "TOPIC")]
    pub instances_topic: Option<String>,
    /// sensor_msgs/Imu in the camera's optical frame [default: the camera's, if it is in such a frame].
    #[arg(long, help_heading = TOPICS, value_name = "TOPIC")]
    pub imu_topic: Option<String>,
    #[command(flatten)]
    pub regions: RegionOptions,
    #[command(flatten)]
    pub rephrasing: RephraseOptions,
}

/// Who gives a data set's questions other words.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rephrasing")]
pub(crate) struct RephraseOptions {
    /// Of photos: ask a language model for other words for each question and answer; they are checked, and stand in a row of
    /// their own. An OpenAI-compatible endpoint, as far as /v1.
    #[arg(long, value_name = "URL", requires = "rephrase_model")]
    pub rephrase: Option<String>,
    /// The model's name at the endpoint.
    #[arg(long, value_name = "NAME", requires = "rephrase")]
    pub rephrase_model: Option<String>,
    /// An answer that takes longer is none.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub rephrase_timeout: u16,
    /// Requests at a time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub rephrase_requests: u16,
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

/// Publish rewards live from ROS 2 topics (builds with the feature ros).
///
/// Joins image, depth, camera info and both boxes by their stamps and publishes, for each image, what it
/// was worth. Every setting is also a ROS parameter, and those of reward, filter and success may change
/// while it runs. Without rewards for 5 s it says which input it waits for.
#[derive(Debug, Args)]
#[command(after_help = "\
In:       image, depth, camera_info, fingertip/detections, target/detections, /task_prompt
Out:      ~/step_reward, /reward, /episode_done, /episode_truncated, ~/debug_image/compressed, /diagnostics
Services: ~/start_episode, ~/end_episode, ~/annotate_step

Examples:
  spatial-reward node --ros-args -r image:=/camera/color/image_raw -r camera_info:=/camera/color/camera_info \\
      -r depth:=/camera/aligned_depth_to_color/image_raw
  spatial-reward node --config rig.yaml --ros-args -r fingertip/detections:=/yolo -r target/detections:=/yolo
  spatial-reward node --ros-args --params-file params.yaml -p reward.kind:=tanh -r __ns:=/left
  ros2 launch spatial_reward annotate.launch.py --show-args")]
pub(crate) struct Node {
    /// Settings; see config/default.yaml for all of them.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The arguments without those that a node leaves to ROS: from `--ros-args` to `--` or the end.
pub(crate) fn without_ros_arguments(
    arguments: impl IntoIterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    let mut node = false;
    let mut ros = false;
    arguments.into_iter().filter(move |argument| {
        if ros {
            ros = argument != "--";
            return false;
        }
        node |= argument == "node";
        ros = node && argument == "--ros-args";
        !ros
    })
}

/// What is measured and rewarded, and on which topics. Options win over the config file.
#[derive(Debug, Clone, Args)]
pub(crate) struct SettingsOptions {
    /// Settings as YAML; see config/default.yaml for all of them.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Who measures the distance [default: geometry].
    #[arg(long, value_name = "NAME", value_parser = ESTIMATORS)]
    pub estimator: Option<String>,
    /// The distance that is rewarded [default: surface; cloud for the model].
    #[arg(long, value_name = "KIND", value_parser = choice::<DistanceKind>())]
    pub distance: Option<DistanceKind>,
    #[command(flatten)]
    pub model: ModelOptions,
    /// The form of the reward [default: dense].
    #[arg(long, value_name = "NAME", value_parser = choice::<RewardKind>())]
    pub reward: Option<RewardKind>,
    #[command(flatten)]
    pub topics: TopicOptions,
    #[command(flatten)]
    pub regions: RegionOptions,
}

/// Regions that no detector found. Options win over the config file.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Regions without a detector (`inspect` lists the TF frames)")]
pub(crate) struct RegionOptions {
    /// The boxes that `spatial-reward pick` wrote [of pick: where to, default: regions.yaml beside the bags].
    #[arg(long, value_name = "FILE")]
    pub regions: Option<PathBuf>,
    /// The frame of /tf and /tf_static that the fingertip is at.
    #[arg(long, value_name = "FRAME", conflicts_with_all = ["fingertip_topic", "fingertip_class"])]
    pub fingertip_frame: Option<String>,
    /// About the fingertip's size in metres: the ball around that frame [default: 0.03].
    #[arg(long, value_name = "METRES")]
    pub fingertip_size: Option<f64>,
    /// A box that you draw around the fingertip in one picture, which is followed through the others; left, top, right,
    /// bottom in pixels, and the seconds after the first picture [default: that one]. May be given several times, for
    /// several pictures.
    #[arg(long, value_name = "X0,Y0,X1,Y1[@SECONDS]", allow_hyphen_values = true,
        conflicts_with_all = ["fingertip_topic", "fingertip_class", "fingertip_frame"])]
    pub fingertip_box: Vec<DrawnBox>,
    /// One box for the fingertip in every picture.
    #[arg(long, value_name = "X0,Y0,X1,Y1", allow_hyphen_values = true,
        conflicts_with_all = ["fingertip_topic", "fingertip_class", "fingertip_frame", "fingertip_box"])]
    pub fingertip_fixed: Option<PixelBox>,
    /// What the fingertip is in words, such as 'robot gripper': --detector finds it in the first pictures, and it is followed
    /// from there. May be given several times: any of them may be it.
    #[arg(long, value_name = "WORDS",
        conflicts_with_all = ["fingertip_topic", "fingertip_class", "fingertip_frame", "fingertip_box", "fingertip_fixed"])]
    pub fingertip_words: Vec<String>,
    /// The same by an example: a picture, and the box around the fingertip in it.
    #[arg(long, value_name = "FILE:X0,Y0,X1,Y1",
        conflicts_with_all = ["fingertip_topic", "fingertip_class", "fingertip_frame", "fingertip_box", "fingertip_fixed", "fingertip_words"])]
    pub fingertip_example: Option<ExampleBox>,
    /// The frame of /tf and /tf_static that the target is at.
    #[arg(long, value_name = "FRAME", conflicts_with_all = ["target_topic", "target_class"])]
    pub target_frame: Option<String>,
    /// About the target's size in metres: the ball around that frame [default: 0.03].
    #[arg(long, value_name = "METRES")]
    pub target_size: Option<f64>,
    /// As --fingertip-box, around the target.
    #[arg(long, value_name = "X0,Y0,X1,Y1[@SECONDS]", allow_hyphen_values = true,
        conflicts_with_all = ["target_topic", "target_class", "target_frame"])]
    pub target_box: Vec<DrawnBox>,
    /// One box for the target in every picture.
    #[arg(long, value_name = "X0,Y0,X1,Y1", allow_hyphen_values = true,
        conflicts_with_all = ["target_topic", "target_class", "target_frame", "target_box"])]
    pub target_fixed: Option<PixelBox>,
    /// As --fingertip-words, what the target is, such as 'green cube'.
    #[arg(long, value_name = "WORDS",
        conflicts_with_all = ["target_topic", "target_class", "target_frame", "target_box", "target_fixed"])]
    pub target_words: Vec<String>,
    /// As --fingertip-example, of the target.
    #[arg(long, value_name = "FILE:X0,Y0,X1,Y1",
        conflicts_with_all = ["target_topic", "target_class", "target_frame", "target_box", "target_fixed", "target_words"])]
    pub target_example: Option<ExampleBox>,
    /// Who finds words and examples: an OWLv2 checkpoint, a folder or ORG/NAME on a hub, such as
    /// google/owlv2-base-patch16-ensemble.
    #[arg(long, value_name = "CHECKPOINT")]
    pub detector: Option<String>,
    /// Of two things that look like the words nearly as much, take the likelier one, in the place of asking.
    #[arg(long)]
    pub take_best: bool,
    /// Who follows both, from boxes that were drawn or found [default: correlation].
    #[arg(long, value_name = "NAME", value_parser = choice::<Follow>())]
    pub follow: Option<Follow>,
    /// With --follow sam2: a SAM 2.1 checkpoint, a folder or ORG/NAME on a hub, such as facebook/sam2.1-hiera-tiny.
    #[arg(long, value_name = "CHECKPOINT")]
    pub segmenter: Option<String>,
}

/// The topics of a recording. Options win over the config file.
#[derive(Debug, Clone, Args)]
pub(crate) struct TopicOptions {
    /// sensor_msgs/Image or CompressedImage, in colour.
    #[arg(long, help_heading = TOPICS, value_name = "TOPIC")]
    pub image_topic: Option<String>,
    /// sensor_msgs/Image or CompressedImage, registered to the colour image.
    #[arg(long, help_heading = TOPICS, value_name = "TOPIC")]
    pub depth_topic: Option<String>,
    /// Depth is registered to the colour image, though their headers name two coordinate frames.
    #[arg(long, help_heading = TOPICS)]
    pub depth_registered: bool,
    /// sensor_msgs/CameraInfo of the colour image.
    #[arg(long, help_heading = TOPICS, value_name = "TOPIC")]
    pub camera_info_topic: Option<String>,
    /// Boxes or markers of the fingertip: vision_msgs/Detection2DArray or Detection3DArray, sensor_msgs/RegionOfInterest,
    /// yolo_msgs, zed_msgs, depthai_ros_msgs, apriltag_msgs or aruco_opencv_msgs.
    #[arg(long, help_heading = TOPICS, value_name = "TOPIC")]
    pub fingertip_topic: Option<String>,
    /// The same for the target; may be the fingertip's topic too.
    #[arg(long, help_heading = TOPICS, value_name = "TOPIC")]
    pub target_topic: Option<String>,
    /// Class ids of the fingertip [default: any, or `fingertip` where both share a topic].
    #[arg(long, help_heading = TOPICS, value_name = "ID", value_delimiter = ',')]
    pub fingertip_class: Vec<String>,
    /// Class ids of the target [default: any, or `target` where both share a topic].
    #[arg(long, help_heading = TOPICS, value_name = "ID", value_delimiter = ',')]
    pub target_class: Vec<String>,
    /// std_msgs/String with the task in words.
    #[arg(long, help_heading = TOPICS, value_name = "TOPIC")]
    pub task_prompt_topic: Option<String>,
}

const TOPICS: &str = "Topics (found by type and name if not given; `inspect` shows them)";

/// Topics with the truth, if they are not found among /ground_truth.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Ground truth (only judged with, never measured with)")]
pub struct TruthOptions {
    /// geometry_msgs/PointStamped: where the fingertip is.
    #[arg(long, value_name = "TOPIC")]
    pub truth_fingertip: Option<String>,
    /// geometry_msgs/PointStamped: where the target's centre is.
    #[arg(long, value_name = "TOPIC")]
    pub truth_target: Option<String>,
    /// std_msgs/Float64: the gap between both surfaces in metres.
    #[arg(long, value_name = "TOPIC")]
    pub truth_surface: Option<String>,
    /// std_msgs/Float64: the mean distance between both visible clouds in metres.
    #[arg(long, value_name = "TOPIC")]
    pub truth_cloud: Option<String>,
}

/// The estimators that can be named; a build without one says how to get it.
pub(crate) const ESTIMATORS: [&str; 2] = ["geometry", "spatialrgpt"];

/// A word that a setting may be, as its declaration has it: the settings' own spelling, or dashes for underscores.
fn choice<T>() -> impl TypedValueParser<Value = T>
where
    T: JsonSchema + DeserializeOwned + Clone + Send + Sync + 'static,
{
    let words = settings::choices::<T>().into_iter().map(|choice| {
        let value = PossibleValue::new(choice.name.clone()).help(choice.description);
        match choice.name.contains('_') {
            true => value.alias(choice.name.replace('_', "-")),
            false => value,
        }
    });
    let words: Vec<PossibleValue> = words.collect();
    PossibleValuesParser::new(words)
        .try_map(|word| serde_json::from_value(word.replace('-', "_").into()))
}

/// Part `part` (from 1) of `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    pub part: usize,
    pub of: usize,
}

fn parse_shard(text: &str) -> Result<Shard, String> {
    let shard = text.split_once('/').and_then(|(part, of)| {
        let (part, of) = (part.parse().ok()?, of.parse().ok()?);
        (1..=of).contains(&part).then_some(Shard { part, of })
    });
    shard.ok_or_else(|| "must be I/N with 1 <= I <= N, such as 2/4".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn trainings_are_still_begun_with_the_older_spellings() {
        let typed = "x train data -o out --judge-every 7 --judged 8 --apart-steps 9";
        let Command::Train(train) = Cli::parse_from(typed.split(' ')).command else {
            panic!("it is a training");
        };
        assert_eq!(train.evaluate_every, 7);
        assert_eq!(train.evaluate_frames, 8);
        assert_eq!(train.separate_warmup_steps, Some(9));
    }

    #[test]
    fn a_node_leaves_ros_its_arguments() {
        let left = |line: &str| {
            let arguments = line.split_whitespace().map(OsString::from);
            let left: Vec<OsString> = without_ros_arguments(arguments).collect();
            left.join(" ".as_ref()).into_string().unwrap()
        };
        assert_eq!(
            left("x node --ros-args -r a:=b -p c:=d -- -v --ros-args --log-level debug"),
            "x node -v"
        );
        // Other commands know no such thing, and say so.
        assert_eq!(left("x label --ros-args a"), "x label --ros-args a");
    }

    #[test]
    fn a_share_is_a_number_from_0_to_1() {
        assert_eq!(parse_share("0.25"), Ok(0.25));
        for wrong in ["-0.1", "1.1", "nan", "half", ""] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_shard_is_a_part_of_a_whole() {
        assert_eq!(parse_shard("2/4"), Ok(Shard { part: 2, of: 4 }));
        for wrong in ["0/4", "5/4", "2", "a/b", "1/0", "-1/2"] {
            assert!(parse_shard(wrong).is_err(), "{wrong}");
        }
    }
}
