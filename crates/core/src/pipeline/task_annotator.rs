//! From decoded frames of one or several cameras to the steps of a whole task: every pair of regions is measured in every
//! frame that shows both, and the task carried through them as through a recording.

use std::collections::{BTreeMap, BTreeSet};

use super::annotator::{Placed, PlacedRegions, info, measure};
use super::clock::EpisodeClock;
use super::measure::Broken;
use super::{FrameInfo, Rewarder};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::frame::{Frame, Mask, Masks, Measurement, Reason};
use crate::settings::{Pair, Quantity, Settings};
use crate::step::{Latency, Step};
use crate::task::{Seen, TaskRewarder};

/// What one camera sees at a moment.
#[derive(Debug, Clone)]
pub struct View {
    /// Its picture. Episode and stamp are set by who annotates.
    pub frame: Frame,
    /// Where regions are in it, by their names. One that is not here is not seen.
    pub regions: BTreeMap<String, PlacedRegion>,
}

/// A region in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedRegion {
    /// Its box, or why there is none.
    pub place: Result<Placed, Reason>,
    /// Which pixels are its, in those of the picture, where that is known.
    pub mask: Option<Mask>,
}

/// A camera's depth or intrinsics are of another picture.
#[derive(Debug)]
pub struct Misfit {
    /// The camera's name; empty where there is but one.
    pub camera: String,
    /// Which of the two, and why.
    pub broken: Broken,
}

/// Measures a task's pairs in each moment's frames and folds them to steps.
pub struct TaskAnnotator {
    estimator: Box<dyn Estimator>,
    /// The pair of the step's own distance first.
    plans: Vec<(String, Pair)>,
    needs_opening: bool,
    rewarder: Rewarder,
    task: TaskRewarder,
    clock: EpisodeClock,
}

/// The episode and the stamp of what is seen.
type Moment = (u64, i64);

/// What was made of the step's own pair, or what there is where its camera shows nothing.
type Own = (FrameInfo, Result<Measurement, Reason>);

impl TaskAnnotator {
    /// One before its first moment.
    ///
    /// # Errors
    /// `Error::ConfigValue` without a pair to measure, and where the estimator's answers depend on the frames before, which
    /// would be those of another camera.
    pub fn new(settings: &Settings, estimator: Box<dyn Estimator>) -> Result<Self> {
        let planned = settings.planned();
        settings.check_order(&planned)?;
        let planned = planned.into_iter();
        let plans: Vec<_> = planned
            .map(|planned| (planned.camera, planned.pair))
            .collect();
        if plans.is_empty() {
            return Err(Error::ConfigValue {
                key: "task".into(),
                value: "not given".into(),
                expected: "pairs of regions to measure".into(),
            });
        }
        let quantities = settings.task.quantities();
        Ok(Self {
            estimator,
            plans,
            needs_opening: !settings.task.may_lack_gripper()
                && (quantities.iter()).any(|quantity| matches!(quantity, Quantity::Opening(_))),
            rewarder: Rewarder::new(settings),
            task: TaskRewarder::new(settings),
            clock: EpisodeClock::default(),
        })
    }

    /// The cameras' names, the one that steps are of first; one that is empty where there is but one camera.
    pub fn cameras(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .plans
            .iter()
            .map(|(camera, _)| camera.as_str())
            .collect();
        names.dedup();
        names
    }

    /// The regions that are measured in a camera's pictures.
    pub fn regions_of(&self, camera: &str) -> BTreeSet<&str> {
        let own = self.plans.iter().filter(|(of, _)| of == camera);
        own.flat_map(|(_, pair)| [pair.first.as_str(), pair.second.as_str()])
            .collect()
    }

    /// Whether phases cannot do without how wide the gripper is open.
    pub fn needs_opening(&self) -> bool {
        self.needs_opening
    }

    /// A new episode begins with the next moment.
    pub fn reset(&mut self) {
        self.clock.reset();
    }

