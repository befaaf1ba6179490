//! The pipeline's rules as scripts. What the scripts share: a matcher on a millisecond clock.

mod boxes;
mod episodes;
mod frames;
mod looking;
mod matching;
mod ordering;
mod recorded;
mod rewarding;
mod task_matching;
mod wild;

use bytes::Bytes;

use super::*;
use crate::frame::Distortion;
use crate::settings::{Config, Settings};
use crate::step::{Latency, Step};

const MS: i64 = 1_000_000;

fn settings(yaml: &str) -> Settings {
    Settings::from_yaml(yaml).unwrap()
}

/// A matcher fed in milliseconds. Messages are logged at their stamp unless said otherwise.
struct Script {
    matcher: Matcher,
}

impl Script {
    fn new(yaml: &str, streams: Streams, needs_depth: bool) -> Self {
        let config = Config::from_yaml(yaml).unwrap();
        Self {
            matcher: Matcher::new(&config, streams, needs_depth),
        }
    }

    /// The same of a recording.
    fn recorded(yaml: &str, streams: Streams, needs_depth: bool) -> Self {
        let config = Config::from_yaml(yaml).unwrap();
        Self {
            matcher: Matcher::recorded(&config, streams, needs_depth),
        }
    }

    /// Two box topics and nothing else.
    fn boxes_only(yaml: &str) -> Self {
        let streams = Streams {
            depth: false,
            camera_info: false,
            ..Streams::ALL
        };
        Self::new(yaml, streams, false)
    }

    /// Images alone: every frame settles at once, without boxes.
    fn images_only(yaml: &str) -> Self {
        let streams = Streams {
            depth: false,
            camera_info: false,
            fingertip: false,
            target: false,
        };
        Self::new(yaml, streams, false)
    }

    fn push(&mut self, log_ms: i64, input: Input) {
        self.matcher.push(log_ms * MS, input);
    }

    fn image(&mut self, ms: i64) {
        self.push(ms, image(ms));
    }

    fn both(&mut self, ms: i64) {
        self.push(ms, fingertip(ms, &[BOX]));
        self.push(ms, target(ms, &[BOX]));
    }

    /// What is settled so far.
    fn settled(&mut self) -> Vec<MatchedFrame> {
        std::iter::from_fn(|| self.matcher.next_frame()).collect()
    }

    fn flushed(&mut self) -> Vec<MatchedFrame> {
        self.matcher.flush();
        self.settled()
    }

    /// Flush and give the one frame there is.
    fn only(&mut self) -> MatchedFrame {
        let mut frames = self.flushed();
        assert_eq!(frames.len(), 1);
        frames.remove(0)
    }
}

const BOX: BoundingBox = BoundingBox {
    x_min: 10.0,
    y_min: 10.0,
    x_max: 30.0,
    y_max: 30.0,
};

/// A box that tells where it came from.
fn box_at(x: f64) -> BoundingBox {
    BoundingBox::from_center(x, 50.0, 10.0, 10.0)
}

fn detection(class_id: &str, score: f64, bbox: BoundingBox) -> Detection {
    Detection {
        class_id: class_id.into(),
        score,
        bbox,
        track_id: None,
        mask: None,
    }
}

fn image(ms: i64) -> Input {
    Input::Image {
        stamp_nanos: ms * MS,
        frame_id: "camera_color_optical_frame".into(),
        payload: payload(ms),
    }
}

fn depth(ms: i64) -> Input {
    Input::Depth {
        stamp_nanos: ms * MS,
        frame_id: String::new(),
        payload: payload(ms),
    }
}

fn camera_info(ms: i64, fx: f64) -> Input {
    Input::CameraInfo {
        stamp_nanos: ms * MS,
        intrinsics: Intrinsics {
            width: 640,
            height: 480,
            fx,
            fy: fx,
            cx: 320.0,
            cy: 240.0,
            distortion: Distortion::None,
        },
    }
}

fn boxes(role: BoxRole, ms: i64, boxes: &[BoundingBox]) -> Input {
    Input::Boxes {
        role,
        stamp_nanos: ms * MS,
        boxes: boxes.iter().map(|b| detection("thing", 0.9, *b)).collect(),
    }
}

fn fingertip(ms: i64, seen: &[BoundingBox]) -> Input {
    boxes(BoxRole::Fingertip, ms, seen)
}

fn target(ms: i64, seen: &[BoundingBox]) -> Input {
    boxes(BoxRole::Target, ms, seen)
}

/// A payload that tells the stamp it came with.
fn payload(ms: i64) -> Bytes {
    Bytes::copy_from_slice(&ms.to_le_bytes())
}

fn stamps_ms(frames: &[MatchedFrame]) -> Vec<i64> {
    frames.iter().map(|f| f.info.stamp_nanos / MS).collect()
}

fn reasons(frames: &[MatchedFrame]) -> Vec<Option<Reason>> {
    frames.iter().map(|f| f.info.reason).collect()
}

fn episodes(frames: &[MatchedFrame]) -> Vec<u64> {
    frames.iter().map(|f| f.info.episode).collect()
}
