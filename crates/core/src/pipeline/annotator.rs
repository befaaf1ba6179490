//! From frames that are decoded already to steps, one after the other: for a program that has pictures and regions in its
//! own memory, such as a simulator's loop. What a bag and a node do beyond it is joining messages.

use super::clock::EpisodeClock;
use super::followed::doubted;
use super::measure::{Broken, fit};
use super::{FrameInfo, Rewarder, estimate};
use crate::error::Result;
use crate::estimator::Estimator;
use crate::frame::{BoundingBox, BoxSource, Frame, Masks, Measurement, Reason, Regions};
use crate::settings::Settings;
use crate::step::{Latency, Step};

/// A region in a picture: its box, in pixels, and where that comes from.
pub type Placed = (BoundingBox, BoxSource);

/// Where both objects are in a picture, and what to say of one that is nowhere.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedRegions {
    /// What the robot reaches with.
    pub fingertip: Result<Placed, Reason>,
    /// What it reaches for.
    pub target: Result<Placed, Reason>,
    /// Which pixels are theirs, in those of the picture, where that is known.
    pub masks: Masks,
}

/// Measures frames and folds them to steps.
pub struct Annotator {
    estimator: Box<dyn Estimator>,
    rewarder: Rewarder,
    clock: EpisodeClock,
}

impl Annotator {
    /// One before its first frame.
    pub fn new(settings: &Settings, estimator: Box<dyn Estimator>) -> Self {
        Self {
            estimator,
            rewarder: Rewarder::new(settings),
            clock: EpisodeClock::default(),
        }
    }

    /// A new episode begins with the next frame.
    pub fn reset(&mut self) {
        self.clock.reset();
    }

    /// The next step. Depth and intrinsics may be of another resolution of the same picture. The frame's `episode` is set
    /// here: a stamp that is set back by a second or more begins a new one, as in a recording.
    ///
    /// # Errors
    /// If depth or intrinsics are of another picture; nothing is rewarded then.
    pub fn annotate(&mut self, frame: Frame, regions: &PlacedRegions) -> Result<Step, Broken> {
        let clock = self.clock.at(frame.stamp_nanos);
        let frame = Frame {
            episode: clock.episode(),
            ..frame
        };
        let info = info(&frame, regions);
        let measured = measure(self.estimator.as_ref(), frame, &info, &regions.masks)?;
        self.clock = clock;
        Ok((self.rewarder).push(info, measured, Latency::default()))
    }
}

/// What there is between the regions of one frame, without a memory of others.
///
/// # Errors
/// If depth or intrinsics are of another picture.
pub fn measure_placed(
    estimator: &dyn Estimator,
    frame: Frame,
    regions: &PlacedRegions,
) -> Result<Result<Measurement, Reason>, Broken> {
    let info = info(&frame, regions);
    measure(estimator, frame, &info, &regions.masks)
}

pub(super) fn measure(
    estimator: &dyn Estimator,
    frame: Frame,
    info: &FrameInfo,
    masks: &Masks,
) -> Result<Result<Measurement, Reason>, Broken> {
    let frame = fit(frame)?;
    Ok(info.regions().and_then(|regions| {
        let regions = Regions {
            masks: masks.clone(),
            ..regions
        };
        let measured = estimate(estimator, &frame, &regions)?;
        Ok(doubted(measured, info, &frame))
    }))
}

