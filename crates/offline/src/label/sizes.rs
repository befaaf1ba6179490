//! What is to be said of the sizes of regions: those that are set and of no use, and those that were assumed.

use super::roles::Roles;
use crate::message_types::{ARUCO, DETECTIONS_3D, SPATIAL_DETECTIONS, ZED_OBJECTS, is_of_type};
use crate::role::Role;
use spatial_reward_core::settings::{self, Region, Settings};
use spatial_reward_rosbag2::{BagInfo, TopicInfo};

/// Messages that say where something is, and not always how large: the size and the offset of a region are for these.
const IN_SPACE: &[&str] = &[DETECTIONS_3D, ZED_OBJECTS, SPATIAL_DETECTIONS, ARUCO];

/// Say where a region's size or offset is of no use to the boxes that it has, and where its size is a guess.
pub(crate) fn tell(info: &BagInfo, roles: &Roles, settings: &Settings) {
    tell_vain(info, roles, settings);
    tell_assumed(info, roles, settings);
}

fn tell_vain(info: &BagInfo, roles: &Roles, settings: &Settings) {
    for (role, region, topic) in detected(info, roles, settings) {
        let is_in_space = IN_SPACE.iter().any(|kind| is_of_type(topic, kind));
        if !is_in_space && (!has_usual_size(region) || region.offset_m.is_some()) {
            tracing::warn!(
                "regions.{object}.size_m and regions.{object}.offset_m say nothing of the boxes on {}, which have their own \
                 size: they are for TF frames, and for messages that say where something is and not how large",
                topic.name,
                object = role.key()
            );
        }
    }
}

/// A marker never says how large the object is that carries it.
fn tell_assumed(info: &BagInfo, roles: &Roles, settings: &Settings) {
    let assumed = detected(info, roles, settings)
        .filter(|(_, region, topic)| is_of_type(topic, ARUCO) && has_usual_size(region));
    let (settings, topics): (Vec<String>, Vec<&str>) = assumed
        .map(|(role, _, topic)| {
            let size = format!("regions.{}.size_m", role.key());
            (size, topic.name.as_str())
        })
        .unzip();
    if let Some(topic) = topics.first() {
        tracing::warn!(
            "the markers on {topic} do not say how large what carries them is: a ball of {} m around each marker is taken for \
             it, and distances are off by as much as that is not so. Set {} to the object's diameter, and offset_m beside \
             it to where the object's middle is in the marker's frame",
            Region::default().size_m,
            settings.join(" and ")
        );
    }
}

/// The regions that have a detector's boxes, and their topics.
fn detected<'a>(
    info: &'a BagInfo,
    roles: &Roles,
    settings: &'a Settings,
) -> impl Iterator<Item = (Role, &'a Region, &'a TopicInfo)> {
    let settings::Regions {
        fingertip, target, ..
    } = &settings.regions;
    [(Role::Fingertip, fingertip), (Role::Target, target)]
        .into_iter()
        .filter(|(_, region)| region.is_detected())
        .filter_map(|(role, region)| Some((role, region, info.topics.get(roles.topic(role)?)?)))
}

fn has_usual_size(region: &Region) -> bool {
    region.size_m == Region::default().size_m
}
