//! Joins the messages of a recording that is known from its beginning to its end: stamps alone decide, however late a
//! message was recorded. Pictures are named, not held, so that memory does not grow with them.

use std::collections::{BTreeSet, VecDeque};

use super::clock::{Moment, RESET_NANOS};
use super::image_order::{Change, ImageOrder, PendingImage, PendingImages, Placed, is_pending};
use super::join::{DepthMessage, Join, Times};
use super::{BoxRole, Input, MatchedFrame};
use crate::frame::{Detection, Intrinsics};
use crate::settings::Config;

/// What names a picture: its place among the messages of its topic, counted from 0.
pub type Ordinal = u64;

/// Everything but the pictures: push the messages in the order of their log times, then ask for the frames.
///
/// The frames are those of a [`Matcher`](super::Matcher) for a recording that was never too late for anything.
#[derive(Debug)]
pub struct StampMatcher {
    join: Join<Ordinal>,
    order: ImageOrder<Ordinal>,
    images: Vec<Placed<Ordinal>>,
    messages: Vec<Message>,
    splits: VecDeque<i64>,
    wait_nanos: i64,
    reach_nanos: i64,
}

#[derive(Debug)]
struct Message {
    log_time_nanos: i64,
    stamp_nanos: i64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Depth(Ordinal),
    CameraInfo(Box<Intrinsics>),
    Boxes(BoxRole, Vec<Detection>),
}

/// Messages that a live node would have missed, since they were recorded longer after their image than it waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missed {
    /// Depth images.
    pub depth: u64,
    /// Intrinsics.
    pub camera_info: u64,
    /// Messages of boxes.
    pub boxes: u64,
    /// The longest that one of them came after its image, in nanoseconds of log time.
    pub latest_nanos: i64,
}

/// An epoch of the images: between two of them their clock was set back.
#[derive(Debug, Clone, Copy)]
struct Span {
    stamps: (i64, i64),
    logged: (i64, i64),
}

impl StampMatcher {
    /// For a recording of which nothing is known yet. With `needs_depth`, a frame without depth is `no_depth`.
    pub fn new(config: &Config, needs_depth: bool) -> Self {
        let times = Times::of(config);
        Self {
            join: Join::new(config, needs_depth, true, |_| size_of::<Ordinal>()),
            order: ImageOrder::new(times.clock(), true),
            images: Vec::new(),
            messages: Vec::new(),
            splits: VecDeque::new(),
            wait_nanos: times.wait_nanos,
            reach_nanos: times.reach_nanos,
        }
    }

    /// Take in a message that was logged at a time.
    pub fn push(&mut self, log_time_nanos: i64, input: Input<Ordinal>) {
        let (stamp_nanos, content) = match input {
            Input::Image {
                stamp_nanos,
                frame_id,
                payload,
            } => {
                let image = PendingImage::new(log_time_nanos, stamp_nanos, frame_id, payload);
                let changes = self.order.push(image);
                return self.images.extend(placed(changes));
            }
            Input::EpisodeSplit => return self.splits.push_back(log_time_nanos),
            // Known before, as a whole.
            Input::Transforms { .. } | Input::DepthCameraInfo { .. } => return,
            Input::Depth {
                stamp_nanos,
                payload,
                ..
            } => (stamp_nanos, Content::Depth(payload)),
            Input::CameraInfo {
                stamp_nanos,
                intrinsics,
            } => (stamp_nanos, Content::CameraInfo(Box::new(intrinsics))),
            Input::Boxes {
                role,
                stamp_nanos,
                boxes,
            } => (
                stamp_nanos,
                Content::Boxes(role, self.join.chosen(role, &boxes)),
            ),
        };
        self.messages.push(Message {
            log_time_nanos,
            stamp_nanos,
            content,
        });
    }

    /// The recording is complete: its frames, in their order.
    pub fn frames(mut self) -> StampedFrames {
        self.images.extend(placed(self.order.flush()));
        let spans = Span::of(&self.images);
        let wild: BTreeSet<i64> = (self.images.iter())
            .filter(|(_, image)| image.wild)
            .map(|(_, image)| image.stamp_nanos)
            .collect();
        let mut missed = Missed::default();
        let messages: Vec<Message> = (std::mem::take(&mut self.messages).into_iter())
            .filter(|message| !wild.contains(&message.stamp_nanos))
            .collect();
        let runs = Runs::of(&messages, &spans, self.wait_nanos);
        for (message, run) in messages.into_iter().zip(runs) {
            self.place(message, run, &spans, &mut missed);
        }
        let mut frames = StampedFrames {
            join: self.join,
            pending: PendingImages::new(),
            splits: self.splits,
            duplicates: 0,
            missed,
        };
        for (moment, image) in self.images {
            frames.place(moment, image);
        }
        frames
    }

