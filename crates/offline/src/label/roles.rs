//! Which topic of a bag plays which role. A topic that the user names is taken or refused; the
//! others are found by type and name, always the same ones for the same bag, and with the reason.

mod find;
mod names;

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use spatial_reward_core::messages::step_reward;
use spatial_reward_core::settings::{Settings, Topics};
use spatial_reward_rosbag2::{BagInfo, TopicInfo};

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Image,
    Depth,
    CameraInfo,
    Fingertip,
    Target,
    TaskPrompt,
    EpisodeSplit,
    TruthFingertip,
    TruthTarget,
    TruthSurface,
    TruthCloud,
    /// Depth without noise, which a data set is made with.
    TruthDepth,
    /// Each pixel's instance, for a data set.
    Instances,
    /// Which way is up, for a data set.
    Accelerometer,
}

const IMAGES: &[&str] = &["sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"];
const DETECTIONS: &str = "vision_msgs/msg/Detection2DArray";
const BOXES: &[&str] = &[DETECTIONS, "sensor_msgs/msg/RegionOfInterest"];

impl Role {
    /// What labelling and judging look for.
    pub const ALL: [Self; 11] = [
        Self::Image,
        Self::Depth,
        Self::CameraInfo,
        Self::Fingertip,
        Self::Target,
        Self::TaskPrompt,
        Self::EpisodeSplit,
        Self::TruthFingertip,
        Self::TruthTarget,
        Self::TruthSurface,
        Self::TruthCloud,
    ];

    /// In words, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "colour image",
            Self::Depth => "depth image",
            Self::CameraInfo => "camera info",
            Self::Fingertip => "fingertip boxes",
            Self::Target => "target boxes",
            Self::TaskPrompt => "task prompt",
            Self::EpisodeSplit => "episode split",
            Self::TruthFingertip => "true fingertip",
            Self::TruthTarget => "true target",
            Self::TruthSurface => "true surface distance",
            Self::TruthCloud => "true cloud distance",
            Self::TruthDepth => "true depth image",
            Self::Instances => "instance image",
            Self::Accelerometer => "accelerometer",
        }
    }

    /// As a key of the provenance and of JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Depth => "depth",
            Self::CameraInfo => "camera_info",
            Self::Fingertip => "fingertip",
            Self::Target => "target",
            Self::TaskPrompt => "task_prompt",
            Self::EpisodeSplit => "episode_split",
            Self::TruthFingertip => "truth_fingertip",
            Self::TruthTarget => "truth_target",
            Self::TruthSurface => "truth_surface",
            Self::TruthCloud => "truth_cloud",
            Self::TruthDepth => "truth_depth",
            Self::Instances => "instances",
            Self::Accelerometer => "accelerometer",
        }
    }

    /// The message types that fit; empty where any does.
    pub fn types(self) -> &'static [&'static str] {
        match self {
            Self::Image | Self::Depth | Self::TruthDepth | Self::Instances => IMAGES,
            Self::Accelerometer => &["sensor_msgs/msg/Imu"],
            Self::CameraInfo => &["sensor_msgs/msg/CameraInfo"],
            Self::Fingertip | Self::Target => BOXES,
            Self::TaskPrompt => &["std_msgs/msg/String"],
            Self::EpisodeSplit => &[],
            Self::TruthFingertip | Self::TruthTarget => &["geometry_msgs/msg/PointStamped"],
            Self::TruthSurface | Self::TruthCloud => &["std_msgs/msg/Float64"],
        }
    }

    fn fits(self, topic: &TopicInfo) -> bool {
        let types = self.types();
        types.is_empty() || types.contains(&topic.type_name.as_str())
    }
}

/// The topics that hold the truth, where the user names them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TruthTopics {
    pub fingertip: Option<String>,
    pub target: Option<String>,
    pub surface: Option<String>,
    pub cloud: Option<String>,
}

/// A topic chosen for a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Index into `BagInfo::topics`.
    pub topic: usize,
    /// Why this one, as the end of a sentence: "it ...".
    pub why: String,
    /// The user named it.
    pub named: bool,
    /// Others that fit, best first.
    pub others: Vec<usize>,
    /// Another one fits as well, so the user may have meant that.
    pub ambiguous: bool,
}

/// The roles of a bag that have a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roles {
    choices: BTreeMap<Role, Choice>,
}

impl Roles {
    /// Find every role's topic. A role without one is missing from the result.
    ///
    /// # Errors
    /// `Error::NoTopic` for a named topic that the bag lacks or that has another type.
    pub fn find(info: &BagInfo, settings: &Settings, truth: &TruthTopics) -> Result<Self> {
        let mut roles = Self::default();
        for role in Role::ALL {
            if let Some(name) = named(role, settings, truth) {
                let topic = named_topic(info, role, name)?;
                roles.choices.insert(role, Choice::named(topic));
            }
        }
        find::fill(info, &mut roles);
        Ok(roles)
    }

    pub fn get(&self, role: Role) -> Option<&Choice> {
        self.choices.get(&role)
    }

