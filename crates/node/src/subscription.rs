//! One subscription of the node: raw messages of a topic, read like those of a bag, and what came of them.

use std::ops::RangeInclusive;
use std::time::Instant;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use r2r::QosProfile;

use super::clock::Now;
use super::graph;
use super::latched::Latched;
use super::outgoing::shortened;
use super::wanted::{Role, Use, Wanted};
use crate::error::Result;
use crate::error::ros;
use spatial_reward_core::messages::joint_state::{self, JointState};
use spatial_reward_core::messages::{Decoder, Projection};
use spatial_reward_core::pipeline::Input;
use spatial_reward_core::pipeline::reading::{self, StreamKind};
use spatial_reward_core::settings::Reliability;

type Messages = BoxStream<'static, Vec<u8>>;

/// What a message says.
pub(crate) enum Heard {
    Of { pair: usize, input: Input },
    Split,
    Prompt(String),
    Joints(Box<JointState>),
}

/// One subscription and what came of it.
pub(crate) struct Subscription {
    pub role: Role,
    pub uses: Vec<Use>,
    /// The role in words: `image`, `fingertip box`, `side depth`.
    pub what: String,
    /// The topic's absolute name after remapping.
    pub topic: String,
    pub type_name: &'static str,
    pub reliability: Reliability,
    /// No step is measured without it.
    pub needed: bool,
    decoder: Option<Decoder>,
    /// None once a managed node has stopped listening to it.
    messages: Option<Messages>,
    /// Messages that ROS keeps until they are taken.
    history: u32,
    /// Something has come since it was made.
    has_spoken: bool,
    pub received: u64,
    pub last_received: Option<Instant>,
    /// Messages that came while a simulator's clock had not begun: nothing is known of when.
    pub before_clock: u64,
    pub unreadable: u64,
    /// What was wrong with the last message that could not be read.
    pub last_error: String,
    /// The coordinate frame of the first picture.
    pub frame_id: Option<String>,
    /// What cannot be as a message says was looked for in the first that can be read.
    doubted: bool,
    /// Of static transforms.
    pub latched: Latched,
}

/// What the settings and the topics' names say about pictures.
#[derive(Clone)]
pub(crate) struct Pictures {
    pub projection: Projection,
    pub depth_unit_m: Option<f64>,
    /// Where half of a depth image should lie.
    pub depth_range_m: RangeInclusive<f64>,
}

impl Pictures {
    /// What in a message cannot be as it says, in words.
    fn doubt(&self, kind: StreamKind, decoder: &Decoder, bytes: &Bytes) -> Option<String> {
        match kind {
            StreamKind::CameraInfo | StreamKind::DepthCameraInfo => {
                decoder.camera_info_doubt(bytes).ok()?
            }
            StreamKind::Depth => {
                let depth = decoder.depth(bytes).ok()?;
                decoder.depth_doubt(bytes, &depth, self.depth_range_m.clone())
            }
            StreamKind::Image | StreamKind::Boxes(_) | StreamKind::Transforms { .. } => None,
        }
    }
}

impl Subscription {
    /// Listen to a topic; as a subscription of before did, where there is one: its counts go on, and it is the same
    /// one where nothing has come on it.
    ///
    /// # Errors
    /// A name that ROS refuses.
    pub(crate) fn new(
        node: &mut r2r::Node,
        wanted: Wanted,
        history: u32,
        pictures: &Pictures,
        before: &mut Vec<Self>,
    ) -> Result<Self> {
        let decoder = match wanted.role {
            Role::Gripper | Role::EpisodeSplit => None,
            Role::Pipeline(_) | Role::TaskPrompt => Some(
                Decoder::for_channel(wanted.type_name, None)?
                    .with_projection(pictures.projection)
                    .with_depth_unit_m(pictures.depth_unit_m),
            ),
        };
        let (asked, type_name) = (wanted.asked.clone(), wanted.type_name);
        let fresh = Self::silent(wanted, decoder, history);
        let mut one = fresh.after(before);
        if one.messages.is_none() {
            let quality = match one.role {
                Role::Pipeline(StreamKind::Transforms { is_static }) => qos_of_tf(is_static),
                _ => qos(one.reliability, history),
            };
            let messages = node.subscribe_raw(&asked, type_name, quality);
            let messages = messages.map_err(ros(format!("subscribe to {}", one.topic)))?;
            one.messages = Some(messages.boxed());
        }
        Ok(one)
    }

