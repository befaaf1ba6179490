//! The model as an estimator: asks the distance question about the fingertip and the target of each
//! frame, and reads the answer.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use super::model::View;
use super::reasoner::{Reasoner, Utterance};
use super::relative_depth::DepthNetwork;
use super::{digest, open};
use crate::answer::parse_distance;
use crate::config::{Config, DepthScale, EstimatorKind, RelativeDepth};
use crate::error::Error;
use crate::estimator::{Estimator, Origin};
use crate::frame::{Answer, ColorImage, Frame, Measurement, Reason, Regions};
use crate::geometry::GeometryEstimator;
use crate::imaging::{Disparity, DisparityRange, GrayImage, Mask};
use crate::prompt::{Conversation, Prompt};

/// The model as an estimator.
///
/// # Errors
/// What is wrong with the model, the device or the question, by name.
pub fn estimator(config: &Config) -> crate::Result<Box<dyn Estimator>> {
    Ok(Box::new(ModelEstimator::open(config)?))
}

struct ModelEstimator {
    /// One frame, or one batch of them, at a time: libtorch uses all cores for it.
    eyes: Mutex<Eyes>,
    /// Measures beside the model where there is depth, so that the two can be compared.
    geometry: GeometryEstimator,
    prompt: Prompt,
    source: RelativeDepth,
    batch: usize,
    digest: Mutex<Digest>,
}

/// The networks, and what they remember of the episode.
struct Eyes {
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
    fn open(config: &Config) -> crate::Result<Self> {
        let settings = &config.model;
        let folder = open::folder(settings)?;
        let reasoner = open::reasoner(settings)?;
        if !reasoner.takes_regions() {
            return Err(Error::NoRegions);
        }
        let source = match reasoner.takes_depth() {
            true => settings.depth_source(),
            false => RelativeDepth::None,
        };
        let depth_network = match source {
            RelativeDepth::DepthAnything => Some(DepthNetwork::open(settings)?),
            _ => None,
        };
        let with_depth = source != RelativeDepth::None;
        // Every frame is asked the same, so the prompt is made once.
        let prompt =
            Conversation::new(reasoner.template(), with_depth, 2).ask(&settings.question)?;
        Ok(Self {
            eyes: Mutex::new(Eyes {
                reasoner,
                depth_network,
                scale: settings.depth_scale,
                range: None,
            }),
            geometry: GeometryEstimator::new(&config.geometry),
            prompt,
            source,
            batch: settings.batch as usize,
            digest: Mutex::new(Digest::start(folder)),
        })
    }

    /// What the model is shown of a frame.
    fn view(&self, eyes: &mut Eyes, frame: &Frame, regions: &Regions) -> Result<View, Reason> {
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
        let depth = eyes.relative_depth(self.source, frame, color)?;
        let view = eyes.reasoner.view(color, depth.as_ref(), &masks);
        view.map_err(|error| failed(&error))
    }

    fn answers(&self, eyes: &Eyes, views: &[View]) -> crate::Result<Vec<Utterance>> {
        let seen = eyes.reasoner.look(views)?;
        let prompts: Vec<_> = seen.iter().map(|seen| (seen, &self.prompt)).collect();
        eyes.reasoner.answer(&prompts)
    }

    fn measurement(&self, frame: &Frame, regions: &Regions, said: &Utterance) -> Measurement {
        let parsed = parse_distance(&said.text);
        let confidence = parsed.as_ref().and_then(|p| said.confidence(&p.numbers));
        let beside = self.geometry.estimate(frame, regions).unwrap_or_default();
        Measurement {
            confidence: confidence.unwrap_or(0.0),
            answer: Some(Answer {
                text: said.text.trim().to_owned(),
                distance_m: parsed.map(|parsed| parsed.distance_m),
            }),
            ..beside
        }
    }
}

impl Estimator for ModelEstimator {
    fn name(&self) -> &'static str {
        EstimatorKind::Spatialrgpt.name()
    }

    fn estimate(&self, frame: &Frame, regions: &Regions) -> Result<Measurement, Reason> {
        let mut measured = self.estimate_batch(&[(frame, regions)]);
        measured.pop().unwrap_or(Err(Reason::ModelError))
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn estimate_batch(&self, frames: &[(&Frame, &Regions)]) -> Vec<Result<Measurement, Reason>> {
        // What another thread left behind is complete between two batches.
        let mut eyes = self.eyes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown = Vec::with_capacity(frames.len());
        let viewed: Vec<Result<(), Reason>> = frames
            .iter()
            .map(|(frame, regions)| {
                shown.push(self.view(&mut eyes, frame, regions)?);
                Ok(())
            })
            .collect();
        let mut answers = match self.answers(&eyes, &shown) {
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

    fn origin(&self) -> crate::Result<Origin> {
        let mut digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Origin {
            model_digest: digest.get()?,
            prompt: self.prompt.text.clone(),
        })
    }
}

impl Eyes {
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
    fn start(folder: PathBuf) -> Self {
        let path = folder.clone();
        Self {
            folder,
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
            Some(thread) => thread.join().map_err(|_| Error::Panicked {
                stamp_nanos: 0,
                message: "the digest of the model's weights".into(),
            })?,
            None => digest::of_folder(&self.folder),
        };
        Ok(self.known.insert(digest?).clone())
    }
}

/// A frame that the model failed on is invalid and says so; the log says why.
fn failed(error: &Error) -> Reason {
    tracing::error!("the model failed on a frame: {error}");
    Reason::ModelError
}
