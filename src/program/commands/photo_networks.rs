//! The networks that `dataset` asks about photos: what is named in the command, in the plain data of the work.

use std::sync::{Mutex, MutexGuard, PoisonError};

use spatial_reward_core::frame::{BoundingBox, ColorImage, DepthImage};
use spatial_reward_core::imaging::Mask;
use spatial_reward_core::settings::{Dtype, Settings};
use spatial_reward_offline::dataset::photos::{self, FoundRegion, Networks};

use crate::program::logging::Terminal;
use crate::program::model::{Detector, MetricDepth, Queries, Segmenter};
use crate::program::remedies::in_words;

/// Those that are named. One photo at a time: a network has the processor, or the GPU, for itself. The segmenter sees to that
/// itself.
#[derive(Default)]
pub(crate) struct PhotoNetworks {
    detector: Option<Held<Words>>,
    segmenter: Option<Segmenter>,
    depth: Option<Held<MetricDepth>>,
}

/// A detector, and the words that it was asked for last: they are mostly the same.
struct Words {
    detector: Detector,
    threshold: f64,
    asked: Option<(Vec<String>, Queries)>,
}

impl PhotoNetworks {
    /// Load those that are named, finders and segmenters in the settings.
    ///
    /// # Errors
    /// What is wrong with one, by name.
    pub(crate) fn open(
        depth_model: Option<&str>,
        settings: &Settings,
        terminal: &Terminal,
    ) -> anyhow::Result<Self> {
        let device = settings.model().device;
        let mut networks = Self::default();
        if let Some(model) = &settings.detector.path {
            networks.detector = Some(Held::new(Words {
                detector: Detector::open(model, device, Dtype::Auto, terminal)?,
                // What would be left out is not segmented first.
                threshold: settings.detector.threshold.max(settings.photos.min_score),
                asked: None,
            }));
        }
        if let Some(model) = &settings.segmenter.path {
            let segmenter = Segmenter::open(model, device, Dtype::Auto, terminal)?;
            networks.segmenter = Some(segmenter);
        }
        if let Some(model) = depth_model {
            let depth = MetricDepth::open(model, device, Dtype::Auto, terminal)?;
            networks.depth = Some(Held::new(depth));
        }
        Ok(networks)
    }

    /// As the work takes them.
    pub(crate) fn of_photos(&self) -> Networks<'_> {
        Networks {
            detector: self
                .detector
                .as_ref()
                .map(|own| own as &dyn photos::Detector),
            segmenter: (self.segmenter.as_ref()).map(|own| own as &dyn photos::Segmenter),
            depth: self
                .depth
                .as_ref()
                .map(|own| own as &dyn photos::DepthModel),
        }
    }
}

/// One that works for one thread at a time.
struct Held<T>(Mutex<T>);

impl<T> Held<T> {
    fn new(own: T) -> Self {
        Self(Mutex::new(own))
    }

    fn own(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(error: &anyhow::Error) -> String {
    in_words(error)
}

impl photos::Detector for Held<Words> {
    fn detect(&self, photo: &ColorImage, words: &[String]) -> Result<Vec<FoundRegion>, String> {
        let mut own = self.own();
        let Words {
            detector,
            threshold,
            asked,
        } = &mut *own;
        let (_, queries) = match asked {
            Some(known) if known.0 == words => known,
            other => {
                let queries = detector
                    .queries_of_words(words)
                    .map_err(|error| told(&error))?;
                other.insert((words.to_owned(), queries))
            }
        };
        let mut options = queries.usual_options();
        options.threshold = *threshold;
        let found = detector.detect(photo, queries, &options);
        let found = found.map_err(|error| told(&error))?.into_iter();
        let named = found.filter_map(|found| {
            Some(FoundRegion {
                name: words.get(found.query)?.clone(),
                score: found.score,
                bbox: found.bbox,
            })
        });
        Ok(named.collect())
    }
}

impl photos::Segmenter for Segmenter {
    fn segment(&self, photo: &ColorImage, boxes: &[BoundingBox]) -> Result<Vec<Mask>, String> {
        let found = Segmenter::segment(self, photo, boxes);
        let found = found.map_err(|error| told(&error))?.into_iter();
        Ok(found.map(|found| found.mask).collect())
    }
}

impl photos::DepthModel for Held<MetricDepth> {
    fn depth(
        &self,
        photo: &ColorImage,
        focal_px: Option<f64>,
    ) -> Result<photos::MetricDepth, String> {
        let mut estimate = self.own().estimate(photo).map_err(|error| told(&error))?;
        // Depth Pro's metres are made with the focal length that it estimates, and are in proportion to it.
        if let (Some(known), Some(estimated)) = (focal_px, estimate.focal_px) {
            let scale = (known / estimated) as f32;
            for metres in &mut estimate.metres {
                *metres *= scale;
            }
        }
        Ok(photos::MetricDepth {
            depth: DepthImage::new(photo.width, photo.height, estimate.metres),
            focal_px: estimate.focal_px,
        })
    }
}