    /// Listen to a topic that splits episodes, of whatever type; as one of before did, like `new`.
    ///
    /// # Errors
    /// ROS knows no such type.
    pub(crate) fn new_split(
        node: &mut r2r::Node,
        asked: &str,
        topic: String,
        type_name: &str,
        before: &mut Vec<Self>,
    ) -> Result<Self, r2r::Error> {
        let wanted = Wanted {
            role: Role::EpisodeSplit,
            uses: Vec::new(),
            what: "episode split".to_owned(),
            regions: Vec::new(),
            of_camera: String::new(),
            asked: asked.to_owned(),
            topic,
            // Any type will do: the content does not matter.
            type_name: "any type",
            reliability: Reliability::Reliable,
            needed: false,
        };
        let mut one = Self::silent(wanted, None, 0).after(before);
        if one.messages.is_none() {
            let messages = node.subscribe_raw(asked, type_name, QosProfile::default())?;
            one.messages = Some(messages.boxed());
        }
        Ok(one)
    }

    fn silent(wanted: Wanted, decoder: Option<Decoder>, history: u32) -> Self {
        Self {
            role: wanted.role,
            what: wanted.in_words(),
            uses: wanted.uses,
            topic: wanted.topic,
            type_name: wanted.type_name,
            reliability: wanted.reliability,
            needed: wanted.needed,
            decoder,
            messages: None,
            history,
            has_spoken: false,
            received: 0,
            last_received: None,
            before_clock: 0,
            unreadable: 0,
            last_error: String::new(),
            frame_id: None,
            doubted: false,
            latched: Latched::default(),
        }
    }

    /// With the counts of the subscription of before that this one goes on with, and its messages.
    fn after(mut self, before: &mut Vec<Self>) -> Self {
        let is_alike = |one: &Self| one.is_like(&self);
        if let Some(at) = before.iter().position(is_alike) {
            let old = before.swap_remove(at);
            self.messages = old.messages;
            self.received = old.received;
            self.before_clock = old.before_clock;
            self.unreadable = old.unreadable;
            self.last_error = old.last_error;
            self.latched = old.latched;
        }
        self
    }

    fn is_like(&self, other: &Self) -> bool {
        (
            &self.what,
            &self.topic,
            self.type_name,
            self.reliability,
            self.history,
        ) == (
            &other.what,
            &other.topic,
            other.type_name,
            other.reliability,
            other.history,
        )
    }

    /// Stop listening. r2r gives a subscription up when a message comes that nobody takes. One on which none comes is
    /// kept to be gone on with, for else each activation of a managed node would leave one more behind.
    ///
    /// What static transforms said holds on, and nobody says it again: they are listened to all the time.
    pub(crate) fn rest(&mut self) {
        if self.is_latched() {
            while let Some(bytes) = self.next() {
                self.latch(bytes);
            }
            return;
        }
        if self.has_spoken {
            self.messages = None;
        }
        while self.next().is_some() {
            self.messages = None;
        }
    }