    /// `run`: the epoch that the message's own stream tells.
    fn place(&mut self, message: Message, run: Option<u64>, spans: &[Span], missed: &mut Missed) {
        let Message {
            log_time_nanos,
            stamp_nanos,
            content,
        } = message;
        let reach_nanos = self.reach_nanos;
        let place = |stamp_nanos| Moment {
            epoch: run
                .unwrap_or_else(|| Span::nearest(spans, log_time_nanos, stamp_nanos, reach_nanos)),
            stamp_nanos,
        };
        let moment = place(stamp_nanos);
        let late_nanos = self.lateness_nanos(moment, log_time_nanos);
        let is_late = late_nanos > self.wait_nanos;
        if is_late {
            missed.latest_nanos = missed.latest_nanos.max(late_nanos);
        }
        let late = u64::from(is_late);
        match content {
            Content::Depth(ordinal) => {
                missed.depth += late;
                let depth = DepthMessage {
                    frame_id: String::new(),
                    payload: ordinal,
                };
                self.join.depth.insert(moment, depth, |_, _| false);
            }
            Content::CameraInfo(intrinsics) => {
                missed.camera_info += late;
                (self.join.camera_info).insert(moment, *intrinsics, |_, _| false);
            }
            Content::Boxes(role, boxes) => {
                missed.boxes += late;
                let place = |stamp_nanos, _| Some(place(stamp_nanos));
                (self.join).push_boxes(stamp_nanos, role, &boxes, &place, &mut |_, _| {});
            }
        }
    }

    /// How long after the image that it belongs to a message was logged. Images are still in the order in which they
    /// were logged, which but for stragglers is that of their moments.
    fn lateness_nanos(&self, moment: Moment, log_time_nanos: i64) -> i64 {
        let after = self.images.partition_point(|(at, _)| *at < moment);
        let around = &self.images[after.saturating_sub(1)..self.images.len().min(after + 1)];
        let off = |at: Moment| at.stamp_nanos.abs_diff(moment.stamp_nanos);
        let nearest = around.iter().min_by_key(|(at, _)| off(*at));
        nearest.map_or(0, |(_, image)| {
            log_time_nanos.saturating_sub(image.log_time_nanos)
        })
    }
}

/// The images of a recording's changes: its images are held until they are certain, so none is revoked.
fn placed(changes: Vec<Change<Ordinal>>) -> impl Iterator<Item = Placed<Ordinal>> {
    changes.into_iter().filter_map(|change| match change {
        Change::Place(placed) => Some(placed),
        Change::Revoke { .. } => None,
    })
}

/// A stream whose stamps are set back as often as the images' tells itself which epoch each of its messages is of,
/// however late it was recorded: a run that was logged while an epoch's images were is of that epoch, the others follow
/// in their order.
#[derive(Debug, Clone, Default)]
struct Runs {
    newest_nanos: Option<i64>,
    /// When the messages of each were logged, from and to.
    logged: Vec<(i64, i64)>,
}

impl Runs {
    /// The epoch of each message, where its stream tells.
    fn of(messages: &[Message], spans: &[Span], wait_nanos: i64) -> Vec<Option<u64>> {
        let mut streams: [Self; 5] = Default::default();
        let runs: Vec<(usize, usize)> = (messages.iter())
            .map(|message| {
                let stream = message.content.stream();
                (stream, streams[stream].run_of(message))
            })
            .collect();
        let epochs = streams.map(|stream| stream.epochs(spans, wait_nanos));
        let told = |(stream, run): (usize, usize)| epochs[stream].as_ref()?.get(run).copied();
        runs.into_iter().map(told).collect()
    }

    fn run_of(&mut self, message: &Message) -> usize {
        let is_back = |newest: i64| message.stamp_nanos <= newest.saturating_sub(RESET_NANOS);
        if self.newest_nanos.is_none_or(is_back) {
            self.newest_nanos = None;
            (self.logged).push((message.log_time_nanos, message.log_time_nanos));
        }
        self.newest_nanos = self.newest_nanos.max(Some(message.stamp_nanos));
        if let Some((_, to)) = self.logged.last_mut() {
            *to = message.log_time_nanos;
        }
        self.logged.len().saturating_sub(1)
    }

