//! A topic that is to be listened to: what it is to whom, and how its messages come.

use spatial_reward_core::pipeline::reading::StreamKind;
use spatial_reward_core::settings::Reliability;

/// What a topic is to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// What it is to the first pair that wants it.
    Pipeline(StreamKind),
    TaskPrompt,
    /// The gripper's joints.
    Gripper,
    EpisodeSplit,
}

impl Role {
    /// Whether one subscription does for both: boxes are told apart when they are read.
    pub(crate) fn is_like(self, other: Self) -> bool {
        let are_boxes = |role| matches!(role, Self::Pipeline(StreamKind::Boxes(_)));
        self == other || are_boxes(self) && are_boxes(other)
    }
}

/// Who wants a topic, as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    /// Which pair of regions as a camera sees it.
    pub pair: usize,
    /// Which camera.
    pub camera: usize,
    pub kind: StreamKind,
}

/// A subscription that is about to be made.
pub(crate) struct Wanted {
    pub role: Role,
    pub uses: Vec<Use>,
    /// The role in words.
    pub what: String,
    /// Whose boxes they are.
    pub regions: Vec<String>,
    /// Whose pictures or boxes; empty where there is but one.
    pub of_camera: String,
    /// The topic's name as it is asked for, before remapping.
    pub asked: String,
    /// Its absolute name after.
    pub topic: String,
    pub type_name: &'static str,
    pub reliability: Reliability,
    pub needed: bool,
}

impl Wanted {
    /// The camera that wanted it first.
    pub(crate) fn camera(&self) -> usize {
        self.uses.first().map_or(0, |one| one.camera)
    }

    /// Another wants the same topic.
    pub(crate) fn join(&mut self, other: Self) {
        let is_new = |one: &Use| !self.uses.contains(one);
        let new: Vec<Use> = other.uses.into_iter().filter(is_new).collect();
        self.uses.extend(new);
        for region in other.regions {
            if !self.regions.contains(&region) {
                self.regions.push(region);
            }
        }
        self.needed |= other.needed;
    }

    /// The role in words, with whose it is.
    pub(crate) fn in_words(&self) -> String {
        let what = match self.regions.as_slice() {
            [] => self.what.clone(),
            [region] => format!("{region} box"),
            [first, second]
                if self.of_camera.is_empty() && [first, second] == ["fingertip", "target"] =>
            {
                self.what.clone()
            }
            regions => format!("{} boxes", regions.join(" and ")),
        };
        format!("{} {what}", self.of_camera).trim_start().to_owned()
    }
}
