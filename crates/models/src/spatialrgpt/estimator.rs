//! The model as an estimator: asks the distance question about the fingertip and the target of each
//! frame, and reads the answer.

use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use tch::Device;

use super::digest;
use super::model::View;
use super::open::{self, Located};
use super::reasoner::{Decoded, Reasoner, std_m};
use super::relative_depth::DepthNetwork;
use crate::error::Error;
use crate::nn::threads::SingleThread;
use spatial_reward_core::answer::parse_distance;
use spatial_reward_core::calibration::Calibration;
use spatial_reward_core::error::panic_words;
use spatial_reward_core::estimator::{Estimator, Order, Origin};
use spatial_reward_core::frame::{Answer, ColorImage, Frame, Measurement, Reason, Regions};
use spatial_reward_core::geometry::GeometryEstimator;
use spatial_reward_core::imaging::{Disparity, DisparityRange, GrayImage, Mask};
use spatial_reward_core::prompt::{Conversation, Prompt};
use spatial_reward_core::settings::{DepthScale, RelativeDepth, Settings};

/// The model as an estimator.
pub struct ModelEstimator {
    /// One frame, or one batch of them, at a time: libtorch uses all cores for it.
    networks: Mutex<Networks>,
    /// Beside them, for batches of a small network.
    copies: Copies,
    /// Measures beside the model where there is depth, so that the two can be compared.
    geometry: GeometryEstimator,
    prompt: Prompt,
    least_m: f64,
    calibration: Option<Calibration>,
    source: RelativeDepth,
    order: Order,
    batch: usize,
    digest: Mutex<Digest>,
}

/// A small network once more for each further core: its products are too small to be shared out, so of a batch each core takes
/// some frames. Who asks about single frames, as the live node does, never loads them.
struct Copies {
    settings: Settings,
    folder: PathBuf,
    count: usize,
    loaded: OnceLock<Vec<Mutex<Networks>>>,
}

/// Networks with as many bytes of weights at most are small.
const SMALL_BYTES: u64 = 64 << 20;

/// The networks, and what is remembered of the episode.
struct Networks {
    reasoner: Reasoner,
    depth_network: Option<DepthNetwork>,
    scale: DepthScale,
    /// The episode whose first frame gave the range.
    range: Option<(u64, DisparityRange)>,
}

/// The digest of the model's files. It takes as long to compute as they take to read, so that runs
/// beside the work.
struct Digest {
    folder: PathBuf,
    /// `None` once it was asked.
    running: Option<JoinHandle<crate::Result<String>>>,
    known: Option<String>,
}

impl ModelEstimator {
    /// As `estimator.kind` names it.
    pub const NAME: &'static str = "spatialrgpt";

    /// Loads the networks that were located for these settings.
    ///
    /// # Errors
    /// What is wrong with the model, the device or the question, by name.
    pub fn load(settings: &Settings, located: &Located) -> crate::Result<Self> {
        let reasoner = open::reasoner(settings, &located.model)?;
        if !reasoner.takes_regions() {
            return Err(Error::NoRegions);
        }
        let source = match reasoner.takes_depth() {
            true => settings.model().relative_depth,
            false => RelativeDepth::None,
        };
        let depth_network = match (source, &located.depth_model) {
            (RelativeDepth::DepthAnything, Some(folder)) => {
                Some(DepthNetwork::load(folder, open::placement_of(settings)?)?)
            }
            _ => None,
        };
        let with_depth = source != RelativeDepth::None;
        // Every frame is asked the same, so the prompt is made once.
        let prompt =
            Conversation::new(reasoner.template(), with_depth, 2).ask(&settings.model.question)?;
        let trained = reasoner.trained();
        trained.check(&settings.model.question)?;
        let least_m = trained.least_distance_m.unwrap_or(0.0);
        let calibration = settings.model.calibration().or(trained.calibration);
        let scale = settings.model.depth_scale;
        let batch = settings.model.batch as usize;
        let is_alone = depth_network.is_none() && scale == DepthScale::Frame;
        let is_small = is_alone
            && reasoner.model().placement.device == Device::Cpu
            && weights_bytes(&located.model) <= SMALL_BYTES;
        let copies = match is_small {
            true => batch.min(tch::get_num_threads().max(1) as usize) - 1,
            false => 0,
        };
        Ok(Self {
            networks: Mutex::new(Networks {
                reasoner,
                depth_network,
                scale,
                range: None,
            }),
            copies: Copies {
                settings: settings.clone(),
                folder: located.model.clone(),
                count: copies,
                loaded: OnceLock::new(),
            },
            geometry: GeometryEstimator::new(&settings.geometry)
                .telling_space(settings.task.needs_space()),
            prompt,
            least_m,
            calibration,
            source,
            order: match scale {
                DepthScale::Frame => Order::Any,
                // The episode's first frame gives the scale of the others.
                DepthScale::Episode => Order::Recorded,
            },
            batch,
            digest: Mutex::new(Digest::start(&located.model)),
        })
    }