    /// The step of a moment, by what cameras of these names see in it. The step is one of the first camera; where that one
    /// shows nothing, the others carry the task. A stamp that is set back by a second or more begins a new episode.
    ///
    /// # Errors
    /// If depth or intrinsics are of another picture; nothing is rewarded then.
    pub fn annotate(
        &mut self,
        stamp_nanos: i64,
        views: &BTreeMap<String, View>,
        opening_m: Option<f64>,
    ) -> Result<Step, Misfit> {
        let clock = self.clock.at(stamp_nanos);
        let at = (clock.episode(), stamp_nanos);
        let mut own: Option<Own> = None;
        let mut seen = Vec::with_capacity(self.plans.len());
        for (camera, pair) in &self.plans {
            let Some(view) = views.get(camera) else {
                own.get_or_insert_with(|| nothing(at));
                continue;
            };
            let (info, measured) = self.measured(view, pair, at).map_err(|broken| {
                let camera = camera.clone();
                Misfit { camera, broken }
            })?;
            own.get_or_insert_with(|| (info, measured.clone()));
            seen.push(Seen {
                camera: camera.clone(),
                pair: pair.clone(),
                measured,
            });
        }
        let (info, measured) = own.unwrap_or_else(|| nothing(at));
        self.clock = clock;
        let mut step = self.rewarder.push(info, measured, Latency::default());
        self.task.push(&mut step, &seen, opening_m);
        Ok(step)
    }

    fn measured(&self, view: &View, pair: &Pair, at: Moment) -> Result<Own, Broken> {
        let (episode, stamp_nanos) = at;
        let regions = view.between(&pair.first, &pair.second);
        let frame = Frame {
            episode,
            stamp_nanos,
            ..view.frame.clone()
        };
        let info = info(&frame, &regions);
        let measured = measure(self.estimator.as_ref(), frame, &info, &regions.masks)?;
        Ok((info, measured))
    }
}

/// A moment of which there is no picture.
fn nothing((episode, stamp_nanos): Moment) -> Own {
    let info = FrameInfo {
        episode,
        reason: Some(Reason::NoImage),
        ..FrameInfo::at(stamp_nanos)
    };
    (info, Err(Reason::NoImage))
}

