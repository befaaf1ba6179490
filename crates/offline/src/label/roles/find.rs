//! The search: for each role the fitting topics are ranked, first by what can be read and what belongs together, then
//! by what their names say; how much was recorded decides between forms of one stream.

use super::boxes;
use super::candidate::{Candidate, Known, best, by_count, likely};
use super::chosen::Roles;
use super::depth;
use super::look::Looks;
use super::names::{common_namespace, mentions, says_fingertip, says_target};
use super::pictures;
use crate::role::Role;
use spatial_reward_core::settings::Settings;
use spatial_reward_rosbag2::BagInfo;

const PROMPT: &[&str] = &["prompt", "task", "instruction", "language"];

/// Choose topics for the roles that have none yet.
pub(super) fn fill(info: &BagInfo, looks: &Looks, settings: &Settings, roles: &mut Roles) {
    let nothing_shared = Known {
        info,
        looks,
        settings,
        common: &[],
    };
    let images = nothing_shared.fitting(Role::Image);
    let common = common_namespace(images.map(|(_, topic)| topic.name.as_str()));
    let known = Known {
        common: &common,
        ..nothing_shared
    };
    type Search = for<'a> fn(Known<'a>, &Roles) -> Vec<Candidate>;
    for (role, search) in [
        (Role::Image, pictures::images as Search),
        (Role::Depth, depth::depths),
        (Role::CameraInfo, pictures::camera_infos),
        (Role::DepthCameraInfo, depth::camera_infos),
        (Role::TaskPrompt, |known, _| task_prompt(known)),
        (Role::TruthFingertip, |known, _| {
            true_point(known, says_fingertip)
        }),
        (Role::TruthTarget, |known, _| true_point(known, says_target)),
        (Role::TruthSurface, |known, _| true_surface(known)),
        (Role::TruthCloud, |known, _| true_cloud(known)),
        (Role::Fingertip, |known, roles| {
            boxes::of_object(known, roles, Role::Fingertip)
        }),
        (Role::Target, |known, roles| {
            boxes::of_object(known, roles, Role::Target)
        }),
    ] {
        if roles.get(role).is_none()
            && is_detected(role, settings)
            && let Some(choice) = best(known, role, search(known, roles))
        {
            let frame = looks.of(choice.topic).frame_id;
            roles.choose(role, choice, frame);
        }
    }
}

/// Whether a detector is to say where the object is, and not a TF frame or somebody who drew it.
pub(super) fn is_detected(role: Role, settings: &Settings) -> bool {
    let regions = &settings.regions;
    match role {
        Role::Fingertip => regions.fingertip.is_detected(),
        Role::Target => regions.target.is_detected(),
        _ => true,
    }
}

fn task_prompt(known: Known<'_>) -> Vec<Candidate> {
    known
        .fitting(Role::TaskPrompt)
        .filter(|(_, topic)| mentions(&topic.name, PROMPT))
        .map(|(index, topic)| Candidate {
            topic: index,
            shared: false,
            likelihood: likely(usize::from(mentions(&topic.name, &["prompt"]))),
            preference: by_count(topic),
            why: "is a text with task or prompt in its name".to_owned(),
        })
        .collect()
}

fn true_point(known: Known<'_>, says: fn(&str) -> u8) -> Vec<Candidate> {
    known
        .fitting(Role::TruthFingertip)
        .filter(|(_, topic)| says(&topic.name) > 0)
        .map(|(index, topic)| Candidate {
            topic: index,
            shared: false,
            likelihood: likely(usize::from(says(&topic.name))),
            preference: by_count(topic),
            why: "is a point among the ground truth with a fitting name".to_owned(),
        })
        .collect()
}

fn true_cloud(known: Known<'_>) -> Vec<Candidate> {
    known
        .fitting(Role::TruthCloud)
        .filter(|(_, topic)| mentions(&topic.name, &["cloud"]))
        .map(|(index, topic)| Candidate {
            topic: index,
            shared: false,
            likelihood: likely(0),
            preference: by_count(topic),
            why: "is a number among the ground truth that is named after clouds".to_owned(),
        })
        .collect()
}

fn true_surface(known: Known<'_>) -> Vec<Candidate> {
    known
        .fitting(Role::TruthSurface)
        .filter(|(_, topic)| mentions(&topic.name, &["surface", "distance", "gap"]))
        .filter(|(_, topic)| !mentions(&topic.name, &["cloud"]))
        .map(|(index, topic)| Candidate {
            topic: index,
            shared: false,
            likelihood: likely(usize::from(mentions(&topic.name, &["surface"]))),
            preference: by_count(topic),
            why: "is a number among the ground truth with a fitting name".to_owned(),
        })
        .collect()
}
