//! The node's subscriptions: raw messages, taken out of ROS at once, read like those of a bag.

use std::ops::RangeInclusive;
use std::time::Instant;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use r2r::QosProfile;

use super::arguments::{Identity, Remaps};
use super::clock::Now;
use super::graph;
use super::outgoing::shortened;
use crate::error::Result;
use crate::error::ros;
use spatial_reward_core::messages::{Decoder, Projection};
use spatial_reward_core::pipeline::reading::{self, StreamKind};
use spatial_reward_core::pipeline::{BoxRole, Input, Streams};
use spatial_reward_core::settings::{BoxType, Config, ImageTransport, Reliability, Settings};

/// What a topic is to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Pipeline(StreamKind),
    TaskPrompt,
    EpisodeSplit,
}

/// One subscription and what came of it.
pub(crate) struct Subscription {
    role: Role,
    /// The role in words: `image`, `fingertip box`.
    pub what: &'static str,
    /// The topic's absolute name after remapping.
    pub topic: String,
    pub type_name: &'static str,
    pub reliability: Reliability,
    /// No step is measured without it.
    pub needed: bool,
    decoder: Option<Decoder>,
    messages: BoxStream<'static, Vec<u8>>,
    pub received: u64,
    pub last_received: Option<Instant>,
    /// Messages that came while a simulator's clock had not begun: nothing is known of when.
    pub before_clock: u64,
    pub unreadable: u64,
    /// What was wrong with the last message that could not be read.
    pub last_error: String,
    /// The coordinate frame of the first picture.
    frame_id: Option<String>,
    /// What cannot be as a message says was looked for in the first that can be read.
    doubted: bool,
}

/// All subscriptions.
pub(crate) struct Inputs {
    pub subscriptions: Vec<Subscription>,
    /// The topic that splits episodes, whose type only its publisher knows.
    split: Option<Split>,
    pub task_prompt: String,
    /// Whether it was told already how depth lies to the image, or somebody says that it is registered.
    frames_compared: bool,
    pictures: Pictures,
}

/// What the settings and the topics' names say about pictures.
#[derive(Clone)]
struct Pictures {
    projection: Projection,
    depth_unit_m: Option<f64>,
    /// Where half of a depth image should lie.
    depth_range_m: RangeInclusive<f64>,
}

struct Split {
    asked: String,
    topic: String,
}

/// A subscription that is about to be made.
struct Wanted<'a> {
    role: Role,
    what: &'static str,
    own_name: &'static str,
    configured: Option<&'a String>,
    type_name: &'static str,
    reliability: Reliability,
    needed: bool,
}