pub(super) fn info(frame: &Frame, regions: &PlacedRegions) -> FrameInfo {
    let PlacedRegions {
        fingertip, target, ..
    } = regions;
    FrameInfo {
        stamp_nanos: frame.stamp_nanos,
        timeline_nanos: frame.stamp_nanos,
        log_time_nanos: frame.stamp_nanos,
        frame_id: String::new(),
        episode: frame.episode,
        fingertip: fingertip.ok().map(|(bbox, _)| bbox),
        target: target.ok().map(|(bbox, _)| bbox),
        fingertip_source: fingertip.ok().map(|(_, source)| source),
        target_source: target.ok().map(|(_, source)| source),
        tf_m: None,
        reason: fingertip.err().or(target.err()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{ColorImage, DepthImage, Distortion, Intrinsics};
    use crate::geometry::GeometryEstimator;

    const SIZE: (u32, u32) = (160, 120);

    /// Two boxes so many pixels apart, before a wall.
    fn frame(gap: u32, stamp_nanos: i64) -> (Frame, PlacedRegions) {
        let (width, height) = SIZE;
        let second = 70 + gap;
        let depth_m = (0..width * height).map(|i| {
            let (x, y) = (i % width, i / width);
            let is_object = (30..70).contains(&x) || (second..second + 40).contains(&x);
            if is_object && (40..80).contains(&y) {
                0.6
            } else {
                1.1
            }
        });
        let frame = Frame {
            episode: 7,
            stamp_nanos,
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
        };
        let seen = |left: u32| {
            let left = f64::from(left);
            Ok((
                BoundingBox::new(left, 40.0, left + 40.0, 80.0),
                BoxSource::SEEN,
            ))
        };
        let regions = PlacedRegions {
            fingertip: seen(30),
            target: seen(second),
            masks: Masks::default(),
        };
        (frame, regions)
    }

    fn annotator() -> Annotator {
        let settings = Settings::from_yaml("reward: {kind: progress}").unwrap();
        let estimator = GeometryEstimator::new(&settings.geometry);
        Annotator::new(&settings, Box::new(estimator))
    }

    #[test]
    fn frames_in_memory_become_the_steps_of_an_episode_until_it_is_reset() {
        // given two frames of an approach
        let mut annotator = annotator();
        let step = |annotator: &mut Annotator, gap, stamp| {
            let (frame, regions) = frame(gap, stamp);
            annotator.annotate(frame, &regions).unwrap()
        };
        // when both are annotated
        let first = step(&mut annotator, 20, 0);
        let second = step(&mut annotator, 10, 100);
        // then progress counts from the first
        assert_eq!((first.episode, first.frame, first.reward), (0, 0, 0.0));
        assert_eq!((second.episode, second.frame, second.index), (0, 1, 1));
        assert!(second.reward > 0.3, "{second:?}");
        // and after a reset from the next one
        annotator.reset();
        let third = step(&mut annotator, 10, 200);
        assert_eq!((third.episode, third.frame, third.reward), (1, 0, 0.0));
    }

    #[test]
    fn stamps_that_are_set_back_begin_an_episode_and_the_hold_anew() {
        // given a success that wants a touch of 0.2 s, and a touch that began at 100 s
        let settings = Settings::from_yaml("success: {hold_s: 0.2, enter_m: 0.3, exit_m: 0.4}");
        let settings = settings.unwrap();
        let estimator = GeometryEstimator::new(&settings.geometry);
        let mut annotator = Annotator::new(&settings, Box::new(estimator));
        let mut step = |millis: i64| {
            let (frame, regions) = frame(10, millis * 1_000_000);
            let step = annotator.annotate(frame, &regions).unwrap();
            (step.episode, step.frame, step.success)
        };
        assert_eq!(step(100_000), (0, 0, false));
        assert_eq!(step(100_300), (0, 1, true));
        // when the clock starts over, then so do the episode and the hold, which ends as early as the first one did
        assert_eq!(step(0), (1, 0, false));
        assert_eq!(step(300), (1, 1, true));
        // and a stamp that is less than a second off is a late frame of the same episode
        assert_eq!(step(250).0, 1);
    }

    #[test]
    fn a_refused_frame_sets_no_clock() {
        // given a frame, and one from the future whose depth is of another picture
        let mut annotator = annotator();
        let (first, regions) = frame(20, 0);
        annotator.annotate(first, &regions).unwrap();
        let (future, _) = frame(20, 100_000_000_000);
        let broken = Frame {
            depth: Some(DepthImage::new(30, 200, vec![1.0; 6000])),
            ..future
        };
        // when it is refused
        annotator.annotate(broken, &regions).unwrap_err();
        // then the next one is no step back
        let (next, regions) = frame(10, 100);
        assert_eq!(annotator.annotate(next, &regions).unwrap().episode, 0);
    }

    #[test]
    fn a_region_that_is_nowhere_makes_the_step_invalid_by_its_reason() {
        let (frame, mut regions) = frame(10, 0);
        regions.target = Err(Reason::LostBox);
        let step = annotator().annotate(frame, &regions).unwrap();
        assert_eq!(step.reason, Some(Reason::LostBox));
        assert!(step.reward.is_nan() && step.fingertip.is_some() && step.target.is_none());
    }

    #[test]
    fn depth_of_another_picture_is_refused_and_no_step() {
        let mut annotator = annotator();
        let (mut cut, regions) = frame(10, 0);
        cut.depth = Some(DepthImage::new(160, 60, vec![1.0; 160 * 60]));
        let refused = annotator.annotate(cut, &regions).unwrap_err();
        assert_eq!(refused.what, "depth image");
        assert!(refused.why.contains("160x60"), "{}", refused.why);
        let (sound, regions) = frame(10, 0);
        assert_eq!(annotator.annotate(sound, &regions).unwrap().index, 0);
    }
}