    /// What the model is shown of a frame.
    fn view(
        &self,
        networks: &mut Networks,
        frame: &Frame,
        regions: &Regions,
    ) -> Result<View, Reason> {
        let color = frame.color.pixels().map_err(|_| Reason::NoImage)?;
        let (width, height) = (color.width, color.height);
        let mask = |bbox| {
            let mask = Mask::from_box(bbox, width, height);
            // A box of less than a pixel shows the model nothing.
            (!mask.is_empty())
                .then_some(mask)
                .ok_or(Reason::BoxOutsideImage)
        };
        let masks = [mask(&regions.fingertip)?, mask(&regions.target)?];
        let depth = networks.relative_depth(self.source, frame, color)?;
        let view = networks.reasoner.view(color, depth.as_ref(), &masks);
        view.map_err(|error| failed(&error))
    }

    /// Measures frames with some networks.
    fn estimate_with(
        &self,
        networks: &Mutex<Networks>,
        frames: &[(&Frame, &Regions)],
    ) -> Vec<Result<Measurement, Reason>> {
        // What another thread left behind is complete between two batches.
        let mut networks = networks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown = Vec::with_capacity(frames.len());
        let viewed: Vec<Result<(), Reason>> = frames
            .iter()
            .map(|(frame, regions)| {
                shown.push(self.view(&mut networks, frame, regions)?);
                Ok(())
            })
            .collect();
        let mut answers = match self.answers(&networks, &shown) {
            Ok(answers) => answers.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(failed(&error)); shown.len()],
        }
        .into_iter();
        let measured = frames.iter().zip(viewed).map(|((frame, regions), viewed)| {
            viewed?;
            let said = answers.next().unwrap_or(Err(Reason::ModelError))?;
            Ok(self.measurement(frame, regions, &said))
        });
        measured.collect()
    }

    fn answers(&self, networks: &Networks, views: &[View]) -> crate::Result<Vec<Decoded>> {
        let features = networks.reasoner.encode(views)?;
        let prompts: Vec<_> = features.iter().map(|one| (one, &self.prompt)).collect();
        networks.reasoner.answer(&prompts)
    }

    fn measurement(&self, frame: &Frame, regions: &Regions, said: &Decoded) -> Measurement {
        let parsed = parse_distance(&said.text);
        let confidence = parsed.as_ref().and_then(|p| said.confidence(&p.numbers));
        let spread_m = parsed.as_ref().and_then(|parsed| said.spread_m(parsed));
        let beside = self.geometry.estimate(frame, regions).unwrap_or_default();
        Measurement {
            own_confidence: Some(confidence.unwrap_or(0.0)),
            answer: Some(Answer {
                text: said.text.trim().to_owned(),
                distance_m: parsed.map(|parsed| parsed.distance_m),
                distance_std_m: std_m(spread_m, self.calibration),
            }),
            ..beside
        }
    }
}

impl Estimator for ModelEstimator {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn estimate(&self, frame: &Frame, regions: &Regions) -> Result<Measurement, Reason> {
        let mut measured = self.estimate_batch(&[(frame, regions)]);
        measured.pop().unwrap_or(Err(Reason::ModelError))
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn order(&self) -> Order {
        self.order
    }

    fn least_m(&self) -> f64 {
        self.least_m
    }