    /// The epoch of each run; `None` if there are not as many, or two were logged during one.
    fn epochs(&self, spans: &[Span], wait_nanos: i64) -> Option<Vec<u64>> {
        if self.logged.len() != spans.len() {
            return None;
        }
        let during = |(from, to): &(i64, i64)| {
            (spans.iter()).position(|span| {
                let (begin, end) = span.logged;
                begin.saturating_sub(wait_nanos) <= *from && *to <= end.saturating_add(wait_nanos)
            })
        };
        let in_time: Vec<Option<usize>> = self.logged.iter().map(during).collect();
        let mut left: BTreeSet<usize> = (0..spans.len()).collect();
        for epoch in in_time.iter().flatten() {
            if !left.remove(epoch) {
                return None;
            }
        }
        let mut left = left.into_iter();
        (in_time.into_iter())
            .map(|epoch| epoch.or_else(|| left.next()).map(|epoch| epoch as u64))
            .collect()
    }
}

impl Content {
    /// Which stream it is of, below 5.
    fn stream(&self) -> usize {
        match self {
            Self::Depth(_) => 0,
            Self::CameraInfo(_) => 1,
            Self::Boxes(BoxRole::Fingertip, _) => 2,
            Self::Boxes(BoxRole::Target, _) => 3,
            Self::Boxes(BoxRole::Both, _) => 4,
        }
    }
}

impl Span {
    fn of(images: &[Placed<Ordinal>]) -> Vec<Self> {
        let mut spans: Vec<Self> = Vec::new();
        for (moment, image) in images.iter().filter(|(_, image)| !image.wild) {
            let (stamp, logged) = (moment.stamp_nanos, image.log_time_nanos);
            let of_epoch = usize::try_from(moment.epoch).unwrap_or(usize::MAX);
            match spans.get_mut(of_epoch) {
                Some(span) => {
                    span.stamps = (span.stamps.0.min(stamp), span.stamps.1.max(stamp));
                    span.logged = (span.logged.0.min(logged), span.logged.1.max(logged));
                }
                None => spans.push(Self {
                    stamps: (stamp, stamp),
                    logged: (logged, logged),
                }),
            }
        }
        spans
    }

    /// The epoch of a message: of those that have its stamp the one that was logged nearest to it.
    fn nearest(spans: &[Self], log_time_nanos: i64, stamp_nanos: i64, reach_nanos: i64) -> u64 {
        let off = |(from, to): (i64, i64), at: i64| {
            let before = from.saturating_sub(at).max(0);
            before.max(at.saturating_sub(to))
        };
        let reach_nanos = reach_nanos.saturating_add(RESET_NANOS);
        let distance = |span: &Self| {
            let beyond = off(span.stamps, stamp_nanos) > reach_nanos;
            (beyond, off(span.logged, log_time_nanos))
        };
        let spans = (0_u64..).zip(spans);
        let nearest = spans.min_by_key(|(_, span)| distance(span));
        nearest.map_or(0, |(epoch, _)| epoch)
    }
}

/// The frames of a recording, made one after the other.
#[derive(Debug)]
pub struct StampedFrames {
    join: Join<Ordinal>,
    pending: PendingImages<Ordinal>,
    /// When splits were logged that are before no image so far.
    splits: VecDeque<i64>,
    duplicates: u64,
    missed: Missed,
}

impl StampedFrames {
    fn place(&mut self, moment: Moment, image: PendingImage<Ordinal>) {
        if is_pending(&self.pending, moment) && !image.wild {
            self.duplicates += 1;
            return;
        }
        while let Some(split) = self.splits.front().copied()
            && split <= image.log_time_nanos
        {
            self.splits.pop_front();
            self.join.push_split(split);
        }
        let ordinal = image.payload;
        self.pending.insert((moment, ordinal), image);
        self.join.count_image();
    }

    /// What a live node would have missed.
    pub fn missed(&self) -> Missed {
        self.missed
    }

    /// Images that had the stamp of another, and so are no frame.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// The image that the next frame is made of.
    pub fn next_image(&self) -> Option<Ordinal> {
        self.pending.values().next().map(|image| image.payload)
    }
}

impl Iterator for StampedFrames {
    type Item = MatchedFrame<Ordinal>;

    fn next(&mut self) -> Option<Self::Item> {
        let ((moment, _), image) = self.pending.pop_first()?;
        Some(self.join.frame(moment, image).0)
    }
}