impl Inputs {
    /// Subscribe to everything that the settings ask for.
    ///
    /// # Errors
    /// A topic name that ROS refuses.
    pub(crate) fn subscribe(
        node: &mut r2r::Node,
        settings: &Settings,
        remaps: &Remaps,
        identity: &Identity,
    ) -> Result<Self> {
        let mut wanted = wanted(settings);
        let resolved = |one: &Wanted<'_>| {
            remaps.resolve(
                one.configured.map_or(one.own_name, String::as_str),
                identity,
            )
        };
        let topic_of = |kind| {
            let one = wanted.iter().find(|one| one.role == Role::Pipeline(kind));
            one.map(resolved)
        };
        let image = topic_of(StreamKind::Image).unwrap_or_default();
        let depth = topic_of(StreamKind::Depth);
        let Config {
            topics, geometry, ..
        } = settings.config();
        let mut inputs = Self {
            subscriptions: Vec::new(),
            split: None,
            task_prompt: String::new(),
            frames_compared: settings.depth.registered,
            pictures: Pictures {
                projection: Projection::of(topics.rectification, &image, depth.as_deref()),
                depth_unit_m: topics.depth_unit_m,
                depth_range_m: geometry.min_depth_m..=geometry.max_depth_m,
            },
        };
        if let [.., fingertip, target] = wanted.as_mut_slice()
            && resolved(fingertip) == resolved(target)
        {
            fingertip.role = Role::Pipeline(StreamKind::Boxes(BoxRole::Both));
            fingertip.what = "boxes";
            wanted.pop();
        }
        wanted.push(Wanted {
            role: Role::TaskPrompt,
            what: "task prompt",
            own_name: "/task_prompt",
            configured: settings.topics.task_prompt.as_ref(),
            type_name: "std_msgs/msg/String",
            reliability: Reliability::Reliable,
            needed: false,
        });
        for one in wanted {
            let topic = resolved(&one);
            inputs.subscribe_to(node, one, topic, settings.live.history)?;
        }
        inputs.split = settings.episodes.split_topic.as_ref().map(|asked| Split {
            asked: asked.clone(),
            topic: remaps.resolve(asked, identity),
        });
        Ok(inputs)
    }

    fn subscribe_to(
        &mut self,
        node: &mut r2r::Node,
        wanted: Wanted<'_>,
        topic: String,
        history: u32,
    ) -> Result<()> {
        let asked = wanted.configured.map_or(wanted.own_name, String::as_str);
        let decoder = Decoder::for_channel(wanted.type_name, None)?
            .with_projection(self.pictures.projection)
            .with_depth_unit_m(self.pictures.depth_unit_m);
        let messages =
            (node.subscribe_raw(asked, wanted.type_name, qos(wanted.reliability, history)))
                .map_err(ros(format!("subscribe to {topic}")))?;
        self.subscriptions.push(Subscription::new(
            &wanted,
            topic,
            Some(decoder),
            messages.boxed(),
        ));
        Ok(())
    }

    /// Subscribe to the topic that splits episodes, once a publisher has told its type. To be called now
    /// and then.
    pub(crate) fn look_for_split(&mut self, node: &mut r2r::Node) {
        let Some(split) = &self.split else {
            return;
        };
        // ROS may not tell for a moment; it is asked again.
        let publishers = graph::publishers(node, &split.topic).unwrap_or_default();
        let Some(type_name) = publishers.first().map(|one| one.type_name.as_str()) else {
            return;
        };
        let messages = match node.subscribe_raw(&split.asked, type_name, QosProfile::default()) {
            Ok(messages) => messages,
            Err(error) => {
                tracing::error!(
                    "episodes.split_topic {} is of type {type_name}, which this build cannot receive ({error}): \
                     publish it as a type of std_msgs, or build with its package in IDL_PACKAGE_FILTER",
                    split.topic
                );
                self.split = None;
                return;
            }
        };
        tracing::info!("each {type_name} on {} begins an episode", split.topic);
        let wanted = Wanted {
            role: Role::EpisodeSplit,
            what: "episode split",
            own_name: "",
            configured: Some(&split.asked),
            // Any type will do: the content does not matter.
            type_name: "any type",
            reliability: Reliability::Reliable,
            needed: false,
        };
        let topic = split.topic.clone();
        self.subscriptions
            .push(Subscription::new(&wanted, topic, None, messages.boxed()));
        self.split = None;
    }

    /// Take every message that has come out of ROS's hands; whether there was one. Without a time (a
    /// simulator's clock that has not begun) they are dropped.
    pub(crate) fn take(&mut self, now: Option<Now>, sink: &mut dyn FnMut(Input)) -> bool {
        let mut any = false;
        for subscription in &mut self.subscriptions {
            while let Some(Some(bytes)) = subscription.messages.next().now_or_never() {
                any = true;
                subscription.received += 1;
                subscription.last_received = Some(Instant::now());
                let Some(now) = now else {
                    subscription.before_clock += 1;
                    continue;
                };
                match subscription.read(bytes, now, &self.pictures, &mut self.task_prompt) {
                    Ok(Some(input)) => sink(input),
                    Ok(None) => {}
                    Err(error) => subscription.note_unreadable(&error.to_string()),
                }
            }
        }
        any
    }

    /// How many images have come.
    pub(crate) fn images(&self) -> u64 {
        let of_images = |one: &&Subscription| one.role == Role::Pipeline(StreamKind::Image);
        (self.subscriptions.iter().find(of_images)).map_or(0, |one| one.received)
    }

    /// Warn, once, where depth is given in another coordinate frame than the image.
    pub(crate) fn compare_frames(&mut self) {
        let frame_of = |kind| {
            let picture = |one: &&Subscription| one.role == Role::Pipeline(kind);
            let one = self.subscriptions.iter().find(picture)?;
            Some((one.topic.as_str(), one.frame_id.as_deref()?))
        };
        if self.frames_compared {
            return;
        }
        if let (Some((image_topic, image)), Some((depth_topic, depth))) =
            (frame_of(StreamKind::Image), frame_of(StreamKind::Depth))
        {
            if image != depth {
                tracing::warn!(
                    "the depth on {depth_topic} is of coordinate frame '{depth}', the image on {image_topic} of \
                     '{image}': the depth must be registered to the image, or distances will be wrong"
                );
            }
            self.frames_compared = true;
        }
    }

    /// The streams that a frame waits for: those that are needed, and those that have shown up.
    pub(crate) fn streams(&self) -> Streams {
        let expects = |kind| {
            (self.subscriptions.iter())
                .any(|one| one.role == Role::Pipeline(kind) && (one.needed || one.is_of_use()))
        };
        let boxes =
            |role| expects(StreamKind::Boxes(role)) || expects(StreamKind::Boxes(BoxRole::Both));
        Streams {
            depth: expects(StreamKind::Depth),
            camera_info: expects(StreamKind::CameraInfo),
            fingertip: boxes(BoxRole::Fingertip),
            target: boxes(BoxRole::Target),
        }
    }
}

