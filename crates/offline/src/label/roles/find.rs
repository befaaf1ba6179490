//! The search: for each role the fitting topics are ranked, first by what their names say, then by
//! kinship with the colour image, then by how much was recorded.

use super::chosen::{Choice, Roles};
use super::names::{
    SURE, camera_info_beside, is_truth, mentions, says_fingertip, says_target, shared_segments,
    stream,
};
use crate::message_types::DETECTIONS;
use crate::role::Role;
use spatial_reward_rosbag2::{BagInfo, TopicInfo};

/// Pictures made for people, of depth or of detections.
const DRAWINGS: &[&str] = &[
    "debug",
    "overlay",
    "annotated",
    "visualization",
    "visualisation",
    "viz",
    "vis",
    "preview",
    "colormap",
    "colorized",
    "colourized",
    "heatmap",
    "mask",
    "segmentation",
    "confidence",
    "disparity",
];
const COLOR: &[&str] = &["color", "colour", "rgb", "rgbd"];
const NOT_COLOR: &[&str] = &[
    "infra", "infra1", "infra2", "infrared", "ir", "thermal", "mono",
];
const REGISTERED: &[&str] = &["aligned", "registered", "align"];
const PROMPT: &[&str] = &["prompt", "task", "instruction", "language"];

/// One topic that could play a role; the greatest rank wins.
struct Candidate {
    topic: usize,
    /// Equal in these to another: as likely to be meant.
    likelihood: (usize, usize),
    /// Then the one with more messages, then the preferred form.
    preference: (u64, bool),
    why: String,
}

/// Choose topics for the roles that have none yet.
pub(super) fn fill(info: &BagInfo, roles: &mut Roles) {
    for (role, find) in [
        (Role::Image, image as fn(&BagInfo, &Roles) -> Vec<Candidate>),
        (Role::Depth, depth),
        (Role::CameraInfo, camera_info),
        (Role::TaskPrompt, task_prompt),
        (Role::TruthFingertip, |info, _| {
            true_point(info, says_fingertip)
        }),
        (Role::TruthTarget, |info, _| true_point(info, says_target)),
        (Role::TruthSurface, |info, _| true_surface(info)),
        (Role::TruthCloud, |info, _| true_cloud(info)),
    ] {
        if roles.get(role).is_none()
            && let Some(choice) = best(info, find(info, roles))
        {
            roles.choose(role, choice);
        }
    }
    fill_boxes(info, roles);
}

fn best(info: &BagInfo, mut candidates: Vec<Candidate>) -> Option<Choice> {
    let name = |topic: usize| {
        info.topics
            .get(topic)
            .map_or("", |topic| topic.name.as_str())
    };
    candidates.sort_by(|a, b| {
        (b.likelihood, b.preference)
            .cmp(&(a.likelihood, a.preference))
            .then_with(|| name(a.topic).cmp(name(b.topic)))
    });
    let (first, others) = candidates.split_first()?;
    let ambiguous = others.iter().any(|other| {
        other.likelihood == first.likelihood
            && stream(name(other.topic)) != stream(name(first.topic))
    });
    Some(Choice {
        topic: first.topic,
        why: first.why.clone(),
        named: false,
        others: others.iter().map(|other| other.topic).collect(),
        ambiguous,
    })
}

/// Topics of a role's type that are CDR and have messages, truth apart.
fn fitting(info: &BagInfo, role: Role) -> impl Iterator<Item = (usize, &TopicInfo)> {
    let wants_truth = matches!(
        role,
        Role::TruthFingertip | Role::TruthTarget | Role::TruthSurface | Role::TruthCloud
    );
    (info.topics.iter().enumerate())
        .filter(move |(_, topic)| role.fits(topic) && is_truth(&topic.name) == wants_truth)
        .filter(|(_, topic)| topic.message_count != Some(0))
        .filter(|(_, topic)| matches!(topic.serialization_format.as_str(), "cdr" | ""))
}

fn count(topic: &TopicInfo) -> u64 {
    topic.message_count.unwrap_or(0)
}

