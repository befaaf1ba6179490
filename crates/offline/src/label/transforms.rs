//! The TF frames of a bag. A transform may be logged after the image that it is for, and static ones come once, anywhere;
//! so all of them are read before the labelling begins, on all topics of their type: they are light.

use std::collections::BTreeMap;

use super::decoders::decoder;
use super::request::Work;
use crate::error::{Error, Result};
use crate::message_types::{TRANSFORMS, is_cdr, is_of_type};
use crate::role::Role;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::stamp::nanos_from_seconds;
use spatial_reward_core::transforms::{Refused, TransformTree};
use spatial_reward_rosbag2::{BagInfo, BagMessage, BagReader, TopicInfo};

/// Takes the transforms of a bag in.
#[derive(Debug)]
pub(crate) struct TransformIntake {
    /// By topic index, and whether its transforms are static.
    readers: BTreeMap<usize, (Decoder, bool)>,
    tree: TransformTree,
    /// What was wrong with some, and how often.
    refused: Refused,
}

impl TransformIntake {
    /// For all topics of a bag that have transforms.
    pub(crate) fn new(info: &BagInfo, settings: &Settings) -> Self {
        let mut refused = Refused::default();
        let mut readers = BTreeMap::new();
        for (index, topic) in topics(info) {
            match decoder(info, Role::Transforms, index) {
                Ok(Some(decoder)) => {
                    readers.insert(index, (decoder, is_static(topic)));
                }
                Ok(None) => {}
                // The other topics may do.
                Err(error) => {
                    refused.add(error.to_string(), topic.message_count.unwrap_or(1));
                }
            }
        }
        Self {
            readers,
            tree: TransformTree::new(nanos_from_seconds(settings.matching.box_max_age_s)),
            refused,
        }
    }

    /// The topics of static transforms.
    pub(super) fn static_topics(&self) -> impl Iterator<Item = usize> {
        let readers = self.readers.iter();
        let fixed = readers.filter(|(_, (_, is_static))| *is_static);
        fixed.map(|(topic, _)| *topic)
    }

    /// Take a message in, if it is on one of the topics. What is no transform is counted and left out.
    pub(crate) fn take(&mut self, message: &BagMessage) {
        let Some((decoder, is_static)) = self.readers.get(&message.topic) else {
            return;
        };
        let is_static = *is_static;
        match decoder.transforms(&message.data) {
            Ok(transforms) => {
                for sent in transforms {
                    let taken = (self.tree).take(&sent, message.log_time_nanos, is_static);
                    if let Err(why) = taken {
                        self.refused.add(why, 1);
                    }
                }
            }
            Err(error) => {
                self.refused.add(error.to_string(), 1);
            }
        }
    }

    /// All that were taken in, and what was wrong with others, in words.
    pub(crate) fn finish(self) -> (TransformTree, Vec<String>) {
        (self.tree, self.refused.in_words())
    }
}

/// Warn of transforms that are left out, and of static ones that the recording changes.
pub(super) fn tell(tree: &TransformTree, refused: &[String]) {
    for why in refused {
        tracing::warn!("transforms are left out: {why}");
    }
    tell_changed(tree);
}

/// Warn of static transforms that the recording changes.
pub(crate) fn tell_changed(tree: &TransformTree) {
    let changed = tree.changed();
    if !changed.is_empty() {
        tracing::warn!(
            "the static transforms of {} change in the recording: the last one of each holds for all of it",
            changed.join(", ")
        );
    }
}

/// The transforms of a bag whose regions are at frames; `None` where none is.
///
/// # Errors
/// Those of the bag; `Error::NoFrame` for a frame that no transform names.
pub(crate) fn read(info: &BagInfo, work: Work<'_>) -> Result<Option<TransformTree>> {
    of_regions(info, work.settings, &|| work.stop_if_asked())
}

/// The same for whoever makes nothing.
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
    tell(&tree, &refused);
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

/// The topics of transforms that can be read.
pub(super) fn topics(info: &BagInfo) -> impl Iterator<Item = (usize, &TopicInfo)> {
    let topics = info.topics.iter().enumerate();
    topics.filter(|(_, topic)| is_of_type(topic, TRANSFORMS) && is_cdr(topic))
}

/// As tf2 has it: a topic of its own, whatever it is remapped to.
pub(super) fn is_static(topic: &TopicInfo) -> bool {
    let own = topic.name.rsplit('/').next();
    own.is_some_and(|own| own.contains("static"))
}
