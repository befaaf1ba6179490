//! Choosing topics: those that the user names first, then the search for the others.

use super::available::no_topic;
use super::chosen::{Choice, Roles};
use super::find;
use super::look::Looks;
use crate::error::Result;
use crate::message_types::is_cdr;
use crate::role::Role;
use spatial_reward_core::settings::{Settings, Topics};
use spatial_reward_rosbag2::{BagInfo, BagReader, TopicInfo};

/// The topics that hold the truth, where the user names them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TruthTopics {
    /// Where the fingertip is.
    pub fingertip: Option<String>,
    /// Where the target is.
    pub target: Option<String>,
    /// The gap between the surfaces, metres.
    pub surface: Option<String>,
    /// The mean distance between the clouds, metres.
    pub cloud: Option<String>,
}

impl Roles {
    /// Find every role's topic in a bag that is not begun, by what its first messages show. A role without one is
    /// missing from the result.
    ///
    /// # Errors
    /// `Error::NoTopic` for a named topic that the bag lacks or that has another type; `Error::Bag` for an error of
    /// the machine.
    pub fn find(reader: &BagReader, settings: &Settings, truth: &TruthTopics) -> Result<Self> {
        Self::from_looks(reader.info(), &Looks::at(reader)?, settings, truth)
    }

    /// The same by types and names alone, for who reads no picture.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn by_name(info: &BagInfo, settings: &Settings, truth: &TruthTopics) -> Result<Self> {
        Self::from_looks(info, &Looks::default(), settings, truth)
    }

    fn from_looks(
        info: &BagInfo,
        looks: &Looks,
        settings: &Settings,
        truth: &TruthTopics,
    ) -> Result<Self> {
        let mut roles = Self::default();
        for role in Role::ALL {
            if let Some(name) = named(role, settings, truth) {
                let topic = named_topic(info, role, name)?;
                roles.choose(role, Choice::named(topic), looks.of(topic).frame_id);
            }
        }
        find::fill(info, looks, settings, &mut roles);
        Ok(roles)
    }
}

impl Choice {
    fn named(topic: usize) -> Self {
        Self {
            topic,
            why: "it was named".to_owned(),
            named: true,
            shared: false,
            others: Vec::new(),
            ambiguous: false,
            rivals: Vec::new(),
        }
    }
}

fn named<'a>(role: Role, settings: &'a Settings, truth: &'a TruthTopics) -> Option<&'a str> {
    let Topics {
        image,
        depth,
        depth_camera_info,
        camera_info,
        fingertip,
        target,
        fingertip_class: _,
        target_class: _,
        task_prompt,
        rectification: _,
        depth_unit_m: _,
    } = &settings.topics;
    let name = match role {
        Role::Image => image,
        Role::Depth => depth,
        Role::CameraInfo => camera_info,
        Role::DepthCameraInfo => depth_camera_info,
        Role::Fingertip => fingertip,
        Role::Target => target,
        Role::TaskPrompt => task_prompt,
        Role::EpisodeSplit => &settings.episodes.split_topic,
        Role::TruthFingertip => &truth.fingertip,
        Role::TruthTarget => &truth.target,
        Role::TruthSurface => &truth.surface,
        Role::TruthCloud => &truth.cloud,
        // A data set names these itself.
        Role::TruthDepth | Role::Instances | Role::Accelerometer | Role::Transforms => &None,
    };
    name.as_deref()
}

fn named_topic(info: &BagInfo, role: Role, name: &str) -> Result<usize> {
    let of_name = || {
        info.topics
            .iter()
            .enumerate()
            .filter(|(_, topic)| topic.name == name)
    };
    let can_be_read = |topic: &TopicInfo| role == Role::EpisodeSplit || is_cdr(topic);
    let fitting = of_name().filter(|(_, topic)| role.fits(topic) && can_be_read(topic));
    // A topic recorded with two types appears twice.
    if let Some((index, _)) = fitting.max_by_key(|(_, topic)| topic.message_count) {
        return Ok(index);
    }
    let why = match of_name().next() {
        None => format!("the bag has no topic '{name}'"),
        Some((_, topic)) if role.fits(topic) => format!(
            "the messages on '{name}' are serialised as '{}', but only CDR is read",
            topic.serialization_format
        ),
        Some((_, topic)) => format!(
            "'{name}' is a {}, but must be a {}",
            topic.type_name,
            role.types().join(" or ")
        ),
    };
    Err(no_topic(info, role, why))
}