    pub fn topic(&self, role: Role) -> Option<usize> {
        self.get(role).map(|choice| choice.topic)
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

    /// What labelling with this configuration needs and the bag does not have, worst first.
    pub fn missing(&self, info: &BagInfo, settings: &Settings) -> Vec<Error> {
        let mut needed = vec![Role::Image];
        if settings.needs_depth() {
            needed.push(Role::Depth);
        }
        if settings.estimator().needs_camera_info {
            needed.push(Role::CameraInfo);
        }
        needed.extend([Role::Fingertip, Role::Target]);
        needed
            .into_iter()
            .filter(|role| self.get(*role).is_none())
            .map(|role| no_topic(info, role, why_needed(info, role)))
            .collect()
    }

    /// # Errors
    /// The first of [`Roles::missing`].
    pub fn require(&self, info: &BagInfo, settings: &Settings) -> Result<()> {
        match self.missing(info, settings).into_iter().next() {
            Some(missing) => Err(missing),
            None => Ok(()),
        }
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

impl Choice {
    fn named(topic: usize) -> Self {
        Self {
            topic,
            why: "it was named".to_owned(),
            named: true,
            others: Vec::new(),
            ambiguous: false,
        }
    }
}

/// The topic of step rewards in a labelled bag, the one with the most messages first.
///
/// # Errors
/// `Error::NotLabelled` if there is none.
pub fn reward_topic(info: &BagInfo) -> Result<usize> {
    let topics = info.topics.iter().enumerate();
    topics
        .filter(|(_, topic)| topic.type_name == step_reward::TYPE_NAME)
        .max_by_key(|(index, topic)| (topic.message_count, usize::MAX - index))
        .map(|(index, _)| index)
        .ok_or_else(|| Error::NotLabelled {
            path: info.path.clone(),
            type_name: step_reward::TYPE_NAME,
        })
}

/// The bag's topics, one a line, for people.
pub fn available(info: &BagInfo) -> String {
    if info.topics.is_empty() {
        return "  (no topics at all)".to_owned();
    }
    let width = |text: fn(&TopicInfo) -> &str| info.topics.iter().map(|t| text(t).len()).max();
    let name_width = width(|topic| &topic.name).unwrap_or(0);
    let type_width = width(|topic| &topic.type_name).unwrap_or(0);
    let mut lines: Vec<String> = (info.topics.iter())
        .map(|topic| {
            let (name, type_name) = (&topic.name, &topic.type_name);
            let count = topic
                .message_count
                .map_or("?".to_owned(), |count| count.to_string());
            format!("  {name:name_width$}  {type_name:type_width$}  {count:>6} messages")
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

fn named<'a>(role: Role, settings: &'a Settings, truth: &'a TruthTopics) -> Option<&'a str> {
    let Topics {
        image,
        depth,
        camera_info,
        fingertip,
        target,
        fingertip_class: _,
        target_class: _,
        task_prompt,
    } = &settings.topics;
    let name = match role {
        Role::Image => image,
        Role::Depth => depth,
        Role::CameraInfo => camera_info,
        Role::Fingertip => fingertip,
        Role::Target => target,
        Role::TaskPrompt => task_prompt,
        Role::EpisodeSplit => &settings.episodes.split_topic,
        Role::TruthFingertip => &truth.fingertip,
        Role::TruthTarget => &truth.target,
        Role::TruthSurface => &truth.surface,
        Role::TruthCloud => &truth.cloud,
        // A data set names these itself.
        Role::TruthDepth | Role::Instances | Role::Accelerometer => &None,
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
    let fitting = of_name().filter(|(_, topic)| role.fits(topic));
    // A topic recorded with two types appears twice.
    if let Some((index, _)) = fitting.max_by_key(|(_, topic)| topic.message_count) {
        return Ok(index);
    }
    let why = match of_name().next() {
        None => format!("the bag has no topic '{name}'"),
        Some((_, topic)) => format!(
            "'{name}' is a {}, but must be a {}",
            topic.type_name,
            role.types().join(" or ")
        ),
    };
    Err(no_topic(info, role, why))
}

fn no_topic(info: &BagInfo, role: Role, why: String) -> Error {
    Error::NoTopic {
        role,
        why,
        available: available(info),
    }
}

/// Why the search found nothing, and what wants it.
fn why_needed(info: &BagInfo, role: Role) -> String {
    let types = role.types().join(" or ");
    let fitting = info
        .topics
        .iter()
        .filter(|topic| role.fits(topic) && !names::is_truth(&topic.name));
    let what = match (role, fitting.count()) {
        (_, 0) => format!("no topic is a {types}"),
        (Role::Depth, _) => "no image topic with messages has 'depth' in its name".to_owned(),
        (Role::Image, _) => "no image topic with messages looks like colour by its name".to_owned(),
        _ => format!("no {types} with messages has a fitting name"),
    };
    match role {
        Role::Depth => format!(
            "{what}; geometry measures in depth only, and the model takes its relative depth from it unless \
             --relative-depth says otherwise"
        ),
        Role::CameraInfo => {
            format!("{what}, and the geometry estimator needs the camera's intrinsics")
        }
        _ => what,
    }
}
