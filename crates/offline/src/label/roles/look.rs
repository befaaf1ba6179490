//! What the first messages show, before topics are chosen: a picture's encoding and a header's coordinate frame say
//! what a name can only hint at.

use std::collections::{BTreeMap, BTreeSet};

use super::names::is_truth;
use crate::error::Result;
use crate::message_types::is_cdr;
use crate::role::Role;
use bytes::Bytes;
use spatial_reward_core::Error as CoreError;
use spatial_reward_core::messages::{CameraInfo, Decoder, cdr};
use spatial_reward_rosbag2::{BagReader, TopicInfo};

/// No farther than this is looked ahead, whatever topics have not come by then.
const MOST_MESSAGES: u64 = 20_000;
const MOST_BYTES: u64 = 256 << 20;
/// So many messages of a topic are looked at until one says all that it can.
const MOST_TRIES: u32 = 10;
/// So many classes of a message are looked at.
const MOST_CLASSES: usize = 100;

/// What each topic's first messages show.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks {
    by_topic: BTreeMap<usize, Look>,
}

/// What the first messages of one topic show; nothing where none was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// The coordinate frame in the header.
    pub frame_id: String,
    /// An image's encoding, or its format if it is compressed.
    encoding: String,
    /// Whether it is a picture that can be read as colour.
    pub as_color: Legible,
    /// Whether it is a picture that can be read as depth.
    pub as_depth: Legible,
    /// Whether it holds boxes that can be read.
    pub as_boxes: Legible,
    /// The boxes' class ids.
    pub classes: BTreeSet<String>,
}

/// Whether a topic's messages can be read as what a role needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Legible {
    /// They cannot, and no later one will.
    No,
    /// None was seen, or those that were seen are broken.
    #[default]
    Unknown,
    /// They can.
    Yes,
}

impl Legible {
    /// An unsupported encoding or layout is the topic's, anything else that message's alone.
    fn of<T>(read: &spatial_reward_core::Result<T>) -> Self {
        match read {
            Ok(_) => Self::Yes,
            Err(CoreError::Encoding { .. } | CoreError::UnknownLayout { .. }) => Self::No,
            Err(_) => Self::Unknown,
        }
    }
}

impl Looks {
    /// Look at the beginning of a bag, as far as is needed to see each topic.
    ///
    /// # Errors
    /// Those of the machine.
    pub(super) fn at(reader: &BagReader) -> Result<Self> {
        let topics = reader.info().topics.iter().enumerate();
        let mut watched: BTreeMap<usize, Watched<'_>> = topics
            .filter_map(|(index, topic)| Some((index, Watched::new(topic)?)))
            .collect();
        let mut looks = Self::default();
        if watched.is_empty() {
            return Ok(looks);
        }
        let (mut messages, mut bytes) = (0_u64, 0_u64);
        reader.look_ahead(&mut |message| {
            messages += 1;
            bytes += message.data.len() as u64;
            if let Some(topic) = watched.get_mut(&message.topic)
                && topic.has_shown(&message.data)
                && let Some(topic) = watched.remove(&message.topic)
            {
                looks.by_topic.insert(message.topic, topic.look);
            }
            !watched.is_empty() && messages < MOST_MESSAGES && bytes < MOST_BYTES
        })?;
        let rest = watched
            .into_iter()
            .map(|(index, topic)| (index, topic.look));
        looks.by_topic.extend(rest);
        Ok(looks)
    }

    /// What a topic shows.
    pub(super) fn of(&self, topic: usize) -> Look {
        self.by_topic.get(&topic).cloned().unwrap_or_default()
    }
}

impl Look {
    /// The encoding of the pixels, compressed or not.
    fn pixels(&self) -> &str {
        let original = self.encoding.split(';').next();
        original.unwrap_or_default().trim()
    }

    /// Its encoding is one that only depth has.
    pub(super) fn is_depth_for_certain(&self) -> bool {
        self.as_depth == Legible::Yes && self.as_color != Legible::Yes
    }

