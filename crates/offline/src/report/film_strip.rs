//! The film strip: which frames of a stream of unknown length to keep, and how large. Frames are shrunk
//! when they pass by and thinned as more come, so memory stays flat however long the bag is.

use image::imageops::thumbnail;
use image::{ImageBuffer, Rgb, RgbImage};

use spatial_reward_core::frame::ColorImage;
use spatial_reward_core::shown::ShownRegion;

/// One frame for the strip, shrunk. Its boxes and times are found in the steps when it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct StripFrame {
    /// `Step::index` of the frame.
    pub step_index: u64,
    /// Pixels a row of the full image, to which the boxes of the step refer.
    pub full_width: u32,
    /// Its rows.
    pub full_height: u32,
    /// The shrunk pixels.
    pub image: RgbImage,
    /// What a task measured in it; empty without a task, where the step has both boxes.
    pub regions: Vec<ShownRegion>,
}

/// The film strip of a camera beside the first.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraStrip {
    /// Its name.
    pub camera: String,
    /// Each beside a frame of the first camera's strip, whose `Step::index` it has.
    pub frames: Vec<BesideFrame>,
}

/// A frame of another camera.
#[derive(Debug, Clone, PartialEq)]
pub struct BesideFrame {
    /// Its picture.
    pub frame: StripFrame,
    /// How much later it was seen than the first camera's, in seconds.
    pub later_s: f64,
}

/// Says from its number alone whether a frame is worth shrinking, and shrinks it; parallel workers can
/// ask in any order. Every stride-th frame is, and the stride doubles whenever there would be too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StripPlan {
    capacity: u64,
    least_stride: u64,
    max_width: u32,
    max_height: u32,
}

impl StripPlan {
    /// For a strip of `frames` frames (`output.film_strip_frames`): the more, the smaller each is shown.
    /// `expected_steps`, if known, spares frames that would be thinned out later; a stream that then is
    /// shorter or longer still gets its strip.
    pub fn new(frames: u32, expected_steps: Option<u64>) -> Self {
        let (max_width, max_height) = if frames <= 10 { (400, 300) } else { (240, 180) };
        let mut plan = Self {
            capacity: 4 * u64::from(frames.max(1)),
            least_stride: 1,
            max_width,
            max_height,
        };
        if let Some(last) = expected_steps.and_then(|steps| steps.checked_sub(1)) {
            // Twice as many as are shown suffice to choose them evenly.
            let exact = Self {
                capacity: 2 * u64::from(frames.max(1)),
                ..plan
            };
            plan.least_stride = exact.stride_at(last);
        }
        plan
    }

    /// For a camera beside one whose strip has so many frames: more to choose from, so that there is one near in time to each.
    pub fn beside(frames: u32, expected_steps: Option<u64>) -> Self {
        // Frames of a strip of many are smaller, but not so much as to keep four times as many of them too.
        let denser = if frames <= 10 { 4 } else { 2 };
        let plan = Self::new(frames, expected_steps);
        Self {
            capacity: denser * plan.capacity,
            least_stride: (plan.least_stride / denser).max(1),
            ..plan
        }
    }

    /// Whether the frame may be part of the strip of a stream that reaches no further yet.
    pub fn wants(self, step_index: u64) -> bool {
        step_index.is_multiple_of(self.stride_at(step_index))
    }

    /// The smallest power of two that leaves at most `capacity` frames up to `step_index`.
    fn stride_at(self, step_index: u64) -> u64 {
        (step_index / self.capacity + 1)
            .checked_next_power_of_two()
            .unwrap_or(u64::MAX)
            .max(self.least_stride)
    }

    /// The frame in the size that the report shows. `None` if its pixels do not make up its size.
    pub fn shrink(self, step_index: u64, color: &ColorImage) -> Option<StripFrame> {
        let (width, height) = (color.width, color.height);
        let full: ImageBuffer<Rgb<u8>, &[u8]> =
            ImageBuffer::from_raw(width, height, &color.rgb[..])?;
        if width == 0 || height == 0 {
            return None;
        }
        let scale = (f64::from(self.max_width) / f64::from(width))
            .min(f64::from(self.max_height) / f64::from(height))
            .min(1.0);
        let shrunk = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
        Some(StripFrame {
            step_index,
            full_width: width,
            full_height: height,
            image: thumbnail(&full, shrunk(width), shrunk(height)),
            regions: Vec::new(),
        })
    }
}

/// Gathers the frames of a film strip from a stream.
#[derive(Debug)]
pub struct FilmStrip {
    plan: StripPlan,
    frames: u32,
    newest: u64,
    kept: Vec<StripFrame>,
}

impl FilmStrip {
    /// A strip of at most `frames` frames; see `StripPlan::new`.
    pub fn new(frames: u32, expected_steps: Option<u64>) -> Self {
        Self::of_plan(frames, StripPlan::new(frames, expected_steps))
    }

    /// A strip of at most `frames` frames that others have shrunk by the same plan.
    pub fn of_plan(frames: u32, plan: StripPlan) -> Self {
        Self {
            plan,
            frames,
            newest: 0,
            kept: vec![],
        }
    }

    /// Which frames it takes, for those who shrink them.
    pub fn plan(&self) -> StripPlan {
        self.plan
    }

    /// Take a frame; frames may come in any order. Holds at most four times the strip's frames.
    pub fn push(&mut self, frame: StripFrame) {
        self.newest = self.newest.max(frame.step_index);
        self.kept.push(frame);
        let stride = self.plan.stride_at(self.newest);
        self.kept
            .retain(|frame| frame.step_index.is_multiple_of(stride));
    }