impl Pictures {
    /// What in a message cannot be as it says, in words.
    fn doubt(&self, kind: StreamKind, decoder: &Decoder, bytes: &Bytes) -> Option<String> {
        match kind {
            StreamKind::CameraInfo => decoder.camera_info_doubt(bytes).ok()?,
            StreamKind::Depth => {
                let depth = decoder.depth(bytes).ok()?;
                decoder.depth_doubt(bytes, &depth, self.depth_range_m.clone())
            }
            StreamKind::Image | StreamKind::Boxes(_) => None,
        }
    }
}

impl Subscription {
    fn new(
        wanted: &Wanted<'_>,
        topic: String,
        decoder: Option<Decoder>,
        messages: BoxStream<'static, Vec<u8>>,
    ) -> Self {
        Self {
            role: wanted.role,
            what: wanted.what,
            topic,
            type_name: wanted.type_name,
            reliability: wanted.reliability,
            needed: wanted.needed,
            decoder,
            messages,
            received: 0,
            last_received: None,
            before_clock: 0,
            unreadable: 0,
            last_error: String::new(),
            frame_id: None,
            doubted: false,
        }
    }

    /// Whether there was a message that can be read: an uncalibrated camera's info is none to wait for.
    fn is_of_use(&self) -> bool {
        self.received > self.unreadable
    }

    fn read(
        &mut self,
        bytes: Vec<u8>,
        now: Now,
        pictures: &Pictures,
        task_prompt: &mut String,
    ) -> Result<Option<Input>> {
        let Some(decoder) = &self.decoder else {
            return Ok(Some(Input::EpisodeSplit));
        };
        match self.role {
            Role::Pipeline(kind) => {
                let is_picture = matches!(kind, StreamKind::Image | StreamKind::Depth);
                if is_picture && self.frame_id.is_none() {
                    self.frame_id = decoder.image_header(&bytes).ok().map(|one| one.frame_id);
                }
                let bytes: Bytes = bytes.into();
                let input = reading::read(kind, decoder, &bytes, now.ros_nanos)?;
                if !std::mem::replace(&mut self.doubted, true)
                    && let Some(doubt) = pictures.doubt(kind, decoder, &bytes)
                {
                    tracing::warn!("{}: {doubt}", self.topic);
                }
                Ok(Some(input))
            }
            Role::TaskPrompt => {
                *task_prompt = shortened(&decoder.string(&bytes)?).into_owned();
                Ok(None)
            }
            Role::EpisodeSplit => Ok(Some(Input::EpisodeSplit)),
        }
    }

    /// One is told; the others are counted.
    fn note_unreadable(&mut self, error: &str) {
        let error = shortened(error);
        if self.unreadable == 0 {
            tracing::warn!(
                "a message on {} ({}) is left out: {error}",
                self.topic,
                self.what
            );
        }
        self.unreadable += 1;
        self.last_error = error.into_owned();
    }