    /// Its pixels have colours for certain.
    pub(super) fn has_colors(&self) -> bool {
        const COLORS: [&str; 8] = ["rgb", "bgr", "bayer", "yuv", "uyvy", "nv", "8uc3", "8uc4"];
        let pixels = self.pixels().to_lowercase();
        self.as_color == Legible::Yes && COLORS.iter().any(|start| pixels.starts_with(start))
    }

    /// Its pixels have no colours for certain.
    pub(super) fn is_grey(&self) -> bool {
        matches!(self.pixels(), "mono8" | "mono16" | "8UC1" | "16UC1")
    }

    /// Compressing has cost nothing. (Of metres, that transport keeps 16 bits of their inverse.)
    pub(super) fn is_lossless(&self, is_compressed: bool) -> bool {
        !(is_compressed && self.pixels() == "32FC1")
    }
}

/// A topic whose first messages are looked at.
struct Watched<'a> {
    topic: &'a TopicInfo,
    /// `None` where the bag's definition of the type is not known.
    decoder: Option<Decoder>,
    look: Look,
    tries: u32,
}

impl<'a> Watched<'a> {
    /// `None` for a topic that says nothing.
    fn new(topic: &'a TopicInfo) -> Option<Self> {
        let roles = [Role::Image, Role::CameraInfo, Role::Fingertip];
        let is_watched = roles.iter().any(|role| role.fits(topic))
            && is_cdr(topic)
            && !is_truth(&topic.name)
            && topic.message_count != Some(0);
        is_watched.then(|| Self {
            topic,
            decoder: Decoder::for_channel(&topic.type_name, topic.ros2msg()).ok(),
            look: Look::default(),
            tries: 0,
        })
    }

    /// Looks at a message; whether no more is needed.
    fn has_shown(&mut self, data: &Bytes) -> bool {
        self.tries += 1;
        let Some(decoder) = &self.decoder else {
            let no = Legible::No;
            (self.look.as_color, self.look.as_depth, self.look.as_boxes) = (no, no, no);
            return true;
        };
        let look = &mut self.look;
        let shown = if Role::Image.fits(self.topic) {
            picture(look, decoder, data);
            let both = (look.as_color, look.as_depth);
            both.0.max(both.1) == Legible::Yes || both == (Legible::No, Legible::No)
        } else if Role::CameraInfo.fits(self.topic) {
            if let Ok(info) = cdr::decode::<CameraInfo>(&self.topic.type_name, data) {
                look.frame_id = info.header.frame_id;
            }
            !look.frame_id.is_empty()
        } else {
            let read = decoder.detections(data);
            if look.as_boxes != Legible::Yes {
                look.as_boxes = Legible::of(&read);
            }
            if let Ok(detections) = read {
                look.classes
                    .extend(detections.classes().take(MOST_CLASSES).map(str::to_owned));
                look.frame_id = detections.frame_id;
            }
            !look.frame_id.is_empty() && !look.classes.is_empty()
        };
        shown || self.tries == MOST_TRIES
    }
}

fn picture(look: &mut Look, decoder: &Decoder, data: &Bytes) {
    if let Ok(header) = decoder.image_header(data) {
        look.frame_id = header.frame_id;
    }
    if let Ok(encoding) = decoder.image_encoding(data) {
        look.encoding = encoding.to_owned();
    }
    let is_depth = matches!(look.pixels(), "16UC1" | "32FC1");
    if decoder.is_video() {
        // What a packet shows is seen with those before it.
        look.as_color = Legible::of(&decoder.video_packet(data));
        look.as_depth = Legible::No;
        return;
    }
    look.as_color = match Legible::of(&decoder.lazy_color(data)) {
        // What a picture's compression has made of depth is a picture still, but not of colours.
        Legible::Yes if is_depth => Legible::No,
        as_color => as_color,
    };
    look.as_depth = match Legible::of(&decoder.depth(data)) {
        // It is whole, and so no broken depth.
        Legible::Unknown if look.as_color == Legible::Yes => Legible::No,
        as_depth => as_depth,
    };
}
