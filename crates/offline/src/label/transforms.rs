//! The TF frames of a bag. A transform may be logged after the image that it is for, and static ones come once, anywhere;
//! so all of them are read before the labelling begins, on all topics of their type: they are light.

use std::collections::BTreeMap;

use super::decoders::decoder;
use super::request::LabelRequest;
use crate::error::{Error, Result};
use crate::message_types::{TRANSFORMS, is_cdr, is_of_type};
use crate::role::Role;
use spatial_reward_core::messages::{Decoder, TransformStamped};
use spatial_reward_core::settings::Settings;
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_core::transforms::{TransformTree, transform_of};
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader, TopicInfo};

/// Transforms that are refused for different reasons are not listed in full.
const MAX_REFUSED: usize = 20;

/// Takes the transforms of a bag in.
#[derive(Debug)]
pub(crate) struct TransformIntake {
    /// By topic index, and whether its transforms are static.
    readers: BTreeMap<usize, (Decoder, bool)>,
    tree: TransformTree,
    /// What was wrong with some, and how often.
    refused: BTreeMap<String, u64>,
}

impl TransformIntake {
    /// For all topics of a bag that have transforms.
    pub(crate) fn new(info: &BagInfo, settings: &Settings) -> Self {
        let mut refused = BTreeMap::new();
        let mut readers = BTreeMap::new();
        for (index, topic) in topics(info) {
            match decoder(info, Role::Transforms, index) {
                Ok(Some(decoder)) => {
                    readers.insert(index, (decoder, is_static(topic)));
                }
                Ok(None) => {}
                // The other topics may do.
                Err(error) => {
                    refused.insert(error.to_string(), topic.message_count.unwrap_or(1));
                }
            }
        }
        Self {
            readers,
            tree: TransformTree::new(nanos_from_seconds(settings.matching.box_max_age_s)),
            refused,
        }
    }

    /// Whether the bag has static transforms.
    pub(super) fn has_static(&self) -> bool {
        self.readers.values().any(|(_, is_static)| *is_static)
    }

    /// Whether a topic's transforms hold at all times.
    pub(super) fn is_static(&self, topic: usize) -> bool {
        let reader = self.readers.get(&topic);
        reader.is_some_and(|(_, is_static)| *is_static)
    }

    /// All that were taken in so far.
    pub(super) fn tree(&self) -> &TransformTree {
        &self.tree
    }

    /// Take a message in, if it is on one of the topics. What is no transform is counted and left out.
    pub(crate) fn take(&mut self, message: &BagMessage) {
        let Some((decoder, is_static)) = self.readers.get(&message.topic) else {
            return;
        };
        let is_static = *is_static;
        match decoder.transforms(&message.data) {
            Ok(transforms) => {
                for transform in transforms {
                    self.insert(&transform, message.log_time_nanos, is_static);
                }
            }
            Err(error) => self.refuse(error.to_string()),
        }
    }

    fn insert(&mut self, sent: &TransformStamped, log_time_nanos: i64, is_static: bool) {
        let (parent, child) = (&sent.header.frame_id, &sent.child_frame_id);
        let stamp_nanos = match sent.header.stamp_nanos() {
            0 => log_time_nanos,
            stamp_nanos => stamp_nanos,
        };
        let inserted = transform_of(sent.translation, sent.rotation)
            .map_err(|what| format!("the transform of '{child}' in '{parent}' has {what}"))
            .and_then(|transform| {
                (self.tree)
                    .insert(parent, child, stamp_nanos, transform, is_static)
                    .map_err(|error| error.to_string())
            });
        if let Err(why) = inserted {
            self.refuse(why);
        }
    }

    fn refuse(&mut self, why: String) {
        if self.refused.len() < MAX_REFUSED || self.refused.contains_key(&why) {
            *self.refused.entry(why).or_default() += 1;
        }
    }

    /// All that were taken in, and what was wrong with others, in words.
    pub(crate) fn finish(self) -> (TransformTree, Vec<String>) {
        let words = self.refused.into_iter();
        let words = words.map(|(why, count)| format!("{why} ({count} messages)"));
        (self.tree, words.collect())
    }
}

/// The transforms of a bag whose regions are at frames; `None` where none is.
///
/// # Errors
/// Those of the bag; `Error::NoFrame` for a frame that no transform names.
pub(super) fn read(info: &BagInfo, request: &LabelRequest<'_>) -> Result<Option<TransformTree>> {
    of_regions(info, request.settings, &|| request.stop_if_asked())
}

/// The same for whoever does not label.
///
/// # Errors
/// As [`read`], and those of `stop_if_asked`.
pub(crate) fn of_regions(
    info: &BagInfo,
    settings: &Settings,
    stop_if_asked: &dyn Fn() -> Result<()>,
) -> Result<Option<TransformTree>> {
    if !settings.regions.have_frames() {
        return Ok(None);
    }
    let mut intake = TransformIntake::new(info, settings);
    let mut reader = BagReader::open(&info.path)?;
    while let Some(message) = reader.next_message()? {
        stop_if_asked()?;
        intake.take(&message);
    }
    let (tree, refused) = intake.finish();
    for why in refused {
        tracing::warn!("transforms are left out: {why}");
    }
    match missing_frames(&tree, settings).into_iter().next() {
        Some(missing) => Err(missing),
        None => Ok(Some(tree)),
    }
}

/// The frames of regions that no transform names.
pub(crate) fn missing_frames(tree: &TransformTree, settings: &Settings) -> Vec<Error> {
    let regions = &settings.regions;
    let of = [
        (Role::Fingertip, &regions.fingertip.frame),
        (Role::Target, &regions.target.frame),
    ];
    let missing = of.into_iter().filter_map(|(role, frame)| {
        let frame = frame.as_ref().filter(|frame| !tree.has(frame))?;
        let frames = tree.frames();
        Some(Error::NoFrame {
            role,
            frame: frame.clone(),
            available: match frames.is_empty() {
                true => "no transform at all".to_owned(),
                false => frames.join(", "),
            },
        })
    });
    missing.collect()
}

fn topics(info: &BagInfo) -> impl Iterator<Item = (usize, &TopicInfo)> {
    let topics = info.topics.iter().enumerate();
    topics.filter(|(_, topic)| is_of_type(topic, TRANSFORMS) && is_cdr(topic))
}

/// As tf2 has it: a topic of its own, whatever it is remapped to.
fn is_static(topic: &TopicInfo) -> bool {
    let own = topic.name.rsplit('/').next();
    own.is_some_and(|own| own.contains("static"))
}
