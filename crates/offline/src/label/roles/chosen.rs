//! The topics that were chosen, each with the reason.

use std::collections::BTreeMap;

use crate::message_types::{is_in_space, may_be_in_space};
use crate::role::Role;
use spatial_reward_core::settings::Settings;
use spatial_reward_rosbag2::{BagInfo, TopicInfo};

/// A topic chosen for a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Index into `BagInfo::topics`.
    pub topic: usize,
    /// Why this one, as the end of a sentence: "it ...".
    pub why: String,
    /// The user named it.
    pub named: bool,
    /// It may have both objects' boxes, which class ids tell apart.
    pub shared: bool,
    /// Others that fit, best first.
    pub others: Vec<usize>,
    /// Another one fits as well, so the user may have meant that.
    pub ambiguous: bool,
    /// This and those of other cameras that fit as well, in words, with their coordinate frames: only the user can
    /// tell. Empty if there are none.
    pub rivals: Vec<String>,
}

/// The roles of a bag that have a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles {
    choices: BTreeMap<Role, Choice>,
    /// The coordinate frames of their headers, as far as their first messages name one.
    frames: BTreeMap<Role, String>,
}

impl Roles {
    /// The topic chosen for a role, with the reason.
    pub fn get(&self, role: Role) -> Option<&Choice> {
        self.choices.get(&role)
    }

    /// Its index into `BagInfo::topics`.
    pub fn topic(&self, role: Role) -> Option<usize> {
        self.get(role).map(|choice| choice.topic)
    }

    /// The name of a role's topic.
    pub(crate) fn name<'a>(&self, info: &'a BagInfo, role: Role) -> Option<&'a str> {
        let topic = info.topics.get(self.topic(role)?)?;
        Some(topic.name.as_str())
    }

    /// The coordinate frame in the headers of a role's topic; `None` where they name none.
    pub(crate) fn frame(&self, role: Role) -> Option<&str> {
        self.frames.get(&role).map(String::as_str)
    }

    /// Depth and image name two coordinate frames: they are of two cameras, unless somebody says otherwise.
    pub(crate) fn depth_has_own_frame(&self) -> bool {
        match (self.frame(Role::Image), self.frame(Role::Depth)) {
            (Some(image), Some(depth)) => image != depth,
            _ => false,
        }
    }

    /// Whether depth is to be registered: it has a coordinate frame of its own, or none is named and somebody gave
    /// extrinsics.
    pub(crate) fn registers_depth(&self, settings: &Settings) -> bool {
        let [image, depth] =
            [Role::Image, Role::Depth].map(|role| self.frame(role).unwrap_or_default());
        self.topic(Role::Depth).is_some() && settings.depth.is_to_be_registered(image, depth)
    }

    /// Whether boxes are to be made of what is in metres alone.
    pub(crate) fn are_in_space(&self, info: &BagInfo) -> bool {
        self.box_topics(info).any(is_in_space)
    }

    /// Whether boxes may have to be made of what is in metres.
    pub(crate) fn may_be_in_space(&self, info: &BagInfo) -> bool {
        self.box_topics(info).any(may_be_in_space)
    }

    fn box_topics<'a>(&self, info: &'a BagInfo) -> impl Iterator<Item = &'a TopicInfo> {
        let of = |role| info.topics.get(self.topic(role)?);
        let topics = [of(Role::Fingertip), of(Role::Target)];
        topics.into_iter().flatten()
    }

    /// In the order of `Role::ALL`.
    pub fn iter(&self) -> impl Iterator<Item = (Role, &Choice)> {
        self.choices.iter().map(|(role, choice)| (*role, choice))
    }

    /// One topic carries both objects' boxes.
    pub fn shares_boxes(&self) -> bool {
        let fingertip = self.topic(Role::Fingertip);
        fingertip.is_some() && fingertip == self.topic(Role::Target)
    }

    /// Choose a role's topic, whose headers name this coordinate frame.
    pub(super) fn choose(&mut self, role: Role, choice: Choice, frame: String) {
        self.choices.insert(role, choice);
        self.frames.remove(&role);
        if !frame.is_empty() {
            self.frames.insert(role, frame);
        }
    }

    /// Take a role's topic back.
    pub(crate) fn leave_out(&mut self, role: Role) {
        self.choices.remove(&role);
    }

    /// Role to topic name, of the roles whose messages the labelling reads.
    pub fn topic_names(&self, info: &BagInfo) -> BTreeMap<String, String> {
        self.iter()
            .filter_map(|(role, choice)| {
                let topic = info.topics.get(choice.topic)?;
                Some((role.key().to_owned(), topic.name.clone()))
            })
            .collect()
    }
}