    fn is_calibrated(&self) -> bool {
        self.calibration.is_some()
    }

    fn estimate_batch(&self, frames: &[(&Frame, &Regions)]) -> Vec<Result<Measurement, Reason>> {
        let copies = match frames.len() {
            0 | 1 => &[],
            _ => self.copies.get(),
        };
        if copies.is_empty() {
            return self.estimate_with(&self.networks, frames);
        }
        let share = frames.len().div_ceil(1 + copies.len());
        let alone = |networks, frames| {
            let _single = SingleThread::enter();
            self.estimate_with(networks, frames)
        };
        let (own, rest) = frames.split_at(share);
        thread::scope(|scope| {
            let others = rest.chunks(share).zip(copies);
            let others =
                others.map(|(frames, networks)| scope.spawn(move || alone(networks, frames)));
            let others: Vec<_> = others.collect();
            let mut measured = alone(&self.networks, own);
            for other in others {
                measured.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            }
            measured
        })
    }

    fn origin(&self) -> spatial_reward_core::Result<Origin> {
        let mut digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Origin {
            model_digest: digest.get()?,
            prompt: self.prompt.text.clone(),
            calibration: self.calibration,
        })
    }
}

impl Copies {
    /// All that could be loaded.
    fn get(&self) -> &[Mutex<Networks>] {
        self.loaded.get_or_init(|| {
            let load = |_| {
                let reasoner = open::reasoner(&self.settings, &self.folder);
                let reasoner = reasoner.inspect_err(|error| {
                    tracing::warn!("frames are answered by fewer cores: {error}");
                });
                Some(Mutex::new(Networks {
                    reasoner: reasoner.ok()?,
                    depth_network: None,
                    scale: DepthScale::Frame,
                    range: None,
                }))
            };
            (0..self.count).map_while(load).collect()
        })
    }
}

/// How long a checkpoint's files of weights are together.
fn weights_bytes(folder: &Path) -> u64 {
    let listed = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let files = listed(folder).flat_map(|part| listed(&part.path()));
    let weights = files
        .filter(|file| Path::new(&file.file_name()).extension() == Some("safetensors".as_ref()));
    weights
        .filter_map(|file| Some(fs::metadata(file.path()).ok()?.len()))
        .sum()
}

impl Networks {
    fn relative_depth(
        &mut self,
        source: RelativeDepth,
        frame: &Frame,
        color: &ColorImage,
    ) -> Result<Option<GrayImage>, Reason> {
        let disparity = match (source, &self.depth_network) {
            (RelativeDepth::None, _) => return Ok(None),
            (_, Some(network)) => network.disparity(color).map_err(|error| failed(&error))?,
            (_, None) => {
                let depth = frame.depth.as_ref().ok_or(Reason::NoDepth)?;
                Disparity::from_depth(depth).ok_or(Reason::DepthInvalid)?
            }
        };
        let resized = disparity.resized(color.width, color.height);
        let resized = resized.map_err(|error| failed(&error))?;
        let own = resized.range();
        let range = match (self.scale, self.range) {
            (DepthScale::Frame, _) => own,
            (DepthScale::Episode, Some((episode, range))) if episode == frame.episode => range,
            (DepthScale::Episode, _) => self.range.insert((frame.episode, own)).1,
        };
        Ok(Some(resized.to_gray(range)))
    }
}

impl Digest {
    fn start(folder: &Path) -> Self {
        let path = folder.to_owned();
        Self {
            folder: folder.to_owned(),
            running: Some(std::thread::spawn(move || digest::of_folder(&path))),
            known: None,
        }
    }

    /// A failure is not kept: whoever asks next tries again.
    fn get(&mut self) -> crate::Result<String> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let digest = match self.running.take() {
            Some(thread) => thread.join().map_err(|panic| {
                Error::panicked("the digest of the model's weights", panic_words(&*panic))
            })?,
            None => digest::of_folder(&self.folder),
        };
        Ok(self.known.insert(digest?).clone())
    }
}

/// A frame that the model failed on is invalid and says so; the log says why.
fn failed(error: &impl std::fmt::Display) -> Reason {
    tracing::error!("the model failed on a frame: {error}");
    Reason::ModelError
}