    /// Why nothing may be heard from the publishers there are, in words.
    pub(crate) fn obstacle(&self, node: &r2r::Node) -> String {
        let publishers = match graph::publishers(node, &self.topic) {
            Ok(publishers) => publishers,
            Err(error) => return error.to_string(),
        };
        let wrong_type = (publishers.iter()).find(|one| one.type_name != self.type_name);
        let unreliable = publishers.iter().any(|one| one.best_effort);
        if publishers.is_empty() {
            format!(
                "nobody publishes {}: start it, or remap the name",
                self.topic
            )
        } else if let (Some(other), Role::Pipeline(_)) = (wrong_type, self.role) {
            format!(
                "{} is of type {}, but {} is expected: {}",
                self.topic,
                other.type_name,
                self.type_name,
                "set live.image_transport, live.depth_transport or live.box_type to what it is"
            )
        } else if self.reliability == Reliability::Reliable && unreliable {
            format!(
                "{} is published best effort, but reliable is asked for: set live.image_reliability or \
                 live.box_reliability to best_effort",
                self.topic
            )
        } else {
            match self.last_received {
                None => format!("{} has a publisher, but nothing has come yet", self.topic),
                Some(at) => format!(
                    "{} has been silent for {:.0} s",
                    self.topic,
                    at.elapsed().as_secs_f64()
                ),
            }
        }
    }
}

/// The pipeline's inputs; the two boxes come last.
fn wanted(settings: &Settings) -> Vec<Wanted<'_>> {
    let Config { topics, live, .. } = settings.config();
    let picture = |transport| match transport {
        ImageTransport::Raw => "sensor_msgs/msg/Image",
        ImageTransport::Compressed => "sensor_msgs/msg/CompressedImage",
    };
    let boxes = match live.box_type {
        BoxType::Detections => "vision_msgs/msg/Detection2DArray",
        BoxType::RegionOfInterest => "sensor_msgs/msg/RegionOfInterest",
    };
    let image = Wanted {
        role: Role::Pipeline(StreamKind::Image),
        what: "image",
        own_name: "image",
        configured: topics.image.as_ref(),
        type_name: picture(live.image_transport),
        reliability: live.image_reliability,
        needed: true,
    };
    let needs_depth = settings.needs_depth();
    let fingertip = Wanted {
        role: Role::Pipeline(StreamKind::Boxes(BoxRole::Fingertip)),
        what: "fingertip box",
        own_name: "fingertip/detections",
        configured: topics.fingertip.as_ref(),
        type_name: boxes,
        reliability: live.box_reliability,
        needed: true,
    };
    let depth = Wanted {
        role: Role::Pipeline(StreamKind::Depth),
        what: "depth",
        own_name: "depth",
        configured: topics.depth.as_ref(),
        type_name: picture(live.depth_transport),
        needed: needs_depth,
        ..image
    };
    let camera_info = Wanted {
        role: Role::Pipeline(StreamKind::CameraInfo),
        what: "camera info",
        own_name: "camera_info",
        configured: topics.camera_info.as_ref(),
        type_name: "sensor_msgs/msg/CameraInfo",
        needed: settings.estimator().needs_camera_info,
        ..image
    };
    let target = Wanted {
        role: Role::Pipeline(StreamKind::Boxes(BoxRole::Target)),
        what: "target box",
        own_name: "target/detections",
        configured: topics.target.as_ref(),
        ..fingertip
    };
    vec![image, depth, camera_info, fingertip, target]
}

/// The quality of a subscription. Messages are taken at once, but what nobody takes for a while has to lie somewhere
/// if none of it is to be lost.
fn qos(reliability: Reliability, history: u32) -> QosProfile {
    let profile = match reliability {
        Reliability::BestEffort => QosProfile::default().best_effort().keep_last(10),
        Reliability::Reliable => QosProfile::default().reliable().keep_last(1000),
    };
    match history {
        0 => profile,
        history => profile.keep_last(history as usize),
    }
}
