//! What a bag's messages look like, seen in passing: enough to say at the end why steps could not be measured. Of long
//! bags the beginning is kept, so memory does not grow.

use std::collections::BTreeMap;

use crate::role::Role;
use spatial_reward_core::frame::{BoundingBox, DepthImage};
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::pipeline::Input;
use spatial_reward_core::statistics::{median, percentile};

/// Stamps and boxes of a stream that are kept.
const KEPT: usize = 2000;
/// Depth pictures that are looked at, and pixels of each, about.
const DEPTH_PICTURES: u32 = 3;
const DEPTH_PIXELS: usize = 4000;
const NANOS_PER_SECOND: f64 = 1e9;

/// What was seen of each stream.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    streams: BTreeMap<Role, Stream>,
    depth: DepthSeen,
}

/// One stream's messages.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// How many there were.
    pub messages: u64,
    /// The first stamps, in nanoseconds.
    stamps: Vec<i64>,
    /// By how much these messages were logged after their stamps, in nanoseconds.
    lags: Vec<i64>,
    /// Messages without a box.
    pub empty: u64,
    /// The first boxes, in pixels as detected.
    pub boxes: Vec<BoundingBox>,
    /// Their scores.
    pub scores: Vec<f64>,
}

#[derive(Debug, Default)]
struct DepthSeen {
    pictures: u32,
    pixels: u64,
    /// Of pixels with a measurement, metres.
    values_m: Vec<f64>,
}

/// How a stream's stamps lie beside those of the images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Offset {
    /// The middle one of the differences to the nearest image, later ones positive, in seconds.
    pub median_s: f64,
    /// Half of them lie within this of it.
    pub spread_s: f64,
}

/// What the first depth pictures hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DepthValues {
    /// The share of pixels with a measurement.
    pub measured: f64,
    /// The 5th, 50th and 95th percentile of the measurements, metres.
    pub range_m: [f64; 3],
}

impl Evidence {
    /// Take in what a message of a role became, logged then; the decoder looks into depth pictures.
    pub(crate) fn see(
        &mut self,
        role: Role,
        decoder: Option<&Decoder>,
        log_time_nanos: i64,
        input: &Input,
    ) {
        let stamp_nanos = match input {
            Input::Image { stamp_nanos, .. }
            | Input::Depth { stamp_nanos, .. }
            | Input::CameraInfo { stamp_nanos, .. }
            | Input::Boxes { stamp_nanos, .. } => *stamp_nanos,
            Input::DepthCameraInfo { .. } | Input::Transforms { .. } | Input::EpisodeSplit => {
                return;
            }
        };
        let stream = self.streams.entry(role).or_default();
        stream.messages += 1;
        if stream.stamps.len() < KEPT {
            stream.stamps.push(stamp_nanos);
            let lag_nanos = log_time_nanos.saturating_sub(stamp_nanos);
            stream.lags.push(lag_nanos);
        }
        if let Input::Boxes { boxes, .. } = input {
            stream.empty += u64::from(boxes.is_empty());
            let room = KEPT.saturating_sub(stream.boxes.len());
            for detection in boxes.iter().take(room) {
                stream.boxes.push(detection.bbox);
                stream.scores.push(detection.score);
            }
        }
        if let (Input::Depth { payload, .. }, Some(decoder)) = (input, decoder)
            && self.depth.pictures < DEPTH_PICTURES
        {
            self.depth.pictures += 1;
            // One that does not decode is told of elsewhere.
            if let Ok(picture) = decoder.depth(payload) {
                self.depth.see(&picture);
            }
        }
    }

    /// A stream's messages; `None` if there were none.
    pub(crate) fn stream(&self, role: Role) -> Option<&Stream> {
        self.streams.get(&role)
    }

    /// How far the stamps of a stream lie from the nearest images'; `None` if either is missing.
    pub(crate) fn offset(&self, role: Role) -> Option<Offset> {
        let differences = self.differences_s(role)?;
        let median_s = median(&differences)?;
        let around: Vec<f64> = differences
            .iter()
            .map(|difference| (difference - median_s).abs())
            .collect();
        Some(Offset {
            median_s,
            spread_s: median(&around)?,
        })
    }

    /// From each stamp of a stream back to the nearest image's, seconds; `None` if there are no images or no stream.
    pub(crate) fn differences_s(&self, role: Role) -> Option<Vec<f64>> {
        let mut images = self.stream(Role::Image)?.stamps.clone();
        let images_end = match images.len() {
            KEPT => images.last().copied(),
            _ => None,
        };
        images.sort_unstable();
        let stamps = &self.stream(role)?.stamps;
        // Beyond the images that were kept, the nearest one is not known.
        let known = stamps
            .iter()
            .filter(|stamp| images_end.is_none_or(|end| **stamp <= end));
        let differences = known.filter_map(|stamp| {
            let after = images.partition_point(|image| image < stamp);
            let near = [after.checked_sub(1), Some(after)];
            let near = near.into_iter().flatten().filter_map(|at| images.get(at));
            let nearest = near.min_by_key(|image| stamp.abs_diff(**image))?;
            Some(stamp.saturating_sub(*nearest) as f64 / NANOS_PER_SECOND)
        });
        Some(differences.collect())
    }