    /// The next message that ROS has taken in.
    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        let bytes = self.messages.as_mut()?.next().now_or_never().flatten();
        self.has_spoken |= bytes.is_some();
        bytes
    }

    /// With what a topic's name says about pictures, once that is known.
    pub(crate) fn project(&mut self, projection: Projection) {
        self.decoder = (self.decoder.take()).map(|decoder| decoder.with_projection(projection));
    }

    pub(crate) fn is_of_transforms(&self) -> bool {
        matches!(self.role, Role::Pipeline(StreamKind::Transforms { .. }))
    }

    pub(crate) fn is_latched(&self) -> bool {
        self.role == Role::Pipeline(StreamKind::Transforms { is_static: true })
    }

    /// Keep what a message of static transforms says, whatever the time is.
    pub(crate) fn latch(&mut self, bytes: Vec<u8>) {
        let Some(decoder) = &self.decoder else { return };
        match decoder.transforms(&bytes) {
            Ok(transforms) => self.latched.push(transforms),
            Err(error) => self.note_unreadable(&error.to_string()),
        }
    }

    /// Whether there was a message that can be read: an uncalibrated camera's info is none to wait for.
    pub(crate) fn is_of_use(&self) -> bool {
        self.received > self.unreadable
    }

    /// Whether it is this to a camera.
    pub(crate) fn is_of(&self, camera: usize, kind: StreamKind) -> bool {
        let mut uses = self.uses.iter();
        uses.any(|one| one.camera == camera && one.kind == kind)
    }

    /// The camera that wanted it first.
    pub(crate) fn camera(&self) -> usize {
        self.uses.first().map_or(0, |one| one.camera)
    }

    /// Read a message: what it says to each that wants it. One that cannot be read is left out.
    pub(crate) fn take(
        &mut self,
        bytes: Vec<u8>,
        now: Now,
        pictures: &Pictures,
        heard: &mut Vec<Heard>,
    ) {
        match self.read(bytes.into(), now, pictures) {
            Ok(read) => heard.extend(read),
            Err(error) => self.note_unreadable(&error.to_string()),
        }
    }

    fn read(&mut self, bytes: Bytes, now: Now, pictures: &Pictures) -> Result<Vec<Heard>> {
        if self.role == Role::Gripper {
            return Ok(vec![Heard::Joints(Box::new(joint_state::decode(&bytes)?))]);
        }
        let Some(decoder) = &self.decoder else {
            return Ok(vec![Heard::Split]);
        };
        let Role::Pipeline(kind) = self.role else {
            let prompt = shortened(&decoder.string(&bytes)?).into_owned();
            return Ok(vec![Heard::Prompt(prompt)]);
        };
        let is_picture = matches!(kind, StreamKind::Image | StreamKind::Depth);
        if is_picture && self.frame_id.is_none() {
            self.frame_id = decoder.image_header(&bytes).ok().map(|one| one.frame_id);
        }
        // Each way of reading once; pictures stay where they are.
        let mut read: Vec<(StreamKind, Input)> = Vec::new();
        let mut heard = Vec::with_capacity(self.uses.len());
        for Use { pair, kind, .. } in &self.uses {
            let known = read.iter().find(|(known, _)| known == kind);
            let input = match known {
                Some((_, input)) => input.clone(),
                None => {
                    let input = reading::read(*kind, decoder, &bytes, now.ros_nanos)?;
                    read.push((*kind, input.clone()));
                    input
                }
            };
            heard.push(Heard::Of { pair: *pair, input });
        }
        if !std::mem::replace(&mut self.doubted, true)
            && let Some(doubt) = pictures.doubt(kind, decoder, &bytes)
        {
            tracing::warn!("{}: {doubt}", self.topic);
        }
        Ok(heard)
    }

    /// The static transforms that nobody was told of yet.
    pub(crate) fn tell_latched(&mut self, heard: &mut Vec<Heard>) {
        let transforms = self.latched.take_untold();
        if transforms.is_empty() {
            return;
        }
        for one in &self.uses {
            let input = Input::Transforms {
                transforms: transforms.clone(),
                is_static: true,
            };
            heard.push(Heard::Of {
                pair: one.pair,
                input,
            });
        }
    }

    /// One is told; the others are counted.
    pub(crate) fn note_unreadable(&mut self, error: &str) {
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

/// That of transforms: as tf2's, but that nothing is lost in a burst.
fn qos_of_tf(is_static: bool) -> QosProfile {
    let profile = QosProfile::default().reliable().keep_last(1000);
    match is_static {
        true => profile.transient_local(),
        false => profile,
    }
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