fn is_compressed(topic: &TopicInfo) -> bool {
    topic.type_name.ends_with("CompressedImage")
}

fn is_depth(name: &str) -> bool {
    mentions(name, &["depth"])
}

/// Colour by name, of the camera that also has camera info and depth, compressed if equally many.
fn image(info: &BagInfo, _roles: &Roles) -> Vec<Candidate> {
    let infos: Vec<&str> = fitting(info, Role::CameraInfo)
        .map(|(_, topic)| topic.name.as_str())
        .collect();
    let depths: Vec<&str> = fitting(info, Role::Image)
        .map(|(_, topic)| topic.name.as_str())
        .filter(|name| is_depth(name))
        .collect();
    fitting(info, Role::Image)
        .filter(|(_, topic)| !is_depth(&topic.name) && !topic.name.ends_with("/compressedDepth"))
        .map(|(index, topic)| {
            let name = topic.name.as_str();
            let (words, mut why) = match name {
                name if mentions(name, DRAWINGS) => {
                    (0, vec!["is the only kind of picture there is"])
                }
                name if mentions(name, COLOR) => (3, vec!["has colour in its name"]),
                name if mentions(name, NOT_COLOR) => {
                    (1, vec!["is an image, though not colour by its name"])
                }
                _ => (2, vec!["is an image that is not depth"]),
            };
            let has_info = infos.contains(&camera_info_beside(name).as_str());
            let has_depth = depths.iter().any(|depth| shared_segments(depth, name) > 0);
            if has_info {
                why.push("has camera info beside it");
            }
            if has_depth {
                why.push("has depth in its namespace");
            }
            Candidate {
                topic: index,
                likelihood: (words, usize::from(has_info) + usize::from(has_depth)),
                preference: (count(topic), is_compressed(topic)),
                why: why.join(", "),
            }
        })
        .collect()
}

/// Depth by name, of the colour image's camera, registered to it if the name says so.
fn depth(info: &BagInfo, roles: &Roles) -> Vec<Candidate> {
    let image = name_of(info, roles, Role::Image);
    fitting(info, Role::Depth)
        .filter(|(_, topic)| is_depth(&topic.name) && !mentions(&topic.name, DRAWINGS))
        .map(|(index, topic)| {
            let shared = shared_segments(image, &topic.name);
            let registered = mentions(&topic.name, REGISTERED) || topic.name.contains("depth_to_");
            let mut why = vec!["has depth in its name"];
            if shared > 0 {
                why.push("shares the image's namespace");
            }
            why.push(if registered {
                "is registered to the colour image by its name"
            } else {
                "does not say in its name that it is registered to the colour image, which it must be"
            });
            Candidate {
                topic: index,
                likelihood: (shared, usize::from(registered)),
                preference: (count(topic), !is_compressed(topic)),
                why: why.join(", "),
            }
        })
        .collect()
}

fn camera_info(info: &BagInfo, roles: &Roles) -> Vec<Candidate> {
    let image = name_of(info, roles, Role::Image);
    let beside = camera_info_beside(image);
    fitting(info, Role::CameraInfo)
        .map(|(index, topic)| {
            let is_beside = topic.name == beside;
            let shared = shared_segments(image, &topic.name);
            let other_sensor = is_depth(&topic.name) || mentions(&topic.name, NOT_COLOR);
            let why = match (is_beside, shared) {
                (true, _) => "lies beside the image",
                (false, 0) => "is a camera info, though in another namespace than the image",
                (false, _) => "is the camera info nearest to the image's namespace",
            };
            Candidate {
                topic: index,
                likelihood: (
                    usize::from(is_beside),
                    2 * shared + usize::from(!other_sensor),
                ),
                preference: (count(topic), false),
                why: why.to_owned(),
            }
        })
        .collect()
}

