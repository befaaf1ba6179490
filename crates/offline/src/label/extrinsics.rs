//! Where one camera of a bag is in another one's coordinate frame: by its static transforms, or by the message of a
//! RealSense's driver that says so.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use nalgebra::Isometry3;

use super::roles::Roles;
use super::transforms::{TransformIntake, tell};
use crate::error::Result;
use crate::message_types::{EXTRINSICS, is_cdr, is_of_type};
use crate::role::Role;
use spatial_reward_core::messages::Decoder;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::transforms::TransformTree;
use spatial_reward_rosbag2::{BagInfo, BagReader};

/// What the static transforms of a bag tell. The bag is read up to the last of them, which stands near its beginning, as a
/// rule: two cameras of one housing do not move; to its end where it does not say how many there are.
///
/// # Errors
/// Those of the bag. Once `stop` is set, what was read is what there is.
pub(super) fn fixed(
    info: &BagInfo,
    settings: &Settings,
    stop: &AtomicBool,
) -> Result<TransformTree> {
    let mut intake = TransformIntake::new(info, settings);
    let count = |topic: usize| {
        let topic = info.topics.get(topic);
        topic
            .and_then(|topic| topic.message_count)
            .unwrap_or(u64::MAX)
    };
    let mut left: BTreeMap<usize, u64> = (intake.static_topics())
        .map(|topic| (topic, count(topic)))
        .collect();
    left.retain(|_, left| *left > 0);
    let mut reader = BagReader::open(&info.path)?;
    while !left.is_empty()
        && let Some(message) = reader.next_message()?
        && !stop.load(Ordering::Relaxed)
    {
        if let Some(of_topic) = left.get_mut(&message.topic) {
            *of_topic -= 1;
            intake.take(&message);
            left.retain(|_, left| *left > 0);
        }
    }
    let (tree, refused) = intake.finish();
    tell(&tree, &refused);
    Ok(tree)
}

/// What the driver of a RealSense calls the message that places its depth camera in the colour camera's axes.
const DEPTH_TO_COLOR: &str = "depth_to_color";

/// What a driver's message says, with its topic, or why it says nothing, in words.
pub(super) type Sent = std::result::Result<(String, Isometry3<f64>), String>;

/// The pose of the depth camera's optical frame in the colour camera's, as the last message of the driver says, with its
/// topic; `None` where there is none. A message that is no pose is told of in words, with its topic.
///
/// # Errors
/// Those of the bag. Once `stop` is set, what was read is what there is.
pub(super) fn sent(info: &BagInfo, roles: &Roles, stop: &AtomicBool) -> Result<Option<Sent>> {
    let Some((index, name)) = topic(info, roles) else {
        return Ok(None);
    };
    let of_topic = info.topics.get(index);
    let decoder = of_topic.map(|topic| Decoder::for_channel(&topic.type_name, topic.ros2msg()));
    let decoder = match decoder {
        None => return Ok(None),
        Some(Err(error)) => return Ok(Some(Err(format!("{name} cannot be read: {error}")))),
        Some(Ok(decoder)) => decoder,
    };
    let mut left = of_topic.and_then(|topic| topic.message_count);
    let mut last = None;
    let mut reader = BagReader::open(&info.path)?;
    while left != Some(0)
        && let Some(message) = reader.next_message()?
        && !stop.load(Ordering::Relaxed)
    {
        if message.topic == index {
            left = left.map(|left| left.saturating_sub(1));
            let pose = decoder.extrinsics(&message.data);
            last = Some(match pose {
                Ok(pose) => Ok((name.clone(), pose)),
                Err(error) => Err(format!("the message on {name} does not tell: {error}")),
            });
        }
    }
    Ok(last)
}

/// The driver's topic for the camera of the image and the depth: both lie in the namespace of that camera, and of several
/// the nearest counts.
fn topic(info: &BagInfo, roles: &Roles) -> Option<(usize, String)> {
    let [image, depth] =
        [Role::Image, Role::Depth].map(|role| roles.name(info, role).unwrap_or_default());
    let topics = info.topics.iter().enumerate();
    topics
        .filter(|(_, topic)| is_of_type(topic, EXTRINSICS) && is_cdr(topic))
        .filter_map(|(index, topic)| {
            let beside = topic.name.strip_suffix(DEPTH_TO_COLOR)?.strip_suffix('/')?;
            let camera = beside.strip_suffix("/extrinsics").unwrap_or(beside);
            let of_camera = |name: &str| {
                name.strip_prefix(camera)
                    .is_some_and(|own| own.starts_with('/'))
            };
            (of_camera(image) && of_camera(depth))
                .then(|| (camera.len(), index, topic.name.clone()))
        })
        .max_by_key(|(length, ..)| *length)
        .map(|(_, index, name)| (index, name))
}
