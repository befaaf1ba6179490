//! The door to the networks that find regions by words or by an example, and that follow them by masks.

use std::sync::{Arc, Mutex, PoisonError};

use spatial_reward_core::detection::{DetectOptions, Detection};
use spatial_reward_core::estimator::{OpenDetector, OpenSegmenter};
use spatial_reward_core::finding::{Candidate, Detector};
use spatial_reward_core::following::Both;
use spatial_reward_core::frame::{BoundingBox, ColorImage};
use spatial_reward_core::imaging::open_color_on_white;
use spatial_reward_core::mask_following::{MaskVideo, Runs, Seen, Segmenter};
use spatial_reward_core::progress::OnProgress;
use spatial_reward_core::settings::{Dtype, ExampleBox, Region, Settings};
use spatial_reward_models::nn::weights::Placement;
use spatial_reward_models::owlv2::{self, Queries};
use spatial_reward_models::sam2::{self, ObjectId};

use super::regions_elsewhere::RegionsElsewhere;
use super::{process, resolve};

/// Candidates below are told to nobody: they only say how far the best one is from enough.
const LEAST_TOLD: f64 = 0.01;

/// Finds regions by words or by an example.
pub(crate) fn detector() -> OpenDetector {
    Arc::new(|settings, progress| {
        if let Some(program) = process::named() {
            return RegionsElsewhere::detector(&program, settings);
        }
        Ok(Arc::new(Owlv2::open(settings, progress)?))
    })
}

/// Follows regions by masks.
pub(crate) fn segmenter() -> OpenSegmenter {
    Arc::new(|settings, progress| {
        if let Some(program) = process::named() {
            return RegionsElsewhere::segmenter(&program, settings);
        }
        let folder = resolve(settings.segmenter.path.as_deref(), progress)?;
        let placement = Placement::chosen(settings.model().device, Dtype::Float32)?;
        let segmenter = sam2::Segmenter::load(&folder, placement)?;
        // One that has no memory says so before a recording is read.
        segmenter.video()?;
        Ok(Arc::new(Sam2(segmenter)))
    })
}

/// A detector that was told what to look for.
struct Owlv2 {
    /// One picture at a time: a network has the processor, or the GPU, for itself.
    detector: Mutex<owlv2::Detector>,
    /// Each region's, of those that are sought.
    queries: Both<Queries>,
    threshold: f64,
}

impl Owlv2 {
    fn open(settings: &Settings, progress: OnProgress<'_>) -> spatial_reward_core::Result<Self> {
        let folder = resolve(settings.detector.path.as_deref(), progress)?;
        let device = settings.model().device;
        let detector = owlv2::Detector::open(&folder, device, Dtype::Auto)?;
        let queries = |region: &Region| -> spatial_reward_core::Result<Option<Queries>> {
            Ok(match &region.example {
                Some(ExampleBox { file, bbox }) => {
                    Some(detector.query_of_example(&open_color_on_white(file)?, Some(bbox))?)
                }
                None if region.words.is_empty() => None,
                None => Some(detector.queries_of_words(&region.words)?),
            })
        };
        let regions = &settings.regions;
        Ok(Self {
            queries: [queries(&regions.fingertip)?, queries(&regions.target)?],
            detector: Mutex::new(detector),
            threshold: settings.detector.threshold,
        })
    }
}

impl Detector for Owlv2 {
    fn detect(&self, picture: &ColorImage) -> spatial_reward_core::Result<Both<Vec<Candidate>>> {
        // What is hardly like them is told too.
        let options = DetectOptions {
            threshold: self.threshold.min(LEAST_TOLD),
            most_overlap: DetectOptions::EXAMPLE.most_overlap,
        };
        let asked: Vec<(&Queries, DetectOptions)> = (self.queries.iter().flatten())
            .map(|queries| (queries, options))
            .collect();
        let detector = self.detector.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = detector.detect_each(picture, &asked)?.into_iter();
        let candidate = |found: Detection| Candidate {
            bbox: found.bbox,
            score: found.score,
        };
        let mut next = |queries: &Option<Queries>| {
            queries.as_ref()?;
            let found = found.next().unwrap_or_default();
            // A box that reaches beyond the picture is followed by what is in it.
            let inside =
                |candidate: &Candidate| candidate.bbox.clipped(picture.width, picture.height);
            let candidates = found.into_iter().map(candidate).filter_map(|candidate| {
                let bbox = inside(&candidate)?;
                Some(Candidate { bbox, ..candidate })
            });
            Some(candidates.collect())
        };
        let [fingertip, target] = &self.queries;
        Ok([next(fingertip), next(target)])
    }
}

/// A network that follows both regions through videos.
struct Sam2(sam2::Segmenter);

impl Segmenter for Sam2 {
    fn video(&self) -> Box<dyn MaskVideo> {
        Box::new(Sam2Video {
            segmenter: self.0.clone(),
            begun: None,
        })
    }
}

/// A video that begins with its first picture.
struct Sam2Video {
    segmenter: sam2::Segmenter,
    begun: Option<sam2::Video>,
}

const OBJECTS: [ObjectId; 2] = [ObjectId(0), ObjectId(1)];

impl MaskVideo for Sam2Video {
    fn see(
        &mut self,
        picture: &ColorImage,
        drawn: Both<BoundingBox>,
    ) -> spatial_reward_core::Result<Both<Seen>> {
        let video = match &mut self.begun {
            Some(video) => video,
            begun => begun.insert(self.segmenter.video()?),
        };
        let prompts = OBJECTS.into_iter().zip(drawn);
        let prompts: Vec<(ObjectId, BoundingBox)> = prompts
            .filter_map(|(object, bbox)| Some((object, bbox?)))
            .collect();
        let followed = video.frame(picture, &prompts)?;
        Ok(OBJECTS.map(|object| {
            let own = followed.iter().find(|followed| followed.object == object)?;
            let mask = Runs::of(own.mask.width, own.mask.height, &own.mask.data);
            Some(Seen {
                mask: mask.filter(|_| own.occlusion > 0.0),
                score: own.score,
            })
        }))
    }
}