fn task_prompt(info: &BagInfo, _roles: &Roles) -> Vec<Candidate> {
    fitting(info, Role::TaskPrompt)
        .filter(|(_, topic)| mentions(&topic.name, PROMPT))
        .map(|(index, topic)| Candidate {
            topic: index,
            likelihood: (usize::from(mentions(&topic.name, &["prompt"])), 0),
            preference: (count(topic), false),
            why: "is a text with task or prompt in its name".to_owned(),
        })
        .collect()
}

fn true_point(info: &BagInfo, says: fn(&str) -> u8) -> Vec<Candidate> {
    fitting(info, Role::TruthFingertip)
        .filter(|(_, topic)| says(&topic.name) > 0)
        .map(|(index, topic)| Candidate {
            topic: index,
            likelihood: (usize::from(says(&topic.name)), 0),
            preference: (count(topic), false),
            why: "is a point among the ground truth with a fitting name".to_owned(),
        })
        .collect()
}

fn true_cloud(info: &BagInfo) -> Vec<Candidate> {
    fitting(info, Role::TruthCloud)
        .filter(|(_, topic)| mentions(&topic.name, &["cloud"]))
        .map(|(index, topic)| Candidate {
            topic: index,
            likelihood: (0, 0),
            preference: (count(topic), false),
            why: "is a number among the ground truth that is named after clouds".to_owned(),
        })
        .collect()
}

fn true_surface(info: &BagInfo) -> Vec<Candidate> {
    fitting(info, Role::TruthSurface)
        .filter(|(_, topic)| mentions(&topic.name, &["surface", "distance", "gap"]))
        .filter(|(_, topic)| !mentions(&topic.name, &["cloud"]))
        .map(|(index, topic)| Candidate {
            topic: index,
            likelihood: (usize::from(mentions(&topic.name, &["surface"])), 0),
            preference: (count(topic), false),
            why: "is a number among the ground truth with a fitting name".to_owned(),
        })
        .collect()
}

/// Each object's boxes by name; a topic whose name says neither carries both, by class id.
fn fill_boxes(info: &BagInfo, roles: &mut Roles) {
    for (role, says, other_says) in [
        (
            Role::Fingertip,
            says_fingertip as fn(&str) -> u8,
            says_target as fn(&str) -> u8,
        ),
        (Role::Target, says_target, says_fingertip),
    ] {
        if roles.get(role).is_some() {
            continue;
        }
        let own = own_boxes(info, role, says, other_says);
        let choice = best(info, own).or_else(|| best(info, shared_boxes(info, role, other_says)));
        if let Some(choice) = choice {
            roles.choose(role, choice);
        }
    }
}

fn own_boxes(
    info: &BagInfo,
    role: Role,
    says: fn(&str) -> u8,
    other_says: fn(&str) -> u8,
) -> Vec<Candidate> {
    fitting(info, role)
        .filter(|(_, topic)| says(&topic.name) > other_says(&topic.name))
        .map(|(index, topic)| Candidate {
            topic: index,
            likelihood: (usize::from(says(&topic.name)), 0),
            preference: (count(topic), false),
            why: format!("holds boxes and is named after the {}", object(role)),
        })
        .collect()
}

/// A single detector's topic may be named after one object or its camera and still carry both.
fn shared_boxes(info: &BagInfo, role: Role, other_says: fn(&str) -> u8) -> Vec<Candidate> {
    fitting(info, role)
        .filter(|(_, topic)| topic.type_name == DETECTIONS && other_says(&topic.name) < SURE)
        .map(|(index, topic)| Candidate {
            topic: index,
            likelihood: (usize::from(other_says(&topic.name) == 0), 0),
            preference: (count(topic), false),
            why: format!(
                "holds detections and no topic is named after the {}, so its boxes are told apart by class id",
                object(role)
            ),
        })
        .collect()
}

fn object(role: Role) -> &'static str {
    match role {
        Role::Fingertip => "fingertip",
        _ => "target",
    }
}

fn name_of<'a>(info: &'a BagInfo, roles: &Roles, role: Role) -> &'a str {
    let topic = roles.topic(role).and_then(|topic| info.topics.get(topic));
    topic.map_or("", |topic| topic.name.as_str())
}