    /// How much later the messages of a stream are stamped than their log times allow, seconds: they come of an image, so
    /// their stamps cannot have been logged sooner than those of the images. `None` if either stream is missing.
    pub(crate) fn ahead_s(&self, role: Role) -> Option<f64> {
        let lag = |role: Role| {
            let lags = self.stream(role)?.lags.iter();
            median(&lags.map(|lag| *lag as f64).collect::<Vec<_>>())
        };
        Some((lag(Role::Image)? - lag(role)?) / NANOS_PER_SECOND)
    }

    /// By how much a stream begins and ends after the images, seconds: less than 0 where it does so before. `None` if
    /// either is missing, or more came than is kept.
    pub(crate) fn overhang_s(&self, role: Role) -> Option<[f64; 2]> {
        let [images, stream] = [self.stream(Role::Image)?, self.stream(role)?];
        if images.messages.max(stream.messages) > KEPT as u64 {
            return None;
        }
        let ends = |stream: &Stream| {
            let first = stream.stamps.iter().min()?;
            Some([*first, *stream.stamps.iter().max()?])
        };
        let ([begin, end], [images_begin, images_end]) = (ends(stream)?, ends(images)?);
        let seconds = |nanos: i64| nanos as f64 / NANOS_PER_SECOND;
        Some([
            seconds(begin.saturating_sub(images_begin)),
            seconds(end.saturating_sub(images_end)),
        ])
    }

    /// The usual time from one message of a stream to the next, seconds.
    pub(crate) fn period_s(&self, role: Role) -> Option<f64> {
        let stamps = &self.stream(role)?.stamps;
        let periods = stamps.windows(2).filter_map(|pair| match pair {
            [one, next] => Some(next.saturating_sub(*one) as f64 / NANOS_PER_SECOND),
            _ => None,
        });
        median(&periods.collect::<Vec<_>>())
    }

    /// What the first depth pictures hold; `None` if none was seen.
    pub(crate) fn depth(&self) -> Option<DepthValues> {
        let DepthSeen {
            pixels, values_m, ..
        } = &self.depth;
        if *pixels == 0 {
            return None;
        }
        let at = |percent| percentile(values_m, percent).unwrap_or(f64::NAN);
        Some(DepthValues {
            measured: values_m.len() as f64 / *pixels as f64,
            range_m: [at(5.0), at(50.0), at(95.0)],
        })
    }
}

impl DepthSeen {
    fn see(&mut self, picture: &DepthImage) {
        let depth_m = picture.to_metres();
        let step = (depth_m.len() / DEPTH_PIXELS).max(1);
        for depth_m in depth_m.iter().step_by(step) {
            self.pixels += 1;
            if depth_m.is_finite() && *depth_m > 0.0 {
                self.values_m.push(f64::from(*depth_m));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn with(role: Role, stamps: impl Iterator<Item = i64>, evidence: &mut Evidence) {
        for stamp_nanos in stamps {
            let input = match role {
                Role::Image => Input::Image {
                    stamp_nanos,
                    frame_id: String::new(),
                    payload: bytes::Bytes::new(),
                },
                _ => Input::Depth {
                    stamp_nanos,
                    frame_id: String::new(),
                    payload: bytes::Bytes::new(),
                },
            };
            evidence.see(role, None, stamp_nanos, &input);
        }
    }

    #[test]
    fn a_steady_offset_is_told_from_jitter() {
        let mut steady = Evidence::default();
        with(Role::Image, (0..50).map(|i| i * 66 * MS), &mut steady);
        with(
            Role::Depth,
            (0..50).map(|i| (i * 66 + 25) * MS),
            &mut steady,
        );
        let offset = steady.offset(Role::Depth).unwrap();
        assert!((offset.median_s - 0.025).abs() < 1e-9, "{offset:?}");
        assert!(offset.spread_s < 1e-9, "{offset:?}");
        assert!((steady.period_s(Role::Depth).unwrap() - 0.066).abs() < 1e-9);

        let mut jitter = Evidence::default();
        with(Role::Image, (0..50).map(|i| i * 66 * MS), &mut jitter);
        let early_or_late = (0..50).map(|i| (i * 66 + 25 * (i % 3 - 1)) * MS);
        with(Role::Depth, early_or_late, &mut jitter);
        let offset = jitter.offset(Role::Depth).unwrap();
        assert!(offset.median_s.abs() < 1e-9, "{offset:?}");
        assert!(offset.spread_s > 0.02, "{offset:?}");
    }

    #[test]
    fn of_a_long_bag_only_what_lies_beside_kept_images_counts() {
        // given three times as many messages as are kept, the depth without an offset but sparser
        let mut evidence = Evidence::default();
        with(
            Role::Image,
            (0..3 * KEPT as i64).map(|i| i * 10 * MS),
            &mut evidence,
        );
        with(
            Role::Depth,
            (0..3 * KEPT as i64).map(|i| i * 30 * MS),
            &mut evidence,
        );
        let offset = evidence.offset(Role::Depth).unwrap();
        assert_eq!(offset.median_s, 0.0);
        assert_eq!(
            evidence.stream(Role::Depth).unwrap().messages,
            3 * KEPT as u64
        );
    }
}