    /// All that it may show so far, in no order.
    pub fn into_candidates(self) -> Vec<StripFrame> {
        self.kept
    }

    /// The strip: evenly chosen from the whole stream, in order.
    pub fn finish(mut self) -> Vec<StripFrame> {
        self.kept.sort_by_key(|frame| frame.step_index);
        let (have, want) = (self.kept.len(), self.frames as usize);
        if have <= want {
            return self.kept;
        }
        let intervals = want.saturating_sub(1).max(1);
        let chosen: Vec<usize> = (0..want)
            .map(|n| (n * (have - 1) + intervals / 2) / intervals)
            .collect();
        let mut position = 0;
        self.kept.retain(|_| {
            let keep = chosen.contains(&position);
            position += 1;
            keep
        });
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color(width: u32, height: u32) -> ColorImage {
        ColorImage {
            width,
            height,
            rgb: vec![200; (width * height * 3) as usize].into(),
        }
    }

    fn strip_of(stream: u64, frames: u32, expected: Option<u64>) -> Vec<u64> {
        let mut strip = FilmStrip::new(frames, expected);
        let plan = strip.plan();
        let small = color(4, 3);
        for index in (0..stream).filter(|index| plan.wants(*index)) {
            strip.push(plan.shrink(index, &small).unwrap());
            assert!(strip.kept.len() <= 4 * frames as usize, "memory grows");
        }
        let strip = strip.finish();
        strip.iter().map(|frame| frame.step_index).collect()
    }

    #[test]
    fn covers_streams_of_any_length_evenly() {
        for expected in [None, Some(3), Some(5003)] {
            assert!(strip_of(0, 8, expected).is_empty());
            assert_eq!(strip_of(1, 8, expected), [0]);
        }
        assert_eq!(strip_of(5, 8, None), [0, 1, 2, 3, 4]);
        for stream in [9, 16, 17, 80, 1000, 5003, 100_000] {
            for expected in [None, Some(stream), Some(stream / 2)] {
                let strip = strip_of(stream, 8, expected);
                assert_eq!(strip.len(), 8, "{stream}");
                let gaps: Vec<u64> = strip.windows(2).map(|pair| pair[1] - pair[0]).collect();
                let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
                assert!(*least > 0 && *most <= 2 * least, "{stream}: {strip:?}");
                assert!(strip[7] >= stream - stream / 8 - 1, "{stream}: {strip:?}");
            }
        }
    }

    #[test]
    fn a_known_length_spares_frames_that_would_be_thinned_out() {
        let wanted = |plan: StripPlan| (0..1000).filter(|index| plan.wants(*index)).count();
        assert!(wanted(StripPlan::new(8, Some(1000))) <= 32);
        assert!(wanted(StripPlan::new(8, None)) > 64);
    }

    #[test]
    fn a_camera_beside_has_a_frame_for_each_of_the_first_ones() {
        // Given a first camera's strip, and a second one that began 15 frames later
        for (frames, stream) in [(8, 100), (8, 1000), (16, 5003)] {
            let first = strip_of(stream, frames, Some(stream));
            let plan = StripPlan::beside(frames, Some(stream - 15));
            let mut beside = FilmStrip::of_plan(0, plan);
            let small = color(4, 3);
            for index in (0..stream - 15).filter(|index| plan.wants(*index)) {
                beside.push(plan.shrink(index, &small).unwrap());
            }
            // When each of the first's is looked for among what is kept of the second
            let kept = beside.into_candidates();
            assert!(kept.len() <= 16 * frames as usize, "{}", kept.len());
            let apart = |index: &u64| {
                let at = kept.iter().map(|frame| frame.step_index + 15);
                at.map(|at| at.abs_diff(*index)).min().unwrap()
            };
            // Then none is farther than a hundredth of the recording, but for those of before it began
            let farthest = first.iter().filter(|index| **index >= 15).map(apart).max();
            assert!(
                farthest.unwrap() <= stream / 100,
                "{frames} of {stream}: {farthest:?}"
            );
        }
    }

    #[test]
    fn order_of_arrival_does_not_matter() {
        let small = color(4, 3);
        let plan = StripPlan::new(4, None);
        let wanted: Vec<u64> = (0..500).filter(|index| plan.wants(*index)).collect();
        let strip = |order: Vec<u64>| {
            let mut strip = FilmStrip::new(4, None);
            for index in order {
                strip.push(plan.shrink(index, &small).unwrap());
            }
            strip.finish()
        };
        let backwards = wanted.iter().rev().copied().collect();
        assert_eq!(strip(wanted), strip(backwards));
    }

    #[test]
    fn frames_shrink_in_proportion_and_never_grow() {
        let frame = StripPlan::new(8, None).shrink(0, &color(640, 480)).unwrap();
        assert_eq!(frame.image.dimensions(), (400, 300));
        assert_eq!((frame.full_width, frame.full_height), (640, 480));
        let frame = StripPlan::new(8, None).shrink(0, &color(64, 48)).unwrap();
        assert_eq!(frame.image.dimensions(), (64, 48));
        let frame = StripPlan::new(8, None).shrink(0, &color(4000, 2)).unwrap();
        assert_eq!(frame.image.dimensions(), (400, 1));
    }

    #[test]
    fn image_without_its_pixels_is_left_out() {
        let mut broken = color(64, 48);
        broken.rgb.truncate(100);
        assert_eq!(StripPlan::new(8, None).shrink(0, &broken), None);
        assert_eq!(StripPlan::new(8, None).shrink(0, &color(0, 0)), None);
    }
}