impl View {
    /// Two of its regions, the first in the fingertip's place.
    pub fn between(&self, first: &str, second: &str) -> PlacedRegions {
        let of = |name: &str, missing: Reason| match self.regions.get(name) {
            Some(region) => (region.place, region.mask.clone()),
            None => (Err(missing), None),
        };
        let (fingertip, fingertip_mask) = of(first, Reason::NoFingertipBox);
        let (target, target_mask) = of(second, Reason::NoTargetBox);
        PlacedRegions {
            fingertip,
            target,
            masks: Masks {
                fingertip: fingertip_mask,
                target: target_mask,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{BoundingBox, BoxSource, ColorImage, DepthImage, Distortion, Intrinsics};
    use crate::geometry::GeometryEstimator;
    use crate::settings::Config;

    const SIZE: (u32, u32) = (160, 120);
    const PAIRS: &str = "task: {pairs: [fingertip-cube, cube-goal]}";

    /// Blocks of 20 pixels that begin at these columns, before a wall, and where each of these regions is.
    fn view(blocks: &[(&str, u32)]) -> View {
        let (width, height) = SIZE;
        let depth_m = (0..width * height).map(|i| {
            let (x, y) = (i % width, i / width);
            let is_object = blocks
                .iter()
                .any(|(_, left)| (*left..left + 20).contains(&x));
            if is_object && (40..80).contains(&y) {
                0.6
            } else {
                1.1
            }
        });
        let regions = blocks.iter().map(|(name, left)| {
            let left = f64::from(*left);
            let bbox = BoundingBox::new(left, 40.0, left + 20.0, 80.0);
            let place = Ok((bbox, BoxSource::SEEN));
            ((*name).to_owned(), PlacedRegion { place, mask: None })
        });
        View {
            frame: Frame {
                episode: 0,
                stamp_nanos: 0,
                color: ColorImage {
                    width,
                    height,
                    rgb: vec![90; 160 * 120 * 3].into(),
                }
                .into(),
                depth: Some(DepthImage::new(width, height, depth_m.collect())),
                intrinsics: Some(Intrinsics {
                    width,
                    height,
                    fx: 100.0,
                    fy: 100.0,
                    cx: 80.0,
                    cy: 60.0,
                    distortion: Distortion::None,
                }),
            },
            regions: regions.collect(),
        }
    }

    fn annotator(cameras: &[&str]) -> TaskAnnotator {
        let mut config = Config::parse(PAIRS).unwrap();
        let cameras: Vec<String> = cameras.iter().map(|name| (*name).to_owned()).collect();
        config.given_from_memory(&cameras);
        let settings = Settings::new(config, crate::estimator::Profile::GEOMETRY).unwrap();
        let estimator = GeometryEstimator::new(&settings.geometry);
        TaskAnnotator::new(&settings, Box::new(estimator)).unwrap()
    }

    fn distances(step: &Step) -> Vec<(f64, Vec<String>)> {
        let pairs = step.task.as_ref().unwrap().pairs.iter();
        pairs
            .map(|pair| (pair.distance_m, pair.cameras.clone()))
            .collect()
    }

    #[test]
    fn every_pair_is_measured_as_it_would_be_alone() {
        // Given three blocks 20 and 40 pixels apart
        let seen = view(&[("fingertip", 10), ("cube", 50), ("goal", 110)]);
        // When their pairs are measured
        let mut annotator = annotator(&[]);
        let step = annotator
            .annotate(5, &[(String::new(), seen.clone())].into(), None)
            .unwrap();
        // Then each has the distance that a fingertip and a target there have
        for (at, (first, second)) in [("fingertip", "cube"), ("cube", "goal")]
            .into_iter()
            .enumerate()
        {
            let alone = super::super::annotator::measure_placed(
                annotator.estimator.as_ref(),
                seen.frame.clone(),
                &seen.between(first, second),
            );
            let alone_m = alone.unwrap().unwrap().surface_m.unwrap();
            assert_eq!(distances(&step)[at].0, alone_m);
        }
        // and the step is of the first
        assert_eq!(step.distance_m, distances(&step)[0].0);
        assert_eq!(
            (step.stamp_nanos, step.episode, step.is_valid()),
            (5, 0, true)
        );
    }

    #[test]
    fn what_one_camera_does_not_show_the_others_carry() {
        // Given a camera that sees all, one that sees two regions, and a moment of which the first has no picture
        let all = view(&[("fingertip", 10), ("cube", 50), ("goal", 110)]);
        let two = view(&[("fingertip", 10), ("cube", 50)]);
        let mut annotator = annotator(&["front", "side"]);
        let both = [("front".to_owned(), all), ("side".to_owned(), two.clone())].into();
        // When
        let step = annotator.annotate(0, &both, None).unwrap();
        let alone = annotator
            .annotate(1, &[("side".to_owned(), two)].into(), None)
            .unwrap();
        // Then
        let cameras = |step: &Step| {
            distances(step)
                .into_iter()
                .map(|(_, cameras)| cameras.join(","))
                .collect::<Vec<_>>()
        };
        assert_eq!(cameras(&step), ["front,side", "front"]);
        assert_eq!(cameras(&alone), ["side", ""]);
        assert_eq!(alone.reason, Some(Reason::NoImage));
        let pairs = &alone.task.as_ref().unwrap().pairs;
        assert_eq!(pairs[0].reason, None);
        assert_eq!(pairs[1].reason, Some(Reason::NoTargetBox));
    }

    #[test]
    fn depth_of_another_picture_is_refused_by_its_camera_and_no_step() {
        let sound = view(&[("fingertip", 10), ("cube", 50), ("goal", 110)]);
        let mut cut = sound.clone();
        cut.frame.depth = Some(DepthImage::new(160, 60, vec![1.0; 160 * 60]));
        let mut annotator = annotator(&["front", "side"]);
        let views = [
            ("front".to_owned(), sound.clone()),
            ("side".to_owned(), cut),
        ]
        .into();
        let refused = annotator.annotate(0, &views, None).unwrap_err();
        assert_eq!(
            (refused.camera.as_str(), refused.broken.what),
            ("side", "depth image")
        );
        let views = [("front".to_owned(), sound)].into();
        assert_eq!(annotator.annotate(0, &views, None).unwrap().index, 0);
    }
}
